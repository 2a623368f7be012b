//! DescribeConfigs 1–4 (KIP-133, KIP-226, KIP-412, KIP-569, KIP-714, KIP-848): what topics, the broker, its log, groups and
//! subscriptions to clients' metrics are told, and where each value comes from.

use tracing::level_filters::LevelFilter;

use crate::access::{Operation, Resource};
use crate::broker::NODE_ID;
use crate::configs::broker::{BROKER, BrokerDefinition};
use crate::configs::client_metrics::CLIENT_METRICS;
use crate::configs::documentation;
use crate::configs::group::{self, GROUP};
use crate::configs::kept::{CLUSTER, Holder};
use crate::configs::topic;
use crate::configs::{self, Definition, Kind, TOPIC};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::metadata::endpoint;
use crate::session::Call;
use crate::topics::check_name;
use crate::wire::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::{DescribeConfigsRequestData, DescribeConfigsResponseData, ErrorCode, text};

/// What can have configurations, by its number on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kinds {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl Kinds {
    /// Its number.
    pub(crate) fn number(self) -> i8 {
        match self {
            Kinds::Topic => 2,
            Kinds::Broker => 4,
            Kinds::BrokerLogger => 8,
            Kinds::ClientMetrics => 16,
            Kinds::Group => 32,
        }
    }

    /// The kind of that number.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`].
    pub(crate) fn of(number: i8) -> Result<Kinds, Refusal> {
        const ALL: [Kinds; 5] = [
            Kinds::Topic,
            Kinds::Broker,
            Kinds::BrokerLogger,
            Kinds::ClientMetrics,
            Kinds::Group,
        ];
        let found = ALL.into_iter().find(|kind| kind.number() == number);
        found.ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidRequest,
                format!("Unknown resource type {number}"),
            )
        })
    }

    /// Refuses whoever may not do this to configurations of that kind.
    pub(crate) fn admit(
        self,
        call: &Call,
        operation: Operation,
        name: &str,
    ) -> Result<(), Refusal> {
        let (resource, code) = match self {
            Kinds::Topic => (Resource::Topic(name), ErrorCode::TopicAuthorizationFailed),
            Kinds::Group => (Resource::Group(name), ErrorCode::GroupAuthorizationFailed),
            Kinds::Broker | Kinds::BrokerLogger | Kinds::ClientMetrics => {
                (Resource::Cluster, ErrorCode::ClusterAuthorizationFailed)
            }
        };
        if call.may(operation, resource) {
            Ok(())
        } else {
            Err(code.into())
        }
    }
}

/// Where a value comes from, by its number on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub(crate) enum Source {
    Topic = 1,
    Node = 2,
    Cluster = 3,
    Start = 4,
    Default = 5,
    Logger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// One configuration: its values, the one in force first, which clients are shown as its synonyms.
pub(crate) struct Entry {
    name: String,
    kind: Kind,
    is_read_only: bool,
    values: Vec<(String, String, Source)>,
    /// What holds where there is no value.
    default: &'static str,
}

impl Entry {
    fn new(definition: &Definition, is_read_only: bool) -> Entry {
        Entry {
            name: definition.name.to_owned(),
            kind: definition.kind,
            is_read_only,
            values: Vec::new(),
            default: definition.default,
        }
    }

    fn value(&mut self, name: &str, value: Option<String>, source: Source) {
        self.values
            .extend(value.map(|value| (name.to_owned(), value, source)));
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value in force and where it comes from.
    pub(crate) fn in_force(&self) -> (&str, Source) {
        self.values
            .first()
            .map_or((self.default, Source::Default), |(_, value, source)| {
                (value, *source)
            })
    }
}

pub(crate) async fn describe_configs(
    call: Call,
    request: DescribeConfigsRequestData,
) -> Reply<DescribeConfigsResponseData> {
    let mut results = Vec::with_capacity(request.resources.len());
    for asked in &request.resources {
        let name = asked.resource_name.as_str();
        let wanted = asked
            .configuration_keys
            .as_deref()
            .filter(|wanted| !wanted.is_empty());
        let is_wanted =
            |name: &str| wanted.is_none_or(|wanted| wanted.iter().any(|key| key.as_str() == name));
        let mut result = DescribeConfigsResult {
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
            ..DescribeConfigsResult::default()
        };
        match entries(&call, asked.resource_type, name).await {
            Ok(entries) => {
                let entries = entries.into_iter().filter(|entry| is_wanted(&entry.name));
                result.configs = entries
                    .map(|entry| on_wire(&entry, &request, &call))
                    .collect();
            }
            Err(refusal) => {
                result.error_code = refusal.number();
                result.error_message = refusal.message.as_deref().map(text);
            }
        }
        results.push(result);
    }
    DescribeConfigsResponseData {
        results,
        ..DescribeConfigsResponseData::default()
    }
    .into()
}

fn on_wire(
    entry: &Entry,
    request: &DescribeConfigsRequestData,
    call: &Call,
) -> DescribeConfigsResourceResult {
    let (value, source) = entry.in_force();
    let value = Some(text(value));
    let documentation = (request.include_documentation && call.version >= 3)
        .then(|| documentation::of(&entry.name))
        .flatten();
    let config_type = if call.version >= 3 {
        entry.kind.wire_type()
    } else {
        0
    };
    let synonyms = entry.values.iter().filter(|_| request.include_synonyms);
    let synonyms = synonyms.map(|(name, value, source)| DescribeConfigsSynonym {
        name: text(name),
        value: Some(text(value)),
        source: *source as i8,
        ..DescribeConfigsSynonym::default()
    });
    DescribeConfigsResourceResult {
        synonyms: synonyms.collect(),
        name: text(&entry.name),
        value,
        read_only: entry.is_read_only,
        config_source: source as i8,
        config_type,
        documentation: documentation.map(text),
        ..DescribeConfigsResourceResult::default()
    }
}

async fn entries(call: &Call, kind: i8, name: &str) -> Result<Vec<Entry>, Refusal> {
    let kind = Kinds::of(kind)?;
    kind.admit(call, Operation::DescribeConfigs, name)?;
    match kind {
        Kinds::Topic => {
            check_name(name)?;
            let topic = call.broker.topic(name).await?;
            let settings = &topic.stream.settings;
            Ok(of_topic(call, |name| configs::own(settings, name)))
        }
        Kinds::Broker if name == CLUSTER => Ok(of_cluster(call)),
        Kinds::Broker => {
            check_node(name)?;
            Ok(BROKER.iter().map(|one| of_broker(call, one)).collect())
        }
        Kinds::BrokerLogger => {
            check_node(name)?;
            Ok(vec![of_logger()])
        }
        Kinds::ClientMetrics => of_client_metrics(call, name),
        Kinds::Group if name.is_empty() => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Group name must not be empty",
        )),
        Kinds::Group => Ok(GROUP.iter().map(|one| of_group(call, name, one)).collect()),
    }
}

/// Refuses another broker's number.
pub(crate) fn check_node(name: &str) -> Result<(), Refusal> {
    let why = match name.parse::<i32>() {
        Ok(NODE_ID) => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {NODE_ID}, but received {name}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, why))
}

/// All of a topic's, by name.
pub(crate) fn of_topic(call: &Call, own: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let entry = |definition: &Definition| {
        let mut entry = Entry::new(definition, false);
        entry.value(definition.name, own(definition.name), Source::Topic);
        match BrokerDefinition::behind(definition.name) {
            Some(behind) => entry.values.extend(of_broker(call, behind).values),
            None => {
                if let Some(behind) = topic::behind(definition.name) {
                    let default = definition.default.to_owned();
                    entry.value(behind, Some(default), Source::Default);
                }
            }
        }
        entry
    };
    TOPIC.iter().map(entry).collect()
}

fn of_broker(call: &Call, one: &BrokerDefinition) -> Entry {
    let name = one.definition.name;
    let kept = |holder: &str| call.broker.configs.value(Holder::Broker, holder, name);
    let mut entry = Entry::new(&one.definition, !one.is_dynamic);
    entry.value(name, kept(&NODE_ID.to_string()), Source::Node);
    entry.value(name, kept(CLUSTER), Source::Cluster);
    entry.value(name, at_start(call, name), Source::Start);
    entry.value(
        name,
        Some(one.definition.default.to_owned()),
        Source::Default,
    );
    entry
}

/// What the broker was started with, where that is not the default.
fn at_start(call: &Call, name: &str) -> Option<String> {
    let options = &call.broker.options;
    let default = BrokerDefinition::find(name)?.definition.default;
    let value = match name {
        "node.id" | "broker.id" => NODE_ID.to_string(),
        "auto.create.topics.enable" => options.auto_create.to_string(),
        "group.initial.rebalance.delay.ms" => {
            let delay = options.group_initial_rebalance_delay;
            delay.as_millis().to_string()
        }
        "num.partitions" => options.partitions_default.to_string(),
        "listeners" => format!(
            "{}://{}",
            call.session.listener.protocol.name(),
            call.session.local
        ),
        "advertised.listeners" => {
            let (host, port) = endpoint(&call.session);
            format!("{}://{host}:{port}", call.session.listener.protocol.name())
        }
        _ => return None,
    };
    (value != default || name == "node.id" || name == "broker.id").then_some(value)
}

/// What is set for all brokers, and nothing else.
fn of_cluster(call: &Call) -> Vec<Entry> {
    let set = call.broker.configs.values(Holder::Broker, CLUSTER);
    let entry = |(name, _): (&String, &String)| {
        let one = BrokerDefinition::find(name)?;
        let mut entry = of_broker(call, one);
        entry
            .values
            .retain(|(_, _, source)| *source == Source::Cluster);
        Some(entry)
    };
    set.iter().filter_map(entry).collect()
}

/// The level of the server's log, which is set when it is started.
fn of_logger() -> Entry {
    let level = match LevelFilter::current() {
        LevelFilter::OFF => "FATAL".to_owned(),
        level => level.to_string().to_uppercase(),
    };
    Entry {
        name: "root".into(),
        kind: Kind::Text,
        is_read_only: true,
        values: vec![("root".into(), level, Source::Logger)],
        default: "",
    }
}

fn of_client_metrics(call: &Call, name: &str) -> Result<Vec<Entry>, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Client metrics subscription name must not be empty",
        ));
    }
    let mut set = call.broker.configs.values(Holder::ClientMetrics, name);
    let entry = |definition: &Definition| {
        let mut entry = Entry::new(definition, false);
        let own = set.remove(definition.name);
        entry.value(definition.name, own, Source::ClientMetrics);
        entry
    };
    Ok(CLIENT_METRICS.iter().map(entry).collect())
}

fn of_group(call: &Call, group: &str, definition: &Definition) -> Entry {
    let mut entry = Entry::new(definition, false);
    let name = definition.name;
    let own = call.broker.configs.value(Holder::Group, group, name);
    entry.value(name, own, Source::Group);
    match group::behind(name) {
        Some(behind) => entry.values.extend(of_broker(call, behind).values),
        None => entry.value(name, Some(definition.default.to_owned()), Source::Default),
    }
    entry
}

#[cfg(test)]
mod tests;
