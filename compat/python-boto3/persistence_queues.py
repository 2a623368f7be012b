"""Puts queues on a stream into a server, or checks that all that was known of their records still is.

    persistence_queues.py write|verify FILE

`write` notes what was acknowledged in FILE; `verify`, run after the server was restarted or killed, holds the server to it
and adds to it, so that several restarts can be checked in turn.
"""

import json
import os
import sys

from harness import World, equal, true
from stream_queue import StreamQueue, handles, settled, texts

STREAM = "under-queues"
# How long records that are looked at are hidden, in seconds: until the next look, for the most part.
HIDDEN = 6


def queue_of(world, arn):
    """A queue that is there already."""
    queue = StreamQueue.__new__(StreamQueue)
    queue.world, queue.kinesis, queue.stream, queue.arn = world, world.kinesis, STREAM, arn
    return queue


def worn_out(queue, records):
    """Makes dead letters of records that were received once of two times."""
    for record in records:
        queue.hide(record, 0)
    again = queue.receive_all(len(records))
    equal(sorted(texts(again)), sorted(texts(records)))
    for record in again:
        queue.hide(record, 0)
    letters = queue.receive_all(len(records), receive=queue.dead, VisibilityTimeoutSeconds=3_600)
    equal(sorted(texts(letters)), sorted(texts(records)))
    return letters


def one_of_each_shard(records):
    """Splits records: one of each shard, and the others."""
    shards = {}
    for record in records:
        shards.setdefault(record["RecordId"][:24], []).append(record)
    return [records[0] for records in shards.values()], [record for records in shards.values() for record in records[1:]]


def write(world):
    """Makes a queue with records in every state, and returns what is to be kept."""
    world.kinesis.create_stream(StreamName=STREAM, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    world.active(STREAM)
    attributes = {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 2}}
    queue = StreamQueue(world, STREAM, VisibilityTimeoutSeconds=3_600, **attributes)
    gone = StreamQueue(world, STREAM)
    queue.put(range(60))
    gone.drain(5)
    world.kinesis.delete_queue(QueueARN=gone.arn)
    last, records = one_of_each_shard(queue.receive_all(60))
    acknowledged, held, worn, waiting = records[:25], records[25:30], records[30:39], records[39:]
    for start in range(0, 25, 10):
        queue.acknowledge(acknowledged[start:start + 10])
    letters = worn_out(queue, worn)
    for record in waiting:
        queue.hide(record, 0)
    discarded, restored, dead = letters[:3], letters[3:6], letters[6:]
    entries = lambda records: {"QueueARN": queue.arn, "Entries": handles(records)}
    settled(world.kinesis.acknowledge_dead_letter_queue_records(**entries(discarded)), discarded)
    settled(world.kinesis.restore_dead_letter_queue_records(**entries(restored)), restored)
    # What was received waits for no write, so a crash may forget the last of it: these writes take it along in every shard.
    queue.acknowledge(last)
    return {
        "arn": queue.arn,
        "description": json.loads(json.dumps(queue.describe(), default=str)),
        "waiting": sorted(texts(waiting + restored)),
        "held": [[r["Data"].decode(), r["ReceiptHandle"], r["RecordId"]] for r in held],
        "dead": [[r["Data"].decode(), r["ReceiptHandle"], r["RecordId"]] for r in dead],
        "next": 60,
    }


def verify(world, state):
    queue = queue_of(world, state["arn"])
    equal(json.loads(json.dumps(queue.describe(), default=str)), state["description"])
    equal(len(world.kinesis.list_queues()["QueueSummaries"]), 1)
    equal(world.summary(STREAM)["QueueCount"], 1)
    # All that waits, the restored among it, and nothing that was acknowledged, discarded, held or given up.
    received = queue.receive_all(len(state["waiting"]), VisibilityTimeoutSeconds=HIDDEN)
    equal(sorted(texts(received)), state["waiting"])
    queue.nothing()
    # Handles of before the restart serve: one record held, and one dead letter restored.
    data, handle, _ = state["held"].pop()
    settled(world.kinesis.acknowledge_queue_records(
        QueueARN=queue.arn, Entries=[{"ReceiptHandle": handle}]), [{"ReceiptHandle": handle}])
    letter, handle, identity = state["dead"].pop()
    settled(world.kinesis.restore_dead_letter_queue_records(
        QueueARN=queue.arn, Entries=[{"ReceiptHandle": handle}]), [{"ReceiptHandle": handle}])
    [back] = queue.receive_all(1)
    equal((back["Data"].decode(), back["RecordId"], back["ReceiveCount"]), (letter, identity, 1))
    half = received[: len(received) // 2]
    for start in range(0, len(half), 10):
        queue.acknowledge(half[start:start + 10])
    queue.acknowledge([back])
    # The others come back when their time is over, however often they were received.
    attributes = {"DeadLetterConfiguration": {"TargetType": "NONE"}}
    world.kinesis.update_queue(QueueARN=queue.arn, QueueAttributes=attributes)
    queue.active()
    state["description"] = json.loads(json.dumps(queue.describe(), default=str))
    rest = received[len(half):]
    more = [str(state["next"] + n) for n in range(20)]
    queue.put(more)
    state["next"] += 20
    state["waiting"] = sorted(texts(rest) + more)
    true(data not in state["waiting"], "what was acknowledged does not come back")


def main():
    action, path = sys.argv[1:]
    world = World(os.environ["HEADWATER_ENDPOINT"])
    if action == "write":
        state = write(world)
    else:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        verify(world, state)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    print(f"ok   {action}: {len(state['waiting'])} records wait")


if __name__ == "__main__":
    main()
