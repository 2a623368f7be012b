//! Windows, decisions, and a stream that grows under load.

use proptest::prelude::*;
use streams::Shard;

use super::*;
use crate::kinesis::Limits;
use crate::kinesis::world::World;

const MIB: usize = 1 << 20;

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + seconds * 1000)
}

fn topology(count: u32) -> Topology {
    let shards = HashRange::even(count).into_iter().zip(0..);
    Topology::of(shards.map(|(range, index)| Shard {
        index,
        range,
        parents: Vec::new(),
        generation: 0,
        opened: at(0),
        closed: None,
        expired: false,
        former: Vec::new(),
    }))
}

#[test]
fn a_shard_is_hot_at_half_its_capacity_over_a_minute() {
    let mut window = Window::default();
    for second in 0..59 {
        window.add(MIB / 2, 1, at(second));
    }
    assert!(!window.is_hot());
    window.add(MIB / 2, 1, at(59));
    assert!(window.is_hot());
    window.turn(at(80));
    assert!(!window.is_hot(), "the first slots are out of the window");
    window.add(0, 30_000, at(81));
    assert!(window.is_hot(), "records count too");
    window.turn(at(200));
    assert_eq!(window.total(), (0, 0));
}

#[test]
fn a_clock_set_back_begins_the_window_anew() {
    let mut window = Window::default();
    for second in 0..60 {
        window.add(MIB / 2, 1, at(3_600 + second));
    }
    window.add(1, 1, at(0));
    assert_eq!(window.total(), (1, 1));
    window.add(1, 1, at(15));
    window.add(1, 1, at(9));
    assert_eq!(window.total(), (3, 3), "a little back is no news");
}

#[test]
fn hot_shards_are_split_in_the_middle() {
    let topology = topology(2);
    let split = splits(&topology, &[1, 7]);
    assert_eq!(split, [(1, HashKey(3 << 126))]);
    assert_eq!(
        middle(&HashRange {
            first: HashKey(5),
            last: HashKey(5)
        }),
        None
    );
    assert_eq!(
        middle(&HashRange {
            first: HashKey(5),
            last: HashKey(6)
        }),
        Some(HashKey(6))
    );
}

#[test]
fn no_more_shards_than_200_are_made() {
    let all: Vec<u32> = (0..150).collect();
    assert_eq!(splits(&topology(150), &all).len(), 50);
    assert_eq!(splits(&topology(200), &all).len(), 0);
}

proptest! {
    #[test]
    fn the_window_holds_the_last_minute(adds in prop::collection::vec((0..30i64, 1..100usize), 1..60)) {
        let mut window = Window::default();
        let (mut now, mut all) = (0, Vec::new());
        for (wait, bytes) in adds {
            now += wait;
            window.add(bytes, 1, at(now));
            all.push((slot_of(at(now)), bytes as u64));
            let oldest = slot_of(at(now)) - SLOTS as i64;
            let expected: u64 = all.iter().filter(|(slot, _)| *slot > oldest).map(|(_, b)| b).sum();
            prop_assert_eq!(window.total().0, expected);
        }
    }

    #[test]
    fn both_halves_of_a_split_have_keys(first: u128, last: u128) {
        let range = HashRange { first: HashKey(first.min(last)), last: HashKey(first.max(last)) };
        if let Some(start) = middle(&range) {
            prop_assert!(range.split_at(start).is_some());
        }
    }
}

#[tokio::test]
async fn a_stream_grows_while_it_is_under_load_and_no_longer() {
    let world = World::new(Limits::None);
    let stream = world.stream_of("s", 4, Mode::OnDemand).await;
    world.stream("provisioned", 1).await;
    let records: Vec<String> = (0..500).map(|n| format!("k{n}")).collect();
    let records: Vec<(&str, &str)> = records.iter().map(|key| (key.as_str(), "x")).collect();
    assert_eq!(world.kinesis.scale_on_demand().await, Ok(0));
    // 4 shards with 500 records/s each are 120,000 in a minute.
    for _ in 0..260 {
        world.put("s", &records).await;
        world.put("provisioned", &records).await;
    }
    assert_eq!(world.kinesis.scale_on_demand().await, Ok(4));
    let grown = world.kinesis.find_named(&stream.name).await.unwrap();
    assert_eq!(grown.topology.open_count(), 8);
    assert!(grown.topology.covers_ring());
    assert_eq!(
        world.kinesis.scale_on_demand().await,
        Ok(0),
        "the split shards are closed"
    );
    world.clock.advance(Duration::from_secs(60));
    world.put("s", &records).await;
    assert_eq!(
        world.kinesis.scale_on_demand().await,
        Ok(0),
        "the load is over"
    );
    let other = world
        .kinesis
        .find_named(&world.name("provisioned"))
        .await
        .unwrap();
    assert_eq!(other.topology.open_count(), 1);
}

#[tokio::test]
async fn a_stream_that_is_gone_is_passed_over() {
    let world = World::new(Limits::None);
    let stream = world.stream_of("s", 1, Mode::OnDemand).await;
    for _ in 0..60 {
        world.put("s", &[("k", "x"); 500]).await;
    }
    world.kinesis.streams.delete(&stream.name).await.unwrap();
    assert_eq!(world.kinesis.scale_on_demand().await, Ok(0));
}

#[tokio::test]
async fn a_damaged_stream_does_not_keep_others_from_growing() {
    let world = World::new(Limits::None);
    let names = ["a", "b", "c", "d"];
    for name in names {
        world.stream_of(name, 1, Mode::OnDemand).await;
        for _ in 0..60 {
            world.put(name, &[("k", "x"); 500]).await;
        }
    }
    let damaged = world.name("b");
    let (account, region) = (damaged.account.as_str(), damaged.region.as_str());
    let damage = store::Write::Put {
        key: store::Key::of(&["stream", account, region, "b"]),
        value: b"no settings".to_vec().into(),
    };
    let txn = store::Txn {
        writes: vec![damage],
        ..store::Txn::default()
    };
    world.kinesis.store.commit(txn).await.unwrap();
    world.kinesis.scale_on_demand().await.unwrap_err();
    for name in ["a", "c", "d"] {
        let stream = world.kinesis.find_named(&world.name(name)).await.unwrap();
        assert_eq!(stream.topology.open_count(), 2, "{name}");
    }
}
