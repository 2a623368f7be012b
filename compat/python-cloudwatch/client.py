"""A CloudWatch client over whichever of the three protocols, and short words for checks."""

import datetime
import itertools
import os
import time
import uuid

import botocore.config
import botocore.loaders
import botocore.session
from botocore.exceptions import ClientError

# By botocore's names. None is the one that botocore takes by itself.
PROTOCOLS = {"default": None, "cbor": "smithy-rpc-v2-cbor", "json": "json", "query": "query"}


class OneProtocol(botocore.loaders.Loader):
    """Models of services as if they spoke one protocol alone."""

    def __init__(self, protocol):
        super().__init__()
        self.search_paths.append(self.BUILTIN_DATA_PATH)
        self.protocol = protocol

    def load_service_model(self, service_name, type_name, api_version=None):
        model = super().load_service_model(service_name, type_name, api_version)
        if type_name == "service-2" and self.protocol:
            model = dict(model, metadata=dict(model["metadata"], protocol=self.protocol, protocols=[self.protocol]))
        return model


def make_client(protocol="default", region="us-east-1"):
    """A client that signs with the key in the environment, does not check its input and does not try again."""
    session = botocore.session.Session()
    session.register_component("data_loader", OneProtocol(PROTOCOLS[protocol]))
    client = session.create_client(
        "cloudwatch",
        region_name=region,
        endpoint_url=os.environ["HEADWATER_ENDPOINT"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    sent = []
    client.meta.events.register("before-send.cloudwatch.*", lambda request, **_: sent.append(request))
    client.sent = sent
    return client


def fresh(prefix="ns"):
    """A namespace that no other check uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def minutes_ago(minutes):
    """The start of the minute so long ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.replace(second=0, microsecond=0) - datetime.timedelta(minutes=minutes)


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def near(found, expected, relative=0.0101):
    assert abs(found - expected) <= abs(expected) * relative, f"expected about {expected!r}, found {found!r}"


def refused(code, text, call, **arguments):
    """Asserts that a call is refused with this code, in which the old name stands in every protocol, and this text."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        told = error.response["Error"]
        equal((told["Code"], told["Message"]), (code, text))
        return error
    raise AssertionError(f"not refused but answered {answer}")


def wait_until(what, look, patience=30):
    """Waits until `look` gives something true, and gives that."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {patience} s: {what}")


def statistics(client, namespace, name, dimensions=(), start=60, period=60, statistics=("Sum",), **more):
    """GetMetricStatistics over the last `start` minutes, in order of time."""
    arguments = {"Statistics": list(statistics)} if statistics else {}
    answer = client.get_metric_statistics(
        Namespace=namespace, MetricName=name, Dimensions=list(dimensions), StartTime=minutes_ago(start),
        EndTime=minutes_ago(-120), Period=period, **arguments, **more)
    equal(answer["Label"], name)
    return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])


def pages(call, items, **arguments):
    """All items of all pages, and how many pages there were."""
    found, token = [], {}
    for number in itertools.count(1):
        answer = call(**arguments, **token)
        found += answer[items]
        if "NextToken" not in answer:
            return found, number
        token = {"NextToken": answer["NextToken"]}
