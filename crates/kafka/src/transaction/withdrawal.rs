//! Offsets that open transactions were about to commit, taken out of them: their group is deleted, or is to forget how far it has
//! read. As in Apache Kafka, the transactions go on without them.

use model::LogId;
use store::Write;

use crate::transaction::machine::{Machine, Place};
use crate::transaction::{Transactions, Turn, kept};

/// Offsets about to be taken out. Until this is dropped, no step is taken by the transactions that have them.
pub(crate) struct Withdrawal<'a> {
    transactions: &'a Transactions,
    from: Vec<(Turn, Vec<Place>)>,
}

impl Transactions {
    /// Begins to take those of a group's offsets that `is_meant` out of all open transactions.
    pub(crate) async fn withdraw(
        &self,
        group: &str,
        is_meant: impl Fn(LogId) -> bool,
    ) -> Withdrawal<'_> {
        let is_one = |place: &Place| {
            let (of, stream, partition) = place;
            of == group && is_meant(LogId::new(*stream, *partition))
        };
        let has_any = |machine: &Machine| machine.offsets.keys().any(is_one);
        let mut ids: Vec<String> = {
            let by_id = self.by_id();
            let with = by_id.iter().filter(|(_, one)| one.is_such(has_any));
            with.map(|(id, _)| id.clone()).collect()
        };
        // Everybody else holds one turn at a time; several who hold many take them in one order.
        ids.sort_unstable();
        let mut from = Vec::with_capacity(ids.len());
        for id in ids {
            // One that is not known any more had ended.
            let Ok(turn) = self.turn(&id).await else {
                continue;
            };
            let machine = turn.one.machine();
            let places = machine.iter().flat_map(|machine| machine.offsets.keys());
            let places: Vec<Place> = places.filter(|place| is_one(place)).cloned().collect();
            if !places.is_empty() {
                from.push((turn, places));
            }
        }
        Withdrawal {
            transactions: self,
            from,
        }
    }
}

impl Withdrawal<'_> {
    /// What is to be written for it.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let all = self.from.iter();
        let writes = all.flat_map(|(turn, places)| {
            let places = places.iter();
            places.map(|place| kept::delete_offset(&turn.id, place))
        });
        writes.collect()
    }

    /// That is durable.
    pub(crate) fn done(self) {
        for (turn, places) in self.from {
            let Some(mut machine) = turn.one.machine() else {
                continue;
            };
            for place in &places {
                machine.offsets.remove(place);
                self.transactions.discount_pending(place);
            }
            turn.one.become_(Some(machine));
        }
    }
}
