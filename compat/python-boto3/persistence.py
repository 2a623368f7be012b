"""Puts data and settings into a server, or checks that all of them are still there.

    persistence.py write|verify FILE

`write` notes what was acknowledged in FILE; `verify`, run after the server was restarted or killed,
holds the server to it and adds to it, so that several restarts can be checked in turn.
"""

import json
import os
import sys

from harness import World, covers_all_keys_once, datas, equal, true

STREAM = "kept"
CLOSED = "shardId-000000000000"
DELETED = "deleted"


def put(world, state, texts):
    entries = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
    answer = world.kinesis.put_records(StreamName=STREAM, Records=entries)
    equal(answer["FailedRecordCount"], 0)
    for text, result in zip(texts, answer["Records"]):
        records = state["shards"].setdefault(result["ShardId"], [])
        records.append([result["SequenceNumber"], text])


def write(world):
    """Makes a stream with everything that a stream can have, and returns what is to be kept."""
    state = {"shards": {}}
    world.kinesis.create_stream(StreamName=STREAM, ShardCount=2, Tags={"a": "b"})
    world.active(STREAM)
    put(world, state, [f"first {n}" for n in range(100)])
    world.kinesis.split_shard(
        StreamName=STREAM, ShardToSplit=CLOSED, NewStartingHashKey=str(1 << 126)
    )
    world.active(STREAM)
    put(world, state, [f"second {n}" for n in range(100)])
    world.kinesis.increase_stream_retention_period(StreamName=STREAM, RetentionPeriodHours=48)
    world.active(STREAM)
    world.kinesis.start_stream_encryption(
        StreamName=STREAM, EncryptionType="KMS", KeyId="alias/aws/kinesis"
    )
    world.active(STREAM)
    put(world, state, [f"sealed {n}" for n in range(100)])
    policy = {"Version": "2012-10-17", "Statement": [{
        "Sid": "s", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["kinesis:GetRecords"], "Resource": world.arn(STREAM),
    }]}
    world.kinesis.put_resource_policy(ResourceARN=world.arn(STREAM), Policy=json.dumps(policy))
    state["policy"] = policy
    world.kinesis.create_stream(StreamName=DELETED, ShardCount=3)
    world.active(DELETED)
    world.kinesis.put_record(StreamName=DELETED, Data=b"x", PartitionKey="k")
    world.kinesis.delete_stream(StreamName=DELETED)
    world.gone(DELETED)
    state["consumer"] = world.consumer(STREAM)
    state["iterator"] = world.iterator(STREAM, CLOSED)
    summary = world.summary(STREAM)
    state["created"] = summary["StreamCreationTimestamp"].timestamp()
    state["listing"] = world.shards(STREAM)
    return state


def verify(world, state):
    summary = world.summary(STREAM)
    equal(summary["StreamStatus"], "ACTIVE")
    equal(summary["StreamCreationTimestamp"].timestamp(), state["created"])
    equal(summary["RetentionPeriodHours"], 48)
    equal(summary["EncryptionType"], "KMS")
    equal(summary["KeyId"], "alias/aws/kinesis")
    equal(summary["OpenShardCount"], 3)
    equal(summary["ConsumerCount"], 1)
    listing = world.shards(STREAM)
    equal(listing, state["listing"], "shards")
    covers_all_keys_once(world.open_shards(STREAM))
    equal(world.kinesis.list_streams()["StreamNames"], [STREAM])
    policy = world.kinesis.get_resource_policy(ResourceARN=world.arn(STREAM))["Policy"]
    equal(json.loads(policy), state["policy"])
    tags = world.kinesis.list_tags_for_stream(StreamName=STREAM)["Tags"]
    equal(tags, [{"Key": "a", "Value": "b"}])
    described = world.kinesis.describe_stream_consumer(ConsumerARN=state["consumer"])
    equal(described["ConsumerDescription"]["ConsumerStatus"], "ACTIVE")
    for shard, kept in state["shards"].items():
        read = world.read_shard(STREAM, shard)
        seen = [[record["SequenceNumber"], record["Data"].decode()] for record in read]
        equal(seen, kept, f"records of {shard}")
    # An iterator from before the restart goes on: a consumer need not notice.
    closed = [text for _, text in state["shards"][CLOSED]]
    equal(datas(world.read(state["iterator"])), closed, "records by the old iterator")
    last = {shard: int(kept[-1][0]) for shard, kept in state["shards"].items()}
    before = {shard: len(kept) for shard, kept in state["shards"].items()}
    put(world, state, [f"after {sum(before.values())} {n}" for n in range(50)])
    for shard, kept in state["shards"].items():
        numbers = [int(number) for number, _ in kept[before[shard]:]]
        true(all(number > last[shard] for number in numbers), f"numbers go on upwards in {shard}")


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
    print(f"ok   {action}: {sum(map(len, state['shards'].values()))} records")


if __name__ == "__main__":
    main()
