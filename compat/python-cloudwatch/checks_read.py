"""ListMetrics and GetMetricStatistics."""

from client import equal, fresh, make_client, minutes_ago, pages, refused, statistics


def metrics_are_listed_by_what_they_are(client):
    one, other = fresh(), fresh()
    def put(namespace, name, **dimensions):
        client.put_metric_data(Namespace=namespace, MetricData=[{
            "MetricName": name, "Value": 1,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]}])
    put(one, "a")
    put(one, "a", Host="x", Zone="1")
    put(one, "a", Zone="1", Host="x")
    put(one, "b", Host="y")
    put(other, "a", Host="x")
    def listed(**filters):
        found = client.list_metrics(Namespace=one, **filters)["Metrics"]
        return [(metric["MetricName"], {d["Name"]: d["Value"] for d in metric["Dimensions"]}) for metric in found]
    everything = [("a", {}), ("a", {"Host": "x", "Zone": "1"}), ("b", {"Host": "y"})]
    equal(listed(), everything)
    equal(listed(MetricName="a"), everything[:2])
    equal(listed(Dimensions=[{"Name": "Host"}]), everything[1:])
    equal(listed(Dimensions=[{"Name": "Host", "Value": "y"}]), everything[2:])
    equal(listed(Dimensions=[{"Name": "Host"}, {"Name": "Zone", "Value": "2"}]), [])
    equal(listed(RecentlyActive="PT3H"), everything)
    equal(client.list_metrics(Namespace=other)["Metrics"][0]["Namespace"], other)


def lists_come_in_pages_of_500(client):
    namespace = fresh()
    for some in (range(0, 700), range(700, 1200)):
        client.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": f"m{number:04}", "Value": 1} for number in some])
    found, count = pages(client.list_metrics, "Metrics", Namespace=namespace)
    equal([metric["MetricName"] for metric in found], [f"m{number:04}" for number in range(1200)])
    equal(count, 3)
    refused("InvalidParameterValue", "Request parameter NextToken is invalid.", client.list_metrics, NextToken="x")


def regions_do_not_see_each_other(client):
    namespace = fresh()
    client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1}])
    elsewhere = make_client(region="eu-west-1")
    equal(elsewhere.list_metrics(Namespace=namespace)["Metrics"], [])
    equal(statistics(elsewhere, namespace, "m"), [])


def periods_are_summed(client):
    namespace = fresh()
    start = minutes_ago(60)
    start = start.replace(minute=start.minute - start.minute % 5)
    for minute in range(10):
        client.put_metric_data(Namespace=namespace, MetricData=[{
            "MetricName": "m", "Timestamp": start.timestamp() + 60 * minute, "Value": minute}])
    def sums(period):
        answer = client.get_metric_statistics(Namespace=namespace, MetricName="m", StartTime=start, EndTime=minutes_ago(0),
                                              Period=period, Statistics=["Sum"])
        points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
        return [((point["Timestamp"] - start).total_seconds(), point["Sum"]) for point in points]
    equal(sums(60), [(60.0 * minute, float(minute)) for minute in range(10)])
    equal(sums(300), [(0.0, 10.0), (300.0, 35.0)])
    equal(sums(120), [(0.0, 1.0), (120.0, 5.0), (240.0, 9.0), (360.0, 13.0), (480.0, 17.0)])
    equal(sums(3600), [(0.0, 45.0)])


def high_resolution_is_told_by_the_second(client):
    namespace, start = fresh(), minutes_ago(2)
    client.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "m", "Timestamp": start.timestamp() + second, "Value": second, "StorageResolution": 1} for second in range(20)])
    def sums(period):
        points = statistics(client, namespace, "m", start=2, period=period)
        return [((point["Timestamp"] - start).total_seconds(), point["Sum"]) for point in points]
    equal(sums(60), [(0.0, 190.0)])
    refused("InvalidParameterCombination",
            "You have requested up to 7,320 datapoints, which exceeds the limit of 1,440. You may reduce the datapoints "
            "requested by increasing Period, or decreasing the time range.",
            client.get_metric_statistics, Namespace=namespace, MetricName="m", StartTime=minutes_ago(122), EndTime=minutes_ago(0),
            Period=1, Statistics=["Sum"])
    equal(sums(10), [(0.0, 45.0), (10.0, 145.0)])
    equal(sums(30), [(0.0, 190.0)])


def units_are_kept_apart(client):
    namespace, at = fresh(), minutes_ago(2)
    for unit, value in [("Bytes", 1), ("Bytes", 2), ("Kilobytes", 4)]:
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Timestamp": at, "Value": value, "Unit": unit}])
    found = {point["Unit"]: point["Sum"] for point in statistics(client, namespace, "m")}
    equal(found, {"Bytes": 3.0, "Kilobytes": 4.0})
    [point] = statistics(client, namespace, "m", Unit="Bytes")
    equal(point["Sum"], 3.0)
    equal(statistics(client, namespace, "m", Unit="Count"), [])


def old_and_future_values_are_found(client):
    namespace = fresh()
    old, future = minutes_ago(14 * 24 * 60 - 5), minutes_ago(-110)
    for at in (future, old):
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Timestamp": at, "Value": 3}])
    points = statistics(client, namespace, "m", start=14 * 24 * 60, period=3600)
    equal([point["Sum"] for point in points], [3.0, 3.0])


def what_is_wrong_is_refused(client):
    def ask(code, text, **more):
        arguments = {"Namespace": "ns", "MetricName": "m", "StartTime": minutes_ago(10), "EndTime": minutes_ago(0), "Period": 60,
                     "Statistics": ["Sum"], **more}
        refused(code, text, client.get_metric_statistics, **{name: value for name, value in arguments.items() if value is not None})
    ask("MissingParameter", "The parameter Namespace is required.", Namespace=None)
    ask("MissingParameter", "The parameter StartTime is required.", StartTime=None)
    ask("MissingParameter", "The parameter Period is required.", Period=None)
    ask("InvalidParameterValue", "The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.", Period=61)
    ask("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.", EndTime=minutes_ago(11))
    ask("InvalidParameterCombination", "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        Statistics=None)
    ask("InvalidParameterValue",
        "The parameter Statistics.member.1 must be a value in the set [ Average, Sum, SampleCount, Maximum, Minimum ].",
        Statistics=["p50"])
    ask("InvalidParameterValue", "The value p101 for parameter ExtendedStatistics.member.1 is invalid.",
        Statistics=None, ExtendedStatistics=["p101"])


def what_is_not_built_says_so(client):
    try:
        client.describe_alarms()
    except Exception as error:
        told = error.response["Error"]
        assert "DescribeAlarms of monitoring is not supported by this server yet" in told["Message"], told
        assert told["Code"] in ("InvalidAction", "UnknownOperationException"), told
        return
    raise AssertionError("not refused")


CHECKS = [
    metrics_are_listed_by_what_they_are,
    lists_come_in_pages_of_500,
    regions_do_not_see_each_other,
    periods_are_summed,
    high_resolution_is_told_by_the_second,
    units_are_kept_apart,
    old_and_future_values_are_found,
    what_is_wrong_is_refused,
    what_is_not_built_says_so,
]
