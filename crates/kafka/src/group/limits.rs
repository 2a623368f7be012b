//! How much is kept of a group and of one member of it. Apache Kafka has two limits, the protocol's of 32,767 bytes for a text and
//! that of one record of its own, 1 MiB by default, and a group in which something larger was said cannot be written any more.
//! Here that is refused as it is said, so that no member's words keep the others of a group from being heard.

use store::key::KEY_BYTES_MAX;

use super::classic::Protocol;
use crate::wire::ErrorCode;

/// Longest name of a group, in bytes.
const NAME_BYTES_MAX: usize = 1024;
/// Longest of what a member says in one word, in bytes: its name, its instance's, its rack's.
pub(crate) const WORD_BYTES_MAX: usize = 1000;
/// Bytes of the topics' names that one member reads, as they are kept.
const TOPICS_BYTES_MAX: usize = 1 << 20;
/// Bytes of the topics' names that all members of a group ask for.
const GROUP_TOPICS_BYTES_MAX: usize = 32 << 20;
/// Bytes that a member of the classic protocol says of itself.
const METADATA_BYTES_MAX: usize = 1 << 20;
/// The same of all members of a group.
const GROUP_METADATA_BYTES_MAX: usize = 32 << 20;

// A member is kept under its group's name and its own, any byte of which may take two.
const _: () = assert!(20 + 2 * (NAME_BYTES_MAX + WORD_BYTES_MAX) <= KEY_BYTES_MAX);

/// Whether a group can have that name.
///
/// # Errors
/// [`ErrorCode::InvalidGroupId`].
pub(crate) fn check_name(group: &str) -> Result<(), ErrorCode> {
    if group.is_empty() || group.len() > NAME_BYTES_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}

/// Whether that is short enough to be kept of a member; nothing is.
pub(crate) fn is_word(said: Option<&str>) -> bool {
    said.is_none_or(|said| said.len() <= WORD_BYTES_MAX)
}

/// As much as is kept of what a client calls itself, with room for `more` bytes behind it.
pub(crate) fn beginning(client_id: &str, more: usize) -> &str {
    let end = client_id.floor_char_boundary(WORD_BYTES_MAX.saturating_sub(more));
    client_id.get(..end).unwrap_or_default()
}

/// Whether one member may read that many topics.
pub(crate) fn may_read(topics: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    let bytes = topics.into_iter().map(|name| kept_bytes(name.as_ref()));
    bytes.sum::<usize>() <= TOPICS_BYTES_MAX
}

/// Whether all members of a group may ask for that many topics.
pub(super) fn may_all_read(topics: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    let bytes = topics.into_iter().map(|name| name.as_ref().len());
    bytes.sum::<usize>() <= GROUP_TOPICS_BYTES_MAX
}

/// Whether one member of the classic protocol may say that of itself.
pub(super) fn may_say(own: &[Protocol]) -> bool {
    metadata_bytes(own) <= METADATA_BYTES_MAX
}

/// Whether all members of the classic protocol may say that of themselves.
pub(super) fn may_all_say<'a>(all: impl IntoIterator<Item = &'a [Protocol]>) -> bool {
    all.into_iter().map(metadata_bytes).sum::<usize>() <= GROUP_METADATA_BYTES_MAX
}

fn metadata_bytes(protocols: &[Protocol]) -> usize {
    let bytes = |protocol: &Protocol| protocol.name.len() + protocol.metadata.len();
    protocols.iter().map(bytes).sum()
}

/// What a text takes in a document, which is JSON.
fn kept_bytes(text: &str) -> usize {
    let around = "\"\",".len();
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => "\\u0000".len(),
        _ => 1,
    });
    around + bytes.sum::<usize>()
}

#[cfg(test)]
mod tests;
