"""What every check stands on: the register of checks, a caller of its own, and short words for asserting.

A check is a function with `@check` whose name is a sentence. It is handed a world of its suite: here `World`, a Kinesis
client in an AWS account that no other check uses, so checks run side by side and see only their own streams; the world of
queues is in queue_world.py.
"""

import itertools
import json
import threading
import time
import uuid

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

# What a hash key may be: a record's key hashes into 0 .. 2^128-1 (GetShard's HashKeyRange).
HASH_KEYS = 1 << 128
MIB = 1024 * 1024
DEFAULT_REGION = "us-east-1"

CHECKS = []
_accounts = itertools.count(100_000_000_001)
_operations = set()
# Models of services are read once for all clients: reading them takes most of a client's making.
_MODELS = botocore.loaders.create_loader()
_lock = threading.Lock()


def check(function):
    """Registers a check; they run in the order in which they are written."""
    CHECKS.append(function)
    return function


def operations_called():
    """Names of all operations that any client of this process has sent."""
    with _lock:
        return sorted(_operations)


def next_account():
    """An account that no other check uses."""
    return str(next(_accounts))


def make_client(endpoint, account, region=DEFAULT_REGION, service="kinesis"):
    """A client of `service` that acts for `account`: a 12-digit access key id names its account."""
    core = botocore.session.Session()
    core.register_component("data_loader", _MODELS)
    session = boto3.session.Session(
        aws_access_key_id=account, aws_secret_access_key="secret", region_name=region, botocore_session=core
    )
    client = session.client(
        service,
        endpoint_url=endpoint,
        # No retries: a check wants to see the first answer. Validation is the server's to do.
        config=Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=60
        ),
    )

    def note(model, **_):
        with _lock:
            _operations.add(model.name)

    client.meta.events.register(f"before-call.{service}.*", note)
    return client


class World:
    """A caller with an account of its own, and what checks do all the time."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.account = next_account()
        self.region = DEFAULT_REGION
        self.kinesis = make_client(endpoint, self.account)

    def other_account(self):
        return make_client(self.endpoint, next_account())

    def other_region(self, region):
        return make_client(self.endpoint, self.account, region)

    def arn(self, stream):
        return f"arn:aws:kinesis:{self.region}:{self.account}:stream/{stream}"

    def stream(self, shards=1, **settings):
        """Creates a provisioned stream, waits until it is ACTIVE, and returns its name."""
        name = f"s-{uuid.uuid4().hex[:12]}"
        self.kinesis.create_stream(StreamName=name, ShardCount=shards, **settings)
        self.active(name)
        return name

    def on_demand_stream(self, **settings):
        name = f"s-{uuid.uuid4().hex[:12]}"
        self.kinesis.create_stream(
            StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"}, **settings
        )
        self.active(name)
        return name

    def summary(self, stream):
        answer = self.kinesis.describe_stream_summary(StreamName=stream)
        return answer["StreamDescriptionSummary"]

    def active(self, stream):
        """Waits until the stream is ACTIVE; on the way only CREATING and UPDATING may be seen."""

        def look():
            status = self.summary(stream)["StreamStatus"]
            assert status in ("CREATING", "UPDATING", "ACTIVE"), f"unexpected status {status}"
            return status == "ACTIVE"

        wait_until(f"stream {stream} is ACTIVE", look)

    def gone(self, stream):
        """Waits until the stream is not found any more; on the way only DELETING may be seen."""

        def look():
            try:
                status = self.summary(stream)["StreamStatus"]
            except ClientError as error:
                equal(error.response["Error"]["Code"], "ResourceNotFoundException")
                return True
            equal(status, "DELETING")
            return False

        wait_until(f"stream {stream} is gone", look)

    def consumer(self, stream, name="reader"):
        """Registers a fan-out consumer, waits until it is ACTIVE, and returns its ARN."""
        answer = self.kinesis.register_stream_consumer(StreamARN=self.arn(stream), ConsumerName=name)
        arn = answer["Consumer"]["ConsumerARN"]

        def look():
            answer = self.kinesis.describe_stream_consumer(ConsumerARN=arn)
            return answer["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"

        wait_until(f"consumer {arn} is ACTIVE", look)
        return arn

    def put(self, stream, data, key="k", **more):
        if isinstance(data, str):
            data = data.encode()
        return self.kinesis.put_record(StreamName=stream, Data=data, PartitionKey=key, **more)

    def shards(self, stream, **filters):
        """All shards of the stream, following NextToken, in the order listed."""
        answer = self.kinesis.list_shards(StreamName=stream, **filters)
        shards = answer["Shards"]
        while "NextToken" in answer:
            answer = self.kinesis.list_shards(NextToken=answer["NextToken"])
            shards += answer["Shards"]
        return shards

    def open_shards(self, stream):
        return [shard for shard in self.shards(stream) if is_open(shard)]

    def iterator(self, stream, shard, kind="TRIM_HORIZON", **more):
        answer = self.kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more
        )
        return answer["ShardIterator"]

    def read(self, iterator, until=None, limit=None):
        """Follows `iterator` until `until` records are read, or the shard ends, or it is caught up."""
        records = []
        for _ in range(10_000):
            more = {} if limit is None else {"Limit": limit}
            answer = self.kinesis.get_records(ShardIterator=iterator, **more)
            records += answer["Records"]
            iterator = answer.get("NextShardIterator")
            if iterator is None or (until is not None and len(records) >= until):
                return records
            if until is None and not answer["Records"] and answer["MillisBehindLatest"] == 0:
                return records
        raise AssertionError(f"10,000 reads did not reach the end; {len(records)} records so far")

    def read_shard(self, stream, shard="shardId-000000000000", **more):
        """All records that the shard holds now, oldest first."""
        return self.read(self.iterator(stream, shard), **more)


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def hash_range(shard):
    """The shard's range of hash keys as two integers, both inclusive."""
    keys = shard["HashKeyRange"]
    return int(keys["StartingHashKey"]), int(keys["EndingHashKey"])


def covers_all_keys_once(shards):
    """Asserts that the ranges of `shards` tile 0 .. 2^128-1 with no gap and no overlap."""
    expected = 0
    for start, end in sorted(hash_range(shard) for shard in shards):
        equal(start, expected, "start of the next hash range")
        true(end >= start, f"hash range {start}..{end} is not empty")
        expected = end + 1
    equal(expected, HASH_KEYS, "end of the last hash range + 1")


def datas(records):
    return [record["Data"].decode() for record in records]


def wait_until(what, look, seconds=30):
    """Calls `look` until it answers true."""
    deadline = time.monotonic() + seconds
    while not look():
        true(time.monotonic() < deadline, f"within {seconds} s: {what}")
        time.sleep(0.02)


def equal(seen, expected, what="value"):
    if seen != expected:
        raise AssertionError(f"{what}: expected {shorten(expected)}, saw {shorten(seen)}")


def true(condition, what):
    if not condition:
        raise AssertionError(f"expected: {what}")


def shorten(value):
    text = json.dumps(value, default=str) if isinstance(value, (dict, list)) else repr(value)
    return text if len(text) <= 600 else text[:600] + "…"


def refused(codes, function, text=None, **arguments):
    """Asserts that the call fails with one of `codes` (one name or several), and that its message
    contains `text`. Returns the error."""
    codes = (codes,) if isinstance(codes, str) else codes
    try:
        answer = function(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message", "")
        true(code in codes, f"an error {' or '.join(codes)}, saw {code}: {shorten(message)}")
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        true(400 <= status < 500, f"{code} is the client's fault (4xx), saw status {status}")
        true(message, f"{code} carries a message")
        if text is not None:
            true(text in message, f"message of {code} contains {text!r}, saw {shorten(message)}")
        return error
    raise AssertionError(f"expected {' or '.join(codes)}, but the call was answered: {shorten(answer)}")


# A value against a modelled constraint is ValidationException at AWS; a value against a rule that the
# service itself checks is InvalidArgumentException. Where AWS documents only "invalid", both will do.
INVALID = ("ValidationException", "InvalidArgumentException")
