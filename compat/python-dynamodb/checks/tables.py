"""Tables: their life, and the listing of them."""

from harness import attribute, check, equal, index, item, keys, refused, true


@check
def a_table_lives_and_is_gone(world):
    client = world.client
    name = world.table(Tags=[{"Key": "a", "Value": "b"}])
    told = world.described(name)
    equal(told["TableStatus"], "ACTIVE")
    equal(told["TableArn"], f"arn:aws:dynamodb:us-east-1:{world.account}:table/{name}")
    equal(told["KeySchema"], keys("p", "s"))
    equal(told["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
    refused("ResourceInUseException", client.create_table, TableName=name, KeySchema=keys("p"),
            AttributeDefinitions=[attribute("p")], BillingMode="PAY_PER_REQUEST")
    world.put(name)
    client.delete_table(TableName=name)
    client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    refused("ResourceNotFoundException", client.get_item, TableName=name, Key=item())
    refused("ResourceNotFoundException", client.delete_table, TableName=name)


@check
def tables_are_listed_in_pages(world):
    names = sorted(world.table() for _ in range(5))
    pages = world.client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    equal([page["TableNames"] for page in pages], [names[:2], names[2:4], names[4:]])


@check
def what_is_no_table_is_refused(world):
    make = world.raw.create_table
    plain = {"TableName": "abc", "KeySchema": keys("p"), "AttributeDefinitions": [attribute("p")],
             "BillingMode": "PAY_PER_REQUEST"}
    for change in (
        {"TableName": "a"}, {"TableName": "a b c"}, {"KeySchema": []}, {"KeySchema": keys("q")}, {"BillingMode": "FREE"},
        {"BillingMode": "PROVISIONED"}, {"AttributeDefinitions": [attribute("p", "BOOL")]},
        {"AttributeDefinitions": [attribute("p"), attribute("unused")]},
        {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
        {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}},
        {"LocalSecondaryIndexes": [index("local", "p", "p")]},
        {"GlobalSecondaryIndexes": [index("abc", "p"), index("abc", "p")]},
    ):
        refused("ValidationException", make, **{**plain, **change})
    equal(world.client.list_tables()["TableNames"], [])


@check
def a_protected_table_is_not_deleted(world):
    name = world.table(DeletionProtectionEnabled=True)
    refused("ValidationException", world.client.delete_table, TableName=name)
    world.client.update_table(TableName=name, DeletionProtectionEnabled=False)
    world.client.delete_table(TableName=name)


@check
def accounts_do_not_see_each_other(world):
    name = world.table()
    other = type(world)(world.endpoint)
    equal(other.client.list_tables()["TableNames"], [])
    refused("ResourceNotFoundException", other.client.get_item, TableName=name, Key=item())
    arn = world.described(name)["TableArn"]
    refused("ResourceNotFoundException", other.client.describe_table, TableName=arn)
    true(world.client.describe_table(TableName=arn), "a table's own ARN names it")
