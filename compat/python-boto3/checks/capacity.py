"""UpdateStreamMode, warm throughput and the record distribution strategy."""

from harness import INVALID, check, covers_all_keys_once, datas, equal, refused, true


def commit(world):
    """Warm throughput is for accounts with a throughput commitment alone."""
    world.kinesis.update_account_settings(
        MinimumThroughputBillingCommitment={"Status": "ENABLED"}
    )


def set_mode(world, name, mode, **more):
    world.kinesis.update_stream_mode(
        StreamARN=world.arn(name), StreamModeDetails={"StreamMode": mode}, **more
    )
    world.active(name)


@check
def the_mode_changes_both_ways_and_data_stays(world):
    name = world.stream(shards=2)
    world.put(name, "x", ExplicitHashKey="0")
    set_mode(world, name, "ON_DEMAND")
    equal(world.summary(name)["StreamModeDetails"], {"StreamMode": "ON_DEMAND"})
    world.put(name, "y", ExplicitHashKey="0")
    set_mode(world, name, "PROVISIONED")
    equal(world.summary(name)["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    covers_all_keys_once(world.open_shards(name))
    read = [d for s in world.shards(name) for d in datas(world.read_shard(name, s["ShardId"]))]
    equal(read, ["x", "y"])


@check
def the_mode_is_validated(world):
    name = world.stream()
    update = world.kinesis.update_stream_mode
    arn = {"StreamARN": world.arn(name)}
    refused("ValidationException", update, StreamModeDetails={"StreamMode": "FREE"}, **arn)
    refused("ValidationException", update, **arn)
    refused("ValidationException", update, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    refused(
        "ResourceNotFoundException", update,
        StreamARN=world.arn("none"), StreamModeDetails={"StreamMode": "ON_DEMAND"},
    )
    refused(
        "ValidationException", update,
        StreamARN="arn:aws:s3:::bucket", StreamModeDetails={"StreamMode": "ON_DEMAND"},
    )


@check
def warm_throughput_is_set_on_an_on_demand_stream(world):
    commit(world)
    name = world.on_demand_stream()
    answer = world.kinesis.update_stream_warm_throughput(StreamName=name, WarmThroughputMiBps=8)
    equal(answer["StreamName"], name)
    equal(answer["StreamARN"], world.arn(name))
    equal(answer["WarmThroughput"]["TargetMiBps"], 8)
    world.active(name)
    equal(world.summary(name)["WarmThroughput"], {"TargetMiBps": 8, "CurrentMiBps": 8})
    # A shard takes 1 MiB/s, so the stream must have as many shards as it is to take MiB/s.
    true(world.summary(name)["OpenShardCount"] >= 8, "at least 8 shards for 8 MiB/s")
    covers_all_keys_once(world.open_shards(name))


@check
def a_stream_can_be_created_warm(world):
    commit(world)
    name = world.on_demand_stream(WarmThroughputMiBps=6)
    equal(world.summary(name)["WarmThroughput"], {"TargetMiBps": 6, "CurrentMiBps": 6})


@check
def warm_throughput_needs_on_demand_and_a_commitment(world):
    update = world.kinesis.update_stream_warm_throughput
    on_demand = world.on_demand_stream()
    refused(INVALID, update, StreamName=on_demand, WarmThroughputMiBps=8)
    commit(world)
    provisioned = world.stream()
    refused(INVALID, update, StreamName=provisioned, WarmThroughputMiBps=8)
    refused("ValidationException", update, StreamName=on_demand, WarmThroughputMiBps=-1)
    refused("ValidationException", update, StreamName=on_demand)
    refused("ResourceNotFoundException", update, StreamName="none", WarmThroughputMiBps=8)


def distribute(world, name, strategy):
    world.kinesis.update_stream_record_distribution_strategy(
        StreamARN=world.arn(name), RecordDistributionStrategy=strategy
    )
    world.active(name)


@check
def automatic_distribution_needs_no_partition_key(world):
    name = world.on_demand_stream()
    equal(world.summary(name).get("RecordDistributionStrategy"), "USER_PARTITION_KEY")
    distribute(world, name, "AUTO")
    equal(world.summary(name)["RecordDistributionStrategy"], "AUTO")
    # One key for all, which AUTO ignores: the records must still reach more than one shard.
    entries = [{"Data": f"{n:03}".encode(), "PartitionKey": "same"} for n in range(100)]
    answer = world.kinesis.put_records(StreamName=name, Records=entries)
    used = {entry["ShardId"] for entry in answer["Records"]}
    true(len(used) == 4, f"records in all four shards, saw {sorted(used)}")
    put = world.kinesis.put_record(StreamName=name, Data=b"no key")
    record = world.read_shard(name, put["ShardId"])[-1]
    equal(record["Data"], b"no key")
    true("PartitionKey" not in record, "no PartitionKey when none was given")
    keyed = world.read_shard(name, answer["Records"][0]["ShardId"])[0]
    equal(keyed["PartitionKey"], "same", "a key that was given comes back")

    distribute(world, name, "USER_PARTITION_KEY")
    answer = world.kinesis.put_records(StreamName=name, Records=entries)
    equal(len({entry["ShardId"] for entry in answer["Records"]}), 1, "shards of one key")
    refused(INVALID, world.kinesis.put_record, StreamName=name, Data=b"no key")


@check
def a_stream_can_be_created_with_automatic_distribution(world):
    name = world.on_demand_stream(RecordDistributionStrategy="AUTO")
    equal(world.summary(name)["RecordDistributionStrategy"], "AUTO")
    world.kinesis.put_records(StreamName=name, Records=[{"Data": b"x"}, {"Data": b"y"}])


@check
def a_provisioned_stream_does_not_distribute_by_itself(world):
    name = world.stream()
    update = world.kinesis.update_stream_record_distribution_strategy
    arn = {"StreamARN": world.arn(name)}
    refused("InvalidArgumentException", update, RecordDistributionStrategy="AUTO", **arn)
    refused("ValidationException", update, RecordDistributionStrategy="DICE", **arn)
    refused("ValidationException", update, **arn)
    missing = world.arn("none")
    refused(
        "ResourceNotFoundException", update, StreamARN=missing, RecordDistributionStrategy="AUTO"
    )
