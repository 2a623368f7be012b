//! Resource policies of streams, consumers and queues: kept and told. Nothing enforces them yet, and no other account gets in by one.

use std::sync::Arc;

use aws::Caller;
use serde_json::Value;

use super::api::tags::{GetResourcePolicyOutput, PutResourcePolicyInput, ResourceInput};
use super::naming::Resource;
use super::records::Attached;
use super::{Kinesis, KinesisError, limits, queues};

/// PutResourcePolicy.
pub(super) async fn put_resource_policy(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: PutResourcePolicyInput,
) -> Result<(), KinesisError> {
    must_be_a_policy(&input.policy)?;
    if let Some(queue) = queues::of_arn(&caller, &input.resource_arn)? {
        let change = |settings: &mut queues::Settings| {
            settings.policy = Some(input.policy.clone());
            Ok(())
        };
        return kinesis.change_queue(&queue, change).await.map(drop);
    }
    let resource = Resource::parse(&caller, &input.resource_arn)?;
    kinesis
        .amend(resource.stream(), |found, attached| {
            kinesis.must_be_made(found)?;
            *policy_of(&resource, attached)? = Some(input.policy.clone());
            Ok(())
        })
        .await
}

/// GetResourcePolicy. Empty where there is none.
pub(super) async fn get_resource_policy(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ResourceInput,
) -> Result<GetResourcePolicyOutput, KinesisError> {
    let policy = match queues::of_arn(&caller, &input.resource_arn)? {
        Some(queue) => kinesis.queue(&queue).await?.settings.policy,
        None => {
            let resource = Resource::parse(&caller, &input.resource_arn)?;
            kinesis.find_named(resource.stream()).await?;
            let mut attached = kinesis.attached(resource.stream()).await?;
            policy_of(&resource, &mut attached)?.take()
        }
    };
    Ok(GetResourcePolicyOutput {
        policy: policy.unwrap_or_default(),
    })
}

/// DeleteResourcePolicy. One that is not there is gone already.
pub(super) async fn delete_resource_policy(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ResourceInput,
) -> Result<(), KinesisError> {
    if let Some(queue) = queues::of_arn(&caller, &input.resource_arn)? {
        let change = |settings: &mut queues::Settings| {
            settings.policy = None;
            Ok(())
        };
        return kinesis.change_queue(&queue, change).await.map(drop);
    }
    let resource = Resource::parse(&caller, &input.resource_arn)?;
    kinesis
        .amend(resource.stream(), |_, attached| {
            *policy_of(&resource, attached)? = None;
            Ok(())
        })
        .await
}

fn policy_of<'a>(
    resource: &Resource,
    attached: &'a mut Attached,
) -> Result<&'a mut Option<String>, KinesisError> {
    match resource {
        Resource::Stream(_) => Ok(&mut attached.policy),
        Resource::Consumer { stream, consumer } => {
            Ok(&mut consumer.among(stream, attached)?.policy)
        }
    }
}

/// Refuses what can't be a policy: something other than an object with statements, each of which allows or denies.
fn must_be_a_policy(text: &str) -> Result<(), KinesisError> {
    let refused = |what: &str| {
        Err(KinesisError::InvalidArgument(format!(
            "Invalid policy: {what}."
        )))
    };
    if text.len() > limits::POLICY_BYTES {
        return refused(&format!("it is longer than {} bytes", limits::POLICY_BYTES));
    }
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return refused("it is not a JSON object");
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => &[],
    };
    if statements.is_empty() {
        return refused("it has no Statement");
    }
    for statement in statements {
        let has = |names: [&str; 2]| names.iter().any(|name| statement.get(name).is_some());
        if !matches!(
            statement.get("Effect").and_then(Value::as_str),
            Some("Allow" | "Deny")
        ) {
            return refused("a statement's Effect is neither Allow nor Deny");
        }
        if !has(["Principal", "NotPrincipal"]) {
            return refused("a statement has no Principal");
        }
        if !has(["Action", "NotAction"]) {
            return refused("a statement has no Action");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_objects_with_statements() {
        let check = |text: &str, is_policy: bool| {
            assert_eq!(must_be_a_policy(text).is_ok(), is_policy, "{text}");
        };
        let statement = r#"{"Effect":"Allow","Principal":"*","Action":"kinesis:*"}"#;
        check(&format!(r#"{{"Statement":[{statement}]}}"#), true);
        check(&format!(r#"{{"Statement":{statement}}}"#), true);
        check(r#"{"Statement":[]}"#, false);
        check(r#"{"Statement":[1]}"#, false);
        check(
            r#"{"Statement":[{"Effect":"Allow","Principal":"*"}]}"#,
            false,
        );
        check(
            r#"{"Statement":[{"Effect":"Perhaps","Principal":"*","Action":"*"}]}"#,
            false,
        );
        for text in ["", "not json", "[]", "{}", "null"] {
            check(text, false);
        }
        check(
            &format!(
                r#"{{"Statement":{statement},"x":"{}"}}"#,
                "y".repeat(20_480)
            ),
            false,
        );
    }
}
