//! DescribeClientQuotas 0–1 and AlterClientQuotas 0–1 (KIP-546).

use std::collections::{BTreeMap, HashSet};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::quotas::{CONNECTIONS, CONSUMER, Entity, Limits, MUTATIONS, PRODUCER, REQUESTS, Who};
use crate::session::Call;
use crate::wire::describe_client_quotas_response::{
    EntityData as DescribedEntity, EntryData as DescribedEntry, ValueData,
};
use crate::wire::{
    AlterClientQuotasRequestData, AlterClientQuotasResponseData, DescribeClientQuotasRequestData,
    DescribeClientQuotasResponseData, ErrorCode, KafkaString, alter_client_quotas_request,
    alter_client_quotas_response, text,
};

const USER: &str = "user";
const CLIENT: &str = "client-id";
const IP: &str = "ip";
/// Of `match_type`.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, why)
}

/// What an entity must be to be described.
#[derive(Debug)]
enum Wanted {
    This(Who),
    Any,
}

pub(crate) async fn describe_client_quotas(
    call: Call,
    request: DescribeClientQuotasRequestData,
) -> Reply<DescribeClientQuotasResponseData> {
    let may = call.may(Operation::DescribeConfigs, Resource::Cluster);
    let wanted = if may {
        wanted(&request)
    } else {
        Err(ErrorCode::ClusterAuthorizationFailed.into())
    };
    match wanted {
        Ok(wanted) => {
            let all = call.broker.quotas.all().into_iter();
            let found = all.filter(|(entity, _)| matches(entity, &wanted, request.strict));
            DescribeClientQuotasResponseData {
                entries: Some(found.map(described).collect()),
                ..DescribeClientQuotasResponseData::default()
            }
        }
        Err(refusal) => DescribeClientQuotasResponseData {
            error_code: refusal.number(),
            error_message: refusal.message.as_deref().map(text),
            entries: None,
            ..DescribeClientQuotasResponseData::default()
        },
    }
    .into()
}

fn wanted(
    request: &DescribeClientQuotasRequestData,
) -> Result<BTreeMap<&'static str, Wanted>, Refusal> {
    let mut wanted = BTreeMap::new();
    for component in &request.components {
        let kind = match component.entity_type.as_str() {
            USER => USER,
            CLIENT => CLIENT,
            IP => IP,
            "" => return Err(invalid("Invalid empty entity type.")),
            other => {
                return Err(Refusal::new(
                    ErrorCode::UnsupportedVersion,
                    format!("Unsupported entity type {other}"),
                ));
            }
        };
        let name = component.r#match.as_ref().map(KafkaString::as_str);
        let one = match (component.match_type, name) {
            (EXACT, Some(name)) => Wanted::This(Who::Named(name.to_owned())),
            (DEFAULT, None) => Wanted::This(Who::Default),
            (SPECIFIED, None) => Wanted::Any,
            (EXACT | DEFAULT | SPECIFIED, _) => {
                return Err(invalid(
                    "a match string goes with an exact match and with no other",
                ));
            }
            (other, _) => return Err(invalid(format!("Unknown match type {other}"))),
        };
        if wanted.insert(kind, one).is_some() {
            return Err(invalid(format!(
                "Entity type {kind} cannot appear more than once in the filter."
            )));
        }
    }
    if wanted.contains_key(IP) && wanted.len() > 1 {
        return Err(invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.",
        ));
    }
    Ok(wanted)
}

fn matches(entity: &Entity, wanted: &BTreeMap<&str, Wanted>, is_strict: bool) -> bool {
    let parts = [
        (USER, &entity.user),
        (CLIENT, &entity.client),
        (IP, &entity.ip),
    ];
    parts
        .into_iter()
        .all(|(kind, who)| match (wanted.get(kind), who) {
            (None, None) => true,
            (None, Some(_)) => !is_strict,
            (Some(_), None) => false,
            (Some(Wanted::Any), Some(_)) => true,
            (Some(Wanted::This(wanted)), Some(who)) => wanted == who,
        })
}

fn described((entity, limits): (Entity, Limits)) -> DescribedEntry {
    let parts = [
        (USER, entity.user),
        (CLIENT, entity.client),
        (IP, entity.ip),
    ];
    let parts = parts.into_iter().filter_map(|(kind, who)| {
        Some(DescribedEntity {
            entity_type: text(kind),
            entity_name: match who? {
                Who::Named(name) => Some(text(&name)),
                Who::Default => None,
            },
            ..DescribedEntity::default()
        })
    });
    let values = limits.iter().map(|(key, value)| ValueData {
        key: text(key),
        value: *value,
        ..ValueData::default()
    });
    DescribedEntry {
        entity: parts.collect(),
        values: values.collect(),
        ..DescribedEntry::default()
    }
}

pub(crate) async fn alter_client_quotas(
    call: Call,
    request: AlterClientQuotasRequestData,
) -> Reply<AlterClientQuotasResponseData> {
    let may = call.may(Operation::AlterConfigs, Resource::Cluster);
    let mut entries = Vec::with_capacity(request.entries.len());
    for asked in request.entries {
        let outcome = if may {
            alter(&call, &asked, request.validate_only).await
        } else {
            Err(ErrorCode::ClusterAuthorizationFailed.into())
        };
        let refusal = outcome.err();
        let entity = asked.entity.into_iter();
        let entity = entity.map(|part| alter_client_quotas_response::EntityData {
            entity_type: part.entity_type,
            entity_name: part.entity_name,
            ..Default::default()
        });
        entries.push(alter_client_quotas_response::EntryData {
            error_code: refusal.as_ref().map_or(0, Refusal::number),
            error_message: refusal.and_then(|refusal| refusal.message.as_deref().map(text)),
            entity: entity.collect(),
            ..Default::default()
        });
    }
    AlterClientQuotasResponseData {
        entries,
        ..AlterClientQuotasResponseData::default()
    }
    .into()
}

async fn alter(
    call: &Call,
    asked: &alter_client_quotas_request::EntryData,
    is_trial: bool,
) -> Result<(), Refusal> {
    let entity = entity(&asked.entity)?;
    let mut names = HashSet::new();
    let mut changes = Vec::with_capacity(asked.ops.len());
    for op in &asked.ops {
        let name = op.key.as_str();
        if !names.insert(name) {
            return Err(invalid(format!("Duplicate quota key {name}")));
        }
        let value = (!op.remove).then_some(op.value);
        check(&entity, name, value)?;
        changes.push((name.to_owned(), value));
    }
    if is_trial {
        return Ok(());
    }
    let store = &**call.broker.streams.store();
    let quotas = &call.broker.quotas;
    Ok(quotas.change(store, &entity, &changes).await?)
}

fn entity(parts: &[alter_client_quotas_request::EntityData]) -> Result<Entity, Refusal> {
    let mut entity = Entity::default();
    for part in parts {
        let kind = part.entity_type.as_str();
        let name = part.entity_name.as_ref().map(KafkaString::as_str);
        if name == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
        let place = match kind {
            USER => &mut entity.user,
            CLIENT => &mut entity.client,
            IP => &mut entity.ip,
            other => {
                return Err(invalid(format!(
                    "Unhandled client quota entity type: {other}"
                )));
            }
        };
        let who = match name {
            None => Who::Default,
            Some(name) if kind == IP => Who::Named(address(name)?),
            Some(name) => Who::Named(name.to_owned()),
        };
        if place.replace(who).is_some() {
            return Err(invalid(format!(
                "Invalid client quota entity, duplicate entity entry {kind}"
            )));
        }
    }
    if entity == Entity::default() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    if entity.ip.is_some() && (entity.user.is_some() || entity.client.is_some()) {
        return Err(invalid(
            "Invalid quota entity combination, IP entity should not be used with user/client ID entity.",
        ));
    }
    Ok(entity)
}

/// An address as it is looked up.
fn address(name: &str) -> Result<String, Refusal> {
    let address = name.parse::<std::net::IpAddr>();
    let address = address.map_err(|_| invalid(format!("{name} is not an IP address")))?;
    Ok(address.to_canonical().to_string())
}

/// Whether an entity's limit of that name can be `value`.
fn check(entity: &Entity, name: &str, value: Option<f64>) -> Result<(), Refusal> {
    let is_whole = match (name, &entity.ip) {
        (PRODUCER | CONSUMER, None) | (CONNECTIONS, Some(_)) => true,
        (REQUESTS | MUTATIONS, None) => false,
        _ => return Err(invalid(format!("Invalid configuration key {name}"))),
    };
    let Some(value) = value else {
        return Ok(());
    };
    if !value.is_finite() || value <= 0.0 {
        return Err(invalid(format!("Quota {name} must be greater than 0")));
    }
    if is_whole && value > i64::MAX as f64 {
        return Err(invalid(format!(
            "Proposed value for {name} is too large for a LONG."
        )));
    }
    if is_whole && value.fract().abs() > 1e-6 {
        return Err(invalid(format!("{name} cannot be a fractional value.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::describe_client_quotas_request::ComponentData;

    #[test]
    fn entities_are_found_by_what_is_asked_of_them() {
        let ann = Entity {
            user: Some(Who::Named("ann".into())),
            client: Some(Who::Default),
            ip: None,
        };
        let found = |components: &[(&str, i8, Option<&str>)], strict| {
            let components = components
                .iter()
                .map(|(kind, match_type, name)| ComponentData {
                    entity_type: text(kind),
                    match_type: *match_type,
                    r#match: name.map(text),
                    ..ComponentData::default()
                });
            let request = DescribeClientQuotasRequestData {
                components: components.collect(),
                strict,
                ..DescribeClientQuotasRequestData::default()
            };
            wanted(&request).map(|wanted| matches(&ann, &wanted, strict))
        };
        assert!(found(&[], false).unwrap());
        assert!(!found(&[], true).unwrap());
        assert!(found(&[(USER, EXACT, Some("ann"))], false).unwrap());
        assert!(!found(&[(USER, EXACT, Some("ann"))], true).unwrap());
        assert!(!found(&[(USER, EXACT, Some("bob"))], false).unwrap());
        assert!(found(&[(USER, SPECIFIED, None), (CLIENT, DEFAULT, None)], true).unwrap());
        assert!(!found(&[(IP, SPECIFIED, None)], false).unwrap());
        for wrong in [
            (USER, EXACT, None),
            (USER, 9, None),
            ("", SPECIFIED, None),
            ("moon", SPECIFIED, None),
        ] {
            assert!(found(&[wrong], false).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn limits_are_numbers_above_nothing() {
        for (name, value, is_right) in [
            (PRODUCER, 1_000.0, true),
            (PRODUCER, 0.5, false),
            (PRODUCER, 0.0, false),
            (PRODUCER, f64::NAN, false),
            (MUTATIONS, 0.5, true),
            ("connection_creation_rate", 1.0, false),
        ] {
            let checked = check(&Entity::default(), name, Some(value));
            assert_eq!(checked.is_ok(), is_right, "{name} {value}");
        }
        assert!(check(&Entity::default(), CONSUMER, None).is_ok());
        let address = Entity {
            ip: Some(Who::Default),
            ..Entity::default()
        };
        assert!(check(&address, CONNECTIONS, Some(5.0)).is_ok());
        assert!(check(&address, CONNECTIONS, Some(0.5)).is_err());
        assert!(check(&address, PRODUCER, Some(5.0)).is_err());
    }

    #[test]
    fn an_address_stands_alone() {
        let entity_of = |parts: &[(&str, Option<&str>)]| {
            let parts = parts
                .iter()
                .map(|(kind, name)| alter_client_quotas_request::EntityData {
                    entity_type: text(kind),
                    entity_name: name.map(text),
                    ..Default::default()
                });
            entity(&parts.collect::<Vec<_>>())
        };
        let found = entity_of(&[(IP, Some("::ffff:10.0.0.1"))]).unwrap();
        assert_eq!(found.ip, Some(Who::Named("10.0.0.1".into())));
        assert_eq!(entity_of(&[(IP, None)]).unwrap().ip, Some(Who::Default));
        assert!(entity_of(&[(IP, Some("here"))]).is_err());
        assert!(entity_of(&[(IP, None), (USER, None)]).is_err());
    }
}
