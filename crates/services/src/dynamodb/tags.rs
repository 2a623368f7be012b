//! Tags of tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;

use super::api::tables::{
    ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag, TagResourceInput, UntagResourceInput,
};
use super::error::DynamoError;
use super::{Dynamo, limits, naming};

/// Tags by key.
type Tags = BTreeMap<String, String>;

/// TagResource. A tag of a key that is there replaces it.
pub(super) async fn tag_resource(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TagResourceInput,
) -> Result<(), DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    let given = of(input.tags)?;
    let missing = || no_resource(&input.resource_arn);
    dynamo
        .change(&name, missing, |table| {
            table.tags.extend(given.clone());
            must_be_few(&table.tags)
        })
        .await?;
    Ok(())
}

/// UntagResource. A key that is not there is no error.
pub(super) async fn untag_resource(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UntagResourceInput,
) -> Result<(), DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    if input.tag_keys.is_empty() {
        return Err(DynamoError::validation(
            "Atleast one Tag Key needs to be provided as Input.",
        ));
    }
    let missing = || no_resource(&input.resource_arn);
    dynamo
        .change(&name, missing, |table| {
            table.tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
    Ok(())
}

/// ListTagsOfResource, by key. A page goes on after the key that its token is.
pub(super) async fn list_tags_of_resource(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: ListTagsOfResourceInput,
) -> Result<ListTagsOfResourceOutput, DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    let found = dynamo
        .look(&name)
        .await?
        .ok_or_else(|| no_resource(&input.resource_arn))?;
    let after = input.next_token;
    let mut rest = found
        .table
        .tags
        .iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
    let tags: Vec<Tag> = rest
        .by_ref()
        .take(limits::TAGS_PAGE)
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    let goes_on = rest.next().is_some();
    Ok(ListTagsOfResourceOutput {
        next_token: tags.last().filter(|_| goes_on).map(|tag| tag.key.clone()),
        tags,
    })
}

/// The tags that a request gives.
///
/// # Errors
/// [`DynamoError::Validation`] for none at all of a key, and for too many.
pub(super) fn of(given: Vec<Tag>) -> Result<Tags, DynamoError> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(DynamoError::parameters(format!(
                "Tag keys that start with aws: are reserved: {key}"
            )));
        }
        if tags.insert(key.clone(), value).is_some() {
            return Err(DynamoError::parameters(format!("Duplicate tag key: {key}")));
        }
    }
    must_be_few(&tags)?;
    Ok(tags)
}

fn must_be_few(tags: &Tags) -> Result<(), DynamoError> {
    if tags.len() > limits::TAGS {
        return Err(DynamoError::validation(format!(
            "Too many tags: at most {} are allowed",
            limits::TAGS
        )));
    }
    Ok(())
}

pub(super) fn no_resource(arn: &str) -> DynamoError {
    DynamoError::ResourceNotFound(format!(
        "Requested resource not found: ResourcArn: {arn} not found"
    ))
}
