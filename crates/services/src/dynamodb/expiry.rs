//! Time to live: items that expire by an attribute of theirs, in epoch seconds.
//!
//! What expires lies in an index of its own by its second, so that the sweeper looks at what is due and at nothing else. AWS deletes
//! "within a few days"; this server within a minute or so. An item is deleted only if it still expires: in its turn, with a check of
//! its version.

use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use model::Timestamp;
use store::Scan;

use super::api::tables::{
    DescribeTimeToLiveOutput, TableInput, TimeToLiveDescription, UpdateTimeToLiveInput,
    UpdateTimeToLiveOutput,
};
use super::counters::add;
use super::error::DynamoError;
use super::limits::EXPIRY_REACH;
use super::plan::Plan;
use super::records::{Expiry, IndexState};
use super::rows::{self, Run};
use super::tables::Found;
use super::value::{Item, Value, read_item};
use super::write::damaged;
use super::{Dynamo, naming, upkeep};

/// Items of one table that a sweep deletes at most, so that no table keeps the others waiting.
const SWEEP: usize = 10_000;
/// Documents read at once.
const CHUNK: usize = 256;

/// UpdateTimeToLive. What expires is found at once for items written from then on, and soon for those that were there.
pub(super) async fn update_time_to_live(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UpdateTimeToLiveInput,
) -> Result<UpdateTimeToLiveOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let asked = input.time_to_live_specification;
    let found = dynamo
        .change(
            &name,
            || DynamoError::no_table(&name.name),
            |table| {
                if table.is_deleting {
                    return Err(DynamoError::no_table(&name.name));
                }
                let is_on = table.expiry.as_ref().filter(|it| it.state != IndexState::Deleting);
                match (is_on, asked.enabled) {
                    (Some(on), true) if on.attribute == asked.attribute_name => {
                        return Err(DynamoError::validation("TimeToLive is already enabled"));
                    }
                    (Some(on), _) if on.attribute != asked.attribute_name => {
                        return Err(DynamoError::validation(format!(
                            "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                            on.attribute
                        )));
                    }
                    (None, false) => {
                        return Err(DynamoError::validation("TimeToLive is already disabled"));
                    }
                    (None, true) if table.expiry.is_some() => return Err(busy()),
                    (None, true) => {
                        table.expiry = Some(Expiry {
                            attribute: asked.attribute_name.clone(),
                            number: table.next_index,
                            state: IndexState::Filling,
                        });
                        table.next_index += 1;
                    }
                    (Some(_), _) => {
                        if let Some(on) = table.expiry.as_mut() {
                            on.state = IndexState::Deleting;
                        }
                    }
                }
                Ok(())
            },
        )
        .await?;
    upkeep::begin(&dynamo, found).await;
    Ok(UpdateTimeToLiveOutput {
        time_to_live_specification: asked,
    })
}

fn busy() -> DynamoError {
    DynamoError::validation("Time to live has been modified multiple times within a fixed interval")
}

/// DescribeTimeToLive.
pub(super) async fn describe_time_to_live(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TableInput,
) -> Result<DescribeTimeToLiveOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let found = dynamo.look(&name).await?;
    let found = found.ok_or_else(|| DynamoError::no_table(&name.name))?;
    let setting = found.table.expiry.as_ref();
    Ok(DescribeTimeToLiveOutput {
        time_to_live_description: TimeToLiveDescription {
            time_to_live_status: match setting.map(|setting| setting.state) {
                None => "DISABLED",
                // In force for all that is written, whether or not older items are all found yet.
                Some(IndexState::Filling | IndexState::Active) => "ENABLED",
                Some(IndexState::Deleting) => "DISABLING",
            },
            attribute_name: setting.map(|setting| setting.attribute.clone()),
        },
    })
}

/// The second at which an item expires, if it does. An attribute that is no number of seconds says nothing.
pub(super) fn second(setting: &Expiry, item: &Item) -> Option<u64> {
    match item.get(&setting.attribute)? {
        Value::N(number) => {
            let text = number.to_string();
            let whole = text.split('.').next().unwrap_or_default();
            whole.parse().ok()
        }
        _ => None,
    }
}

impl Dynamo {
    /// Does what is left to be done for a change of the setting; gives whether nothing was.
    pub(super) async fn settle_expiry(&self, found: &Arc<Found>) -> Result<bool, DynamoError> {
        let Some(setting) = found.table.expiry.clone() else {
            return Ok(true);
        };
        let number = setting.number;
        match setting.state {
            IndexState::Active => return Ok(true),
            IndexState::Filling => {
                self.fill(found, |plan, found, before| plan.fill_expiry(found, before))
                    .await?;
            }
            IndexState::Deleting => {
                self.clear(&Run::of(rows::part(&found.table, number)))
                    .await?;
            }
        }
        self.change(&found.name, DynamoError::no_resource, |table| {
            match table.expiry.as_mut().filter(|now| now.number == number) {
                Some(now) if now.state == IndexState::Filling => now.state = IndexState::Active,
                Some(_) => table.expiry = None,
                None => {}
            }
            Ok(())
        })
        .await?;
        Ok(false)
    }

    /// Deletes items that have expired, in all tables. Gives how many.
    ///
    /// # Errors
    /// The first of the store's, once all tables were looked at.
    pub async fn expire(&self) -> Result<usize, DynamoError> {
        let mut first_error = None;
        let mut expired = 0;
        for found in self.all().await? {
            match self.expire_table(&found).await {
                Ok(count) => expired += count,
                // Deleted meanwhile.
                Err(DynamoError::ResourceNotFound(_)) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        self.forget_tokens().await?;
        first_error.map_or(Ok(expired), Err)
    }

    async fn expire_table(&self, found: &Arc<Found>) -> Result<usize, DynamoError> {
        let Some(setting) = &found.table.expiry else {
            return Ok(0);
        };
        if found.table.is_deleting || setting.state == IndexState::Deleting {
            return Ok(0);
        }
        self.must_be_counted(found).await?;
        let now = self.clock.now();
        let prefix = Run::of(rows::part(&found.table, setting.number)).prefix_key();
        let oldest = seconds(now.minus(EXPIRY_REACH));
        let mut after = Some(rows::expiring_from(&found.table, setting.number, oldest));
        let mut expired = 0;
        while expired < SWEEP {
            let scan = Scan {
                prefix: prefix.clone(),
                after: after.clone(),
                limit: CHUNK,
            };
            let documents = self.store.scan(scan).await?;
            let Some((last, _)) = documents.last() else {
                break;
            };
            after = Some(last.clone());
            for (key, document) in documents {
                let second = rows::second_of(&key).unwrap_or(u64::MAX);
                if second >= seconds(now) {
                    return Ok(expired);
                }
                let item = read_item(&document.value).map_err(|error| damaged(&key, error))?;
                expired += usize::from(self.expire_item(found, &item, now).await?);
            }
        }
        Ok(expired)
    }

    /// Deletes the item of that key, if it has expired.
    async fn expire_item(
        &self,
        found: &Arc<Found>,
        key: &Item,
        now: Timestamp,
    ) -> Result<bool, DynamoError> {
        let row = rows::item(&found.table, key).ok_or(DynamoError::Internal)?;
        let _turn = self.turns.at([&row]).await;
        let before = self.before(row).await?;
        let now_found = self.found_again(found).await?;
        let Some(setting) = &now_found.table.expiry else {
            return Ok(false);
        };
        let due = before.item.as_ref().and_then(|item| second(setting, item));
        if due.is_none_or(|due| due >= seconds(now)) {
            return Ok(false);
        }
        let mut plan = Plan::default();
        plan.change(&now_found, &before, None);
        // If the table was changed meanwhile, the next sweep finds the item again.
        let is_done = self.commit_once(plan).await?;
        add(&now_found.live.counters.expired, usize::from(is_done));
        Ok(is_done)
    }

    /// Runs [`Dynamo::expire`] every `period` for as long as it is polled.
    pub async fn keep_expiring(&self, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            match self.expire().await {
                Ok(0) => {}
                Ok(expired) => tracing::debug!(expired, "deleted expired items"),
                Err(error) => {
                    tracing::warn!(%error, "could not delete expired items; trying again later");
                }
            }
        }
    }
}

/// Whole seconds since the epoch.
fn seconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.0.div_euclid(1_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::value::Number;
    use super::*;

    #[test]
    fn only_seconds_say_when_an_item_expires() {
        let setting = Expiry {
            attribute: "at".into(),
            number: 1,
            state: IndexState::Active,
        };
        let check = |value: Value, expected| {
            let item = Item::from([("at".to_owned(), value)]);
            assert_eq!(second(&setting, &item), expected);
        };
        let number = |text: &str| Value::N(Number::parse(text).unwrap());
        check(number("1700000000"), Some(1_700_000_000));
        check(number("1700000000.9"), Some(1_700_000_000));
        check(number("-1"), None);
        check(number("1E+30"), None);
        check(Value::from("1700000000"), None);
        assert_eq!(second(&setting, &Item::new()), None);
    }
}
