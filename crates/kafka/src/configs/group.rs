//! What single groups are told (KIP-848, KIP-932): their own values, and the broker's where they have none.

use super::broker::BrokerDefinition;
use super::kept::{Holder, Kept};
use super::{Definition, INT_MAX, Kind, define};
use crate::error::Refusal;
use crate::wire::ErrorCode;

const NATURAL: Kind = Kind::Int(1, INT_MAX);

/// All of them, by name.
pub(crate) const GROUP: &[Definition] = &[
    define("consumer.heartbeat.interval.ms", NATURAL, "5000"),
    define("consumer.session.timeout.ms", NATURAL, "45000"),
    define("share.auto.offset.reset", Kind::ShareStart, "latest"),
    define("share.delivery.count.limit", Kind::Int(2, INT_MAX), "5"),
    define("share.heartbeat.interval.ms", NATURAL, "5000"),
    define(
        "share.isolation.level",
        Kind::OneOf(&["read_committed", "read_uncommitted"]),
        "read_uncommitted",
    ),
    define(
        "share.partition.max.record.locks",
        Kind::Int(100, INT_MAX),
        "2000",
    ),
    define("share.record.lock.duration.ms", NATURAL, "30000"),
    define("share.session.timeout.ms", NATURAL, "45000"),
];

/// The configuration of that name.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    GROUP.iter().find(|definition| definition.name == name)
}

/// The broker's configuration that stands in for a group's.
pub(crate) fn behind(name: &str) -> Option<&'static BrokerDefinition> {
    BrokerDefinition::find(&format!("group.{name}"))
}

/// Holds a group's values to the broker's bounds, and to each other.
///
/// # Errors
/// [`ErrorCode::InvalidConfig`].
pub(crate) fn check_together(value: impl Fn(&str) -> String) -> Result<(), Refusal> {
    let number = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
    let invalid = |why: String| Err(Refusal::new(ErrorCode::InvalidConfig, why));
    for name in GROUP.iter().map(|definition| definition.name) {
        let Some((kind, rest)) = name.split_once('.') else {
            continue;
        };
        let bound = |which: &str| {
            let bound = BrokerDefinition::find(&format!("group.{kind}.{which}.{rest}"))?;
            Some((bound.definition.name, number(bound.definition.default)))
        };
        let is = number(&value(name));
        if let Some((least_name, least)) = bound("min")
            && is < least
        {
            return invalid(format!(
                "{name} must be greater than or equal to {least_name}"
            ));
        }
        if let Some((most_name, most)) = bound("max")
            && is > most
        {
            return invalid(format!("{name} must be less than or equal to {most_name}"));
        }
    }
    for kind in ["consumer", "share"] {
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if number(&value(&session)) <= number(&value(&heartbeat)) {
            return invalid(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

impl Kept {
    /// What a group's configuration `name` is now, one of [`GROUP`]: for coordinators, which ask each time they need it.
    pub(crate) fn of_group(&self, group: &str, name: &str) -> String {
        let own = self.value(Holder::Group, group, name);
        own.unwrap_or_else(|| find(name).map_or("", |found| found.default).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_brokers_and_within_its_bounds() {
        assert!(GROUP.is_sorted_by_key(|definition| definition.name));
        for definition in GROUP {
            assert!(definition.check(definition.default).is_ok());
            if let Some(broker) = behind(definition.name) {
                assert_eq!(broker.definition.default, definition.default);
            }
        }
        let default = |name: &str| find(name).unwrap().default.to_owned();
        assert!(check_together(default).is_ok());
        let short = |name: &str| match name {
            "consumer.session.timeout.ms" => "1000".into(),
            name => default(name),
        };
        let refusal = check_together(short).unwrap_err().message.unwrap();
        assert!(
            refusal.contains("group.consumer.min.session.timeout.ms"),
            "{refusal}"
        );
    }
}
