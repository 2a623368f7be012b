//! Dead letters: messages received too often.

use super::messages::{handle, text};
use super::*;
use crate::kinesis::slow::Slow;

impl World {
    /// A queue whose messages are given up after so many receives, and where they go; their URLs.
    pub(super) async fn with_dead_letters(
        &self,
        name: &str,
        dead: &str,
        count: u32,
    ) -> (String, String) {
        let fifo = |name: &str| name.ends_with(".fifo");
        let target = self.plain(dead).await;
        let policy = json!({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": count});
        let mut attributes = json!({"RedrivePolicy": policy.to_string(), "VisibilityTimeout": "0"});
        if fifo(name) {
            attributes["FifoQueue"] = json!("true");
        }
        (self.queue(name, attributes).await, target)
    }
}

#[tokio::test]
async fn a_message_received_too_often_goes_elsewhere_as_it_is() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q", "dead", 2).await;
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "x",
        "MessageAttributes": {"MyAttribute": {"StringValue": "foobar", "DataType": "String"}},
        "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": "Root=1-a", "DataType": "String"}},
        "DelaySeconds": 1,
    });
    let sent = world.done("SendMessage", input).await;
    world.send(&url, "other").await;
    world.later(1);
    for count in 1..=2 {
        let messages = world.receive(&url, json!({})).await;
        assert_eq!(messages.len(), 2);
        assert_eq!(
            messages[0]["Attributes"]["ApproximateReceiveCount"],
            count.to_string()
        );
        world.later(1);
    }
    assert!(world.receive(&url, json!({})).await.is_empty());
    let letters = world.receive(&dead, json!({})).await;
    assert_eq!(letters.len(), 2);
    let letter = letters
        .iter()
        .find(|letter| text(letter, "Body") == "x")
        .unwrap();
    assert_eq!(letter["MessageId"], sent["MessageId"]);
    assert_eq!(
        letter["MD5OfMessageAttributes"],
        sent["MD5OfMessageAttributes"]
    );
    // As AWS answered it: receives go on being counted.
    assert_eq!(
        letter["Attributes"],
        json!({
            "ApproximateFirstReceiveTimestamp": "1700000001500",
            "ApproximateReceiveCount": "3",
            "AWSTraceHeader": "Root=1-a",
            "DeadLetterQueueSourceArn": world.arn("q"),
            "SenderId": ACCOUNT,
            "SentTimestamp": "1700000000500",
        })
    );
}

#[tokio::test]
async fn a_group_goes_on_when_its_first_message_is_given_up() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q.fifo", "dead.fifo", 1).await;
    let send = async |id: &str| {
        let input = json!({
            "QueueUrl": url, "MessageBody": id, "MessageGroupId": "a", "MessageDeduplicationId": id,
        });
        world.done("SendMessage", input).await
    };
    let first = send("1").await;
    send("2").await;
    let one = json!({"MaxNumberOfMessages": 1, "VisibilityTimeout": 10});
    assert_eq!(
        text(&world.receive(&url, one.clone()).await[0], "Body"),
        "1"
    );
    world.later(10);
    assert_eq!(text(&world.receive(&url, one).await[0], "Body"), "2");
    let letter = world.receive(&dead, json!({})).await.remove(0);
    assert_eq!(letter["MessageId"], first["MessageId"]);
    let attributes = &letter["Attributes"];
    assert_eq!(attributes["MessageGroupId"], "a");
    assert_eq!(attributes["MessageDeduplicationId"], first["MessageId"]);
    assert_eq!(
        attributes["SentTimestamp"], "1700000010500",
        "a FIFO queue counts anew"
    );
    assert_eq!(attributes["DeadLetterQueueSourceArn"], world.arn("q.fifo"));
}

#[tokio::test]
async fn without_the_other_queue_messages_go_on_being_delivered() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q", "dead", 1).await;
    world.send(&url, "x").await;
    assert_eq!(world.bodies(&url).await, ["x"]);
    world.done("DeleteQueue", json!({"QueueUrl": dead})).await;
    for _ in 0..3 {
        assert_eq!(world.bodies(&url).await, ["x"]);
    }
    let dead = world.plain("dead").await;
    assert!(world.bodies(&url).await.is_empty());
    assert_eq!(world.bodies(&dead).await, ["x"]);
}

#[tokio::test]
async fn a_letter_is_in_one_of_the_two_queues_after_a_restart() {
    let clock = Clock::manual(START);
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let before = World::over(Arc::clone(&store), clock.clone(), Limits::None);
    let (url, dead) = before.with_dead_letters("q", "dead", 1).await;
    before.send(&url, "x").await;
    assert_eq!(before.bodies(&url).await, ["x"]);
    assert!(before.bodies(&url).await.is_empty());
    drop(before);
    let after = World::over(store, clock, Limits::None);
    assert!(after.bodies(&url).await.is_empty());
    let letter = after.receive(&dead, json!({})).await.remove(0);
    after.delete(&dead, &handle(&letter)).await;
    assert_eq!(letter["Attributes"]["ApproximateReceiveCount"], "2");
}

/// A server over a store that lets others in before each answer.
fn slow_world() -> World {
    let clock = Clock::manual(START);
    let store = Arc::new(Slow(Memory::new(clock.clone())));
    World::over(store, clock, Limits::None)
}

#[tokio::test]
async fn a_message_that_is_deleted_while_it_is_given_up_is_no_dead_letter() {
    let world = slow_world();
    let (url, dead) = world.with_dead_letters("q", "dead", 1).await;
    for deletion_is_first in [true, false] {
        world.send(&url, "x").await;
        let message = world.receive(&url, json!({})).await.remove(0);
        let handle = handle(&message);
        let (deletion, receive) = (world.delete(&url, &handle), world.bodies(&url));
        let received = if deletion_is_first {
            tokio::join!(deletion, receive).1
        } else {
            tokio::join!(receive, deletion).0
        };
        assert!(received.is_empty());
        assert!(world.bodies(&url).await.is_empty());
        assert!(world.bodies(&dead).await.is_empty());
    }
}

#[tokio::test]
async fn a_message_that_was_given_up_is_not_deleted_by_the_handle_it_had() {
    let world = slow_world();
    for (queue, target) in [("q", "dead"), ("q.fifo", "dead.fifo")] {
        let (url, dead) = world.with_dead_letters(queue, target, 1).await;
        let mut input = json!({"QueueUrl": url, "MessageBody": "x"});
        if queue == "q.fifo" {
            input["MessageGroupId"] = json!("a");
            input["MessageDeduplicationId"] = json!("1");
        }
        world.done("SendMessage", input).await;
        let message = world.receive(&url, json!({})).await.remove(0);
        assert!(world.bodies(&url).await.is_empty());
        let handle = handle(&message);
        if queue == "q" {
            // Answered as to an older handle.
            world.delete(&url, &handle).await;
        } else {
            let text = format!(
                "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
            );
            let input = json!({"QueueUrl": url, "ReceiptHandle": handle});
            world
                .refused(
                    "InvalidParameterValueException",
                    &text,
                    "DeleteMessage",
                    input,
                )
                .await;
        }
        assert_eq!(world.bodies(&dead).await, ["x"]);
    }
}

#[tokio::test]
async fn a_letter_that_expired_behind_others_is_not_counted() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q", "dead", 1).await;
    world
        .set(&dead, json!({"MessageRetentionPeriod": "60"}))
        .await;
    world.send(&url, "letter").await;
    assert_eq!(world.bodies(&url).await, ["letter"]);
    world.later(10);
    world.send(&dead, "other").await;
    assert!(world.bodies(&url).await.is_empty());
    let name = "ApproximateNumberOfMessages";
    assert_eq!(world.attributes(&dead, &[name]).await[name], "2");
    // A letter is as old as it was.
    world.later(50);
    assert_eq!(world.attributes(&dead, &[name]).await[name], "1");
}
