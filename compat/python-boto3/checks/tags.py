"""Tags: AddTagsToStream and its family, TagResource and its family, on one set of tags."""

from harness import INVALID, check, equal, refused


def of_stream(world, name):
    tags = world.kinesis.list_tags_for_stream(StreamName=name)["Tags"]
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def of_resource(world, arn):
    tags = world.kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


@check
def tags_are_added_replaced_and_removed(world):
    name = world.stream()
    equal(of_stream(world, name), {})
    world.kinesis.add_tags_to_stream(StreamName=name, Tags={"a": "1", "b": "2", "c": ""})
    world.kinesis.add_tags_to_stream(StreamName=name, Tags={"b": "two", "d ü/+-@=._": "4"})
    equal(of_stream(world, name), {"a": "1", "b": "two", "c": "", "d ü/+-@=._": "4"})
    world.kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["a", "c", "not there"])
    equal(of_stream(world, name), {"b": "two", "d ü/+-@=._": "4"})


@check
def both_families_see_the_same_tags(world):
    name = world.stream()
    arn = world.arn(name)
    world.kinesis.tag_resource(ResourceARN=arn, Tags={"new": "1", "both": "x"})
    equal(of_stream(world, name), {"new": "1", "both": "x"})
    world.kinesis.add_tags_to_stream(StreamName=name, Tags={"old": "2", "both": "y"})
    equal(of_resource(world, arn), {"new": "1", "both": "y", "old": "2"})
    world.kinesis.untag_resource(ResourceARN=arn, TagKeys=["both", "old"])
    equal(of_stream(world, name), {"new": "1"})


@check
def a_consumer_has_tags_of_its_own(world):
    name = world.stream(Tags={"of": "stream"})
    consumer = world.consumer(name)
    equal(of_resource(world, consumer), {})
    world.kinesis.tag_resource(ResourceARN=consumer, Tags={"of": "consumer"})
    equal(of_resource(world, consumer), {"of": "consumer"})
    equal(of_stream(world, name), {"of": "stream"})
    world.kinesis.untag_resource(ResourceARN=consumer, TagKeys=["of"])
    equal(of_resource(world, consumer), {})


@check
def tags_are_listed_in_pages_by_key(world):
    name = world.stream(Tags={f"k{n}": str(n) for n in range(7)})
    list_tags = world.kinesis.list_tags_for_stream
    first = list_tags(StreamName=name, Limit=3)
    equal([tag["Key"] for tag in first["Tags"]], ["k0", "k1", "k2"])
    equal(first["HasMoreTags"], True)
    second = list_tags(StreamName=name, Limit=3, ExclusiveStartTagKey="k2")
    equal([tag["Key"] for tag in second["Tags"]], ["k3", "k4", "k5"])
    equal(second["HasMoreTags"], True)
    third = list_tags(StreamName=name, ExclusiveStartTagKey="k5")
    equal([tag["Key"] for tag in third["Tags"]], ["k6"])
    equal(third["HasMoreTags"], False)


@check
def a_stream_has_at_most_50_tags(world):
    name = world.stream()
    for start in range(0, 50, 10):
        tags = {f"k{n}": "v" for n in range(start, start + 10)}
        world.kinesis.add_tags_to_stream(StreamName=name, Tags=tags)
    too_many = ("InvalidArgumentException", "LimitExceededException", "ValidationException")
    refused(too_many, world.kinesis.add_tags_to_stream, StreamName=name, Tags={"k50": "v"})
    refused(
        too_many, world.kinesis.tag_resource, ResourceARN=world.arn(name), Tags={"k50": "v"}
    )
    # Replacing the value of one of the 50 needs no room.
    world.kinesis.add_tags_to_stream(StreamName=name, Tags={"k49": "new"})
    equal(of_stream(world, name)["k49"], "new")
    equal(len(of_stream(world, name)), 50)
    refused(
        too_many, world.kinesis.create_stream,
        StreamName="many-tags", ShardCount=1, Tags={f"k{n}": "v" for n in range(51)},
    )


@check
def keys_reserved_for_aws_are_refused(world):
    name = world.stream()
    arn = world.arn(name)
    refused(INVALID, world.kinesis.add_tags_to_stream, StreamName=name, Tags={"aws:x": "y"})
    refused(INVALID, world.kinesis.tag_resource, ResourceARN=arn, Tags={"aws:x": "y"})
    equal(of_stream(world, name), {})


@check
def tags_are_validated(world):
    name = world.stream()
    add, remove = world.kinesis.add_tags_to_stream, world.kinesis.remove_tags_from_stream
    invalid = "ValidationException"
    refused(invalid, add, StreamName=name, Tags={})
    refused(invalid, add, StreamName=name, Tags={"": "empty key"})
    refused(invalid, add, StreamName=name, Tags={"k" * 129: "long key"})
    refused(invalid, add, StreamName=name, Tags={"k": "v" * 257})
    refused(invalid, add, StreamName=name)
    refused(invalid, remove, StreamName=name, TagKeys=[])
    refused(invalid, remove, StreamName=name)
    refused(invalid, world.kinesis.list_tags_for_stream, StreamName=name, Limit=0)
    refused(invalid, world.kinesis.list_tags_for_stream, StreamName=name, Limit=51)
    missing = "ResourceNotFoundException"
    refused(missing, add, StreamName="none", Tags={"a": "b"})
    refused(missing, remove, StreamName="none", TagKeys=["a"])
    refused(missing, world.kinesis.list_tags_for_stream, StreamName="none")
    arn = {"ResourceARN": world.arn("none")}
    refused(missing, world.kinesis.tag_resource, Tags={"a": "b"}, **arn)
    refused(missing, world.kinesis.untag_resource, TagKeys=["a"], **arn)
    refused(missing, world.kinesis.list_tags_for_resource, **arn)
    refused(invalid, world.kinesis.list_tags_for_resource, ResourceARN="nonsense")
    equal(of_stream(world, name), {})
