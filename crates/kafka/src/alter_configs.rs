//! AlterConfigs 0–2 (KIP-133) and IncrementalAlterConfigs 0–1 (KIP-339): the former tells a resource all there is to tell, so
//! that what is not mentioned is as by default again; the latter changes what it mentions.

use std::collections::{HashMap, HashSet};

use streams::Settings;

use crate::access::Operation;
use crate::configs::broker::BrokerDefinition;
use crate::configs::client_metrics::{self, check_match};
use crate::configs::group;
use crate::configs::kept::{CLUSTER, Holder, Values};
use crate::configs::{self, Defaults, Definition, TOPIC, check_together};
use crate::connection::Reply;
use crate::describe_configs::{Kinds, check_node};
use crate::error::Refusal;
use crate::session::Call;
use crate::topics::check_name;
use crate::wire::{
    AlterConfigsRequestData, AlterConfigsResponseData, ErrorCode,
    IncrementalAlterConfigsRequestData, IncrementalAlterConfigsResponseData, KafkaString,
    alter_configs_response, incremental_alter_configs_response, text,
};

/// What is to become of one configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Change {
    Set(String),
    Delete,
    /// Adds to a list.
    Append(String),
    /// Takes from a list.
    Subtract(String),
}

/// What is asked of one resource.
struct Asked {
    kind: i8,
    name: String,
    changes: Result<Vec<(String, Change)>, Refusal>,
    /// Whether all that is not mentioned is to be as by default.
    is_whole: bool,
}

pub(crate) async fn alter_configs(
    call: Call,
    request: AlterConfigsRequestData,
) -> Reply<AlterConfigsResponseData> {
    let asked = request.resources.into_iter().map(|resource| {
        let pairs = resource.configs.into_iter();
        let pairs = pairs.map(|one| (one.name, 0, one.value));
        Asked {
            kind: resource.resource_type,
            name: resource.resource_name.as_str().to_owned(),
            changes: changes(&pairs.collect::<Vec<_>>()),
            is_whole: true,
        }
    });
    let mut response = AlterConfigsResponseData::default();
    for (asked, refusal) in alter(&call, asked.collect(), request.validate_only).await {
        response
            .responses
            .push(alter_configs_response::AlterConfigsResourceResponse {
                error_code: refusal.as_ref().map_or(0, Refusal::number),
                error_message: message(refusal),
                resource_type: asked.kind,
                resource_name: text(&asked.name),
                ..Default::default()
            });
    }
    response.into()
}

pub(crate) async fn incremental_alter_configs(
    call: Call,
    request: IncrementalAlterConfigsRequestData,
) -> Reply<IncrementalAlterConfigsResponseData> {
    let asked = request.resources.into_iter().map(|resource| {
        let pairs = resource.configs.into_iter();
        let pairs = pairs.map(|one| (one.name, one.config_operation, one.value));
        Asked {
            kind: resource.resource_type,
            name: resource.resource_name.as_str().to_owned(),
            changes: changes(&pairs.collect::<Vec<_>>()),
            is_whole: false,
        }
    });
    let mut response = IncrementalAlterConfigsResponseData::default();
    for (asked, refusal) in alter(&call, asked.collect(), request.validate_only).await {
        response.responses.push(
            incremental_alter_configs_response::AlterConfigsResourceResponse {
                error_code: refusal.as_ref().map_or(0, Refusal::number),
                error_message: message(refusal),
                resource_type: asked.kind,
                resource_name: text(&asked.name),
                ..Default::default()
            },
        );
    }
    response.into()
}

fn message(refusal: Option<Refusal>) -> Option<KafkaString> {
    refusal?.message.as_deref().map(text)
}

/// A configuration's name, the operation's number and a value.
type Entry = (KafkaString, i8, Option<KafkaString>);

/// The changes that a resource's entries ask for.
fn changes(entries: &[Entry]) -> Result<Vec<(String, Change)>, Refusal> {
    let invalid = |why: String| Refusal::new(ErrorCode::InvalidRequest, why);
    let mut names = HashSet::new();
    let is_once = entries.iter().all(|(name, ..)| names.insert(name.as_str()));
    if !is_once {
        return Err(invalid("Error due to duplicate config keys".into()));
    }
    let one = |(name, operation, value): &Entry| {
        let value = || {
            let value = value.as_ref().map(|value| value.as_str().to_owned());
            value
                .ok_or_else(|| invalid(format!("Null value not supported for : {}", name.as_str())))
        };
        let change = match operation {
            0 => Change::Set(value()?),
            1 => Change::Delete,
            2 => Change::Append(value()?),
            3 => Change::Subtract(value()?),
            other => return Err(invalid(format!("Unknown operations type {other}"))),
        };
        Ok((name.as_str().to_owned(), change))
    };
    entries.iter().map(one).collect()
}

async fn alter(call: &Call, all: Vec<Asked>, is_trial: bool) -> Vec<(Asked, Option<Refusal>)> {
    let mut done = Vec::with_capacity(all.len());
    let mut times: HashMap<(i8, &str), u32> = HashMap::new();
    for asked in &all {
        *times.entry((asked.kind, &asked.name)).or_default() += 1;
    }
    let is_again = |asked: &Asked| {
        let times = times.get(&(asked.kind, asked.name.as_str()));
        times.is_some_and(|times| *times > 1)
    };
    let again: Vec<bool> = all.iter().map(is_again).collect();
    for (asked, is_again) in all.into_iter().zip(again) {
        let outcome = if is_again {
            Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "Each resource must appear at most once.",
            ))
        } else {
            one(call, &asked, is_trial).await
        };
        done.push((asked, outcome.err()));
    }
    done
}

async fn one(call: &Call, asked: &Asked, is_trial: bool) -> Result<(), Refusal> {
    let kind = Kinds::of(asked.kind)?;
    kind.admit(call, Operation::AlterConfigs, &asked.name)?;
    let changes = asked.changes.as_ref().map_err(Clone::clone)?;
    match kind {
        Kinds::Topic => topic(call, asked, changes, is_trial).await,
        Kinds::Broker => broker(call, asked, changes, is_trial).await,
        Kinds::Group => group(call, asked, changes, is_trial).await,
        Kinds::ClientMetrics => client_metrics(call, asked, changes, is_trial).await,
        Kinds::BrokerLogger => {
            check_node(&asked.name)?;
            Err(Refusal::new(
                ErrorCode::InvalidConfig,
                "the log's level is set when the server is started, by --log or HEADWATER_LOG",
            ))
        }
    }
}

async fn topic(
    call: &Call,
    asked: &Asked,
    changes: &[(String, Change)],
    is_trial: bool,
) -> Result<(), Refusal> {
    if asked.name.is_empty() {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Default topic resources are not allowed.",
        ));
    }
    check_name(&asked.name)?;
    let unknown = |refusal: Refusal| match refusal.code {
        ErrorCode::UnknownTopicOrPartition => Refusal::new(
            refusal.code,
            format!("The topic '{}' does not exist.", asked.name),
        ),
        _ => refusal,
    };
    let stream = call.broker.topic(&asked.name).await.map_err(unknown)?;
    let defaults = call.broker.configs.topic_defaults();
    let tell = |settings: &mut Settings| tell_topic(settings, changes, asked.is_whole, &defaults);
    if is_trial {
        return tell(&mut stream.stream.settings.clone());
    }
    let streams = &call.broker.streams;
    let name = call.broker.stream_name(&asked.name);
    let told = streams.update(&name, |_, settings| tell(settings)).await;
    told.map_err(unknown)?;
    // The broker's may have changed since they were looked up.
    call.broker.follow(&asked.name).await
}

fn tell_topic(
    settings: &mut Settings,
    changes: &[(String, Change)],
    is_whole: bool,
    defaults: &Defaults,
) -> Result<(), Refusal> {
    if is_whole {
        for definition in TOPIC {
            configs::set(settings, definition.name, None, defaults);
        }
    }
    for (name, change) in changes {
        let Some(definition) = Definition::find(name) else {
            must_be_there(change, || configs::unknown(name))?;
            continue;
        };
        let current = configs::value(settings, name, defaults);
        let value = changed(definition, &current, change)?;
        configs::set(settings, name, value.as_deref(), defaults);
    }
    check_together(|name| configs::value(settings, name, defaults))
}

/// What a configuration is after a change; `None` for its default.
fn changed(
    definition: &Definition,
    current: &str,
    change: &Change,
) -> Result<Option<String>, Refusal> {
    let name = definition.name;
    let must_be_list = |verb: &str| {
        if definition.kind.is_list() {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::InvalidConfig,
            format!("Can't {verb} to key {name} because its type is not LIST."),
        ))
    };
    let parts = |text: &str| -> Vec<String> {
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let value = match change {
        Change::Delete => return Ok(None),
        Change::Set(value) => value.clone(),
        Change::Append(more) => {
            must_be_list("APPEND")?;
            let mut list = parts(current);
            for part in parts(more) {
                if !list.contains(&part) {
                    list.push(part);
                }
            }
            list.join(",")
        }
        Change::Subtract(less) => {
            must_be_list("SUBTRACT")?;
            let less = parts(less);
            let mut list = parts(current);
            list.retain(|part| !less.contains(part));
            list.join(",")
        }
    };
    definition.check(&value)?;
    Ok(Some(definition.kind.written(&value)))
}

/// What is not there can be deleted, as with Apache Kafka: scripts clear away what an older version knew.
fn must_be_there(change: &Change, unknown: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    match change {
        Change::Delete => Ok(()),
        _ => Err(unknown()),
    }
}

/// Applies changes to values that were set; `find` knows what can be, `default` what holds where nothing is set.
fn tell(
    values: &mut Values,
    asked: (&[(String, Change)], bool),
    find: impl Fn(&str) -> Result<&'static Definition, Refusal>,
    default: impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    let (changes, is_whole) = asked;
    if is_whole {
        values.clear();
    }
    for (name, change) in changes {
        let definition = match find(name) {
            Ok(found) => found,
            Err(refusal) => {
                must_be_there(change, || refusal)?;
                continue;
            }
        };
        let current = values.get(name).cloned().unwrap_or_else(|| default(name));
        match changed(definition, &current, change)? {
            Some(value) => values.insert(name.clone(), value),
            None => values.remove(name),
        };
    }
    Ok(())
}

async fn broker(
    call: &Call,
    asked: &Asked,
    changes: &[(String, Change)],
    is_trial: bool,
) -> Result<(), Refusal> {
    if asked.name != CLUSTER {
        check_node(&asked.name)?;
    }
    let find = |name: &str| match BrokerDefinition::find(name) {
        Some(one) if one.is_dynamic => Ok(&one.definition),
        _ => Err(Refusal::new(
            ErrorCode::InvalidRequest,
            format!("Cannot update these configs dynamically: [{name}]"),
        )),
    };
    let default = |name: &str| find(name).map_or(String::new(), |found| found.default.to_owned());
    let change = |values: &mut Values| {
        let told = tell(values, (changes, asked.is_whole), find, default);
        told.map_err(of_a_broker)
    };
    let owner = (Holder::Broker, asked.name.as_str());
    let store = &**call.broker.streams.store();
    let configs = &call.broker.configs;
    configs.change(store, owner, is_trial, change).await?;
    if is_trial {
        return Ok(());
    }
    // Topics are looked up again, by what the broker says now.
    call.broker.topics.forget_all();
    let is_followed = |(name, _): &(String, Change)| name.starts_with("log.retention.");
    if asked.is_whole || changes.iter().any(is_followed) {
        call.broker.follow_all().await?;
    }
    Ok(())
}

/// Of a broker's configurations Kafka says `INVALID_REQUEST` where it says `INVALID_CONFIG` of others'.
fn of_a_broker(refusal: Refusal) -> Refusal {
    let code = match refusal.code {
        ErrorCode::InvalidConfig => ErrorCode::InvalidRequest,
        other => other,
    };
    Refusal { code, ..refusal }
}

async fn group(
    call: &Call,
    asked: &Asked,
    changes: &[(String, Change)],
    is_trial: bool,
) -> Result<(), Refusal> {
    if asked.name.is_empty() {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Default group resources are not allowed.",
        ));
    }
    let find = |name: &str| {
        group::find(name).ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidConfig,
                format!("Unknown group config name: {name}"),
            )
        })
    };
    let default = |name: &str| {
        group::find(name)
            .map_or("", |found| found.default)
            .to_owned()
    };
    let change = |values: &mut Values| {
        tell(values, (changes, asked.is_whole), find, default)?;
        group::check_together(|name| values.get(name).cloned().unwrap_or_else(|| default(name)))
    };
    let owner = (Holder::Group, asked.name.as_str());
    let store = &**call.broker.streams.store();
    let configs = &call.broker.configs;
    configs.change(store, owner, is_trial, change).await
}

async fn client_metrics(
    call: &Call,
    asked: &Asked,
    changes: &[(String, Change)],
    is_trial: bool,
) -> Result<(), Refusal> {
    if asked.name.is_empty() {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Subscription name can't be empty",
        ));
    }
    let find = |name: &str| {
        client_metrics::find(name).ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidRequest,
                format!("Unknown client metrics configuration: {name}"),
            )
        })
    };
    let default = |name: &str| find(name).map_or(String::new(), |found| found.default.to_owned());
    let change = |values: &mut Values| {
        tell(values, (changes, asked.is_whole), find, default)?;
        values.get("match").map_or(Ok(()), |text| check_match(text))
    };
    let owner = (Holder::ClientMetrics, asked.name.as_str());
    let store = &**call.broker.streams.store();
    let configs = &call.broker.configs;
    configs.change(store, owner, is_trial, change).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_added_to_and_taken_from() {
        let policy = Definition::find("cleanup.policy").unwrap();
        let after = |current: &str, change| changed(policy, current, &change);
        let append = |text: &str| Change::Append(text.into());
        let subtract = |text: &str| Change::Subtract(text.into());
        let both = after("delete", append("compact")).unwrap().unwrap();
        assert_eq!(both, "delete,compact");
        assert_eq!(after(&both, append("delete")).unwrap(), Some(both.clone()));
        let less = after(&both, subtract("delete")).unwrap();
        assert_eq!(less.as_deref(), Some("compact"));
        assert!(after("delete", append("shred")).is_err());
        assert_eq!(after("delete", Change::Delete).unwrap(), None);
        let number = Definition::find("retention.ms").unwrap();
        let refusal = changed(number, "1", &append("2")).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidConfig);
    }

    #[test]
    fn a_config_is_named_once() {
        let entry =
            |operation, value: Option<&str>| (text("retention.ms"), operation, value.map(text));
        assert!(changes(&[entry(0, Some("1")), entry(1, None)]).is_err());
        assert!(changes(&[entry(0, None)]).is_err());
        assert!(changes(&[entry(9, Some("1"))]).is_err());
        let one = changes(&[entry(1, None)]).unwrap();
        assert_eq!(one, [("retention.ms".to_owned(), Change::Delete)]);
    }
}
