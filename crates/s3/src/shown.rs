//! What is stored as S3's answers show it.

use std::time::{Duration, UNIX_EPOCH};

use model::Timestamp;
use s3s::dto;

/// A time. Those before 1970 show as 1970: no object is that old.
pub(crate) fn time(at: Timestamp) -> dto::Timestamp {
    let since_epoch = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    dto::Timestamp::from(UNIX_EPOCH + since_epoch)
}

/// A tag.
pub(crate) fn etag(etag: &str) -> dto::ETag {
    dto::ETag::Strong(etag.to_owned())
}

/// An account as an owner.
pub(crate) fn owner(account: &str) -> dto::Owner {
    dto::Owner {
        id: Some(account.to_owned()),
        display_name: None,
    }
}

/// A size. Bodies are far smaller than an `i64` holds.
pub(crate) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A count.
pub(crate) fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Bytes in hex, as tags show MD5s.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
