"""Secondary indexes."""

from harness import attribute, check, equal, index, item, n, refused, text, wait_until


def query(world, table, name, key, value, **more):
    return world.client.query(
        TableName=table, IndexName=name, KeyConditionExpression=f"{key} = :v",
        ExpressionAttributeValues={":v": text(value)}, **more)["Items"]


@check
def indexes_follow_their_table(world):
    table = world.table(
        more_attributes=[attribute("g"), attribute("h", "N")],
        GlobalSecondaryIndexes=[index("keys", "g", "h", "KEYS_ONLY"), index("all", "g")],
        LocalSecondaryIndexes=[index("local", "p", "h", "INCLUDE", NonKeyAttributes=["a"])])
    for i in (3, 1, 2):
        world.put(table, s=str(i), g=text("g"), h=n(i), a=text("a"), b=text("b"))
    world.put(table, s="sparse", g=text("g"))
    seen = query(world, table, "keys", "g", "g")
    equal(seen, [item(s=str(i), g=text("g"), h=n(i)) for i in (1, 2, 3)])
    equal(len(query(world, table, "all", "g", "g")), 4)
    seen = query(world, table, "local", "p", "p", ConsistentRead=True, ScanIndexForward=False)
    equal(seen, [item(s=str(i), h=n(i), a=text("a")) for i in (3, 2, 1)])
    seen = query(world, table, "local", "p", "p", Select="ALL_ATTRIBUTES", Limit=1)
    equal(seen, [item(s="1", g=text("g"), h=n(1), a=text("a"), b=text("b"))])
    world.client.update_item(TableName=table, Key=item(s="1"), UpdateExpression="SET g = :v",
                             ExpressionAttributeValues={":v": text("moved")})
    world.client.delete_item(TableName=table, Key=item(s="2"))
    equal([one["s"]["S"] for one in query(world, table, "keys", "g", "g")], ["3"])
    equal([one["s"]["S"] for one in query(world, table, "all", "g", "moved")], ["1"])
    counts = {one["IndexName"]: one["ItemCount"] for one in world.described(table)["GlobalSecondaryIndexes"]}
    equal(counts, {"keys": 2, "all": 3})
    refused("ValidationException", query, world=world, table=table, name="keys", key="g", value="g", ConsistentRead=True)


@check
def an_index_made_later_is_filled(world):
    table = world.table()
    for i in range(60):
        world.put(table, s=f"{i:02}", g=text(str(i % 3)))
    create = {"Create": index("late", "g", "s")}
    world.client.update_table(TableName=table, AttributeDefinitions=[attribute("g"), attribute("s")],
                              GlobalSecondaryIndexUpdates=[create])
    wait_until("the index is ACTIVE",
               lambda: world.described(table)["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE")
    equal(len(query(world, table, "late", "g", "2")), 20)
    world.client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "late"}}])
    wait_until("the index is gone", lambda: "GlobalSecondaryIndexes" not in world.described(table))
