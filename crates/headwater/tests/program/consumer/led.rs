//! A worker of ours where a leader of the KCL 3 assigns leases. The leader is played: its lock and its assignments are written.

use std::time::Duration;

use client::consumer::LeaseStore as _;
use client::consumer::lease::{Change, Condition};
use client::dynamodb::{Attribute, DynamoDb, Item, Terms};
use tokio::time::Instant;

use super::rig::{APPLICATION, Behaviour, Rig, wait_until};

/// Where a KCL of some version keeps its items.
struct Tables {
    leader: (String, &'static str),
    workers: (String, &'static str),
}

fn key(name: &str, value: &str) -> Item {
    Item::from([(name.to_owned(), Attribute::text(value))])
}

impl Tables {
    /// A leader that says it needs no heartbeat for a minute.
    async fn elect(&self, dynamodb: &DynamoDb) {
        for (table, hash_key) in [&self.leader, &self.workers] {
            dynamodb.ensure_table(table, hash_key).await.unwrap();
        }
        let mut lock = key(self.leader.1, "Leader");
        for (name, value) in [
            ("entityType", "LEADER"),
            ("ownerName", "kcl"),
            ("recordVersionNumber", "1"),
            ("leaseDuration", "60000"),
        ] {
            lock.insert(name.to_owned(), Attribute::text(value));
        }
        let mut terms = Terms::default();
        let condition = format!("attribute_not_exists({})", terms.name("ownerName"));
        assert!(
            dynamodb
                .put_if(&self.leader.0, &lock, &condition, &terms)
                .await
                .unwrap()
        );
    }

    async fn dismiss(&self, dynamodb: &DynamoDb) {
        let mut terms = Terms::default();
        let condition = format!("attribute_exists({})", terms.name("ownerName"));
        let lock = key(self.leader.1, "Leader");
        assert!(
            dynamodb
                .delete_if(&self.leader.0, &lock, &condition, &terms)
                .await
                .unwrap()
        );
    }

    async fn report(&self, dynamodb: &DynamoDb, worker: &str) -> Option<Item> {
        let key = key(self.workers.1, worker);
        let report = dynamodb.get(&self.workers.0, &key);
        report.await.unwrap()
    }
}

/// Waits until the worker has reported itself again.
async fn reported_anew(tables: &Tables, dynamodb: &DynamoDb) {
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut first = None;
    loop {
        assert!(Instant::now() < deadline, "no report anew after {first:?}");
        if let Some(report) = tables.report(dynamodb, "ours").await {
            let time = report["lut"].as_number();
            assert_eq!(report["entityType"], Attribute::text("WORKER_METRIC_STATS"));
            match first {
                None => first = Some(time),
                Some(before) if time > before => return,
                Some(_) => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn check(tables: Tables) {
    let rig = Rig::start(2).await;
    let dynamodb = rig.dynamodb();
    tables.elect(&dynamodb).await;
    let worker = rig.worker("ours", Behaviour::Checkpoints);
    rig.put(0..40).await;
    // By then it has looked more than once, and taken nothing.
    reported_anew(&tables, &dynamodb).await;
    let leases = rig.leases().list().await.unwrap();
    assert_eq!(leases.len(), 2);
    assert!(leases.iter().all(|lease| lease.owner.is_none()));

    let assigned = &leases[0];
    let condition = Condition {
        counter: Some(assigned.counter),
        ..Condition::default()
    };
    let change = Change {
        renews: true,
        owner: Some(Some("ours".to_owned())),
        ..Change::default()
    };
    let leases = rig.leases();
    let is_assigned = leases.update(&assigned.key, &condition, &change);
    assert!(is_assigned.await.unwrap());
    wait_until("it has its lease", || worker.metrics().leases_held == 1).await;
    wait_until("it reads", || rig.ledger.count() > 0).await;
    reported_anew(&tables, &dynamodb).await;
    assert_eq!(worker.metrics().leases_held, 1);
    assert_eq!(worker.metrics().taken, 0);

    tables.dismiss(&dynamodb).await;
    wait_until("without a leader it takes the other", || {
        worker.metrics().leases_held == 2
    })
    .await;
    wait_until("all are read", || rig.ledger.count() == 40).await;

    tables.elect(&dynamodb).await;
    reported_anew(&tables, &dynamodb).await;
    worker.stop().await;
    assert_eq!(tables.report(&dynamodb, "ours").await, None);
    let leases = rig.leases().list().await.unwrap();
    assert!(leases.iter().all(|lease| lease.owner.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_leader_assigns_leases_a_worker_takes_none() {
    let table = APPLICATION.to_owned();
    check(Tables {
        leader: (table.clone(), "leaseKey"),
        workers: (table, "leaseKey"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_a_leader_that_has_tables_of_its_own() {
    check(Tables {
        leader: (format!("{APPLICATION}-CoordinatorState"), "key"),
        workers: (format!("{APPLICATION}-WorkerMetricStats"), "wid"),
    })
    .await;
}
