//! What goes on beside the requests, and how messages lie at rest.

use ::model::{AccountId, Batch, BatchBuilder, Offset, Region};
use prometheus_client::registry::Registry;
use store::Append;

use super::super::{Queue, QueueName};
use super::*;

fn name(name: &str) -> QueueName {
    QueueName {
        account: AccountId::parse(ACCOUNT).unwrap(),
        region: Region::unnamed(),
        name: name.into(),
    }
}

/// A message of this body, sent now, as it is before it is sealed.
fn batch(world: &World, body: &str) -> Batch {
    let mut builder = BatchBuilder::with_capacity(64);
    builder.push(world.clock.now(), None, Some(body.as_bytes()), &[]);
    builder.finish()
}

async fn send(world: &World, queue: &Queue, body: &str) {
    let batch = queue.seal(batch(world, body));
    let append = Append::to(queue.messages(), batch);
    for outcome in world.sqs.store.append(vec![append]).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn messages_expire_whether_the_queue_is_used_or_not() {
    let world = world();
    for queue in ["short", "long"] {
        world.plain(queue).await;
    }
    let short = json!({"MessageRetentionPeriod": "60"});
    world.set(&world.url("short"), short).await;
    let (short, long) = (name("short"), name("long"));
    for seconds in [0, 30, 31] {
        world.later(seconds);
        for name in [&short, &long] {
            let queue = world.sqs.find_named(name).await.unwrap();
            send(&world, &queue, "body").await;
        }
    }
    assert_eq!(world.sqs.expire().await.unwrap(), 1);
    assert_eq!(world.sqs.expire().await.unwrap(), 0);
    for (name, start) in [(&short, 1), (&long, 0)] {
        let queue = world.sqs.find_named(name).await.unwrap();
        let bounds = world.sqs.store.bounds(queue.messages()).await.unwrap();
        assert_eq!((bounds.start, bounds.end), (Offset(start), Offset(3)));
    }
    world.later(3_600);
    assert_eq!(world.sqs.expire().await.unwrap(), 1);
    let queue = world.sqs.find_named(&short).await.unwrap();
    let bounds = world.sqs.store.bounds(queue.messages()).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (Offset(3), Offset(3)));
}

#[tokio::test]
async fn deletions_are_forgotten_once_they_do_not_matter() {
    let world = world();
    let url = world.plain("q").await;
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    let is_kept = async || {
        world.sqs.expire().await.unwrap();
        let kept = world.sqs.store.get(&name("q").deleted_key()).await;
        kept.unwrap().is_some()
    };
    world.later(60);
    assert!(is_kept().await);
    world.later(1);
    assert!(!is_kept().await);
}

#[tokio::test]
async fn a_deleted_queue_leaves_nothing_behind() {
    let world = world();
    let url = world.plain("q").await;
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    send(&world, &queue, "body").await;
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    for log in [queue.settings.messages(), queue.settings.journal()] {
        assert!(world.sqs.store.bounds(log).await.is_err());
    }
    world.plain("q").await;
    let again = world.sqs.find_named(&name("q")).await.unwrap();
    assert_ne!(again.settings.id, queue.settings.id);
    let counts = ["ApproximateNumberOfMessages"];
    let told = world.attributes(&url, &counts).await;
    assert_eq!(told, json!({"ApproximateNumberOfMessages": "0"}));
}

/// Whether the body of a message sent now lies readable in the store.
async fn lies_readable(world: &World, body: &str) -> bool {
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    let log = queue.messages();
    let at = world.sqs.store.bounds(log).await.unwrap().end;
    send(world, &queue, body).await;
    let stored = world.sqs.store.read(log, at, 1).await.unwrap();
    let bytes = stored[0].batch.bytes();
    bytes
        .windows(body.len())
        .any(|some| some == body.as_bytes())
}

#[tokio::test]
async fn messages_of_encrypted_queues_lie_sealed_and_are_counted_all_the_same() {
    let world = world();
    let url = world.plain("q").await;
    assert!(!lies_readable(&world, "sealed by our own keys").await);
    world
        .set(&url, json!({"SqsManagedSseEnabled": "false"}))
        .await;
    assert!(lies_readable(&world, "in the clear").await);
    world.set(&url, json!({"KmsMasterKeyId": "alias/k"})).await;
    assert!(!lies_readable(&world, "sealed again").await);
    let counts = async |world: &World| {
        let names = ["ApproximateNumberOfMessages"];
        let told = world.attributes(&url, &names).await;
        told["ApproximateNumberOfMessages"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(counts(&world).await.as_deref(), Some("3"));
    let again = World::over(
        Arc::clone(&world.sqs.store),
        world.clock.clone(),
        Limits::None,
    );
    assert_eq!(counts(&again).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_purge_leaves_nothing_to_deliver() {
    let world = world();
    let url = world.plain("q").await;
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    send(&world, &queue, "before").await;
    world.done("PurgeQueue", json!({"QueueUrl": url})).await;
    let counts = async || queue.delivery().await.unwrap().counts().await.unwrap();
    assert_eq!(counts().await.visible, 0);
    send(&world, &queue, "after").await;
    assert_eq!(counts().await.visible, 1);
}

#[tokio::test]
async fn delivery_goes_on_as_the_settings_are_changed() {
    let world = world();
    world.plain("dead").await;
    let url = world.plain("q").await;
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    let delivery = queue.delivery().await.unwrap();
    assert_eq!(delivery.policy().max_receives, None);
    let policy =
        json!({"deadLetterTargetArn": world.arn("dead"), "maxReceiveCount": 4}).to_string();
    let given = json!({"RedrivePolicy": policy, "MessageRetentionPeriod": "120"});
    world.set(&url, given).await;
    let changed = delivery.policy();
    assert_eq!(changed.max_receives, Some(4));
    assert_eq!(changed.retention, Some(Duration::from_secs(120)));
    let same = world.sqs.find_named(&name("q")).await.unwrap();
    assert!(std::ptr::eq(delivery, same.delivery().await.unwrap()));
}

#[tokio::test]
async fn queues_are_shown_to_prometheus() {
    let world = world();
    let url = world.plain("q").await;
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    world.sqs.measure().await.unwrap();
    assert!(queue.begun().is_none(), "an empty queue is left alone");
    send(&world, &queue, "body").await;
    world.later(42);
    world.sqs.measure().await.unwrap();
    let mut registry = Registry::default();
    world.sqs.register_metrics(&mut registry);
    let shown = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    let labels = r#"{account="123456789012",region="us-east-1",queue="q"}"#;
    for line in [
        format!("sqs_messages_visible{labels} 1\n"),
        format!("sqs_messages_not_visible{labels} 0\n"),
        format!("sqs_age_of_oldest_message_seconds{labels} 42\n"),
        format!("sqs_messages_sent_total{labels} 0\n"),
    ] {
        assert!(shown().contains(&line), "{line} in\n{}", shown());
    }
    world.done("DeleteQueue", json!({"QueueUrl": url})).await;
    assert!(!shown().contains(labels));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_find_one_delivery_and_lose_no_change() {
    let world = Arc::new(world());
    world.plain("q").await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let tags = json!({number.to_string(): ""});
                let input = json!({"QueueUrl": world.url("q"), "Tags": tags});
                world.done("TagQueue", input).await;
                world.plain("other").await;
                let queue = world.sqs.find_named(&name("q")).await.unwrap();
                std::ptr::from_ref(queue.delivery().await.unwrap()).addr()
            })
        })
        .collect();
    let mut deliveries = std::collections::BTreeSet::new();
    for task in tasks {
        deliveries.insert(task.await.unwrap());
    }
    assert_eq!(deliveries.len(), 1);
    let queue = world.sqs.find_named(&name("q")).await.unwrap();
    assert_eq!(queue.settings.tags.len(), 32);
}
