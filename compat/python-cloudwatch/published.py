"""What services publish of themselves, a minute or two after it happened."""

import os

import boto3

from client import equal, fresh, make_client, pages, statistics, wait_until


def total(client, namespace, name, dimension):
    """The sum of all that was published of a metric."""
    return sum(point["Sum"] for point in statistics(client, namespace, name, [dimension], start=10))


def check():
    client, name = make_client(), fresh("published")
    def of(service):
        return boto3.client(service, region_name="us-east-1", endpoint_url=os.environ["HEADWATER_ENDPOINT"])
    kinesis, sqs = of("kinesis"), of("sqs")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"12345"}] * 10)
    [shard] = kinesis.list_shards(StreamName=name)["Shards"]
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody="1234567")
    stream, queue_of = {"Name": "StreamName", "Value": name}, {"Name": "QueueName", "Value": name}
    wait_until("the minute is published", lambda: total(client, "AWS/SQS", "NumberOfMessagesSent", queue_of) == 3, 150)
    wait_until("the level is published",
               lambda: any(point["Maximum"] == 3 for point in statistics(
                   client, "AWS/SQS", "ApproximateNumberOfMessagesVisible", [queue_of], start=10, statistics=["Maximum"])), 100)
    equal(total(client, "AWS/SQS", "SentMessageSize", queue_of), 21.0)
    equal(total(client, "AWS/Kinesis", "IncomingRecords", stream), 10.0)
    equal(total(client, "AWS/Kinesis", "IncomingBytes", stream), 60.0)
    equal(total(client, "AWS/Kinesis", "GetRecords.Records", stream), 10.0)
    listed, _ = pages(client.list_metrics, "Metrics", Dimensions=[stream])
    equal(sorted(metric["MetricName"] for metric in listed),
          ["GetRecords.Bytes", "GetRecords.IteratorAgeMilliseconds", "GetRecords.Records", "GetRecords.Success", "IncomingBytes",
           "IncomingRecords"])
    print("ok: services publish their metrics")
