"""What checks of queues stand on: an account of its own and short words for what they do all the time.

The same checks run over AWS JSON, which current botocore speaks, and over the Query protocol, which botocore spoke until
1.31.80: what only one of the two models knows is asked for by `knows`.
"""

import hashlib
import time
import uuid

from harness import DEFAULT_REGION, equal, make_client, next_account, true

# Codes as both protocols give them: in JSON botocore takes them from the header x-amzn-query-error.
PREFIX = "AWS.SimpleQueueService."
NO_QUEUE = PREFIX + "NonExistentQueue"
NOT_IN_FLIGHT = PREFIX + "MessageNotInflight"
UNSUPPORTED = PREFIX + "UnsupportedOperation"
INVALID_VALUE = "InvalidParameterValue"
MISSING = "MissingParameter"


class QueueWorld:
    """A caller of SQS with an account of its own."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.account = next_account()
        self.region = DEFAULT_REGION
        self.sqs = make_client(endpoint, self.account, service="sqs")

    def other_account(self):
        return make_client(self.endpoint, next_account(), service="sqs")

    def knows(self, operation, member):
        """Whether this botocore's model has this input member."""
        model = self.sqs.meta.service_model.operation_model(operation)
        return member in model.input_shape.members

    def name(self, fifo=False):
        return f"q-{uuid.uuid4().hex[:12]}" + (".fifo" if fifo else "")

    def queue(self, **attributes):
        """Creates a standard queue and returns its URL."""
        return self._create(self.name(), attributes)

    def fifo(self, **attributes):
        """Creates a FIFO queue and returns its URL."""
        return self._create(self.name(fifo=True), {"FifoQueue": "true", **attributes})

    def _create(self, name, attributes):
        texts = {key: str(value) for key, value in attributes.items()}
        return self.sqs.create_queue(QueueName=name, Attributes=texts)["QueueUrl"]

    def arn(self, url):
        return f"arn:aws:sqs:{self.region}:{self.account}:{url.rsplit('/', 1)[1]}"

    def attributes(self, url, *names):
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names or ["All"]))
        return answer.get("Attributes", {})

    def set(self, url, **attributes):
        texts = {key: str(value) for key, value in attributes.items()}
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=texts)

    def counts(self, url):
        """Approximate numbers of messages: waiting, in flight, delayed."""
        kinds = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        seen = self.attributes(url, *names)
        return [int(seen[name]) for name in names]

    def send(self, url, body, **more):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body, **more)

    def send_all(self, url, bodies, **more):
        """Sends in batches of ten; `more` is said of every message."""
        bodies = list(bodies)
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body, **more}
                for n, body in enumerate(bodies[start:start + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=url, Entries=entries)
            equal(answer.get("Failed", []), [], "entries that failed")

    def receive(self, url, count=10, wait=0, **more):
        """One receive, with all that it can tell of a message."""
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=count, WaitTimeSeconds=wait,
            AttributeNames=["All"], MessageAttributeNames=["All"], **more,
        )
        messages = answer.get("Messages", [])
        true(len(messages) <= count, f"at most {count} messages, saw {len(messages)}")
        for message in messages:
            equal(message["MD5OfBody"], md5(message["Body"].encode()), "MD5OfBody")
        return messages

    def receive_all(self, url, count, seconds=20, **more):
        """Receives until there are `count` messages: one answer may hold fewer than there are."""
        messages = []
        deadline = time.monotonic() + seconds
        while len(messages) < count:
            left = count - len(messages)
            true(time.monotonic() < deadline, f"within {seconds} s: {count} messages, {left} missing")
            messages += self.receive(url, min(10, left), wait=1, **more)
        return messages

    def drain(self, url, count, seconds=20):
        """Receives and deletes `count` messages: of a FIFO group one answer may hold fewer than there are, too, and the rest
        waits until those are deleted."""
        messages = []
        deadline = time.monotonic() + seconds
        while len(messages) < count:
            left = count - len(messages)
            true(time.monotonic() < deadline, f"within {seconds} s: {count} messages, {left} missing")
            received = self.receive(url, min(10, left), wait=1)
            for message in received:
                self.delete(url, message)
            messages += received
        return messages

    def receive_one(self, url, seconds=20, **more):
        return self.receive_all(url, 1, seconds, **more)[0]

    def nothing(self, url, wait=0):
        """Asserts that a receive finds nothing."""
        equal(bodies(self.receive(url, wait=wait)), [], "messages")

    def delete(self, url, message):
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def hide(self, url, message, seconds):
        """Sets how long a message in flight stays invisible."""
        self.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )

    def redrive(self, url, target, receives=1):
        """Makes `target` the dead-letter queue of `url`."""
        policy = f'{{"deadLetterTargetArn": "{self.arn(target)}", "maxReceiveCount": {receives}}}'
        self.set(url, RedrivePolicy=policy)

    def moved(self, url, dead, count):
        """Receives nothing from `url` until `count` messages of it have ended up in `dead`."""
        for _ in range(20):
            self.nothing(url, wait=1)
            if self.counts(dead)[0] == count:
                return
        raise AssertionError(f"{count} dead letters, saw {self.counts(dead)}")


def bodies(messages):
    return [message["Body"] for message in messages]


def md5(data):
    return hashlib.md5(data).hexdigest()


def md5_of_attributes(attributes):
    """As the developer guide has it: names sorted; of each its name, type, kind (1 text, 2 binary) and value by length."""
    digest = bytearray()

    def add(part):
        digest.extend(len(part).to_bytes(4, "big") + part)

    for name, value in sorted(attributes.items()):
        add(name.encode())
        add(value["DataType"].encode())
        binary = value["DataType"].split(".")[0] == "Binary"
        digest.append(2 if binary else 1)
        add(value["BinaryValue"] if binary else value["StringValue"].encode())
    return md5(bytes(digest))
