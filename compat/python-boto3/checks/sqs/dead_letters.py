"""Dead-letter queues: what was received too often moves there as it was, and who may use which queue for it."""

import json

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE, bodies

CODES = (INVALID_VALUE, "InvalidAttributeValue")


def fail(world, url, times):
    """Receives one message `times` times and gives it back each time."""
    for _ in range(times):
        message = world.receive_one(url)
        world.hide(url, message, 0)
    return message


@check
def a_message_received_too_often_moves_as_it_was(world):
    url, dead = world.queue(), world.queue()
    world.redrive(url, dead, receives=2)
    attributes = {
        "text": {"DataType": "String.x", "StringValue": "v"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
    }
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-abc"}}
    sent = world.send(url, "poison", MessageAttributes=attributes, MessageSystemAttributes=header)
    before = fail(world, url, 2)
    equal(world.counts(dead), [0, 0, 0])
    world.nothing(url)
    message = world.receive_one(dead)
    equal(message["MessageId"], sent["MessageId"])
    equal(message["Body"], "poison")
    equal(message["MessageAttributes"], attributes)
    told = message["Attributes"]
    equal(told["DeadLetterQueueSourceArn"], world.arn(url))
    equal(told["AWSTraceHeader"], "Root=1-abc")
    # Of a standard queue the time it was sent stays (developer guide); receives are counted across all queues.
    equal(told["SentTimestamp"], before["Attributes"]["SentTimestamp"])
    equal(told["SenderId"], before["Attributes"]["SenderId"])
    equal(told["ApproximateReceiveCount"], "3")
    equal(world.counts(url), [0, 0, 0])
    # The handle that the source queue gave is worth nothing now.
    world.delete(url, before)
    equal(world.counts(dead), [0, 1, 0])


@check
def a_timeout_counts_like_giving_back(world):
    url, dead = world.queue(VisibilityTimeout=1), world.queue()
    world.redrive(url, dead)
    world.send(url, "slow")
    equal(bodies(world.receive_all(url, 1)), ["slow"])
    # A poll on the source, which finds it too old, lets it move.
    world.nothing(url, wait=3)
    equal(bodies(world.receive_all(dead, 1)), ["slow"])


@check
def only_the_failing_ones_move(world):
    url, dead = world.queue(), world.queue()
    world.redrive(url, dead)
    world.send_all(url, [str(n) for n in range(10)])
    for message in world.receive_all(url, 10):
        if int(message["Body"]) % 2:
            world.delete(url, message)
        else:
            world.hide(url, message, 0)
    world.nothing(url, wait=1)
    equal(sorted(bodies(world.receive_all(dead, 5))), ["0", "2", "4", "6", "8"])
    equal(world.counts(url), [0, 0, 0])


@check
def a_fifo_queue_keeps_its_order_on_the_way(world):
    url = world.fifo(ContentBasedDeduplication="true")
    dead = world.fifo()
    world.redrive(url, dead)
    for n in range(3):
        for group in ("a", "b"):
            world.send(url, f"{group}{n}", MessageGroupId=group)
    for message in world.receive_all(url, 6):
        world.hide(url, message, 0)
    world.moved(url, dead, 6)
    messages = world.drain(dead, 6)
    for group in ("a", "b"):
        own = [m for m in messages if m["Attributes"]["MessageGroupId"] == group]
        equal(bodies(own), [f"{group}{n}" for n in range(3)])
        true(all(m["Attributes"]["DeadLetterQueueSourceArn"] == world.arn(url) for m in own), "their source")
        numbers = [int(m["Attributes"]["SequenceNumber"]) for m in own]
        equal(numbers, sorted(numbers), "sequence numbers grow")


@check
def a_redrive_policy_is_told_changed_and_taken_away(world):
    url, dead = world.queue(), world.queue()
    policy = {"deadLetterTargetArn": world.arn(dead), "maxReceiveCount": 1000}
    world.set(url, RedrivePolicy=json.dumps(policy))
    told = json.loads(world.attributes(url, "RedrivePolicy")["RedrivePolicy"])
    equal({**told, "maxReceiveCount": int(told["maxReceiveCount"])}, policy)
    # Clients write the number as text, too.
    world.set(url, RedrivePolicy=json.dumps({**policy, "maxReceiveCount": "5"}))
    told = json.loads(world.attributes(url, "RedrivePolicy")["RedrivePolicy"])
    equal(int(told["maxReceiveCount"]), 5)
    world.set(url, RedrivePolicy="")
    equal(world.attributes(url, "RedrivePolicy"), {})
    made = world.queue(RedrivePolicy=json.dumps(policy))
    true("RedrivePolicy" in world.attributes(made), "a policy given at creation")


@check
def wrong_redrive_policies_are_refused(world):
    url, dead = world.queue(), world.queue()
    good = {"deadLetterTargetArn": world.arn(dead), "maxReceiveCount": 1}
    for wrong in (
        "{not json", "[]", {"maxReceiveCount": 1}, {"deadLetterTargetArn": world.arn(dead)},
        {**good, "maxReceiveCount": 0}, {**good, "maxReceiveCount": 1001}, {**good, "maxReceiveCount": "x"},
        {**good, "deadLetterTargetArn": world.arn(dead) + "-not-there"}, {**good, "deadLetterTargetArn": "nonsense"},
        {**good, "other": 1},
        {**good, "deadLetterTargetArn": world.arn(world.fifo())},
    ):
        text = wrong if isinstance(wrong, str) else json.dumps(wrong)
        refused(CODES, world.sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": text})
    equal(world.attributes(url, "RedrivePolicy"), {})
    refused(
        CODES, world.sqs.set_queue_attributes, QueueUrl=world.fifo(),
        Attributes={"RedrivePolicy": json.dumps(good)},
    )


@check
def a_dead_letter_queue_says_who_may_use_it(world):
    dead, allowed, other = world.queue(), world.queue(), world.queue()

    def allow(**policy):
        world.set(dead, RedriveAllowPolicy=json.dumps(policy))
        equal(json.loads(world.attributes(dead, "RedriveAllowPolicy")["RedriveAllowPolicy"]), policy)

    def is_refused(url):
        policy = json.dumps({"deadLetterTargetArn": world.arn(dead), "maxReceiveCount": 1})
        refused(CODES, world.sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": policy})

    allow(redrivePermission="denyAll")
    is_refused(allowed)
    allow(redrivePermission="byQueue", sourceQueueArns=[world.arn(allowed)])
    world.redrive(allowed, dead)
    is_refused(other)
    allow(redrivePermission="allowAll")
    world.redrive(other, dead)
    for wrong in (
        {"redrivePermission": "nonsense"}, {}, {"redrivePermission": "byQueue"},
        {"redrivePermission": "allowAll", "sourceQueueArns": [world.arn(allowed)]},
        {"redrivePermission": "byQueue", "sourceQueueArns": [world.arn(allowed) + str(n) for n in range(11)]},
    ):
        refused(
            CODES, world.sqs.set_queue_attributes, QueueUrl=dead,
            Attributes={"RedriveAllowPolicy": json.dumps(wrong)},
        )


@check
def source_queues_are_listed_in_pages(world):
    dead = world.queue()
    true(not world.sqs.list_dead_letter_source_queues(QueueUrl=dead).get("queueUrls"), "no source queues")
    sources = sorted(world.queue() for _ in range(5))
    for url in sources:
        world.redrive(url, dead)
    world.queue()
    equal(sorted(world.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]), sources)
    pages = []
    token = {}
    while True:
        answer = world.sqs.list_dead_letter_source_queues(QueueUrl=dead, MaxResults=2, **token)
        pages.append(answer["queueUrls"])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    equal([len(page) for page in pages], [2, 2, 1])
    equal(sorted(sum(pages, [])), sources)
    world.sqs.delete_queue(QueueUrl=sources[0])
    world.set(sources[1], RedrivePolicy="")
    left = world.sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
    equal(sorted(left), sources[2:])
