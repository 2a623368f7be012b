//! DescribeAcls, CreateAcls and DeleteAcls 1–3 (KIP-140, KIP-290): rules as clients see and make them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::decide::ANY;
use super::store::Acls;
use super::{Operation, Pattern, Permission, Rule, SubjectOf};
use crate::access::{CLUSTER, Operation as Asked, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::security::principal::Principal;
use crate::session::Call;
use crate::wire::{
    AclCreation, AclCreationResult, AclDescription, CreateAclsRequestData, CreateAclsResponseData,
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequestData,
    DeleteAclsResponseData, DescribeAclsRequestData, DescribeAclsResource,
    DescribeAclsResponseData, ErrorCode, KafkaString, text,
};

/// In a filter: any, whatever it is.
const ANY_CODE: i8 = 1;
/// In a filter: every pattern that a name matches.
const MATCH_CODE: i8 = 2;
/// Longest names of resources and principals, in bytes.
const NAME_BYTES_MAX: usize = 4096;

/// The rules, for whoever may do that to the cluster.
fn admitted(call: &Call, asked: Asked) -> Result<&Acls, Refusal> {
    if !call.may(asked, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let acls = call.broker.security.acls.as_ref();
    acls.ok_or_else(|| {
        let message = "ACLs do not decide on this broker: it was started without them.";
        Refusal::new(ErrorCode::SecurityDisabled, message)
    })
}

pub(crate) async fn describe_acls(
    call: Call,
    request: DescribeAclsRequestData,
) -> Reply<DescribeAclsResponseData> {
    let found = described(&call, &request).await;
    let mut answer = DescribeAclsResponseData::default();
    match found {
        Ok(resources) => answer.resources = resources,
        Err(refusal) => {
            answer.error_code = refusal.number();
            answer.error_message = refusal.message.as_deref().map(text);
        }
    }
    answer.into()
}

async fn described(
    call: &Call,
    request: &DescribeAclsRequestData,
) -> Result<Vec<DescribeAclsResource>, Refusal> {
    let acls = admitted(call, Asked::Describe)?;
    let filter = Filter::of(
        (request.resource_type_filter, request.pattern_type_filter),
        request.resource_name_filter.as_ref(),
        request.principal_filter.as_ref(),
        request.host_filter.as_ref(),
        (request.operation, request.permission_type),
    )?;
    acls.refresh(&**call.broker.streams.store()).await?;
    let mut by_resource: BTreeMap<(SubjectOf, Pattern, String), Vec<AclDescription>> =
        BTreeMap::new();
    for rule in acls.all() {
        if filter.matches(&rule) {
            let resource = (rule.of, rule.pattern, rule.name);
            by_resource
                .entry(resource)
                .or_default()
                .push(AclDescription {
                    principal: text(&rule.principal),
                    host: text(&rule.host),
                    operation: rule.operation.code(),
                    permission_type: rule.permission.code(),
                    ..AclDescription::default()
                });
        }
    }
    let resources = by_resource.into_iter();
    let resources = resources.map(|((of, pattern, name), acls)| DescribeAclsResource {
        resource_type: of.code(),
        resource_name: text(&name),
        pattern_type: pattern.code(),
        acls,
        ..DescribeAclsResource::default()
    });
    Ok(resources.collect())
}

pub(crate) async fn create_acls(
    call: Call,
    request: CreateAclsRequestData,
) -> Reply<CreateAclsResponseData> {
    let asked: Vec<Result<Rule, Refusal>> = match admitted(&call, Asked::Alter) {
        Err(refusal) => request
            .creations
            .iter()
            .map(|_| Err(refusal.clone()))
            .collect(),
        Ok(acls) => {
            let mut asked: Vec<_> = request.creations.iter().map(rule).collect();
            let rules: Vec<Rule> = asked.iter().flatten().cloned().collect();
            let store = call.broker.streams.store();
            if let Err(refusal) = acls.add(&**store, &rules).await {
                for one in asked.iter_mut().filter(|one| one.is_ok()) {
                    *one = Err(refusal.clone());
                }
            }
            asked
        }
    };
    let results = asked.into_iter().map(|asked| match asked {
        Ok(_) => AclCreationResult::default(),
        Err(refusal) => AclCreationResult {
            error_code: refusal.number(),
            error_message: refusal.message.as_deref().map(text),
            ..AclCreationResult::default()
        },
    });
    CreateAclsResponseData {
        results: results.collect(),
        ..CreateAclsResponseData::default()
    }
    .into()
}

/// The rule asked for, where it can be one.
fn rule(asked: &AclCreation) -> Result<Rule, Refusal> {
    let invalid = |what: String| Refusal::new(ErrorCode::InvalidRequest, what);
    let (name, principal) = (asked.resource_name.as_str(), asked.principal.as_str());
    let host = asked.host.as_str();
    let of = SubjectOf::of(asked.resource_type)
        .ok_or_else(|| invalid(format!("Invalid resourceType {}", asked.resource_type)))?;
    let pattern = Pattern::of(asked.resource_pattern_type).ok_or_else(|| {
        invalid(format!(
            "Invalid patternType {}",
            asked.resource_pattern_type
        ))
    })?;
    let operation = Operation::of(asked.operation)
        .ok_or_else(|| invalid(format!("Invalid operation {}", asked.operation)))?;
    let permission = Permission::of(asked.permission_type)
        .ok_or_else(|| invalid(format!("Invalid permissionType {}", asked.permission_type)))?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || principal.len() > NAME_BYTES_MAX {
        return Err(invalid(format!(
            "Names of resources must not be empty, and none longer than {NAME_BYTES_MAX} bytes"
        )));
    }
    if of == SubjectOf::Cluster && name != CLUSTER {
        return Err(invalid(format!(
            "The only valid name for the CLUSTER resource is {CLUSTER}"
        )));
    }
    if Principal::parse(principal).is_none() {
        return Err(invalid(format!(
            "Principals are written TYPE:NAME, got {principal:?}"
        )));
    }
    // A rule with a host that is no address would never apply, which is not what whoever denies something expects.
    if host != ANY && host.parse::<IpAddr>().is_err() {
        return Err(invalid(format!(
            "Hosts are addresses or {ANY}, got {host:?}"
        )));
    }
    Ok(Rule {
        of,
        pattern,
        name: name.to_owned(),
        principal: principal.to_owned(),
        host: host.to_owned(),
        operation,
        permission,
    })
}

pub(crate) async fn delete_acls(
    call: Call,
    request: DeleteAclsRequestData,
) -> Reply<DeleteAclsResponseData> {
    let mut filter_results = Vec::with_capacity(request.filters.len());
    for asked in &request.filters {
        let removed = delete(&call, asked).await;
        filter_results.push(match removed {
            Ok(rules) => DeleteAclsFilterResult {
                matching_acls: rules.iter().map(deleted).collect(),
                ..DeleteAclsFilterResult::default()
            },
            Err(refusal) => DeleteAclsFilterResult {
                error_code: refusal.number(),
                error_message: refusal.message.as_deref().map(text),
                ..DeleteAclsFilterResult::default()
            },
        });
    }
    DeleteAclsResponseData {
        filter_results,
        ..DeleteAclsResponseData::default()
    }
    .into()
}

async fn delete(call: &Call, asked: &DeleteAclsFilter) -> Result<Vec<Rule>, Refusal> {
    let acls = admitted(call, Asked::Alter)?;
    let filter = Filter::of(
        (asked.resource_type_filter, asked.pattern_type_filter),
        asked.resource_name_filter.as_ref(),
        asked.principal_filter.as_ref(),
        asked.host_filter.as_ref(),
        (asked.operation, asked.permission_type),
    )?;
    let store = call.broker.streams.store();
    acls.remove(&**store, |rule| filter.matches(rule)).await
}

fn deleted(rule: &Rule) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        resource_type: rule.of.code(),
        resource_name: text(&rule.name),
        pattern_type: rule.pattern.code(),
        principal: text(&rule.principal),
        host: text(&rule.host),
        operation: rule.operation.code(),
        permission_type: rule.permission.code(),
        ..DeleteAclsMatchingAcl::default()
    }
}

/// Which rules are meant. What is `None` is not looked at.
struct Filter<'a> {
    of: Option<SubjectOf>,
    pattern: Meant,
    name: Option<&'a str>,
    principal: Option<&'a str>,
    host: Option<&'a str>,
    operation: Option<Operation>,
    permission: Option<Permission>,
}

/// How a filter's name is compared.
#[derive(Clone, Copy)]
enum Meant {
    /// With the rule's own, whatever its pattern.
    Any,
    /// As that of a resource: rules that are about it.
    Matching,
    /// With the rule's own, of this pattern.
    Only(Pattern),
}

impl<'a> Filter<'a> {
    fn of(
        (of, pattern): (i8, i8),
        name: Option<&'a KafkaString>,
        principal: Option<&'a KafkaString>,
        host: Option<&'a KafkaString>,
        (operation, permission): (i8, i8),
    ) -> Result<Filter<'a>, Refusal> {
        fn one<T>(code: i8, of: impl Fn(i8) -> Option<T>) -> Result<Option<T>, Refusal> {
            match of(code) {
                None if code == ANY_CODE => Ok(None),
                None => Err(Refusal::new(
                    ErrorCode::InvalidRequest,
                    format!("The filter has an element that is not known: {code}"),
                )),
                found => Ok(found),
            }
        }
        Ok(Filter {
            of: one(of, SubjectOf::of)?,
            pattern: match one(pattern, Pattern::of) {
                _ if pattern == MATCH_CODE => Meant::Matching,
                Ok(Some(pattern)) => Meant::Only(pattern),
                Ok(None) => Meant::Any,
                Err(refusal) => return Err(refusal),
            },
            name: name.map(KafkaString::as_str),
            principal: principal.map(KafkaString::as_str),
            host: host.map(KafkaString::as_str),
            operation: one(operation, Operation::of)?,
            permission: one(permission, Permission::of)?,
        })
    }

    fn matches(&self, rule: &Rule) -> bool {
        fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        let is_named = match (self.pattern, rule.pattern) {
            (Meant::Any, _) => fits(self.name, rule.name.as_str()),
            (Meant::Only(pattern), found) => {
                pattern == found && fits(self.name, rule.name.as_str())
            }
            (Meant::Matching, Pattern::Literal) => {
                rule.name == ANY || fits(self.name, rule.name.as_str())
            }
            (Meant::Matching, Pattern::Prefixed) => self
                .name
                .is_none_or(|name| name.starts_with(rule.name.as_str())),
        };
        is_named
            && fits(self.of.as_ref(), &rule.of)
            && fits(self.principal, rule.principal.as_str())
            && fits(self.host, rule.host.as_str())
            && fits(self.operation.as_ref(), &rule.operation)
            && fits(self.permission.as_ref(), &rule.permission)
    }
}
