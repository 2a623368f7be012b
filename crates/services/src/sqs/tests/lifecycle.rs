//! Queues made, found by name, listed, purged and deleted.

use super::*;

#[tokio::test]
async fn a_queue_is_made_found_and_deleted() {
    let world = world();
    let url = world.plain("orders").await;
    assert_eq!(url, world.url("orders"));
    let found = world
        .done("GetQueueUrl", json!({"QueueName": "orders"}))
        .await;
    assert_eq!(found["QueueUrl"], url);
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    let none = "The specified queue does not exist.";
    for (operation, input) in [
        ("GetQueueUrl", json!({"QueueName": "orders"})),
        ("DeleteQueue", json!({"QueueUrl": url})),
        ("GetQueueAttributes", json!({"QueueUrl": url})),
        ("GetQueueUrl", json!({"QueueName": "never"})),
        ("GetQueueUrl", json!({"QueueName": "no name"})),
    ] {
        world
            .refused("QueueDoesNotExist", none, operation, input)
            .await;
    }
}

#[tokio::test]
async fn an_error_has_its_old_name_too() {
    let refusal = world().ask("GetQueueUrl", json!({"QueueName": "q"})).await;
    let (_, query_code, _) = refusal.unwrap_err();
    assert_eq!(query_code, "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test]
async fn a_queue_may_be_made_again_as_it_is() {
    let world = world();
    let attributes = json!({"DelaySeconds": "5", "VisibilityTimeout": "9"});
    let url = world.queue("q", attributes.clone()).await;
    for same in [
        attributes,
        json!({"DelaySeconds": "5"}),
        json!({}),
        json!({"MaximumMessageSize": "1048576"}),
    ] {
        assert_eq!(world.queue("q", same).await, url);
    }
    let text = "A queue already exists with the same name and a different value for attribute DelaySeconds";
    let other =
        json!({"QueueName": "q", "Attributes": {"DelaySeconds": "6", "VisibilityTimeout": "9"}});
    world
        .refused("QueueNameExists", text, "CreateQueue", other.clone())
        .await;
    let (_, query_code, _) = world.ask("CreateQueue", other).await.unwrap_err();
    assert_eq!(query_code, "QueueAlreadyExists");
}

#[tokio::test]
async fn names_say_whether_a_queue_is_fifo() {
    let world = world();
    assert_eq!(world.plain("q.fifo").await, world.url("q.fifo"));
    let plain =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    let fifo = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
                .fifo suffix and be 1 to 80 in length.";
    let long = "x".repeat(81);
    for (name, attributes, text) in [
        ("a b", json!({}), plain),
        ("a.fifo", json!({}), plain),
        ("a.fifo", json!({"FifoQueue": "false"}), plain),
        (&long, json!({}), plain),
        ("a", json!({"FifoQueue": "true"}), fifo),
        ("a b.fifo", json!({"FifoQueue": "true"}), fifo),
    ] {
        let input = json!({"QueueName": name, "Attributes": attributes});
        world
            .refused("InvalidParameterValueException", text, "CreateQueue", input)
            .await;
    }
}

#[tokio::test]
async fn a_deleted_queues_name_is_free_after_a_minute_under_the_limits_of_aws() {
    let world = World::new(Limits::Aws);
    let url = world.plain("q").await;
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    let text = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
    let again = json!({"QueueName": "q"});
    world
        .refused("QueueDeletedRecently", text, "CreateQueue", again.clone())
        .await;
    world.later(59);
    world
        .refused("QueueDeletedRecently", text, "CreateQueue", again.clone())
        .await;
    world.later(2);
    world.done("CreateQueue", again).await;
}

#[tokio::test]
async fn a_deleted_queues_name_is_free_at_once_without_limits() {
    let world = world();
    let url = world.queue("q", json!({"DelaySeconds": "5"})).await;
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    world.plain("q").await;
    assert_eq!(
        world.attributes(&url, &["DelaySeconds"]).await,
        json!({"DelaySeconds": "0"})
    );
}

#[tokio::test]
async fn a_long_poll_ends_when_its_queue_is_deleted() {
    let world = world();
    let url = world.plain("q").await;
    let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
    let deletion = async {
        // Each is polled once before the other goes on: the poll waits by now.
        tokio::task::yield_now().await;
        world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    };
    let both = futures_util::future::join(world.ask("ReceiveMessage", poll), deletion);
    let ended = tokio::time::timeout(Duration::from_secs(10), both).await;
    let (answer, ()) = ended.expect("it does not wait on");
    let (shape, query_code, text) = answer.expect_err("the queue is gone");
    assert_eq!(shape, "QueueDoesNotExist");
    assert_eq!(query_code, "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(text, "The specified queue does not exist.");
}

#[tokio::test]
async fn accounts_and_regions_see_their_own_queues_alone() {
    let world = world();
    let url = world.plain("q").await;
    let elsewhere = world.asked_by(ACCOUNT, "eu-west-1");
    let none = "The specified queue does not exist.";
    let input = json!({"QueueUrl": url});
    elsewhere
        .refused(
            "QueueDoesNotExist",
            none,
            "GetQueueAttributes",
            input.clone(),
        )
        .await;
    let other = world.asked_by("999999999999", "us-east-1");
    let denied = format!("Access to the resource {url} is denied.");
    other
        .refused(
            "AccessDeniedException",
            &denied,
            "GetQueueAttributes",
            input,
        )
        .await;
    let asked = json!({"QueueName": "q", "QueueOwnerAWSAccountId": ACCOUNT});
    other
        .refused("QueueDoesNotExist", none, "GetQueueUrl", asked.clone())
        .await;
    assert_eq!(world.done("GetQueueUrl", asked).await["QueueUrl"], url);
    assert_eq!(other.done("ListQueues", json!({})).await, json!({}));
}

#[tokio::test]
async fn what_is_no_url_is_refused() {
    let world = world();
    let text = "The address a/q is not valid for this endpoint.";
    world
        .refused(
            "InvalidAddress",
            text,
            "DeleteQueue",
            json!({"QueueUrl": "a/q"}),
        )
        .await;
}

#[tokio::test]
async fn queues_are_listed_by_name_in_pages() {
    let world = world();
    for name in ["b-2", "a", "b-1", "b-3", "c"] {
        world.plain(name).await;
    }
    let urls = |names: &[&str]| json!(names.iter().map(|name| world.url(name)).collect::<Vec<_>>());
    let all = world.done("ListQueues", json!({})).await;
    assert_eq!(
        all,
        json!({"QueueUrls": urls(&["a", "b-1", "b-2", "b-3", "c"])})
    );
    let some = world
        .done("ListQueues", json!({"QueueNamePrefix": "b-"}))
        .await;
    assert_eq!(some["QueueUrls"], urls(&["b-1", "b-2", "b-3"]));
    let page = world
        .done(
            "ListQueues",
            json!({"QueueNamePrefix": "b", "MaxResults": 2}),
        )
        .await;
    assert_eq!(page["QueueUrls"], urls(&["b-1", "b-2"]));
    let rest = json!({"QueueNamePrefix": "b", "MaxResults": 2, "NextToken": page["NextToken"]});
    assert_eq!(
        world.done("ListQueues", rest).await,
        json!({"QueueUrls": urls(&["b-3"])})
    );
    let exactly = world.done("ListQueues", json!({"MaxResults": 5})).await;
    assert!(exactly["NextToken"].is_null());
    let (shape, _, _) = world
        .ask(
            "ListQueues",
            json!({"NextToken": page["NextToken"], "MaxResults": 2}),
        )
        .await
        .unwrap_err();
    assert_eq!(
        shape, "InvalidParameterValueException",
        "a token of another list"
    );
    for size in [0, 1_001] {
        let text = format!(
            "Value {size} for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000."
        );
        let input = json!({"MaxResults": size});
        world
            .refused("InvalidParameterValueException", &text, "ListQueues", input)
            .await;
    }
}

#[tokio::test]
async fn a_queue_is_purged_once_a_minute() {
    let world = world();
    let url = world.plain("q").await;
    let purge = json!({"QueueUrl": url});
    world.done("PurgeQueue", purge.clone()).await;
    world.later(59);
    let text = "Only one PurgeQueue operation on q is allowed every 60 seconds.";
    world
        .refused("PurgeQueueInProgress", text, "PurgeQueue", purge.clone())
        .await;
    world.later(1);
    world.done("PurgeQueue", purge).await;
}

#[tokio::test]
async fn queues_are_there_after_a_restart() {
    let world = world();
    let url = world.queue("q", json!({"DelaySeconds": "7"})).await;
    let again = World::over(
        Arc::clone(&world.sqs.store),
        world.clock.clone(),
        Limits::None,
    );
    assert_eq!(
        again.attributes(&url, &["DelaySeconds"]).await,
        json!({"DelaySeconds": "7"})
    );
}
