"""PutMetricData: every form of values, and every refusal that can be had of it."""

import datetime

from client import equal, fresh, minutes_ago, near, refused, statistics

NOW = "The parameter MetricData.member.1.Timestamp must specify a time "


def the_protocol_is_the_one_asked_for(client):
    client.list_metrics(Namespace=fresh())
    [sent] = client.sent
    protocol = client.meta.service_model.resolved_protocol
    content_type = sent.headers["Content-Type"].decode() if isinstance(sent.headers["Content-Type"], bytes) else sent.headers["Content-Type"]
    expected = {"smithy-rpc-v2-cbor": "application/cbor", "json": "application/x-amz-json-1.0",
                "query": "application/x-www-form-urlencoded; charset=utf-8"}
    equal(content_type, expected[protocol])


def all_forms_of_values_add_up(client):
    namespace, at = fresh(), minutes_ago(3)
    def put(**datum):
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Timestamp": at, **datum}])
    put(Value=1.5)
    put(Values=[2, 10], Counts=[3, 1])
    put(Values=[4.5])
    put(StatisticValues={"SampleCount": 4, "Sum": 20, "Minimum": 2, "Maximum": 9})
    every = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    [point] = statistics(client, namespace, "m", statistics=every)
    equal(point.pop("Timestamp"), at)
    equal(point, {"SampleCount": 10.0, "Sum": 42.0, "Average": 4.2, "Minimum": 1.5, "Maximum": 10.0, "Unit": "None"})


def a_value_without_a_time_is_of_now(client):
    namespace = fresh()
    client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 7, "Unit": "Count"}])
    [point] = statistics(client, namespace, "m")
    equal((point["Sum"], point["Unit"]), (7.0, "Count"))
    age = datetime.datetime.now(datetime.timezone.utc) - point["Timestamp"]
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=2), age


def a_large_put_comes_compressed(client):
    namespace, at = fresh(), minutes_ago(2)
    data = [{"MetricName": f"metric-{number % 10}", "Timestamp": at, "Values": [number, number + 0.5],
             "Dimensions": [{"Name": "Host", "Value": f"host-{number % 3}"}]} for number in range(1000)]
    client.put_metric_data(Namespace=namespace, MetricData=data)
    [sent] = client.sent
    equal(sent.headers.get("Content-Encoding"), b"gzip" if isinstance(sent.headers.get("Content-Encoding"), bytes) else "gzip")
    total = 0
    for host in range(3):
        [point] = statistics(client, namespace, "metric-4", [{"Name": "Host", "Value": f"host-{host}"}], statistics=["SampleCount"])
        total += point["SampleCount"]
    equal(total, 200.0)


def percentiles_are_found(client):
    namespace, at = fresh(), minutes_ago(2)
    client.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "m", "Timestamp": at, "Values": list(range(1, 101)), "Unit": "Milliseconds"}])
    names = ["p50", "p99", "tm90", "TM(10%:90%)", "TC(:10)", "PR(:25)", "IQM", "ts10", "wm50"]
    [point] = statistics(client, namespace, "m", statistics=(), ExtendedStatistics=names)
    expected = {"p50": 50, "p99": 99, "tm90": 45.5, "TM(10%:90%)": 50.5, "TC(:10)": 10, "PR(:25)": 25, "IQM": 50.5, "ts10": 55, "wm50": 38}
    equal(sorted(point["ExtendedStatistics"]), sorted(expected))
    for name, value in expected.items():
        near(point["ExtendedStatistics"][name], value)


def what_is_wrong_is_refused(client):
    def put(code, text, namespace="ns-refused", **datum):
        datum = {"MetricName": "m", "Value": 1, **datum}
        datum = {name: value for name, value in datum.items() if value is not None}
        refused(code, text, client.put_metric_data, Namespace=namespace, MetricData=[datum])
    one = "MetricData.member.1"
    put("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.", namespace="AWS/Kinesis")
    put("InvalidParameterValue", "The value :x for parameter Namespace is invalid.", namespace=":x")
    put("MissingParameter", f"The parameter {one}.MetricName is required.", MetricName=None)
    put("InvalidParameterCombination",
        f"At least one of the parameters {one}.Value and {one}.StatisticValues must be specified.", Value=None)
    put("InvalidParameterCombination",
        f"The parameters {one}.Value and {one}.Values are mutually exclusive and you have specified both.", Values=[1.0])
    put("InvalidParameterValue", f"The value NaN for parameter {one}.Value is invalid.", Value=float("nan"))
    put("InvalidParameterValue", f"The value Infinity for parameter {one}.Value is invalid.", Value=float("inf"))
    put("InvalidParameterValue", f"The parameters {one}.Values and {one}.Counts must be of the same size.",
        Value=None, Values=[1, 2], Counts=[1])
    put("InvalidParameterValue", f"The collection {one}.Values must not have a size greater than 150.",
        Value=None, Values=list(range(151)))
    put("InvalidParameterValue", f"The collection {one}.Dimensions must not have a size greater than 30.",
        Dimensions=[{"Name": f"n{number}", "Value": "v"} for number in range(31)])
    put("InvalidParameterValue", "No metric may specify the same dimension name twice.",
        Dimensions=[{"Name": "n", "Value": "v"}, {"Name": "n", "Value": "w"}])
    put("InvalidParameterValue", f"The parameter {one}.StorageResolution must be a value in the set [ 1, 60 ].", StorageResolution=5)
    put("InvalidParameterValue", NOW + "within the past two weeks.", Timestamp=minutes_ago(14 * 24 * 60 + 2))
    put("InvalidParameterValue", NOW + "no more than two hours in the future.", Timestamp=minutes_ago(-123))
    error = refused_unit(client)
    assert error.startswith(f"The parameter {one}.Unit must be a value in the set [ Seconds, Microseconds, "), error
    refused("InvalidParameterValue", "The collection MetricData must not have a size greater than 1000.",
            client.put_metric_data, Namespace="ns", MetricData=[{"MetricName": "m", "Value": 1}] * 1001)
    refused("MissingParameter", "The parameter MetricData is required.", client.put_metric_data, Namespace="ns", MetricData=[])


def refused_unit(client):
    try:
        client.put_metric_data(Namespace="ns", MetricData=[{"MetricName": "m", "Value": 1, "Unit": "Apples"}])
    except client.exceptions.InvalidParameterValueException as error:
        return error.response["Error"]["Message"]
    raise AssertionError("not refused")


def what_is_refused_in_part_is_refused_whole(client):
    namespace = fresh()
    data = [{"MetricName": "good", "Value": 1}, {"MetricName": "bad"}]
    refused("InvalidParameterCombination",
            "At least one of the parameters MetricData.member.2.Value and MetricData.member.2.StatisticValues must be specified.",
            client.put_metric_data, Namespace=namespace, MetricData=data)
    equal(client.list_metrics(Namespace=namespace)["Metrics"], [])


CHECKS = [
    the_protocol_is_the_one_asked_for,
    all_forms_of_values_add_up,
    a_value_without_a_time_is_of_now,
    a_large_put_comes_compressed,
    percentiles_are_found,
    what_is_wrong_is_refused,
    what_is_refused_in_part_is_refused_whole,
]
