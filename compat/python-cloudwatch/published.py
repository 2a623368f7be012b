"""What services publish of themselves, a minute or two after it happened."""

import hashlib
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from client import equal, fresh, make_client, pages, statistics, wait_until


def total(client, namespace, name, dimension):
    """The sum of all that was published of a metric."""
    return sum(point["Sum"] for point in statistics(client, namespace, name, [dimension], start=10))


def of(service):
    return boto3.client(service, region_name="us-east-1", endpoint_url=os.environ["HEADWATER_ENDPOINT"],
                        config=Config(retries={"total_max_attempts": 1}))


def use_table(dynamodb, name):
    """Makes a provisioned table with an index; writes, reads, and fails in two ways."""
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    dynamodb.create_table(
        TableName=name, BillingMode="PROVISIONED", ProvisionedThroughput=units,
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                                 "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": units}])
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    for number in range(3):
        dynamodb.put_item(TableName=name, Item={"p": {"S": str(number)}, "g": {"S": "g"}})
    dynamodb.get_item(TableName=name, Key={"p": {"S": "0"}})
    dynamodb.query(TableName=name, IndexName="by-g", KeyConditionExpression="g = :g",
                   ExpressionAttributeValues={":g": {"S": "g"}})
    for arguments in ({"ConditionExpression": "attribute_not_exists(p)"}, {"ConditionExpression": "no expression"}):
        try:
            dynamodb.put_item(TableName=name, Item={"p": {"S": "0"}}, **arguments)
        except ClientError:
            continue
        raise AssertionError(f"{arguments} is not refused")


def check_table(client, name):
    table = {"Name": "TableName", "Value": name}
    index = {"Name": "GlobalSecondaryIndexName", "Value": "by-g"}
    def of_table(metric, *more, statistic="Sum"):
        points = statistics(client, "AWS/DynamoDB", metric, [table, *more], start=10, statistics=[statistic])
        return sum(point[statistic] for point in points)
    def operation(operation_name):
        return {"Name": "Operation", "Value": operation_name}
    # The last thing that was done: what is told with it or before it is all there is.
    wait_until("the table's minute is published",
               lambda: sum(point["Sum"] for point in statistics(client, "AWS/DynamoDB", "UserErrors", start=10)) == 1, 150)
    # Of the put that the condition kept from being done as well, but of nothing that has no meaning.
    equal(of_table("ConsumedWriteCapacityUnits"), 4.0)
    equal(of_table("ConsumedWriteCapacityUnits", index), 3.0)
    equal(of_table("ConsumedReadCapacityUnits"), 0.5)
    equal(of_table("ConsumedReadCapacityUnits", index), 0.5)
    equal(of_table("ConditionalCheckFailedRequests"), 1.0)
    equal(of_table("ReturnedItemCount", operation("Query")), 3.0)
    equal(of_table("SuccessfulRequestLatency", operation("PutItem"), statistic="SampleCount"), 3.0)
    assert of_table("SuccessfulRequestLatency", operation("Query")) > 0
    [level, *_] = statistics(client, "AWS/DynamoDB", "ProvisionedWriteCapacityUnits", [table], start=10, statistics=["Average"])
    equal(level["Average"], 7.0)
    equal(of_table("ThrottledRequests", operation("PutItem")), 0)


def check():
    client, name = make_client(), fresh("published")
    kinesis, sqs, dynamodb = of("kinesis"), of("sqs"), of("dynamodb")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingRecords", "OutgoingBytes"])
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"12345"}] * 10)
    number = int(hashlib.md5(b"k").hexdigest(), 16)
    [shard] = [shard for shard in kinesis.list_shards(StreamName=name)["Shards"]
               if int(shard["HashKeyRange"]["StartingHashKey"]) <= number <= int(shard["HashKeyRange"]["EndingHashKey"])]
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody="1234567")
    use_table(dynamodb, name)
    stream, queue_of = {"Name": "StreamName", "Value": name}, {"Name": "QueueName", "Value": name}
    wait_until("the minute is published", lambda: total(client, "AWS/SQS", "NumberOfMessagesSent", queue_of) == 3, 150)
    wait_until("the level is published",
               lambda: any(point["Maximum"] == 3 for point in statistics(
                   client, "AWS/SQS", "ApproximateNumberOfMessagesVisible", [queue_of], start=10, statistics=["Maximum"])), 100)
    equal(total(client, "AWS/SQS", "SentMessageSize", queue_of), 21.0)
    equal(total(client, "AWS/Kinesis", "IncomingRecords", stream), 10.0)
    equal(total(client, "AWS/Kinesis", "IncomingBytes", stream), 60.0)
    equal(total(client, "AWS/Kinesis", "GetRecords.Records", stream), 10.0)
    of_shard = {"Name": "ShardId", "Value": shard["ShardId"]}
    shard_total = lambda metric: sum(
        point["Sum"] for point in statistics(client, "AWS/Kinesis", metric, [stream, of_shard], start=10))
    equal([shard_total(metric) for metric in ("IncomingRecords", "OutgoingBytes", "IncomingBytes")], [10.0, 60.0, 0])
    check_table(client, name)
    listed, _ = pages(client.list_metrics, "Metrics", Dimensions=[stream])
    equal(sorted({metric["MetricName"] for metric in listed}),
          ["GetRecords.Bytes", "GetRecords.IteratorAgeMilliseconds", "GetRecords.Latency", "GetRecords.Records", "GetRecords.Success",
           "IncomingBytes", "IncomingRecords", "OutgoingBytes", "PutRecords.Bytes", "PutRecords.FailedRecords", "PutRecords.Latency",
           "PutRecords.Success", "PutRecords.SuccessfulRecords", "PutRecords.ThrottledRecords", "PutRecords.TotalRecords"])
    print("ok: services publish their metrics")
