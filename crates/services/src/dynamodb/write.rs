//! The one way in which items are written: read, decided, committed with a check of what was read, and again if others came between.

use std::sync::Arc;

use store::{Check, Key, StoreError, Write};

use super::capacity::{Cost, write_units};
use super::counters::add;
use super::error::{DynamoError, Reason};
use super::expression::{Condition, Touched, Update};
use super::live::Count;
use super::plan::{Before, Plan};
use super::tables::Found;
use super::throughput::Side;
use super::value::{Item, item_bytes, read_item};
use super::{Dynamo, rows, schema};

/// Attempts at a write that others get in the way of, before the caller is told. Items take turns, so that it is changes of the table
/// alone that do.
const ATTEMPTS: usize = 32;

/// What is to be done to one item.
#[derive(Debug)]
pub(super) struct Action {
    /// Of which table. Looked up anew where it changes meanwhile.
    pub found: Arc<Found>,
    /// Which item.
    pub key: Item,
    /// What it must be like before.
    pub condition: Option<Condition>,
    /// What is done.
    pub work: Work,
    /// Whether a refusal by the condition tells the item.
    pub tells: bool,
}

/// What is done to an item.
#[derive(Debug)]
pub(super) enum Work {
    Put(Item),
    Update(Update),
    Delete,
    /// Nothing: the condition is all.
    Check,
}

/// What was done to an item.
#[derive(Debug)]
pub(super) struct Done {
    pub old: Option<Item>,
    pub new: Option<Item>,
    /// By an update: which parts.
    pub touched: Option<Touched>,
    pub cost: Cost,
}

/// Why something was not done to an item.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The condition was not met.
    Condition(Option<Item>),
    /// What would come of it can't be kept.
    Invalid(DynamoError),
}

impl Refusal {
    /// Counts a condition that was not met.
    fn count(&self, found: &Found) {
        if let Refusal::Condition(_) = self {
            add(&found.live.counters.conditions_failed, 1);
        }
    }

    /// As a transaction tells it.
    pub(super) fn reason(self) -> Reason {
        match self {
            Refusal::Condition(item) => Reason {
                code: "ConditionalCheckFailed",
                message: Some("The conditional request failed".into()),
                item,
            },
            Refusal::Invalid(error) => Reason {
                code: "ValidationError",
                message: Some(error.to_string()),
                item: None,
            },
        }
    }
}

impl From<Refusal> for DynamoError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Condition(item) => DynamoError::ConditionalCheckFailed(item),
            Refusal::Invalid(error) => error,
        }
    }
}

impl Action {
    /// Where the item lies.
    pub(super) fn row(&self) -> Result<Key, DynamoError> {
        rows::item(&self.found.table, &self.key).ok_or(DynamoError::Internal)
    }

    /// What the item would be. `None` is no item; for a check the item as it is.
    fn decide(&self, before: &Before) -> Result<(Option<Item>, Option<Touched>), Refusal> {
        let old = before.item.as_ref();
        if let Some(condition) = &self.condition
            && !condition.holds(old)
        {
            return Err(Refusal::Condition(old.filter(|_| self.tells).cloned()));
        }
        match &self.work {
            Work::Put(item) => Ok((Some(item.clone()), None)),
            Work::Delete => Ok((None, None)),
            Work::Check => Ok((old.cloned(), None)),
            Work::Update(update) => {
                let mut item = old.cloned().unwrap_or_else(|| self.key.clone());
                let touched = update
                    .apply(&mut item)
                    .map_err(|error| Refusal::Invalid(error.into()))?;
                schema::must_be_update(&self.found.table, &item).map_err(Refusal::Invalid)?;
                Ok((Some(item), Some(touched)))
            }
        }
    }

    /// Adds to `plan` what is done; gives what that is.
    fn plan(&self, before: Before, plan: &mut Plan) -> Result<Done, Refusal> {
        let (new, touched) = self.decide(&before)?;
        let cost = if let Work::Check = self.work {
            plan.check(&self.found, &before);
            Cost::of_table(write_units(before.item.as_ref().map_or(0, item_bytes)))
        } else {
            plan.change(&self.found, &before, new.as_ref())
        };
        Ok(Done {
            old: before.item,
            new,
            touched,
            cost,
        })
    }
}

/// How an attempt went.
enum Attempt<T> {
    Done(T),
    /// Something that it stood on was changed meanwhile.
    Again,
}

impl Dynamo {
    /// Does one thing to one item.
    ///
    /// # Errors
    /// As the action's condition and what comes of it; [`DynamoError::ResourceNotFound`] where the table is deleted meanwhile.
    pub(super) async fn write(&self, mut action: Action) -> Result<Done, DynamoError> {
        self.admit_write(&action.found)?;
        self.must_be_counted(&action.found).await?;
        let row = action.row()?;
        let _turn = self.turns.at([&row]).await;
        for attempt in 0..ATTEMPTS {
            let before = self.before(row.clone()).await?;
            let mut plan = Plan::default();
            let bytes = before.item.as_ref().map_or(0, item_bytes);
            let done = match action.plan(before, &mut plan) {
                Ok(done) => done,
                Err(refusal) => {
                    refusal.count(&action.found);
                    self.take(&action.found, None, Side::Write, write_units(bytes));
                    return Err(refusal.into());
                }
            };
            if attempt == 0 {
                // Before the wait for the disk, so that others see what is used.
                self.charge(&action.found, &done.cost);
            }
            match self.commit(plan).await? {
                Attempt::Done(()) => return Ok(done),
                Attempt::Again => action.found = self.found_again(&action.found).await?,
            }
        }
        Err(contended(&action.found))
    }

    /// Does all of these, which are of different items, or nothing. A document beside the items may be written along.
    ///
    /// # Errors
    /// [`DynamoError::TransactionCanceled`], with a reason for each; [`DynamoError::ResourceNotFound`].
    pub(super) async fn write_all(
        &self,
        actions: &mut [Action],
        beside: Option<(Check, Write)>,
    ) -> Result<Written, DynamoError> {
        let mut lanes = Vec::with_capacity(actions.len());
        for action in actions.iter() {
            self.must_be_counted(&action.found).await?;
            lanes.push(action.row()?);
        }
        let _turns = self.turns.at(&lanes).await;
        for _ in 0..ATTEMPTS {
            let mut plan = Plan::default();
            if let Some((check, write)) = &beside {
                // Before the conditions, which no longer hold where the same transaction was carried out.
                if !self.holds(check).await? {
                    return Ok(Written::Beside);
                }
                plan.write_beside(check.clone(), write.clone());
            }
            let mut outcomes = Vec::with_capacity(actions.len());
            for (action, row) in actions.iter().zip(&lanes) {
                let before = self.before(row.clone()).await?;
                outcomes.push(action.plan(before, &mut plan));
            }
            if outcomes.iter().any(Result::is_err) {
                for (action, outcome) in actions.iter().zip(&outcomes) {
                    if let Err(refusal) = outcome {
                        refusal.count(&action.found);
                    }
                }
                let reason = |outcome: Result<Done, Refusal>| {
                    outcome.map_or_else(Refusal::reason, |_| Reason::none())
                };
                let reasons = outcomes.into_iter().map(reason).collect();
                return Err(DynamoError::TransactionCanceled(reasons));
            }
            match self.commit(plan).await? {
                Attempt::Done(()) => {
                    let done: Vec<Done> = outcomes.into_iter().filter_map(Result::ok).collect();
                    return Ok(Written::All(done));
                }
                Attempt::Again => {
                    for action in actions.iter_mut() {
                        action.found = self.found_again(&action.found).await?;
                    }
                }
            }
        }
        Err(DynamoError::Unavailable)
    }

    /// The item under `row`, as a write needs it.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn before(&self, row: Key) -> Result<Before, DynamoError> {
        let document = self.store.get(&row).await?;
        let item = document
            .as_ref()
            .map(|document| read_item(&document.value))
            .transpose()
            .map_err(|error| damaged(&row, error))?;
        Ok(Before {
            row,
            document,
            item,
        })
    }

    async fn holds(&self, check: &Check) -> Result<bool, DynamoError> {
        let document = self.store.get(&check.key).await?;
        Ok(match check.expect {
            store::Expect::Absent => document.is_none(),
            store::Expect::Present => document.is_some(),
            store::Expect::At(version) => document.is_some_and(|it| it.version == version),
        })
    }

    async fn commit(&self, plan: Plan) -> Result<Attempt<()>, DynamoError> {
        let (txn, counts) = plan.into_parts();
        match self.store.commit(txn).await {
            Ok(_) => {
                note(counts);
                Ok(Attempt::Done(()))
            }
            Err(StoreError::Conflict { .. }) => Ok(Attempt::Again),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits a plan whose conflicts the caller looks after; gives whether it was carried out.
    pub(super) async fn commit_once(&self, plan: Plan) -> Result<bool, DynamoError> {
        Ok(matches!(self.commit(plan).await?, Attempt::Done(())))
    }

    /// The table as it is now, if it is the same one.
    pub(super) async fn found_again(&self, found: &Found) -> Result<Arc<Found>, DynamoError> {
        match self.look(&found.name).await? {
            Some(now) if now.table.id == found.table.id && !now.table.is_deleting => Ok(now),
            _ => Err(DynamoError::no_resource()),
        }
    }

    /// Takes what a write cost from the capacity of its table and indexes.
    pub(super) fn charge(&self, found: &Found, cost: &Cost) {
        let local: f64 = cost.local.values().sum();
        self.take(found, None, Side::Write, cost.table + local);
        for (name, units) in &cost.global {
            self.take(found, found.table.global.get(name), Side::Write, *units);
        }
    }
}

/// What came of [`Dynamo::write_all`].
#[derive(Debug)]
pub(super) enum Written {
    /// All of it.
    All(Vec<Done>),
    /// Nothing: the document beside is not as expected.
    Beside,
}

fn note(counts: Vec<(Arc<Found>, u16, Count)>) {
    for (found, number, change) in counts {
        found.live.note(number, change);
    }
}

/// Bytes that are no item: the store's own checks have failed to find it.
pub(super) fn damaged(row: &Key, error: super::value::Damaged) -> DynamoError {
    tracing::error!(%error, %row, "an item can't be read");
    DynamoError::Internal
}

fn contended(found: &Found) -> DynamoError {
    tracing::warn!(
        table = found.name.name,
        "a table changes too often to write to it"
    );
    DynamoError::Unavailable
}
