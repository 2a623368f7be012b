"""What a restart must not lose: metrics are written before it, and looked for after it."""

import json

from client import equal, fresh, make_client, minutes_ago, near, statistics


def write(path):
    client, namespace = make_client(), fresh("kept")
    start = minutes_ago(300)
    for hour in range(5):
        client.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": "m", "Timestamp": start.timestamp() + 60 * minute, "Values": [minute, minute + 1],
             "Dimensions": [{"Name": "Host", "Value": "x"}], "Unit": "Count"} for minute in range(60 * hour, 60 * hour + 60)])
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"namespace": namespace, "start": start.timestamp()}, file)
    print(f"ok: written to {namespace}")


def verify(path):
    with open(path, encoding="utf-8") as file:
        written = json.load(file)
    client, namespace = make_client(), written["namespace"]
    host = [{"Name": "Host", "Value": "x"}]
    [metric] = client.list_metrics(Namespace=namespace)["Metrics"]
    equal(metric, {"Namespace": namespace, "MetricName": "m", "Dimensions": host})
    points = statistics(client, namespace, "m", host, start=400, statistics=["Sum", "SampleCount"], Unit="Count")
    found = [(point["Timestamp"].timestamp() - written["start"], point["Sum"], point["SampleCount"]) for point in points]
    equal(found, [(60.0 * minute, 2.0 * minute + 1, 2.0) for minute in range(300)])
    whole = statistics(client, namespace, "m", host, start=1440, period=86400, statistics=(), ExtendedStatistics=["p50"])
    near(whole[-1]["ExtendedStatistics"]["p50"], 150)
    print(f"ok: all of {namespace} is there")
