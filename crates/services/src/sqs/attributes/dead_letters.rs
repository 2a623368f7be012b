//! RedrivePolicy and RedriveAllowPolicy, as they are written.

use serde_json::{Map, Value, json};

use super::super::error::SqsError;
use super::super::records::{RedriveAllowPolicy, RedrivePermission, RedrivePolicy};
use super::super::{limits, naming};

/// A redrive policy; nothing gives it up. Whether its queue will do is the handler's to see.
pub(super) fn redrive_policy(text: &str) -> Result<Option<RedrivePolicy>, SqsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| SqsError::invalid(text, "RedrivePolicy", reason);
    let policy = object(text).ok_or_else(|| {
        refuse("Amazon SQS can't create the redrive policy, as it's not in JSON format.")
    })?;
    let member = |name: &str| {
        policy.get(name).ok_or_else(|| {
            refuse(&format!(
                "Redrive policy does not contain mandatory attribute: {name}."
            ))
        })
    };
    let count = member("maxReceiveCount")?;
    let target = member("deadLetterTargetArn")?;
    let is_known = |member: &String| member == "deadLetterTargetArn" || member == "maxReceiveCount";
    if !policy.keys().all(is_known) {
        return Err(refuse(
            "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].",
        ));
    }
    let max_receive_count = whole_number(count)
        .filter(|count| limits::RECEIVES.contains(count))
        .ok_or_else(|| {
            let told = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
            refuse(&format!(
                "Invalid value for maxReceiveCount: {told}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
    let dead_letter_queue = target
        .as_str()
        .filter(|arn| naming::of_arn(arn).is_some())
        .ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
    Ok(Some(RedrivePolicy {
        dead_letter_queue: dead_letter_queue.to_owned(),
        max_receive_count,
        // As AWS tells it, whatever form the number was given in.
        text:
            json!({"deadLetterTargetArn": dead_letter_queue, "maxReceiveCount": max_receive_count})
                .to_string(),
    }))
}

/// AWS takes the number as text, too, as most tools send it.
fn whole_number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

/// A redrive allow policy; nothing gives it up.
pub(super) fn redrive_allow_policy(text: &str) -> Result<Option<RedriveAllowPolicy>, SqsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| SqsError::invalid(text, "RedriveAllowPolicy", reason);
    let policy = object(text).ok_or_else(|| {
        refuse("Amazon SQS can't create the redrive allow policy, as it's not in JSON format.")
    })?;
    let sources = policy.get("sourceQueueArns");
    let permission = match policy.get("redrivePermission").and_then(Value::as_str) {
        Some("allowAll") => RedrivePermission::AllowAll,
        Some("denyAll") => RedrivePermission::DenyAll,
        Some("byQueue") => {
            RedrivePermission::ByQueue(sources.and_then(arns).ok_or_else(|| {
                refuse("sourceQueueArns must hold 1 to 10 ARNs of queues where redrivePermission is byQueue.")
            })?)
        }
        _ => return Err(refuse("redrivePermission must be allowAll, denyAll or byQueue.")),
    };
    if sources.is_some() && !matches!(permission, RedrivePermission::ByQueue(_)) {
        return Err(refuse(
            "sourceQueueArns can be specified only when redrivePermission is byQueue.",
        ));
    }
    Ok(Some(RedriveAllowPolicy {
        permission,
        text: text.to_owned(),
    }))
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

fn arns(value: &Value) -> Option<Vec<String>> {
    let arns = value.as_array()?;
    if arns.is_empty() || arns.len() > limits::SOURCE_QUEUES {
        return None;
    }
    let arn = |value: &Value| {
        let arn = value.as_str()?;
        naming::of_arn(arn)?;
        Some(arn.to_owned())
    };
    arns.iter().map(arn).collect()
}
