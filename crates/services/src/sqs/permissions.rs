//! Policies of queues: kept and told. Nothing enforces them yet, and no other account gets in by one.

use std::sync::Arc;

use aws::Caller;
use model::AccountId;
use serde_json::{Map, Value, json};

use super::api::queues::{AddPermissionInput, RemovePermissionInput};
use super::error::SqsError;
use super::{Sqs, limits, naming};

/// What AddPermission can let others do: all that its reference does not keep for the queue's owner.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

/// A policy as a client gives it; nothing gives it up.
pub(super) fn policy(text: &str) -> Result<Option<String>, SqsError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > limits::POLICY_BYTES || !is_policy(text) {
        return Err(SqsError::attribute_value("Policy"));
    }
    Ok(Some(text.to_owned()))
}

/// Whether this is an object with statements, each of which allows or denies somebody something.
fn is_policy(text: &str) -> bool {
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return false;
    };
    let statements = statements(&policy);
    let is_statement = |statement: &Value| {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        let effect = statement.get("Effect").and_then(Value::as_str);
        matches!(effect, Some("Allow" | "Deny"))
            && has(["Principal", "NotPrincipal"])
            && has(["Action", "NotAction"])
    };
    !statements.is_empty() && statements.iter().all(is_statement)
}

/// A policy's statements, of which a single one may stand alone.
fn statements(policy: &Map<String, Value>) -> &[Value] {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => &[],
    }
}

/// AddPermission: a statement more, that lets accounts carry out operations.
pub(super) async fn add_permission(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: AddPermissionInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let label = label(input.label)?;
    let accounts = accounts(input.aws_account_ids)?;
    let actions = actions(input.actions)?;
    let now = sqs.clock.now();
    sqs.change(&name, |_, settings| {
        let arn = name.arn().to_string();
        let mut policy = read(settings.policy.as_deref(), &arn);
        let mut statements = statements(&policy).to_vec();
        if statements.iter().any(|statement| is_of(statement, &label)) {
            return Err(SqsError::invalid(&label, "Label", "Already exists."));
        }
        if statements.len() >= limits::POLICY_STATEMENTS {
            return Err(SqsError::OverLimit(format!(
                "{} Statements were found, maximum allowed is {}.",
                statements.len() + 1,
                limits::POLICY_STATEMENTS
            )));
        }
        statements.push(json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": one_or_all(&accounts)},
            "Action": one_or_all(&actions),
            "Resource": arn,
        }));
        policy.insert("Statement".into(), statements.into());
        settings.policy = Some(Value::Object(policy).to_string());
        settings.modified = now;
        Ok(())
    })
    .await?;
    Ok(())
}

/// RemovePermission. The policy goes with its last statement.
pub(super) async fn remove_permission(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: RemovePermissionInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    let label = label(input.label)?;
    let now = sqs.clock.now();
    sqs.change(&name, |_, settings| {
        let mut policy = read(settings.policy.as_deref(), &name.arn().to_string());
        let mut statements = statements(&policy).to_vec();
        let before = statements.len();
        statements.retain(|statement| !is_of(statement, &label));
        if statements.len() == before {
            return Err(SqsError::invalid(&label, "Label", "can't find label."));
        }
        let is_empty = statements.is_empty();
        policy.insert("Statement".into(), statements.into());
        settings.policy = (!is_empty).then(|| Value::Object(policy).to_string());
        settings.modified = now;
        Ok(())
    })
    .await?;
    Ok(())
}

/// The policy there is, or the one that AWS begins.
fn read(text: Option<&str>, arn: &str) -> Map<String, Value> {
    let there = text.and_then(|text| serde_json::from_str(text).ok());
    there.unwrap_or_else(|| {
        let mut policy = Map::new();
        policy.insert("Version".into(), "2008-10-17".into());
        policy.insert("Id".into(), format!("{arn}/SQSDefaultPolicy").into());
        policy
    })
}

fn is_of(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

/// AWS writes a single one without a list.
fn one_or_all(texts: &[String]) -> Value {
    match texts {
        [one] => one.as_str().into(),
        all => all.into(),
    }
}

fn label(label: Option<String>) -> Result<String, SqsError> {
    let label = label.filter(|label| !label.is_empty());
    let label = label.ok_or_else(|| SqsError::missing("Label"))?;
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if label.len() > limits::LABEL_LENGTH || !label.bytes().all(is_legal) {
        let reason =
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(SqsError::invalid(&label, "Label", reason));
    }
    Ok(label)
}

/// The principals that these account ids stand for.
fn accounts(ids: Option<Vec<String>>) -> Result<Vec<String>, SqsError> {
    let ids = ids.filter(|ids| !ids.is_empty());
    let ids = ids.ok_or_else(|| SqsError::missing("AWSAccountIds"))?;
    let principal = |id: &String| match AccountId::parse(id) {
        Some(account) => Ok(format!("arn:aws:iam::{account}:root")),
        None => Err(SqsError::invalid(id, "PrincipalId", "Unable to verify.")),
    };
    ids.iter().map(principal).collect()
}

fn actions(names: Option<Vec<String>>) -> Result<Vec<String>, SqsError> {
    let names = names.filter(|names| !names.is_empty());
    let names = names.ok_or_else(|| SqsError::missing("Actions"))?;
    if names.len() > limits::PERMISSION_ACTIONS {
        return Err(SqsError::OverLimit(format!(
            "{} Actions were found, maximum allowed is {}.",
            names.len(),
            limits::PERMISSION_ACTIONS
        )));
    }
    let action = |name: &String| {
        if ACTIONS.contains(&name.as_str()) {
            return Ok(format!("SQS:{name}"));
        }
        let reason = format!(
            "Only the queue owner is allowed to invoke this action. Allowed actions are {}.",
            ACTIONS.join(", ")
        );
        Err(SqsError::invalid(
            &format!("SQS:{name}"),
            "ActionName",
            &reason,
        ))
    };
    names.iter().map(action).collect()
}
