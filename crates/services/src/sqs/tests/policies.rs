//! Permissions, and the policies they make.

use super::*;

fn permission(url: &str, label: &str, accounts: &[&str], actions: &[&str]) -> Value {
    json!({"QueueUrl": url, "Label": label, "AWSAccountIds": accounts, "Actions": actions})
}

async fn policy(world: &World, url: &str) -> Value {
    let told = world.attributes(url, &["Policy"]).await;
    told["Policy"]
        .as_str()
        .map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[tokio::test]
async fn permissions_make_the_policy_that_aws_makes() {
    let world = world();
    let url = world.plain("q").await;
    let (first, second) = ("111111111111", "222222222222");
    world
        .done(
            "AddPermission",
            permission(&url, "one", &[first], &["SendMessage"]),
        )
        .await;
    let more = permission(&url, "two", &[first, second], &["SendMessage", "*"]);
    world.done("AddPermission", more).await;
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    let arn = world.arn("q");
    let one = json!({
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": root(first)},
        "Action": "SQS:SendMessage",
        "Resource": arn,
    });
    let two = json!({
        "Sid": "two",
        "Effect": "Allow",
        "Principal": {"AWS": [root(first), root(second)]},
        "Action": ["SQS:SendMessage", "SQS:*"],
        "Resource": arn,
    });
    let with = |statements: Value| json!({"Version": "2008-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": statements});
    assert_eq!(policy(&world, &url).await, with(json!([one, two])));
    let again = permission(&url, "one", &[second], &["SendMessage"]);
    let text = "Value one for parameter Label is invalid. Reason: Already exists.";
    world
        .refused(
            "InvalidParameterValueException",
            text,
            "AddPermission",
            again,
        )
        .await;
    let remove = |label: &str| json!({"QueueUrl": url, "Label": label});
    world.done("RemovePermission", remove("one")).await;
    assert_eq!(policy(&world, &url).await, with(json!([two])));
    let text = "Value one for parameter Label is invalid. Reason: can't find label.";
    world
        .refused(
            "InvalidParameterValueException",
            text,
            "RemovePermission",
            remove("one"),
        )
        .await;
    world.done("RemovePermission", remove("two")).await;
    assert_eq!(policy(&world, &url).await, Value::Null);
}

#[tokio::test]
async fn permissions_that_can_be_none_are_refused() {
    let world = world();
    let url = world.plain("q").await;
    let account = ["111111111111"];
    let check = async |input: Value, shape: &str, reason: &str| {
        let (seen, _, text) = world.ask("AddPermission", input.clone()).await.unwrap_err();
        assert!(
            seen == shape && text.contains(reason),
            "{input}: {seen} {text}"
        );
    };
    let invalid = "InvalidParameterValueException";
    check(
        permission(&url, "a b", &account, &["*"]),
        invalid,
        "Value a b for parameter Label",
    )
    .await;
    check(
        permission(&url, &"x".repeat(81), &account, &["*"]),
        invalid,
        "for parameter Label",
    )
    .await;
    check(
        permission(&url, "x", &["12"], &["*"]),
        invalid,
        "Value 12 for parameter PrincipalId",
    )
    .await;
    let owners = permission(&url, "x", &account, &["DeleteQueue"]);
    check(
        owners,
        invalid,
        "Value SQS:DeleteQueue for parameter ActionName is invalid. Reason: Only the queue owner",
    )
    .await;
    let eight = permission(&url, "x", &account, &["SendMessage"; 8]);
    check(
        eight,
        "OverLimit",
        "8 Actions were found, maximum allowed is 7.",
    )
    .await;
    assert_eq!(policy(&world, &url).await, Value::Null);
}

#[tokio::test]
async fn a_policy_is_kept_as_it_is_given() {
    let world = world();
    let statement =
        json!({"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": world.arn("q")});
    let given = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let url = world.queue("q", json!({"Policy": given})).await;
    assert_eq!(world.attributes(&url, &["Policy"]).await["Policy"], given);
    world
        .done(
            "AddPermission",
            permission(&url, "x", &["111111111111"], &["*"]),
        )
        .await;
    assert_eq!(
        policy(&world, &url).await["Statement"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    world.set(&url, json!({"Policy": ""})).await;
    assert_eq!(world.attributes(&url, &["Policy"]).await, Value::Null);
}

#[tokio::test]
async fn a_policy_has_no_more_than_twenty_statements() {
    let world = world();
    let url = world.plain("q").await;
    for number in 0..20 {
        let label = number.to_string();
        world
            .done(
                "AddPermission",
                permission(&url, &label, &["111111111111"], &["*"]),
            )
            .await;
    }
    let text = "21 Statements were found, maximum allowed is 20.";
    let more = permission(&url, "more", &["111111111111"], &["*"]);
    world
        .refused("OverLimit", text, "AddPermission", more)
        .await;
}
