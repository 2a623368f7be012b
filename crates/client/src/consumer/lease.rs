//! A lease: who reads a shard, and how far it is read. And what workers may do to one, each a change under a condition.
//!
//! These are the rules of the KCL (2.x and 3.x), so that its workers and ours can share a table:
//! - whoever owns a lease raises its counter from time to time, on the condition that it is as they left it;
//! - who finds a counter unchanged for the failover time takes the lease, on the same condition. The old owner's next
//!   renewal or checkpoint then fails, and it knows;
//! - to take over from a worker that lives, the new owner writes itself as owner and the old one as *checkpoint owner*.
//!   The old one goes on renewing, finishes what it has begun, and clears the checkpoint owner.

use super::position::Position;

/// One shard's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard's id.
    pub key: String,
    /// The worker that reads the shard, or is to.
    pub owner: Option<String>,
    /// Changes with every renewal.
    pub counter: u64,
    /// Up to where the shard is read.
    pub checkpoint: Position,
    /// A checkpoint that was prepared and not completed. Only the KCL prepares them; ours clears it as the KCL does.
    pub pending_checkpoint: Option<Position>,
    /// Times the owner changed since the last checkpoint.
    pub owner_switches: u64,
    /// Whose records come before this shard's.
    pub parents: Vec<String>,
    /// Where its records go on; known once it has ended.
    pub children: Vec<String>,
    /// First and last hash key of the shard, in decimal.
    pub hash_range: Option<(String, String)>,
    /// While the lease is handed over: the worker that still reads.
    pub checkpoint_owner: Option<String>,
}

impl Lease {
    /// A lease nobody has yet.
    #[must_use]
    pub fn unowned(key: &str, parents: Vec<String>, checkpoint: Position) -> Lease {
        Lease {
            key: key.to_owned(),
            owner: None,
            counter: 0,
            checkpoint,
            pending_checkpoint: None,
            owner_switches: 0,
            parents,
            children: Vec::new(),
            hash_range: None,
            checkpoint_owner: None,
        }
    }

    /// The worker that reads now.
    #[must_use]
    pub fn reader(&self) -> Option<&str> {
        self.checkpoint_owner.as_deref().or(self.owner.as_deref())
    }

    /// Whether the shard is read to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.checkpoint == Position::ShardEnd
    }

    /// Whether it satisfies the condition.
    #[must_use]
    pub fn satisfies(&self, condition: &Condition) -> bool {
        condition
            .counter
            .is_none_or(|counter| counter == self.counter)
            && condition
                .owner
                .as_ref()
                .is_none_or(|owner| *owner == self.owner)
            && condition
                .checkpoint_owner
                .as_ref()
                .is_none_or(|owner| *owner == self.checkpoint_owner)
            && (!condition.is_complete || self.is_complete())
    }

    /// Carries a change out.
    pub fn apply(&mut self, change: &Change) {
        if change.renews {
            self.counter += 1;
        }
        if let Some(owner) = &change.owner {
            self.owner.clone_from(owner);
        }
        if let Some(owner) = &change.checkpoint_owner {
            self.checkpoint_owner.clone_from(owner);
        }
        if change.switches {
            self.owner_switches += 1;
        }
        if let Some(checkpoint) = &change.checkpoint {
            self.checkpoint = checkpoint.clone();
            self.pending_checkpoint = None;
            self.owner_switches = 0;
        }
        if let Some(children) = &change.children {
            self.children.clone_from(children);
        }
    }
}

/// What must hold of a lease for a change to be made. That it exists always must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// Its counter.
    pub counter: Option<u64>,
    /// Its owner; the inner `None` says it has none.
    pub owner: Option<Option<String>>,
    /// Its checkpoint owner, likewise.
    pub checkpoint_owner: Option<Option<String>>,
    /// Its shard is read to the end.
    pub is_complete: bool,
}

/// What is changed of a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Adds one to the counter.
    pub renews: bool,
    /// Sets the owner; the inner `None` clears it.
    pub owner: Option<Option<String>>,
    /// Sets the checkpoint owner, likewise.
    pub checkpoint_owner: Option<Option<String>>,
    /// Counts one more change of owner.
    pub switches: bool,
    /// Sets the checkpoint, clears a prepared one and the count of owners.
    pub checkpoint: Option<Position>,
    /// Sets the children.
    pub children: Option<Vec<String>>,
}

impl Lease {
    /// The owner goes on. While a handover is not known of, it also fails if one has begun.
    #[must_use]
    pub fn renewal(&self) -> (Condition, Change) {
        let condition = Condition {
            counter: Some(self.counter),
            checkpoint_owner: self.checkpoint_owner.is_none().then_some(None),
            ..Condition::default()
        };
        let change = Change {
            renews: true,
            ..Change::default()
        };
        (condition, change)
    }

    /// `worker` becomes the owner at once, whoever was.
    #[must_use]
    pub fn taking(&self, worker: &str) -> (Condition, Change) {
        let condition = Condition {
            counter: Some(self.counter),
            ..Condition::default()
        };
        (condition, self.ownership_of(worker))
    }

    /// `worker` is to be the owner once the present one, which lives, has finished.
    #[must_use]
    pub fn handover_to(&self, worker: &str) -> (Condition, Change) {
        let condition = Condition {
            owner: Some(self.owner.clone()),
            checkpoint_owner: Some(None),
            ..Condition::default()
        };
        let change = Change {
            owner: Some(Some(worker.to_owned())),
            checkpoint_owner: Some(self.owner.clone()),
            ..Change::default()
        };
        (condition, change)
    }

    /// The handover is complete: by the worker that finished, or by the one that waited long enough.
    #[must_use]
    pub fn handover_completed(&self) -> (Condition, Change) {
        let owner = self.owner.clone().unwrap_or_default();
        (self.still_owned(), self.ownership_of(&owner))
    }

    /// Its owner gives it up. Of a lease that is being handed over, the next owner has it then.
    #[must_use]
    pub fn release(&self) -> (Condition, Change) {
        let change = Change {
            renews: true,
            owner: self.checkpoint_owner.is_none().then_some(None),
            checkpoint_owner: Some(None),
            ..Change::default()
        };
        (self.still_owned(), change)
    }

    /// Its owner has read up to there.
    #[must_use]
    pub fn checkpointing(&self, position: Position) -> (Condition, Change) {
        let condition = Condition {
            counter: Some(self.counter),
            ..Condition::default()
        };
        let change = Change {
            renews: true,
            checkpoint: Some(position),
            ..Change::default()
        };
        (condition, change)
    }

    fn still_owned(&self) -> Condition {
        Condition {
            owner: Some(self.owner.clone()),
            checkpoint_owner: Some(self.checkpoint_owner.clone()),
            ..Condition::default()
        }
    }

    fn ownership_of(&self, worker: &str) -> Change {
        let is_other = self.owner.as_deref().is_some_and(|owner| owner != worker);
        Change {
            renews: true,
            owner: Some(Some(worker.to_owned())),
            checkpoint_owner: Some(None),
            switches: is_other || self.checkpoint_owner.is_some(),
            ..Change::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned() -> Lease {
        let mut lease = Lease::unowned("s", vec![], Position::Latest);
        let (_, change) = lease.taking("a");
        lease.apply(&change);
        lease
    }

    #[test]
    fn who_took_a_lease_ends_the_other_ones_renewals_and_checkpoints() {
        let known_to_a = owned();
        let mut table = known_to_a.clone();
        let (condition, change) = known_to_a.taking("b");
        assert!(table.satisfies(&condition));
        table.apply(&change);
        assert_eq!(
            (table.owner.as_deref(), table.owner_switches),
            (Some("b"), 1)
        );
        assert!(!table.satisfies(&known_to_a.renewal().0));
        assert!(!table.satisfies(&known_to_a.checkpointing(Position::ShardEnd).0));
        assert!(!table.satisfies(&known_to_a.release().0));
    }

    #[test]
    fn a_handover_lets_the_reader_checkpoint_until_it_is_done() {
        let mut known_to_a = owned();
        let mut table = known_to_a.clone();
        let (condition, change) = table.handover_to("b");
        assert!(table.satisfies(&condition));
        table.apply(&change);
        assert_eq!(
            (table.owner.as_deref(), table.reader()),
            (Some("b"), Some("a"))
        );
        // The reader finds out by a renewal that fails, and renews on.
        assert!(!table.satisfies(&known_to_a.renewal().0));
        known_to_a = table.clone();
        assert!(table.satisfies(&known_to_a.renewal().0));
        // Nobody can begin another.
        assert!(!table.satisfies(&owned().handover_to("c").0));
        let (condition, change) = known_to_a.checkpointing(Position::parse("7", 0).unwrap());
        assert!(table.satisfies(&condition));
        table.apply(&change);
        let (condition, change) = table.handover_completed();
        assert!(table.satisfies(&condition));
        table.apply(&change);
        assert_eq!((table.reader(), table.owner_switches), (Some("b"), 1));
        assert_eq!(table.checkpoint_owner, None);
    }

    #[test]
    fn a_released_lease_is_nobodys_or_the_next_ones() {
        let mut table = owned();
        let (condition, change) = table.release();
        assert!(table.satisfies(&condition));
        table.apply(&change);
        assert_eq!(table.reader(), None);

        let mut table = owned();
        let (_, change) = table.handover_to("b");
        table.apply(&change);
        let (condition, change) = table.release();
        assert!(table.satisfies(&condition));
        table.apply(&change);
        assert_eq!(table.reader(), Some("b"));
    }
}
