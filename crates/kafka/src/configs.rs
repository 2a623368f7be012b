//! What a topic, the broker and groups can be told: configurations, their kinds and defaults.
//!
//! A topic's are kept in the stream's settings; what the stream has a field for (retention) is kept there, so that Kinesis
//! sees it too, with a note where it follows the broker ([`following`]). The others' are documents: [`kept`].

pub(crate) mod broker;
pub(crate) mod client_metrics;
pub(crate) mod documentation;
pub(crate) mod following;
pub(crate) mod group;
pub(crate) mod kept;
pub(crate) mod kind;
pub(crate) mod topic;

use std::collections::BTreeMap;

use streams::Settings;

use crate::error::Refusal;
use crate::wire::ErrorCode;

pub(crate) use kind::Kind;
pub(crate) use topic::TOPIC;

/// Of `retention.ms` and `retention.bytes`: without bound.
const UNLIMITED: i64 = -1;

/// A configuration there is.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
}

const INT_MAX: i64 = i32::MAX as i64;

const fn define(name: &'static str, kind: Kind, default: &'static str) -> Definition {
    Definition {
        name,
        kind,
        default,
    }
}

impl Definition {
    /// The configuration of that name.
    pub(crate) fn find(name: &str) -> Option<&'static Definition> {
        TOPIC.iter().find(|definition| definition.name == name)
    }

    /// Whether it can be `value`.
    pub(crate) fn check(&self, value: &str) -> Result<(), Refusal> {
        if self.kind.takes(value) {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::InvalidConfig,
            format!(
                "Invalid value {value} for configuration {}: {}",
                self.name,
                self.kind.must_be()
            ),
        ))
    }
}

/// What a topic is told by the broker's own configurations where it does not say itself, by the topic's name of each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Defaults(pub(crate) BTreeMap<&'static str, String>);

impl Defaults {
    /// The value of a topic configuration that the topic does not have.
    pub(crate) fn value(&self, name: &str) -> String {
        let fixed = || Definition::find(name).map_or("", |definition| definition.default);
        self.0
            .get(name)
            .cloned()
            .unwrap_or_else(|| fixed().to_owned())
    }

    /// How long records of a topic that does not say are kept, in milliseconds.
    fn retention_ms(&self) -> Option<u64> {
        number(&self.value("retention.ms"))
    }

    /// As [`Defaults::retention_ms`], in bytes of each partition.
    fn retention_bytes(&self) -> Option<u64> {
        number(&self.value("retention.bytes"))
    }
}

/// A limit as configurations have it: -1 is none.
fn number(text: &str) -> Option<u64> {
    text.trim()
        .parse::<i64>()
        .ok()
        .and_then(|n| u64::try_from(n).ok())
}

/// Which timestamps a topic's records have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// What handlers ask of a topic's configuration.
#[derive(Clone, Debug)]
pub(crate) struct TopicConfig {
    pub(crate) max_message_bytes: usize,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) is_compacted: bool,
    /// Whether clients may drop records that are not superseded: where the topic has no policy, too.
    pub(crate) deletes: bool,
}

impl TopicConfig {
    /// As the stream's settings have it, and the broker's where they don't.
    pub(crate) fn of(settings: &Settings, defaults: &Defaults) -> TopicConfig {
        let value = |name: &str| value(settings, name, defaults);
        let long = |name: &str| value(name).parse::<i64>().unwrap_or(i64::MAX);
        let policy = value("cleanup.policy");
        TopicConfig {
            max_message_bytes: usize::try_from(long("max.message.bytes")).unwrap_or(usize::MAX),
            timestamp_type: match value("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            is_compacted: policy.contains("compact"),
            deletes: policy.is_empty() || policy.contains("delete"),
        }
    }
}

/// What a stream's settings have under a topic configuration's name; its default where they say nothing.
pub(crate) fn value(settings: &Settings, name: &str, defaults: &Defaults) -> String {
    own(settings, name).unwrap_or_else(|| defaults.value(name))
}

/// The configurations that a stream has fields for, and under what is noted in its settings that a field follows the broker:
/// the value it was given for that. Who sets the field, as Kinesis does, takes the note away.
const LIMITS: [(&str, &str); 2] = [
    ("retention.bytes", "followed.retention.bytes"),
    ("retention.ms", streams::stream::FOLLOWED_RETENTION),
];

/// The note of a configuration that a stream has a field for.
fn note(name: &str) -> Option<&'static str> {
    let found = LIMITS.iter().find(|(limit, _)| *limit == name);
    found.map(|(_, note)| *note)
}

fn limit<'a>(settings: &'a mut Settings, name: &str) -> &'a mut Option<u64> {
    match name {
        "retention.ms" => &mut settings.retention_ms,
        _ => &mut settings.retention_bytes,
    }
}

/// A limit as it is written.
fn written(limit: Option<u64>) -> String {
    let number = limit.map_or(UNLIMITED, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    number.to_string()
}

/// As [`value`], where the topic says so itself.
pub(crate) fn own(settings: &Settings, name: &str) -> Option<String> {
    let limits = (settings.retention_ms, settings.retention_bytes);
    own_among(limits, &settings.extra, name)
}

fn own_among(
    (retention_ms, retention_bytes): (Option<u64>, Option<u64>),
    extra: &BTreeMap<String, String>,
    name: &str,
) -> Option<String> {
    let Some(note) = note(name) else {
        return extra.get(name).cloned();
    };
    let current = match name {
        "retention.ms" => retention_ms,
        _ => retention_bytes,
    };
    let current = written(current);
    (extra.get(note) != Some(&current)).then_some(current)
}

/// Sets a configuration, checked already, in a stream's settings; without a value, its default, which it then follows.
pub(crate) fn set(settings: &mut Settings, name: &str, value: Option<&str>, defaults: &Defaults) {
    match (note(name), value) {
        (Some(note), Some(value)) => {
            *limit(settings, name) = number(value);
            settings.extra.remove(note);
        }
        (Some(note), None) => {
            let default = number(&defaults.value(name));
            *limit(settings, name) = default;
            settings.extra.insert(note.to_owned(), written(default));
        }
        (None, Some(value)) => {
            let value = value.trim().to_owned();
            settings.extra.insert(name.to_owned(), value);
        }
        (None, None) => {
            settings.extra.remove(name);
        }
    }
}

/// Has fields that follow the broker be as it says now.
pub(crate) fn follow(settings: &mut Settings, defaults: &Defaults) {
    for (name, _) in LIMITS {
        if own(settings, name).is_none() {
            set(settings, name, None, defaults);
        }
    }
}

/// Holds a topic's configurations to what they must be beside each other, and to what this broker can do.
///
/// # Errors
/// [`ErrorCode::InvalidConfig`].
pub(crate) fn check_together(value: impl Fn(&str) -> String) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::new(ErrorCode::InvalidConfig, why));
    if value("remote.storage.enable") == "true" {
        return invalid(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .into(),
        );
    }
    let (least, most) = (
        value("min.compaction.lag.ms"),
        value("max.compaction.lag.ms"),
    );
    if number(&least) > number(&most) {
        return invalid(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        ));
    }
    Ok(())
}

/// A new topic's configurations, checked, divided into what a stream has fields for and the rest.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) retention_ms: Option<u64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) extra: BTreeMap<String, String>,
}

impl Chosen {
    /// What a new topic is told.
    ///
    /// # Errors
    /// The first that is unknown or can't be.
    pub(crate) fn check<'a>(
        configs: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        defaults: &Defaults,
    ) -> Result<Chosen, Refusal> {
        let mut chosen = Chosen {
            retention_ms: defaults.retention_ms(),
            retention_bytes: defaults.retention_bytes(),
            extra: BTreeMap::new(),
        };
        for (name, note) in LIMITS {
            let followed = written(number(&defaults.value(name)));
            chosen.extra.insert(note.to_owned(), followed);
        }
        for (name, value) in configs {
            let definition = Definition::find(name).ok_or_else(|| unknown(name))?;
            let value = value.ok_or_else(|| {
                Refusal::new(
                    ErrorCode::InvalidConfig,
                    format!("Null value not supported for topic configs: {name}"),
                )
            })?;
            definition.check(value)?;
            match name {
                "retention.ms" => chosen.retention_ms = number(value),
                "retention.bytes" => chosen.retention_bytes = number(value),
                _ => {
                    let value = definition.kind.written(value);
                    chosen.extra.insert(name.to_owned(), value);
                }
            }
            if let Some(note) = note(name) {
                chosen.extra.remove(note);
            }
        }
        check_together(|name| {
            let own = chosen.extra.get(name).cloned();
            own.unwrap_or_else(|| defaults.value(name))
        })?;
        Ok(chosen)
    }

    /// As [`own`] of the topic to be.
    pub(crate) fn own(&self, name: &str) -> Option<String> {
        let limits = (self.retention_ms, self.retention_bytes);
        own_among(limits, &self.extra, name)
    }
}

/// There is no such configuration.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidConfig,
        format!("Unknown topic config name: {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_defaults_are_right() {
        assert!(TOPIC.is_sorted_by_key(|definition| definition.name));
        for definition in TOPIC {
            assert!(
                definition.check(definition.default).is_ok(),
                "{}",
                definition.name
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        let wrong = [
            ("retention.ms", "-2"),
            ("retention.ms", "a week"),
            ("cleanup.policy", "compact,shred"),
            ("preallocate", "yes"),
            ("min.cleanable.dirty.ratio", "1.1"),
            ("min.compaction.lag.ms", "9223372036854775808"),
        ];
        for (name, value) in wrong {
            let refusal =
                Chosen::check([(name, Some(value))].into_iter(), &Defaults::default()).unwrap_err();
            assert!(refusal.message.unwrap().contains(name));
        }
        assert!(Chosen::check([("no.such", Some("1"))].into_iter(), &Defaults::default()).is_err());
    }
}
