"""What `--limits aws` enforces: throughput per shard, calls per second, quotas per stream."""

import time

from harness import MIB, check, equal, refused, true

SHARD = "shardId-000000000000"
EXCEEDED = "ProvisionedThroughputExceededException"


# Calls made before a limit of a few a second is taken for not there: a slow machine makes few a second.
ATTEMPTS = 100


def until_refused(code, call):
    """Calls until the error `code`; returns how many calls succeeded. Other errors fail the check."""
    for done in range(ATTEMPTS):
        try:
            call()
        except Exception as error:
            refusal = getattr(error, "response", {}).get("Error", {})
            equal(refusal.get("Code"), code, f"error of call {done + 1} ({error})")
            true(refusal.get("Message"), "the refusal says why")
            return done
    raise AssertionError(f"expected {code} within {ATTEMPTS} calls, saw none")


@check
def a_shard_takes_1000_records_a_second(world):
    name = world.stream()
    entries = [{"Data": b"x", "PartitionKey": "k"}] * 500
    failed, good = [], 0
    # A slow machine may need seconds to offer more than 1,000 a second on the whole.
    for _ in range(20):
        answer = world.kinesis.put_records(StreamName=name, Records=entries)
        results = answer["Records"]
        errors = [entry for entry in results if "ErrorCode" in entry]
        equal(answer["FailedRecordCount"], len(errors))
        failed += errors
        good += len(results) - len(errors)
        if failed:
            break
    true(good >= 500, f"at least the first 500 pass, saw {good}")
    true(failed, "some of 10,000 records offered without a pause are refused")
    for entry in failed:
        equal(entry["ErrorCode"], EXCEEDED)
        for part in (SHARD, name, world.account):
            true(part in entry["ErrorMessage"], f"{part} in {entry['ErrorMessage']}")
        true("SequenceNumber" not in entry, "a refused record has no sequence number")
    equal(len(world.kinesis.get_records(ShardIterator=world.iterator(name, SHARD))["Records"]), good)


@check
def a_shard_takes_one_mebibyte_a_second(world):
    name = world.stream()
    data = bytes(400 * 1024)
    done = until_refused(EXCEEDED, lambda: world.put(name, data))
    true(done >= 2, f"at least 800 KiB pass, saw {done} puts of 400 KiB")


@check
def a_shard_is_read_five_times_a_second(world):
    name = world.stream()
    iterator = world.iterator(name, SHARD)
    done = until_refused(
        EXCEEDED, lambda: world.kinesis.get_records(ShardIterator=iterator)
    )
    true(done >= 5, f"five reads pass, saw {done}")


@check
def ten_mebibytes_read_at_once_are_paid_for_with_a_pause(world):
    name = world.stream(shards=1)
    sent = 0
    deadline = time.monotonic() + 60
    while sent < 11:
        try:
            world.put(name, bytes(MIB - 1))
            sent += 1
        except world.kinesis.exceptions.ProvisionedThroughputExceededException:
            true(time.monotonic() < deadline, "11 MiB fit through one shard in a minute")
            time.sleep(0.1)
    iterator = world.iterator(name, SHARD)
    answer = world.kinesis.get_records(ShardIterator=iterator)
    true(len(answer["Records"]) >= 8, f"many MiB in one read, saw {len(answer['Records'])}")
    refused(EXCEEDED, world.kinesis.get_records, ShardIterator=answer["NextShardIterator"])


@check
def shards_are_limited_each_by_itself(world):
    name = world.stream(shards=2)
    data = bytes(600 * 1024)
    high = str((1 << 128) - 1)
    until_refused(EXCEEDED, lambda: world.put(name, data, ExplicitHashKey="0"))
    world.put(name, data, ExplicitHashKey=high)


@check
def describe_limits_may_be_called_once_a_second(world):
    done = until_refused("LimitExceededException", world.kinesis.describe_limits)
    true(done >= 1, "the first call passes")


@check
def list_streams_may_be_called_five_times_a_second(world):
    done = until_refused("LimitExceededException", world.kinesis.list_streams)
    true(done >= 5, f"five calls pass, saw {done}")


@check
def a_stream_has_at_most_20_consumers(world):
    name = world.stream()
    registered = 0
    deadline = time.monotonic() + 60
    while registered < 20:
        try:
            world.consumer(name, f"c{registered}")
            registered += 1
        except world.kinesis.exceptions.LimitExceededException:
            # Five registrations a second, and five in CREATING: AWS says both with this error.
            true(time.monotonic() < deadline, "20 consumers can be registered in a minute")
            time.sleep(0.2)
    time.sleep(1.1)  # lets the call rate of the last second pass: what is left is the quota
    refused(
        "LimitExceededException", world.kinesis.register_stream_consumer,
        StreamARN=world.arn(name), ConsumerName="one-too-many",
    )


@check
def scaling_at_most_doubles_or_halves(world):
    name = world.stream(shards=4)
    update = world.kinesis.update_shard_count
    uniform = {"StreamName": name, "ScalingType": "UNIFORM_SCALING"}
    refused("LimitExceededException", update, TargetShardCount=9, **uniform)
    refused("LimitExceededException", update, TargetShardCount=1, **uniform)
    update(TargetShardCount=8, **uniform)
    world.active(name)
    equal(world.summary(name)["OpenShardCount"], 8)


@check
def the_mode_changes_twice_a_day(world):
    name = world.stream()

    def change(mode):
        world.kinesis.update_stream_mode(
            StreamARN=world.arn(name), StreamModeDetails={"StreamMode": mode}
        )
        world.active(name)

    change("ON_DEMAND")
    change("PROVISIONED")
    refused(
        "LimitExceededException", world.kinesis.update_stream_mode,
        StreamARN=world.arn(name), StreamModeDetails={"StreamMode": "ON_DEMAND"},
    )
