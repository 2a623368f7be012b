"""Signatures, on a server with `--auth on` and the key of this file alone."""

import http.client
import urllib.parse
import warnings

import boto3
from botocore.config import Config
from harness import check, datas, equal, refused, true

KEY, SECRET, ACCOUNT = "AKIACOMPAT", "a long/random+text=", "123456789012"


def client(world, key=KEY, secret=SECRET, region="us-east-1", endpoint=None, **more):
    return boto3.client(
        "kinesis", endpoint_url=endpoint or world.endpoint, region_name=region,
        aws_access_key_id=key, aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}), **more,
    )


@check
def a_known_key_acts_for_its_account(world):
    world.kinesis = client(world)
    world.account = ACCOUNT
    name = world.stream(shards=2)
    equal(world.summary(name)["StreamARN"], world.arn(name))
    for data in (b"", b"x", bytes(range(256)) * 3000, "ünïcödé ∑ +/%20 ~".encode()):
        put = world.put(name, data, key="ø k/+%")
        equal(world.read_shard(name, put["ShardId"])[-1]["Data"], data)


@check
def signatures_hold_in_every_region_and_over_tls(world):
    for region in ("eu-west-1", "us-gov-west-1"):
        equal(client(world, region=region).list_streams()["StreamNames"], [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 tells that a self-signed certificate is not verified
        secure = world.endpoint.replace("http://", "https://")
        sealed = client(world, region="eu-west-1", endpoint=secure, verify=False)
        equal(sealed.list_streams()["StreamNames"], [])


@check
def a_wrong_secret_is_refused(world):
    error = refused("InvalidSignatureException", client(world, secret="wrong").list_streams)
    equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)


@check
def an_unknown_key_is_refused(world):
    refused("UnrecognizedClientException", client(world, key="AKIANOBODY").list_streams)
    # Twelve digits name an account only where nobody is asked to prove it.
    refused("UnrecognizedClientException", client(world, key=ACCOUNT).list_streams)


@check
def a_fan_out_subscription_is_verified_too(world):
    world.kinesis = client(world)
    world.account = ACCOUNT
    name = world.stream()
    world.put(name, "x")
    consumer = world.consumer(name)
    arguments = {
        "ConsumerARN": consumer, "ShardId": "shardId-000000000000",
        "StartingPosition": {"Type": "TRIM_HORIZON"},
    }
    refused(
        "InvalidSignatureException", client(world, secret="wrong").subscribe_to_shard, **arguments
    )
    stream = world.kinesis.subscribe_to_shard(**arguments)["EventStream"]
    events = (event["SubscribeToShardEvent"]["Records"] for event in stream)
    equal(datas(next(records for records in events if records)), ["x"])
    stream.close()


@check
def an_unsigned_request_is_refused(world):
    address = urllib.parse.urlsplit(world.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Kinesis_20131202.ListStreams",
    }
    connection.request("POST", "/", b"{}", headers)
    answer = connection.getresponse()
    equal(answer.status, 400)
    body = answer.read().decode()
    true("MissingAuthenticationToken" in body, f"MissingAuthenticationToken.., saw {body}")
