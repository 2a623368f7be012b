//! Subscriptions over the store in memory, in simulated time.

use std::pin::Pin;

use aws::from_value;
use model::HashKey;

use super::*;
use crate::kinesis::world::{World, list, number, records, text};

type Subscribed = Pin<Box<dyn Events<Item = Result<Value, KinesisError>> + Send>>;

/// A consumer's ARN, ready to subscribe.
async fn consumer(world: &World, stream: &str, name: &str) -> String {
    let created = world.clock.now();
    let registered = crate::kinesis::records::Consumer {
        created,
        tags: Default::default(),
        policy: None,
    };
    world
        .kinesis
        .amend(&world.name(stream), |_, attached| {
            attached
                .consumers
                .insert(name.to_owned(), registered.clone());
            Ok(())
        })
        .await
        .unwrap();
    world.clock.advance(Duration::from_millis(100));
    let seconds = registered.created_seconds();
    format!("{}/consumer/{name}:{seconds}", world.name(stream).arn())
}

async fn begin(world: &World, consumer: &str, kind: &str) -> Result<Subscribed, KinesisError> {
    let input = map(vec![
        ("ConsumerARN", consumer.into()),
        ("ShardId", "shardId-000000000000".into()),
        ("StartingPosition", map(vec![("Type", kind.into())])),
    ]);
    let input = from_value(input).unwrap();
    let events = subscribe(Arc::clone(&world.kinesis), world.caller.clone(), input).await?;
    Ok(Box::pin(events))
}

/// The next event's payload, and the time until it came.
async fn next(events: &mut Subscribed) -> (Value, Duration) {
    let start = Instant::now();
    let event = events
        .next()
        .await
        .expect("an event")
        .expect("no exception");
    (event, start.elapsed())
}

fn texts(event: &Value) -> Vec<String> {
    let records = records(event).into_iter();
    records
        .map(|record| String::from_utf8(record.data).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn records_are_pushed_and_silence_is_told() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let put = world.put("s", &[("k", "0"), ("k", "1")]).await;
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "TRIM_HORIZON").await.unwrap();
    let (event, waited) = next(&mut events).await;
    assert_eq!(
        (texts(&event), waited),
        (vec!["0".to_owned(), "1".to_owned()], Duration::ZERO)
    );
    assert_eq!(text(&event, "ContinuationSequenceNumber"), put[1].1);
    assert_eq!(number(&event, "MillisBehindLatest"), 0);
    assert_eq!(event.get("ChildShards"), None);
    let (event, waited) = next(&mut events).await;
    assert!(texts(&event).is_empty());
    assert_eq!(waited, HEARTBEAT);
    assert_eq!(text(&event, "ContinuationSequenceNumber"), put[1].1);
    let (news, _) = tokio::join!(next(&mut events), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.put("s", &[("k", "2")]).await
    });
    assert_eq!(
        (texts(&news.0), news.1),
        (vec!["2".to_owned()], Duration::from_secs(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_fresh_subscription_speaks_at_once() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "LATEST").await.unwrap();
    let (event, waited) = next(&mut events).await;
    assert_eq!((texts(&event).len(), waited), (0, Duration::ZERO));
    assert!(
        text(&event, "ContinuationSequenceNumber")
            .parse::<model::SequenceNumber>()
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn it_ends_after_five_minutes() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let consumer = consumer(&world, "s", "c").await;
    let events = begin(&world, &consumer, "LATEST").await.unwrap();
    let start = Instant::now();
    let count = events.count().await;
    assert_eq!((count, start.elapsed()), (60, LIFETIME));
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_ends_with_its_children_and_no_position() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    world.put("s", &[("k", "0")]).await;
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "TRIM_HORIZON").await.unwrap();
    next(&mut events).await;
    let (last, _) = tokio::join!(next(&mut events), world.split("s", 0, HashKey(1 << 127)));
    let last = last.0;
    assert!(texts(&last).is_empty());
    assert_eq!(last.get("ContinuationSequenceNumber"), None);
    let children = list(&last, "ChildShards");
    let ids: Vec<String> = children
        .iter()
        .map(|child| text(child, "ShardId"))
        .collect();
    assert_eq!(ids, ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(
        list(&children[0], "ParentShards"),
        ["shardId-000000000000".into()]
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stream_ends_it_with_an_exception() {
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "LATEST").await.unwrap();
    next(&mut events).await;
    let delete = world.kinesis.streams.delete(&stream.name);
    let (last, deleted) = tokio::join!(events.next(), delete);
    deleted.unwrap();
    assert!(matches!(last, Some(Err(KinesisError::ResourceNotFound(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deregistered_consumer_ends_it() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "LATEST").await.unwrap();
    next(&mut events).await;
    let input = from_value(map(vec![("ConsumerARN", consumer.as_str().into())])).unwrap();
    let kinesis = Arc::clone(&world.kinesis);
    let deregister =
        crate::kinesis::consumers::deregister_stream_consumer(kinesis, world.caller.clone(), input);
    let start = Instant::now();
    let (last, deregistered) = tokio::join!(events.next(), deregister);
    deregistered.unwrap();
    assert!(last.is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_next_takes_over_after_five_seconds() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let consumer_arn = consumer(&world, "s", "c").await;
    let mut first = begin(&world, &consumer_arn, "LATEST").await.unwrap();
    next(&mut first).await;
    let error = begin(&world, &consumer_arn, "LATEST").await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:c"
    );
    let other = consumer(&world, "s", "other").await;
    assert!(begin(&world, &other, "LATEST").await.is_ok());
    world.clock.advance(Duration::from_secs(5));
    let mut second = begin(&world, &consumer_arn, "LATEST").await.unwrap();
    assert!(first.next().await.is_none());
    next(&mut second).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_backlog_comes_in_events_of_a_mebibyte() {
    let world = World::new(Limits::None);
    world.stream("s", 1).await;
    let body = "x".repeat(300 << 10);
    for _ in 0..5 {
        world.put("s", &[("k", &body), ("k", &body)]).await;
    }
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "TRIM_HORIZON").await.unwrap();
    let mut read = 0;
    while read < 10 {
        let (event, _) = next(&mut events).await;
        let count = texts(&event).len();
        assert!((1..=3).contains(&count), "{count} records in an event");
        read += count;
    }
}

#[tokio::test(start_paused = true)]
async fn limits_hold_the_pace() {
    let world = World::new(Limits::Aws);
    world.stream("s", 1).await;
    let body = "x".repeat((1 << 20) - 1);
    for _ in 0..4 {
        world.put("s", &[("k", &body)]).await;
        world.clock.advance(Duration::from_secs(1));
    }
    let consumer = consumer(&world, "s", "c").await;
    let mut events = begin(&world, &consumer, "TRIM_HORIZON").await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(next(&mut events).await.1);
    }
    // 2 MiB at once, then on credit until the debt is paid for: the manual clock never pays.
    assert_eq!(waits[..3], [Duration::ZERO; 3]);
    assert_eq!(waits[3], Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn what_a_transaction_holds_back_is_pushed_as_soon_as_it_is_decided() {
    use streams::undecided::Written;
    let world = World::new(Limits::None);
    let stream = world.stream("s", 1).await;
    let consumer = consumer(&world, "s", "c").await;
    let log = stream.log(0);
    let undecided = world.kinesis.streams.undecided();
    undecided.enter(log, 7);
    undecided.begin_write(log, 7, Offset(0));
    world.put("s", &[("k", "held")]).await;
    undecided.end_write(log, 7, Written::At(Offset(0)));
    let mut events = begin(&world, &consumer, "TRIM_HORIZON").await.unwrap();
    assert!(texts(&next(&mut events).await.0).is_empty());
    // No more than a sign of life, however much follows.
    world.put("s", &[("k", "behind it")]).await;
    let (event, after) = next(&mut events).await;
    assert!(texts(&event).is_empty() && after == HEARTBEAT);
    let decide = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        undecided.decide(log, 7);
    };
    let ((event, after), ()) = tokio::join!(next(&mut events), decide);
    assert_eq!(texts(&event), ["held", "behind it"]);
    assert_eq!(after, Duration::from_secs(1));
}
