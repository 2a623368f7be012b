"""How requests travel: TLS on the port of plain HTTP, connections used again, many writers at once."""

import concurrent.futures
import http.client
import urllib.parse
import warnings

import boto3
from botocore.config import Config
from harness import check, datas, equal, make_client, true


@check
def tls_is_spoken_on_the_same_port(world):
    name = world.stream()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 tells that a self-signed certificate is not verified
        client = boto3.client(
            "kinesis", endpoint_url=world.endpoint.replace("http://", "https://"), verify=False,
            region_name=world.region, aws_access_key_id=world.account,
            aws_secret_access_key="secret", config=Config(retries={"total_max_attempts": 1}),
        )
        client.put_record(StreamName=name, Data=b"sealed", PartitionKey="k")
    equal(datas(world.read_shard(name)), ["sealed"])


@check
def a_connection_is_used_again_after_an_error(world):
    address = urllib.parse.urlsplit(world.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    scope = f"{world.account}/20300101/us-east-1/kinesis/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    statuses = []
    for operation in ("ListStreams", "NoSuchOperation", "ListStreams", "DescribeStream", "ListStreams"):
        headers["X-Amz-Target"] = f"Kinesis_20131202.{operation}"
        connection.request("POST", "/", b"{}", headers)
        socket = connection.sock
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        true(connection.sock is socket, f"the connection stays open after {operation}")
    equal(statuses, [200, 400, 200, 400, 200])


@check
def many_writers_each_keep_their_own_order(world):
    name = world.stream(shards=2)

    def write(writer):
        client = make_client(world.endpoint, world.account)
        for number in range(40):
            client.put_record(
                StreamName=name, Data=f"{writer}:{number}".encode(), PartitionKey=f"key {writer}"
            )

    writers = range(8)
    with concurrent.futures.ThreadPoolExecutor(len(writers)) as pool:
        for done in [pool.submit(write, writer) for writer in writers]:
            done.result()
    seen = {writer: [] for writer in writers}
    for shard in world.shards(name):
        for data in datas(world.read_shard(name, shard["ShardId"])):
            writer, number = map(int, data.split(":"))
            seen[writer].append(number)
    for writer in writers:
        equal(seen[writer], list(range(40)), f"records of writer {writer}")
