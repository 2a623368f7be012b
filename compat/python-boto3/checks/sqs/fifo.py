"""FIFO queues: order, sequence numbers, duplicates by id and by content, receives tried again."""

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE, MISSING, bodies


def put(world, url, body, group="g", **more):
    return world.send(url, body, MessageGroupId=group, **more)


@check
def messages_come_in_the_order_in_which_they_were_sent(world):
    url = world.fifo(ContentBasedDeduplication="true")
    sent = [str(n) for n in range(35)]
    numbers = [int(put(world, url, body)["SequenceNumber"]) for body in sent]
    equal(numbers, sorted(set(numbers)), "sequence numbers grow")
    seen = []
    while len(seen) < len(sent):
        messages = world.receive(url, wait=5)
        true(messages, "the next messages of the group")
        seen += bodies(messages)
        for message in messages:
            world.delete(url, message)
    equal(seen, sent)
    equal(world.counts(url), [0, 0, 0])


@check
def a_message_tells_its_group_its_ids_and_its_number(world):
    url = world.fifo()
    group = "a!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~Z9"
    sent = put(world, url, "x", group, MessageDeduplicationId=group)
    equal(len(sent["SequenceNumber"]), 20, "digits of a sequence number")
    told = world.receive_one(url)["Attributes"]
    equal(told["MessageGroupId"], group)
    equal(told["MessageDeduplicationId"], group)
    equal(told["SequenceNumber"], sent["SequenceNumber"])
    equal(told["ApproximateReceiveCount"], "1")


@check
def the_same_id_within_five_minutes_is_the_same_message(world):
    url = world.fifo()
    first = put(world, url, "first", MessageDeduplicationId="d")
    again = put(world, url, "second", MessageDeduplicationId="d")
    equal(again["MessageId"], first["MessageId"])
    equal(again["SequenceNumber"], first["SequenceNumber"])
    equal(world.counts(url), [1, 0, 0])
    message = world.receive_one(url)
    equal(message["Body"], "first")
    # Neither while it is in flight nor once it is deleted is it sent again, and the group does not matter.
    put(world, url, "third", MessageDeduplicationId="d")
    world.delete(url, message)
    put(world, url, "fourth", MessageDeduplicationId="d")
    put(world, url, "fifth", "other-group", MessageDeduplicationId="d")
    world.nothing(url, wait=1)
    put(world, url, "sixth", MessageDeduplicationId="e")
    equal(bodies(world.receive_all(url, 1)), ["sixth"])


@check
def the_body_is_its_own_id_where_content_counts(world):
    url = world.fifo(ContentBasedDeduplication="true")
    attribute = {"a": {"DataType": "String", "StringValue": "1"}}
    first = put(world, url, "same")
    # Attributes are no content.
    again = put(world, url, "same", MessageAttributes=attribute)
    equal(again["MessageId"], first["MessageId"])
    put(world, url, "other")
    # An id that is given counts instead.
    put(world, url, "same", MessageDeduplicationId="own")
    put(world, url, "not the same", MessageDeduplicationId="own")
    equal(bodies(world.drain(url, 3)), ["same", "other", "same"])
    world.nothing(url)


@check
def each_group_deduplicates_by_itself_where_the_scope_says_so(world):
    url = world.fifo(
        ContentBasedDeduplication="true", DeduplicationScope="messageGroup",
        FifoThroughputLimit="perMessageGroupId",
    )
    for group in ("g", "h", "g", "h"):
        put(world, url, "same", group)
    messages = world.receive_all(url, 2)
    equal(sorted(m["Attributes"]["MessageGroupId"] for m in messages), ["g", "h"])
    world.nothing(url)
    equal(world.counts(url), [0, 2, 0])


@check
def a_group_and_an_id_are_wanted(world):
    url = world.fifo()
    refused(MISSING, world.send, text="MessageGroupId", url=url, body="x", MessageDeduplicationId="d")
    refused(INVALID_VALUE, put, text="ContentBasedDeduplication", world=world, url=url, body="x")
    for wrong in ("a b", "ü", "x" * 129, ""):
        codes = (INVALID_VALUE, MISSING)
        refused(codes, put, world=world, url=url, body="x", group=wrong, MessageDeduplicationId="d")
        refused(codes, put, world=world, url=url, body="x", MessageDeduplicationId=wrong)
    refused(INVALID_VALUE, put, text="DelaySeconds", world=world, url=url, body="x",
            MessageDeduplicationId="d", DelaySeconds=5)
    # An entry without either fails the whole batch.
    good = {"Id": "good", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        wrong = {key: value for key, value in good.items() if key != name} | {"Id": "wrong"}
        refused((INVALID_VALUE, MISSING), world.sqs.send_message_batch, QueueUrl=url, Entries=[good, wrong])
    equal(world.counts(url), [0, 0, 0])


@check
def a_receive_is_tried_again_by_its_id(world):
    url = world.fifo(ContentBasedDeduplication="true")
    for n in range(6):
        put(world, url, str(n))
    first = world.receive(url, 3, ReceiveRequestAttemptId="attempt")
    equal(bodies(first), ["0", "1", "2"])
    again = world.receive(url, 3, ReceiveRequestAttemptId="attempt")
    equal(bodies(again), ["0", "1", "2"])
    equal([m["ReceiptHandle"] for m in again], [m["ReceiptHandle"] for m in first], "receipt handles")
    # Another id is another receive: the group is in flight.
    equal(world.receive(url, 3, ReceiveRequestAttemptId="another"), [])
    for message in again:
        world.delete(url, message)
    # Once messages of it were deleted it is over.
    equal(bodies(world.receive(url, 1, wait=1, ReceiveRequestAttemptId="third")), ["3"])
    for wrong in ("a b", "x" * 129):
        refused(INVALID_VALUE, world.sqs.receive_message, QueueUrl=url, ReceiveRequestAttemptId=wrong)
