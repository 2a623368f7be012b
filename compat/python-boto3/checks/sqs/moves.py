"""Message move tasks: dead letters go back where they came from, or elsewhere, at a rate, and may be stopped."""

import time

from harness import check, equal, refused, true, wait_until
from queue_world import INVALID_VALUE, UNSUPPORTED, bodies

NOT_FOUND = "ResourceNotFoundException"


def dead_letters(world, texts, fifo=False):
    """A source queue and its dead-letter queue, in which `texts` have ended up."""
    make = (lambda: world.fifo(ContentBasedDeduplication="true")) if fifo else world.queue
    url, dead = make(), make()
    world.redrive(url, dead)
    more = {"MessageGroupId": "g"} if fifo else {}
    world.send_all(url, texts, **more)
    for message in world.receive_all(url, len(texts)):
        world.hide(url, message, 0)
    world.moved(url, dead, len(texts))
    return url, dead


def tasks(world, dead, **more):
    return world.sqs.list_message_move_tasks(SourceArn=world.arn(dead), **more).get("Results", [])


def ended(world, dead, status):
    """Waits until the newest task has `status` and returns it."""
    wait_until(f"a task is {status}", lambda: tasks(world, dead)[0]["Status"] == status, seconds=60)
    return tasks(world, dead)[0]


@check
def dead_letters_go_back_to_their_sources(world):
    url, dead = dead_letters(world, [str(n) for n in range(25)])
    other = world.queue()
    world.redrive(other, dead)
    world.send(other, "other's")
    world.hide(other, world.receive_one(other), 0)
    world.nothing(other)
    before = time.time() * 1000
    handle = world.sqs.start_message_move_task(SourceArn=world.arn(dead))["TaskHandle"]
    true(handle, "a task handle")
    task = ended(world, dead, "COMPLETED")
    equal(task["ApproximateNumberOfMessagesMoved"], 26)
    equal(task["ApproximateNumberOfMessagesToMove"], 26)
    equal(task["SourceArn"], world.arn(dead))
    for name in ("DestinationArn", "MaxNumberOfMessagesPerSecond", "FailureReason"):
        true(task.get(name) is None, f"no {name}, saw {task}")
    true(before - 1000 <= task["StartedTimestamp"] <= time.time() * 1000 + 1000, "started about now, in ms")
    true("TaskHandle" not in task, "a handle is told of a running task alone")
    equal(world.counts(dead), [0, 0, 0])
    messages = world.receive_all(url, 25)
    equal(sorted(bodies(messages), key=int), [str(n) for n in range(25)])
    equal(bodies(world.receive_all(other, 1)), ["other's"])
    # Received once since it was moved, it may fail once more before it is a dead letter again.
    true(
        all("DeadLetterQueueSourceArn" not in m["Attributes"] for m in messages),
        "in its source queue a message has no source of its own",
    )


@check
def dead_letters_go_where_they_are_sent(world):
    url, dead = dead_letters(world, ["a", "b", "c"])
    target = world.queue()
    world.sqs.start_message_move_task(SourceArn=world.arn(dead), DestinationArn=world.arn(target))
    task = ended(world, dead, "COMPLETED")
    equal(task["DestinationArn"], world.arn(target))
    equal(sorted(bodies(world.receive_all(target, 3))), ["a", "b", "c"])
    equal(world.counts(url), [0, 0, 0])


@check
def fifo_dead_letters_go_back_in_order(world):
    # Ten, that one receive can hold all of the group.
    sent = [str(n) for n in range(10)]
    url, dead = dead_letters(world, sent, fifo=True)
    world.sqs.start_message_move_task(SourceArn=world.arn(dead))
    ended(world, dead, "COMPLETED")
    messages = world.drain(url, 10)
    equal(bodies(messages), sent)
    equal({message["Attributes"]["MessageGroupId"] for message in messages}, {"g"})


@check
def a_task_has_a_rate_and_may_be_cancelled(world):
    url, dead = dead_letters(world, [str(n) for n in range(30)])
    source = {"SourceArn": world.arn(dead)}
    handle = world.sqs.start_message_move_task(**source, MaxNumberOfMessagesPerSecond=2)["TaskHandle"]
    (task,) = tasks(world, dead)
    equal(task["Status"], "RUNNING")
    equal(task["TaskHandle"], handle)
    equal(task["MaxNumberOfMessagesPerSecond"], 2)
    refused((UNSUPPORTED, INVALID_VALUE), world.sqs.start_message_move_task, **source)
    started = time.monotonic()
    wait_until("some messages were moved", lambda: tasks(world, dead)[0]["ApproximateNumberOfMessagesMoved"] >= 4)
    took = time.monotonic() - started
    true(0.5 <= took < 10, f"4 messages at 2 a second, took {took:.1f} s")
    moved = world.sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    true(4 <= moved < 30, f"4 to 29 moved, saw {moved}")
    task = ended(world, dead, "CANCELLED")
    there, left = sum(world.counts(url)), sum(world.counts(dead))
    equal(there + left, 30)
    true(there < 30, "not all were moved")
    equal(task["ApproximateNumberOfMessagesMoved"], there)
    refused((UNSUPPORTED, INVALID_VALUE, NOT_FOUND), world.sqs.cancel_message_move_task, TaskHandle=handle)
    # The rest by another task, and both are listed, the newest first.
    world.sqs.start_message_move_task(**source)
    ended(world, dead, "COMPLETED")
    equal([t["Status"] for t in tasks(world, dead, MaxResults=10)], ["COMPLETED", "CANCELLED"])
    equal(len(tasks(world, dead)), 1, "tasks listed where it is not said how many")
    equal(sorted(bodies(world.receive_all(url, 30)), key=int), [str(n) for n in range(30)])


@check
def wrong_tasks_are_refused(world):
    url, dead = world.queue(), world.queue()
    world.redrive(url, dead)
    start = world.sqs.start_message_move_task
    missing = world.arn(dead) + "-not-there"
    refused(NOT_FOUND, start, SourceArn=missing)
    refused(NOT_FOUND, start, SourceArn=world.arn(dead), DestinationArn=missing)
    # Only of dead-letter queues.
    refused((INVALID_VALUE, UNSUPPORTED), start, SourceArn=world.arn(url))
    refused((INVALID_VALUE, "InvalidAddress", NOT_FOUND), start, SourceArn="nonsense")
    refused("MissingParameter", start)
    for rate in (0, 501):
        refused(INVALID_VALUE, start, SourceArn=world.arn(dead), MaxNumberOfMessagesPerSecond=rate)
    refused(NOT_FOUND, world.sqs.list_message_move_tasks, SourceArn=missing)
    for count in (0, 11):
        refused(INVALID_VALUE, world.sqs.list_message_move_tasks, SourceArn=world.arn(dead), MaxResults=count)
    refused((NOT_FOUND, INVALID_VALUE), world.sqs.cancel_message_move_task, TaskHandle="nonsense")
    equal(tasks(world, dead), [])
