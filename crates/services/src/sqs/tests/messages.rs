//! Messages of standard queues: sent, received, deleted, hidden.

use super::*;
use crate::sqs::api::messages::SendMessageInput;
use crate::sqs::hot::Headed;

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

impl World {
    pub(super) async fn send(&self, url: &str, body: &str) -> Value {
        let input = json!({"QueueUrl": url, "MessageBody": body});
        self.done("SendMessage", input).await
    }

    /// Up to ten messages, with all there is to know of them.
    pub(super) async fn receive(&self, url: &str, more: Value) -> Vec<Value> {
        let mut input = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let answer = self.done("ReceiveMessage", input).await;
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// The bodies of up to ten messages.
    pub(super) async fn bodies(&self, url: &str) -> Vec<String> {
        let messages = self.receive(url, json!({})).await;
        messages
            .iter()
            .map(|message| text(message, "Body"))
            .collect()
    }

    pub(super) async fn delete(&self, url: &str, handle: &str) {
        let input = json!({"QueueUrl": url, "ReceiptHandle": handle});
        self.done("DeleteMessage", input).await;
    }

    pub(super) async fn hide(&self, url: &str, handle: &str, seconds: i64) {
        let input = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds});
        self.done("ChangeMessageVisibility", input).await;
    }
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

pub(super) fn handle(message: &Value) -> String {
    text(message, "ReceiptHandle")
}

const INVALID: &str = "InvalidParameterValueException";
const MISSING: &str = "MissingRequiredParameterException";

#[tokio::test]
async fn what_is_sent_is_received() {
    let world = world();
    let url = world.plain("q").await;
    let input = json!({
        "QueueUrl": url,
        "MessageBody": "message-1",
        "MessageAttributes": {
            "MyAttribute": {"StringValue": "foobar", "DataType": "String"},
        },
        "MessageSystemAttributes": {
            "AWSTraceHeader": {"StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793", "DataType": "String"},
        },
        "MessageGroupId": "tenant-1",
    });
    let sent = world.done("SendMessage", input).await;
    let id = text(&sent, "MessageId");
    assert!(is_uuid(&id), "{id}");
    assert_eq!(sent["MD5OfMessageBody"], "3d6b824fd8c1520e9a047d21fee6fb1f");
    assert_eq!(
        sent["MD5OfMessageAttributes"],
        "adb59cd4678ea5a855436b949cd07ab6"
    );
    assert_eq!(text(&sent, "MD5OfMessageSystemAttributes").len(), 32);
    assert_eq!(sent["SequenceNumber"], Value::Null);

    world.later(5);
    let messages = world.receive(&url, json!({})).await;
    let expected = json!([{
        "MessageId": id,
        "ReceiptHandle": handle(&messages[0]),
        "MD5OfBody": "3d6b824fd8c1520e9a047d21fee6fb1f",
        "Body": "message-1",
        "Attributes": {
            "ApproximateFirstReceiveTimestamp": "1700000005500",
            "ApproximateReceiveCount": "1",
            "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
            "MessageGroupId": "tenant-1",
            "SenderId": ACCOUNT,
            "SentTimestamp": "1700000000500",
        },
        "MD5OfMessageAttributes": "adb59cd4678ea5a855436b949cd07ab6",
        "MessageAttributes": {"MyAttribute": {"StringValue": "foobar", "DataType": "String"}},
    }]);
    assert_eq!(Value::from(messages), expected);
    assert!(world.bodies(&url).await.is_empty(), "it is in flight");
}

#[tokio::test]
async fn binary_attributes_come_back() {
    let world = world();
    let url = world.plain("q").await;
    let attributes = json!({"attr1": {"BinaryValue": "AP8=", "DataType": "Binary.png"}});
    let input = json!({"QueueUrl": url, "MessageBody": "x", "MessageAttributes": attributes});
    world.done("SendMessage", input).await;
    let messages = world.receive(&url, json!({})).await;
    assert_eq!(messages[0]["MessageAttributes"], attributes);
}

#[tokio::test]
async fn the_answer_has_what_was_asked_for() {
    let world = world();
    let url = world.queue("q", json!({"VisibilityTimeout": "0"})).await;
    let attribute = |value: &str| json!({"StringValue": value, "DataType": "String"});
    let attributes = json!({"Help.Me": attribute("Me"), "Hello": attribute("There"), "General": attribute("Kenobi")});
    let input = json!({"QueueUrl": url, "MessageBody": "msg", "MessageAttributes": attributes});
    world.done("SendMessage", input).await;
    // As AWS answered it (localstack's snapshots).
    for (asked, md5) in [
        (json!([]), ""),
        (json!(["All"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!(["*"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!([".*"]), "4c360f3fdafd970e05fae2f149d997f5"),
        (json!(["Foo", "Help"]), ""),
        (
            json!(["Hello", "General"]),
            "fca026605781cb4126a1e9044df24232",
        ),
        (json!(["Hel.*"]), "83fee93c1bcd8b9a5a923ffacdc636c7"),
    ] {
        let more = json!({"AttributeNames": [], "MessageAttributeNames": asked});
        let messages = world.receive(&url, more).await;
        assert_eq!(text(&messages[0], "MD5OfMessageAttributes"), md5, "{asked}");
        assert_eq!(
            messages[0]["MessageAttributes"].is_null(),
            md5.is_empty(),
            "{asked}"
        );
        assert_eq!(messages[0]["Attributes"], Value::Null);
    }
    let more = json!({"AttributeNames": [], "MessageSystemAttributeNames": ["SenderId", "SequenceNumber"]});
    let messages = world.receive(&url, more).await;
    assert_eq!(messages[0]["Attributes"], json!({"SenderId": ACCOUNT}));
    let unknown = json!({"QueueUrl": url, "AttributeNames": ["Foo"]});
    world
        .refused(
            "InvalidAttributeName",
            "Unknown Attribute Foo.",
            "ReceiveMessage",
            unknown,
        )
        .await;
}

#[tokio::test]
async fn a_message_that_may_not_be_is_refused() {
    let world = world();
    let url = world
        .queue("q", json!({"MaximumMessageSize": "1024"}))
        .await;
    let refused = async |shape: &str, text: &str, more: Value| {
        let mut input = json!({"QueueUrl": url, "MessageBody": "x"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        world.refused(shape, text, "SendMessage", input).await;
    };
    let no_body = "The request must contain the parameter MessageBody.";
    refused(MISSING, no_body, json!({"MessageBody": ""})).await;
    refused(
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
         #x10000 to #x10FFFF",
        json!({"MessageBody": "a\u{1}"}),
    )
    .await;
    let long =
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.";
    refused(INVALID, long, json!({"MessageBody": "x".repeat(1_025)})).await;
    let attributes = json!({"abc": {"DataType": "String", "StringValue": "de"}});
    let barely = json!({"MessageBody": "x".repeat(1_024 - 11), "MessageAttributes": attributes, "QueueUrl": url});
    world.done("SendMessage", barely).await;
    let over = json!({"MessageBody": "x".repeat(1_024 - 10), "MessageAttributes": attributes});
    refused(INVALID, long, over).await;
    for seconds in [-1, 901] {
        let text = format!(
            "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
        );
        refused(INVALID, &text, json!({"DelaySeconds": seconds})).await;
    }
    let text = "Value 1 for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not \
                valid for this queue type.";
    refused(INVALID, text, json!({"MessageDeduplicationId": "1"})).await;
    let text = "Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and \
                punctuation characters. 1 to 128 in length.";
    refused(INVALID, text, json!({"MessageGroupId": "a b"})).await;
    let trace = json!({"StringValue": "x".repeat(1_025), "DataType": "String"});
    let text = "The message system attribute 'AWSTraceHeader' must be an X-Ray trace header of up to 1024 bytes.";
    let traced = json!({"MessageSystemAttributes": {"AWSTraceHeader": trace}});
    refused(INVALID, text, traced).await;
}

#[tokio::test]
async fn a_receive_out_of_bounds_is_refused() {
    let world = world();
    let url = world.plain("q").await;
    for (parameter, value, reason) in [
        (
            "MaxNumberOfMessages",
            0,
            "Must be between 1 and 10, if provided.",
        ),
        (
            "MaxNumberOfMessages",
            11,
            "Must be between 1 and 10, if provided.",
        ),
        (
            "WaitTimeSeconds",
            21,
            "Must be >= 0 and <= 20, if provided.",
        ),
        (
            "WaitTimeSeconds",
            -1,
            "Must be >= 0 and <= 20, if provided.",
        ),
        (
            "VisibilityTimeout",
            43_201,
            "Must be >= 0 and <= 43200, if provided.",
        ),
    ] {
        let text = format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        let mut input = json!({"QueueUrl": url});
        input[parameter] = json!(value);
        world.refused(INVALID, &text, "ReceiveMessage", input).await;
    }
    let input = json!({"QueueUrl": url, "ReceiveRequestAttemptId": "a"});
    let text = "Value a for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not \
                valid for this queue type.";
    world.refused(INVALID, text, "ReceiveMessage", input).await;
}

#[tokio::test]
async fn delays_are_the_message_s_or_the_queue_s() {
    let world = world();
    let url = world.queue("q", json!({"DelaySeconds": "10"})).await;
    world.send(&url, "by queue").await;
    for (body, seconds) in [("at once", 0), ("later", 20)] {
        let input = json!({"QueueUrl": url, "MessageBody": body, "DelaySeconds": seconds});
        world.done("SendMessage", input).await;
    }
    // A standard queue's new delay is not for the messages that are there.
    world.set(&url, json!({"DelaySeconds": "0"})).await;
    assert_eq!(world.bodies(&url).await, ["at once"]);
    world.later(9);
    assert!(world.bodies(&url).await.is_empty());
    world.later(1);
    assert_eq!(world.bodies(&url).await, ["by queue"]);
    world.later(10);
    assert_eq!(world.bodies(&url).await, ["later"]);
}

#[tokio::test]
async fn a_batch_has_an_outcome_for_each_entry() {
    let world = world();
    let url = world
        .queue("q", json!({"MaximumMessageSize": "1024"}))
        .await;
    let entries = json!([
        {"Id": "good", "MessageBody": "a"},
        {"Id": "long", "MessageBody": "a".repeat(1_025)},
        {"Id": "unclean", "MessageBody": "\u{1}"},
        {"Id": "also-good", "MessageBody": "b", "MessageAttributes": {"Foo": {"DataType": "String", "StringValue": "Bar"}}},
    ]);
    let answer = world
        .done(
            "SendMessageBatch",
            json!({"QueueUrl": url, "Entries": entries}),
        )
        .await;
    let ids = |list: &str| -> Vec<String> {
        answer[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| text(entry, "Id"))
            .collect()
    };
    assert_eq!(ids("Successful"), ["good", "also-good"]);
    assert_eq!(
        answer["Successful"][1]["MD5OfMessageAttributes"],
        "ae7155c6026991b6d54b11589678bf9c"
    );
    assert!(is_uuid(&text(&answer["Successful"][0], "MessageId")));
    assert_eq!(
        answer["Failed"][0],
        json!({
            "Id": "long",
            "SenderFault": true,
            "Code": "InvalidParameterValue",
            "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
        })
    );
    assert_eq!(answer["Failed"][1]["Code"], "InvalidMessageContents");
    assert_eq!(world.bodies(&url).await, ["a", "b"]);
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_whole() {
    let world = world();
    let url = world.plain("q").await;
    let refused = async |shape: &str, text: &str, entries: Value| {
        let input = json!({"QueueUrl": url, "Entries": entries});
        world.refused(shape, text, "SendMessageBatch", input).await;
    };
    let empty = "There should be at least one SendMessageBatchRequestEntry in the request.";
    refused("EmptyBatchRequest", empty, json!([])).await;
    let long = "x".repeat(1 << 19);
    let text = "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.";
    let entries =
        json!([{"Id": "1", "MessageBody": long}, {"Id": "2", "MessageBody": format!("{long}x")}]);
    refused("BatchRequestTooLong", text, entries).await;
    let text = "The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody.";
    let entries = json!([{"Id": "1", "MessageBody": "a"}, {"Id": "2"}]);
    refused(MISSING, text, entries).await;
    let entries = json!([{"Id": "1", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}]);
    refused("BatchEntryIdsNotDistinct", "Id 1 repeated.", entries).await;
    assert!(world.bodies(&url).await.is_empty());
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_may_be_deleted_again() {
    let world = world();
    let url = world.plain("q").await;
    world.send(&url, "x").await;
    let message = world.receive(&url, json!({})).await.remove(0);
    for _ in 0..3 {
        world.delete(&url, &handle(&message)).await;
    }
    world.later(43_200);
    assert!(world.bodies(&url).await.is_empty());
}

#[tokio::test]
async fn a_message_comes_back_and_is_deleted_by_its_newest_handle() {
    let world = world();
    let url = world.queue("q", json!({"VisibilityTimeout": "30"})).await;
    world.send(&url, "x").await;
    let first = world.receive(&url, json!({})).await.remove(0);
    world.later(29);
    assert!(world.bodies(&url).await.is_empty());
    world.later(1);
    let second = world
        .receive(&url, json!({"VisibilityTimeout": 5}))
        .await
        .remove(0);
    assert_ne!(handle(&first), handle(&second));
    assert_eq!(second["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(
        second["Attributes"]["ApproximateFirstReceiveTimestamp"],
        first["Attributes"]["ApproximateFirstReceiveTimestamp"]
    );
    // Answered as if it had been deleted.
    world.delete(&url, &handle(&first)).await;
    world.later(5);
    let third = world
        .receive(&url, json!({"VisibilityTimeout": 5}))
        .await
        .remove(0);
    world.later(5);
    // Its time is over, but nobody has received it since.
    world.delete(&url, &handle(&third)).await;
    assert!(world.bodies(&url).await.is_empty());
}

#[tokio::test]
async fn handles_that_are_none_are_refused() {
    let world = world();
    let (url, other) = (world.plain("q").await, world.plain("other").await);
    world.send(&other, "x").await;
    let foreign = handle(&world.receive(&other, json!({})).await[0]);
    for bad in ["garbage", foreign.as_str()] {
        let text = format!("The input receipt handle \"{bad}\" is not a valid receipt handle.");
        let input = json!({"QueueUrl": url, "ReceiptHandle": bad, "VisibilityTimeout": 1});
        for operation in ["DeleteMessage", "ChangeMessageVisibility"] {
            let mut input = input.clone();
            if operation == "DeleteMessage" {
                input.as_object_mut().unwrap().remove("VisibilityTimeout");
            }
            world
                .refused("ReceiptHandleIsInvalid", &text, operation, input)
                .await;
        }
    }
    let input = json!({"QueueUrl": url, "ReceiptHandle": ""});
    let text = "The request must contain the parameter ReceiptHandle.";
    world.refused(MISSING, text, "DeleteMessage", input).await;
}

#[tokio::test]
async fn deletions_and_changes_come_in_batches() {
    let world = world();
    let url = world.plain("q").await;
    for body in ["a", "b", "c"] {
        world.send(&url, body).await;
    }
    let messages = world.receive(&url, json!({})).await;
    let entries = json!([
        {"Id": "a", "ReceiptHandle": handle(&messages[0])},
        {"Id": "bad", "ReceiptHandle": "garbage"},
        {"Id": "b", "ReceiptHandle": handle(&messages[1])},
    ]);
    let deleted = world
        .done(
            "DeleteMessageBatch",
            json!({"QueueUrl": url, "Entries": entries}),
        )
        .await;
    assert_eq!(deleted["Successful"], json!([{"Id": "a"}, {"Id": "b"}]));
    let failed = json!([{
        "Id": "bad",
        "SenderFault": true,
        "Code": "ReceiptHandleIsInvalid",
        "Message": "The input receipt handle \"garbage\" is not a valid receipt handle.",
    }]);
    assert_eq!(deleted["Failed"], failed);
    let entries = json!([
        {"Id": "c", "ReceiptHandle": handle(&messages[2]), "VisibilityTimeout": 0},
        {"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 0},
        {"Id": "none", "ReceiptHandle": handle(&messages[2])},
    ]);
    let changed = world
        .done(
            "ChangeMessageVisibilityBatch",
            json!({"QueueUrl": url, "Entries": entries}),
        )
        .await;
    assert_eq!(changed["Successful"], json!([{"Id": "c"}]));
    assert_eq!(changed["Failed"][0], failed[0]);
    assert_eq!(changed["Failed"][1]["Code"], "MissingParameter");
    assert_eq!(world.bodies(&url).await, ["c"]);
    for (operation, shape) in [
        ("DeleteMessageBatch", "DeleteMessageBatchRequestEntry"),
        (
            "ChangeMessageVisibilityBatch",
            "ChangeMessageVisibilityBatchRequestEntry",
        ),
    ] {
        let text = format!("There should be at least one {shape} in the request.");
        let input = json!({"QueueUrl": url, "Entries": []});
        world
            .refused("EmptyBatchRequest", &text, operation, input)
            .await;
        let many: Vec<Value> = (0..11).map(|id| json!({"Id": id.to_string()})).collect();
        let text = "Maximum number of entries per request are 10. You have sent 11.";
        let input = json!({"QueueUrl": url, "Entries": many});
        world
            .refused("TooManyEntriesInBatchRequest", text, operation, input)
            .await;
    }
}

#[tokio::test]
async fn a_message_is_hidden_for_longer_or_shown_at_once() {
    let world = world();
    let url = world.queue("q", json!({"VisibilityTimeout": "30"})).await;
    world.send(&url, "x").await;
    let message = world.receive(&url, json!({})).await.remove(0);
    world.later(20);
    world.hide(&url, &handle(&message), 30).await;
    world.later(29);
    assert!(world.bodies(&url).await.is_empty());
    world.later(1);
    // Its time is over: nothing is hidden, and AWS says nothing.
    world.hide(&url, &handle(&message), 30).await;
    let again = world.receive(&url, json!({})).await.remove(0);
    world.hide(&url, &handle(&again), 0).await;
    assert_eq!(world.bodies(&url).await, ["x"]);
    // An older handle does it too.
    world.hide(&url, &handle(&message), 0).await;
    let last = world.receive(&url, json!({})).await.remove(0);
    world.delete(&url, &handle(&last)).await;
    let gone = handle(&last);
    let text = format!(
        "Value {gone} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
         visibility timeout change."
    );
    let input = json!({"QueueUrl": url, "ReceiptHandle": gone, "VisibilityTimeout": 1});
    world
        .refused(INVALID, &text, "ChangeMessageVisibility", input)
        .await;
}

#[tokio::test]
async fn nothing_is_hidden_for_more_than_twelve_hours() {
    let world = world();
    let url = world.plain("q").await;
    world.send(&url, "x").await;
    let message = world
        .receive(&url, json!({"VisibilityTimeout": 43_200}))
        .await
        .remove(0);
    let refused = async |seconds: i64, reason: &str| {
        let text =
            format!("Value {seconds} for parameter VisibilityTimeout is invalid. Reason: {reason}");
        let input = json!({"QueueUrl": url, "ReceiptHandle": handle(&message), "VisibilityTimeout": seconds});
        world
            .refused(INVALID, &text, "ChangeMessageVisibility", input)
            .await;
    };
    refused(43_201, "Must be between 0 and 43200.").await;
    refused(-1, "Must be between 0 and 43200.").await;
    world.later(100);
    refused(
        43_101,
        "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
    )
    .await;
    world.hide(&url, &handle(&message), 43_100).await;
}

#[tokio::test]
async fn after_a_restart_the_twelve_hours_are_those_of_the_last_receive() {
    let before = world();
    let url = before.plain("q").await;
    before.send(&url, "x").await;
    before.receive(&url, json!({})).await;
    before.later(43_200);
    let message = before.receive(&url, json!({})).await.remove(0);
    before.sqs.close().await;
    let (store, clock) = (Arc::clone(&before.sqs.store), before.clock.clone());
    drop(before);
    let after = World::over(store, clock, Limits::None);
    after.hide(&url, &handle(&message), 60).await;
    after.later(59);
    assert!(after.bodies(&url).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_for_a_message() {
    let world = world();
    let url = world
        .queue("q", json!({"ReceiveMessageWaitTimeSeconds": "20"}))
        .await;
    let waiting = world.bodies(&url);
    let sending = async {
        tokio::task::yield_now().await;
        world.send(&url, "x").await;
    };
    let (bodies, ()) = tokio::join!(waiting, sending);
    assert_eq!(bodies, ["x"]);
    let begun = tokio::time::Instant::now();
    assert!(world.bodies(&url).await.is_empty());
    assert_eq!(begun.elapsed().as_secs(), 20);
    let begun = tokio::time::Instant::now();
    assert!(
        world
            .receive(&url, json!({"WaitTimeSeconds": 0}))
            .await
            .is_empty()
    );
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn messages_outlive_a_restart_and_deletions_too() {
    let clock = Clock::manual(START);
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let before = World::over(Arc::clone(&store), clock.clone(), Limits::None);
    let url = before.plain("q").await;
    for body in ["a", "b"] {
        before.send(&url, body).await;
    }
    let message = before
        .receive(&url, json!({"MaxNumberOfMessages": 1}))
        .await
        .remove(0);
    before.delete(&url, &handle(&message)).await;
    drop(before);
    let after = World::over(store, clock, Limits::None);
    assert_eq!(after.bodies(&url).await, ["b"]);
}

/// All that lies in a queue's log of messages.
async fn at_rest(world: &World, queue: &str) -> Vec<u8> {
    let name = crate::sqs::naming::of_arn(&world.arn(queue)).unwrap();
    let queue = world.sqs.find_named(&name).await.unwrap();
    let log = queue.messages();
    let start = world.sqs.store.bounds(log).await.unwrap().start;
    let batches = world.sqs.store.read(log, start, usize::MAX).await.unwrap();
    let bytes = batches.iter().map(|stored| stored.batch.bytes().to_vec());
    bytes.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn messages_lie_sealed_unless_that_is_turned_off() {
    let world = world();
    let holds = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let url = world.plain("q").await;
    world.send(&url, "secret-1").await;
    world
        .set(&url, json!({"SqsManagedSseEnabled": "false"}))
        .await;
    world.send(&url, "open-2").await;
    world
        .set(&url, json!({"KmsMasterKeyId": "alias/aws/sqs"}))
        .await;
    world.send(&url, "secret-3").await;
    let bytes = at_rest(&world, "q").await;
    assert!(holds(&bytes, "open-2"));
    assert!(!holds(&bytes, "secret-1") && !holds(&bytes, "secret-3"));
    assert_eq!(world.bodies(&url).await, ["secret-1", "open-2", "secret-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_with_too_much_in_flight_says_so_to_those_who_do_not_wait() {
    let world = world();
    for name in ["q", "q.fifo"] {
        let url = world.plain(name).await;
        for group in ["1", "2"] {
            let mut input = json!({"QueueUrl": url, "MessageBody": group});
            if name == "q.fifo" {
                input["MessageGroupId"] = json!(group);
                input["MessageDeduplicationId"] = json!(group);
            }
            world.done("SendMessage", input).await;
        }
        let named = crate::sqs::naming::of_arn(&world.arn(name)).unwrap();
        let queue = world.sqs.find_named(&named).await.unwrap();
        let delivery = queue.delivery().await.unwrap();
        delivery.set_policy(streams::delivery::Policy {
            in_flight_max: 1,
            ..delivery.policy()
        });
        assert_eq!(world.bodies(&url).await, ["1"]);
        let at_once = json!({"QueueUrl": url});
        if name == "q.fifo" {
            assert!(world.bodies(&url).await.is_empty());
        } else {
            let text = "The number of messages in flight exceeds the limit of this queue.";
            world
                .refused("OverLimit", text, "ReceiveMessage", at_once)
                .await;
        }
        assert!(
            world
                .receive(&url, json!({"WaitTimeSeconds": 1}))
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_trace_among_the_headers_goes_with_the_message() {
    let caller = aws::Caller::local();
    let world = world().asked_by(caller.account.as_str(), caller.region.as_str());
    let url = world.plain("q").await;
    let mut input = SendMessageInput {
        queue_url: Some(url.clone()),
        message_body: Some("x".into()),
        ..SendMessageInput::default()
    };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-amzn-trace-id", "Root=1-3152b799".parse().unwrap());
    input.take_headers(&headers);
    let sent = crate::sqs::send::send_message(Arc::clone(&world.sqs), caller, input).await;
    assert_eq!(sent.unwrap().md5_of_message_system_attributes, None);
    let messages = world.receive(&url, json!({})).await;
    assert_eq!(
        messages[0]["Attributes"]["AWSTraceHeader"],
        "Root=1-3152b799"
    );
}

#[tokio::test]
async fn a_batch_without_entries_is_empty() {
    let world = world();
    let url = world.plain("q").await;
    for operation in [
        "SendMessageBatch",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
    ] {
        let text = format!("There should be at least one {operation}RequestEntry in the request.");
        let input = json!({"QueueUrl": url});
        world
            .refused("EmptyBatchRequest", &text, operation, input)
            .await;
    }
}
