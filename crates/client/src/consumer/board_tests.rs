//! Who takes what, case by case, and that any number of workers settles.

use model::Rng;
use proptest::prelude::*;

use super::*;
use crate::consumer::position::Position;

const FAILOVER: Duration = Duration::from_secs(10);

fn share() -> Share {
    Share {
        leases_max: usize::MAX,
        steals_max: 1,
        failover: FAILOVER,
    }
}

fn leases(owners: &[Option<&str>]) -> Vec<Lease> {
    let with_owner = |(index, owner): (usize, &Option<&str>)| {
        let mut lease = Lease::unowned(&format!("shard-{index}"), vec![], Position::Latest);
        lease.owner = owner.map(str::to_owned);
        lease
    };
    owners.iter().enumerate().map(with_owner).collect()
}

fn after(table: &[Lease], renewed: bool, wait: Duration, me: &str, share: &Share) -> Vec<Choice> {
    let start = Instant::now();
    let mut board = Board::default();
    board.observe(table.to_vec(), start);
    let mut table = table.to_vec();
    if renewed {
        table.iter_mut().for_each(|lease| lease.counter += 1);
    }
    board.observe(table, start + wait);
    board.choose(me, share, start + wait, &Rng::seeded(1))
}

#[test]
fn leases_without_owner_are_all_taken_at_first_sight() {
    let table = leases(&[None, None, None, Some("b")]);
    let chosen = after(&table, false, Duration::ZERO, "a", &share());
    assert_eq!(chosen.len(), 3);
    let few = Share {
        leases_max: 2,
        ..share()
    };
    assert_eq!(after(&table, false, Duration::ZERO, "a", &few).len(), 2);
}

#[test]
fn only_leases_unchanged_for_the_failover_time_are_taken() {
    let table = leases(&[Some("b"); 4]);
    let check = |renewed, wait, expected: &[bool]| {
        let chosen = after(&table, renewed, wait, "a", &share());
        let are_stolen: Vec<bool> = chosen
            .iter()
            .map(|choice| matches!(choice, Choice::Steal(_)))
            .collect();
        assert_eq!(are_stolen, expected, "{renewed} {wait:?}");
    };
    let moment = Duration::from_millis(1);
    check(false, FAILOVER, &[true]);
    // Its owner is not counted as a worker any more: all are for the one that is left.
    check(false, FAILOVER + moment, &[false; 4]);
    check(true, FAILOVER * 9, &[true]);
}

#[test]
fn who_has_its_share_takes_nothing() {
    let busy = leases(&[Some("a"), Some("b"), Some("a"), Some("b"), Some("b")]);
    assert_eq!(after(&busy, true, FAILOVER, "b", &share()), []);
    // Needs one of three, and nobody has more than three.
    assert_eq!(after(&busy, true, FAILOVER, "a", &share()), []);
    let lone = leases(&[Some("b")]);
    assert_eq!(after(&lone, true, FAILOVER, "a", &share()), []);
}

#[test]
fn a_lease_that_is_being_handed_over_is_not_stolen_again() {
    let mut table = leases(&[Some("b"); 3]);
    table
        .iter_mut()
        .for_each(|lease| lease.checkpoint_owner = Some("c".to_owned()));
    assert_eq!(after(&table, true, FAILOVER, "a", &share()), []);
}

/// Takes turns until nobody wants anything; gives how many leases each worker has.
fn settle(workers: usize, count: usize, seed: u64, steals_max: usize) -> Vec<usize> {
    let rng = Rng::seeded(seed);
    let share = Share {
        steals_max,
        ..share()
    };
    let mut table = leases(&vec![None; count]);
    let names: Vec<String> = (0..workers)
        .map(|index| format!("worker-{index}"))
        .collect();
    let mut boards: Vec<Board> = names.iter().map(|_| Board::default()).collect();
    let mut now = Instant::now();
    for _round in 0..count * 2 + 10 {
        for (name, board) in names.iter().zip(&mut boards) {
            table
                .iter_mut()
                .filter(|lease| lease.owner.is_some())
                .for_each(|lease| lease.counter += 1);
            board.observe(table.clone(), now);
            for choice in board.choose(name, &share, now, &rng) {
                let (condition, change) = choice.lease().taking(name);
                let lease = table
                    .iter_mut()
                    .find(|lease| lease.key == choice.lease().key)
                    .unwrap();
                assert!(lease.satisfies(&condition));
                lease.apply(&change);
            }
        }
        now += FAILOVER * 2;
    }
    let of = |name: &String| {
        table
            .iter()
            .filter(|lease| lease.owner.as_ref() == Some(name))
            .count()
    };
    names.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// In the end each lease has an owner, and no worker has two more than another.
    #[test]
    fn any_workers_settle(workers in 1usize..8, count in 0usize..40, seed: u64, steals_max in 1usize..4) {
        let held = settle(workers, count, seed, steals_max);
        prop_assert_eq!(held.iter().sum::<usize>(), count);
        let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", held);
    }
}
