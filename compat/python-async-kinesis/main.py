"""Produces and consumes with async-kinesis, an asyncio producer and consumer over aiobotocore.

It puts in batches, finds shards by itself, keeps checkpoints and follows a stream that is resharded
while it reads. The endpoint comes from HEADWATER_ENDPOINT.
"""

import asyncio
import os
import sys

from aiobotocore.session import AioSession
from kinesis import Consumer, MemoryCheckPointer, Producer, StringProcessor

REGION = "us-east-2"
STREAM = "async"
COUNT = 300


def settings():
    session = AioSession()
    session.set_credentials("600000000001", "secret")
    return {
        "session": session, "endpoint_url": os.environ["HEADWATER_ENDPOINT"], "region_name": REGION,
        "processor": StringProcessor(),
    }


def equal(what, seen, expected):
    if seen != expected:
        print(f"FAIL {what}: expected {expected}, saw {seen}")
        sys.exit(1)
    print(f"ok   {what}")


async def produce(texts):
    async with Producer(
        STREAM, create_stream=True, create_stream_shards=2, buffer_time=0.1, **settings()
    ) as producer:
        for text in texts:
            await producer.put(text)
        await producer.flush()


async def consume(checkpointer, count):
    """What the consumer yields until `count` items came, in order."""
    seen = []
    async with Consumer(
        STREAM, checkpointer=checkpointer, sleep_time_no_records=0.1, shard_fetch_rate=5,
        idle_timeout=10, use_list_shards=True, **settings()
    ) as consumer:
        async for item in consumer:
            seen.append(item)
            if len(seen) == count:
                break
        # Asking once more acknowledges the last item; a short wait is enough to see it is all.
        consumer.idle_timeout = 0.5
        async for item in consumer:
            seen.append(item)
    return seen


async def split():
    """Splits the first shard, as an operator would under a running consumer."""
    access = settings()
    async with access["session"].create_client(
        "kinesis", endpoint_url=access["endpoint_url"], region_name=REGION
    ) as client:
        await client.split_shard(
            StreamName=STREAM, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 126)
        )
        while True:
            answer = await client.describe_stream_summary(StreamName=STREAM)
            if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
                return


async def main():
    first = [f"first {n}" for n in range(COUNT)]
    await produce(first)
    checkpoints = MemoryCheckPointer()
    equal(f"{COUNT} items come once", sorted(await consume(checkpoints, COUNT)), sorted(first))

    second = [f"second {n}" for n in range(COUNT)]
    await produce(second)
    seen = await consume(checkpoints, COUNT)
    equal("a consumer goes on from its checkpoints", sorted(seen), sorted(second))

    await split()
    third = [f"third {n}" for n in range(COUNT)]
    await produce(third)
    seen = await consume(MemoryCheckPointer(), 3 * COUNT)
    equal("a resharded stream is read whole", sorted(seen), sorted(first + second + third))


asyncio.run(main())
