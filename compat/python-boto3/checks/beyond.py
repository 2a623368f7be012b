"""What Headwater adds to AWS: puts that are done once, resharding in one step, scaling by itself."""

import time

from harness import check, covers_all_keys_once, datas, equal, make_client, refused, true

SHARD = "shardId-000000000000"


def client_with_token(world, token):
    """A client that marks every put as the same attempt."""
    client = make_client(world.endpoint, world.account)

    def mark(params, **_):
        params["headers"]["x-headwater-idempotency-token"] = token

    for operation in ("PutRecord", "PutRecords"):
        client.meta.events.register(f"before-call.kinesis.{operation}", mark)
    return client


@check
def a_put_with_a_token_is_done_once(world):
    name = world.stream()
    record = {"StreamName": name, "Data": b"once", "PartitionKey": "k"}
    client = client_with_token(world, "order-17")
    first = client.put_record(**record)
    again = client.put_record(**record)
    equal(again["SequenceNumber"], first["SequenceNumber"])
    equal(again["ShardId"], first["ShardId"])
    other = client_with_token(world, "order-18").put_record(**record)
    true(other["SequenceNumber"] != first["SequenceNumber"], "another token is another put")
    equal(datas(world.read_shard(name)), ["once", "once"])


@check
def put_records_with_a_token_is_done_once(world):
    name = world.stream(shards=2)
    entries = [{"Data": str(n).encode(), "PartitionKey": f"k{n}"} for n in range(20)]
    client = client_with_token(world, "batch-1")
    first = client.put_records(StreamName=name, Records=entries)
    again = client.put_records(StreamName=name, Records=entries)
    equal(first["FailedRecordCount"], 0)
    equal(again["Records"], first["Records"])
    read = [d for s in world.shards(name) for d in datas(world.read_shard(name, s["ShardId"]))]
    equal(sorted(read), sorted(str(n) for n in range(20)))


@check
def a_thousand_shards_become_two_thousand_in_one_step(world):
    name = world.stream(shards=1000)
    world.put(name, "before", key="same")
    world.kinesis.update_shard_count(
        StreamName=name, TargetShardCount=2000, ScalingType="UNIFORM_SCALING"
    )
    world.active(name)
    equal(world.summary(name)["OpenShardCount"], 2000)
    open_shards = world.shards(name, ShardFilter={"Type": "AT_LATEST"})
    equal(len(open_shards), 2000)
    covers_all_keys_once(open_shards)
    equal(len(world.shards(name)), 3000)
    put = world.put(name, "after", key="same")
    [child] = [shard for shard in open_shards if shard["ShardId"] == put["ShardId"]]
    parents = [child[key] for key in ("ParentShardId", "AdjacentParentShardId") if key in child]
    equal([d for parent in parents for d in datas(world.read_shard(name, parent))], ["before"])
    equal(datas(world.read_shard(name, child["ShardId"])), ["after"])


@check
def an_on_demand_stream_grows_under_load_and_keeps_order(world):
    name = world.on_demand_stream()
    sent = 0
    deadline = time.monotonic() + 90
    while world.summary(name)["OpenShardCount"] == 4:
        true(time.monotonic() < deadline, f"more than 4 shards after 90 s of load, {sent} records")
        entries = [
            {"Data": f"{n}:".encode() + bytes(20_000), "PartitionKey": "hot"}
            for n in range(sent, sent + 100)
        ]
        answer = world.kinesis.put_records(StreamName=name, Records=entries)
        equal(answer["FailedRecordCount"], 0)
        sent += 100
    world.active(name)
    world.put(name, f"{sent}:", key="hot")
    covers_all_keys_once(world.shards(name, ShardFilter={"Type": "AT_LATEST"}))
    seen = []
    for shard in world.shards(name):  # ids grow from parents to children
        for record in world.read_shard(name, shard["ShardId"]):
            seen.append(int(record["Data"].split(b":")[0]))
    equal(seen, list(range(sent + 1)), "records of the hot key, parents first")
