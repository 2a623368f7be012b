"""Puts queues and messages into a server, or checks that all of them are still there.

    persistence_sqs.py write|verify FILE

`write` notes what was acknowledged in FILE; `verify`, run after the server was restarted or killed, holds the server to it
and adds to it, so that several restarts can be checked in turn.
"""

import json
import os
import sys

from harness import equal, true
from queue_world import QueueWorld, bodies

ATTRIBUTES = {"n": {"DataType": "Number", "StringValue": "7"}, "b": {"DataType": "Binary", "BinaryValue": b"\0\xff"}}


def drain(world, url, count):
    """Receives and deletes `count` messages."""
    seen = []
    while len(seen) < count:
        messages = world.receive_all(url, min(10, count - len(seen)), VisibilityTimeout=300)
        for message in messages:
            world.delete(url, message)
        seen += messages
    return seen


def write(world):
    """Makes queues in every state and returns what is to be kept."""
    create = world.sqs.create_queue
    standard = create(QueueName="kept", Attributes={"VisibilityTimeout": "600"}, tags={"a": "b"})["QueueUrl"]
    dead = create(QueueName="dead")["QueueUrl"]
    fifo = create(QueueName="kept.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "2"})["QueueUrl"]
    gone = create(QueueName="gone")["QueueUrl"]
    world.redrive(standard, dead, receives=5)
    world.send_all(gone, map(str, range(20)))
    world.sqs.delete_queue(QueueUrl=gone)

    world.send_all(standard, [f"first {n}" for n in range(60)])
    deleted = bodies(drain(world, standard, 25))
    held = world.receive_all(standard, 5)
    world.send(standard, "attributes", MessageAttributes=ATTRIBUTES)
    world.send(standard, "delayed", DelaySeconds=900)
    waiting = {f"first {n}" for n in range(60)} - set(deleted) - set(bodies(held)) | {"attributes"}

    for n in range(12):
        world.send(fifo, f"fifo {n}", MessageGroupId="g", MessageDeduplicationId=f"d{n}")
    taken = world.receive(fifo, 4, wait=5)
    equal(bodies(taken), [f"fifo {n}" for n in range(4)])
    for message in taken[:2]:
        world.delete(fifo, message)
    return {
        "created": world.attributes(standard, "CreatedTimestamp"),
        "waiting": sorted(waiting), "held": [[m["Body"], m["ReceiptHandle"]] for m in held],
        "deleted": deleted, "fifo": [f"fifo {n}" for n in range(2, 12)], "round": 0,
    }


def verify(world, state):
    names = sorted(url.rsplit("/", 1)[1] for url in world.sqs.list_queues()["QueueUrls"])
    equal(names, ["dead", "kept", "kept.fifo"])
    standard, dead, fifo = (world.sqs.get_queue_url(QueueName=n)["QueueUrl"] for n in ("kept", "dead", "kept.fifo"))
    told = world.attributes(standard)
    equal(told["VisibilityTimeout"], "600")
    equal(told["CreatedTimestamp"], state["created"]["CreatedTimestamp"])
    equal(json.loads(told["RedrivePolicy"])["deadLetterTargetArn"], world.arn(dead))
    equal(world.sqs.list_queue_tags(QueueUrl=standard)["Tags"], {"a": "b"})
    equal(told["ApproximateNumberOfMessagesDelayed"], "1")

    # After a kill a message in flight may be visible again early; none is lost and none that was deleted comes back.
    held = dict(state["held"])
    seen = world.receive_all(standard, len(state["waiting"]))
    seen += world.receive(standard, wait=1)
    found = bodies(seen)
    equal(len(set(found)), len(found), "messages, each once")
    true(not set(found) & set(state["deleted"]), "none that was deleted")
    true(set(state["waiting"]) <= set(found), "all that waited")
    true(set(found) <= set(state["waiting"]) | set(held), "nothing else")
    for message in seen:
        if message["Body"] == "attributes":
            equal(message["MessageAttributes"], ATTRIBUTES)
    # A handle given before the restart deletes while nobody else has received its message.
    for body, handle in state["held"]:
        if body not in found:
            world.sqs.delete_message(QueueUrl=standard, ReceiptHandle=handle)
            state["deleted"].append(body)
    done = seen[::2]
    for message in done:
        world.delete(standard, message)
    state["deleted"] += bodies(done)
    for message in seen[1::2]:
        world.hide(standard, message, 0)
    state["held"] = []
    state["waiting"] = [m["Body"] for m in seen[1::2]]
    state["round"] += 1
    more = [f"round {state['round']}: {n}" for n in range(10)]
    world.send_all(standard, more)
    state["waiting"] += more

    # A duplicate is known across a restart; the group goes on at its oldest message, in order.
    world.send(fifo, "a duplicate", MessageGroupId="g", MessageDeduplicationId="d11")
    messages = world.receive(fifo, wait=10)
    equal(bodies(messages), state["fifo"][:len(messages)])
    true(messages, "messages of the group")
    for message in messages[:2]:
        world.delete(fifo, message)
    state["fifo"] = state["fifo"][2:]


def main():
    action, path = sys.argv[1:]
    world = QueueWorld(os.environ["HEADWATER_ENDPOINT"])
    if action == "write":
        state = write(world)
    else:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        verify(world, state)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    print(f"ok   {action}: {len(state['waiting'])} messages wait, {len(state['deleted'])} are deleted")


if __name__ == "__main__":
    main()
