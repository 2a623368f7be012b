"""What a message carries: its body, digests, attributes and what the queue tells of it."""

import time

from harness import check, equal, true
from queue_world import bodies, md5, md5_of_attributes


@check
def a_message_is_sent_received_and_deleted(world):
    url = world.queue()
    sent = world.send(url, "hello")
    equal(sent["MD5OfMessageBody"], md5(b"hello"))
    for name in ("MD5OfMessageAttributes", "MD5OfMessageSystemAttributes", "SequenceNumber"):
        true(name not in sent, f"no {name}")
    message = world.receive_one(url)
    equal(message["Body"], "hello")
    equal(message["MessageId"], sent["MessageId"])
    world.nothing(url)
    world.delete(url, message)
    equal(world.counts(url), [0, 0, 0])
    # What is deleted already may be deleted again.
    world.delete(url, message)


@check
def ids_and_receipt_handles_are_unique(world):
    url = world.queue()
    world.send_all(url, ["same"] * 20)
    messages = world.receive_all(url, 20)
    equal(len({m["MessageId"] for m in messages}), 20)
    equal(len({m["ReceiptHandle"] for m in messages}), 20)
    for message in messages:
        equal(len(message["MessageId"]), 36, "length of an id")
        true(len(message["ReceiptHandle"]) <= 1024, "a receipt handle has 1,024 characters at most")


@check
def one_message_is_received_unless_more_are_asked_for(world):
    url = world.queue()
    world.send_all(url, map(str, range(12)))
    answer = world.sqs.receive_message(QueueUrl=url)
    equal(len(answer["Messages"]), 1)
    true("Attributes" not in answer["Messages"][0], "no system attributes unless asked for")
    true("MessageAttributes" not in answer["Messages"][0], "no attributes unless asked for")
    true(1 <= len(world.receive(url, 10)) <= 10, "1 to 10 messages")
    empty = world.queue()
    true("Messages" not in world.sqs.receive_message(QueueUrl=empty), "an empty queue answers no list")


@check
def any_allowed_text_comes_back_as_it_was(world):
    url = world.queue()
    texts = [
        "x", " ", "\t\n\r", " leading and trailing \n", "ünïcödé ∑ 🦀 \ud7ff\ue000\ufffd\U0010ffff",
        "a&b<c>d\"e'f ]]> &amp; %41+%2B=&Action=DeleteQueue", '{"json": [1, null, "\\u0000"]}', "\\", "\u0085\u2028\u2029\u007f",
        "line one\r\nline two\rline three",
    ]
    for text in texts:
        sent = world.send(url, text)
        equal(sent["MD5OfMessageBody"], md5(text.encode()))
    equal(sorted(bodies(world.receive_all(url, len(texts)))), sorted(texts))


@check
def message_attributes_of_every_type_come_back(world):
    url = world.queue()
    attributes = {
        "text": {"DataType": "String", "StringValue": "ünï & <cödé>"},
        "number": {"DataType": "Number", "StringValue": "-12.5e3"},
        "binary": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
        "String.label": {"DataType": "String.json", "StringValue": "{}"},
        "num_label": {"DataType": "Number.int", "StringValue": "7"},
        "bin-label": {"DataType": "Binary.gif", "BinaryValue": b"\0"},
    }
    sent = world.send(url, "x", MessageAttributes=attributes)
    equal(sent["MD5OfMessageAttributes"], md5_of_attributes(attributes))
    message = world.receive_one(url)
    equal(message["MessageAttributes"], attributes)
    equal(message["MD5OfMessageAttributes"], md5_of_attributes(attributes))


@check
def attributes_are_chosen_by_name_and_by_prefix(world):
    url = world.queue()
    text = lambda value: {"DataType": "String", "StringValue": value}
    attributes = {name: text(name) for name in ("a", "a.b", "a.b.c", "ab", "B")}
    world.send(url, "x", MessageAttributes=attributes)

    def chosen(*names):
        answer = world.sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=2, VisibilityTimeout=0, MessageAttributeNames=list(names)
        )
        (message,) = answer["Messages"]
        seen = message.get("MessageAttributes", {})
        # The digest is of what is returned.
        digest = md5_of_attributes(seen) if seen else None
        equal(message.get("MD5OfMessageAttributes"), digest, f"digest of {names}")
        return sorted(seen)

    equal(chosen("a"), ["a"])
    equal(chosen("a", "B", "none"), ["B", "a"])
    equal(chosen("a.b.*", "B"), ["B", "a.b", "a.b.c"])
    equal(chosen("All"), sorted(attributes))
    equal(chosen(".*"), sorted(attributes))
    equal(chosen("b"), [])
    equal(chosen(), [])


@check
def the_trace_header_is_a_system_attribute(world):
    url = world.queue()
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = world.send(url, "x", MessageSystemAttributes=header)
    equal(sent["MD5OfMessageSystemAttributes"], md5_of_attributes(header))
    true("MD5OfMessageAttributes" not in sent, "it is no message attribute")
    message = world.receive_one(url)
    equal(message["Attributes"]["AWSTraceHeader"], header["AWSTraceHeader"]["StringValue"])
    true("MessageAttributes" not in message, "it is no message attribute")


@check
def the_queue_tells_when_and_how_often(world):
    url = world.queue(VisibilityTimeout=0)
    before = time.time() * 1000
    world.send(url, "x")
    first = world.receive_one(url)["Attributes"]
    equal(sorted(first), [
        "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "SenderId", "SentTimestamp",
    ])
    true(before - 1000 <= int(first["SentTimestamp"]) <= time.time() * 1000 + 1000, "sent about now, in ms")
    true(
        int(first["SentTimestamp"]) <= int(first["ApproximateFirstReceiveTimestamp"]) <= time.time() * 1000 + 1000,
        "first received after it was sent",
    )
    equal(first["ApproximateReceiveCount"], "1")
    for count in ("2", "3"):
        later = world.receive_one(url)["Attributes"]
        equal(later, {**first, "ApproximateReceiveCount": count})


@check
def system_attributes_are_chosen_by_name(world):
    url = world.queue(VisibilityTimeout=0)
    world.send(url, "x")
    parameters = ["AttributeNames"]
    if world.knows("ReceiveMessage", "MessageSystemAttributeNames"):
        parameters.append("MessageSystemAttributeNames")
    for parameter in parameters:
        for names in (["SentTimestamp"], ["SenderId", "ApproximateReceiveCount"]):
            answer = world.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, **{parameter: names})
            equal(sorted(answer["Messages"][0]["Attributes"]), sorted(names), parameter)
        answer = world.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, **{parameter: ["All"]})
        equal(len(answer["Messages"][0]["Attributes"]), 4, parameter)


@check
def many_messages_come_each_once(world):
    url = world.queue()
    sent = [f"message {n}" for n in range(300)]
    world.send_all(url, sent)
    seen = []
    while len(seen) < len(sent):
        messages = world.receive_all(url, 10)
        seen += bodies(messages)
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        answer = world.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        equal(len(answer["Successful"]), 10)
    equal(sorted(seen), sorted(sent))
    equal(world.counts(url), [0, 0, 0])
