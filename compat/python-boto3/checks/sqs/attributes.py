"""Attributes of queues: defaults, every one's range, what is changed when."""

import json
import time

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE

# Name, lowest and highest value, default (SetQueueAttributes).
RANGES = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
]


@check
def a_new_queue_has_the_documented_defaults(world):
    before = int(time.time())
    url = world.queue()
    seen = world.attributes(url)
    for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
        true(before - 1 <= int(seen.pop(name)) <= time.time() + 1, f"{name} is about now, in seconds")
    equal(seen, {
        **{name: str(default) for name, _, _, default in RANGES},
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "QueueArn": world.arn(url),
        "SqsManagedSseEnabled": "true",
    })


@check
def a_new_fifo_queue_has_four_more(world):
    seen = world.attributes(world.fifo())
    names = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
    equal([seen.get(name) for name in names], ["true", "false", "queue", "perQueue"])


@check
def asked_for_nothing_nothing_is_told(world):
    url = world.queue()
    true("Attributes" not in world.sqs.get_queue_attributes(QueueUrl=url), "no attributes")
    equal(world.attributes(url, "DelaySeconds", "VisibilityTimeout"),
          {"DelaySeconds": "0", "VisibilityTimeout": "30"})
    # What a queue does not have is left out.
    equal(world.attributes(url, "RedrivePolicy", "Policy", "KmsMasterKeyId"), {})
    refused(
        "InvalidAttributeName", world.sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nonsense"]
    )


@check
def every_number_has_its_range(world):
    url = world.queue()
    for name, low, high, _ in RANGES:
        for value in (low, high):
            world.set(url, **{name: value})
            equal(world.attributes(url, name), {name: str(value)})
            made = world.queue(**{name: value})
            equal(world.attributes(made, name), {name: str(value)})
        for value in (low - 1, high + 1, "x"):
            wrong = {name: str(value)}
            error = refused(
                "InvalidAttributeValue", world.sqs.set_queue_attributes, text=name,
                QueueUrl=url, Attributes=wrong,
            )
            kind = getattr(world.sqs.exceptions, "InvalidAttributeValue", type(error))
            true(isinstance(error, kind), f"InvalidAttributeValue, saw {type(error)}")
            refused("InvalidAttributeValue", world.sqs.create_queue, QueueName=world.name(), Attributes=wrong)
        equal(world.attributes(url, name), {name: str(high)}, "after refused changes")


@check
def unknown_and_read_only_attributes_are_refused(world):
    url = world.queue()
    for name in ("Nonsense", "QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages"):
        error = refused(
            "InvalidAttributeName", world.sqs.set_queue_attributes, QueueUrl=url, Attributes={name: "1"}
        )
        kind = world.sqs.exceptions.InvalidAttributeName
        true(isinstance(error, kind), f"InvalidAttributeName, saw {type(error)}")
    refused(
        "InvalidAttributeName", world.sqs.create_queue, QueueName="q", Attributes={"Nonsense": "1"}
    )


@check
def a_refused_change_changes_nothing_of_it(world):
    url = world.queue()
    refused(
        "InvalidAttributeValue", world.sqs.set_queue_attributes, QueueUrl=url,
        Attributes={"DelaySeconds": "7", "VisibilityTimeout": "-1"},
    )
    equal(world.attributes(url, "DelaySeconds", "VisibilityTimeout"),
          {"DelaySeconds": "0", "VisibilityTimeout": "30"})


@check
def a_change_is_dated(world):
    url = world.queue()
    created = world.attributes(url, "CreatedTimestamp")["CreatedTimestamp"]
    time.sleep(1.1)  # timestamps are in seconds
    world.set(url, VisibilityTimeout=5)
    seen = world.attributes(url, "CreatedTimestamp", "LastModifiedTimestamp")
    equal(seen["CreatedTimestamp"], created)
    true(int(seen["LastModifiedTimestamp"]) > int(created), "modified after it was created")


@check
def a_queue_stays_of_its_kind(world):
    standard, fifo = world.queue(), world.fifo()
    codes = ("InvalidAttributeName", "InvalidAttributeValue", INVALID_VALUE)
    for url, value in ((standard, "true"), (fifo, "false")):
        refused(codes, world.sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": value})
    for name, value in (
        ("ContentBasedDeduplication", "true"), ("DeduplicationScope", "queue"), ("FifoThroughputLimit", "perQueue"),
    ):
        refused(codes, world.sqs.set_queue_attributes, QueueUrl=standard, Attributes={name: value})
    refused(
        codes, world.sqs.set_queue_attributes, QueueUrl=fifo, Attributes={"DeduplicationScope": "nonsense"}
    )
    refused(
        codes, world.sqs.set_queue_attributes, QueueUrl=fifo, Attributes={"FifoThroughputLimit": "nonsense"}
    )


@check
def high_throughput_wants_groups_to_deduplicate_by_themselves(world):
    url = world.fifo(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    seen = world.attributes(url, "DeduplicationScope", "FifoThroughputLimit")
    equal(seen, {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
    plain = world.fifo()
    # perMessageGroupId is allowed only with the scope messageGroup (SetQueueAttributes).
    refused(
        (INVALID_VALUE, "InvalidAttributeValue"), world.sqs.set_queue_attributes,
        QueueUrl=plain, Attributes={"FifoThroughputLimit": "perMessageGroupId"},
    )
    world.set(plain, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    equal(world.attributes(plain, "FifoThroughputLimit"), {"FifoThroughputLimit": "perMessageGroupId"})


@check
def encryption_is_one_of_two(world):
    url = world.queue(KmsMasterKeyId="alias/aws/sqs")
    seen = world.attributes(url)
    equal(seen["KmsMasterKeyId"], "alias/aws/sqs")
    equal(seen.get("KmsDataKeyReusePeriodSeconds", "300"), "300")
    equal(seen.get("SqsManagedSseEnabled", "false"), "false")
    world.send(url, "sealed by a key")
    equal(world.receive_one(url)["Body"], "sealed by a key")
    for value in ("59", "86401"):
        refused(
            "InvalidAttributeValue", world.sqs.set_queue_attributes, QueueUrl=url,
            Attributes={"KmsDataKeyReusePeriodSeconds": value},
        )
    world.set(url, KmsDataKeyReusePeriodSeconds=60)
    equal(world.attributes(url, "KmsDataKeyReusePeriodSeconds"), {"KmsDataKeyReusePeriodSeconds": "60"})
    world.set(url, SqsManagedSseEnabled="true")
    seen = world.attributes(url)
    equal(seen["SqsManagedSseEnabled"], "true")
    true("KmsMasterKeyId" not in seen, "only one of the two")
    open_one = world.queue(SqsManagedSseEnabled="false")
    equal(world.attributes(open_one, "SqsManagedSseEnabled"), {"SqsManagedSseEnabled": "false"})
    world.send(open_one, "open")
    equal(world.receive_one(open_one)["Body"], "open")


@check
def a_policy_is_kept_and_taken_away(world):
    url = world.queue()
    policy = {"Version": "2012-10-17", "Id": "p", "Statement": [{
        "Sid": "s", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "sqs:SendMessage", "Resource": world.arn(url),
    }]}
    world.set(url, Policy=json.dumps(policy))
    equal(json.loads(world.attributes(url, "Policy")["Policy"]), policy)
    world.set(url, Policy="")
    equal(world.attributes(url, "Policy"), {})
    refused(
        ("InvalidAttributeValue", INVALID_VALUE), world.sqs.set_queue_attributes,
        QueueUrl=url, Attributes={"Policy": "{not json"},
    )


@check
def counts_follow_the_messages(world):
    url = world.queue()
    equal(world.counts(url), [0, 0, 0])
    world.send_all(url, map(str, range(5)))
    world.send(url, "later", DelaySeconds=900)
    equal(world.counts(url), [5, 0, 1])
    held = world.receive_all(url, 2)
    equal(world.counts(url), [3, 2, 1])
    world.delete(url, held[0])
    equal(world.counts(url), [3, 1, 1])
    world.hide(url, held[1], 0)
    equal(world.counts(url), [4, 0, 1])
