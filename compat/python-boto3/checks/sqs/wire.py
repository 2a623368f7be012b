"""Requests as other clients write them: both protocols by hand, forms and GET, queue URLs as paths."""

import http.client
import json
import urllib.parse
import xml.etree.ElementTree as ElementTree

from harness import check, equal, true
from queue_world import NO_QUEUE, bodies, md5

SPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


def ask(world, method, target, body=b"", **headers):
    """Sends a request signed as loosely as a server without authentication allows; its status, headers and body."""
    address = urllib.parse.urlsplit(world.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    scope = f"{world.account}/20300101/{world.region}/sqs/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    connection.request(method, target, body, {"Authorization": signature, **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def query(world, target, method="POST", **parameters):
    """A request of the Query protocol and the root of the XML that answers it."""
    form = urllib.parse.urlencode({"Version": "2012-11-05", **parameters})
    if method == "GET":
        status, headers, text = ask(world, "GET", f"{target}?{form}")
    else:
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        status, headers, text = ask(world, "POST", target, form.encode(), **kind)
    true(headers["Content-Type"].startswith("text/xml"), f"text/xml, saw {headers['Content-Type']}")
    return status, ElementTree.fromstring(text)


def texts(root, name):
    return [element.text for element in root.iter(SPACE + name)]


def speak_json(world, operation, document, target="AmazonSQS"):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{target}.{operation}"}
    status, answered, text = ask(world, "POST", "/", json.dumps(document).encode(), **headers)
    return status, answered, json.loads(text) if text else None


@check
def forms_and_get_are_answered_in_xml(world):
    for method in ("POST", "GET"):
        status, root = query(world, "/", method, Action="CreateQueue", QueueName=f"by-{method}")
        equal((status, root.tag), (200, SPACE + "CreateQueueResponse"))
        (url,) = texts(root, "QueueUrl")
        equal(url, f"{world.endpoint}/{world.account}/by-{method}")
        equal(len(texts(root, "RequestId")), 1)
        # A queue's URL is a path that is asked, by which the queue is named.
        path = urllib.parse.urlsplit(url).path
        body = "a&b <c> ünï +%41"
        status, root = query(world, path, method, Action="SendMessage", MessageBody=body)
        equal((status, texts(root, "MD5OfMessageBody")), (200, [md5(body.encode())]))
        # QueueUrl as a parameter does the same.
        status, root = query(world, "/", method, Action="ReceiveMessage", QueueUrl=url, WaitTimeSeconds="2")
        equal((status, texts(root, "Body")), (200, [body]))
        (handle,) = texts(root, "ReceiptHandle")
        status, root = query(world, path, method, Action="DeleteMessage", ReceiptHandle=handle)
        equal((status, root.tag), (200, SPACE + "DeleteMessageResponse"))
        equal(world.counts(url), [0, 0, 0])


@check
def lists_and_maps_are_numbered_parameters(world):
    _, root = query(world, "/", **{
        "Action": "CreateQueue", "QueueName": "q", "Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0",
        "Attribute.2.Name": "VisibilityTimeout", "Attribute.2.Value": "7", "Tag.1.Key": "a", "Tag.1.Value": "b",
    })
    (url,) = texts(root, "QueueUrl")
    path = urllib.parse.urlsplit(url).path
    _, root = query(world, path, **{"Action": "GetQueueAttributes", "AttributeName.1": "VisibilityTimeout"})
    equal((texts(root, "Name"), texts(root, "Value")), (["VisibilityTimeout"], ["7"]))
    _, root = query(world, path, Action="ListQueueTags")
    equal((texts(root, "Key"), texts(root, "Value")), (["a"], ["b"]))
    _, root = query(world, path, **{
        "Action": "SendMessageBatch",
        "SendMessageBatchRequestEntry.1.Id": "one", "SendMessageBatchRequestEntry.1.MessageBody": "1",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name": "n",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType": "Binary",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue": "AP8=",
        "SendMessageBatchRequestEntry.2.Id": "two", "SendMessageBatchRequestEntry.2.MessageBody": "\x01",
    })
    equal(len(list(root.iter(SPACE + "SendMessageBatchResultEntry"))), 1)
    equal(len(list(root.iter(SPACE + "BatchResultErrorEntry"))), 1)
    equal(sorted(texts(root, "Id")), ["one", "two"])
    (message,) = world.receive_all(url, 1)
    equal(message["MessageAttributes"], {"n": {"DataType": "Binary", "BinaryValue": b"\0\xff"}})


@check
def errors_of_the_query_protocol_are_xml(world):
    path = f"/{world.account}/never-was"
    status, root = query(world, path, Action="SendMessage", MessageBody="x")
    equal((status, root.tag), (400, SPACE + "ErrorResponse"))
    equal((texts(root, "Type"), texts(root, "Code")), (["Sender"], [NO_QUEUE]))
    true(texts(root, "Message")[0], "a message")
    equal(len(texts(root, "RequestId")), 1)
    status, root = query(world, "/", Action="NoSuchAction")
    equal((status, texts(root, "Code")), (400, ["InvalidAction"]))


@check
def json_errors_carry_the_code_of_the_query_protocol(world):
    status, headers, document = speak_json(world, "GetQueueUrl", {"QueueName": "never-was"})
    equal(status, 400)
    equal(document["__type"], "com.amazonaws.sqs#QueueDoesNotExist")
    true(document["message"], "a message")
    equal(headers["x-amzn-query-error"], f"{NO_QUEUE};Sender")
    true(headers["x-amzn-RequestId"], "a request id")
    true(headers["Content-Type"].startswith("application/x-amz-json-1.0"), f"saw {headers['Content-Type']}")


@check
def json_is_answered_in_json(world):
    status, _, document = speak_json(world, "CreateQueue", {"QueueName": "q", "Attributes": {"DelaySeconds": "0"}})
    equal((status, document), (200, {"QueueUrl": f"{world.endpoint}/{world.account}/q"}))
    url = document["QueueUrl"]
    status, _, document = speak_json(world, "ReceiveMessage", {"QueueUrl": url})
    equal(status, 200)
    true(not document or not document.get("Messages"), f"no messages, saw {document}")
    status, _, document = speak_json(world, "SendMessage", {"QueueUrl": url, "MessageBody": "x", "Unknown": [1]})
    equal((status, document["MD5OfMessageBody"]), (200, md5(b"x")))
    status, _, _ = speak_json(world, "NoSuchOperation", {})
    equal(status, 400)


@check
def damaged_requests_are_refused_and_harm_nothing(world):
    url = world.queue()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"QueueUrl": 7, "MessageBody": "x"}',
                 b'{"QueueUrl": {}, "MessageBody": []}', b"{" * 100_000):
        status, _, _ = ask(world, "POST", "/", body, **headers)
        equal(status, 400, f"status for {body[:40]}")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"", b"%zz", b"Action", b"Action=SendMessage&QueueUrl=%ff", b"=&=&&&",
                 b"Action=SendMessageBatch&QueueUrl=x&SendMessageBatchRequestEntry.99999999999.Id=a"):
        status, _, _ = ask(world, "POST", "/", body, **form)
        true(400 <= status < 500, f"the client's fault for {body[:40]}, saw {status}")
    world.send(url, "still here")
    equal(bodies(world.receive_all(url, 1)), ["still here"])
