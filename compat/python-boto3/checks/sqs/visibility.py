"""Messages in flight: hidden for a time that can be set, extended and ended, and handles that go stale."""

import time

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE, NOT_IN_FLIGHT, bodies

# Of a message that is there no more, AWS is seen to give either.
NOT_THERE = (NOT_IN_FLIGHT, INVALID_VALUE)


@check
def a_message_not_deleted_comes_again(world):
    url = world.queue(VisibilityTimeout=2)
    world.send(url, "x")
    start = time.monotonic()
    first = world.receive_one(url)
    world.nothing(url)
    again = world.receive_one(url)
    took = time.monotonic() - start
    true(1.9 <= took < 15, f"2 s, took {took:.2f} s")
    equal(again["MessageId"], first["MessageId"])
    true(again["ReceiptHandle"] != first["ReceiptHandle"], "each receive has a handle of its own")
    equal(again["Attributes"]["ApproximateReceiveCount"], "2")


@check
def a_receive_may_set_its_own_timeout(world):
    url = world.queue()
    world.send(url, "x")
    start = time.monotonic()
    equal(len(world.receive_all(url, 1, VisibilityTimeout=1)), 1)
    world.receive_one(url)
    took = time.monotonic() - start
    true(0.9 <= took < 15, f"1 s, took {took:.2f} s")


@check
def a_timeout_is_extended(world):
    url = world.queue(VisibilityTimeout=5)
    world.send(url, "x")
    message = world.receive_one(url)
    start = time.monotonic()
    world.hide(url, message, 7)
    again = world.receive_one(url)
    took = time.monotonic() - start
    true(6.9 <= took < 20, f"7 s from the change on, took {took:.2f} s")
    equal(again["MessageId"], message["MessageId"])


@check
def a_timeout_is_shortened(world):
    url = world.queue()
    world.send(url, "x")
    message = world.receive_one(url)
    start = time.monotonic()
    world.hide(url, message, 1)
    world.receive_one(url)
    took = time.monotonic() - start
    true(0.9 <= took < 15, f"1 s, took {took:.2f} s")


@check
def zero_gives_a_message_back_at_once(world):
    url = world.queue()
    world.send(url, "x")
    message = world.receive_one(url)
    world.hide(url, message, 0)
    again = world.receive(url)
    equal(bodies(again), ["x"])
    equal(again[0]["Attributes"]["ApproximateReceiveCount"], "2")
    # A waiting poll is woken by it, too.
    world.hide(url, again[0], 0)
    equal(bodies(world.receive(url, wait=5)), ["x"])


@check
def a_fifo_message_that_is_visible_is_not_in_flight(world):
    url = world.fifo(ContentBasedDeduplication="true")
    world.send(url, "x", MessageGroupId="g")
    message = world.receive_one(url)
    world.hide(url, message, 0)
    error = refused(
        NOT_IN_FLIGHT, world.sqs.change_message_visibility, QueueUrl=url,
        ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5,
    )
    kind = world.sqs.exceptions.MessageNotInflight
    true(isinstance(error, kind), f"MessageNotInflight, saw {type(error)}")


@check
def a_deleted_message_cannot_be_hidden(world):
    url = world.queue()
    world.send(url, "x")
    message = world.receive_one(url)
    world.delete(url, message)
    refused(
        NOT_THERE, world.sqs.change_message_visibility, QueueUrl=url,
        ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5,
    )


@check
def an_expired_handle_still_deletes_until_the_next_receive(world):
    url = world.queue(VisibilityTimeout=1)
    world.send(url, "x")
    message = world.receive_one(url)
    time.sleep(1.3)  # the timeout passes: that nobody else received it in between is the point
    world.delete(url, message)
    world.nothing(url, wait=2)
    equal(world.counts(url), [0, 0, 0])


@check
def the_handle_of_an_earlier_receive_is_stale(world):
    url = world.queue(VisibilityTimeout=1)
    world.send(url, "x")
    old = world.receive_one(url)
    new = world.receive_one(url, VisibilityTimeout=30)
    # DeleteMessage: "If you use an old ReceiptHandle, the request will succeed, but the message might not be deleted."
    world.delete(url, old)
    equal(world.counts(url), [0, 1, 0])
    world.hide(url, new, 0)
    again = world.receive_one(url)
    world.delete(url, again)
    equal(world.counts(url), [0, 0, 0])


@check
def handles_that_are_none_are_refused(world):
    url, other = world.queue(), world.queue()
    world.send(url, "x")
    handle = world.receive_one(url)["ReceiptHandle"]
    for wrong in ("nonsense", "AQEB" + "A" * 300, handle[:-4], "ü"):
        error = refused("ReceiptHandleIsInvalid", world.sqs.delete_message, QueueUrl=url, ReceiptHandle=wrong)
        kind = world.sqs.exceptions.ReceiptHandleIsInvalid
        true(isinstance(error, kind), f"ReceiptHandleIsInvalid, saw {type(error)}")
        refused(
            "ReceiptHandleIsInvalid", world.sqs.change_message_visibility,
            QueueUrl=url, ReceiptHandle=wrong, VisibilityTimeout=1,
        )
    refused("MissingParameter", world.sqs.delete_message, text="ReceiptHandle", QueueUrl=url)
    # A handle belongs to its queue.
    refused(
        ("ReceiptHandleIsInvalid", INVALID_VALUE), world.sqs.delete_message,
        QueueUrl=other, ReceiptHandle=handle,
    )
    equal(world.counts(url), [0, 1, 0])


@check
def twelve_hours_are_the_most_in_all(world):
    url = world.queue()
    world.send(url, "x")
    message = world.receive_one(url)
    time.sleep(1.2)  # from now on less than 12 h are left since the receive
    refused(
        INVALID_VALUE, world.sqs.change_message_visibility, QueueUrl=url,
        ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=43_200,
    )
    world.hide(url, message, 43_190)
    equal(world.counts(url), [0, 1, 0])
