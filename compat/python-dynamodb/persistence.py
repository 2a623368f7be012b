"""Puts tables and items into a server, or checks that all of them are still there.

    persistence.py write|load|verify FILE

`write` notes what was acknowledged in FILE; `load` writes items until the server goes away, noting each that was acknowledged
before the next; `verify`, run after the server was restarted or killed, holds the server to all of it.
"""

import json
import os
import pathlib
import sys

from botocore.exceptions import BotoCoreError

from harness import World, attribute, equal, index, item, n, text, true

TABLE = "kept"


def write(world, file):
    world.client.create_table(
        TableName=TABLE, AttributeDefinitions=[attribute("p"), attribute("s"), attribute("g")],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[index("by-g", "g")], BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "a", "Value": "b"}])
    world.client.create_table(
        TableName="gone", AttributeDefinitions=[attribute("p"), attribute("s")],
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST")
    for i in range(50):
        world.put("gone", s=str(i))
    world.client.delete_table(TableName="gone")
    world.put(TABLE, s="deleted", g=text("g"))
    world.client.delete_item(TableName=TABLE, Key=item(s="deleted"))
    world.client.transact_write_items(ClientRequestToken="once", TransactItems=once())
    file.write_text(json.dumps({"account": world.account, "acknowledged": 0}))


def once():
    add = {"TableName": TABLE, "Key": item(s="once"), "UpdateExpression": "ADD i :one",
           "ExpressionAttributeValues": {":one": n(1)}}
    return [{"Update": add}]


def load(world, file, kept):
    """Two items in one transaction each time; the server is killed meanwhile."""
    number = kept["acknowledged"]
    while True:
        pair = [{"Put": {"TableName": TABLE, "Item": item(f"p{number}", s, g=text("pair"), i=n(number))}} for s in "ab"]
        try:
            world.client.transact_write_items(TransactItems=pair)
        except BotoCoreError:
            return
        number += 1
        file.write_text(json.dumps({**kept, "acknowledged": number}))
        print(number, flush=True)


def verify(world, kept):
    equal(world.get(TABLE, s="deleted"), None)
    world.client.transact_write_items(ClientRequestToken="once", TransactItems=once())
    equal(world.get(TABLE, s="once")["i"], n(1))
    equal("gone" in world.client.list_tables()["TableNames"], False, "a deleted table is listed")
    arn = world.described(TABLE)["TableArn"]
    equal(world.client.list_tags_of_resource(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "b"}])
    query = world.client.get_paginator("query").paginate(
        TableName=TABLE, IndexName="by-g", KeyConditionExpression="g = :g", ExpressionAttributeValues={":g": text("pair")})
    entries = sorted((one["p"]["S"], one["s"]["S"]) for page in query for one in page["Items"])
    scan = world.client.get_paginator("scan").paginate(TableName=TABLE)
    items = sorted((one["p"]["S"], one["s"]["S"]) for page in scan for one in page["Items"] if one["s"]["S"] != "once")
    equal(entries, items, "entries of the index")
    whole = {p for p, _ in items}
    equal(len(items), 2 * len(whole), "items of whole transactions")
    missing = [i for i in range(kept["acknowledged"]) if f"p{i}" not in whole]
    equal(missing, [], "acknowledged and missing")
    # One more may be there, whose answer the kill cut off.
    true(len(whole) <= kept["acknowledged"] + 1, f"{kept['acknowledged']} or one more, saw {len(whole)}")
    print(f"ok   {len(whole)} transactions, {kept['acknowledged']} acknowledged")


def main():
    action, file = sys.argv[1], pathlib.Path(sys.argv[2])
    world = World(os.environ["HEADWATER_ENDPOINT"])
    if action == "write":
        write(world, file)
        return
    kept = json.loads(file.read_text())
    equal(world.account, kept["account"])
    if action == "load":
        load(world, file, kept)
    else:
        verify(world, kept)


if __name__ == "__main__":
    main()
