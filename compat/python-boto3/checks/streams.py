"""CreateStream, DescribeStream, DescribeStreamSummary, DeleteStream: the life of a stream."""

import datetime

from harness import check, covers_all_keys_once, equal, is_open, refused, true, wait_until, INVALID


@check
def a_new_stream_is_described_in_full(world):
    before = datetime.datetime.now(datetime.timezone.utc)
    name = world.stream(shards=3)
    answer = world.kinesis.describe_stream(StreamName=name)["StreamDescription"]
    equal(answer["StreamName"], name)
    equal(answer["StreamARN"], world.arn(name))
    equal(answer["StreamStatus"], "ACTIVE")
    equal(answer["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    equal(answer["HasMoreShards"], False)
    equal(answer["RetentionPeriodHours"], 24)
    equal(answer["EncryptionType"], "NONE")
    true("KeyId" not in answer, "no KeyId without encryption")
    equal(answer["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    created = answer["StreamCreationTimestamp"]
    true(abs((created - before).total_seconds()) < 60, f"created about now, saw {created}")
    equal(
        [shard["ShardId"] for shard in answer["Shards"]],
        ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"],
    )
    for shard in answer["Shards"]:
        true(is_open(shard), "a new shard has no EndingSequenceNumber")
        true("ParentShardId" not in shard, "a first shard has no parent")
        true("AdjacentParentShardId" not in shard, "a first shard has no adjacent parent")
        true(int(shard["SequenceNumberRange"]["StartingSequenceNumber"]) > 0, "a starting number")
    covers_all_keys_once(answer["Shards"])


@check
def a_summary_counts_shards_and_consumers(world):
    name = world.stream(shards=3)
    world.consumer(name, "one")
    world.consumer(name, "two")
    summary = world.summary(name)
    equal(summary["StreamName"], name)
    equal(summary["StreamARN"], world.arn(name))
    equal(summary["StreamStatus"], "ACTIVE")
    equal(summary["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    equal(summary["RetentionPeriodHours"], 24)
    equal(summary["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    equal(summary["EncryptionType"], "NONE")
    equal(summary["OpenShardCount"], 3)
    equal(summary["ConsumerCount"], 2)
    equal(summary["MaxRecordSizeInKiB"], 1024)
    true("Shards" not in summary, "a summary lists no shards")


@check
def describe_stream_pages_through_shards(world):
    name = world.stream(shards=5)
    first = world.kinesis.describe_stream(StreamName=name, Limit=2)["StreamDescription"]
    equal([s["ShardId"][-1] for s in first["Shards"]], ["0", "1"])
    equal(first["HasMoreShards"], True)
    second = world.kinesis.describe_stream(
        StreamName=name, Limit=3, ExclusiveStartShardId=first["Shards"][-1]["ShardId"]
    )["StreamDescription"]
    equal([s["ShardId"][-1] for s in second["Shards"]], ["2", "3", "4"])
    equal(second["HasMoreShards"], False)
    pages = world.kinesis.get_paginator("describe_stream").paginate(
        StreamName=name, PaginationConfig={"PageSize": 1}
    )
    equal(len([s for page in pages for s in page["StreamDescription"]["Shards"]]), 5)


@check
def describe_stream_returns_at_most_100_shards_by_default(world):
    name = world.stream(shards=101)
    answer = world.kinesis.describe_stream(StreamName=name)["StreamDescription"]
    equal(len(answer["Shards"]), 100)
    equal(answer["HasMoreShards"], True)
    # The model allows a Limit up to 10,000; "if greater than 100, at most 100 are returned".
    answer = world.kinesis.describe_stream(StreamName=name, Limit=10_000)["StreamDescription"]
    equal(len(answer["Shards"]), 100)


@check
def the_sdk_waiters_see_a_stream_come_and_go(world):
    name = world.stream()
    quick = {"Delay": 1, "MaxAttempts": 30}
    world.kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig=quick)
    world.kinesis.delete_stream(StreamName=name)
    world.kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig=quick)


@check
def an_on_demand_stream_starts_with_four_shards(world):
    name = world.on_demand_stream()
    equal(world.summary(name)["StreamModeDetails"], {"StreamMode": "ON_DEMAND"})
    equal(world.summary(name)["OpenShardCount"], 4)
    covers_all_keys_once(world.shards(name))


@check
def create_stream_takes_tags_and_record_size(world):
    name = world.stream(Tags={"team": "river", "empty": ""}, MaxRecordSizeInKiB=2048)
    tags = world.kinesis.list_tags_for_stream(StreamName=name)["Tags"]
    equal(tags, [{"Key": "empty", "Value": ""}, {"Key": "team", "Value": "river"}])
    equal(world.summary(name)["MaxRecordSizeInKiB"], 2048)


@check
def creating_a_stream_twice_is_refused(world):
    name = world.stream()
    error = refused(
        "ResourceInUseException", world.kinesis.create_stream, StreamName=name, ShardCount=1
    )
    message = error.response["Error"]["Message"]
    equal(message, f"Stream {name} under account {world.account} already exists.")


@check
def create_stream_validates_what_it_is_given(world):
    create = world.kinesis.create_stream
    for wrong in ("with space", "slash/name", "ä", "", "x" * 129):
        refused("ValidationException", create, StreamName=wrong, ShardCount=1)
    refused("ValidationException", create, StreamName="n", ShardCount=0)
    refused("ValidationException", create, StreamName="n", ShardCount=-1)
    refused("ValidationException", create, ShardCount=1)
    refused("ValidationException", create, StreamName="n", ShardCount=1, MaxRecordSizeInKiB=1023)
    refused("ValidationException", create, StreamName="n", ShardCount=1, MaxRecordSizeInKiB=10241)
    refused(INVALID, create, StreamName="n", StreamModeDetails={"StreamMode": "PROVISIONED"})
    refused("ValidationException", create, StreamName="n", StreamModeDetails={"StreamMode": "FAST"})
    refused("ValidationException", create, StreamName="n", ShardCount=1, Tags={"x" * 129: ""})
    refused("ValidationException", create, StreamName="n", ShardCount=1, Tags={"x": "y" * 257})
    refused("ResourceNotFoundException", world.kinesis.describe_stream, StreamName="n")


@check
def names_may_use_every_allowed_character_and_128_of_them(world):
    for name in ("a", "A-b_c.9", "x" * 128):
        world.kinesis.create_stream(StreamName=name, ShardCount=1)
        world.active(name)
        equal(world.summary(name)["StreamARN"], world.arn(name))


@check
def a_deleted_stream_is_gone_with_its_data(world):
    name = world.stream()
    world.put(name, "old")
    world.kinesis.delete_stream(StreamName=name)
    world.gone(name)
    for call in ("describe_stream", "list_shards", "delete_stream", "list_tags_for_stream"):
        refused("ResourceNotFoundException", getattr(world.kinesis, call), StreamName=name)
    error = refused(
        "ResourceNotFoundException", world.kinesis.put_record,
        StreamName=name, Data=b"x", PartitionKey="k",
    )
    message = error.response["Error"]["Message"]
    equal(message, f"Stream {name} under account {world.account} not found.")

    world.kinesis.create_stream(StreamName=name, ShardCount=1)
    world.active(name)
    equal(world.read_shard(name), [], "records of a stream created anew under the old name")


@check
def an_iterator_does_not_outlive_its_stream(world):
    name = world.stream()
    world.put(name, "old")
    iterator = world.iterator(name, "shardId-000000000000")
    world.kinesis.delete_stream(StreamName=name)
    world.gone(name)
    refused("ResourceNotFoundException", world.kinesis.get_records, ShardIterator=iterator)


@check
def a_stream_with_consumers_is_deleted_only_when_enforced(world):
    name = world.stream()
    arn = world.consumer(name)
    refused("ResourceInUseException", world.kinesis.delete_stream, StreamName=name)
    refused(
        "ResourceInUseException", world.kinesis.delete_stream,
        StreamName=name, EnforceConsumerDeletion=False,
    )
    equal(world.summary(name)["StreamStatus"], "ACTIVE")
    world.kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    world.gone(name)

    def consumer_is_gone():
        refused(
            "ResourceNotFoundException", world.kinesis.describe_stream_consumer, ConsumerARN=arn
        )
        return True

    wait_until("the consumer is gone with its stream", consumer_is_gone)
