// Reads with kinesis-readable, a Node stream over the AWS SDK for JavaScript v2, whose own calls are
// tried beside it: it is out of support and still what much running code uses.
//
// The endpoint comes from HEADWATER_ENDPOINT.

import assert from "node:assert/strict";
import { on } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import AWS from "aws-sdk";
import readable from "kinesis-readable";

const STREAM = "readable";
const COUNT = 250;
const ok = (what) => console.log(`ok   ${what}`);

const kinesis = new AWS.Kinesis({
  endpoint: process.env.HEADWATER_ENDPOINT, region: "eu-north-1", maxRetries: 0,
  accessKeyId: "700000000001", secretAccessKey: "secret",
});

/** What the consumer reads until `count` records came, and where it would go on from. */
async function read(count, options) {
  const source = readable(kinesis, STREAM, { readInterval: 20, limit: 100, ...options });
  const texts = [];
  let checkpoint;
  source.on("checkpoint", (number) => { checkpoint = number; });
  for await (const [records] of on(source, "data")) {
    texts.push(...records.map((record) => record.Data.toString()));
    if (texts.length >= count) break;
  }
  source.close();
  return { texts, checkpoint };
}

async function active() {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await kinesis.describeStreamSummary({ StreamName: STREAM }).promise();
    if (answer.StreamDescriptionSummary.StreamStatus === "ACTIVE") return;
    assert.ok(Date.now() < deadline, "the stream is ACTIVE within 30 s");
    await pause(20);
  }
}

try {
  await kinesis.createStream({ StreamName: STREAM, ShardCount: 1 }).promise();
  await active();
  const all = Array.from({ length: COUNT }, (_, n) => `record ${n}`);
  const Records = all.map((text) => ({ Data: text, PartitionKey: "k" }));
  const put = await kinesis.putRecords({ StreamName: STREAM, Records }).promise();
  assert.equal(put.FailedRecordCount, 0);

  const first = await read(COUNT, {});
  assert.deepEqual(first.texts, all);
  assert.equal(first.checkpoint, put.Records[COUNT - 1].SequenceNumber);
  ok("all records come in order");

  const from = put.Records[COUNT - 3].SequenceNumber;
  assert.deepEqual((await read(3, { startAt: from })).texts, all.slice(-3));
  ok("reading starts at a sequence number");

  const next = await kinesis
    .putRecord({ StreamName: STREAM, Data: "next", PartitionKey: "k" }).promise();
  const resumed = await read(1, { startAfter: first.checkpoint });
  assert.deepEqual(resumed.texts, ["next"]);
  assert.equal(resumed.checkpoint, next.SequenceNumber);
  ok("reading goes on after a checkpoint");

  const error = await kinesis.describeStream({ StreamName: "none" }).promise().catch((e) => e);
  assert.equal(error.code, "ResourceNotFoundException");
  assert.equal(error.statusCode, 400);
  ok("errors have their codes");
  await kinesis.deleteStream({ StreamName: STREAM }).promise();
  process.exit(0);
} catch (error) {
  console.log(`FAIL ${error.stack ?? error}`);
  process.exit(1);
}
