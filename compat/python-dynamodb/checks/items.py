"""Items: put, read, deleted."""

import zlib
from decimal import Decimal

from boto3.dynamodb.types import Binary

from harness import check, equal, item, n, refused, text


@check
def values_of_every_type_come_back(world):
    table = world.resource().Table(world.table())
    values = {
        "p": "p", "s": "s", "text": "ünï\0", "empty": "", "number": Decimal("-12.5"), "large": Decimal("1E+37"),
        "small": Decimal("1E-130"), "precise": Decimal("1." + "3" * 37), "bytes": Binary(b"\0\xff"), "yes": True, "none": None,
        "list": [1, "a", [True, None]], "map": {"a": {"b": [Decimal("0.1")]}}, "texts": {"a", "b"},
        "numbers": {Decimal(1), Decimal(2)}, "blobs": {Binary(b"a"), Binary(b"b")},
    }
    table.put_item(Item=values)
    equal(table.get_item(Key={"p": "p", "s": "s"}, ConsistentRead=True)["Item"], values)


@check
def a_write_tells_what_it_replaced(world):
    name = world.table()
    world.put(name, a=n(1))
    told = world.client.put_item(TableName=name, Item=item(b=n(2)), ReturnValues="ALL_OLD")
    equal(told["Attributes"], item(a=n(1)))
    told = world.client.delete_item(TableName=name, Key=item(), ReturnValues="ALL_OLD")
    equal(told["Attributes"], item(b=n(2)))
    equal("Attributes" in world.client.delete_item(TableName=name, Key=item(), ReturnValues="ALL_OLD"), False)
    equal(world.get(name), None)


@check
def reads_are_projected(world):
    name = world.table()
    world.put(name, a={"M": {"b": {"L": [n(1), n(2)]}}}, c=text("c"))
    told = world.client.get_item(TableName=name, Key=item(), ProjectionExpression="#a.b[1], c",
                                 ExpressionAttributeNames={"#a": "a"})
    equal(told["Item"], {"a": {"M": {"b": {"L": [n(2)]}}}, "c": text("c")})
    told = world.client.get_item(TableName=name, Key=item(), AttributesToGet=["c"])
    equal(told["Item"], {"c": text("c")})


@check
def what_is_no_item_is_refused(world):
    name = world.table()
    put = lambda **more: refused("ValidationException", world.raw.put_item, TableName=name, **more)
    put(Item={"p": text("p")})
    put(Item={"p": text("p"), "s": n(1)})
    put(Item=item(s=""))
    put(Item=item(a={"S": "a", "N": "1"}))
    put(Item=item(a={}))
    put(Item=item(a={"N": "one"}))
    put(Item=item(a={"SS": []}))
    put(Item=item(a={"SS": ["a", "a"]}))
    put(Item=item(a=text("x" * 400 * 1024)))
    put(Item=item(p="p" * 2049))
    put(Item=item(), ReturnValues="ALL_NEW")
    equal(world.client.scan(TableName=name)["Count"], 0)


@check
def capacity_is_told(world):
    name = world.table()
    put = world.client.put_item(TableName=name, Item=item(a=text("x" * 3000)), ReturnConsumedCapacity="TOTAL")
    equal(put["ConsumedCapacity"], {"TableName": name, "CapacityUnits": 3.0})
    get = world.client.get_item(TableName=name, Key=item(), ReturnConsumedCapacity="INDEXES")
    equal(get["ConsumedCapacity"]["Table"], {"CapacityUnits": 0.5})


@check
def replies_tell_their_checksum(world):
    name, replies = world.table(), []
    world.raw.meta.events.register("before-parse.dynamodb.*", lambda response_dict, **_: replies.append(response_dict))
    world.raw.put_item(TableName=name, Item=item())
    world.raw.get_item(TableName=name, Key=item())
    refused("ValidationException", world.raw.put_item, TableName=name, Item={})
    equal(len(replies), 3)
    for reply in replies:
        equal(int(reply["headers"]["x-amz-crc32"]), zlib.crc32(reply["body"]))
