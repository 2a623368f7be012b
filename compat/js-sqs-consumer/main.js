// Consumes a queue with sqs-consumer: messages one by one and in batches, a handler that fails, one that takes longer than
// the visibility timeout and keeps its message by heartbeats, and an end in good order.
//
// The endpoint comes from HEADWATER_ENDPOINT.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import {
  CreateQueueCommand, GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient,
} from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const ok = (what) => console.log(`ok   ${what}`);
const sqs = new SQSClient({
  endpoint: process.env.HEADWATER_ENDPOINT, region: "us-west-2", maxAttempts: 1,
  credentials: { accessKeyId: "700000000002", secretAccessKey: "secret" },
});

async function create(name, Attributes = {}) {
  return (await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }))).QueueUrl;
}

async function fill(QueueUrl, bodies) {
  for (let start = 0; start < bodies.length; start += 10) {
    const Entries = bodies.slice(start, start + 10).map((body, n) => ({ Id: `${n}`, MessageBody: body }));
    const answer = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    assert.equal(answer.Successful.length, Entries.length);
  }
}

/** Calls `look` until it answers true, for at most 30 s. */
async function until(what, look) {
  const deadline = Date.now() + 30_000;
  while (!(await look())) {
    assert.ok(Date.now() < deadline, `within 30 s: ${what}`);
    await pause(20);
  }
}

async function isEmpty(QueueUrl) {
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return Attributes.ApproximateNumberOfMessages === "0" && Attributes.ApproximateNumberOfMessagesNotVisible === "0";
}

/** Runs a consumer until `done`, keeping the errors that it emits. */
async function consume(options, done) {
  const errors = [];
  const consumer = Consumer.create({ sqs, waitTimeSeconds: 5, ...options });
  for (const kind of ["error", "processing_error", "timeout_error"]) {
    consumer.on(kind, (error) => errors.push(`${kind}: ${error.message}`));
  }
  consumer.start();
  try {
    await until("the consumer is done", done);
    await until("the queue is empty", () => isEmpty(options.queueUrl));
  } finally {
    consumer.stop({ abort: true });
  }
  return errors.filter((error) => !error.includes("aborted"));
}

async function oneByOne() {
  const queueUrl = await create("one-by-one");
  const sent = Array.from({ length: 40 }, (_, n) => `message ${n}`);
  await fill(queueUrl, sent);
  const seen = [];
  const errors = await consume({
    queueUrl, batchSize: 10,
    handleMessage: async (message) => {
      seen.push(message.Body);
      return message;
    },
  }, () => seen.length >= sent.length);
  assert.deepEqual(errors, []);
  assert.deepEqual(seen.sort(), sent.sort());
  ok("messages are handled one by one and deleted");
}

async function inBatches() {
  const queueUrl = await create("in-batches", { VisibilityTimeout: "1" });
  const sent = Array.from({ length: 30 }, (_, n) => `${n}`);
  await fill(queueUrl, sent);
  const seen = new Map();
  const errors = await consume({
    queueUrl, batchSize: 10,
    // Odd ones are acknowledged when they come again.
    handleMessageBatch: async (messages) => messages.filter((message) => {
      const times = (seen.get(message.Body) ?? 0) + 1;
      seen.set(message.Body, times);
      return Number(message.Body) % 2 === 0 || times > 1;
    }),
  }, () => seen.size === sent.length && sent.every((body) => Number(body) % 2 === 0 || seen.get(body) === 2));
  assert.deepEqual(errors, []);
  assert.ok(sent.every((body) => seen.get(body) === 1 + (Number(body) % 2)), "even ones once, odd ones twice");
  ok("of a batch what is not acknowledged comes again");
}

async function failing() {
  const queueUrl = await create("failing");
  await fill(queueUrl, ["fails twice"]);
  const counts = [];
  const errors = await consume({
    queueUrl, terminateVisibilityTimeout: true, messageSystemAttributeNames: ["ApproximateReceiveCount"],
    handleMessage: async (message) => {
      counts.push(message.Attributes.ApproximateReceiveCount);
      if (counts.length < 3) throw new Error(`failure ${counts.length}`);
      return message;
    },
  }, () => counts.length >= 3);
  assert.deepEqual(counts, ["1", "2", "3"]);
  assert.equal(errors.length, 2);
  assert.ok(errors.every((error) => error.startsWith("processing_error:")), `${errors}`);
  ok("a message whose handler fails comes again at once");
}

async function heartbeat() {
  const queueUrl = await create("two-consumers");
  await fill(queueUrl, ["slow"]);
  const seen = [];
  const handle = (name) => async (message) => {
    seen.push(name);
    // Between two heartbeats, so that none crosses the deletion.
    await pause(4500);
    return message;
  };
  const options = { queueUrl, visibilityTimeout: 2, heartbeatInterval: 1, waitTimeSeconds: 1 };
  const done = () => seen.length > 0;
  const errors = await Promise.all([
    consume({ ...options, handleMessage: handle("first") }, done),
    consume({ ...options, handleMessage: handle("second") }, done),
  ]);
  assert.deepEqual(errors, [[], []]);
  assert.equal(seen.length, 1);
  ok("heartbeats keep a message from the other consumer for longer than its visibility timeout");
}

try {
  await Promise.all([oneByOne(), inBatches(), failing(), heartbeat()]);
} catch (error) {
  console.log(`FAIL ${error.stack ?? error}`);
  process.exitCode = 1;
}
sqs.destroy();
