"""Signatures of SQS, on a server with `--auth on` and the key of this file alone."""

import boto3
from botocore.config import Config
from harness import check, equal, refused, true
from queue_world import bodies

KEY, SECRET, ACCOUNT = "AKIACOMPAT", "a long/random+text=", "123456789012"


def client(world, key=KEY, secret=SECRET):
    return boto3.client(
        "sqs", endpoint_url=world.endpoint, region_name="us-east-1",
        aws_access_key_id=key, aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@check
def a_known_key_acts_for_its_account(world):
    world.sqs = client(world)
    url = world.queue()
    equal(url.split("/")[3], ACCOUNT)
    texts = ["x", "ünïcödé ∑ +/%20 ~ &Action=DeleteQueue", "x" * 100_000]
    binary = {"DataType": "Binary", "BinaryValue": bytes(range(256))}
    for text in texts:
        world.send(url, text, MessageAttributes={"a": binary})
    equal(sorted(bodies(world.receive_all(url, 3))), sorted(texts))


@check
def wrong_secrets_and_unknown_keys_are_refused(world):
    url = client(world).create_queue(QueueName="sealed")["QueueUrl"]
    # As codes of SQS's own (common errors of its API reference) in either protocol.
    codes = ("SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSecurity")
    wrong = client(world, secret="wrong")
    refused(codes, wrong.list_queues)
    refused(codes, wrong.send_message, QueueUrl=url, MessageBody="x")
    codes = ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidSecurity")
    unknown = client(world, key="AKIANOBODY")
    refused(codes, unknown.list_queues)
    refused(codes, unknown.receive_message, QueueUrl=url)
    true(client(world).get_queue_url(QueueName="sealed")["QueueUrl"] == url, "the right key still works")
