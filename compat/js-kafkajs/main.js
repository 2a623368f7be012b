// KafkaJS: producer, consumer groups, transactions, admin. HEADWATER_KAFKA says where the server is.

import assert from "node:assert/strict";

import kafkajs from "kafkajs";

const { CompressionTypes, Kafka, logLevel } = kafkajs;
const PATIENCE_MS = 30_000;
const kafka = new Kafka({
  clientId: "js",
  brokers: [process.env.HEADWATER_KAFKA],
  logLevel: logLevel.NOTHING,
});
const admin = kafka.admin();

async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function topic(name, partitions = 1, config = {}) {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic: name, numPartitions: partitions, configEntries }] });
  return name;
}

async function produce(topic, values, settings = {}, more = {}) {
  const producer = kafka.producer(settings);
  await producer.connect();
  const messages = values.map((value) => ({ key: `k${value}`, value: `${value}`, headers: { h: `${value}` } }));
  const sent = await producer.send({ topic, messages, ...more });
  await producer.disconnect();
  return sent;
}

function numbers(first, count) {
  return Array.from({ length: count }, (_, n) => `${first + n}`);
}

/** A member of a group that collects what it is given until it is stopped. */
async function member(groupId, topic, settings = {}) {
  // Leaving waits for a fetch under way: a short one.
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200, ...settings });
  const found = [];
  let assigned = null;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (assigned = payload.memberAssignment[topic] ?? []));
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 100,
    eachMessage: async ({ partition, message }) => void found.push({ partition, ...message }),
  });
  return { consumer, found, assigned: () => assigned };
}

const values = (messages) => messages.map((message) => message.value.toString());

const checks = {
  "what is produced is consumed": async () => {
    const name = await topic("js-plain");
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      await produce(name, numbers(compression * 100, 100), {}, { compression });
    }
    const { consumer, found } = await member("js-plain", name);
    await until("all is there", () => found.length === 200);
    assert.deepEqual(values(found), numbers(0, 200));
    assert.equal(found[7].headers.h.toString(), "7");
    assert.equal(found[7].key.toString(), "k7");
    await consumer.disconnect();
  },

  "acks of all, one and none": async () => {
    const name = await topic("js-acks");
    for (const acks of [-1, 1]) {
      const [sent] = await produce(name, [acks], {}, { acks });
      assert.equal(sent.errorCode, 0);
    }
    await produce(name, ["0"], {}, { acks: 0 });
    await until("the end is 3", async () => (await admin.fetchTopicOffsets(name))[0].high === "3");
  },

  "an idempotent producer writes once": async () => {
    const name = await topic("js-idempotent");
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let n = 0; n < 10; n++) {
      await producer.send({ topic: name, messages: [{ value: `${n}` }] });
    }
    await producer.disconnect();
    assert.equal((await admin.fetchTopicOffsets(name))[0].high, "10");
  },

  "a group shares partitions, and takes over from a member that goes": async () => {
    const name = await topic("js-group", 4);
    const one = await member("js-group", name, { sessionTimeout: 10_000 });
    const two = await member("js-group", name, { sessionTimeout: 10_000 });
    await until("both have two", () => one.assigned()?.length === 2 && two.assigned()?.length === 2);
    await produce(name, numbers(0, 100));
    await until("all is read", () => one.found.length + two.found.length === 100);
    assert(one.found.length > 0 && two.found.length > 0);
    await two.consumer.disconnect();
    await until("the other has all", () => one.assigned().length === 4);
    await produce(name, numbers(100, 50));
    const read = () => new Set([...values(one.found), ...values(two.found)]);
    await until("the rest is read", () => read().size === 150);
    await one.consumer.disconnect();
    const three = await member("js-group", name);
    await produce(name, ["last"]);
    await until("only what is new", () => three.found.length === 1);
    assert.deepEqual(values(three.found), ["last"]);
    await three.consumer.disconnect();
  },

  "transactions commit and abort, offsets with them": async () => {
    const name = await topic("js-transactions");
    const producer = kafka.producer({ transactionalId: "js-t", idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (const [value, ends] of [["aborted", "abort"], ["committed", "commit"]]) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: name, messages: [{ value }] });
      const topics = [{ topic: name, partitions: [{ partition: 0, offset: "1" }] }];
      await transaction.sendOffsets({ consumerGroupId: "js-committed", topics });
      await transaction[ends]();
    }
    await producer.disconnect();
    const { consumer, found } = await member("js-transactions", name, { readUncommitted: false });
    await until("it is there", () => found.length > 0);
    assert.deepEqual(values(found), ["committed"]);
    await consumer.disconnect();
    const [offsets] = await admin.fetchOffsets({ groupId: "js-committed", topics: [name] });
    assert.equal(offsets.partitions[0].offset, "1");
  },

  "an admin sees and changes topics and groups": async () => {
    const name = await topic("js-admin", 2, { "retention.ms": "60000" });
    assert((await admin.listTopics()).includes(name));
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    assert.equal(topics[0].partitions.length, 3);
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name };
    const configs = async (key) => {
      const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
      return resources[0].configEntries.find((entry) => entry.configName === key).configValue;
    };
    assert.equal(await configs("retention.ms"), "60000");
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "90000" }] }] });
    assert.equal(await configs("retention.ms"), "90000");
    await produce(name, numbers(0, 30));
    const { consumer, found } = await member("js-admin", name);
    await until("all is read", () => found.length === 30);
    const described = await admin.describeGroups(["js-admin"]);
    assert.equal(described.groups[0].state, "Stable");
    assert((await admin.listGroups()).groups.some((group) => group.groupId === "js-admin"));
    await consumer.disconnect();
    await admin.resetOffsets({ groupId: "js-admin", topic: name, earliest: true });
    const again = await member("js-admin", name);
    await until("all is read again", () => again.found.length === 30);
    await again.consumer.disconnect();
    await admin.deleteGroups(["js-admin"]);
    const offsets = await admin.fetchTopicOffsets(name);
    const partitions = offsets.map(({ partition, high }) => ({ partition, offset: high }));
    await admin.deleteTopicRecords({ topic: name, partitions });
    assert((await admin.fetchTopicOffsets(name)).every(({ low, high }) => low === high));
    const cluster = await admin.describeCluster();
    assert.equal(cluster.brokers.length, 1);
    await admin.deleteTopics({ topics: [name] });
    assert(!(await admin.listTopics()).includes(name));
  },
};

await admin.connect();
let failed = false;
for (const [name, check] of Object.entries(checks)) {
  const start = Date.now();
  let word = "ok";
  try {
    await check();
  } catch (error) {
    failed = true;
    word = `FAILED\n${error.stack}`;
  }
  console.log(`${name} (${((Date.now() - start) / 1000).toFixed(1)} s) ... ${word}`);
}
await admin.disconnect();
process.exit(failed ? 1 : 0);
