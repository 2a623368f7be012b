"""What of a table can be set."""

import time

from harness import attribute, check, equal, n, refused, text, wait_until


@check
def capacity_and_billing_change(world):
    units = lambda read, write: {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    name = world.table(BillingMode="PROVISIONED", ProvisionedThroughput=units(5, 5))
    world.client.update_table(TableName=name, ProvisionedThroughput=units(6, 4))
    world.client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    told = world.described(name)["ProvisionedThroughput"]
    equal((told["ReadCapacityUnits"], told["WriteCapacityUnits"], told["NumberOfDecreasesToday"]), (6, 4, 1))
    refused("ValidationException", world.client.update_table, TableName=name, ProvisionedThroughput=units(6, 4))
    world.client.update_table(TableName=name, BillingMode="PAY_PER_REQUEST", TableClass="STANDARD_INFREQUENT_ACCESS")
    told = world.described(name)
    equal(told["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
    equal(told["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS")


@check
def tags_are_kept(world):
    client = world.client
    arn = world.described(world.table(Tags=[{"Key": "a", "Value": "1"}]))["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": f"k{i:02}", "Value": "v"} for i in range(15)])
    client.untag_resource(ResourceArn=arn, TagKeys=["k00"])
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    tags = [tag["Key"] for page in pages for tag in page["Tags"]]
    equal(tags, ["a"] + [f"k{i:02}" for i in range(1, 15)])
    refused("ResourceNotFoundException", client.list_tags_of_resource, ResourceArn=f"{arn}-none")


@check
def time_to_live_is_set_and_told(world):
    name = world.table()
    on = {"Enabled": True, "AttributeName": "at"}
    world.client.update_time_to_live(TableName=name, TimeToLiveSpecification=on)
    told = world.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    equal(told, {"TimeToLiveStatus": "ENABLED", "AttributeName": "at"})
    refused("ValidationException", world.client.update_time_to_live, TableName=name, TimeToLiveSpecification=on)


@check
def what_has_expired_is_deleted(world):
    name = world.table()
    now = int(time.time())
    world.put(name, s="old", at=n(now - 60))
    world.client.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "at"}
    )
    world.put(name, s="due", at=n(now - 30))
    world.put(name, s="later", at=n(now + 3_600))
    world.put(name, s="text", at=text(str(now - 30)))
    # The server looks once a minute.
    wait_until("both are deleted", lambda: world.client.scan(TableName=name)["Count"] == 2, seconds=150)
    left = world.client.scan(TableName=name)["Items"]
    equal(sorted(item["s"]["S"] for item in left), ["later", "text"])


@check
def point_in_time_recovery_is_a_setting(world):
    name = world.table()
    status = lambda answer: answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
        "PointInTimeRecoveryStatus"]
    equal(status(world.client.describe_continuous_backups(TableName=name)), "DISABLED")
    on = {"PointInTimeRecoveryEnabled": True}
    world.client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=on)
    equal(status(world.client.describe_continuous_backups(TableName=name)), "ENABLED")
    refused("TableNotFoundException", world.client.describe_continuous_backups, TableName="missing")


@check
def policies_are_kept(world):
    client = world.client
    arn = world.described(world.table())["TableArn"]
    refused("PolicyNotFoundException", client.get_resource_policy, ResourceArn=arn)
    made = client.put_resource_policy(ResourceArn=arn, Policy='{"Version": "2012-10-17"}')
    told = client.get_resource_policy(ResourceArn=arn)
    equal((told["Policy"], told["RevisionId"]), ('{"Version": "2012-10-17"}', made["RevisionId"]))
    client.delete_resource_policy(ResourceArn=arn)
    refused("PolicyNotFoundException", client.get_resource_policy, ResourceArn=arn)


@check
def the_account_has_limits_and_an_endpoint(world):
    equal(world.client.describe_limits()["TableMaxReadCapacityUnits"], 40_000)
    address = world.client.describe_endpoints()["Endpoints"][0]["Address"]
    equal(f"http://{address}", world.endpoint)


@check
def an_attribute_has_one_type_in_all_keys(world):
    name = world.table()
    update = {"Create": {"IndexName": "by-s", "KeySchema": [{"AttributeName": "s", "KeyType": "HASH"}],
                         "Projection": {"ProjectionType": "ALL"}}}
    refused("ValidationException", world.client.update_table, TableName=name,
            AttributeDefinitions=[attribute("s", "N")], GlobalSecondaryIndexUpdates=[update])
