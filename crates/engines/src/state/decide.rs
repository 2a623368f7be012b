//! How a request becomes decisions: checked against the state that all earlier requests left, written to the frame being
//! drafted, and made so at once. A refused request leaves no trace.

use std::time::Duration;

use model::{Batch, Offset, Timestamp};
use store::producers::Verdict;
use store::{Append, Appended, Bounds, Key, Lease, StoreError};

use crate::frame::{Decision, Extent, Payload};
use crate::segments::SegmentRange;
use crate::state::request::{NewRewrite, NewSegment, Outcome, Reply, Request};
use crate::state::{LogState, State};

/// A frame in the making.
#[derive(Debug, Default)]
pub struct Draft {
    /// Decided so far.
    pub decisions: Vec<Decision>,
    /// The batches of the decided appends, in order.
    pub batches: Vec<Batch>,
    /// Their bytes.
    pub payload: Payload,
}

impl State {
    /// Decides `request`. The reply holds once the draft is durable.
    ///
    /// # Errors
    /// Why it was refused; nothing has changed then.
    pub fn decide(&mut self, request: &Request, draft: &mut Draft) -> Reply {
        match request {
            Request::Append(appends) => {
                let place = |append| self.decide_append(append, draft);
                Ok(Outcome::Appended(appends.iter().map(place).collect()))
            }
            Request::Commit(txn) => self.decide_txn(txn, draft).map(Outcome::Committed),
            Request::Acquire {
                name,
                owner,
                duration,
                now,
            } => self
                .decide_acquire(name, owner, *duration, *now, draft)
                .map(Outcome::Leased),
            Request::Release { lease, now } => self.decide_release(lease, *now, draft),
            Request::AddSegment(segment) => {
                self.decide_segment(segment, draft);
                Ok(Outcome::Done)
            }
            Request::RemoveSegment(id) => {
                let unused = self.segments.get(id).is_some_and(|s| s.ranges == 0);
                if unused {
                    self.settle(Decision::RemoveSegment { id: *id }, draft);
                }
                Ok(Outcome::Done)
            }
            Request::Rewrite(rewrite) => self.decide_rewrite(rewrite, draft),
        }
    }

    /// Writes a decision down and makes it so.
    pub(super) fn settle(&mut self, decision: Decision, draft: &mut Draft) {
        self.apply(&decision)
            .expect("a decision agrees with the state it was made against");
        draft.decisions.push(decision);
    }

    fn decide_append(
        &mut self,
        append: &Append,
        draft: &mut Draft,
    ) -> Result<Appended, StoreError> {
        let log = self.log(append.log)?;
        let verdict = judge(log, append)?;
        if let Verdict::Duplicate(base_offset) = verdict {
            return Ok(Appended {
                base_offset,
                duplicate: true,
            });
        }
        accepts(append, log.bounds)?;
        Ok(self.place(append, draft))
    }

    /// Places a batch that is known to be welcome.
    pub(super) fn place(&mut self, append: &Append, draft: &mut Draft) -> Appended {
        let base_offset = self
            .logs
            .get(&append.log)
            .map_or(Offset::ZERO, |log| log.bounds.end);
        let extent = Extent {
            log: append.log,
            base_offset,
            offsets: append.batch.offsets(),
            position: draft.payload.push(&append.batch),
            length: append.batch.bytes().len() as u32,
            max_timestamp: append.batch.max_timestamp(),
            producer: append.batch.producer(),
        };
        draft.batches.push(append.batch.clone());
        self.settle(Decision::Append(extent), draft);
        Appended {
            base_offset,
            duplicate: false,
        }
    }

    fn decide_acquire(
        &mut self,
        name: &Key,
        owner: &str,
        duration: Duration,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Lease, StoreError> {
        name.fits(owner.len())?;
        let epoch = match self.leases.get(name) {
            Some(held) if held.owner == owner => held.epoch,
            Some(held) if held.until > now => {
                return Err(StoreError::Conflict { key: name.clone() });
            }
            Some(held) => held.epoch + 1,
            None => 1,
        };
        let lease = Lease {
            name: name.clone(),
            owner: owner.into(),
            epoch,
            until: now.plus(duration),
        };
        self.settle(Decision::Lease(lease.clone()), draft);
        Ok(lease)
    }

    fn decide_release(&mut self, lease: &Lease, now: Timestamp, draft: &mut Draft) -> Reply {
        let theirs = self.lease_epoch(&lease.name);
        if theirs != lease.epoch || theirs == 0 {
            return Err(StoreError::Fenced {
                ours: lease.epoch,
                theirs,
            });
        }
        let released = Lease {
            owner: String::new(),
            until: now,
            ..lease.clone()
        };
        self.settle(Decision::Lease(released), draft);
        Ok(Outcome::Done)
    }

    pub(super) fn lease_epoch(&self, name: &Key) -> u64 {
        self.leases.get(name).map_or(0, |lease| lease.epoch)
    }

    /// Takes what is still wanted of a new segment; the segment itself even where that is nothing, so that its file is
    /// known and removed.
    fn decide_segment(&mut self, segment: &NewSegment, draft: &mut Draft) {
        if self.segments.contains_key(&segment.id) {
            return;
        }
        let wanted = |born: u64, range: &SegmentRange| {
            self.logs.get(&range.log).is_some_and(|log| {
                let is_next = log.ranges.back().is_none_or(|last| last.end <= range.start);
                log.born == born && range.end > log.bounds.start && is_next
            })
        };
        let ranges = segment
            .ranges
            .iter()
            .filter(|(born, range)| wanted(*born, range))
            .map(|(_, range)| range.clone())
            .collect();
        let decision = Decision::AddSegment {
            id: segment.id,
            bytes: segment.bytes,
            ranges,
        };
        self.settle(decision, draft);
    }

    /// Replaces what is left of the sources. Where nothing is, or they were moved meanwhile, the new segment is made known all the same,
    /// so that its file is removed.
    fn decide_rewrite(&mut self, rewrite: &NewRewrite, draft: &mut Draft) -> Reply {
        let NewRewrite {
            log,
            born,
            sources,
            segment,
        } = rewrite;
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return Ok(Outcome::Done);
        };
        let (start, end) = (first.start, last.end);
        let state = self.logs.get(log).filter(|state| state.born == *born);
        let mut left = state
            .into_iter()
            .flat_map(|state| &state.ranges)
            .filter(|range| is_within(range, start, end))
            .peekable();
        let is_left = left.peek().is_some();
        let is_moved = !left.all(|range| sources.contains(range));
        let log_start = state.map_or(end, |state| state.bounds.start);
        let wanted = segment
            .clone()
            .filter(|segment| is_left && !is_moved && segment.range.end > log_start);
        if let (Some(unwanted), None) = (segment, &wanted) {
            let decision = Decision::AddSegment {
                id: unwanted.range.segment,
                bytes: unwanted.bytes,
                ranges: Vec::new(),
            };
            self.settle(decision, draft);
        }
        if is_moved {
            return Err(StoreError::Unavailable {
                reason: format!("log {log} was moved while it was rewritten"),
                source: None,
            });
        }
        if is_left {
            let decision = Decision::Rewrite {
                log: *log,
                start,
                end,
                segment: wanted,
            };
            self.settle(decision, draft);
        }
        Ok(Outcome::Done)
    }
}

fn is_within(range: &SegmentRange, start: Offset, end: Offset) -> bool {
    range.end > start && range.start < end
}

fn judge(log: &LogState, append: &Append) -> Result<Verdict, StoreError> {
    match append.batch.producer() {
        Some(producer) => log.producers.judge(producer, append.batch.offsets()),
        None => Ok(Verdict::New),
    }
}

/// Whether a log with these bounds takes the append, its producer apart.
pub(super) fn accepts(append: &Append, bounds: Bounds) -> Result<(), StoreError> {
    let Bounds { start, end, sealed } = bounds;
    if sealed {
        return Err(StoreError::Sealed { log: append.log });
    }
    match append.expected {
        Some(asked) if asked != end => Err(StoreError::OffsetOutOfRange { asked, start, end }),
        _ => Ok(()),
    }
}
