"""Capacity, on a server that was started with `--limits aws`."""

from botocore.exceptions import ClientError

from harness import check, equal, item, text, true


@check
def a_provisioned_table_throttles(world):
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    name = world.table(BillingMode="PROVISIONED", ProvisionedThroughput=units)
    large = item(a=text("x" * 100_000))
    seen = None
    for _ in range(10):
        try:
            world.client.put_item(TableName=name, Item=large)
        except ClientError as error:
            seen = error.response["Error"]["Code"]
            break
    equal(seen, "ProvisionedThroughputExceededException")
    true(world.get(name), "reads have a capacity of their own")


@check
def a_table_on_demand_takes_as_much(world):
    name = world.table()
    for _ in range(10):
        world.put(name, a=text("x" * 100_000))
