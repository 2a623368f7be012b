"""Records of queues on streams: received, acknowledged, hidden, waited for; across resharding and encryption."""

import concurrent.futures
import time

from harness import check, equal, hash_range, true
from stream_queue import StreamQueue, failed, handles, numbers, settled, texts


@check
def records_are_received_acknowledged_and_do_not_come_back(world):
    queue = StreamQueue(world, VisibilityTimeoutSeconds=2)
    queue.put(range(100))
    first = queue.receive_all(1)[0]
    equal(first["PartitionKey"], first["Data"].decode())
    equal(first["ReceiveCount"], 1)
    true(first["RecordId"].isalnum() and first["RecordId"].islower() or first["RecordId"].isdigit(), "an id of a-z, 0-9")
    true(first["ApproximateArrivalTimestamp"] <= first["FirstReceiveTimestamp"], "received after it arrived")
    queue.acknowledge([first])
    # Sent again, as SDKs do where an answer is lost.
    queue.acknowledge([first])
    rest = queue.drain(99)
    equal(sorted(map(int, rest + texts([first]))), list(range(100)))
    # Longer than anything is hidden.
    equal(texts(queue.receive(wait=3)), [])
    # The stream still has them.
    read = sum((world.read_shard(queue.stream, s["ShardId"]) for s in world.shards(queue.stream)), [])
    equal(len(read), 100)


@check
def a_record_not_acknowledged_in_time_is_received_again(world):
    queue = StreamQueue(world, VisibilityTimeoutSeconds=1)
    queue.put([7])
    [first] = queue.receive_all(1)
    [second] = queue.receive(wait=20)
    equal(second["ReceiveCount"], 2)
    for same in ("RecordId", "Data", "FirstReceiveTimestamp", "ApproximateArrivalTimestamp"):
        equal(second[same], first[same], same)
    true(first["ReceiptHandle"] != second["ReceiptHandle"], "a handle of its own for each receive")
    outdated = world.kinesis.acknowledge_queue_records(QueueARN=queue.arn, Entries=handles([first]))
    failed(outdated, "InvalidArgumentException")
    queue.acknowledge([second])
    queue.nothing()


@check
def two_queues_of_a_stream_know_nothing_of_each_other(world):
    one = StreamQueue(world)
    two = StreamQueue(world, one.stream)
    one.put([1, 2, 3])
    by_id = lambda records: {record["RecordId"]: record["Data"] for record in records}
    first, second = one.receive_all(3), two.receive_all(3)
    equal(by_id(first), by_id(second))
    one.acknowledge(first)
    answer = world.kinesis.acknowledge_queue_records(QueueARN=one.arn, Entries=handles(second))
    failed(answer, "InvalidArgumentException", 3)
    two.acknowledge(second)


@check
def a_forged_handle_fails_alone(world):
    queue = StreamQueue(world)
    queue.put([1, 2])
    records = queue.receive_all(2)
    good = records[0]["ReceiptHandle"]
    middle = len(good) // 2
    forged = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1:]
    entries = [{"ReceiptHandle": forged}, {"ReceiptHandle": good}, {"ReceiptHandle": "nonsense"}]
    answer = world.kinesis.acknowledge_queue_records(QueueARN=queue.arn, Entries=entries)
    failed(answer, "InvalidArgumentException", 2)
    equal(answer["Successful"], [{"ReceiptHandle": good}])
    hide = [{"ReceiptHandle": forged, "VisibilityTimeoutSeconds": 1}]
    failed(world.kinesis.update_queue_records_visibility(QueueARN=queue.arn, Entries=hide), "InvalidArgumentException")


@check
def visibility_is_extended_and_ended(world):
    queue = StreamQueue(world, VisibilityTimeoutSeconds=1)
    queue.put([1])
    [record] = queue.receive_all(1, VisibilityTimeoutSeconds=300)
    queue.hide(record, 600)
    equal(texts(queue.receive(wait=2)), [])
    queue.hide(record, 0)
    [again] = queue.receive(VisibilityTimeoutSeconds=0)
    equal(again["ReceiveCount"], 2)
    [third] = queue.receive()
    equal(third["ReceiveCount"], 3)
    queue.acknowledge([third])
    gone = [{"ReceiptHandle": third["ReceiptHandle"], "VisibilityTimeoutSeconds": 5}]
    failed(world.kinesis.update_queue_records_visibility(QueueARN=queue.arn, Entries=gone), "ResourceNotFoundException")


@check
def a_long_poll_wakes_when_a_record_arrives(world):
    queue = StreamQueue(world)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for number in range(5):
            poll = pool.submit(lambda: (queue.receive(wait=20), time.monotonic()))
            # A receive that began after this one and found nothing: the first waits by now.
            queue.nothing()
            true(not poll.done(), "the poll waits")
            put = time.monotonic()
            queue.put([number])
            records, woken = poll.result()
            equal(numbers(records), [number])
            true(woken - put < 10, f"awake within 10 s of the put, took {woken - put:.2f} s")
            queue.acknowledge(records)


@check
def a_poll_of_an_empty_queue_lasts_its_time(world):
    queue = StreamQueue(world)
    for arguments, seconds in (({"WaitTimeSeconds": 2}, 2), ({}, 9)):
        for call in (world.kinesis.receive_queue_records, world.kinesis.receive_dead_letter_queue_records):
            start = time.monotonic()
            equal(call(QueueARN=queue.arn, **arguments)["QueueRecords"], [])
            took = time.monotonic() - start
            true(seconds - 0.1 <= took < seconds + 15, f"{seconds} s, took {took:.2f} s")


@check
def many_consumers_share_the_records(world):
    queue = StreamQueue(world)
    count = 600

    def consume():
        seen = []
        while True:
            records = queue.receive(wait=2)
            if not records:
                return seen
            queue.acknowledge(records)
            seen += texts(records)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        consumers = [pool.submit(consume) for _ in range(4)]
        queue.put(range(count))
        seen = sum((consumer.result() for consumer in consumers), [])
    equal(sorted(map(int, seen)), list(range(count)))


@check
def records_of_shards_made_later_are_received(world):
    # The user divides the shards of a provisioned stream; on-demand mode keeps them.
    stream = world.stream(shards=2)
    mode = lambda mode: (
        world.kinesis.update_stream_mode(StreamARN=world.arn(stream), StreamModeDetails={"StreamMode": mode}),
        world.active(stream))
    mode("ON_DEMAND")
    queue = StreamQueue(world, stream)
    queue.put(range(50))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        equal(sorted(map(int, queue.drain(50))), list(range(50)))
        poll = pool.submit(queue.receive, 20)
        queue.nothing()
        # Warm throughput is what opens shards of a stream in use, as load does.
        world.kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
        world.kinesis.update_stream_warm_throughput(StreamName=stream, WarmThroughputMiBps=6)
        world.active(stream)
        equal(len(world.open_shards(stream)), 6)
        put = time.monotonic()
        queue.put(range(50, 51))
        records = poll.result()
        true(time.monotonic() - put < 10, "who waits is woken by a record of a new shard")
        equal(numbers(records), [50])
        queue.acknowledge(records)
    queue.put(range(51, 150))
    seen = queue.receive_all(99)
    equal(numbers(seen), list(range(51, 150)))
    true(len({hash_range(shard) for shard in world.open_shards(stream)}) == 6, "six shards")


@check
def encrypted_records_are_received_in_the_clear(world):
    queue = StreamQueue(world)
    queue.put([0])
    world.kinesis.start_stream_encryption(
        StreamName=queue.stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    world.active(queue.stream)
    queue.put(range(1, 20))
    equal(numbers(queue.receive_all(20)), list(range(20)))


@check
def large_records_are_received(world):
    queue = StreamQueue(world)
    data = {str(n): bytes([n]) * (1 << 20) for n in range(12)}
    for key, value in data.items():
        world.kinesis.put_record(StreamName=queue.stream, Data=value[:-2], PartitionKey=key)
    records = queue.receive_all(12)
    equal({r["PartitionKey"]: r["Data"] == data[r["PartitionKey"]][:-2] for r in records}, {key: True for key in data})
    for start in range(0, 12, 10):
        some = records[start:start + 10]
        settled(world.kinesis.acknowledge_queue_records(QueueARN=queue.arn, Entries=handles(some)), some)
