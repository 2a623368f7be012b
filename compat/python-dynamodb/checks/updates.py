"""UpdateItem, and conditions of all writes."""

import concurrent.futures

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from harness import check, equal, item, n, refused, text


@check
def an_update_sets_adds_removes_and_deletes(world):
    name = world.table()
    world.put(name, a=n(1), gone=n(1), tags={"SS": ["x", "y"]}, list={"L": [n(1)]})
    told = world.client.update_item(
        TableName=name, Key=item(), ReturnValues="ALL_NEW",
        UpdateExpression="SET b = if_not_exists(b, :one) + a, #l = list_append(#l, :list) REMOVE gone ADD a :one DELETE tags :x",
        ExpressionAttributeNames={"#l": "list"},
        ExpressionAttributeValues={":one": n(1), ":list": {"L": [n(2)]}, ":x": {"SS": ["x"]}},
    )
    equal(told["Attributes"], item(a=n(2), b=n(2), tags={"SS": ["y"]}, list={"L": [n(1), n(2)]}))


@check
def an_update_tells_what_it_changed(world):
    name = world.table()
    world.put(name, a=n(1), b=n(1))
    update = lambda returned: world.client.update_item(
        TableName=name, Key=item(), UpdateExpression="ADD a :one", ExpressionAttributeValues={":one": n(1)},
        ReturnValues=returned)
    equal(update("UPDATED_OLD")["Attributes"], {"a": n(1)})
    equal(update("UPDATED_NEW")["Attributes"], {"a": n(3)})
    equal(update("ALL_OLD")["Attributes"], item(a=n(3), b=n(1)))
    equal("Attributes" in update("NONE"), False)


@check
def the_parameters_before_expressions_work(world):
    name = world.table()
    update = lambda owner: world.client.update_item(
        TableName=name, Key=item(), ReturnValues="ALL_NEW",
        AttributeUpdates={"owner": {"Value": text(owner)}, "count": {"Action": "ADD", "Value": n(1)}},
        Expected={"owner": {"Exists": False}} if owner == "a" else {"owner": {"Value": text("a")}})
    update("a")
    equal(update("b")["Attributes"], item(owner=text("b"), count=n(2)))
    refused("ConditionalCheckFailedException", update, owner="c")


@check
def a_refusal_tells_the_item(world):
    name = world.table()
    world.put(name, owner=text("a"))
    error = refused(
        "ConditionalCheckFailedException", world.client.put_item, TableName=name, Item=item(),
        ConditionExpression="attribute_not_exists(p)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    equal(error.response["Item"], item(owner=text("a")))


@check
def conditions_of_the_resource_work(world):
    table = world.resource().Table(world.table())
    table.put_item(Item={"p": "p", "s": "s", "count": 5, "tags": {"a", "b"}, "name": "headwater"})
    delete = lambda condition: table.delete_item(Key={"p": "p", "s": "s"}, ConditionExpression=condition)
    for condition in (
        Attr("count").gt(5), Attr("tags").contains("c"), Attr("name").begins_with("water"), Attr("none").exists(),
        ~Attr("count").between(1, 9), Attr("count").is_in([1, 2]) | Attr("name").size().lt(3),
        Attr("name").attribute_type("N"), Attr("count").eq(5) & Attr("count").ne(5),
    ):
        refused("ConditionalCheckFailedException", delete, condition=condition)
    delete(Attr("count").gte(5) & Attr("tags").contains("a") & Attr("name").size().eq(9))
    equal("Item" in table.get_item(Key={"p": "p", "s": "s"}), False)


@check
def a_hundred_writers_add_up(world):
    name = world.table()

    def add(_):
        world.client.update_item(TableName=name, Key=item(), UpdateExpression="ADD c :one",
                                 ExpressionAttributeValues={":one": n(1)})

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(add, range(100)))
    equal(world.get(name)["c"], n(100))


@check
def one_of_many_takes_a_lease(world):
    name = world.table()
    world.put(name, owner=text("nobody"))

    def take(taker):
        try:
            world.client.update_item(
                TableName=name, Key=item(), UpdateExpression="SET #o = :me", ConditionExpression="#o = :nobody",
                ExpressionAttributeNames={"#o": "owner"},
                ExpressionAttributeValues={":me": text(str(taker)), ":nobody": text("nobody")})
            return taker
        except ClientError as error:
            equal(error.response["Error"]["Code"], "ConditionalCheckFailedException")
            return None

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        taken = [taker for taker in pool.map(take, range(40)) if taker is not None]
    equal(len(taken), 1, "takers")
    equal(world.get(name)["owner"], text(str(taken[0])))


@check
def what_cannot_be_meant_is_refused(world):
    name = world.table()
    world.put(name, a=n(1))
    update = lambda **more: refused("ValidationException", world.raw.update_item, TableName=name, Key=item(), **more)
    update(UpdateExpression="SET p = :v", ExpressionAttributeValues={":v": text("x")})
    update(UpdateExpression="SET a = :v")
    update(UpdateExpression="SET a = :v", ExpressionAttributeValues={":v": n(1), ":unused": n(1)})
    update(UpdateExpression="GARBAGE")
    update(UpdateExpression="SET a = a + :v", ExpressionAttributeValues={":v": text("x")})
    update(UpdateExpression="SET a = none")
    update(UpdateExpression="SET a = :v, a = :v", ExpressionAttributeValues={":v": n(1)})
    update(UpdateExpression="SET name = :v", ExpressionAttributeValues={":v": n(1)})
    equal(world.get(name), item(a=n(1)))
