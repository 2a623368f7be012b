"""AddPermission and RemovePermission: statements of the queue's policy."""

import json

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE

OTHERS = ["111122223333", "444455556666"]


def statements(world, url):
    text = world.attributes(url, "Policy").get("Policy")
    return json.loads(text)["Statement"] if text else []


def as_list(value):
    return sorted(value) if isinstance(value, list) else [value]


@check
def a_permission_is_a_statement_of_the_policy(world):
    url = world.queue()
    world.sqs.add_permission(
        QueueUrl=url, Label="two", AWSAccountIds=OTHERS, Actions=["SendMessage", "ReceiveMessage"]
    )
    (statement,) = statements(world, url)
    equal(statement["Sid"], "two")
    equal(statement["Effect"], "Allow")
    equal(as_list(statement["Principal"]["AWS"]), [f"arn:aws:iam::{account}:root" for account in OTHERS])
    equal([a.lower() for a in as_list(statement["Action"])], ["sqs:receivemessage", "sqs:sendmessage"])
    equal(statement["Resource"], world.arn(url))
    world.sqs.add_permission(QueueUrl=url, Label="all", AWSAccountIds=OTHERS[:1], Actions=["*"])
    equal([s["Sid"] for s in statements(world, url)], ["two", "all"])
    equal(as_list(statements(world, url)[1]["Action"])[0].lower(), "sqs:*")
    world.sqs.remove_permission(QueueUrl=url, Label="two")
    equal([s["Sid"] for s in statements(world, url)], ["all"])
    world.sqs.remove_permission(QueueUrl=url, Label="all")
    equal(statements(world, url), [])


@check
def permissions_stand_beside_a_policy_of_ones_own(world):
    url = world.queue()
    policy = {"Version": "2012-10-17", "Statement": [{
        "Sid": "own", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": world.arn(url),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]}
    world.set(url, Policy=json.dumps(policy))
    world.sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=OTHERS[:1], Actions=["SendMessage"])
    equal([s["Sid"] for s in statements(world, url)], ["own", "l"])
    equal(statements(world, url)[0], policy["Statement"][0])
    world.sqs.remove_permission(QueueUrl=url, Label="l")
    equal(json.loads(world.attributes(url, "Policy")["Policy"])["Statement"], policy["Statement"])


@check
def wrong_permissions_are_refused(world):
    url = world.queue()
    add = world.sqs.add_permission
    good = {"QueueUrl": url, "Label": "l", "AWSAccountIds": OTHERS[:1], "Actions": ["SendMessage"]}
    add(**good)
    refused(INVALID_VALUE, add, **good)  # the label is taken
    for change in (
        {"Label": "a b"}, {"Label": "x" * 81}, {"Label": ""},
        {"AWSAccountIds": ["not an account"]}, {"AWSAccountIds": []},
        {"Actions": ["Nonsense"]}, {"Actions": []}, {"Actions": ["CreateQueue"]},
    ):
        refused((INVALID_VALUE, "MissingParameter"), add, **{**good, "Label": "m", **change})
    eight = [
        "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes",
        "GetQueueUrl", "ListDeadLetterSourceQueues", "PurgeQueue",
    ]
    error = refused(("OverLimit", INVALID_VALUE), add, **{**good, "Label": "m", "Actions": eight})
    true("7" in str(error) or "Actions" in str(error), f"seven actions at most, saw {error}")
    refused(INVALID_VALUE, world.sqs.remove_permission, QueueUrl=url, Label="unknown")
    equal([s["Sid"] for s in statements(world, url)], ["l"])
