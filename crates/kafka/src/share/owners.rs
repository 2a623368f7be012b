//! Who has which records of a partition, and what an acknowledgement of theirs comes to (KIP-932). Pure: what a delivery is
//! worth is asked of the queue, by a function passed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Offset;
use streams::delivery::{Receipt, Standing};

use crate::wire::ErrorCode;

/// What is said of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// There is none at this offset.
    Gap,
    /// It was processed.
    Accept,
    /// It is to be delivered again.
    Release,
    /// It cannot be processed and is not to be delivered again.
    Reject,
    /// It is being processed still.
    Renew,
}

impl Act {
    /// As requests have it.
    fn of(number: i8) -> Option<Act> {
        Some(match number {
            0 => Act::Gap,
            1 => Act::Accept,
            2 => Act::Release,
            3 => Act::Reject,
            4 => Act::Renew,
            _ => return None,
        })
    }
}

/// What is said of the records from `first` up to `last`: one thing for all, or one for each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    first: u64,
    last: u64,
    acts: Vec<Act>,
}

impl Said {
    /// A request's ranges, which must be in order, without overlap.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`].
    pub(crate) fn all(
        ranges: impl Iterator<Item = (i64, i64, Vec<i8>)>,
        may_renew: bool,
    ) -> Result<Vec<Said>, ErrorCode> {
        let mut all: Vec<Said> = Vec::new();
        for (first, last, acts) in ranges {
            let invalid = ErrorCode::InvalidRequest;
            let first = u64::try_from(first).map_err(|_| invalid)?;
            let last = u64::try_from(last).map_err(|_| invalid)?;
            let length = last.checked_sub(first).ok_or(invalid)?.saturating_add(1);
            let is_each = u64::try_from(acts.len()) == Ok(length);
            let follows = all.last().is_none_or(|before| before.last < first);
            if !follows || !(is_each || acts.len() == 1) {
                return Err(invalid);
            }
            let acts: Option<Vec<Act>> = acts.into_iter().map(Act::of).collect();
            let acts = acts.ok_or(invalid)?;
            if !may_renew && acts.contains(&Act::Renew) {
                return Err(invalid);
            }
            all.push(Said { first, last, acts });
        }
        Ok(all)
    }

    fn act(&self, offset: u64) -> Option<Act> {
        if let [one] = *self.acts {
            return Some(one);
        }
        let at = usize::try_from(offset - self.first).ok()?;
        self.acts.get(at).copied()
    }

    /// Of offsets that nobody has, nothing but that can be said.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRecordState`].
    fn must_be_gaps(&self, start: u64, end: u64) -> Result<(), ErrorCode> {
        let at = |offset: u64| usize::try_from(offset - self.first).unwrap_or(usize::MAX);
        let acts = match &*self.acts {
            _ if start >= end => &[],
            [_] => &*self.acts,
            each => each.get(at(start)..at(end)).unwrap_or_default(),
        };
        if acts.iter().all(|act| *act == Act::Gap) {
            Ok(())
        } else {
            Err(ErrorCode::InvalidRecordState)
        }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settled {
    pub(crate) done: Vec<Offset>,
    pub(crate) released: Vec<Receipt>,
    pub(crate) renewed: Vec<Receipt>,
}

#[derive(Clone, Debug)]
struct Owner {
    member: Arc<str>,
    receives: u32,
}

/// Who has which records.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    by_offset: BTreeMap<Offset, Owner>,
}

impl Owners {
    /// Somebody has these now.
    pub(crate) fn give(&mut self, member: &str, receipts: &[Receipt]) {
        let member: Arc<str> = member.into();
        for receipt in receipts {
            let owner = Owner {
                member: Arc::clone(&member),
                receives: receipt.receives,
            };
            self.by_offset.insert(receipt.offset, owner);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_offset.len()
    }

    /// Keeps those whose deliveries are worth something still.
    pub(crate) fn prune(&mut self, standing: impl Fn(Receipt) -> Standing) {
        self.by_offset
            .retain(|offset, owner| standing(owner.receipt(*offset)) == Standing::Current);
    }

    /// Takes all from a member.
    pub(crate) fn take_all(&mut self, member: &str) -> Vec<Receipt> {
        let mut taken = Vec::new();
        self.by_offset.retain(|offset, owner| {
            let is_its = *owner.member == *member;
            if is_its {
                taken.push(owner.receipt(*offset));
            }
            !is_its
        });
        taken
    }

    /// Nobody has these any more.
    pub(crate) fn forget(&mut self, offsets: impl IntoIterator<Item = Offset>) {
        for offset in offsets {
            self.by_offset.remove(&offset);
        }
    }

    /// Whoever had these by these deliveries has them no more. By a later one, somebody may.
    pub(crate) fn forget_deliveries(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let owner = self.by_offset.get(&receipt.offset);
            if owner.is_some_and(|owner| owner.receives == receipt.receives) {
                self.by_offset.remove(&receipt.offset);
            }
        }
    }

    /// What a member's acknowledgement comes to; records before `base` are passed over, as nobody waits for them. All of it
    /// holds, or nothing. The member has its records until they are [forgotten](Owners::forget).
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRecordState`] where the member does not have one of the records, or no longer.
    pub(crate) fn settle(
        &self,
        member: &str,
        base: Offset,
        said: &[Said],
        standing: impl Fn(Receipt) -> Standing,
    ) -> Result<Settled, ErrorCode> {
        let mut settled = Settled::default();
        for one in said {
            let first = one.first.max(base.0);
            if one.last < first {
                continue;
            }
            let mut next = first;
            // Those that somebody has, not all that are named: a range may be as long as offsets go.
            for (&offset, owner) in self.by_offset.range(Offset(first)..=Offset(one.last)) {
                one.must_be_gaps(next, offset.0)?;
                next = offset.0.saturating_add(1);
                let receipt = owner.receipt(offset);
                let is_its = *owner.member == *member && standing(receipt) == Standing::Current;
                if !is_its {
                    return Err(ErrorCode::InvalidRecordState);
                }
                match one.act(offset.0).ok_or(ErrorCode::InvalidRequest)? {
                    Act::Accept | Act::Reject | Act::Gap => settled.done.push(offset),
                    Act::Release => settled.released.push(receipt),
                    Act::Renew => settled.renewed.push(receipt),
                }
            }
            one.must_be_gaps(next, one.last.saturating_add(1))?;
        }
        Ok(settled)
    }
}

impl Owner {
    fn receipt(&self, offset: Offset) -> Receipt {
        Receipt {
            offset,
            receives: self.receives,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(offsets: std::ops::Range<u64>) -> Vec<Receipt> {
        let receipt = |offset| Receipt {
            offset: Offset(offset),
            receives: 1,
        };
        offsets.map(receipt).collect()
    }

    fn said(ranges: &[(i64, i64, &[i8])]) -> Result<Vec<Said>, ErrorCode> {
        let ranges = ranges.iter();
        Said::all(
            ranges.map(|(first, last, acts)| (*first, *last, acts.to_vec())),
            false,
        )
    }

    /// What becomes of offsets 10 to 19 that `m` has, of which 15 has lapsed, in a partition that begins at 10: numbers done,
    /// and released.
    fn check(ranges: &[(i64, i64, &[i8])], expected: Result<(&[u64], &[u64]), ErrorCode>) {
        let mut owners = Owners::default();
        owners.give("m", &receipts(10..20));
        owners.give("other", &receipts(20..22));
        let standing = |receipt: Receipt| match receipt.offset.0 {
            15 => Standing::Lapsed,
            _ => Standing::Current,
        };
        let settled = said(ranges).and_then(|said| owners.settle("m", Offset(10), &said, standing));
        let settled = settled.map(|settled| {
            let done: Vec<u64> = settled.done.iter().map(|offset| offset.0).collect();
            let released: Vec<u64> = settled.released.iter().map(|one| one.offset.0).collect();
            (done, released)
        });
        let expected = expected.map(|(done, released)| (done.to_vec(), released.to_vec()));
        assert_eq!(settled, expected, "{ranges:?}");
    }

    #[test]
    fn ranges_say_one_thing_for_all_or_one_for_each() {
        check(&[(10, 12, &[1])], Ok((&[10, 11, 12], &[])));
        check(&[(10, 12, &[1, 2, 3])], Ok((&[10, 12], &[11])));
        check(&[(10, 10, &[2]), (12, 12, &[1])], Ok((&[12], &[10])));
        check(&[(8, 11, &[1])], Ok((&[10, 11], &[])));
        check(&[(2, 9, &[1])], Ok((&[], &[])));
        check(&[(22, 23, &[0])], Ok((&[], &[])));
        check(&[(18, 19, &[0]), (22, 24, &[0])], Ok((&[18, 19], &[])));
    }

    #[test]
    fn what_nobody_has_costs_nothing_to_look_at() {
        check(&[(22, i64::MAX, &[0])], Ok((&[], &[])));
        let mut owners = Owners::default();
        owners.give("m", &receipts(0..4_000));
        let wide = (1..100_000).map(|at| (at * 4_000, at * 4_000 + 3_999, vec![0]));
        let said = Said::all(wide, false).unwrap();
        let asked = std::cell::Cell::new(0);
        let standing = |_| {
            asked.set(asked.get() + 1);
            Standing::Current
        };
        // Looked at one by one, these would be four hundred million.
        let settled = owners.settle("m", Offset(0), &said, standing);
        assert_eq!((settled, asked.get()), (Ok(Settled::default()), 0));
    }

    #[test]
    fn what_is_not_a_members_is_refused_whole() {
        let state = Err(ErrorCode::InvalidRecordState);
        check(&[(14, 15, &[1])], state);
        check(&[(19, 20, &[1])], state);
        check(&[(19, 20, &[1, 0])], state);
        check(&[(21, 22, &[0, 1])], state);
        check(&[(22, 23, &[0, 1])], state);
        check(&[(15, 15, &[0])], state);
        check(&[(10, 11, &[1]), (30, 30, &[2])], state);
        check(&[(10, i64::MAX, &[1])], state);
        let invalid = Err(ErrorCode::InvalidRequest);
        check(&[(10, 12, &[1, 2])], invalid);
        check(&[(10, 12, &[])], invalid);
        check(&[(12, 10, &[1])], invalid);
        check(&[(-1, 10, &[1])], invalid);
        check(&[(10, 12, &[1]), (12, 13, &[1])], invalid);
        check(&[(10, 10, &[5])], invalid);
        check(&[(10, 10, &[4])], invalid);
    }

    #[test]
    fn a_member_that_goes_gives_back_what_it_has() {
        let mut owners = Owners::default();
        owners.give("m", &receipts(0..3));
        owners.give("other", &receipts(2..4));
        assert_eq!(owners.take_all("m"), receipts(0..2));
        assert_eq!(owners.len(), 2);
        owners.prune(|receipt| match receipt.offset.0 {
            2 => Standing::Stale,
            _ => Standing::Current,
        });
        assert_eq!(owners.take_all("other"), receipts(3..4));
    }

    #[test]
    fn a_record_that_is_anothers_by_now_is_not_taken_from_it() {
        let mut owners = Owners::default();
        owners.give("m", &receipts(0..2));
        let again = Receipt {
            offset: Offset(1),
            receives: 2,
        };
        owners.give("other", &[again]);
        owners.forget_deliveries(&receipts(0..2));
        assert_eq!(owners.take_all("m"), []);
        assert_eq!(owners.take_all("other"), [again]);
    }
}
