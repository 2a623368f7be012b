//! Resource policies of tables: kept and told, and not enforced until there is IAM. Another account is refused whatever they say.

use std::sync::Arc;

use aws::Caller;

use super::api::tables::{PutResourcePolicyInput, ResourcePolicyInput, ResourcePolicyOutput};
use super::error::DynamoError;
use super::records::{Policy, Table};
use super::tags::no_resource;
use super::{Dynamo, limits, naming};

/// What a client expects where it expects that there is none.
const NO_POLICY: &str = "NO_POLICY";

/// PutResourcePolicy.
pub(super) async fn put_resource_policy(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: PutResourcePolicyInput,
) -> Result<ResourcePolicyOutput, DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    must_be_policy(&input.policy)?;
    let missing = || no_resource(&input.resource_arn);
    let found = dynamo
        .change(&name, missing, |table| {
            must_be_revision(table, input.expected_revision_id.as_deref())?;
            let revision = table.policy.as_ref().map_or(1, |kept| kept.revision + 1);
            let text = input.policy.clone();
            if table.policy.as_ref().is_none_or(|kept| kept.text != text) {
                table.policy = Some(Policy { text, revision });
            }
            Ok(())
        })
        .await?;
    Ok(ResourcePolicyOutput {
        policy: None,
        revision_id: found.table.policy.as_ref().map(revision),
    })
}

/// GetResourcePolicy.
pub(super) async fn get_resource_policy(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: ResourcePolicyInput,
) -> Result<ResourcePolicyOutput, DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    let found = dynamo
        .look(&name)
        .await?
        .ok_or_else(|| no_resource(&input.resource_arn))?;
    match &found.table.policy {
        Some(policy) => Ok(ResourcePolicyOutput {
            policy: Some(policy.text.clone()),
            revision_id: Some(revision(policy)),
        }),
        None => Err(no_policy(&input.resource_arn)),
    }
}

/// DeleteResourcePolicy. One that is not there is no error, and has no revision to tell.
pub(super) async fn delete_resource_policy(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: ResourcePolicyInput,
) -> Result<ResourcePolicyOutput, DynamoError> {
    let name = naming::of_arn(&caller, &input.resource_arn)?;
    let missing = || no_resource(&input.resource_arn);
    let before = dynamo.look(&name).await?.ok_or_else(missing)?;
    dynamo
        .change(&name, missing, |table| {
            must_be_revision(table, input.expected_revision_id.as_deref())?;
            table.policy = None;
            Ok(())
        })
        .await?;
    Ok(ResourcePolicyOutput {
        policy: None,
        revision_id: before.table.policy.as_ref().map(revision),
    })
}

fn revision(policy: &Policy) -> String {
    policy.revision.to_string()
}

fn must_be_revision(table: &Table, expected: Option<&str>) -> Result<(), DynamoError> {
    let is_met = match (expected, &table.policy) {
        (None, _) | (Some(NO_POLICY), None) => true,
        (Some(expected), Some(policy)) => expected == revision(policy),
        (Some(_), None) => false,
    };
    if is_met {
        return Ok(());
    }
    Err(DynamoError::PolicyNotFound(
        "The resource-based policy with the specified revision ID is not found".into(),
    ))
}

fn no_policy(arn: &str) -> DynamoError {
    DynamoError::PolicyNotFound(format!(
        "Resource-based policy not found for the provided ResourceArn: {arn}"
    ))
}

/// Asserts that this can be a policy: JSON, and not too long.
///
/// # Errors
/// [`DynamoError::Validation`]; [`DynamoError::LimitExceeded`].
pub(super) fn must_be_policy(text: &str) -> Result<(), DynamoError> {
    if text.len() > limits::POLICY_BYTES {
        return Err(DynamoError::LimitExceeded(format!(
            "Policy is over the limit of {} bytes",
            limits::POLICY_BYTES
        )));
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(DynamoError::validation(
            "Policy document is malformed: it is not a JSON object",
        )),
    }
}
