//! Tags, by both families of operations. A stream's tags are one set, whichever family sees them; a consumer and a queue have their
//! own.

use std::sync::Arc;

use aws::Caller;
use model::AccountId;

use super::api::tags::{
    AddTagsToStreamInput, ListTagsForResourceOutput, ListTagsForStreamInput,
    ListTagsForStreamOutput, RemoveTagsFromStreamInput, ResourceInput, Tag, TagResourceInput,
    UntagResourceInput,
};
use super::limits::{self, page};
use super::naming::Resource;
use super::records::{Attached, Tags};
use super::{Kinesis, KinesisError, naming, queues};

/// AddTagsToStream.
pub(super) async fn add_tags_to_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: AddTagsToStreamInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    add(&kinesis, &Resource::Stream(name), &input.tags).await
}

/// RemoveTagsFromStream. "If you specify a tag that does not exist, it is ignored."
pub(super) async fn remove_tags_from_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: RemoveTagsFromStreamInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    remove(&kinesis, &Resource::Stream(name), &input.tag_keys).await
}

/// ListTagsForStream, by key.
pub(super) async fn list_tags_for_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ListTagsForStreamInput,
) -> Result<ListTagsForStreamOutput, KinesisError> {
    let stream = kinesis
        .find(
            &caller,
            input.stream_name.as_deref(),
            input.stream_arn.as_deref(),
        )
        .await?;
    let attached = kinesis.attached(&stream.name).await?;
    let after = input.exclusive_start_tag_key;
    let mut listed = attached
        .tags
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let limit = input.limit.unwrap_or(page::TAGS);
    let tags = listed.by_ref().take(limit).map(tag).collect();
    Ok(ListTagsForStreamOutput {
        tags,
        has_more_tags: listed.next().is_some(),
    })
}

/// TagResource.
pub(super) async fn tag_resource(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: TagResourceInput,
) -> Result<(), KinesisError> {
    if let Some(queue) = queues::of_arn(&caller, &input.resource_arn)? {
        let change = |settings: &mut queues::Settings| {
            settings.tags = merge(&queue.id, &queue.account, &settings.tags, &input.tags)?;
            Ok(())
        };
        return kinesis.change_queue(&queue, change).await.map(drop);
    }
    let resource = Resource::parse(&caller, &input.resource_arn)?;
    add(&kinesis, &resource, &input.tags).await
}

/// UntagResource.
pub(super) async fn untag_resource(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UntagResourceInput,
) -> Result<(), KinesisError> {
    if let Some(queue) = queues::of_arn(&caller, &input.resource_arn)? {
        let keys = &input.tag_keys;
        let change = |settings: &mut queues::Settings| {
            let texts = keys.iter().map(String::as_str);
            must_be_legal("remove", "from", &queue.id, &queue.account, texts)?;
            settings.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        };
        return kinesis.change_queue(&queue, change).await.map(drop);
    }
    let resource = Resource::parse(&caller, &input.resource_arn)?;
    remove(&kinesis, &resource, &input.tag_keys).await
}

/// ListTagsForResource, by key.
pub(super) async fn list_tags_for_resource(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ResourceInput,
) -> Result<ListTagsForResourceOutput, KinesisError> {
    let tags = match queues::of_arn(&caller, &input.resource_arn)? {
        Some(queue) => kinesis.queue(&queue).await?.settings.tags,
        None => {
            let resource = Resource::parse(&caller, &input.resource_arn)?;
            kinesis.find_named(resource.stream()).await?;
            let mut attached = kinesis.attached(resource.stream()).await?;
            std::mem::take(tags_of(&resource, &mut attached)?)
        }
    };
    Ok(ListTagsForResourceOutput {
        tags: tags.into_iter().map(tag).collect(),
    })
}

fn tag((key, value): (String, String)) -> Tag {
    Tag { key, value }
}

async fn add(kinesis: &Kinesis, resource: &Resource, given: &Tags) -> Result<(), KinesisError> {
    let stream = resource.stream();
    kinesis
        .amend(stream, |found, attached| {
            kinesis.must_be_made(found)?;
            let tags = tags_of(resource, attached)?;
            *tags = merge(&stream.name, &stream.account, tags, given)?;
            Ok(())
        })
        .await
}

async fn remove(
    kinesis: &Kinesis,
    resource: &Resource,
    keys: &[String],
) -> Result<(), KinesisError> {
    let stream = resource.stream();
    kinesis
        .amend(stream, |found, attached| {
            kinesis.must_be_made(found)?;
            let texts = keys.iter().map(String::as_str);
            must_be_legal("remove", "from", &stream.name, &stream.account, texts)?;
            tags_of(resource, attached)?.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
}

/// The tags of a resource, among what hangs on its stream.
fn tags_of<'a>(
    resource: &Resource,
    attached: &'a mut Attached,
) -> Result<&'a mut Tags, KinesisError> {
    match resource {
        Resource::Stream(_) => Ok(&mut attached.tags),
        Resource::Consumer { stream, consumer } => Ok(&mut consumer.among(stream, attached)?.tags),
    }
}

/// `before` with the tags `given` added or replaced, where they may be.
pub(super) fn merge(
    name: &str,
    account: &AccountId,
    before: &Tags,
    given: &Tags,
) -> Result<Tags, KinesisError> {
    let texts = given
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    must_be_legal("add", "to", name, account, texts)?;
    let reserved = |key: &&String| {
        key.get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
    };
    if let Some(key) = given.keys().find(reserved) {
        return Err(KinesisError::InvalidArgument(format!(
            "Failed to add tags to stream {name} under account {account} because tag key {key} starts with aws:, which is \
             reserved."
        )));
    }
    let mut after = before.clone();
    after.extend(given.clone());
    if after.len() > limits::TAGS {
        return Err(KinesisError::InvalidArgument(format!(
            "Failed to add tags to stream {name} under account {account} because a given stream cannot have more than {} tags \
             associated with it.",
            limits::TAGS
        )));
    }
    Ok(after)
}

/// The two refusals that kinesalite's tests record: AWS looks at `%` later than at the rest.
fn must_be_legal<'a>(
    doing: &str,
    preposition: &str,
    name: &str,
    account: &AccountId,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), KinesisError> {
    let mut percent = false;
    for letter in texts.flat_map(str::chars) {
        percent |= letter == '%';
        let legal = letter.is_alphanumeric() || "_./=+-%@: \u{a0}".contains(letter);
        if !legal {
            return Err(KinesisError::InvalidArgument(
                "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
                    .into(),
            ));
        }
    }
    if percent {
        return Err(KinesisError::InvalidArgument(format!(
            "Failed to {doing} tags {preposition} stream {name} under account {account} because some tags contained illegal \
             characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'."
        )));
    }
    Ok(())
}
