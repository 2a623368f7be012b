"""ListStreams, DescribeLimits, DescribeAccountSettings and UpdateAccountSettings: what an account has."""

from harness import check, equal, refused, true


def create(world, names):
    for name in names:
        world.kinesis.create_stream(StreamName=name, ShardCount=1)
        world.active(name)


@check
def streams_are_listed_by_name_with_summaries(world):
    equal(world.kinesis.list_streams()["StreamNames"], [])
    create(world, ["b", "a", "C", "a-1"])
    answer = world.kinesis.list_streams()
    equal(answer["StreamNames"], ["C", "a", "a-1", "b"])
    equal(answer["HasMoreStreams"], False)
    true("NextToken" not in answer, "no NextToken on the last page")
    summaries = answer["StreamSummaries"]
    equal([s["StreamName"] for s in summaries], ["C", "a", "a-1", "b"])
    for summary in summaries:
        equal(summary["StreamARN"], world.arn(summary["StreamName"]))
        equal(summary["StreamStatus"], "ACTIVE")
        equal(summary["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
        true("StreamCreationTimestamp" in summary, "a summary has its creation time")


@check
def listing_pages_by_token_and_by_name(world):
    names = [f"s{number}" for number in range(7)]
    create(world, names)
    first = world.kinesis.list_streams(Limit=3)
    equal(first["StreamNames"], names[:3])
    equal(first["HasMoreStreams"], True)
    second = world.kinesis.list_streams(Limit=3, NextToken=first["NextToken"])
    equal(second["StreamNames"], names[3:6])
    third = world.kinesis.list_streams(Limit=3, ExclusiveStartStreamName="s5")
    equal(third["StreamNames"], names[6:])
    equal(third["HasMoreStreams"], False)
    # The name to start after need not exist.
    after = world.kinesis.list_streams(ExclusiveStartStreamName="s3x")
    equal(after["StreamNames"], names[4:])
    pages = world.kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2})
    equal([name for page in pages for name in page["StreamNames"]], names)


@check
def listing_validates_its_limit_and_token(world):
    refused("ValidationException", world.kinesis.list_streams, Limit=0)
    refused("ValidationException", world.kinesis.list_streams, Limit=10_001)
    refused(
        ("InvalidArgumentException", "ExpiredNextTokenException", "ValidationException"),
        world.kinesis.list_streams, NextToken="no-such-token",
    )


@check
def limits_count_open_shards_and_on_demand_streams(world):
    before = world.kinesis.describe_limits()
    equal(before["OpenShardCount"], 0)
    equal(before["OnDemandStreamCount"], 0)
    true(before["ShardLimit"] > 0, "a shard limit above 0")
    true(before["OnDemandStreamCountLimit"] > 0, "an on-demand stream limit above 0")
    name = world.stream(shards=3)
    world.on_demand_stream()
    equal(world.kinesis.describe_limits()["OnDemandStreamCount"], 1)
    # Only shards of provisioned streams are sure to count: AWS does not say whether on-demand ones do.
    true(world.kinesis.describe_limits()["OpenShardCount"] in (3, 7), "3 or 7 open shards")
    world.kinesis.delete_stream(StreamName=name)
    world.gone(name)
    true(world.kinesis.describe_limits()["OpenShardCount"] in (0, 4), "0 or 4 open shards")


@check
def the_throughput_commitment_is_kept_per_account(world):
    def status(answer):
        return answer["MinimumThroughputBillingCommitment"]["Status"]

    def set_to(value):
        return world.kinesis.update_account_settings(
            MinimumThroughputBillingCommitment={"Status": value}
        )

    equal(status(world.kinesis.describe_account_settings()), "DISABLED")
    equal(status(set_to("ENABLED")), "ENABLED")
    described = world.kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
    equal(described["Status"], "ENABLED")
    true(
        described["EarliestAllowedEndAt"] > described["StartedAt"],
        "the commitment may end some time after it started",
    )
    equal(status(world.other_account().describe_account_settings()), "DISABLED")
    # A commitment can't end before its time: until then it stays enabled, marked to end.
    set_to("DISABLED")
    equal(
        status(world.kinesis.describe_account_settings()), "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
    )
    refused(
        "ValidationException", world.kinesis.update_account_settings,
        MinimumThroughputBillingCommitment={"Status": "MAYBE"},
    )
    refused("ValidationException", world.kinesis.update_account_settings)
