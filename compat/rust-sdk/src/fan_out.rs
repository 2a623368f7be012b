//! SubscribeToShard: a closed shard to its end, and an open one as records are put.

use std::time::Duration;

use aws_sdk_kinesis::operation::subscribe_to_shard::builders::SubscribeToShardFluentBuilder;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
    SubscribeToShardEventStream,
};
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::checks::{Checks, EVERYTHING, FIRST, equal, ok, texts};

const LAST: &str = "shardId-000000000003";

pub(crate) async fn run(checks: &Checks) -> Outcome {
    let register = checks
        .client
        .register_stream_consumer()
        .stream_arn(&checks.arn);
    let registered = register.consumer_name("reader").send().await?;
    let consumer = registered.consumer().ok_or("a consumer")?.consumer_arn();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let describe = checks
            .client
            .describe_stream_consumer()
            .consumer_arn(consumer);
        let answer = describe.send().await?;
        let description = answer.consumer_description().ok_or("a description")?;
        if *description.consumer_status() == ConsumerStatus::Active {
            break;
        }
        equal("ACTIVE within 30 s", &(Instant::now() < deadline), &true)?;
        sleep(Duration::from_millis(20)).await;
    }
    closed_shard(checks, consumer).await?;
    open_shard(checks, consumer).await
}

fn subscribe(
    checks: &Checks,
    consumer: &str,
    shard: &str,
    from: ShardIteratorType,
) -> Outcome<SubscribeToShardFluentBuilder> {
    let position = StartingPosition::builder().r#type(from).build()?;
    let subscribe = checks.client.subscribe_to_shard().consumer_arn(consumer);
    Ok(subscribe.shard_id(shard).starting_position(position))
}

fn event(message: SubscribeToShardEventStream) -> Outcome<SubscribeToShardEvent> {
    match message {
        SubscribeToShardEventStream::SubscribeToShardEvent(event) => Ok(event),
        other => Err(format!("expected an event, saw {other:?}").into()),
    }
}

async fn closed_shard(checks: &Checks, consumer: &str) -> Outcome {
    let subscribe = subscribe(checks, consumer, FIRST, ShardIteratorType::TrimHorizon)?;
    let mut events = subscribe.send().await?.event_stream;
    let (mut records, mut children) = (Vec::new(), Vec::new());
    while let Some(message) = events.recv().await? {
        let event = event(message)?;
        records.extend(texts(event.records()));
        children = event
            .child_shards()
            .iter()
            .map(|child| child.shard_id().to_owned())
            .collect();
    }
    children.sort();
    equal("records of the closed shard", &records[..], &EVERYTHING[..])?;
    equal(
        "its children",
        &children[..],
        &["shardId-000000000001", "shardId-000000000002"][..],
    )?;
    ok("fan-out of a closed shard ends with its children");
    Ok(())
}

async fn open_shard(checks: &Checks, consumer: &str) -> Outcome {
    let live = subscribe(checks, consumer, LAST, ShardIteratorType::Latest)?;
    let mut events = live.clone().send().await?.event_stream;
    let mut records = Vec::new();
    while records.len() < 3 {
        let message = events.recv().await?.ok_or("the subscription goes on")?;
        records.extend(texts(event(message)?.records()));
        if records.len() < 3 {
            checks.put(&format!("live {}", records.len()), None).await?;
        }
    }
    equal(
        "records pushed",
        &records[..],
        &["live 0", "live 1", "live 2"][..],
    )?;
    ok("fan-out of an open shard is pushed");
    let error = live
        .send()
        .await
        .expect_err("a second subscription is refused");
    equal(
        "its kind",
        &error.into_service_error().is_resource_in_use_exception(),
        &true,
    )?;
    ok("a second subscription within five seconds is refused");
    Ok(())
}
