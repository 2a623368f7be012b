// Drives a server with the AWS SDK for JavaScript v3. The SDK's own handler speaks HTTP/2 with prior
// knowledge on plain http; HTTP/1.1 and TLS are tried beside it.
//
// Endpoints: HEADWATER_ENDPOINT (http://..) and, if set, HEADWATER_TLS_ENDPOINT (https://..).

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import {
  CreateStreamCommand, DeleteStreamCommand, DeregisterStreamConsumerCommand,
  DescribeStreamConsumerCommand, DescribeStreamSummaryCommand, GetRecordsCommand,
  GetShardIteratorCommand, KinesisClient, ListShardsCommand, MergeShardsCommand,
  paginateListStreams, PutRecordCommand, PutRecordsCommand, RegisterStreamConsumerCommand,
  ResourceInUseException, ResourceNotFoundException, SplitShardCommand, SubscribeToShardCommand,
  waitUntilStreamExists, waitUntilStreamNotExists,
} from "@aws-sdk/client-kinesis";
import { NodeHttpHandler, NodeHttp2Handler } from "@smithy/node-http-handler";

const MIDDLE = (2n ** 127n).toString();
const text = (record) => Buffer.from(record.Data).toString();
const ok = (what) => console.log(`ok   ${what}`);

function client(endpoint, requestHandler) {
  return new KinesisClient({
    endpoint, requestHandler, region: "us-west-2", maxAttempts: 1,
    credentials: { accessKeyId: "300000000001", secretAccessKey: "secret" },
  });
}

/** Calls `look` until it answers true, for at most 30 s. */
async function until(what, look) {
  const deadline = Date.now() + 30_000;
  while (!(await look())) {
    assert.ok(Date.now() < deadline, `within 30 s: ${what}`);
    await pause(20);
  }
}

/** The checks of one client on a stream of its own. */
class Checks {
  constructor(kinesis, stream) {
    this.kinesis = kinesis;
    this.stream = stream;
    this.arn = `arn:aws:kinesis:us-west-2:300000000001:stream/${stream}`;
  }

  send(command) {
    return this.kinesis.send(command);
  }

  async active() {
    await until("the stream is ACTIVE", async () => {
      const answer = await this.send(new DescribeStreamSummaryCommand({ StreamName: this.stream }));
      return answer.StreamDescriptionSummary.StreamStatus === "ACTIVE";
    });
  }

  async create() {
    await this.send(new CreateStreamCommand({ StreamName: this.stream, ShardCount: 1 }));
    await waitUntilStreamExists(
      { client: this.kinesis, maxWaitTime: 30, minDelay: 1 }, { StreamName: this.stream });
    const names = [];
    for await (const page of paginateListStreams({ client: this.kinesis, pageSize: 1 }, {})) {
      names.push(...page.StreamNames);
    }
    assert.ok(names.includes(this.stream), `${names} includes ${this.stream}`);
    await assert.rejects(
      this.send(new CreateStreamCommand({ StreamName: this.stream, ShardCount: 1 })),
      ResourceInUseException);
    ok("create, wait and list");
  }

  async put(data, hashKey) {
    return this.send(new PutRecordCommand({
      StreamName: this.stream, PartitionKey: "k", Data: Buffer.from(data), ExplicitHashKey: hashKey,
    }));
  }

  async read(shard, type = "TRIM_HORIZON", position = {}) {
    let { ShardIterator: iterator } = await this.send(new GetShardIteratorCommand({
      StreamName: this.stream, ShardId: shard, ShardIteratorType: type, ...position,
    }));
    const records = [];
    for (;;) {
      const answer = await this.send(new GetRecordsCommand({ ShardIterator: iterator, Limit: 3 }));
      records.push(...answer.Records);
      iterator = answer.NextShardIterator;
      if (!iterator || (answer.Records.length === 0 && answer.MillisBehindLatest === 0)) {
        return { records, last: answer };
      }
    }
  }

  async putAndIterate() {
    const first = await this.put("0");
    assert.equal(first.ShardId, "shardId-000000000000");
    const entries = [1, 2, 3, 4].map((n) => ({ Data: Buffer.from(`${n}`), PartitionKey: `k${n}` }));
    const puts = await this.send(new PutRecordsCommand({ StreamARN: this.arn, Records: entries }));
    assert.equal(puts.FailedRecordCount, 0);
    const number = puts.Records[1].SequenceNumber;
    assert.ok(BigInt(number) > BigInt(first.SequenceNumber), "sequence numbers grow");

    const shard = "shardId-000000000000";
    const read = async (...how) => (await this.read(shard, ...how)).records.map(text);
    assert.deepEqual(await read(), ["0", "1", "2", "3", "4"]);
    const at = { StartingSequenceNumber: number };
    assert.deepEqual(await read("AT_SEQUENCE_NUMBER", at), ["2", "3", "4"]);
    assert.deepEqual(await read("AFTER_SEQUENCE_NUMBER", at), ["3", "4"]);
    assert.deepEqual(await read("AT_TIMESTAMP", { Timestamp: new Date(0) }), ["0", "1", "2", "3", "4"]);
    assert.deepEqual(await read("LATEST"), []);
    const [record] = (await this.read(shard)).records;
    assert.ok(Math.abs(record.ApproximateArrivalTimestamp - Date.now()) < 60_000, "arrived now");
    ok("put and iterate by each type");
  }

  async reshard() {
    await this.send(new SplitShardCommand({
      StreamName: this.stream, ShardToSplit: "shardId-000000000000", NewStartingHashKey: MIDDLE,
    }));
    await this.active();
    await this.put("low", "0");
    await this.put("high", MIDDLE);
    await this.send(new MergeShardsCommand({
      StreamName: this.stream, ShardToMerge: "shardId-000000000001",
      AdjacentShardToMerge: "shardId-000000000002",
    }));
    await this.active();
    await this.put("merged");

    // From the first shard on, by the children that each closed shard names.
    const seen = [];
    const queue = ["shardId-000000000000"];
    const done = new Set();
    while (queue.length > 0) {
      const shard = queue.shift();
      if (done.has(shard)) continue;
      const { records, last } = await this.read(shard);
      done.add(shard);
      seen.push(...records.map(text));
      for (const child of last.ChildShards ?? []) {
        if (child.ParentShards.every((parent) => done.has(parent))) queue.push(child.ShardId);
      }
    }
    assert.deepEqual(seen.slice(0, 5), ["0", "1", "2", "3", "4"]);
    assert.deepEqual(seen.slice(5, 7).sort(), ["high", "low"]);
    assert.deepEqual(seen.slice(7), ["merged"]);
    const open = await this.send(new ListShardsCommand({
      StreamName: this.stream, ShardFilter: { Type: "AT_LATEST" },
    }));
    assert.deepEqual(open.Shards.map((shard) => shard.ShardId), ["shardId-000000000003"]);
    ok("split, merge and read in order");
  }

  async fanOut() {
    const { Consumer: consumer } = await this.send(new RegisterStreamConsumerCommand({
      StreamARN: this.arn, ConsumerName: "reader",
    }));
    const arn = { ConsumerARN: consumer.ConsumerARN };
    await until("the consumer is ACTIVE", async () => {
      const answer = await this.send(new DescribeStreamConsumerCommand(arn));
      return answer.ConsumerDescription.ConsumerStatus === "ACTIVE";
    });
    const subscribe = (shard, position) =>
      this.send(new SubscribeToShardCommand({ ...arn, ShardId: shard, StartingPosition: position }));

    // A closed shard: its records, then its children, then the end.
    const closed = [];
    let children = [];
    const old = await subscribe("shardId-000000000000", { Type: "TRIM_HORIZON" });
    for await (const { SubscribeToShardEvent: event } of old.EventStream) {
      closed.push(...event.Records.map(text));
      children = event.ChildShards ?? [];
    }
    assert.deepEqual(closed, ["0", "1", "2", "3", "4"]);
    assert.deepEqual(
      children.map((child) => child.ShardId).sort(), ["shardId-000000000001", "shardId-000000000002"]);
    ok("fan-out of a closed shard ends with its children");

    // An open shard: what is put while subscribed is pushed.
    const shard = "shardId-000000000003";
    const live = await subscribe(shard, { Type: "LATEST" });
    const received = [];
    for await (const { SubscribeToShardEvent: event } of live.EventStream) {
      assert.match(event.ContinuationSequenceNumber, /^\d+$/);
      received.push(...event.Records.map(text));
      if (received.length === 3) break;
      await this.put(`live ${received.length}`);
    }
    assert.deepEqual(received, ["live 0", "live 1", "live 2"]);
    ok("fan-out of an open shard is pushed");

    const again = subscribe(shard, { Type: "LATEST" });
    await assert.rejects(again, ResourceInUseException);
    ok("a second subscription within five seconds is refused");
    await this.send(new DeregisterStreamConsumerCommand(arn));
  }

  async remove() {
    await this.send(new DeleteStreamCommand({
      StreamName: this.stream, EnforceConsumerDeletion: true,
    }));
    await waitUntilStreamNotExists(
      { client: this.kinesis, maxWaitTime: 30, minDelay: 1 }, { StreamName: this.stream });
    await assert.rejects(
      this.send(new ListShardsCommand({ StreamName: this.stream })), ResourceNotFoundException);
    ok("delete");
  }
}

async function run(name, endpoint, handler, { fanOut }) {
  console.log(`-- ${name}`);
  const kinesis = client(endpoint, handler);
  const checks = new Checks(kinesis, name);
  await checks.create();
  await checks.putAndIterate();
  await checks.reshard();
  if (fanOut) await checks.fanOut();
  await checks.remove();
  kinesis.destroy();
}

const endpoint = process.env.HEADWATER_ENDPOINT;
const tls = process.env.HEADWATER_TLS_ENDPOINT;
try {
  await run("http2-plain", endpoint, undefined, { fanOut: true });
  await run("http1-plain", endpoint, new NodeHttpHandler({}), { fanOut: true });
  if (tls) {
    await run("http2-tls", tls, new NodeHttp2Handler({}), { fanOut: true });
    await run("http1-tls", tls, new NodeHttpHandler({}), { fanOut: false });
  }
} catch (error) {
  console.log(`FAIL ${error.stack ?? error}`);
  process.exitCode = 1;
}
