// Metrics by the AWS SDK for JavaScript v3: put, listed, read; a large put, which the SDK compresses. Prints a line a check.
//
// The endpoint comes from HEADWATER_ENDPOINT, the key from the usual variables.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  CloudWatchClient, DescribeAlarmsCommand, GetMetricDataCommand, GetMetricStatisticsCommand, InvalidParameterValueException, PutMetricDataCommand,
  paginateListMetrics,
} from "@aws-sdk/client-cloudwatch";

const client = new CloudWatchClient({ region: "us-east-1", endpoint: process.env.HEADWATER_ENDPOINT, maxAttempts: 1 });
const sent = [];
client.middlewareStack.add((next) => async (args) => {
  sent.push(args.request);
  return next(args);
}, { step: "finalizeRequest", priority: "low" });

const namespace = `js-${randomUUID()}`;
const start = new Date(Math.floor(Date.now() / 60_000 - 10) * 60_000);
const minute = (number) => new Date(start.getTime() + number * 60_000);
const Dimensions = [{ Name: "Host", Value: "x" }];

async function check(name, body) {
  await body();
  console.log(`ok: ${name}`);
}

await check("values are put and summed", async () => {
  const MetricData = [0, 1, 2].map((number) => ({
    MetricName: "m", Dimensions, Timestamp: minute(number), Values: [number + 0.5, 2], Counts: [1, 3], Unit: "Count",
  }));
  await client.send(new PutMetricDataCommand({ Namespace: namespace, MetricData }));
  const answer = await client.send(new GetMetricStatisticsCommand({
    Namespace: namespace, MetricName: "m", Dimensions, StartTime: start, EndTime: minute(10), Period: 60,
    Statistics: ["Sum", "SampleCount"], ExtendedStatistics: undefined,
  }));
  const found = answer.Datapoints.map((point) => [point.Timestamp.getTime() - start.getTime(), point.Sum, point.SampleCount, point.Unit]);
  assert.deepEqual(found, [[0, 6.5, 4, "Count"], [60_000, 7.5, 4, "Count"], [120_000, 8.5, 4, "Count"]]);
});

await check("expressions are computed", async () => {
  const Metric = { Namespace: namespace, MetricName: "m", Dimensions };
  const answer = await client.send(new GetMetricDataCommand({
    StartTime: start, EndTime: minute(10), ScanBy: "TimestampAscending",
    MetricDataQueries: [
      { Id: "m", MetricStat: { Metric, Period: 60, Stat: "Maximum" }, ReturnData: false },
      { Id: "e", Expression: "FILL(m, 0) * 2", Label: "double" },
    ],
  }));
  const [{ Id, Label, Values, StatusCode }] = answer.MetricDataResults;
  assert.deepEqual([Id, Label, StatusCode, Values.slice(0, 4)], ["e", "double", "Complete", [4, 4, 5, 0]]);
});

await check("a large put comes compressed", async () => {
  const MetricData = Array.from({ length: 1000 }, (_, number) => ({ MetricName: `metric-${number}`, Value: number }));
  await client.send(new PutMetricDataCommand({ Namespace: namespace, MetricData }));
  assert.equal(sent.at(-1).headers["content-encoding"], "gzip");
  let count = 0;
  for await (const page of paginateListMetrics({ client }, { Namespace: namespace })) {
    count += page.Metrics.length;
  }
  assert.equal(count, 1001);
});

await check("refusals are those of AWS", async () => {
  const put = client.send(new PutMetricDataCommand({ Namespace: "AWS/X", MetricData: [{ MetricName: "m", Value: 1 }] }));
  await assert.rejects(put, (error) => {
    assert.ok(error instanceof InvalidParameterValueException, error.name);
    assert.equal(error.message, "The value AWS/ for parameter Namespace is invalid.");
    assert.equal(error.$metadata.httpStatusCode, 400);
    return true;
  });
  await assert.rejects(client.send(new DescribeAlarmsCommand({})), /DescribeAlarms of monitoring is not supported by this server yet/);
});

const { hostname, path, headers } = sent[0];
console.log(`ok: spoken to ${hostname}${path} as ${headers["smithy-protocol"] ?? headers["content-type"]}`);
