//! Policies of queues: kept and told. Nothing enforces them yet, and no other account gets in by one.

use serde_json::{Map, Value};

use super::error::SqsError;
use super::limits;

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
