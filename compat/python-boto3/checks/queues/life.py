"""Queues on streams: created, described, listed, changed, deleted, tagged."""

import concurrent.futures
import re
import time
from datetime import datetime, timedelta, timezone

from harness import INVALID, check, equal, refused, true, wait_until
from stream_queue import StreamQueue, numbers, texts


@check
def a_queue_is_created_and_described(world):
    stream = world.on_demand_stream()
    before = time.time()
    made = world.kinesis.create_queue(
        QueueName="q", StreamConfigurationList=[{"StreamARN": world.arn(stream)}], Tags={"a": "b"}
    )["QueueDescription"]
    arn = made["QueueARN"]
    true(re.fullmatch(r"arn:aws:kinesis:us-east-1:\d{12}:queue/[^/\s]+", arn), f"a queue's ARN, saw {arn}")
    true(made["QueueStatus"] in ("CREATING", "ACTIVE"), "a new queue is CREATING or ACTIVE")
    describe = lambda: world.kinesis.describe_queue(QueueARN=arn)["QueueDescription"]
    wait_until("the queue is ACTIVE", lambda: describe()["QueueStatus"] == "ACTIVE")
    seen = describe()
    equal(seen["QueueName"], "q")
    equal(seen["QueueARN"], arn)
    true(before - 2 <= seen["QueueCreationTimestamp"].timestamp() <= time.time() + 2, "made just now")
    [configuration] = seen["StreamConfigurationList"]
    equal(configuration["StreamARN"], world.arn(stream))
    equal(configuration["StartingPosition"]["Type"], "LATEST")
    equal(configuration["StartingPosition"]["Timestamp"], seen["QueueCreationTimestamp"])
    equal(seen["QueueAttributes"], {
        "VisibilityTimeoutSeconds": 30,
        "DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 6},
    })
    summary = world.summary(stream)
    equal((summary["QueueCount"], summary["ConsumerCount"]), (1, 0))
    refused("ResourceInUseException", world.kinesis.create_queue,
            QueueName="q", StreamConfigurationList=[{"StreamARN": world.arn(stream)}])


@check
def delivery_begins_where_it_is_asked_to(world):
    stream = world.on_demand_stream()
    first = StreamQueue(world, stream)
    first.put([0])
    [record] = first.receive_all(1)
    later = record["ApproximateArrivalTimestamp"] + timedelta(milliseconds=1)
    wait_until("a millisecond has passed", lambda: datetime.now(timezone.utc) > later + timedelta(milliseconds=1))
    first.put([1])
    latest = StreamQueue(world, stream, "LATEST")
    at = world.kinesis.create_queue(
        QueueName="at",
        StreamConfigurationList=[{
            "StreamARN": world.arn(stream),
            "StartingPosition": {"Type": "AT_TIMESTAMP", "Timestamp": later},
        }],
    )["QueueDescription"]["QueueARN"]
    first.put([2])
    equal(numbers(latest.receive_all(1)), [2])
    latest.nothing()
    latest.arn = at
    latest.active()
    equal(numbers(latest.receive_all(2)), [1, 2])
    position = latest.describe()["StreamConfigurationList"][0]["StartingPosition"]
    equal(position["Type"], "AT_TIMESTAMP")
    true(abs(position["Timestamp"] - later) < timedelta(milliseconds=2), f"the time asked for, saw {position}")
    equal(numbers(first.receive_all(2)), [1, 2])


@check
def queues_are_listed_in_pages(world):
    equal(world.kinesis.list_queues()["QueueSummaries"], [])
    stream, other = world.on_demand_stream(), world.on_demand_stream()
    names = sorted([StreamQueue(world, stream).name for _ in range(3)] + [StreamQueue(world, other).name])
    pages = world.kinesis.list_queues(MaxResults=3)
    equal(len(pages["QueueSummaries"]), 3)
    rest = world.kinesis.list_queues(MaxResults=3, NextToken=pages["NextToken"])
    true("NextToken" not in rest, "no token at the end")
    equal([q["QueueName"] for q in pages["QueueSummaries"] + rest["QueueSummaries"]], names)
    created = world.summary(stream)["StreamCreationTimestamp"]
    of = lambda **more: world.kinesis.list_queues(
        StreamFilter=[{"StreamARN": world.arn(stream), **more}])["QueueSummaries"]
    equal(len(of()), 3)
    equal(len(of(StreamCreationTimestamp=created)), 3)
    equal(of(StreamCreationTimestamp=created - timedelta(days=1)), [])
    [identified] = of()[0]["Streams"]
    equal(identified, {"StreamARN": world.arn(stream), "StreamCreationTimestamp": created})
    refused("InvalidArgumentException", world.kinesis.list_queues, NextToken="nonsense")
    equal(world.other_region("eu-west-1").list_queues()["QueueSummaries"], [])


@check
def a_queue_is_changed(world):
    queue = StreamQueue(world)
    answer = world.kinesis.update_queue(QueueARN=queue.arn, QueueAttributes={"VisibilityTimeoutSeconds": 0})
    true(answer["QueueDescription"]["QueueStatus"] in ("UPDATING", "ACTIVE"), "it is UPDATING or ACTIVE")
    queue.active()
    attributes = queue.describe()["QueueAttributes"]
    equal(attributes["VisibilityTimeoutSeconds"], 0)
    equal(attributes["DeadLetterConfiguration"]["MaxReceiveCount"], 6)
    world.kinesis.update_queue(
        QueueARN=queue.arn, QueueAttributes={"DeadLetterConfiguration": {"TargetType": "NONE"}})
    queue.active()
    attributes = queue.describe()["QueueAttributes"]
    equal(attributes["DeadLetterConfiguration"], {"TargetType": "NONE"})
    queue.put([1])
    for count in range(1, 12):
        [record] = queue.receive()
        equal(record["ReceiveCount"], count)


@check
def a_deleted_queue_is_gone_and_polls_end(world):
    queue = StreamQueue(world)
    queue.put([1])
    records = queue.receive_all(1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        poll = pool.submit(refused, "ResourceNotFoundException", world.kinesis.receive_queue_records,
                           QueueARN=queue.arn, WaitTimeSeconds=20)
        # A receive that began after the poll and found nothing: the poll waits by now. If not, it must be refused all the same.
        queue.nothing()
        world.kinesis.delete_queue(QueueARN=queue.arn)
        poll.result()
    true(time.monotonic() - started < 10, "a poll of a deleted queue ends at once")
    missing = "ResourceNotFoundException"

    def gone():
        try:
            return queue.describe()["QueueStatus"] != "DELETING"
        except world.kinesis.exceptions.ResourceNotFoundException:
            return True

    wait_until("the queue is gone", gone)
    refused(missing, world.kinesis.describe_queue, QueueARN=queue.arn)
    refused(missing, world.kinesis.delete_queue, QueueARN=queue.arn)
    entries = [{"ReceiptHandle": records[0]["ReceiptHandle"]}]
    refused(missing, world.kinesis.acknowledge_queue_records, QueueARN=queue.arn, Entries=entries)
    again = StreamQueue(world, queue.stream)
    true(again.arn != queue.arn, "a new queue has another ARN")
    equal(texts(again.receive_all(1)), ["1"])


@check
def a_stream_with_queues_is_not_deleted_and_stays_on_demand(world):
    queue = StreamQueue(world)
    in_use = "ResourceInUseException"
    refused(in_use, world.kinesis.delete_stream, StreamName=queue.stream)
    refused(in_use, world.kinesis.delete_stream, StreamName=queue.stream, EnforceConsumerDeletion=True)
    mode = {"StreamARN": world.arn(queue.stream), "StreamModeDetails": {"StreamMode": "PROVISIONED"}}
    refused(in_use, world.kinesis.update_stream_mode, **mode)
    world.kinesis.delete_queue(QueueARN=queue.arn)
    wait_until("the stream has no queues", lambda: world.summary(queue.stream)["QueueCount"] == 0)
    world.kinesis.update_stream_mode(**mode)
    world.active(queue.stream)
    refused(INVALID, world.kinesis.create_queue, QueueName="q",
            StreamConfigurationList=[{"StreamARN": world.arn(queue.stream)}])
    world.kinesis.delete_stream(StreamName=queue.stream)


@check
def queues_are_validated(world):
    create = world.kinesis.create_queue
    stream = {"StreamARN": world.arn(world.on_demand_stream())}
    refused("ValidationException", create, QueueName="a b", StreamConfigurationList=[stream])
    refused("ValidationException", create, QueueName="x" * 129, StreamConfigurationList=[stream])
    refused("ValidationException", create, StreamConfigurationList=[stream])
    refused(INVALID, create, QueueName="q", StreamConfigurationList=[])
    refused(INVALID, create, QueueName="q", StreamConfigurationList=[stream, stream])
    refused("ResourceNotFoundException", create, QueueName="q",
            StreamConfigurationList=[{"StreamARN": world.arn("none")}])
    for position in ({"Type": "AT_TIMESTAMP"}, {"Type": "LATEST", "Timestamp": 1}, {"Type": "NOW"}):
        refused("ValidationException", create, QueueName="q",
                StreamConfigurationList=[{**stream, "StartingPosition": position}])
    for attributes in (
        {"VisibilityTimeoutSeconds": 43_201}, {"VisibilityTimeoutSeconds": -1},
        {"DeadLetterConfiguration": {"TargetType": "BUILT_IN"}},
        {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 0}},
        {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 1001}},
        {"DeadLetterConfiguration": {"TargetType": "ELSEWHERE", "MaxReceiveCount": 1}},
    ):
        refused(INVALID, create, QueueName="q", StreamConfigurationList=[stream], QueueAttributes=attributes)
    queue = StreamQueue(world)
    receive = world.kinesis.receive_queue_records
    for bad in ({"Limit": 0}, {"Limit": 11}, {"WaitTimeSeconds": 0}, {"WaitTimeSeconds": 21},
                {"VisibilityTimeoutSeconds": 43_201}):
        refused("ValidationException", receive, QueueARN=queue.arn, **bad)
    acknowledge = world.kinesis.acknowledge_queue_records
    refused("ValidationException", acknowledge, QueueARN=queue.arn, Entries=[])
    refused("ValidationException", acknowledge, QueueARN=queue.arn, Entries=[{"ReceiptHandle": "x"}] * 11)
    refused("ValidationException", acknowledge, QueueARN=queue.arn, Entries=[{"ReceiptHandle": "x" * 1025}])
    missing = queue.arn.rsplit("/", 1)[0] + "/" + "0" * 20
    for call in (receive, world.kinesis.describe_queue, world.kinesis.delete_queue,
                 world.kinesis.receive_dead_letter_queue_records):
        refused("ResourceNotFoundException", call, QueueARN=missing)
        refused("ValidationException", call, QueueARN="nonsense")
    refused("AccessDeniedException", world.other_account().describe_queue, QueueARN=queue.arn)


@check
def queues_have_tags_of_their_own(world):
    queue = StreamQueue(world)
    tags = lambda: {
        tag["Key"]: tag["Value"]
        for tag in world.kinesis.list_tags_for_resource(ResourceARN=queue.arn)["Tags"]
    }
    equal(tags(), {})
    world.kinesis.tag_resource(ResourceARN=queue.arn, Tags={"a": "b", "c": "d"})
    equal(tags(), {"a": "b", "c": "d"})
    world.kinesis.untag_resource(ResourceARN=queue.arn, TagKeys=["a"])
    equal(tags(), {"c": "d"})
    equal(world.kinesis.list_tags_for_stream(StreamName=queue.stream)["Tags"], [])
    many = {str(n): "" for n in range(50)}
    refused(INVALID, world.kinesis.tag_resource, ResourceARN=queue.arn, Tags=many)
