"""PutRecord and PutRecords: where records go, their sequence numbers and their order."""

import hashlib

from harness import HASH_KEYS, INVALID, check, datas, equal, hash_range, refused, true

SHARD = "shardId-000000000000"


def shard_of(shards, hash_key):
    """Id of the one shard whose range holds `hash_key`."""
    found = [
        shard["ShardId"] for shard in shards
        if hash_range(shard)[0] <= hash_key <= hash_range(shard)[1]
    ]
    equal(len(found), 1, f"shards that hold hash key {hash_key}")
    return found[0]


@check
def a_record_comes_back_as_it_was_put(world):
    name = world.stream()
    data = bytes(range(256)) * 4
    put = world.put(name, data, key="schlüssel-鍵")
    equal(put["ShardId"], SHARD)
    equal(put.get("EncryptionType", "NONE"), "NONE")
    [record] = world.read_shard(name)
    equal(record["Data"], data)
    equal(record["PartitionKey"], "schlüssel-鍵")
    equal(record["SequenceNumber"], put["SequenceNumber"])
    true("ApproximateArrivalTimestamp" in record, "a record has its arrival time")


@check
def empty_data_is_a_record_too(world):
    name = world.stream()
    world.put(name, b"")
    [record] = world.read_shard(name)
    equal(record["Data"], b"")


@check
def sequence_numbers_grow_and_look_as_the_kcl_expects(world):
    name = world.stream()
    [shard] = world.shards(name)
    start = int(shard["SequenceNumberRange"]["StartingSequenceNumber"])
    numbers = [world.put(name, str(n))["SequenceNumber"] for n in range(50)]
    for number in numbers:
        true(number.isdigit() and number == str(int(number)), f"plain decimal digits, saw {number}")
        # The KCL takes a shorter number than this for something else: AWS's start with a set bit 184.
        true(len(number) >= 39, f"at least 128 bits wide, saw {number}")
        true(len(number) <= 129, f"at most 129 digits, saw {number}")
    values = [int(number) for number in numbers]
    true(all(a < b for a, b in zip(values, values[1:])), "each number above the last")
    true(values[0] > start, "all above the shard's StartingSequenceNumber")


@check
def partition_keys_are_hashed_by_md5(world):
    name = world.stream(shards=4)
    shards = world.shards(name)
    for number in range(24):
        key = f"key-{number}-ø"
        hash_key = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        equal(world.put(name, "x", key=key)["ShardId"], shard_of(shards, hash_key), key)


@check
def an_explicit_hash_key_decides_the_shard(world):
    name = world.stream(shards=4)
    shards = world.shards(name)
    edges = [0, HASH_KEYS - 1]
    for shard in shards:
        edges += hash_range(shard)
    for edge in edges:
        put = world.put(name, str(edge), key="same", ExplicitHashKey=str(edge))
        equal(put["ShardId"], shard_of(shards, edge), f"shard of hash key {edge}")
    entries = [
        {"Data": str(edge).encode(), "PartitionKey": "same", "ExplicitHashKey": str(edge)}
        for edge in edges
    ]
    answer = world.kinesis.put_records(StreamName=name, Records=entries)
    equal(
        [entry["ShardId"] for entry in answer["Records"]], [shard_of(shards, edge) for edge in edges]
    )


@check
def one_put_records_keeps_order_in_each_shard(world):
    name = world.stream(shards=3)
    entries = [{"Data": f"{n:03}".encode(), "PartitionKey": f"k{n}"} for n in range(500)]
    answer = world.kinesis.put_records(StreamName=name, Records=entries)
    equal(answer["FailedRecordCount"], 0)
    equal(len(answer["Records"]), 500)
    by_shard = {}
    for entry, result in zip(entries, answer["Records"]):
        true("ErrorCode" not in result, f"no error, saw {result}")
        by_shard.setdefault(result["ShardId"], []).append((entry, result))
    equal(len(by_shard), 3, "shards written to")
    for shard, written in by_shard.items():
        numbers = [int(result["SequenceNumber"]) for _, result in written]
        true(all(a < b for a, b in zip(numbers, numbers[1:])), f"numbers grow in {shard}")
        read = world.read_shard(name, shard)
        equal([r["Data"] for r in read], [entry["Data"] for entry, _ in written], f"data of {shard}")
        equal([int(r["SequenceNumber"]) for r in read], numbers)
        equal([r["PartitionKey"] for r in read], [entry["PartitionKey"] for entry, _ in written])


@check
def successive_puts_of_one_writer_keep_their_order(world):
    name = world.stream()
    expected = []
    for batch in range(20):
        texts = [f"{batch}-{n}" for n in range(10)]
        entries = [{"Data": text.encode(), "PartitionKey": "k"} for text in texts]
        world.kinesis.put_records(StreamName=name, Records=entries)
        world.put(name, f"{batch}-single")
        expected += texts + [f"{batch}-single"]
    equal(datas(world.read_shard(name)), expected)


@check
def sequence_number_for_ordering_is_accepted_and_honoured(world):
    name = world.stream()
    last = None
    for number in range(10):
        more = {} if last is None else {"SequenceNumberForOrdering": last}
        put = world.put(name, str(number), **more)
        if last is not None:
            true(int(put["SequenceNumber"]) > int(last), "the next number is above the one given")
        last = put["SequenceNumber"]
    equal(datas(world.read_shard(name)), [str(number) for number in range(10)])


@check
def a_wrong_sequence_number_for_ordering_is_refused(world):
    name = world.stream()
    put = world.kinesis.put_record
    record = {"StreamName": name, "Data": b"x", "PartitionKey": "k"}
    refused("ValidationException", put, SequenceNumberForOrdering="abc", **record)
    refused("ValidationException", put, SequenceNumberForOrdering="012", **record)
    refused("InvalidArgumentException", put, SequenceNumberForOrdering="7", **record)
    equal(world.read_shard(name), [])


@check
def wrong_hash_keys_are_refused(world):
    name = world.stream()
    put = world.kinesis.put_record
    record = {"StreamName": name, "Data": b"x", "PartitionKey": "k"}
    refused("InvalidArgumentException", put, ExplicitHashKey=str(HASH_KEYS), **record)
    for wrong in ("-1", "x", "01", "1" * 40, ""):
        refused("ValidationException", put, ExplicitHashKey=wrong, **record)
    entries = [
        {"Data": b"good", "PartitionKey": "k"},
        {"Data": b"bad", "PartitionKey": "k", "ExplicitHashKey": str(HASH_KEYS)},
    ]
    refused("InvalidArgumentException", world.kinesis.put_records, StreamName=name, Records=entries)
    equal(world.read_shard(name), [], "a refused PutRecords writes nothing")


@check
def puts_without_required_members_are_refused(world):
    name = world.stream()
    put, puts = world.kinesis.put_record, world.kinesis.put_records
    # PartitionKey is no longer a required member in botocore 1.44, for streams that distribute by
    # themselves; on others it is still needed. AWS does not document which error says so.
    refused("ValidationException", put, StreamName=name, PartitionKey="k")
    refused(INVALID, put, StreamName=name, Data=b"x")
    refused("ValidationException", put, StreamName=name, Data=b"x", PartitionKey="")
    refused("ValidationException", puts, StreamName=name)
    refused("ValidationException", puts, StreamName=name, Records=[])
    refused("ValidationException", puts, StreamName=name, Records=[{"PartitionKey": "k"}])
    refused(INVALID, puts, StreamName=name, Records=[{"Data": b"x"}])
