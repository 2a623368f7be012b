// What the MultiLangDaemon runs for each shard: it writes down each record, and checkpoints each batch.
//
// Standard output belongs to the daemon's protocol, so lines go to the file that SEEN names.

import { appendFileSync } from "node:fs";
import kcl from "aws-kcl";

function checkpoint(checkpointer, done) {
  checkpointer.checkpoint((error) => {
    if (error) {
      console.error(`no checkpoint: ${error}`);
    }
    done();
  });
}

let shard;

kcl({
  initialize(input, done) {
    shard = input.shardId;
    done();
  },

  processRecords(input, done) {
    const lines = input.records.map(
      (record) => `${shard}\t${record.sequenceNumber}\t${Buffer.from(record.data, "base64")}\n`,
    );
    appendFileSync(process.env.SEEN, lines.join(""));
    checkpoint(input.checkpointer, done);
  },

  leaseLost(input, done) {
    done();
  },

  shardEnded(input, done) {
    checkpoint(input.checkpointer, done);
  },

  shutdownRequested(input, done) {
    checkpoint(input.checkpointer, done);
  },
}).run();
