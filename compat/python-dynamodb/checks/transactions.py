"""TransactWriteItems and TransactGetItems."""

from harness import check, equal, item, n, refused


@check
def all_is_done_or_nothing(world):
    one, two = world.table(), world.table()
    world.put(one, s="a", i=n(1))
    world.put(two, s="b")
    actions = lambda guard: [
        {"Put": {"TableName": two, "Item": item(s="new"), "ConditionExpression": "attribute_not_exists(p)"}},
        {"Update": {"TableName": one, "Key": item(s="a"), "UpdateExpression": "ADD i :one",
                    "ExpressionAttributeValues": {":one": n(1)}}},
        {"Delete": {"TableName": two, "Key": item(s="b")}},
        {"ConditionCheck": {"TableName": one, "Key": item(s=guard), "ConditionExpression": "attribute_exists(p)"}},
    ]
    error = refused("TransactionCanceledException", world.client.transact_write_items, TransactItems=actions("none"))
    codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
    equal(codes, ["None", "None", "None", "ConditionalCheckFailed"])
    equal(world.get(two, s="new"), None)
    world.put(one, s="guard")
    world.client.transact_write_items(TransactItems=actions("guard"))
    gets = [{"Get": {"TableName": one, "Key": item(s="a")}}, {"Get": {"TableName": two, "Key": item(s="b")}},
            {"Get": {"TableName": two, "Key": item(s="new")}}]
    told = world.client.transact_get_items(TransactItems=gets)["Responses"]
    equal(told, [{"Item": item(s="a", i=n(2))}, {}, {"Item": item(s="new")}])


@check
def a_token_is_good_for_one_transaction(world):
    name = world.table()
    add = lambda amount: world.client.transact_write_items(ClientRequestToken="token", TransactItems=[
        {"Update": {"TableName": name, "Key": item(), "UpdateExpression": "ADD i :i",
                    "ExpressionAttributeValues": {":i": n(amount)}}}])
    add(1)
    add(1)
    equal(world.get(name)["i"], n(1))
    refused("IdempotentParameterMismatchException", add, amount=2)


@check
def what_cannot_be_meant_is_refused(world):
    name = world.table()
    put = lambda i: {"Put": {"TableName": name, "Item": item(s=str(i))}}
    write = lambda actions: refused("ValidationException", world.raw.transact_write_items, TransactItems=actions)
    write([])
    write([put(1), put(1)])
    write([put(i) for i in range(101)])
    write([{}])
    equal(world.client.scan(TableName=name)["Count"], 0)
