"""Sizes: of a record, of a key, of a request; UpdateMaxRecordSize."""

from harness import INVALID, MIB, check, equal, refused, true, wait_until


def size_of(world, stream, kib):
    """Sets the stream's largest record and waits until it is in force."""
    world.kinesis.update_max_record_size(StreamARN=world.arn(stream), MaxRecordSizeInKiB=kib)
    world.active(stream)
    wait_until(
        f"MaxRecordSizeInKiB is {kib}", lambda: world.summary(stream)["MaxRecordSizeInKiB"] == kib
    )


@check
def a_record_may_be_one_mebibyte_with_its_key(world):
    name = world.stream()
    world.put(name, bytes(MIB - 3), key="key")
    refused(
        INVALID, world.kinesis.put_record, StreamName=name, Data=bytes(MIB + 1), PartitionKey="key"
    )
    refused(
        INVALID, world.kinesis.put_record, StreamName=name, Data=bytes(MIB - 2), PartitionKey="key"
    )
    refused(
        INVALID, world.kinesis.put_records,
        StreamName=name, Records=[{"Data": bytes(MIB + 1), "PartitionKey": "key"}],
    )
    equal([len(record["Data"]) for record in world.read_shard(name)], [MIB - 3])


@check
def a_stream_can_be_set_to_take_ten_mebibytes(world):
    name = world.stream()
    size_of(world, name, 10_240)
    data = bytes(range(256)) * (10 * MIB // 256)
    data = data[: 10 * MIB - 1]
    world.put(name, data)
    [record] = world.read_shard(name, until=1)
    true(record["Data"] == data, "10 MiB come back as they went in")
    refused(
        INVALID, world.kinesis.put_record, StreamName=name, Data=bytes(10 * MIB + 1), PartitionKey="k"
    )
    size_of(world, name, 1024)
    refused(INVALID, world.kinesis.put_record, StreamName=name, Data=data, PartitionKey="k")
    true(world.read_shard(name, until=1)[0]["Data"] == data, "what is in the stream stays readable")


@check
def update_max_record_size_validates(world):
    name = world.stream()
    update = world.kinesis.update_max_record_size
    refused("ValidationException", update, StreamARN=world.arn(name), MaxRecordSizeInKiB=1023)
    refused("ValidationException", update, StreamARN=world.arn(name), MaxRecordSizeInKiB=10_241)
    refused("ValidationException", update, StreamARN=world.arn(name))
    missing = world.arn("no-such-stream")
    refused("ResourceNotFoundException", update, StreamARN=missing, MaxRecordSizeInKiB=2048)


@check
def a_partition_key_has_at_most_256_characters(world):
    name = world.stream()
    world.put(name, "ascii", key="k" * 256)
    world.put(name, "wide", key="鍵" * 256)
    put = world.kinesis.put_record
    refused("ValidationException", put, StreamName=name, Data=b"x", PartitionKey="k" * 257)
    entries = [{"Data": b"x", "PartitionKey": "k" * 257}]
    refused("ValidationException", world.kinesis.put_records, StreamName=name, Records=entries)
    equal(
        [record["PartitionKey"] for record in world.read_shard(name)], ["k" * 256, "鍵" * 256]
    )


@check
def put_records_takes_500_records_and_not_501(world):
    name = world.stream()
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 501
    refused(
        "ValidationException", world.kinesis.put_records, "length less than or equal to 500",
        StreamName=name, Records=entries,
    )
    answer = world.kinesis.put_records(StreamName=name, Records=entries[:500])
    equal(answer["FailedRecordCount"], 0)
    equal(len(world.read_shard(name)), 500)


@check
def put_records_takes_ten_mebibytes_in_all(world):
    name = world.stream()
    entries = [{"Data": bytes(MIB - 1), "PartitionKey": "k"}] * 10
    equal(world.kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"], 0)
    entries.append({"Data": b"", "PartitionKey": "k"})
    refused(
        "InvalidArgumentException", world.kinesis.put_records, StreamName=name, Records=entries
    )
    equal(len(world.read_shard(name, until=10)), 10)
