"""Dead letters of queues on streams: records received too often, and their way back."""

import concurrent.futures
import time

from harness import check, equal, true
from stream_queue import StreamQueue, failed, handles, numbers, settled, texts


def after(receives, seconds=1):
    return {
        "VisibilityTimeoutSeconds": seconds,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": receives},
    }


def worn_out(queue, record, receives):
    """Lets the record be received so often, each time for no time at all."""
    for count in range(record["ReceiveCount"], receives):
        queue.hide(record, 0)
        [record] = queue.receive()
        equal(record["ReceiveCount"], count + 1)
    queue.hide(record, 0)
    return record


@check
def a_record_received_too_often_is_a_dead_letter(world):
    queue = StreamQueue(world, **after(3, 60))
    queue.put([1, 2])
    one, two = sorted(queue.receive_all(2), key=lambda record: record["Data"])
    last = worn_out(queue, one, 3)
    queue.nothing()
    [letter] = queue.dead()
    for same in ("RecordId", "Data", "PartitionKey", "ApproximateArrivalTimestamp", "FirstReceiveTimestamp"):
        equal(letter[same], one[same], same)
    true(letter["ReceiveCount"] >= 3, f"its receives are counted, saw {letter['ReceiveCount']}")
    failed(world.kinesis.acknowledge_queue_records(QueueARN=queue.arn, Entries=handles([last])),
           "ResourceNotFoundException")
    failed(world.kinesis.acknowledge_queue_records(QueueARN=queue.arn, Entries=handles([letter])),
           "InvalidArgumentException")
    # It is hidden like any record, and shown again.
    equal(queue.dead(), [])
    entry = {"ReceiptHandle": letter["ReceiptHandle"], "VisibilityTimeoutSeconds": 0}
    settled(world.kinesis.update_dead_letter_queue_records_visibility(QueueARN=queue.arn, Entries=[entry]), [letter])
    [again] = queue.dead()
    answer = world.kinesis.acknowledge_dead_letter_queue_records(QueueARN=queue.arn, Entries=handles([again]))
    settled(answer, [again])
    failed(world.kinesis.update_dead_letter_queue_records_visibility(
        QueueARN=queue.arn, Entries=[{**entry, "ReceiptHandle": again["ReceiptHandle"]}]), "ResourceNotFoundException")
    queue.acknowledge([two])


@check
def a_dead_letter_is_restored_with_its_receives_forgotten(world):
    queue = StreamQueue(world, **after(2, 60))
    queue.put([5])
    [record] = queue.receive_all(1)
    for _ in range(2):
        worn_out(queue, record, 2)
        [letter] = queue.dead()
        answer = world.kinesis.restore_dead_letter_queue_records(QueueARN=queue.arn, Entries=handles([letter]))
        settled(answer, [letter])
        failed(world.kinesis.restore_dead_letter_queue_records(QueueARN=queue.arn, Entries=handles([letter])),
               "ResourceNotFoundException")
        [back] = queue.receive()
        equal((back["RecordId"], back["Data"]), (record["RecordId"], record["Data"]))
        equal(back["ReceiveCount"], 1)
        record = back
    queue.acknowledge([record])
    queue.nothing()
    equal(queue.dead(), [])


@check
def who_waits_for_dead_letters_is_woken_when_a_records_time_is_over(world):
    queue = StreamQueue(world, **after(1, 2))
    queue.put([1])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        poll = pool.submit(lambda: (queue.dead(wait=20), time.monotonic()))
        queue.receive_all(1)
        received = time.monotonic()
        letters, woken = poll.result()
    equal(texts(letters), ["1"])
    took = woken - received
    true(1.5 < took < 15, f"woken about 2 s after the receive, took {took:.2f} s")


@check
def without_dead_letters_a_record_is_received_for_ever(world):
    queue = StreamQueue(world, VisibilityTimeoutSeconds=0, DeadLetterConfiguration={"TargetType": "NONE"})
    queue.put([1])
    for count in range(1, 15):
        [record] = queue.receive_all(1)
        equal(record["ReceiveCount"], count)
    # A change holds at once.
    world.kinesis.update_queue(QueueARN=queue.arn, QueueAttributes=after(3))
    equal(texts(queue.dead()), ["1"])
    queue.nothing()


@check
def many_dead_letters_are_received_and_restored(world):
    queue = StreamQueue(world, **after(1))
    queue.put(range(40))
    queue.receive_all(40)
    letters = queue.receive_all(40, receive=queue.dead, VisibilityTimeoutSeconds=60)
    equal(numbers(letters), list(range(40)))
    for start in range(0, 40, 10):
        some = letters[start:start + 10]
        settled(world.kinesis.restore_dead_letter_queue_records(QueueARN=queue.arn, Entries=handles(some)), some)
    equal(sorted(map(int, queue.drain(40))), list(range(40)))
