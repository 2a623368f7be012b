//! Leases in a DynamoDB table, in the KCL's own form (2.x and 3.x), so that its workers and ours can share one.
//!
//! The table is named after the application, its hash key is `leaseKey`. An item:
//!
//! | attribute                            | type | meaning                                              |
//! |--------------------------------------|------|------------------------------------------------------|
//! | `leaseKey`                           | S    | the shard's id                                       |
//! | `leaseOwner`                         | S    | worker; absent: nobody                               |
//! | `leaseCounter`                       | N    | raised by each renewal                               |
//! | `checkpoint`                         | S    | sequence number or a word                            |
//! | `checkpointSubSequenceNumber`        | N    | place in an aggregated record                        |
//! | `pendingCheckpoint`                  | S    | of a prepared checkpoint                             |
//! | `pendingCheckpointSubSequenceNumber` | N    | likewise                                             |
//! | `pendingCheckpointState`             | B    | the application's own; never written by us           |
//! | `ownerSwitchesSinceCheckpoint`       | N    |                                                      |
//! | `parentShardId`, `childShardIds`     | SS   | absent where there are none                          |
//! | `startingHashKey`, `endingHashKey`   | S    | decimal                                              |
//! | `checkpointOwner`                    | S    | the reader during a handover                         |
//! | `throughputKBps`                     | N    | KCL 3's measure of load; left as it is               |
//! | `entityType`                         | S    | `LEASE`; items of another type are no leases         |

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use model::Clock;

use super::fleet::Place;
use super::leader::LeaderLock;
use super::lease::{Change, Condition, Lease};
use super::position::Position;
use super::store::LeaseStore;
use crate::dynamodb::{Attribute, DynamoDb, Item, Terms};
use crate::error::ClientError;

const KEY: &str = "leaseKey";
const OWNER: &str = "leaseOwner";
const COUNTER: &str = "leaseCounter";
const CHECKPOINT: &str = "checkpoint";
const SUB_SEQUENCE: &str = "checkpointSubSequenceNumber";
const PENDING: &str = "pendingCheckpoint";
const PENDING_SUB_SEQUENCE: &str = "pendingCheckpointSubSequenceNumber";
const PENDING_STATE: &str = "pendingCheckpointState";
const SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
const PARENTS: &str = "parentShardId";
const CHILDREN: &str = "childShardIds";
const FIRST_HASH: &str = "startingHashKey";
const LAST_HASH: &str = "endingHashKey";
const CHECKPOINT_OWNER: &str = "checkpointOwner";
const ENTITY: &str = "entityType";

/// Leases in a DynamoDB table.
#[derive(Debug)]
pub struct LeaseTable {
    dynamodb: DynamoDb,
    name: String,
    clock: Clock,
    /// Where a leader was found last.
    place: Mutex<Option<Place>>,
}

impl LeaseTable {
    /// The leases of the application of that name. The table is made when the first worker starts.
    #[must_use]
    pub fn new(dynamodb: DynamoDb, application: &str) -> LeaseTable {
        LeaseTable {
            dynamodb,
            name: application.to_owned(),
            clock: Clock::system(),
            place: Mutex::default(),
        }
    }

    fn place(&self) -> Option<Place> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }
}

#[async_trait]
impl LeaseStore for LeaseTable {
    async fn prepare(&self) -> Result<(), ClientError> {
        self.dynamodb.ensure_table(&self.name, KEY).await
    }

    async fn list(&self) -> Result<Vec<Lease>, ClientError> {
        let items = self.dynamodb.scan(&self.name).await?;
        Ok(items.iter().filter_map(read).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<Lease>, ClientError> {
        let item = self.dynamodb.get(&self.name, &key_of(key)).await?;
        Ok(item.as_ref().and_then(read))
    }

    async fn create(&self, lease: &Lease) -> Result<bool, ClientError> {
        let mut terms = Terms::default();
        let condition = format!("attribute_not_exists({})", terms.name(KEY));
        self.dynamodb
            .put_if(&self.name, &write(lease), &condition, &terms)
            .await
    }

    async fn update(
        &self,
        key: &str,
        condition: &Condition,
        change: &Change,
    ) -> Result<bool, ClientError> {
        let mut terms = Terms::default();
        let condition = condition_expression(condition, &mut terms);
        let update = update_expression(change, &mut terms);
        self.dynamodb
            .update_if(&self.name, &key_of(key), &update, &condition, &terms)
            .await
    }

    async fn delete_finished(&self, key: &str) -> Result<(), ClientError> {
        let mut terms = Terms::default();
        let finished = Condition {
            is_complete: true,
            ..Condition::default()
        };
        let condition = condition_expression(&finished, &mut terms);
        self.dynamodb
            .delete_if(&self.name, &key_of(key), &condition, &terms)
            .await
            .map(drop)
    }

    async fn leader(&self) -> Result<Option<LeaderLock>, ClientError> {
        for place in [Place::shared(&self.name), Place::apart(&self.name)] {
            if let Some(lock) = place.leader(&self.dynamodb).await? {
                let mut known = self.place.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some(place);
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    async fn report(&self, worker: &str) -> Result<(), ClientError> {
        match self.place() {
            Some(place) => place.report(&self.dynamodb, worker, self.clock.now()).await,
            None => Ok(()),
        }
    }

    async fn retire(&self, worker: &str) -> Result<(), ClientError> {
        match self.place() {
            Some(place) => place.retire(&self.dynamodb, worker).await,
            None => Ok(()),
        }
    }
}

fn key_of(key: &str) -> Item {
    Item::from([(KEY.to_owned(), Attribute::text(key))])
}

fn condition_expression(condition: &Condition, terms: &mut Terms) -> String {
    let mut clauses = vec![format!("attribute_exists({})", terms.name(KEY))];
    if let Some(counter) = condition.counter {
        let value = terms.value("expectedCounter", Attribute::number(counter));
        clauses.push(format!("{} = {value}", terms.name(COUNTER)));
    }
    for (attribute, expected) in [
        (OWNER, &condition.owner),
        (CHECKPOINT_OWNER, &condition.checkpoint_owner),
    ] {
        let Some(expected) = expected else { continue };
        let name = terms.name(attribute);
        clauses.push(match expected {
            None => format!("attribute_not_exists({name})"),
            Some(owner) => {
                let value = terms.value(&format!("expected_{attribute}"), Attribute::text(owner));
                format!("{name} = {value}")
            }
        });
    }
    if condition.is_complete {
        let value = terms.value("end", Attribute::text(Position::ShardEnd.text()));
        clauses.push(format!("{} = {value}", terms.name(CHECKPOINT)));
    }
    clauses.join(" AND ")
}

fn update_expression(change: &Change, terms: &mut Terms) -> String {
    let (mut sets, mut removes, mut adds) = (Vec::new(), Vec::new(), Vec::new());
    let mut set = |terms: &mut Terms, attribute: &str, value: Attribute| {
        let (name, value) = (terms.name(attribute), terms.value(attribute, value));
        sets.push(format!("{name} = {value}"));
    };
    if let Some(checkpoint) = &change.checkpoint {
        set(terms, CHECKPOINT, Attribute::text(checkpoint.text()));
        set(
            terms,
            SUB_SEQUENCE,
            Attribute::number(checkpoint.sub_sequence()),
        );
        set(terms, SWITCHES, Attribute::number(0));
        removes.extend([PENDING, PENDING_SUB_SEQUENCE, PENDING_STATE].map(|name| terms.name(name)));
    }
    if let Some(children) = change
        .children
        .as_ref()
        .filter(|children| !children.is_empty())
    {
        set(terms, CHILDREN, Attribute::Texts(children.clone()));
    }
    for (attribute, owner) in [
        (OWNER, &change.owner),
        (CHECKPOINT_OWNER, &change.checkpoint_owner),
    ] {
        match owner {
            None => {}
            Some(None) => removes.push(terms.name(attribute)),
            Some(Some(owner)) => set(terms, attribute, Attribute::text(owner)),
        }
    }
    if change.renews {
        adds.push(format!(
            "{} {}",
            terms.name(COUNTER),
            terms.value("one", Attribute::number(1))
        ));
    }
    if change.switches {
        adds.push(format!(
            "{} {}",
            terms.name(SWITCHES),
            terms.value("one", Attribute::number(1))
        ));
    }
    let parts = [("SET", sets), ("REMOVE", removes), ("ADD", adds)];
    let parts = parts.into_iter().filter(|(_, clauses)| !clauses.is_empty());
    let parts: Vec<String> = parts
        .map(|(word, clauses)| format!("{word} {}", clauses.join(", ")))
        .collect();
    parts.join(" ")
}

fn write(lease: &Lease) -> Item {
    let mut item = key_of(&lease.key);
    let mut put = |name: &str, value: Attribute| item.insert(name.to_owned(), value);
    put(COUNTER, Attribute::number(lease.counter));
    put(SWITCHES, Attribute::number(lease.owner_switches));
    put(CHECKPOINT, Attribute::text(lease.checkpoint.text()));
    put(
        SUB_SEQUENCE,
        Attribute::number(lease.checkpoint.sub_sequence()),
    );
    put(ENTITY, Attribute::text("LEASE"));
    for (name, owner) in [
        (OWNER, &lease.owner),
        (CHECKPOINT_OWNER, &lease.checkpoint_owner),
    ] {
        if let Some(owner) = owner {
            put(name, Attribute::text(owner));
        }
    }
    if let Some(pending) = &lease.pending_checkpoint {
        put(PENDING, Attribute::text(pending.text()));
        put(
            PENDING_SUB_SEQUENCE,
            Attribute::number(pending.sub_sequence()),
        );
    }
    for (name, ids) in [(PARENTS, &lease.parents), (CHILDREN, &lease.children)] {
        if !ids.is_empty() {
            put(name, Attribute::Texts(ids.clone()));
        }
    }
    if let Some((first, last)) = &lease.hash_range {
        put(FIRST_HASH, Attribute::text(first));
        put(LAST_HASH, Attribute::text(last));
    }
    item
}

/// The lease an item is. One of another kind, or damaged, is none: others' leases go on being read.
fn read(item: &Item) -> Option<Lease> {
    let text = |name: &str| item.get(name).and_then(Attribute::as_text);
    let number = |name: &str| item.get(name).and_then(Attribute::as_number);
    let ids = |name: &str| match item.get(name) {
        Some(Attribute::Texts(ids)) => ids.clone(),
        _ => Vec::new(),
    };
    let position =
        |name: &str, sub: &str| Position::parse(text(name)?, number(sub).unwrap_or_default());
    if text(ENTITY).is_some_and(|kind| kind != "LEASE") {
        return None;
    }
    let key = text(KEY)?;
    let checkpoint = position(CHECKPOINT, SUB_SEQUENCE);
    if checkpoint.is_none() {
        tracing::warn!(
            key,
            "an item of the lease table has no readable checkpoint and is passed over"
        );
    }
    Some(Lease {
        key: key.to_owned(),
        owner: text(OWNER).map(str::to_owned),
        counter: number(COUNTER)?,
        checkpoint: checkpoint?,
        pending_checkpoint: position(PENDING, PENDING_SUB_SEQUENCE),
        owner_switches: number(SWITCHES).unwrap_or_default(),
        parents: ids(PARENTS),
        children: ids(CHILDREN),
        hash_range: text(FIRST_HASH)
            .zip(text(LAST_HASH))
            .map(|(first, last)| (first.to_owned(), last.to_owned())),
        checkpoint_owner: text(CHECKPOINT_OWNER).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            owner: Some("a".to_owned()),
            counter: 7,
            children: vec!["c".to_owned()],
            hash_range: Some(("0".to_owned(), "9".to_owned())),
            pending_checkpoint: Position::parse("12", 0),
            ..Lease::unowned("s", vec!["p".to_owned()], Position::parse("11", 3).unwrap())
        }
    }

    #[test]
    fn items_are_as_the_kcl_has_them() {
        let item = serde_json::to_value(write(&lease())).unwrap();
        let expected = serde_json::json!({
            "leaseKey": { "S": "s" },
            "leaseOwner": { "S": "a" },
            "leaseCounter": { "N": "7" },
            "checkpoint": { "S": "11" },
            "checkpointSubSequenceNumber": { "N": "3" },
            "pendingCheckpoint": { "S": "12" },
            "pendingCheckpointSubSequenceNumber": { "N": "0" },
            "ownerSwitchesSinceCheckpoint": { "N": "0" },
            "parentShardId": { "SS": ["p"] },
            "childShardIds": { "SS": ["c"] },
            "startingHashKey": { "S": "0" },
            "endingHashKey": { "S": "9" },
            "entityType": { "S": "LEASE" },
        });
        assert_eq!(item, expected);
        assert_eq!(read(&write(&lease())), Some(lease()));
    }

    #[test]
    fn what_is_no_lease_is_passed_over() {
        let mut other = write(&lease());
        other.insert(ENTITY.to_owned(), Attribute::text("LEADER"));
        assert_eq!(read(&other), None);
        let mut damaged = write(&lease());
        damaged.insert(CHECKPOINT.to_owned(), Attribute::text("soon"));
        assert_eq!(read(&damaged), None);
        // A table of KCL 2 has no such attribute.
        let mut older = write(&lease());
        older.remove(ENTITY);
        assert_eq!(read(&older), Some(lease()));
    }

    #[test]
    fn a_step_is_one_condition_and_one_update() {
        let mut terms = Terms::default();
        let (condition, change) = lease().renewal();
        assert_eq!(
            condition_expression(&condition, &mut terms),
            "attribute_exists(#leaseKey) AND #leaseCounter = :expectedCounter AND attribute_not_exists(#checkpointOwner)"
        );
        assert_eq!(
            update_expression(&change, &mut terms),
            "ADD #leaseCounter :one"
        );
        let (condition, change) = lease().release();
        assert_eq!(
            condition_expression(&condition, &mut terms),
            "attribute_exists(#leaseKey) AND #leaseOwner = :expected_leaseOwner AND attribute_not_exists(#checkpointOwner)"
        );
        assert_eq!(
            update_expression(&change, &mut terms),
            "REMOVE #leaseOwner, #checkpointOwner ADD #leaseCounter :one"
        );
        let (_, change) = lease().checkpointing(Position::ShardEnd);
        assert_eq!(
            update_expression(&change, &mut terms),
            "SET #checkpoint = :checkpoint, #checkpointSubSequenceNumber = :checkpointSubSequenceNumber, \
             #ownerSwitchesSinceCheckpoint = :ownerSwitchesSinceCheckpoint \
             REMOVE #pendingCheckpoint, #pendingCheckpointSubSequenceNumber, #pendingCheckpointState \
             ADD #leaseCounter :one"
        );
        let (_, change) = lease().taking("b");
        assert_eq!(
            update_expression(&change, &mut terms),
            "SET #leaseOwner = :leaseOwner REMOVE #checkpointOwner \
             ADD #leaseCounter :one, #ownerSwitchesSinceCheckpoint :one"
        );
    }
}
