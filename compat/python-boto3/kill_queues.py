"""Puts and consumes records by a queue while the server is killed and started again, and holds it to what it said.

Prints a line for every EVERY acknowledgements. When its standard input ends it stops putting, consumes the rest and checks:
every record whose put was answered was received; none was received again after an acknowledgement of it was answered, as a
dead letter neither; nothing is left. Some records are given up on purpose and restored.
"""

import os
import sys
import threading
import time
import uuid

from botocore.exceptions import BotoCoreError, ClientError

from harness import World, equal, true, wait_until
from stream_queue import StreamQueue, handles

EVERY = 500
# Answers of a server that is going away or coming back.
PASSING = ("InternalFailure", "InternalFailureException", "ServiceUnavailable")


class Load:
    """What is asked for and answered, by all threads."""

    def __init__(self, queue):
        self.queue = queue
        self.lock = threading.Lock()
        self.is_over = False
        self.put = set()
        self.consumed = set()
        # Acknowledged, and not told whether that was done.
        self.unsure = set()
        self.given_up = set()
        self.acknowledged = {}
        self.again = []
        self.restored = 0

    def missing(self):
        with self.lock:
            return self.put - self.consumed - self.unsure

    def retried(self, call, **arguments):
        """The answer, however often the server is killed meanwhile; None where it was not told."""
        try:
            return call(**arguments)
        except BotoCoreError:
            time.sleep(0.05)
        except ClientError as error:
            if error.response["Error"]["Code"] not in PASSING:
                raise
        return None

    def produce(self):
        kinesis = self.queue.world.kinesis
        while not self.is_over:
            names = [uuid.uuid4().hex for _ in range(10)]
            entries = [{"Data": name.encode(), "PartitionKey": name} for name in names]
            answer = self.retried(kinesis.put_records, StreamName=self.queue.stream, Records=entries)
            if answer:
                good = [n for n, result in zip(names, answer["Records"]) if "SequenceNumber" in result]
                with self.lock:
                    self.put.update(good)
            # No faster than they are consumed.
            while not self.is_over and len(self.put) > len(self.consumed) + len(self.unsure) + 500:
                time.sleep(0.01)

    def consume(self):
        kinesis = self.queue.world.kinesis
        while True:
            begun = time.monotonic()
            answer = self.retried(kinesis.receive_queue_records, QueueARN=self.queue.arn, WaitTimeSeconds=2)
            records = self.note(answer, begun)
            # One in sixteen is left, and becomes a dead letter.
            is_left = lambda record: record["Data"].endswith(b"7") and record["RecordId"] not in self.given_up
            kept = [record for record in records if not is_left(record)]
            self.acknowledge(kinesis.acknowledge_queue_records, kept)
            if answer is not None and not records and self.is_over and not self.missing():
                return

    def bury(self):
        """Restores dead letters; what is restored is acknowledged from then on."""
        kinesis = self.queue.world.kinesis
        while not (self.is_over and not self.missing()):
            begun = time.monotonic()
            answer = self.retried(
                kinesis.receive_dead_letter_queue_records, QueueARN=self.queue.arn, WaitTimeSeconds=2)
            letters = self.note(answer, begun)
            if not letters:
                continue
            with self.lock:
                self.given_up.update(letter["RecordId"] for letter in letters)
            half = letters[::2]
            answer = self.retried(
                kinesis.restore_dead_letter_queue_records, QueueARN=self.queue.arn, Entries=handles(half))
            if answer:
                self.restored += len(answer["Successful"])
            self.acknowledge(kinesis.acknowledge_dead_letter_queue_records, letters[1::2])

    def note(self, answer, begun):
        """What was received; it must not have been acknowledged before the receive began."""
        records = answer["QueueRecords"] if answer else []
        with self.lock:
            for record in records:
                if self.acknowledged.get(record["RecordId"], begun) < begun:
                    self.again.append(record["RecordId"])
        return records

    def acknowledge(self, call, records):
        if not records:
            return
        answer = self.retried(call, QueueARN=self.queue.arn, Entries=handles(records))
        if answer is None:
            with self.lock:
                self.unsure.update(record["Data"].decode() for record in records)
            return
        good = {entry["ReceiptHandle"] for entry in answer["Successful"]}
        now = time.monotonic()
        with self.lock:
            before = len(self.consumed) // EVERY
            for record in records:
                if record["ReceiptHandle"] in good:
                    self.acknowledged.setdefault(record["RecordId"], now)
                    self.consumed.add(record["Data"].decode())
            if len(self.consumed) // EVERY > before:
                print(f"acknowledged {len(self.consumed)}", flush=True)


def main():
    world = World(os.environ["HEADWATER_ENDPOINT"])
    attributes = {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 1}}
    load = Load(StreamQueue(world, VisibilityTimeoutSeconds=3, **attributes))
    work = [load.produce, load.produce, load.consume, load.consume, load.consume, load.bury]
    failures = []

    def run(function):
        try:
            function()
        except Exception as error:  # told at the end; the others must not wait for this one
            failures.append(f"{function.__name__}: {error!r}")

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in work]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    load.is_over = True
    wait_until("all is consumed", lambda: failures or not any(thread.is_alive() for thread in threads), 120)
    equal(failures, [])
    equal(load.missing(), set(), "records put and not received")
    equal(load.again, [], "records received after they were acknowledged")
    true(load.restored > 0, "some were restored")
    print(f"ok   {len(load.put)} put, {len(load.consumed)} consumed, {load.restored} restored")


if __name__ == "__main__":
    main()
