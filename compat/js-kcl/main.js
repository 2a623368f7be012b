// Drives a server with the KCL for Node.js: the MultiLangDaemon, in Java, with a processor in JavaScript.
//
// Arguments: the class path of the daemon, a folder to work in. HEADWATER_ENDPOINT says where the server is.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  CreateStreamCommand,
  KinesisClient,
  PutRecordsCommand,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";

const ACCOUNT = "510000000005";
const REGION = "eu-central-1";
const STREAM = "kcl-js";
const PATIENCE_MS = 120_000;

const [classPath, work] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const seenPath = join(work, "seen");
const logPath = join(work, "log");

function fail(what) {
  console.log(`FAIL ${what}`);
  if (existsSync(logPath)) {
    console.log(readFileSync(logPath, "utf8").split("\n").slice(-60).join("\n"));
  }
  process.exit(1);
}

function check(what, holds) {
  if (!holds) {
    fail(what);
  }
}

/** The daemon and its processors, from their start to their end. */
class Daemon {
  constructor() {
    const properties = join(work, "kcl.properties");
    const lines = {
      executableName: `${process.execPath} ${join(here, "processor.js")}`,
      streamName: STREAM,
      applicationName: STREAM,
      AwsCredentialsProvider: "DefaultCredentialsProvider",
      initialPositionInStream: "TRIM_HORIZON",
      regionName: REGION,
      failoverTimeMillis: 3000,
      shardSyncIntervalMillis: 1000,
      idleTimeBetweenReadsInMillis: 200,
    };
    writeFileSync(properties, Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`).join(""));
    this.log = openSync(logPath, "a");
    this.process = spawn(
      "java",
      ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classPath,
        "software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file", properties],
      {
        stdio: ["ignore", this.log, this.log],
        env: {
          ...process.env,
          SEEN: seenPath,
          AWS_ENDPOINT_URL: process.env.HEADWATER_ENDPOINT,
          AWS_ACCESS_KEY_ID: ACCOUNT,
          AWS_SECRET_ACCESS_KEY: "secret",
        },
      },
    );
    this.ended = once(this.process, "exit");
  }

  /** Waits until all of `texts` have been seen. */
  async until(texts) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const seen = new Set(records().map((record) => record.text));
      if (texts.every((text) => seen.has(text))) {
        return;
      }
      if (Date.now() > deadline || this.process.exitCode !== null) {
        fail(`${seen.size} of ${texts.length} records seen, exit ${this.process.exitCode}`);
      }
      await pause(100);
    }
  }

  /** SIGTERM: the daemon ends in an orderly manner. */
  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    closeSync(this.log);
  }
}

/** What the processors wrote. A line without its end is not whole yet. */
function records() {
  if (!existsSync(seenPath)) {
    return [];
  }
  return readFileSync(seenPath, "utf8").split("\n").slice(0, -1).map((line) => {
    const [shard, number, text] = line.split("\t");
    return { shard, number: BigInt(number), text };
  });
}

async function put(kinesis, name, count) {
  const texts = Array.from({ length: count }, (_, n) => `${name} ${n}`);
  for (let first = 0; first < count; first += 500) {
    const part = texts.slice(first, first + 500);
    const answer = await kinesis.send(new PutRecordsCommand({
      StreamName: STREAM,
      Records: part.map((text) => ({ PartitionKey: text, Data: Buffer.from(text) })),
    }));
    check("all are put", answer.FailedRecordCount === 0);
  }
  return texts;
}

/** That each shard's sequence numbers grow. The shards there are. */
function inOrder(all) {
  const last = new Map();
  for (const { shard, number, text } of all) {
    check(`${text} comes in order`, (last.get(shard) ?? -1n) < number);
    last.set(shard, number);
  }
  return last.size;
}

/** What a daemon reads of `texts` and what comes while it runs, `name`d so. */
async function read(kinesis, texts, name) {
  const daemon = new Daemon();
  const all = [...texts];
  try {
    await daemon.until(all);
    all.push(...(await put(kinesis, name, 100)));
    await daemon.until(all);
  } finally {
    await daemon.stop();
  }
  return all;
}

const kinesis = new KinesisClient({
  region: REGION,
  endpoint: process.env.HEADWATER_ENDPOINT,
  credentials: { accessKeyId: ACCOUNT, secretAccessKey: "secret" },
});
await kinesis.send(new CreateStreamCommand({ StreamName: STREAM, ShardCount: 2 }));
await waitUntilStreamExists({ client: kinesis, maxWaitTime: 60, minDelay: 1 }, { StreamName: STREAM });
let texts = await read(kinesis, await put(kinesis, "before", 600), "live");
check(`${records().length} records, each once`, records().length === texts.length);
check("both shards are read", inOrder(records()) === 2);
console.log("ok   a processor in JavaScript reads all records once, in order");

texts = await read(kinesis, [...texts, ...(await put(kinesis, "meanwhile", 100))], "later");
check(`${records().length} records, each once`, records().length === texts.length);
inOrder(records());
console.log("ok   a daemon that starts again goes on from its checkpoints");
process.exit(0);
