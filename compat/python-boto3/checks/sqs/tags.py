"""Tags of queues."""

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE


@check
def tags_are_set_overwritten_listed_and_taken_away(world):
    url = world.sqs.create_queue(QueueName="tagged", tags={"made": "with", "empty": ""})["QueueUrl"]
    tags = lambda: world.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    equal(tags(), {"made": "with", "empty": ""})
    world.sqs.tag_queue(QueueUrl=url, Tags={"made": "anew", "ünï": "cödé _.:/=+-@", "Made": "else"})
    equal(tags(), {"made": "anew", "empty": "", "ünï": "cödé _.:/=+-@", "Made": "else"})
    world.sqs.untag_queue(QueueUrl=url, TagKeys=["made", "empty", "never-was"])
    equal(tags(), {"ünï": "cödé _.:/=+-@", "Made": "else"})
    world.sqs.untag_queue(QueueUrl=url, TagKeys=["ünï", "Made"])
    true("Tags" not in world.sqs.list_queue_tags(QueueUrl=url), "no tags")


@check
def tags_are_no_attributes(world):
    url = world.sqs.create_queue(QueueName="q", tags={"a": "b"})["QueueUrl"]
    # Neither do they make a queue of the same name another one.
    equal(world.sqs.create_queue(QueueName="q")["QueueUrl"], url)
    equal(world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"a": "b"})


@check
def tags_have_limits(world):
    url = world.queue()
    world.sqs.tag_queue(QueueUrl=url, Tags={"k" * 128: "v" * 256})
    for tags in ({"k" * 129: "v"}, {"k": "v" * 257}, {"": "v"}, {"aws:k": "v"}):
        refused((INVALID_VALUE, "MissingParameter"), world.sqs.tag_queue, QueueUrl=url, Tags=tags)
    equal(world.sqs.list_queue_tags(QueueUrl=url)["Tags"], {"k" * 128: "v" * 256})
