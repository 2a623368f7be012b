//! Who is subscribed to what: one subscription for each consumer and shard. One of less than five seconds keeps its seat; an
//! older one loses it to the next that asks ("SubscribeToShard", API reference).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{StreamId, Timestamp};
use streams::StreamName;
use tokio::sync::oneshot;

use super::in_use;
use crate::kinesis::Kinesis;
use crate::kinesis::consumers::ConsumerName;
use crate::kinesis::error::KinesisError;

/// How long a subscription cannot be taken over, and the next must wait though it is over.
const HELD_FOR: Duration = Duration::from_secs(5);
/// Seats kept before those that nobody holds or waits for are forgotten.
const KEPT: usize = 1_024;

/// What one can be subscribed to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    pub(super) stream: StreamId,
    pub(super) consumer: ConsumerName,
    pub(super) shard: u32,
}

/// All seats.
#[derive(Debug, Default)]
pub(in crate::kinesis) struct Subscriptions {
    taken: HashMap<Place, Taken>,
    last_number: u64,
}

#[derive(Debug)]
struct Taken {
    number: u64,
    since: Timestamp,
    /// Dropped when another takes the seat; none once it was left.
    holder: Option<oneshot::Sender<()>>,
}

impl Subscriptions {
    /// Takes a seat, from another if need be. `None` where that one has not had it for long.
    fn take(&mut self, place: &Place, now: Timestamp) -> Option<(u64, oneshot::Receiver<()>)> {
        // Taken in the future, a clock was set back meanwhile: nobody knows for how long it was held.
        let is_held = |taken: &Taken| taken.since <= now && now.since(taken.since) < HELD_FOR;
        if self.taken.get(place).is_some_and(is_held) {
            return None;
        }
        if self.taken.len() >= KEPT {
            self.taken
                .retain(|_, taken| taken.holder.is_some() || is_held(taken));
        }
        self.last_number += 1;
        let (holder, lost) = oneshot::channel();
        let taken = Taken {
            number: self.last_number,
            since: now,
            holder: Some(holder),
        };
        self.taken.insert(place.clone(), taken);
        Some((self.last_number, lost))
    }

    /// Ends what a consumer that is gone was subscribed to.
    pub(in crate::kinesis) fn end(&mut self, stream: StreamId, consumer: &str) {
        self.taken
            .retain(|place, _| place.stream != stream || place.consumer.name != consumer);
    }

    fn leave(&mut self, place: &Place, number: u64) {
        if let Some(taken) = self.taken.get_mut(place)
            && taken.number == number
        {
            taken.holder = None;
        }
    }
}

/// A seat that is held until it is dropped, or lost.
#[derive(Debug)]
pub(super) struct Seat {
    kinesis: Arc<Kinesis>,
    place: Place,
    number: u64,
    lost: oneshot::Receiver<()>,
}

impl Seat {
    /// Takes the seat at `place`, which is of the stream `name`.
    pub(super) fn take(
        kinesis: &Arc<Kinesis>,
        place: Place,
        name: &StreamName,
        now: Timestamp,
    ) -> Result<Seat, KinesisError> {
        let taken = kinesis.plane.subscriptions().take(&place, now);
        let (number, lost) = taken.ok_or_else(|| in_use(name, &place))?;
        Ok(Seat {
            kinesis: Arc::clone(kinesis),
            place,
            number,
            lost,
        })
    }

    /// Waits until another has taken the seat.
    pub(super) async fn lost(&mut self) {
        // Nothing is ever sent: the other side is dropped.
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.kinesis
            .plane
            .subscriptions()
            .leave(&self.place, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shard: u32) -> Place {
        Place {
            stream: StreamId(1),
            consumer: ConsumerName {
                name: "c".into(),
                created: Some(1),
            },
            shard,
        }
    }

    #[test]
    fn a_seat_is_held_for_five_seconds_and_then_lost_to_the_next() {
        let mut seats = Subscriptions::default();
        let (_, mut first) = seats.take(&place(0), Timestamp(0)).unwrap();
        assert!(seats.take(&place(0), Timestamp(4_999)).is_none());
        assert!(seats.take(&place(1), Timestamp(4_999)).is_some());
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(seats.take(&place(0), Timestamp(5_000)).is_some());
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn a_seat_that_was_left_is_held_for_its_five_seconds_still() {
        let mut seats = Subscriptions::default();
        let (number, _) = seats.take(&place(0), Timestamp(0)).unwrap();
        seats.leave(&place(0), number);
        assert!(seats.take(&place(0), Timestamp(4_999)).is_none());
        let (_, mut second) = seats.take(&place(0), Timestamp(5_000)).unwrap();
        seats.leave(&place(0), number);
        let held = Err(oneshot::error::TryRecvError::Empty);
        assert_eq!(
            second.try_recv(),
            held,
            "the first can't give up the second's seat"
        );
    }

    #[test]
    fn seats_that_nobody_holds_are_forgotten() {
        let mut seats = Subscriptions::default();
        for shard in 0..5_000 {
            let (number, _) = seats.take(&place(shard), Timestamp(0)).unwrap();
            seats.leave(&place(shard), number);
        }
        seats.take(&place(0), Timestamp(10_000)).unwrap();
        assert_eq!(seats.taken.len(), 1);
    }

    #[test]
    fn a_clock_set_back_holds_no_seat() {
        let mut seats = Subscriptions::default();
        seats.take(&place(0), Timestamp(3_600_000)).unwrap();
        assert!(seats.take(&place(0), Timestamp(0)).is_some());
    }
}
