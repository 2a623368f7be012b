"""What every check stands on: the register of checks, a caller of its own, and short words for asserting."""

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

REGION = "us-east-1"

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


def session_for(account):
    core = botocore.session.Session()
    core.register_component("data_loader", _MODELS)
    return boto3.session.Session(
        aws_access_key_id=account, aws_secret_access_key="secret", region_name=REGION, botocore_session=core
    )


def make_client(endpoint, account, validates=True):
    """A client that acts for `account`: a 12-digit access key id names its account."""
    # No retries: a check wants to see the first answer.
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=validates, read_timeout=60)
    client = session_for(account).client("dynamodb", endpoint_url=endpoint, config=config)

    def note(model, **_):
        with _lock:
            _operations.add(model.name)

    client.meta.events.register("before-call.dynamodb.*", note)
    return client


class World:
    """A caller with an account of its own, and what checks do all the time."""

    def __init__(self, endpoint):
        with _lock:
            self.account = str(next(_accounts))
        self.endpoint = endpoint
        self.client = make_client(endpoint, self.account)
        # Sends what botocore would refuse to send.
        self.raw = make_client(endpoint, self.account, validates=False)

    def resource(self):
        return session_for(self.account).resource("dynamodb", endpoint_url=self.endpoint)

    def table(self, **settings):
        """Makes a table with keys `p` and `s`, waits until it is ACTIVE, and returns its name."""
        name = f"t-{uuid.uuid4().hex[:12]}"
        more = settings.pop("more_attributes", [])
        attributes = [attribute("p"), attribute("s"), *more]
        settings.setdefault("BillingMode", "PAY_PER_REQUEST")
        self.client.create_table(
            TableName=name, AttributeDefinitions=attributes, KeySchema=keys("p", "s"), **settings
        )
        self.client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        return name

    def put(self, table, p="p", s="s", **more):
        self.client.put_item(TableName=table, Item=item(p, s, **more))

    def get(self, table, p="p", s="s"):
        return self.client.get_item(TableName=table, Key=item(p, s), ConsistentRead=True).get("Item")

    def described(self, table):
        return self.client.describe_table(TableName=table)["Table"]


def attribute(name, kind="S"):
    return {"AttributeName": name, "AttributeType": kind}


def keys(hash_key, range_key=None):
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return schema + ([{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])


def index(name, hash_key, range_key=None, kind="ALL", **more):
    return {"IndexName": name, "KeySchema": keys(hash_key, range_key),
            "Projection": {"ProjectionType": kind, **more}}


def item(p="p", s="s", **more):
    return {"p": {"S": p}, "s": {"S": s}, **more}


def n(number):
    return {"N": str(number)}


def text(value):
    return {"S": value}


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
    told = json.dumps(value, default=str) if isinstance(value, (dict, list)) else repr(value)
    return told if len(told) <= 600 else told[:600] + "…"


def refused(code, function, with_text=None, **arguments):
    """Asserts that the call fails with `code`, and that its message contains `with_text`. Returns the error."""
    try:
        answer = function(**arguments)
    except ClientError as error:
        seen = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message", "")
        equal(seen, code, f"error ({shorten(message)})")
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        true(400 <= status < 500, f"{code} is the client's fault (4xx), saw status {status}")
        true(with_text is None or with_text in message, f"{with_text!r} in {shorten(message)}")
        return error
    raise AssertionError(f"expected {code}, but the call was answered: {shorten(answer)}")
