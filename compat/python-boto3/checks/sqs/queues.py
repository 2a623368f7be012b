"""Queues themselves: names, URLs, creation, listing, deletion."""

import urllib.parse

from harness import check, equal, make_client, refused, true, wait_until
from queue_world import INVALID_VALUE, NO_QUEUE, PREFIX


@check
def a_queue_is_created_found_and_deleted(world):
    url = world.sqs.create_queue(QueueName="first_Queue-1")["QueueUrl"]
    equal(world.sqs.get_queue_url(QueueName="first_Queue-1")["QueueUrl"], url)
    equal(world.attributes(url, "QueueArn"), {"QueueArn": world.arn(url)})
    equal(world.sqs.list_queues()["QueueUrls"], [url])
    world.sqs.delete_queue(QueueUrl=url)
    refused(NO_QUEUE, world.sqs.get_queue_url, QueueName="first_Queue-1")
    true("QueueUrls" not in world.sqs.list_queues(), "no queue is listed")


@check
def the_url_carries_the_host_that_the_client_used(world):
    address = urllib.parse.urlsplit(world.endpoint)
    for host in ("127.0.0.1", "localhost"):
        endpoint = f"http://{host}:{address.port}"
        client = make_client(endpoint, world.account, service="sqs")
        url = client.create_queue(QueueName="q")["QueueUrl"]
        equal(url, f"{endpoint}/{world.account}/q")
        equal(client.get_queue_url(QueueName="q")["QueueUrl"], url)
        equal(client.list_queues()["QueueUrls"], [url])
        client.send_message(QueueUrl=url, MessageBody=host)
    # Each URL means the same queue.
    equal(sorted(m["Body"] for m in world.receive_all(url, 2)), ["127.0.0.1", "localhost"])


@check
def creating_again_with_the_same_attributes_answers_the_same_queue(world):
    attributes = {"VisibilityTimeout": "40", "DelaySeconds": "1"}
    url = world.sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"]
    equal(world.sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"], url)
    equal(world.sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "1"})["QueueUrl"], url)
    equal(world.sqs.create_queue(QueueName="q")["QueueUrl"], url)
    error = refused(
        "QueueAlreadyExists", world.sqs.create_queue, text="VisibilityTimeout",
        QueueName="q", Attributes={"VisibilityTimeout": "41"},
    )
    true(isinstance(error, world.sqs.exceptions.QueueNameExists), f"QueueNameExists, saw {type(error)}")
    refused(
        "QueueAlreadyExists", world.sqs.create_queue, QueueName="q",
        Attributes={"MessageRetentionPeriod": "60"},
    )


@check
def names_are_held_to_their_rules(world):
    for name in ("a", "A_-9", "x" * 80):
        url = world.sqs.create_queue(QueueName=name)["QueueUrl"]
        equal(url.rsplit("/", 1)[1], name)
    for name in ("x" * 81, "a b", "a.b", "ü", "a/b", "q.fifo"):
        refused(INVALID_VALUE, world.sqs.create_queue, QueueName=name)
    refused((INVALID_VALUE, "MissingParameter"), world.sqs.create_queue, QueueName="")
    refused("MissingParameter", world.sqs.create_queue, text="QueueName")
    fifo = {"FifoQueue": "true"}
    refused(INVALID_VALUE, world.sqs.create_queue, QueueName="plain", Attributes=fifo)
    url = world.sqs.create_queue(QueueName="x" * 75 + ".fifo", Attributes=fifo)["QueueUrl"]
    equal(world.attributes(url, "FifoQueue"), {"FifoQueue": "true"})
    refused(INVALID_VALUE, world.sqs.create_queue, QueueName="x" * 76 + ".fifo", Attributes=fifo)
    # Names are case-sensitive.
    true(
        world.sqs.create_queue(QueueName="Case")["QueueUrl"]
        != world.sqs.create_queue(QueueName="case")["QueueUrl"],
        "Case and case are two queues",
    )
    refused(NO_QUEUE, world.sqs.get_queue_url, QueueName="CASE")


@check
def a_queue_that_is_not_there_is_refused_by_every_operation(world):
    gone = world.queue()
    world.sqs.delete_queue(QueueUrl=gone)
    entry = {"Id": "a", "MessageBody": "b", "ReceiptHandle": "r", "VisibilityTimeout": 1}
    pick = lambda *names: [{name: entry[name] for name in names}]
    for call, arguments in (
        ("send_message", {"MessageBody": "x"}),
        ("receive_message", {}),
        ("receive_message", {"WaitTimeSeconds": 5}),
        ("get_queue_attributes", {"AttributeNames": ["All"]}),
        ("set_queue_attributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("purge_queue", {}),
        ("send_message_batch", {"Entries": pick("Id", "MessageBody")}),
        ("delete_message_batch", {"Entries": pick("Id", "ReceiptHandle")}),
        ("change_message_visibility_batch", {"Entries": pick("Id", "ReceiptHandle", "VisibilityTimeout")}),
        ("add_permission", {"Label": "l", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"]}),
        ("remove_permission", {"Label": "l"}),
        ("tag_queue", {"Tags": {"a": "b"}}),
        ("untag_queue", {"TagKeys": ["a"]}),
        ("list_queue_tags", {}),
        ("list_dead_letter_source_queues", {}),
        ("delete_queue", {}),
    ):
        error = refused(NO_QUEUE, getattr(world.sqs, call), QueueUrl=gone, **arguments)
        kind = world.sqs.exceptions.QueueDoesNotExist
        true(isinstance(error, kind), f"{call}: QueueDoesNotExist, saw {type(error)}")
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400, call)
    # Its receipt handles are worth nothing, whichever of the two is noticed first.
    codes = (NO_QUEUE, "ReceiptHandleIsInvalid")
    refused(codes, world.sqs.delete_message, QueueUrl=gone, ReceiptHandle="r")
    refused(
        codes, world.sqs.change_message_visibility, QueueUrl=gone, ReceiptHandle="r", VisibilityTimeout=1
    )
    refused(NO_QUEUE, world.sqs.get_queue_url, QueueName=gone.rsplit("/", 1)[1])
    refused(NO_QUEUE, world.sqs.get_queue_url, QueueName="never-was")


@check
def queues_are_listed_in_pages_and_by_prefix(world):
    urls = [world.sqs.create_queue(QueueName=f"list-{n:02}")["QueueUrl"] for n in range(7)]
    other = world.sqs.create_queue(QueueName="other")["QueueUrl"]
    equal(sorted(world.sqs.list_queues()["QueueUrls"]), [*urls, other])
    equal(sorted(world.sqs.list_queues(QueueNamePrefix="list-")["QueueUrls"]), urls)
    equal(world.sqs.list_queues(QueueNamePrefix="oth")["QueueUrls"], [other])
    true("QueueUrls" not in world.sqs.list_queues(QueueNamePrefix="List"), "a prefix is case-sensitive")
    pages = []
    token = {}
    while True:
        answer = world.sqs.list_queues(QueueNamePrefix="list-", MaxResults=3, **token)
        pages.append(answer["QueueUrls"])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    equal([len(page) for page in pages], [3, 3, 1])
    equal(sorted(sum(pages, [])), urls)
    # Without MaxResults there are no pages, up to 1,000 results.
    true("NextToken" not in world.sqs.list_queues(), "no NextToken without MaxResults")
    paginator = world.sqs.get_paginator("list_queues")
    found = [u for page in paginator.paginate(PaginationConfig={"PageSize": 2}) for u in page["QueueUrls"]]
    equal(sorted(found), [*urls, other])
    for count in (0, 1001):
        refused(INVALID_VALUE, world.sqs.list_queues, MaxResults=count)
    refused(INVALID_VALUE, world.sqs.list_queues, MaxResults=3, NextToken="nonsense")


@check
def accounts_and_regions_see_their_own_queues_only(world):
    url = world.sqs.create_queue(QueueName="mine")["QueueUrl"]
    other = world.other_account()
    true("QueueUrls" not in other.list_queues(), "another account sees none")
    refused(NO_QUEUE, other.get_queue_url, QueueName="mine")
    abroad = make_client(world.endpoint, world.account, "eu-west-1", "sqs")
    true("QueueUrls" not in abroad.list_queues(), "another region sees none")
    there = abroad.create_queue(QueueName="mine")["QueueUrl"]
    arn = abroad.get_queue_attributes(QueueUrl=there, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    equal(arn, f"arn:aws:sqs:eu-west-1:{world.account}:mine")
    abroad.send_message(QueueUrl=there, MessageBody="abroad")
    world.nothing(url)
    # The owner may be named.
    found = world.sqs.get_queue_url(QueueName="mine", QueueOwnerAWSAccountId=world.account)
    equal(found["QueueUrl"], url)
    refused(
        (NO_QUEUE, "AccessDenied", "AccessDeniedException"), world.sqs.get_queue_url,
        QueueName="mine", QueueOwnerAWSAccountId="999999999999",
    )


@check
def a_deleted_queue_takes_its_messages_with_it(world):
    url = world.sqs.create_queue(QueueName="again", Attributes={"DelaySeconds": "0"})["QueueUrl"]
    world.send_all(url, ["old"] * 5)
    message = world.receive_one(url)
    world.sqs.delete_queue(QueueUrl=url)
    # AWS wants 60 s in between. A server without AWS's limits may let it be made again at once.
    made = []

    def look():
        try:
            made.append(world.sqs.create_queue(QueueName="again")["QueueUrl"])
        except world.sqs.exceptions.QueueDeletedRecently as error:
            equal(error.response["Error"]["Code"], PREFIX + "QueueDeletedRecently")
        return made

    wait_until("the queue can be made again", look, seconds=65)
    equal(made, [url])
    equal(world.counts(url), [0, 0, 0])
    world.nothing(url, wait=1)
    world.send(url, "new")
    equal(world.receive_one(url)["Body"], "new")
    # A handle of the queue's former life is nobody's, and never the new message's.
    try:
        world.delete(url, message)
    except world.sqs.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], "ReceiptHandleIsInvalid")
    equal(world.counts(url), [0, 1, 0])
