"""Who calls and what they name: accounts, regions, StreamName and StreamARN."""

from harness import INVALID, check, datas, equal, make_client, refused, true


@check
def every_operation_takes_a_name_an_arn_or_both(world):
    name = world.stream()
    client = world.kinesis
    ways = [
        {"StreamName": name},
        {"StreamARN": world.arn(name)},
        {"StreamName": name, "StreamARN": world.arn(name)},
    ]
    for hours, way in zip((30, 31, 32), ways):
        equal(client.describe_stream(**way)["StreamDescription"]["StreamName"], name)
        summary = client.describe_stream_summary(**way)["StreamDescriptionSummary"]
        equal(summary["StreamARN"], world.arn(name))
        equal(len(client.list_shards(**way)["Shards"]), 1)
        client.put_record(Data=b"one", PartitionKey="k", **way)
        client.put_records(Records=[{"Data": b"two", "PartitionKey": "k"}], **way)
        iterator = client.get_shard_iterator(
            ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON", **way
        )["ShardIterator"]
        true(len(client.get_records(ShardIterator=iterator)["Records"]) >= 2, "both records")
        client.add_tags_to_stream(Tags={"a": "b"}, **way)
        equal(len(client.list_tags_for_stream(**way)["Tags"]), 1)
        client.remove_tags_from_stream(TagKeys=["a"], **way)
        client.increase_stream_retention_period(RetentionPeriodHours=hours, **way)
        world.active(name)
        client.enable_enhanced_monitoring(ShardLevelMetrics=["ALL"], **way)
        world.active(name)
        client.disable_enhanced_monitoring(ShardLevelMetrics=["ALL"], **way)
        world.active(name)
    client.decrease_stream_retention_period(StreamARN=world.arn(name), RetentionPeriodHours=24)
    world.active(name)
    client.update_shard_count(
        StreamARN=world.arn(name), TargetShardCount=2, ScalingType="UNIFORM_SCALING"
    )
    world.active(name)
    client.delete_stream(StreamARN=world.arn(name))
    world.gone(name)


@check
def name_and_arn_must_agree(world):
    first, second = world.stream(), world.stream()
    refused(
        INVALID, world.kinesis.describe_stream_summary,
        StreamName=first, StreamARN=world.arn(second),
    )


@check
def one_of_name_and_arn_is_needed(world):
    for call in ("describe_stream", "describe_stream_summary", "delete_stream", "list_tags_for_stream"):
        refused(INVALID, getattr(world.kinesis, call))
    refused(INVALID, world.kinesis.put_record, Data=b"x", PartitionKey="k")


@check
def accounts_do_not_see_each_other(world):
    name = world.stream()
    world.put(name, "mine")
    other = world.other_account()
    equal(other.list_streams()["StreamNames"], [])
    refused("ResourceNotFoundException", other.describe_stream_summary, StreamName=name)
    refused(
        "ResourceNotFoundException", other.put_record,
        StreamName=name, Data=b"x", PartitionKey="k",
    )
    other.create_stream(StreamName=name, ShardCount=2)
    equal(world.summary(name)["OpenShardCount"], 1)
    equal(datas(world.read_shard(name)), ["mine"])


@check
def regions_do_not_see_each_other(world):
    name = world.stream()
    elsewhere = world.other_region("eu-central-1")
    equal(elsewhere.list_streams()["StreamNames"], [])
    refused("ResourceNotFoundException", elsewhere.describe_stream_summary, StreamName=name)
    elsewhere.create_stream(StreamName=name, ShardCount=1)
    summary = elsewhere.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    equal(
        summary["StreamARN"], f"arn:aws:kinesis:eu-central-1:{world.account}:stream/{name}"
    )
    equal(world.kinesis.list_streams()["StreamNames"], [name])


@check
def an_access_key_that_is_no_account_means_account_zero(world):
    client = make_client(world.endpoint, "AKIAIOSFODNN7EXAMPLE")
    name = f"zero-{world.account}"
    client.create_stream(StreamName=name, ShardCount=1)
    summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    equal(summary["StreamARN"], f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}")
    also_zero = make_client(world.endpoint, "test")
    true(name in also_zero.list_streams()["StreamNames"], "any other such key sees it too")
    client.delete_stream(StreamName=name)


@check
def an_arn_of_another_region_or_a_missing_stream_is_not_found(world):
    name = world.stream()
    wrong = world.arn(name).replace("us-east-1", "eu-west-1")
    refused(
        ("ResourceNotFoundException", "InvalidArgumentException"),
        world.kinesis.describe_stream_summary, StreamARN=wrong,
    )
    refused(
        "ResourceNotFoundException", world.kinesis.describe_stream_summary,
        StreamARN=world.arn("none"),
    )
