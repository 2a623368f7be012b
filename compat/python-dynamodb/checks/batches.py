"""BatchGetItem and BatchWriteItem."""

from harness import check, equal, item, n, refused


@check
def batches_write_and_read(world):
    one, two = world.table(), world.table()
    puts = [{"PutRequest": {"Item": item(s=str(i), i=n(i))}} for i in range(20)]
    told = world.client.batch_write_item(RequestItems={one: puts, two: puts[:5]}, ReturnConsumedCapacity="TOTAL")
    equal(told["UnprocessedItems"], {})
    equal({c["TableName"]: c["CapacityUnits"] for c in told["ConsumedCapacity"]}, {one: 20.0, two: 5.0})
    world.client.batch_write_item(RequestItems={one: [{"DeleteRequest": {"Key": item(s="0")}}]})
    told = world.client.batch_get_item(RequestItems={
        one: {"Keys": [item(s=str(i)) for i in range(20)]},
        two: {"Keys": [item(s="1")], "ProjectionExpression": "i", "ConsistentRead": True},
    })
    equal(sorted(int(got["i"]["N"]) for got in told["Responses"][one]), list(range(1, 20)))
    equal(told["Responses"][two], [{"i": n(1)}])


@check
def the_batch_writer_of_the_resource_works(world):
    table = world.resource().Table(world.table())
    with table.batch_writer() as batch:
        for i in range(60):
            batch.put_item(Item={"p": "p", "s": f"{i:02}"})
    equal(table.scan()["Count"], 60)


@check
def batches_over_their_limits_are_refused(world):
    name = world.table()
    put = lambda i: {"PutRequest": {"Item": item(s=str(i))}}
    write = lambda items: refused("ValidationException", world.raw.batch_write_item, RequestItems={name: items})
    write([put(i) for i in range(26)])
    write([put(1), put(1)])
    write([])
    read = lambda keys: refused("ValidationException", world.raw.batch_get_item, RequestItems={name: {"Keys": keys}})
    read([item(s=str(i)) for i in range(101)])
    read([item(), item()])
    equal(world.client.scan(TableName=name)["Count"], 0)
