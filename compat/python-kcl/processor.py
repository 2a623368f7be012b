"""What the MultiLangDaemon runs for each shard: it writes down each record, and checkpoints each batch.

Standard output belongs to the daemon's protocol, so lines go to the file that SEEN names.
"""

import os

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor


class Processor(processor.RecordProcessorBase):
    def initialize(self, initialize_input):
        self.shard = initialize_input.shard_id

    def process_records(self, process_records_input):
        with open(os.environ["SEEN"], "a", encoding="utf-8") as seen:
            for record in process_records_input.records:
                text = record.binary_data.decode()
                seen.write(f"{self.shard}\t{record.sequence_number}\t{text}\n")
        process_records_input.checkpointer.checkpoint()

    def lease_lost(self, lease_lost_input):
        pass

    def shard_ended(self, shard_ended_input):
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input):
        shutdown_requested_input.checkpointer.checkpoint()


if __name__ == "__main__":
    kcl.KCLProcess(Processor()).run()
