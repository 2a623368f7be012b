"""Retention, encryption and enhanced monitoring."""

from harness import INVALID, check, datas, equal, refused, true

ALL_METRICS = [
    "IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds", "OutgoingBytes",
    "OutgoingRecords", "ReadProvisionedThroughputExceeded", "WriteProvisionedThroughputExceeded",
]


@check
def retention_is_increased_and_decreased(world):
    name = world.stream()
    world.put(name, "kept")
    for hours in (25, 168, 8760):
        world.kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
        world.active(name)
        equal(world.summary(name)["RetentionPeriodHours"], hours)
    for hours in (200, 24):
        world.kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
        world.active(name)
        equal(world.summary(name)["RetentionPeriodHours"], hours)
    described = world.kinesis.describe_stream(StreamName=name)["StreamDescription"]
    equal(described["RetentionPeriodHours"], 24)
    equal(datas(world.read_shard(name)), ["kept"])


@check
def retention_has_bounds_and_a_direction(world):
    name = world.stream()
    increase = world.kinesis.increase_stream_retention_period
    decrease = world.kinesis.decrease_stream_retention_period
    invalid = "InvalidArgumentException"
    refused(invalid, increase, "8760 hours", StreamName=name, RetentionPeriodHours=8761)
    refused(invalid, decrease, "24 hours", StreamName=name, RetentionPeriodHours=23)
    refused(INVALID, increase, StreamName=name, RetentionPeriodHours=0)
    refused(INVALID, decrease, StreamName=name, RetentionPeriodHours=-1)
    refused(invalid, decrease, StreamName=name, RetentionPeriodHours=48)
    increase(StreamName=name, RetentionPeriodHours=48)
    world.active(name)
    refused(invalid, increase, StreamName=name, RetentionPeriodHours=36)
    refused("ValidationException", increase, StreamName=name)
    refused("ResourceNotFoundException", increase, StreamName="none", RetentionPeriodHours=30)
    refused("ResourceNotFoundException", decrease, StreamName="none", RetentionPeriodHours=30)
    equal(world.summary(name)["RetentionPeriodHours"], 48)


@check
def encryption_covers_the_records_put_while_it_is_on(world):
    name = world.stream()
    key = {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    equal(world.put(name, "plain").get("EncryptionType", "NONE"), "NONE")
    world.kinesis.start_stream_encryption(StreamName=name, **key)
    world.active(name)
    summary = world.summary(name)
    equal((summary["EncryptionType"], summary["KeyId"]), ("KMS", "alias/aws/kinesis"))
    described = world.kinesis.describe_stream(StreamName=name)["StreamDescription"]
    equal((described["EncryptionType"], described["KeyId"]), ("KMS", "alias/aws/kinesis"))
    equal(world.put(name, "sealed")["EncryptionType"], "KMS")
    answer = world.kinesis.put_records(
        StreamName=name, Records=[{"Data": b"sealed too", "PartitionKey": "k"}]
    )
    equal(answer["EncryptionType"], "KMS")
    world.kinesis.stop_stream_encryption(StreamName=name, **key)
    world.active(name)
    equal(world.summary(name)["EncryptionType"], "NONE")
    equal(world.put(name, "plain again").get("EncryptionType", "NONE"), "NONE")

    records = world.read_shard(name)
    equal(datas(records), ["plain", "sealed", "sealed too", "plain again"])
    equal(
        [record.get("EncryptionType", "NONE") for record in records],
        ["NONE", "KMS", "KMS", "NONE"],
    )


@check
def an_encrypted_stream_can_be_resharded_and_read(world):
    name = world.stream()
    world.kinesis.start_stream_encryption(
        StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis"
    )
    world.active(name)
    world.put(name, "before", ExplicitHashKey="0")
    world.kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="5"
    )
    world.active(name)
    child = world.put(name, "after", ExplicitHashKey="0")["ShardId"]
    equal(datas(world.read_shard(name)), ["before"])
    equal(datas(world.read_shard(name, child)), ["after"])


@check
def encryption_is_validated(world):
    name = world.stream()
    start, stop = world.kinesis.start_stream_encryption, world.kinesis.stop_stream_encryption
    key = {"KeyId": "alias/aws/kinesis"}
    refused("ValidationException", start, StreamName=name, EncryptionType="AES", **key)
    refused("ValidationException", start, StreamName=name, EncryptionType="KMS")
    refused("ValidationException", start, StreamName=name, EncryptionType="KMS", KeyId="x" * 2049)
    refused("ValidationException", start, StreamName=name, **key)
    refused(INVALID, start, StreamName=name, EncryptionType="NONE", **key)
    missing = "ResourceNotFoundException"
    refused(missing, start, StreamName="none", EncryptionType="KMS", **key)
    refused(missing, stop, StreamName="none", EncryptionType="KMS", **key)
    equal(world.summary(name)["EncryptionType"], "NONE")


@check
def monitoring_is_enabled_metric_by_metric(world):
    name = world.stream()
    enable = world.kinesis.enable_enhanced_monitoring
    disable = world.kinesis.disable_enhanced_monitoring

    def state(answer):
        """The metrics before and after the call."""
        return (
            sorted(answer.get("CurrentShardLevelMetrics", [])),
            sorted(answer.get("DesiredShardLevelMetrics", [])),
        )

    first = enable(StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    equal(first["StreamName"], name)
    equal(first["StreamARN"], world.arn(name))
    equal(state(first), ([], ["IncomingBytes"]))
    world.active(name)
    second = enable(StreamName=name, ShardLevelMetrics=["OutgoingBytes", "IncomingBytes"])
    equal(state(second), (["IncomingBytes"], ["IncomingBytes", "OutgoingBytes"]))
    world.active(name)
    [monitoring] = world.summary(name)["EnhancedMonitoring"]
    equal(sorted(monitoring["ShardLevelMetrics"]), ["IncomingBytes", "OutgoingBytes"])
    third = disable(StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    equal(state(third), (["IncomingBytes", "OutgoingBytes"], ["OutgoingBytes"]))
    world.active(name)
    fourth = enable(StreamName=name, ShardLevelMetrics=["ALL"])
    equal(state(fourth), (["OutgoingBytes"], ALL_METRICS))
    world.active(name)
    fifth = disable(StreamName=name, ShardLevelMetrics=["ALL"])
    equal(state(fifth), (ALL_METRICS, []))
    world.active(name)
    equal(world.summary(name)["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])


@check
def monitoring_is_validated(world):
    name = world.stream()
    for call in (world.kinesis.enable_enhanced_monitoring, world.kinesis.disable_enhanced_monitoring):
        refused("ValidationException", call, StreamName=name, ShardLevelMetrics=["Nothing"])
        refused("ValidationException", call, StreamName=name, ShardLevelMetrics=[])
        refused("ValidationException", call, StreamName=name)
        refused(
            "ResourceNotFoundException", call, StreamName="none", ShardLevelMetrics=["ALL"]
        )
    true(world.summary(name)["StreamStatus"] == "ACTIVE", "the stream is as it was")
