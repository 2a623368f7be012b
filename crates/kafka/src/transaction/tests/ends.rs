//! Ends in odd circumstances: with writes under way, in logs that take no marker, in spite of others.

use streams::StreamsError;

use super::*;

/// One producer with a transaction open and one batch in partition 0.
async fn begun() -> (World, Client) {
    let mut world = World::new(1).await;
    world.init().await;
    let mut client = world.clients[0].clone();
    client.bumps = false;
    world.add(&client, 0).await.unwrap();
    world.append(&mut client, 0).await.unwrap();
    (world, client)
}

fn end(client: &Client, commits: bool) -> End {
    End {
        asking: client.asking,
        commits,
        bumps: false,
    }
}

fn producer(client: &Client, sequence: i32) -> Producer {
    Producer {
        id: client.asking.producer_id,
        epoch: client.asking.epoch,
        sequence,
    }
}

async fn visible(world: &World) -> Vec<String> {
    let log = world.stream.log(0);
    let end = world.store_bounds(log).await;
    let stable = world.transactions.last_stable(log, end);
    assert_eq!(stable, end, "nothing holds the log");
    world.read_committed(0, stable.0).await
}

#[tokio::test]
async fn an_end_waits_for_the_writes_under_way_and_lets_no_more_in() {
    let (mut world, client) = begun().await;
    let log = world.stream.log(0);
    let by = producer(&client, client.sequences[&0]);
    let writing = world.transactions.admit(client.id, by, log).await.unwrap();
    let transactions = Arc::clone(&world.transactions);
    let (id, asked) = (client.id, end(&client, true));
    let ending = tokio::spawn(async move { transactions.end(id, asked).await });
    while !matches!(
        world.transactions.admit(client.id, by, log).await,
        Err(refusal) if refusal.code == ErrorCode::ConcurrentTransactions
    ) {
        tokio::task::yield_now().await;
    }
    assert!(!ending.is_finished());
    let (batch, values) = world.batch(Some(by));
    let at = world.put(0, batch).await;
    writing.done(Written::At(at));
    ending.await.unwrap().unwrap();
    let read = visible(&world).await;
    assert!(read.ends_with(&values), "{read:?} ends with {values:?}");
}

#[tokio::test]
async fn an_end_goes_on_when_its_client_is_gone() {
    let (world, client) = begun().await;
    let log = world.stream.log(0);
    let by = producer(&client, client.sequences[&0]);
    let writing = world.transactions.admit(client.id, by, log).await.unwrap();
    let asked = world.transactions.end(client.id, end(&client, true));
    let gone = tokio::time::timeout(Duration::from_millis(1), asked).await;
    assert!(gone.is_err(), "it waits for the write");
    drop(writing);
    // The next who asks waits for its turn, and finds it ended.
    let again = world.transactions.end(client.id, end(&client, true));
    again.await.unwrap();
    assert!(!visible(&world).await.is_empty());
}

#[tokio::test]
async fn a_transaction_that_would_be_too_large_to_end_takes_no_more_offsets() {
    let (world, client) = begun().await;
    let group = "\u{1}".repeat(990);
    let offset = |partition| {
        let place = (group.clone(), world.stream.settings.id, partition);
        let offset = CommittedOffset {
            topic: "t".into(),
            offset: 1,
            leader_epoch: -1,
            metadata: String::new(),
            at: Timestamp(0),
            expires: None,
        };
        (place, offset)
    };
    let mut taken = 0;
    let refusal = loop {
        assert!(taken < 20_000, "keys of 80 MB");
        let offsets = (taken..taken + 2_000).map(offset).collect();
        let noted = world
            .transactions
            .commit_offsets(client.id, client.asking, offsets, true);
        match noted.await {
            Ok(()) => taken += 2_000,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code, ErrorCode::InvalidCommitOffsetSize);
    assert!(taken > 2_000);
    let ended = world.transactions.end(client.id, end(&client, true));
    ended.await.unwrap();
}

#[tokio::test]
async fn what_was_committed_beside_a_transaction_since_stands() {
    let (world, client) = begun().await;
    let stream = world.stream.settings.id;
    let offset = |offset, at| CommittedOffset {
        topic: "t".into(),
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        at: Timestamp(at),
        expires: None,
    };
    let place = |partition| ("g".to_owned(), stream, partition);
    let noted = [0, 1].map(|partition| (place(partition), offset(100, 5)));
    let noted = noted.into_iter().collect();
    let transactions = &world.transactions;
    let noting = transactions.commit_offsets(client.id, client.asking, noted, true);
    noting.await.unwrap();
    assert!(transactions.pending_groups().contains("g"));
    let store = transactions.streams.store();
    let beside = [(0, 6), (1, 4)];
    let beside =
        beside.map(|(partition, at)| offsets::put("g", stream, partition, &offset(50, at)));
    let txn = Txn {
        writes: beside.to_vec(),
        ..Txn::default()
    };
    store.commit(txn).await.unwrap();
    let ended = transactions.end(client.id, end(&client, true));
    ended.await.unwrap();
    let mut found = Vec::new();
    for partition in [0, 1] {
        let key = offsets::key("g", stream, partition);
        let document = store.get(&key).await.unwrap().unwrap();
        found.push(document.decode::<CommittedOffset>().unwrap().offset);
    }
    assert_eq!(found, [50, 100]);
    assert!(transactions.pending_groups().is_empty());
}

#[tokio::test]
async fn a_closed_shard_takes_no_marker_and_holds_nothing() {
    for commits in [true, false] {
        let (world, client) = begun().await;
        let plan = |_: &Stream, planner: streams::reshard::Planner<'_>| {
            Ok::<_, StreamsError>(planner.uniform(5)?)
        };
        let streams = &world.transactions.streams;
        streams.reshard(&world.stream.name, plan).await.unwrap();
        world
            .transactions
            .end(client.id, end(&client, commits))
            .await
            .unwrap();
        assert_eq!(visible(&world).await.is_empty(), !commits);
        let mut world = world;
        world.crash().await;
        assert_eq!(visible(&world).await.is_empty(), !commits, "after a crash");
    }
}

#[tokio::test]
async fn a_deleted_topic_keeps_no_transaction_open() {
    let (mut world, client) = begun().await;
    let streams = &world.transactions.streams;
    streams.delete(&world.stream.name).await.unwrap();
    world.crash().await;
    world
        .transactions
        .end(client.id, end(&client, true))
        .await
        .unwrap();
    let machine = world.transactions.find(client.id).unwrap().machine();
    assert_eq!(machine.map(|machine| machine.stage), Some(Stage::Committed));
}

#[tokio::test]
async fn a_stranger_under_its_id_keeps_no_transaction_open() {
    let (mut world, client) = begun().await;
    let mut stranger = producer(&client, 0);
    stranger.epoch += 100;
    let (batch, _) = world.batch(Some(stranger));
    world.put(0, batch).await;
    world
        .transactions
        .end(client.id, end(&client, false))
        .await
        .unwrap();
    assert!(visible(&world).await.is_empty());
}

#[tokio::test]
async fn an_id_without_use_is_forgotten_and_begins_anew() {
    let (world, client) = begun().await;
    world
        .transactions
        .end(client.id, end(&client, true))
        .await
        .unwrap();
    world.clock.advance(machine::IDLE_MAX);
    world.transactions.expire(world.clock.now()).await;
    assert!(world.transactions.all().is_empty());
    let lost = world.add(&client, 0).await.unwrap_err();
    assert_eq!(lost.code, ErrorCode::InvalidProducerIdMapping);
    let init = Init {
        timeout_ms: TIMEOUT_MS,
        expected: None,
    };
    let anew = world.transactions.init(client.id, init).await.unwrap();
    assert_ne!(anew.producer_id, client.asking.producer_id);
}

#[tokio::test]
async fn nobody_writes_plainly_where_they_have_a_transaction_open() {
    let (world, client) = begun().await;
    let by = producer(&client, 9);
    let log = world.stream.log(0);
    assert!(!world.transactions.admits_plain(by, log));
    assert!(world.transactions.admits_plain(by, world.stream.log(1)));
    world
        .transactions
        .end(client.id, end(&client, true))
        .await
        .unwrap();
    assert!(world.transactions.admits_plain(by, log));
}
