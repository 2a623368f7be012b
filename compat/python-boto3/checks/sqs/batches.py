"""Batches: ten at most, each entry answered by itself, and whole batches refused."""

import time

from harness import MIB, check, equal, refused, true
from queue_world import INVALID_VALUE, NOT_IN_FLIGHT, PREFIX, bodies, md5, md5_of_attributes


@check
def a_batch_is_sent_hidden_and_deleted(world):
    url = world.queue()
    attributes = {"a": {"DataType": "String", "StringValue": "1"}}
    entries = [{"Id": f"id-{n}_", "MessageBody": f"body {n}"} for n in range(10)]
    entries[3]["MessageAttributes"] = attributes
    entries[4]["DelaySeconds"] = 900
    entries[5]["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-a"}}
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    true("Failed" not in answer or answer["Failed"] == [], "none failed")
    results = {result["Id"]: result for result in answer["Successful"]}
    equal(sorted(results), sorted(entry["Id"] for entry in entries))
    for entry in entries:
        equal(results[entry["Id"]]["MD5OfMessageBody"], md5(entry["MessageBody"].encode()))
    equal(results["id-3_"]["MD5OfMessageAttributes"], md5_of_attributes(attributes))
    equal(
        results["id-5_"]["MD5OfMessageSystemAttributes"], md5_of_attributes(entries[5]["MessageSystemAttributes"])
    )
    equal(world.counts(url), [9, 0, 1])

    messages = world.receive_all(url, 9)
    ids = {message["Body"]: message["MessageId"] for message in messages}
    for entry in entries[:4]:
        equal(ids[entry["MessageBody"]], results[entry["Id"]]["MessageId"])
    handles = [message["ReceiptHandle"] for message in messages]
    changes = [{"Id": str(n), "ReceiptHandle": h, "VisibilityTimeout": 0} for n, h in enumerate(handles[:4])]
    changed = world.sqs.change_message_visibility_batch(QueueUrl=url, Entries=changes)
    equal(sorted(result["Id"] for result in changed["Successful"]), ["0", "1", "2", "3"])
    equal(world.counts(url), [4, 5, 1])
    deletes = [{"Id": str(n), "ReceiptHandle": h} for n, h in enumerate(handles[4:])]
    deleted = world.sqs.delete_message_batch(QueueUrl=url, Entries=deletes)
    equal(sorted(result["Id"] for result in deleted["Successful"]), ["0", "1", "2", "3", "4"])
    equal(world.counts(url), [4, 0, 1])


def failures(answer):
    """Of each entry that failed, its code and whose fault it was."""
    return {entry["Id"]: (entry["Code"], entry["SenderFault"]) for entry in answer.get("Failed", [])}


@check
def entries_of_a_send_fail_by_themselves(world):
    url = world.queue(MaximumMessageSize=1024)
    text = {"DataType": "String", "StringValue": "v"}
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "MessageBody": "good"},
        {"Id": "long", "MessageBody": "x" * 1025},
        {"Id": "control", "MessageBody": "\x01"},
        {"Id": "delay", "MessageBody": "x", "DelaySeconds": 901},
        {"Id": "attribute", "MessageBody": "x", "MessageAttributes": {"aws.x": text}},
        {"Id": "also-good", "MessageBody": "also good"},
    ])
    equal(sorted(entry["Id"] for entry in answer["Successful"]), ["also-good", "good"])
    equal(failures(answer), {
        "long": (INVALID_VALUE, True), "control": ("InvalidMessageContents", True),
        "delay": (INVALID_VALUE, True), "attribute": (INVALID_VALUE, True),
    })
    true(all(entry.get("Message") for entry in answer["Failed"]), "each failure says why")
    equal(sorted(bodies(world.receive_all(url, 2))), ["also good", "good"])


@check
def entries_of_deletes_and_changes_fail_by_themselves(world):
    url = world.queue()
    world.send_all(url, ["a", "b"])
    first, second = (message["ReceiptHandle"] for message in world.receive_all(url, 2))
    world.sqs.delete_message(QueueUrl=url, ReceiptHandle=second)
    answer = world.sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
        {"Id": "good", "ReceiptHandle": first, "VisibilityTimeout": 60},
        {"Id": "deleted", "ReceiptHandle": second, "VisibilityTimeout": 60},
        {"Id": "none", "ReceiptHandle": "nonsense", "VisibilityTimeout": 60},
        {"Id": "range", "ReceiptHandle": first, "VisibilityTimeout": 43_201},
    ])
    equal([entry["Id"] for entry in answer["Successful"]], ["good"])
    failed = failures(answer)
    true(failed.pop("deleted")[0] in (NOT_IN_FLIGHT, INVALID_VALUE), "a deleted message cannot be hidden")
    equal(failed, {
        "none": ("ReceiptHandleIsInvalid", True), "range": (INVALID_VALUE, True),
    })
    answer = world.sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "ReceiptHandle": first}, {"Id": "none", "ReceiptHandle": "nonsense"},
    ])
    equal([entry["Id"] for entry in answer["Successful"]], ["good"])
    equal(failures(answer), {"none": ("ReceiptHandleIsInvalid", True)})


@check
def wrong_batches_are_refused_whole(world):
    url = world.queue()
    calls = {
        "send_message_batch": lambda n: {"MessageBody": "x"},
        "delete_message_batch": lambda n: {"ReceiptHandle": "r"},
        "change_message_visibility_batch": lambda n: {"ReceiptHandle": "r", "VisibilityTimeout": 1},
    }
    for name, rest in calls.items():
        call = getattr(world.sqs, name)

        def expect(code, ids):
            entries = [{"Id": identifier, **rest(n)} for n, identifier in enumerate(ids)]
            error = refused(PREFIX + code, call, QueueUrl=url, Entries=entries)
            kind = getattr(world.sqs.exceptions, code)
            true(isinstance(error, kind), f"{name}: {code}, saw {type(error)}")

        expect("TooManyEntriesInBatchRequest", [str(n) for n in range(11)])
        expect("BatchEntryIdsNotDistinct", ["a", "b", "a"])
        for wrong in ("a b", "a.b", "ü", "x" * 81):
            expect("InvalidBatchEntryId", ["a", wrong])
        # A list that is missing and one that is empty are told apart in JSON alone.
        refused((PREFIX + "EmptyBatchRequest", "MissingParameter"), call, QueueUrl=url, Entries=[])
        refused((PREFIX + "EmptyBatchRequest", "MissingParameter"), call, QueueUrl=url)
    equal(world.counts(url), [0, 0, 0])
    world.sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "x" * 80, "MessageBody": "x"}])


@check
def a_batch_is_a_mebibyte_at_most_in_all(world):
    url = world.queue()
    part = "x" * (MIB // 4)
    entries = [{"Id": str(n), "MessageBody": part} for n in range(4)]
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    equal(len(answer["Successful"]), 4)
    more = entries + [{"Id": "more", "MessageBody": "y"}]
    error = refused(PREFIX + "BatchRequestTooLong", world.sqs.send_message_batch, QueueUrl=url, Entries=more)
    kind = world.sqs.exceptions.BatchRequestTooLong
    true(isinstance(error, kind), f"BatchRequestTooLong, saw {type(error)}")
    equal(world.counts(url), [4, 0, 0])
    for message in world.receive_all(url, 4):
        true(message["Body"] == part, "the body as it was sent")


@check
def a_batch_of_a_fifo_queue_keeps_its_order(world):
    url = world.fifo()
    entries = [
        {"Id": str(n), "MessageBody": str(n), "MessageGroupId": "g", "MessageDeduplicationId": f"d{n}"}
        for n in range(10)
    ]
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    results = {entry["Id"]: int(entry["SequenceNumber"]) for entry in answer["Successful"]}
    numbers = [results[str(n)] for n in range(10)]
    equal(numbers, sorted(set(numbers)), "sequence numbers grow")
    messages = world.drain(url, 10)
    equal(bodies(messages), [str(n) for n in range(10)])
    equal([int(m["Attributes"]["SequenceNumber"]) for m in messages], numbers)
    # Within one batch the second of the same id is a duplicate of the first.
    start = time.monotonic()
    twice = [
        {"Id": str(n), "MessageBody": "twice", "MessageGroupId": "h", "MessageDeduplicationId": "same"}
        for n in range(2)
    ]
    answer = world.sqs.send_message_batch(QueueUrl=url, Entries=twice)
    equal(len({entry["MessageId"] for entry in answer["Successful"]}), 1)
    equal(bodies(world.receive(url, wait=1)), ["twice"])
    true(time.monotonic() - start < 10, "no waiting")
