//! Messages of dead-letter queues moved back. Time is simulated: what a task waits for passes at once.

use super::messages::text;
use super::*;

const INVALID: &str = "InvalidParameterValueException";
const NOT_FOUND: &str = "ResourceNotFoundException";

impl World {
    /// Sends these bodies to a queue, and receives them until they are dead letters.
    async fn lose(&self, url: &str, bodies: &[&str]) {
        for body in bodies {
            let mut input = json!({"QueueUrl": url, "MessageBody": body});
            if url.ends_with(".fifo") {
                input["MessageGroupId"] = json!("a");
                input["MessageDeduplicationId"] = json!(body);
            }
            self.done("SendMessage", input).await;
        }
        assert_eq!(self.bodies(url).await.len(), bodies.len());
        while !self.bodies(url).await.is_empty() {}
    }

    async fn start(&self, source: &str, more: Value) -> String {
        let mut input = json!({"SourceArn": self.arn(source)});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let started = self.done("StartMessageMoveTask", input).await;
        text(&started, "TaskHandle")
    }

    async fn newest(&self, source: &str) -> Value {
        let input = json!({"SourceArn": self.arn(source)});
        let mut answer = self.done("ListMessageMoveTasks", input).await;
        assert_eq!(answer["Results"].as_array().unwrap().len(), 1);
        answer["Results"][0].take()
    }

    /// The newest task, once it is in none of these states.
    async fn newest_after(&self, source: &str, states: &[&str]) -> Value {
        for _ in 0..100 {
            let task = self.newest(source).await;
            if !states.contains(&text(&task, "Status").as_str()) {
                return task;
            }
            tokio::time::advance(Duration::from_millis(500)).await;
            tokio::task::yield_now().await;
        }
        panic!("the task goes on for 50 seconds");
    }

    /// Waits until the newest task has moved so many messages.
    async fn has_moved(&self, source: &str, count: i64) {
        for _ in 0..1_000 {
            let task = self.newest(source).await;
            if task["ApproximateNumberOfMessagesMoved"].as_i64() >= Some(count) {
                return;
            }
            tokio::time::advance(Duration::from_millis(10)).await;
            tokio::task::yield_now().await;
        }
        panic!("the task moves nothing for 10 seconds");
    }

    async fn ended(&self, source: &str) -> Value {
        self.newest_after(source, &["RUNNING", "CANCELLING"]).await
    }
}

#[tokio::test(start_paused = true)]
async fn letters_go_back_to_where_they_come_from() {
    let world = world();
    let (first, dead) = world.with_dead_letters("first", "dead", 1).await;
    let (second, _) = world.with_dead_letters("second", "dead", 1).await;
    world.lose(&first, &["1", "2"]).await;
    world.lose(&second, &["3"]).await;
    world.later(60);
    world.start("dead", json!({})).await;
    let task = world.ended("dead").await;
    assert_eq!(
        task,
        json!({
            "Status": "COMPLETED",
            "SourceArn": world.arn("dead"),
            "ApproximateNumberOfMessagesMoved": 3,
            "ApproximateNumberOfMessagesToMove": 3,
            "StartedTimestamp": START.0 + 60_000,
        })
    );
    assert!(world.bodies(&dead).await.is_empty());
    let back = world.receive(&first, json!({})).await;
    assert_eq!(back.len(), 2);
    let attributes = &back[0]["Attributes"];
    assert_eq!(attributes["ApproximateReceiveCount"], "1");
    assert_eq!(attributes["SentTimestamp"], (START.0 + 60_000).to_string());
    assert_eq!(attributes["DeadLetterQueueSourceArn"], Value::Null);
    assert_eq!(world.bodies(&second).await, ["3"]);
}

#[tokio::test(start_paused = true)]
async fn letters_go_to_the_queue_that_is_named() {
    let world = world();
    let (url, _) = world.with_dead_letters("q.fifo", "dead.fifo", 1).await;
    let target = world.plain("target.fifo").await;
    world.lose(&url, &["1", "2", "3"]).await;
    let destination = json!({"DestinationArn": world.arn("target.fifo")});
    world.start("dead.fifo", destination).await;
    let task = world.ended("dead.fifo").await;
    assert_eq!(task["Status"], "COMPLETED");
    assert_eq!(task["DestinationArn"], world.arn("target.fifo"));
    assert_eq!(world.bodies(&target).await, ["1", "2", "3"]);
    assert!(world.bodies(&url).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_no_faster_than_it_may_and_can_be_cancelled() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q", "dead", 1).await;
    world.lose(&url, &["1", "2", "3", "4"]).await;
    let begun = tokio::time::Instant::now();
    let handle = world
        .start("dead", json!({"MaxNumberOfMessagesPerSecond": 1}))
        .await;
    assert_eq!(world.newest("dead").await["TaskHandle"], handle);
    let again = json!({"SourceArn": world.arn("dead")});
    let text = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
    world
        .refused(INVALID, text, "StartMessageMoveTask", again)
        .await;
    let moved = |task: &Value| task["ApproximateNumberOfMessagesMoved"].as_i64().unwrap();
    world.has_moved("dead", 2).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let cancelled = world
        .done("CancelMessageMoveTask", json!({"TaskHandle": handle}))
        .await;
    assert_eq!(moved(&cancelled), 2);
    assert_eq!(world.newest("dead").await["TaskHandle"], Value::Null);
    let task = world.ended("dead").await;
    assert_eq!(task["Status"], "CANCELLED");
    assert_eq!(moved(&task), 2);
    assert_eq!(task["MaxNumberOfMessagesPerSecond"], 1);
    assert_eq!(world.bodies(&dead).await.len(), 2);
    let over = "Only active tasks can be cancelled.";
    let input = json!({"TaskHandle": handle});
    world
        .refused(INVALID, over, "CancelMessageMoveTask", input)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_task_fails_where_letters_have_nowhere_to_go() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q", "dead", 1).await;
    let target = world.plain("target").await;
    world.lose(&url, &["1", "2"]).await;
    let slowly = json!({"DestinationArn": world.arn("target"), "MaxNumberOfMessagesPerSecond": 1});
    world.start("dead", slowly).await;
    world.has_moved("dead", 1).await;
    world.done("DeleteQueue", json!({"QueueUrl": target})).await;
    let task = world.ended("dead").await;
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(
        task["FailureReason"],
        "AWS.SimpleQueueService.NonExistentQueue"
    );
    let left = world.receive(&dead, json!({})).await;
    assert_eq!(left.len(), 1);
    assert_eq!(text(&left[0], "Body"), "2");
    // Once in the queue it comes from, and now.
    assert_eq!(left[0]["Attributes"]["ApproximateReceiveCount"], "2");
    world.later(30);
    world.send(&dead, "sent here").await;
    world.start("dead", json!({})).await;
    let task = world.ended("dead").await;
    assert_eq!(task["FailureReason"], "CouldNotDetermineMessageSource");
}

#[tokio::test(start_paused = true)]
async fn a_task_leaves_alone_what_came_after_it_began() {
    let world = world();
    let (url, dead) = world.with_dead_letters("q.fifo", "dead.fifo", 1).await;
    world.lose(&url, &["1", "2", "3"]).await;
    world
        .start("dead.fifo", json!({"MaxNumberOfMessagesPerSecond": 1}))
        .await;
    let late = json!({
        "QueueUrl": dead, "MessageBody": "late", "MessageGroupId": "b", "MessageDeduplicationId": "late",
    });
    world.done("SendMessage", late).await;
    let task = world.ended("dead.fifo").await;
    assert_eq!(task["Status"], "COMPLETED");
    assert_eq!(task["ApproximateNumberOfMessagesMoved"], 3);
    assert_eq!(world.bodies(&url).await, ["1", "2", "3"]);
    let left = world.receive(&dead, json!({})).await;
    assert_eq!(left.len(), 1);
    assert_eq!(text(&left[0], "Body"), "late");
    assert_eq!(left[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

/// Runs `work` as a process would: with its end, all that goes on ends.
fn process<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

#[test]
fn a_task_goes_on_after_a_restart() {
    let clock = Clock::manual(START);
    let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
    let url = process(async {
        let before = World::over(Arc::clone(&store), clock.clone(), Limits::None);
        let (url, _) = before.with_dead_letters("q", "dead", 1).await;
        before.lose(&url, &["1", "2", "3"]).await;
        before
            .start("dead", json!({"MaxNumberOfMessagesPerSecond": 1}))
            .await;
        before.has_moved("dead", 1).await;
        url
    });
    process(async {
        let after = World::over(Arc::clone(&store), clock.clone(), Limits::None);
        assert_eq!(after.newest("dead").await["Status"], "RUNNING");
        after.sqs.resume_moves().await;
        let task = after.ended("dead").await;
        assert_eq!(task["Status"], "COMPLETED");
        assert_eq!(task["ApproximateNumberOfMessagesMoved"], 3);
        assert_eq!(after.bodies(&url).await.len(), 3);
    });
}

#[tokio::test]
async fn a_task_that_can_t_be_is_refused() {
    let world = world();
    let (_, _) = world.with_dead_letters("q", "dead", 1).await;
    world.plain("target.fifo").await;
    let (dead, queue, fifo) = (world.arn("dead"), world.arn("q"), world.arn("target.fifo"));
    let none = world.arn("none");
    let format = |parameter: &str| {
        format!(
            "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )
    };
    let no_source = "The resource that you specified for the SourceArn parameter doesn't exist.";
    let no_target =
        "The resource that you specified for the DestinationArn parameter doesn't exist.";
    let rate = "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 \
                and 500.";
    for (shape, text, input) in [
        (
            INVALID,
            format("SourceArn").as_str(),
            json!({"SourceArn": "dead"}),
        ),
        (NOT_FOUND, no_source, json!({"SourceArn": none})),
        (
            INVALID,
            "Source queue must be configured as a Dead Letter Queue.",
            json!({"SourceArn": queue}),
        ),
        (
            INVALID,
            &format("DestinationArn"),
            json!({"SourceArn": dead, "DestinationArn": "q"}),
        ),
        (
            INVALID,
            "Source queue arn and destination queue arn cannot be the same.",
            json!({"SourceArn": dead, "DestinationArn": dead}),
        ),
        (
            NOT_FOUND,
            no_target,
            json!({"SourceArn": dead, "DestinationArn": none}),
        ),
        (
            INVALID,
            "The source queue and destination queue must be of the same queue type.",
            json!({"SourceArn": dead, "DestinationArn": fifo}),
        ),
        (
            INVALID,
            rate,
            json!({"SourceArn": dead, "MaxNumberOfMessagesPerSecond": 0}),
        ),
        (
            INVALID,
            rate,
            json!({"SourceArn": dead, "MaxNumberOfMessagesPerSecond": 501}),
        ),
    ] {
        world
            .refused(shape, text, "StartMessageMoveTask", input)
            .await;
    }
}

#[tokio::test]
async fn what_is_no_task_is_refused() {
    let world = world();
    world.with_dead_letters("q", "dead", 1).await;
    let (dead, none) = (world.arn("dead"), world.arn("none"));
    let no_source = "The resource that you specified for the SourceArn parameter doesn't exist.";
    let encode = |text: &str| aws::shapes::encode_base64(text.as_bytes());
    let no_task = encode(&json!({"taskId": "1d3f", "sourceArn": dead}).to_string());
    let no_queue = encode(&json!({"taskId": "1d3f", "sourceArn": none}).to_string());
    for (shape, text, handle) in [
        (
            INVALID,
            "Value for parameter TaskHandle is invalid.",
            "x".to_owned(),
        ),
        (NOT_FOUND, no_source, no_queue),
        (NOT_FOUND, "Task does not exist.", no_task),
    ] {
        let input = json!({"TaskHandle": handle});
        world
            .refused(shape, text, "CancelMessageMoveTask", input)
            .await;
    }
    let results = "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and 10.";
    let input = json!({"SourceArn": dead, "MaxResults": 11});
    world
        .refused(INVALID, results, "ListMessageMoveTasks", input)
        .await;
    let input = json!({"SourceArn": none});
    world
        .refused(NOT_FOUND, no_source, "ListMessageMoveTasks", input)
        .await;
}
