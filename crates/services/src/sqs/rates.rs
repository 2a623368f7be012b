//! How many calls a FIFO queue answers in a second, which holds under [`Limits::Aws`] alone.
//!
//! "By default, FIFO queues support 300 transactions per second, per API action for SendMessage, ReceiveMessage, and DeleteMessage";
//! a batch is one of them. In high-throughput mode sends are counted by message group instead, and all of a queue's by the quota of
//! AWS's largest regions. Calls over it are refused with `RequestThrottled`, as the service model has it; "Requests over 300 TPS get
//! the ThrottlingException error", says the page on troubleshooting, which SDKs take for the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Timestamp;
use streams::delivery::Group;

use super::error::SqsError;
use super::queues::Queue;
use super::records::ThroughputLimit;
use super::{Limits, Sqs, limits};

/// Groups counted at once. Those that have not been sent to for a second need not be.
const GROUPS_MAX: usize = 10_000;

/// What is counted for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Send,
    Receive,
    Delete,
    ChangeVisibility,
}

/// The calls of one queue.
#[derive(Debug, Default)]
pub(super) struct Rates {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    actions: [Calls; 4],
    groups: HashMap<Group, Calls>,
}

/// Calls made lately, in thousandths, which melt with the milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    thousandths: u64,
    at: Timestamp,
}

impl Calls {
    fn left_at(self, now: Timestamp, per_second: u64) -> u64 {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.thousandths
            .saturating_sub(passed.saturating_mul(per_second))
    }

    fn has_room(self, now: Timestamp, per_second: u64) -> bool {
        self.left_at(now, per_second) + 1_000 <= per_second * 1_000
    }

    fn count(&mut self, now: Timestamp, per_second: u64) {
        self.thousandths = self.left_at(now, per_second) + 1_000;
        self.at = now;
    }
}

impl Rates {
    /// Counts a call, if one more may be; one that is refused counts for nothing. `groups` are those that it sends to.
    fn admit(
        &self,
        action: Action,
        limit: ThroughputLimit,
        groups: &[Group],
        now: Timestamp,
    ) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            actions,
            groups: known,
        } = &mut *inner;
        let (per_second, groups) = match limit {
            ThroughputLimit::PerQueue => (limits::FIFO_CALLS, &[][..]),
            ThroughputLimit::PerMessageGroupId => (limits::FIFO_CALLS_HIGH, groups),
        };
        let calls = &mut actions[action as usize];
        let of_group = |known: &HashMap<Group, Calls>, group: &Group| {
            known.get(group).copied().unwrap_or_default()
        };
        let has_room = calls.has_room(now, per_second)
            && groups
                .iter()
                .all(|group| of_group(known, group).has_room(now, limits::FIFO_CALLS));
        if !has_room {
            return false;
        }
        calls.count(now, per_second);
        if known.len() + groups.len() > GROUPS_MAX {
            known.retain(|_, calls| calls.left_at(now, limits::FIFO_CALLS) > 0);
        }
        // Too many at once to count: admitted rather than to grow.
        if known.len() + groups.len() <= GROUPS_MAX {
            for group in groups {
                known
                    .entry(*group)
                    .or_default()
                    .count(now, limits::FIFO_CALLS);
            }
        }
        true
    }
}

impl Sqs {
    /// Whether a queue may be called once more now. `groups` are those of the messages sent by the call.
    ///
    /// # Errors
    /// [`SqsError::RequestThrottled`].
    pub(super) fn admit<'a>(
        &self,
        queue: &Queue,
        action: Action,
        groups: impl Iterator<Item = &'a str>,
    ) -> Result<(), SqsError> {
        let Some(fifo) = &queue.settings.fifo else {
            return Ok(());
        };
        if self.limits == Limits::None {
            return Ok(());
        }
        let mut groups: Vec<Group> = groups.map(|id| Group::of(id.as_bytes())).collect();
        groups.sort_unstable();
        groups.dedup();
        let limit = fifo.throughput_limit;
        if queue
            .rates()
            .admit(action, limit, &groups, self.clock.now())
        {
            return Ok(());
        }
        Err(SqsError::RequestThrottled("Rate exceeded".into()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    fn admitted(rates: &Rates, limit: ThroughputLimit, groups: &[u64], now: Timestamp) -> usize {
        let groups: Vec<Group> = groups.iter().map(|id| Group(*id)).collect();
        let admit = || rates.admit(Action::Send, limit, &groups, now);
        std::iter::repeat_with(admit)
            .take(100_000)
            .take_while(|is_admitted| *is_admitted)
            .count()
    }

    #[test]
    fn an_action_has_300_calls_a_second() {
        let rates = Rates::default();
        let queue = ThroughputLimit::PerQueue;
        assert_eq!(admitted(&rates, queue, &[1], START), 300);
        assert!(rates.admit(Action::Receive, queue, &[], START), "another's");
        let soon = START.plus(Duration::from_millis(100));
        assert_eq!(admitted(&rates, queue, &[2], soon), 30);
        let later = START.plus(Duration::from_secs(60));
        assert_eq!(admitted(&rates, queue, &[2], later), 300);
    }

    #[test]
    fn in_high_throughput_each_group_has_as_many() {
        let rates = Rates::default();
        let group = ThroughputLimit::PerMessageGroupId;
        assert_eq!(admitted(&rates, group, &[1], START), 300);
        assert_eq!(admitted(&rates, group, &[1, 2], START), 0, "all or none");
        assert_eq!(admitted(&rates, group, &[2, 3], START), 300);
        assert_eq!(admitted(&rates, group, &[], START), 70_000 - 600);
    }

    #[test]
    fn so_many_groups_are_counted_and_no_more() {
        let rates = Rates::default();
        let group = ThroughputLimit::PerMessageGroupId;
        for id in 0..GROUPS_MAX as u64 + 10 {
            assert!(rates.admit(Action::Send, group, &[Group(id)], START));
        }
        let known = || rates.inner.lock().unwrap().groups.len();
        assert_eq!(known(), GROUPS_MAX);
        let later = START.plus(Duration::from_secs(1));
        assert!(rates.admit(Action::Send, group, &[Group(0)], later));
        assert_eq!(known(), 1);
    }
}
