"""Register-, Describe-, List- and DeregisterStreamConsumer."""

import re

from harness import INVALID, check, equal, refused, true, wait_until


@check
def a_consumer_is_registered_and_described(world):
    name = world.stream()
    answer = world.kinesis.register_stream_consumer(
        StreamARN=world.arn(name), ConsumerName="reader", Tags={"a": "b"}
    )
    consumer = answer["Consumer"]
    equal(consumer["ConsumerName"], "reader")
    true(consumer["ConsumerStatus"] in ("CREATING", "ACTIVE"), "a new consumer is CREATING or ACTIVE")
    arn = consumer["ConsumerARN"]
    true(
        re.fullmatch(re.escape(world.arn(name)) + r"/consumer/reader:\d+", arn),
        f"an ARN of stream, name and creation time, saw {arn}",
    )
    by_arn = lambda: world.kinesis.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]
    wait_until("the consumer is ACTIVE", lambda: by_arn()["ConsumerStatus"] == "ACTIVE")
    described = by_arn()
    equal(described["ConsumerName"], "reader")
    equal(described["ConsumerARN"], arn)
    equal(described["StreamARN"], world.arn(name))
    seconds = int(arn.rsplit(":", 1)[1])
    equal(int(described["ConsumerCreationTimestamp"].timestamp()), seconds)
    by_name = world.kinesis.describe_stream_consumer(
        StreamARN=world.arn(name), ConsumerName="reader"
    )["ConsumerDescription"]
    equal(by_name, described)
    by_all = world.kinesis.describe_stream_consumer(
        StreamARN=world.arn(name), ConsumerName="reader", ConsumerARN=arn
    )["ConsumerDescription"]
    equal(by_all, described)
    tags = world.kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]
    equal(tags, [{"Key": "a", "Value": "b"}])


@check
def consumers_are_listed_in_pages(world):
    name = world.stream()
    other = world.stream()
    arn = world.arn(name)
    equal(world.kinesis.list_stream_consumers(StreamARN=arn)["Consumers"], [])
    names = [f"c{n}" for n in range(5)]
    for consumer in names:
        world.consumer(name, consumer)
    world.consumer(other, "elsewhere")
    answer = world.kinesis.list_stream_consumers(StreamARN=arn)
    equal(sorted(c["ConsumerName"] for c in answer["Consumers"]), names)
    true("NextToken" not in answer, "no NextToken when all is listed")
    for consumer in answer["Consumers"]:
        equal(consumer["ConsumerStatus"], "ACTIVE")
        true("ConsumerCreationTimestamp" in consumer, "a creation time")

    first = world.kinesis.list_stream_consumers(StreamARN=arn, MaxResults=2)
    equal(len(first["Consumers"]), 2)
    seen = [c["ConsumerName"] for c in first["Consumers"]]
    token = first["NextToken"]
    while token:
        page = world.kinesis.list_stream_consumers(StreamARN=arn, MaxResults=2, NextToken=token)
        seen += [c["ConsumerName"] for c in page["Consumers"]]
        token = page.get("NextToken")
    equal(sorted(seen), names)
    pages = world.kinesis.get_paginator("list_stream_consumers").paginate(
        StreamARN=arn, PaginationConfig={"PageSize": 3}
    )
    equal(sorted(c["ConsumerName"] for page in pages for c in page["Consumers"]), names)


@check
def a_consumer_name_is_taken_once_per_stream(world):
    name = world.stream()
    other = world.stream()
    world.consumer(name, "reader")
    refused(
        "ResourceInUseException", world.kinesis.register_stream_consumer,
        StreamARN=world.arn(name), ConsumerName="reader",
    )
    world.consumer(other, "reader")


@check
def a_deregistered_consumer_is_gone(world):
    name = world.stream()
    by_arn, by_name = world.consumer(name, "one"), world.consumer(name, "two")
    world.kinesis.deregister_stream_consumer(ConsumerARN=by_arn)
    world.kinesis.deregister_stream_consumer(StreamARN=world.arn(name), ConsumerName="two")

    def left():
        answer = world.kinesis.list_stream_consumers(StreamARN=world.arn(name))
        return [c for c in answer["Consumers"] if c["ConsumerStatus"] != "DELETING"]

    equal(left(), [])

    def gone():
        listed = world.kinesis.list_stream_consumers(StreamARN=world.arn(name))["Consumers"]
        return not listed

    wait_until("both consumers are gone", gone)
    describe = world.kinesis.describe_stream_consumer
    refused("ResourceNotFoundException", describe, ConsumerARN=by_arn)
    refused(
        "ResourceNotFoundException", describe, StreamARN=world.arn(name), ConsumerName="two"
    )
    deregister = world.kinesis.deregister_stream_consumer
    refused("ResourceNotFoundException", deregister, ConsumerARN=by_name)
    equal(world.summary(name)["ConsumerCount"], 0)
    world.consumer(name, "one")


@check
def consumers_are_validated(world):
    name = world.stream()
    register = world.kinesis.register_stream_consumer
    arn = {"StreamARN": world.arn(name)}
    refused("ValidationException", register, ConsumerName="with space", **arn)
    refused("ValidationException", register, ConsumerName="", **arn)
    refused("ValidationException", register, ConsumerName="x" * 129, **arn)
    refused("ValidationException", register, **arn)
    refused("ValidationException", register, ConsumerName="c")
    refused("ValidationException", register, StreamARN="nonsense", ConsumerName="c")
    missing = world.arn("none")
    refused("ResourceNotFoundException", register, StreamARN=missing, ConsumerName="c")
    refused("ResourceNotFoundException", world.kinesis.list_stream_consumers, StreamARN=missing)
    describe, deregister = (
        world.kinesis.describe_stream_consumer, world.kinesis.deregister_stream_consumer
    )
    for call in (describe, deregister):
        refused(INVALID, call)
        refused(INVALID, call, **arn)
        refused(INVALID, call, ConsumerName="c")
        refused("ResourceNotFoundException", call, ConsumerName="c", **arn)
        refused("ValidationException", call, ConsumerARN="nonsense")


@check
def a_consumer_arn_must_agree_with_name_and_stream(world):
    name = world.stream()
    arn = world.consumer(name, "reader")
    refused(
        ("InvalidArgumentException", "ValidationException", "ResourceNotFoundException"),
        world.kinesis.describe_stream_consumer,
        ConsumerARN=arn, StreamARN=world.arn(name), ConsumerName="other",
    )
