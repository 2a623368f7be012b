//! A partition as a reader sees it.

use model::Offset;
use store::Bounds;

use crate::broker::LEADER_EPOCH;
use crate::error::Refusal;
use crate::wire::ErrorCode;

/// Which records are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Isolation {
    /// All.
    Uncommitted,
    /// Those outside transactions and in committed ones.
    Committed,
}

impl Isolation {
    /// As requests have it.
    pub(crate) fn of(level: i8) -> Isolation {
        if level == 1 {
            Isolation::Committed
        } else {
            Isolation::Uncommitted
        }
    }
}

/// Refuses a client that thinks of another leader than there is.
///
/// # Errors
/// [`ErrorCode::FencedLeaderEpoch`], [`ErrorCode::UnknownLeaderEpoch`].
pub(crate) fn check_leader_epoch(theirs: i32) -> Result<(), Refusal> {
    match theirs {
        -1 | LEADER_EPOCH => Ok(()),
        older if older < LEADER_EPOCH => Err(ErrorCode::FencedLeaderEpoch.into()),
        _ => Err(ErrorCode::UnknownLeaderEpoch.into()),
    }
}

/// An offset as the wire has it.
pub(crate) fn wire_offset(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

/// An offset from the wire, if it is one that a log with these bounds holds or gives next.
///
/// # Errors
/// [`ErrorCode::OffsetOutOfRange`].
pub(crate) fn offset_within(offset: i64, bounds: Bounds) -> Result<Offset, Refusal> {
    let offset = u64::try_from(offset).ok().map(Offset);
    offset
        .filter(|offset| (bounds.start..=bounds.end).contains(offset))
        .ok_or_else(|| ErrorCode::OffsetOutOfRange.into())
}
