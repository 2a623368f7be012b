"""DryRun: a call that would succeed answers DryRunOperationException and does nothing."""

from harness import check, datas, equal, refused

SHARD = "shardId-000000000000"
WOULD = "DryRunOperationException"


@check
def a_dry_put_writes_nothing(world):
    name = world.stream()
    put, puts = world.kinesis.put_record, world.kinesis.put_records
    refused(WOULD, put, StreamName=name, Data=b"x", PartitionKey="k", DryRun=True)
    entries = [{"Data": b"x", "PartitionKey": "k"}]
    refused(WOULD, puts, StreamName=name, Records=entries, DryRun=True)
    put(StreamName=name, Data=b"wet", PartitionKey="k", DryRun=False)
    equal(datas(world.read_shard(name)), ["wet"])
    missing = "ResourceNotFoundException"
    refused(missing, put, StreamName="none", Data=b"x", PartitionKey="k", DryRun=True)


@check
def a_dry_read_reads_nothing(world):
    name = world.stream()
    iterator = world.iterator(name, SHARD)
    refused(WOULD, world.kinesis.get_records, ShardIterator=iterator, DryRun=True)
    refused(
        WOULD, world.kinesis.get_shard_iterator,
        StreamName=name, ShardId=SHARD, ShardIteratorType="LATEST", DryRun=True,
    )
    refused(
        "InvalidArgumentException", world.kinesis.get_records, ShardIterator="garbage", DryRun=True
    )


@check
def a_dry_subscription_does_not_count(world):
    name = world.stream()
    world.put(name, "x")
    consumer = world.consumer(name)
    arguments = {
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"},
    }
    refused(WOULD, world.kinesis.subscribe_to_shard, DryRun=True, **arguments)
    stream = world.kinesis.subscribe_to_shard(**arguments)["EventStream"]
    for event in stream:
        if event["SubscribeToShardEvent"]["Records"]:
            break
    stream.close()
