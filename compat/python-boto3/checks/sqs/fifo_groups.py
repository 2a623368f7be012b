"""Message groups: one blocks itself while in flight and nobody else; what comes back comes in order."""

import time

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE, bodies


def filled(world, count, *groups, **attributes):
    """A queue with messages g0, g1, .. of each group, in turn."""
    url = world.fifo(ContentBasedDeduplication="true", **attributes)
    for n in range(count):
        for group in groups:
            world.send(url, f"{group}{n}", MessageGroupId=group)
    return url


@check
def a_group_waits_while_messages_of_it_are_in_flight(world):
    url = filled(world, 3, "a")
    first = world.receive_one(url)
    equal(first["Body"], "a0")
    world.nothing(url, wait=1)
    world.delete(url, first)
    equal(world.counts(url)[1], 0)
    second = world.receive(url, 1, wait=1)
    equal(bodies(second), ["a1"])
    world.nothing(url)


@check
def other_groups_do_not_wait(world):
    url = filled(world, 2, "a", "b", "c")
    seen = []
    held = []
    for _ in range(3):
        (message,) = world.receive(url, 1, wait=1)
        seen.append(message["Body"])
        held.append(message)
    equal(sorted(seen), ["a0", "b0", "c0"])
    world.nothing(url)
    freed = held[1]["Body"][0]
    world.delete(url, held[1])
    equal(bodies(world.receive(url, 10, wait=1)), [f"{freed}1"])


@check
def a_deletion_wakes_a_poll_that_waits_for_the_group(world):
    import concurrent.futures

    url = filled(world, 2, "a")
    (first,) = world.receive(url, 1, wait=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        poll = pool.submit(lambda: (world.receive(url, 1, wait=20), time.monotonic()))
        time.sleep(1)
        deleted = time.monotonic()
        world.delete(url, first)
        messages, woken = poll.result()
    equal(bodies(messages), ["a1"])
    true(woken - deleted < 10, f"awake within 10 s of the deletion, took {woken - deleted:.2f} s")


@check
def what_was_not_deleted_comes_again_in_order(world):
    url = filled(world, 5, "a", VisibilityTimeout=2)
    first = world.receive(url, 3, wait=1)
    equal(bodies(first), ["a0", "a1", "a2"])
    start = time.monotonic()
    again = world.receive(url, 10, wait=10)
    took = time.monotonic() - start
    true(1.5 <= took < 15, f"2 s, took {took:.2f} s")
    equal(bodies(again)[:3], ["a0", "a1", "a2"])
    equal(bodies(again), [f"a{n}" for n in range(len(again))])
    equal(again[0]["Attributes"]["ApproximateReceiveCount"], "2")


@check
def a_message_given_back_stays_first(world):
    url = filled(world, 3, "a")
    (first,) = world.receive(url, 1, wait=1)
    world.hide(url, first, 0)
    equal(bodies(world.receive(url, 10, wait=1)), ["a0", "a1", "a2"])


@check
def an_expired_handle_of_a_fifo_queue_deletes_nothing(world):
    url = filled(world, 1, "a", VisibilityTimeout=1)
    (old,) = world.receive(url, 1, wait=1)
    time.sleep(1.3)  # its timeout passes
    # The developer guide: "a consumer [that] tries to delete the processed messages [after it], the action fails".
    error = refused(
        (INVALID_VALUE, "ReceiptHandleIsInvalid"), world.sqs.delete_message,
        QueueUrl=url, ReceiptHandle=old["ReceiptHandle"],
    )
    true("expired" in str(error), f"it says that the handle has expired, saw {error}")
    (again,) = world.receive(url, 1, wait=1)
    world.delete(url, again)
    equal(world.counts(url), [0, 0, 0])


@check
def many_groups_each_keep_their_order(world):
    groups = [f"g{n}-" for n in range(8)]
    url = filled(world, 6, *groups, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    seen = {group: [] for group in groups}
    for _ in range(200):
        messages = world.receive(url, 7, wait=1)
        if not messages:
            break
        for message in messages:
            seen[message["Attributes"]["MessageGroupId"]].append(message["Body"])
            world.delete(url, message)
    equal(seen, {group: [f"{group}{n}" for n in range(6)] for group in groups})
