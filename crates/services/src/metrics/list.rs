//! ListMetrics: by namespace, name and dimensions, in pages of 500. Listed is what has had values in the last two weeks.

use std::sync::Arc;

use aws::Caller;
use aws::shapes::{decode_base64, encode_base64};

use super::api::{Dimension, ListMetricsInput, ListMetricsOutput, Metric};
use super::error::MetricsError;
use super::identity::{Identity, Owner};
use super::packed::{Reader, Writer};
use super::{Metrics, checks, limits};

/// What a metric must be to be listed.
struct Filter {
    namespace: Option<String>,
    name: Option<String>,
    /// With this value, or with any.
    dimensions: Vec<(String, Option<String>)>,
    not_before: i64,
}

impl Filter {
    fn of(input: &ListMetricsInput, now: i64) -> Result<Filter, MetricsError> {
        let namespace = input.namespace.as_deref();
        let name = input.metric_name.as_deref();
        if input.dimensions.len() > limits::DIMENSION_FILTERS {
            return Err(MetricsError::too_many(
                "Dimensions",
                limits::DIMENSION_FILTERS,
            ));
        }
        let mut dimensions = Vec::with_capacity(input.dimensions.len());
        for (at, dimension) in input.dimensions.iter().enumerate() {
            let here = format!("Dimensions.member.{}", at + 1);
            let name = checks::dimension_name(dimension.name.as_deref(), &format!("{here}.Name"))?;
            let value = dimension.value.as_deref();
            let value = value
                .map(|value| checks::dimension_value(Some(value), &format!("{here}.Value")))
                .transpose()?;
            dimensions.push((name, value));
        }
        let recent = match input.recently_active.as_deref() {
            None => limits::LISTED_SECONDS,
            Some("PT3H") => limits::RECENT_SECONDS,
            Some(_) => return Err(MetricsError::not_in_set("RecentlyActive", "PT3H")),
        };
        Ok(Filter {
            namespace: namespace
                .map(|name| checks::namespace(Some(name), "Namespace"))
                .transpose()?,
            name: name
                .map(|name| checks::metric_name(Some(name), "MetricName"))
                .transpose()?,
            dimensions,
            not_before: now - recent,
        })
    }

    fn fits(&self, identity: &Identity, last_put: i64) -> bool {
        let has = |(name, value): &(String, Option<String>)| {
            identity.dimensions.iter().any(|(known, found)| {
                known == name && value.as_ref().is_none_or(|value| value == found)
            })
        };
        last_put >= self.not_before
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == identity.namespace)
            && self.name.as_ref().is_none_or(|name| *name == identity.name)
            && self.dimensions.iter().all(has)
    }
}

/// ListMetrics.
pub(super) async fn list_metrics(
    metrics: Arc<Metrics>,
    caller: Caller,
    input: ListMetricsInput,
) -> Result<ListMetricsOutput, MetricsError> {
    let now = metrics.now();
    let owner = Owner::of(&caller);
    let filter = Filter::of(&input, now)?;
    let after = input
        .next_token
        .as_deref()
        .map(|token| redeem(&owner, token))
        .transpose()?;
    // Accounts are not linked here: another's metrics are as good as absent.
    let account = owner.account.as_str();
    let is_own = input
        .owning_account
        .as_deref()
        .is_none_or(|owning| owning == account);
    let mut found: Vec<Identity> = Vec::new();
    if is_own {
        let table = metrics.table();
        let fitting = table
            .after(&owner, after.as_ref())
            .filter(|(identity, last_put)| filter.fits(identity, *last_put));
        found.extend(
            fitting
                .take(limits::PAGE + 1)
                .map(|(identity, _)| identity.clone()),
        );
    }
    let goes_on = found.len() > limits::PAGE;
    found.truncate(limits::PAGE);
    let next_token = found.last().filter(|_| goes_on).map(token);
    let with_accounts = input.include_linked_accounts == Some(true);
    Ok(ListMetricsOutput {
        owning_accounts: with_accounts.then(|| vec![account.to_owned(); found.len()]),
        metrics: found.into_iter().map(shown).collect(),
        next_token,
    })
}

fn shown(identity: Identity) -> Metric {
    let dimension = |(name, value)| Dimension {
        name: Some(name),
        value: Some(value),
    };
    Metric {
        namespace: Some(identity.namespace),
        metric_name: Some(identity.name),
        dimensions: identity.dimensions.into_iter().map(dimension).collect(),
    }
}

/// The token for what comes after a metric. It holds no secret and gives no right.
fn token(after: &Identity) -> String {
    let mut writer = Writer::default();
    after.write(&mut writer);
    encode_base64(&writer.finish())
}

fn redeem(owner: &Owner, token: &str) -> Result<Identity, MetricsError> {
    let read = |token: &str| {
        let bytes = decode_base64(token).ok()?;
        Identity::read(&mut Reader::new(&bytes))
    };
    read(token)
        .filter(|identity| identity.owner == *owner)
        .ok_or_else(|| {
            MetricsError::InvalidParameterValue("Request parameter NextToken is invalid.".into())
        })
}
