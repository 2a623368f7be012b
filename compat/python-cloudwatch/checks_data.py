"""GetMetricData: queries, metric math, labels, pages."""

from client import equal, fresh, minutes_ago, pages, refused


def world(client):
    """Two metrics at the same ten minutes: a is 0, 1, ... and b is 10 at the even ones. With their start."""
    namespace, start = fresh(), minutes_ago(20)
    def data(name, host, values):
        return [{"MetricName": name, "Timestamp": start.timestamp() + 60 * minute, "Value": value,
                 "Dimensions": [{"Name": "Host", "Value": host}]} for minute, value in values]
    client.put_metric_data(Namespace=namespace, MetricData=[
        *data("a", "x", [(minute, minute) for minute in range(10)]), *data("b", "y", [(minute, 10) for minute in range(0, 10, 2)])])
    return namespace, start


def stat(namespace, name, statistic="Sum", period=60, query_id=None, **more):
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": "Host", "Value": {"a": "x", "b": "y"}[name]}]}
    return {"Id": query_id or name, "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}, **more}


def ask(client, start, *queries, **more):
    arguments = {"MetricDataQueries": list(queries), "StartTime": start, "EndTime": minutes_ago(0),
                 "ScanBy": "TimestampAscending", **more}
    return client.get_metric_data(**arguments)["MetricDataResults"]


def points(result, start):
    return [((at - start).total_seconds() / 60, value) for at, value in zip(result["Timestamps"], result["Values"], strict=True)]


def queries_are_answered_in_their_order(client):
    namespace, start = world(client)
    one, other, hidden = ask(client, start, stat(namespace, "b"), stat(namespace, "a", "Maximum", 300),
                             stat(namespace, "a", "p50", 120, "c"))
    equal((one["Id"], one["Label"], one["StatusCode"]), ("b", "b", "Complete"))
    equal(points(one, start), [(float(minute), 10.0) for minute in range(0, 10, 2)])
    equal(points(other, start), [(0.0, 4.0), (5.0, 9.0)])
    equal([minute for minute, _ in points(hidden, start)], [0.0, 2.0, 4.0, 6.0, 8.0])
    [newest_first] = ask(client, start, stat(namespace, "b"), ScanBy="TimestampDescending")
    equal(points(newest_first, start), points(one, start)[::-1])
    [by_default] = client.get_metric_data(MetricDataQueries=[stat(namespace, "b")], StartTime=start,
                                          EndTime=minutes_ago(0))["MetricDataResults"]
    equal(by_default["Values"], newest_first["Values"])


def expressions_are_computed(client):
    namespace, start = world(client)
    hidden = [stat(namespace, "a", ReturnData=False), stat(namespace, "b", ReturnData=False)]
    def computed(expression, **more):
        [result] = ask(client, start, *hidden, {"Id": "e", "Expression": expression, **more})
        equal(result["Id"], "e")
        return points(result, start)
    even = [float(minute) for minute in range(0, 10, 2)]
    equal(computed("a + b * 2"), [(minute, minute + 20) for minute in even])
    equal(computed("SUM(METRICS())")[:3], [(0.0, 10.0), (1.0, 1.0), (2.0, 12.0)])
    equal(computed("MAX([a, b])")[:2], [(0.0, 10.0), (1.0, 1.0)])
    equal(computed("RATE(a)")[0], (1.0, 1 / 60))
    equal(computed("FILL(b, 0)")[:3], [(0.0, 10.0), (1.0, 0.0), (2.0, 10.0)])
    equal(computed("IF(a > 7, a, -1)")[7:10], [(7.0, -1.0), (8.0, 8.0), (9.0, 9.0)])
    equal(computed("a - AVG(a)")[0], (0.0, -4.5))
    equal(computed("100 * (a / b)"), [(minute, 10 * minute) for minute in even])


def expressions_stand_on_expressions(client):
    namespace, start = world(client)
    results = ask(client, start, {"Id": "e2", "Expression": "e1 * 2"}, {"Id": "e1", "Expression": "a + 1"}, stat(namespace, "a"))
    equal([result["Id"] for result in results], ["e2", "e1", "a"])
    equal([result["Values"][3] for result in results], [8.0, 4.0, 3.0])
    several = ask(client, start, {"Id": "all", "Expression": "METRICS()"}, stat(namespace, "a", ReturnData=False),
                  stat(namespace, "b", ReturnData=False))
    equal([(result["Id"], result["Label"], len(result["Values"])) for result in several], [("all", "a", 10), ("all", "b", 5)])


def metrics_are_searched_for(client):
    namespace, start = world(client)
    def found(terms):
        results = ask(client, start, {"Id": "s", "Expression": f"SEARCH('{{{namespace},Host}} {terms}', 'Sum', 60)"})
        return [(result["Label"], sum(result["Values"])) for result in results]
    equal(found(""), [("x a", 45.0), ("y b", 50.0)])
    equal(found('MetricName="b"'), [("y b", 50.0)])
    equal(found("Host=x OR Host=z"), [("x a", 45.0)])
    equal(found("nothing"), [])
    [result] = ask(client, start, {"Id": "s", "Expression": f"SUM(SEARCH('{{{namespace},Host}}', 'Sum', 60))"})
    equal(result["Values"][0], 10.0)


def labels_have_dynamic_parts(client):
    namespace, start = world(client)
    [result] = ask(client, start, stat(namespace, "a", Label="${PROP('Dim.Host')} ${PROP('MetricName')} max ${MAX} ${OTHER}"),
                   LabelOptions={"Timezone": "+0100"})
    equal(result["Label"], "x a max 9 ${OTHER}")


def pages_hold_so_many_datapoints(client):
    namespace, start = world(client)
    arguments = {"MetricDataQueries": [stat(namespace, "a"), stat(namespace, "b")], "StartTime": start, "EndTime": minutes_ago(0),
                 "ScanBy": "TimestampAscending"}
    results, count = pages(client.get_metric_data, "MetricDataResults", MaxDatapoints=4, **arguments)
    equal(count, 4)
    equal([(result["Id"], len(result["Values"]), result["StatusCode"]) for result in results],
          [("a", 4, "PartialData"), ("a", 4, "PartialData"), ("a", 2, "Complete"), ("b", 2, "PartialData"), ("b", 3, "Complete")])
    together = [value for result in results for value in result["Values"]]
    equal(together, [float(minute) for minute in range(10)] + [10.0] * 5)
    token = client.get_metric_data(MaxDatapoints=4, **arguments)["NextToken"]
    other = dict(arguments, MetricDataQueries=[stat(namespace, "b")])
    refused("InvalidNextToken", "The next token specified is invalid.", client.get_metric_data, NextToken=token, **other)


def what_is_wrong_is_refused(client):
    namespace, start = world(client)
    def ask_wrong(text, *queries, **more):
        arguments = {"MetricDataQueries": list(queries), "StartTime": start, "EndTime": minutes_ago(0), **more}
        refused("ValidationError", text, client.get_metric_data, **arguments)
    first = "MetricDataQueries.member.1"
    good = stat(namespace, "a")
    ask_wrong("The parameter MetricDataQueries is required.")
    ask_wrong(f"The value for parameter {first}.MetricStat.Stat is not a valid statistic.", stat(namespace, "a", "Median"))
    ask_wrong(f"The parameter {first}.MetricStat is required.", {"Id": "a"})
    ask_wrong(f"The value A for parameter {first}.Id is invalid.", stat(namespace, "a", query_id="A"))
    ask_wrong("The values for parameter id in MetricDataQueries are not unique: a.", good, good)
    ask_wrong("Error in expression 'e': Undefined id: b", good, {"Id": "e", "Expression": "a + b"})
    ask_wrong("Error in expression 'e': Unexpected end of expression", good, {"Id": "e", "Expression": "a +"})
    ask_wrong("Error in expression 'e': The expression uses itself", {"Id": "e", "Expression": "f"}, {"Id": "f", "Expression": "e"})
    ask_wrong("Error in expression 'e': The expression must result in a time series or an array of time series", good,
              {"Id": "e", "Expression": "SUM(a)"})
    ask_wrong("Error in expression 'e': The function ANOMALY_DETECTION_BAND is not supported by this server", good,
              {"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(a, 2)"})
    ask_wrong("Error in expression 'e': Metrics Insights queries are not supported by this server",
              {"Id": "e", "Expression": "SELECT AVG(a) FROM b"})
    ask_wrong("The value 0 for parameter MaxDatapoints is invalid.", good, MaxDatapoints=0)
    [result] = ask(client, start, stat(namespace, "a", AccountId="999999999999"))
    equal((result["StatusCode"], result["Values"]), ("Forbidden", []))


CHECKS = [
    queries_are_answered_in_their_order,
    expressions_are_computed,
    expressions_stand_on_expressions,
    metrics_are_searched_for,
    labels_have_dynamic_parts,
    pages_hold_so_many_datapoints,
    what_is_wrong_is_refused,
]
