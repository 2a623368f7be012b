//! Subscriptions to clients' own metrics (KIP-714). They are kept as they are told; no client is asked for metrics, as by an
//! Apache Kafka broker that has nowhere to send them.

use super::{Definition, Kind, define};
use crate::error::Refusal;
use crate::wire::ErrorCode;

/// All configurations of a subscription, by name.
pub(crate) const CLIENT_METRICS: &[Definition] = &[
    define("interval.ms", Kind::Int(100, 3_600_000), "300000"),
    define("match", Kind::List, ""),
    define("metrics", Kind::List, ""),
];

/// By what clients can be told apart.
const SELECTORS: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// The configuration of that name.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    CLIENT_METRICS
        .iter()
        .find(|definition| definition.name == name)
}

/// Whether clients can be told apart by `patterns`, such as `client_id=app.*,client_software_name=Java`.
///
/// # Errors
/// [`ErrorCode::InvalidConfig`].
pub(crate) fn check_match(patterns: &str) -> Result<(), Refusal> {
    for pattern in patterns.split(',').filter(|pattern| !pattern.is_empty()) {
        let is_right = match pattern.split_once('=') {
            Some((selector, value)) => {
                SELECTORS.contains(&selector.trim()) && !value.is_empty() && !value.contains('=')
            }
            None => false,
        };
        if !is_right {
            return Err(Refusal::new(
                ErrorCode::InvalidConfig,
                format!("Illegal client matching pattern: {pattern}"),
            ));
        }
    }
    Ok(())
}
