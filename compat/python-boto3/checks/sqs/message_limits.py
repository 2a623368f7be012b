"""What a message may not be: too large, of forbidden characters, with wrong attributes."""

from harness import MIB, check, equal, refused, true
from queue_world import INVALID_VALUE, MISSING, md5


def text(value):
    return {"DataType": "String", "StringValue": value}


@check
def a_body_of_one_mebibyte_is_the_largest(world):
    url = world.queue()
    body = "0123456789abcdef" * (MIB // 16)
    equal(world.send(url, body)["MD5OfMessageBody"], md5(body.encode()))
    refused(INVALID_VALUE, world.send, text="1048576", url=url, body=body + "x")
    seen = world.receive_one(url)["Body"]
    true(seen == body, f"the body as it was sent, saw {len(seen)} characters")
    # Bytes count, not characters.
    wide = "ü" * (MIB // 2)
    world.send(url, wide)
    true(world.receive_one(url)["Body"] == wide, "the wide body as it was sent")
    refused(INVALID_VALUE, world.send, url=url, body=wide + "x")


@check
def attributes_count_into_the_size(world):
    url = world.queue(MaximumMessageSize=1024)
    world.send(url, "x" * 1024)
    refused(INVALID_VALUE, world.send, text="1024", url=url, body="x" * 1025)
    # Name, type and value of each.
    attributes = {"name": text("v" * 10)}
    size = len("name") + len("String") + 10
    world.send(url, "y" * (1024 - size), MessageAttributes=attributes)
    refused(INVALID_VALUE, world.send, url=url, body="y" * (1025 - size), MessageAttributes=attributes)
    # A system attribute does not.
    header = {"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793")}
    world.send(url, "z" * 1024, MessageSystemAttributes=header)
    equal(len(world.receive_all(url, 3)), 3)
    # A new limit is for new messages.
    world.set(url, MaximumMessageSize=2048)
    world.send(url, "x" * 2048)


@check
def forbidden_characters_are_refused(world):
    url = world.queue()
    for character in ("\0", "\x01", "\x08", "\x0b", "\x0c", "\x0e", "\x1f", "\ufffe", "\uffff"):
        error = refused("InvalidMessageContents", world.send, url=url, body=f"a{character}b")
        kind = world.sqs.exceptions.InvalidMessageContents
        true(isinstance(error, kind), f"InvalidMessageContents, saw {type(error)}")
    # Values of attributes have the same rule.
    codes = ("InvalidMessageContents", INVALID_VALUE)
    refused(codes, world.send, url=url, body="x", MessageAttributes={"a": text("\x02")})
    equal(world.counts(url), [0, 0, 0])


@check
def a_body_is_wanted(world):
    url = world.queue()
    refused((MISSING, INVALID_VALUE), world.send, url=url, body="")
    refused(MISSING, world.sqs.send_message, text="MessageBody", QueueUrl=url)
    refused((MISSING, "InvalidAddress", "AWS.SimpleQueueService.NonExistentQueue"), world.sqs.receive_message)


@check
def names_of_attributes_have_rules(world):
    url = world.queue()
    for name in (".a", "a.", "a..b", "AWS.a", "aws.a", "Amazon.a", "amazon.b", "a b", "a/b", "x" * 257, ""):
        refused(INVALID_VALUE, world.send, url=url, body="x", MessageAttributes={name: text("v")})
    for name in ("a.b-c_D9", "x" * 256, "AWSx"):
        world.send(url, "x", MessageAttributes={name: text("v")})


@check
def values_of_attributes_have_rules(world):
    url = world.queue()
    for value in (
        {"DataType": "Text", "StringValue": "v"},
        {"DataType": "", "StringValue": "v"},
        {"StringValue": "v"},
        {"DataType": "String", "StringValue": ""},
        {"DataType": "String"},
        {"DataType": "String", "BinaryValue": b"v"},
        {"DataType": "Binary", "BinaryValue": b""},
        {"DataType": "Number", "StringValue": "seven"},
        {"DataType": "Number", "StringValue": ""},
        {"DataType": "String." + "x" * 256, "StringValue": "v"},
    ):
        refused((INVALID_VALUE, MISSING), world.send, url=url, body="x", MessageAttributes={"a": value})
    ten = {f"a{n}": text("v") for n in range(10)}
    world.send(url, "x", MessageAttributes=ten)
    refused(INVALID_VALUE, world.send, url=url, body="x", MessageAttributes={**ten, "b": text("v")})
    for value in ("0", "-1", "1e126", "12345678901234567890123456789012345678", "0.5"):
        world.send(url, "x", MessageAttributes={"a": {"DataType": "Number", "StringValue": value}})


@check
def only_the_trace_header_may_be_a_system_attribute(world):
    url = world.queue()
    for name, value in (("Other", text("v")), ("AWSTraceHeader", {"DataType": "Number", "StringValue": "1"})):
        refused(INVALID_VALUE, world.send, url=url, body="x", MessageSystemAttributes={name: value})


@check
def numbers_of_requests_have_ranges(world):
    url = world.queue()
    for value in (-1, 901):
        refused(INVALID_VALUE, world.send, text="DelaySeconds", url=url, body="x", DelaySeconds=value)
    receive = world.sqs.receive_message
    for value in (0, -1, 11):
        refused(INVALID_VALUE, receive, text="MaxNumberOfMessages", QueueUrl=url, MaxNumberOfMessages=value)
    for value in (-1, 21):
        refused(INVALID_VALUE, receive, text="WaitTimeSeconds", QueueUrl=url, WaitTimeSeconds=value)
    for value in (-1, 43_201):
        refused(INVALID_VALUE, receive, text="VisibilityTimeout", QueueUrl=url, VisibilityTimeout=value)
    world.send(url, "x")
    handle = world.receive_one(url)["ReceiptHandle"]
    for value in (-1, 43_201):
        refused(
            INVALID_VALUE, world.sqs.change_message_visibility, text="VisibilityTimeout",
            QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=value,
        )
    for names in (["Nonsense"], ["All", "Nonsense"]):
        refused(
            ("InvalidAttributeName", INVALID_VALUE), receive, QueueUrl=url, AttributeNames=names
        )


@check
def what_only_fifo_queues_have_is_refused_on_others(world):
    url = world.queue()
    refused(INVALID_VALUE, world.send, text="MessageDeduplicationId", url=url, body="x", MessageDeduplicationId="d")
    refused(
        INVALID_VALUE, world.sqs.receive_message, text="ReceiveRequestAttemptId",
        QueueUrl=url, ReceiveRequestAttemptId="a",
    )
