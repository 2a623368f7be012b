"""Query and Scan."""

from boto3.dynamodb.conditions import Attr, Key

from harness import check, equal, item, n, refused, text, true


def thirty(world):
    name = world.table()
    puts = [{"PutRequest": {"Item": item("p", f"{i:02}", i=n(i))}} for i in range(30)]
    for start in (0, 25):
        world.client.batch_write_item(RequestItems={name: puts[start:start + 25]})
    world.put(name, "other", "00")
    return name


def sort_keys(items):
    return [one["s"]["S"] if isinstance(one["s"], dict) else one["s"] for one in items]


@check
def key_conditions_choose_a_range_in_both_directions(world):
    table = world.resource().Table(thirty(world))
    all_keys = [f"{i:02}" for i in range(30)]
    s = Key("s")
    for condition, expected in (
        (None, all_keys), (s.eq("07"), ["07"]), (s.lt("07"), all_keys[:7]), (s.lte("07"), all_keys[:8]),
        (s.gt("07"), all_keys[8:]), (s.gte("07"), all_keys[7:]), (s.between("07", "11"), all_keys[7:12]),
        (s.begins_with("1"), all_keys[10:20]), (s.eq("x"), []),
    ):
        whole = Key("p").eq("p") if condition is None else Key("p").eq("p") & condition
        for forward in (True, False):
            seen = table.query(KeyConditionExpression=whole, ScanIndexForward=forward)["Items"]
            equal(sort_keys(seen), expected if forward else expected[::-1])


@check
def paginators_see_each_item_once(world):
    name = thirty(world)
    query = world.client.get_paginator("query").paginate(
        TableName=name, KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": text("p")},
        ScanIndexForward=False, PaginationConfig={"PageSize": 7})
    pages = list(query)
    equal([page["Count"] for page in pages], [7, 7, 7, 7, 2])
    equal(sort_keys(one for page in pages for one in page["Items"]), [f"{i:02}" for i in range(29, -1, -1)])
    scan = world.client.get_paginator("scan").paginate(TableName=name, PaginationConfig={"PageSize": 4})
    seen = [(one["p"]["S"], one["s"]["S"]) for page in scan for one in page["Items"]]
    equal((len(seen), len(set(seen))), (31, 31))


@check
def filters_are_looked_at_after_the_limit(world):
    table = world.resource().Table(thirty(world))
    page = table.query(KeyConditionExpression=Key("p").eq("p"), FilterExpression=Attr("i").gte(8), Limit=10)
    equal((sort_keys(page["Items"]), page["Count"], page["ScannedCount"]), (["08", "09"], 2, 10))
    equal(page["LastEvaluatedKey"], {"p": "p", "s": "09"})
    page = table.query(KeyConditionExpression=Key("p").eq("p"), Select="COUNT")
    equal((page["Count"], "Items" in page), (30, False))
    page = table.scan(FilterExpression=Attr("i").lt(3), ProjectionExpression="i")
    equal(sorted(one["i"] for one in page["Items"]), [0, 1, 2])


@check
def segments_together_are_the_table(world):
    name = world.table()
    for start in range(0, 100, 25):
        puts = [{"PutRequest": {"Item": item(f"p{i}")}} for i in range(start, start + 25)]
        world.client.batch_write_item(RequestItems={name: puts})
    for total in (1, 4, 33):
        segments = [world.client.scan(TableName=name, Segment=i, TotalSegments=total)["Items"] for i in range(total)]
        seen = [one["p"]["S"] for segment in segments for one in segment]
        equal((len(seen), len(set(seen))), (100, 100), f"items of {total} segments")


@check
def a_page_has_a_megabyte(world):
    name = world.table()
    for i in range(5):
        world.put(name, s=str(i), a=text("x" * 300_000))
    page = world.client.scan(TableName=name)
    equal(page["Count"], 4)
    true("LastEvaluatedKey" in page, "the page goes on")
    rest = world.client.scan(TableName=name, ExclusiveStartKey=page["LastEvaluatedKey"])
    equal((rest["Count"], "LastEvaluatedKey" in rest), (1, False))


@check
def what_cannot_be_meant_is_refused(world):
    name = world.table()
    query = lambda **more: refused("ValidationException", world.raw.query, TableName=name, **more)
    values = {":p": text("p")}
    query()
    query(KeyConditionExpression="s = :p", ExpressionAttributeValues=values)
    query(KeyConditionExpression="p > :p", ExpressionAttributeValues=values)
    query(KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": n(1)})
    query(KeyConditionExpression="p = :p", ExpressionAttributeValues=values, IndexName="missing")
    query(KeyConditionExpression="p = :p", ExpressionAttributeValues=values, ExclusiveStartKey=item("x"))
    refused("ValidationException", world.raw.scan, TableName=name, Segment=3, TotalSegments=2)
