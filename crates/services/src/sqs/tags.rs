//! Tags of queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;

use super::api::queues::{ListQueueTagsOutput, QueueInput, TagQueueInput, UntagQueueInput};
use super::error::SqsError;
use super::{Sqs, limits, naming};

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// TagQueue. A tag of a key that is there replaces it.
pub(super) async fn tag_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: TagQueueInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let given = input.tags.filter(|tags| !tags.is_empty());
    let given = given.ok_or_else(|| SqsError::missing("Tags"))?;
    sqs.change(&name, |_, settings| merge(&mut settings.tags, &given))
        .await?;
    Ok(())
}

/// UntagQueue. A key that is not there is no error.
pub(super) async fn untag_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: UntagQueueInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let keys = input.tag_keys.filter(|keys| !keys.is_empty());
    let keys = keys.ok_or_else(|| SqsError::missing("TagKeys"))?;
    sqs.change(&name, |_, settings| {
        settings.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(())
}

/// ListQueueTags.
pub(super) async fn list_queue_tags(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: QueueInput,
) -> Result<ListQueueTagsOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    Ok(ListQueueTagsOutput {
        tags: queue.settings.tags.clone(),
    })
}

/// Adds tags, or replaces those of the same keys.
///
/// # Errors
/// [`SqsError::InvalidParameterValue`] for a tag that can be none, and for too many.
pub(super) fn merge(tags: &mut Tags, given: &Tags) -> Result<(), SqsError> {
    for (key, value) in given {
        must_be_legal(key, value)?;
    }
    tags.extend(given.clone());
    if tags.len() > limits::TAGS {
        return Err(SqsError::InvalidParameterValue(format!(
            "Too many tags added for queue: at most {} are allowed.",
            limits::TAGS
        )));
    }
    Ok(())
}

fn must_be_legal(key: &str, value: &str) -> Result<(), SqsError> {
    let is_text = |text: &str| {
        let is_legal = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        text.chars().all(is_legal)
    };
    let is_reserved = key
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    if !limits::TAG_KEY.contains(&key.chars().count()) || !is_text(key) {
        let reason = "A tag's key must be 1 to 128 letters, digits, spaces or _.:/=+-@.";
        return Err(SqsError::invalid(key, "Tag.Key", reason));
    }
    if is_reserved {
        let reason = "Tag keys that start with aws: are reserved.";
        return Err(SqsError::invalid(key, "Tag.Key", reason));
    }
    if value.chars().count() > limits::TAG_VALUE || !is_text(value) {
        let reason = "A tag's value must be 0 to 256 letters, digits, spaces or _.:/=+-@.";
        return Err(SqsError::invalid(value, "Tag.Value", reason));
    }
    Ok(())
}
