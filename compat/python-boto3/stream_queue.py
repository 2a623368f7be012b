"""Queues on streams, as checks use them: a queue made and ready, and short words for what is done with its records."""

import time
import uuid

from harness import equal, true, wait_until


class StreamQueue:
    """A queue of a stream's records, ACTIVE."""

    def __init__(self, world, stream=None, start="TRIM_HORIZON", **attributes):
        self.world = world
        self.kinesis = world.kinesis
        self.stream = stream or world.on_demand_stream()
        self.name = f"q-{uuid.uuid4().hex[:12]}"
        configuration = {"StreamARN": world.arn(self.stream), "StartingPosition": {"Type": start}}
        made = self.kinesis.create_queue(
            QueueName=self.name, StreamConfigurationList=[configuration], QueueAttributes=attributes
        )["QueueDescription"]
        self.arn = made["QueueARN"]
        self.active()

    def describe(self):
        return self.kinesis.describe_queue(QueueARN=self.arn)["QueueDescription"]

    def active(self):
        wait_until(f"queue {self.arn} is ACTIVE", lambda: self.describe()["QueueStatus"] == "ACTIVE")

    def put(self, datas):
        """Puts records, each under its own key; all shards get some of many."""
        datas = [str(data) for data in datas]
        for start in range(0, len(datas), 500):
            entries = [{"Data": d.encode(), "PartitionKey": d} for d in datas[start:start + 500]]
            answer = self.kinesis.put_records(StreamName=self.stream, Records=entries)
            equal(answer["FailedRecordCount"], 0)

    def receive(self, wait=1, **more):
        return self._receive(self.kinesis.receive_queue_records, wait, more)

    def dead(self, wait=1, **more):
        return self._receive(self.kinesis.receive_dead_letter_queue_records, wait, more)

    def _receive(self, call, wait, more):
        records = call(QueueARN=self.arn, WaitTimeSeconds=wait, **more)["QueueRecords"]
        true(len(records) <= more.get("Limit", 10), f"no more records than asked for, saw {len(records)}")
        return records

    def receive_all(self, count, seconds=30, receive=None, **more):
        """Receives until there are `count` records."""
        records = []
        deadline = time.monotonic() + seconds
        while len(records) < count:
            true(time.monotonic() < deadline, f"within {seconds} s: {count} records, saw {len(records)}")
            records += (receive or self.receive)(Limit=min(10, count - len(records)), **more)
        return records

    def acknowledge(self, records):
        settled(self.kinesis.acknowledge_queue_records(QueueARN=self.arn, Entries=handles(records)), records)

    def drain(self, count, seconds=30):
        """Receives and acknowledges `count` records; their data."""
        seen = []
        deadline = time.monotonic() + seconds
        while len(seen) < count:
            true(time.monotonic() < deadline, f"within {seconds} s: {count} records, saw {len(seen)}")
            records = self.receive()
            if records:
                self.acknowledge(records)
            seen += texts(records)
        return seen

    def hide(self, record, seconds):
        answer = self.kinesis.update_queue_records_visibility(
            QueueARN=self.arn,
            Entries=[{"ReceiptHandle": record["ReceiptHandle"], "VisibilityTimeoutSeconds": seconds}],
        )
        settled(answer, [record])

    def nothing(self):
        """Asserts that a receive finds nothing."""
        equal(texts(self.receive()), [], "records")


def handles(records):
    return [{"ReceiptHandle": record["ReceiptHandle"]} for record in records]


def texts(records):
    return [record["Data"].decode() for record in records]


def numbers(records):
    return sorted(int(text) for text in texts(records))


def settled(answer, records):
    """Asserts that all entries succeeded, in the order of the request."""
    equal(answer["Failed"], [])
    equal([entry["ReceiptHandle"] for entry in answer["Successful"]],
          [record["ReceiptHandle"] for record in records])


def failed(answer, code, count=1):
    """Asserts that exactly so many entries failed, each by this error."""
    equal([entry["ErrorCode"] for entry in answer["Failed"]], [code] * count)
    true(all(entry["ErrorMessage"] for entry in answer["Failed"]), "a failure says why")
