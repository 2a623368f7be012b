"""Put-, Get- and DeleteResourcePolicy on streams and consumers."""

import json

from botocore.exceptions import ClientError
from harness import INVALID, check, equal, refused


def policy(world, resource, action="kinesis:GetRecords"):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "readers",
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                    "Action": [action],
                    "Resource": resource,
                }
            ],
        }
    )


def policy_of(world, resource):
    """The resource's policy as a value. AWS does not document what GetResourcePolicy answers where
    there is none; a "not found" and an empty policy are both taken for none."""
    try:
        answer = world.kinesis.get_resource_policy(ResourceARN=resource)
    except ClientError as error:
        equal(error.response["Error"]["Code"], "ResourceNotFoundException")
        return {}
    return json.loads(answer["Policy"] or "{}")


@check
def a_policy_is_kept_replaced_and_deleted(world):
    name = world.stream()
    for resource in (world.arn(name), world.consumer(name)):
        equal(policy_of(world, resource), {})
        first = policy(world, resource)
        world.kinesis.put_resource_policy(ResourceARN=resource, Policy=first)
        equal(policy_of(world, resource), json.loads(first))
        second = policy(world, resource, "kinesis:DescribeStreamSummary")
        world.kinesis.put_resource_policy(ResourceARN=resource, Policy=second)
        equal(policy_of(world, resource), json.loads(second))
        world.kinesis.delete_resource_policy(ResourceARN=resource)
        equal(policy_of(world, resource), {})


@check
def a_policy_goes_with_its_stream(world):
    name = world.stream()
    resource = world.arn(name)
    world.kinesis.put_resource_policy(ResourceARN=resource, Policy=policy(world, resource))
    world.kinesis.delete_stream(StreamName=name)
    world.gone(name)
    refused("ResourceNotFoundException", world.kinesis.get_resource_policy, ResourceARN=resource)
    world.kinesis.create_stream(StreamName=name, ShardCount=1)
    world.active(name)
    equal(policy_of(world, resource), {})


@check
def policies_are_validated(world):
    name = world.stream()
    resource = {"ResourceARN": world.arn(name)}
    put = world.kinesis.put_resource_policy
    refused(INVALID, put, Policy="not json", **resource)
    refused(INVALID, put, Policy="[]", **resource)
    refused("ValidationException", put, **resource)
    refused("ValidationException", put, ResourceARN="nonsense", Policy="{}")
    missing = world.arn("none")
    not_found = "ResourceNotFoundException"
    refused(not_found, put, ResourceARN=missing, Policy=policy(world, missing))
    refused(not_found, world.kinesis.get_resource_policy, ResourceARN=missing)
    refused(not_found, world.kinesis.delete_resource_policy, ResourceARN=missing)
    equal(policy_of(world, world.arn(name)), {})
