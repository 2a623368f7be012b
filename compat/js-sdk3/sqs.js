// Drives a server's queues with the AWS SDK for JavaScript v3, which compares the MD5 of every body itself.
//
// Endpoints: HEADWATER_ENDPOINT (http://..) and, if set, HEADWATER_TLS_ENDPOINT (https://..).

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import {
  BatchEntryIdsNotDistinct, ChangeMessageVisibilityCommand, CreateQueueCommand, DeleteMessageBatchCommand,
  DeleteMessageCommand, DeleteQueueCommand, GetQueueAttributesCommand, GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand, ListMessageMoveTasksCommand, ListQueueTagsCommand, paginateListQueues,
  PurgeQueueCommand, PurgeQueueInProgress, QueueDoesNotExist, ReceiptHandleIsInvalid, ReceiveMessageCommand,
  SendMessageBatchCommand, SendMessageCommand, SetQueueAttributesCommand, SQSClient, StartMessageMoveTaskCommand,
  TagQueueCommand, UntagQueueCommand,
} from "@aws-sdk/client-sqs";

const ok = (what) => console.log(`ok   ${what}`);
const bodies = (messages) => messages.map((message) => message.Body);

/** The checks of one client on queues of its own. */
class Checks {
  constructor(name, endpoint) {
    this.name = name;
    this.sqs = new SQSClient({
      endpoint, region: "us-west-2", maxAttempts: 1,
      credentials: { accessKeyId: "300000000002", secretAccessKey: "secret" },
    });
  }

  send(command) {
    return this.sqs.send(command);
  }

  async create(suffix, Attributes = {}) {
    const answer = await this.send(new CreateQueueCommand({ QueueName: this.name + suffix, Attributes }));
    return answer.QueueUrl;
  }

  /** Receives until there are `count` messages, for at most 20 s. */
  async receive(QueueUrl, count) {
    const messages = [];
    const deadline = Date.now() + 20_000;
    while (messages.length < count) {
      assert.ok(Date.now() < deadline, `${count} messages within 20 s`);
      const answer = await this.send(new ReceiveMessageCommand({
        QueueUrl, MaxNumberOfMessages: Math.min(10, count - messages.length), WaitTimeSeconds: 1,
        MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"],
      }));
      messages.push(...(answer.Messages ?? []));
    }
    return messages;
  }

  async count(QueueUrl, kind = "") {
    const name = `ApproximateNumberOfMessages${kind}`;
    const answer = await this.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] }));
    return Number(answer.Attributes[name]);
  }

  async queues() {
    const url = await this.create("-life", { DelaySeconds: "3" });
    assert.match(url, /\/300000000002\/[\w-]+-life$/);
    assert.equal((await this.send(new GetQueueUrlCommand({ QueueName: `${this.name}-life` }))).QueueUrl, url);
    const listed = [];
    for await (const page of paginateListQueues({ client: this.sqs, pageSize: 1 }, { QueueNamePrefix: this.name })) {
      listed.push(...(page.QueueUrls ?? []));
    }
    assert.deepEqual(listed, [url]);
    await this.send(new TagQueueCommand({ QueueUrl: url, Tags: { a: "b", c: "d" } }));
    await this.send(new UntagQueueCommand({ QueueUrl: url, TagKeys: ["a"] }));
    assert.deepEqual((await this.send(new ListQueueTagsCommand({ QueueUrl: url }))).Tags, { c: "d" });
    await this.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { DelaySeconds: "0" } }));
    await this.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "x" }));
    await this.send(new PurgeQueueCommand({ QueueUrl: url }));
    assert.equal(await this.count(url), 0);
    await assert.rejects(this.send(new PurgeQueueCommand({ QueueUrl: url })), PurgeQueueInProgress);
    await this.send(new DeleteQueueCommand({ QueueUrl: url }));
    await assert.rejects(this.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "x" })), (error) => {
      assert.ok(error instanceof QueueDoesNotExist, `${error}`);
      assert.equal(error.$metadata.httpStatusCode, 400);
      return true;
    });
    ok("queues are created, listed, tagged, purged and deleted");
  }

  async messages() {
    const url = await this.create("-messages");
    const attributes = {
      text: { DataType: "String.x", StringValue: "ünï & <cödé>" },
      number: { DataType: "Number", StringValue: "-1.5" },
      bytes: { DataType: "Binary", BinaryValue: Uint8Array.from({ length: 256 }, (_, n) => n) },
    };
    const body = "ünïcödé ∑ 🦀 \r\n\t <&>\"'";
    const sent = await this.send(new SendMessageCommand({
      QueueUrl: url, MessageBody: body, MessageAttributes: attributes,
    }));
    const [message] = await this.receive(url, 1);
    assert.equal(message.Body, body);
    assert.equal(message.MessageId, sent.MessageId);
    assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
    assert.deepEqual(message.MessageAttributes, attributes);
    assert.equal(message.Attributes.ApproximateReceiveCount, "1");
    const handle = { QueueUrl: url, ReceiptHandle: message.ReceiptHandle };
    await this.send(new ChangeMessageVisibilityCommand({ ...handle, VisibilityTimeout: 0 }));
    const [again] = await this.receive(url, 1);
    assert.equal(again.Attributes.ApproximateReceiveCount, "2");
    await this.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: again.ReceiptHandle }));
    await assert.rejects(
      this.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: "nonsense" })), ReceiptHandleIsInvalid);
    const large = "0123456789abcdef".repeat(65_536);
    await this.send(new SendMessageCommand({ QueueUrl: url, MessageBody: large }));
    assert.ok((await this.receive(url, 1))[0].Body === large, "1 MiB comes back");
    ok("messages carry text, attributes and digests");
  }

  async longPoll() {
    const url = await this.create("-poll");
    const poll = this.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 }));
    await pause(500);
    const start = Date.now();
    await this.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "wake up" }));
    assert.deepEqual(bodies((await poll).Messages), ["wake up"]);
    assert.ok(Date.now() - start < 1000, `awake within 1 s, took ${Date.now() - start} ms`);
    ok("a long poll wakes when a message arrives");
  }

  async batches() {
    const url = await this.create("-batches");
    const entry = (n) => ({ Id: `m${n}`, MessageBody: n === 7 ? "bad \u0001" : `body ${n}` });
    const answer = await this.send(new SendMessageBatchCommand({
      QueueUrl: url, Entries: Array.from({ length: 10 }, (_, n) => entry(n)),
    }));
    assert.equal(answer.Successful.length, 9);
    assert.deepEqual(answer.Failed.map((one) => [one.Id, one.Code, one.SenderFault]),
      [["m7", "InvalidMessageContents", true]]);
    const messages = await this.receive(url, 9);
    const deleted = await this.send(new DeleteMessageBatchCommand({
      QueueUrl: url, Entries: messages.map((one, n) => ({ Id: `d${n}`, ReceiptHandle: one.ReceiptHandle })),
    }));
    assert.equal(deleted.Successful.length, 9);
    await assert.rejects(
      this.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: [entry(1), entry(1)] })),
      BatchEntryIdsNotDistinct);
    ok("batches succeed and fail by entry");
  }

  async fifo() {
    const url = await this.create(".fifo", { FifoQueue: "true" });
    for (const text of ["a", "b", "c", "a"]) {
      await this.send(new SendMessageCommand({
        QueueUrl: url, MessageBody: text, MessageGroupId: "g", MessageDeduplicationId: text,
      }));
    }
    const messages = await this.receive(url, 3);
    assert.deepEqual(bodies(messages), ["a", "b", "c"]);
    const numbers = messages.map((message) => BigInt(message.Attributes.SequenceNumber));
    assert.ok(numbers[0] < numbers[1] && numbers[1] < numbers[2], "sequence numbers grow");
    assert.equal(await this.count(url), 0);
    ok("a FIFO queue keeps order and drops duplicates");
  }

  async deadLetters() {
    const dead = await this.create("-dead");
    const arn = `arn:aws:sqs:us-west-2:300000000002:${this.name}-dead`;
    const url = await this.create("-source", {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: 1 }),
    });
    await this.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "poison" }));
    const giveBack = async (QueueUrl) => {
      const [message] = await this.receive(QueueUrl, 1);
      await this.send(new ChangeMessageVisibilityCommand({
        QueueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
      }));
      return message;
    };
    const message = await giveBack(url);
    const none = await this.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 1 }));
    assert.equal(none.Messages, undefined);
    const moved = await giveBack(dead);
    assert.equal(moved.MessageId, message.MessageId);
    assert.equal(moved.Attributes.DeadLetterQueueSourceArn, arn.replace("-dead", "-source"));
    const sources = await this.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }));
    assert.deepEqual(sources.queueUrls, [url]);
    await this.send(new StartMessageMoveTaskCommand({ SourceArn: arn }));
    assert.deepEqual(bodies(await this.receive(url, 1)), ["poison"]);
    const tasks = await this.send(new ListMessageMoveTasksCommand({ SourceArn: arn }));
    assert.equal(tasks.Results[0].SourceArn, arn);
    ok("a dead letter moves there and back");
  }
}

async function run(name, endpoint) {
  console.log(`-- ${name}`);
  const checks = new Checks(name, endpoint);
  await checks.queues();
  await checks.messages();
  await checks.longPoll();
  await checks.batches();
  await checks.fifo();
  await checks.deadLetters();
  checks.sqs.destroy();
}

try {
  await run("plain", process.env.HEADWATER_ENDPOINT);
  if (process.env.HEADWATER_TLS_ENDPOINT) await run("tls", process.env.HEADWATER_TLS_ENDPOINT);
} catch (error) {
  console.log(`FAIL ${error.stack ?? error}`);
  process.exitCode = 1;
}
