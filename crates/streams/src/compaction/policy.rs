//! What a topic says of its compaction, and whether a log is due. Pure.

use std::time::Duration;

use model::{Offset, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Bounds, Piece};

use crate::stream::Settings;

/// A topic's configurations of compaction, under Kafka's names and with its defaults
/// (<https://kafka.apache.org/documentation/#topicconfigs>).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Policy {
    /// `min.cleanable.dirty.ratio`: the part of a log that must be new before it is compacted.
    pub(super) dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records are not touched.
    pub(super) lag_min: Duration,
    /// `max.compaction.lag.ms`: with an older new record, a log is due whatever its ratio.
    pub(super) lag_max: Option<Duration>,
    /// `delete.retention.ms`: for how long tombstones are there to be seen.
    pub(super) tombstones_for: Duration,
    /// `segment.ms`: what is in the journal for as long is compacted, too.
    pub(super) rolls_after: Duration,
    /// `segment.bytes`: and what has as many bytes.
    pub(super) rolls_at_bytes: u64,
}

impl Policy {
    /// The policy of a stream that is compacted.
    pub(super) fn of(settings: &Settings) -> Option<Policy> {
        let text = |name: &str| settings.extra.get(name).map(|text| text.trim());
        let is_compacted = text("cleanup.policy")?
            .split(',')
            .any(|part| part.trim() == "compact");
        if !is_compacted {
            return None;
        }
        let number = |name: &str, default: u64| {
            let number = text(name).and_then(|text| text.parse::<u64>().ok());
            number.unwrap_or(default)
        };
        let ratio = text("min.cleanable.dirty.ratio").and_then(|text| text.parse().ok());
        let lag_max = number("max.compaction.lag.ms", NEVER);
        Some(Policy {
            dirty_ratio: ratio.unwrap_or(0.5),
            lag_min: Duration::from_millis(number("min.compaction.lag.ms", 0)),
            lag_max: (lag_max < NEVER).then(|| Duration::from_millis(lag_max)),
            tombstones_for: Duration::from_millis(number("delete.retention.ms", 86_400_000)),
            rolls_after: Duration::from_millis(number("segment.ms", 604_800_000)),
            rolls_at_bytes: number("segment.bytes", 1 << 30),
        })
    }
}

/// Kafka's word for it in `max.compaction.lag.ms`.
const NEVER: u64 = i64::MAX as u64;

/// How far a log is compacted; kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Up to here every key has one record.
    pub(super) upto: Offset,
    /// When the first of what was to be seen for a while may go.
    pub(super) horizon: Option<Timestamp>,
}

/// What is known of a log when it is looked at.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) bounds: Bounds,
    pub(super) pieces: Vec<Piece>,
    pub(super) progress: Progress,
    /// Up to where it may be compacted: older than the lag, decided, and not the log's last batch, so that a reader who waits
    /// for the end finds it.
    pub(super) limit: Offset,
    /// When the first record after the compacted part was written, where that was asked.
    pub(super) oldest_new: Option<Timestamp>,
}

/// A compaction that is due.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Due {
    /// Where the new part begins.
    pub(super) dirty_from: Offset,
    /// Where it ends.
    pub(super) upto: Offset,
    /// How much of the log is new: the most is first.
    pub(super) ratio: f64,
}

impl Standing {
    /// Where the new part begins: what was noted may be of what a trim took since.
    pub(super) fn dirty_from(&self) -> Offset {
        let Bounds { start, end, .. } = self.bounds;
        let noted = self.progress.upto;
        if noted > end { start } else { noted.max(start) }
    }

    /// Whether and how far the log is to be compacted at `now`.
    pub(super) fn due(&self, policy: &Policy, now: Timestamp) -> Option<Due> {
        let dirty_from = self.dirty_from();
        let upto = self.limit.max(dirty_from);
        let clean = self.bytes(self.bounds.start, dirty_from);
        let dirty = self.bytes(dirty_from, upto);
        let all = clean + dirty;
        let ratio = if all > 0.0 { dirty / all } else { 0.0 };
        let is_old = match (policy.lag_max, self.oldest_new) {
            (Some(lag), Some(oldest)) => oldest < now.minus(lag),
            _ => false,
        };
        let has_expired = self.progress.horizon.is_some_and(|at| at <= now);
        let is_due = ratio > policy.dirty_ratio || (is_old && dirty > 0.0) || has_expired;
        is_due.then_some(Due {
            dirty_from,
            upto,
            ratio,
        })
    }

    /// About how many bytes lie between two offsets.
    fn bytes(&self, from: Offset, upto: Offset) -> f64 {
        let within = |piece: &Piece| {
            let whole = piece.end.0.saturating_sub(piece.start.0).max(1);
            let part = piece
                .end
                .min(upto)
                .0
                .saturating_sub(piece.start.max(from).0);
            piece.bytes as f64 * part as f64 / whole as f64
        };
        self.pieces.iter().map(within).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u64, end: u64, bytes: u64) -> Piece {
        Piece {
            start: Offset(start),
            end: Offset(end),
            bytes,
            max_timestamp: Timestamp(0),
            is_settled: true,
        }
    }

    fn standing(upto: u64, limit: u64) -> Standing {
        Standing {
            bounds: Bounds {
                start: Offset(0),
                end: Offset(200),
                sealed: false,
            },
            pieces: vec![piece(0, 50, 1_000), piece(100, 200, 1_000)],
            progress: Progress {
                upto: Offset(upto),
                horizon: None,
            },
            limit: Offset(limit),
            oldest_new: Some(Timestamp(500)),
        }
    }

    fn policy(dirty_ratio: f64) -> Policy {
        Policy {
            dirty_ratio,
            lag_min: Duration::ZERO,
            lag_max: None,
            tombstones_for: Duration::ZERO,
            rolls_after: Duration::ZERO,
            rolls_at_bytes: 0,
        }
    }

    #[test]
    fn the_ratio_decides() {
        let now = Timestamp(1_000);
        let due = |upto, limit, ratio| standing(upto, limit).due(&policy(ratio), now);
        assert_eq!(due(0, 200, 0.99).unwrap().ratio, 1.0);
        assert_eq!(due(100, 200, 0.4).unwrap().ratio, 0.5);
        assert_eq!(due(100, 200, 0.5), None);
        let some = due(100, 150, 0.3).unwrap();
        assert_eq!((some.dirty_from, some.upto), (Offset(100), Offset(150)));
        assert_eq!(due(150, 150, 0.0), None);
        assert_eq!(due(150, 100, 0.0), None);
        // Noted of a log that had more.
        assert_eq!(due(300, 200, 0.5).unwrap().dirty_from, Offset(0));
    }

    #[test]
    fn an_old_record_or_an_expired_tombstone_is_enough() {
        let now = Timestamp(1_000);
        let mut policy = policy(1.0);
        assert_eq!(standing(100, 200).due(&policy, now), None);
        policy.lag_max = Some(Duration::from_millis(499));
        assert!(standing(100, 200).due(&policy, now).is_some());
        assert_eq!(standing(200, 200).due(&policy, now), None);
        let mut standing = standing(200, 200);
        standing.progress.horizon = Some(Timestamp(1_001));
        assert_eq!(standing.due(&policy, now), None);
        standing.progress.horizon = Some(now);
        let due = standing.due(&policy, now).unwrap();
        assert_eq!((due.dirty_from, due.upto), (Offset(200), Offset(200)));
    }
}
