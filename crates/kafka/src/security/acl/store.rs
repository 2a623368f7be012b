//! Where rules are kept, and all of them at hand.
//!
//! Kept: `kafka-acl, hash of the rule` → [`Rule`], and `kafka-acls` → how many there are, written with every change: its
//! version tells whether what is at hand is current. Rules are at hand whole, so that deciding never waits.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use store::key::encode;
use store::{Key, Scan, Store, StoreError, Txn, Write};

use super::Rule;
use super::decide::{Index, Standing};
use crate::broker::Broker;
use crate::error::Refusal;
use crate::security::principal::Principal;
use crate::wire::ErrorCode;

const FOLDER: &str = "kafka-acl";
const MARKER: &str = "kafka-acls";
/// Rules there may be: all are in memory.
const RULES_MAX: usize = 100_000;
/// How often changes are looked for that others have made.
const REFRESH_PERIOD: Duration = Duration::from_secs(5);

/// All rules, and who is above them.
#[derive(Debug)]
pub(crate) struct Acls {
    super_users: Vec<Principal>,
    allow_unlisted: bool,
    current: RwLock<Arc<Rules>>,
    /// Changes are made one after the other.
    changing: tokio::sync::Mutex<()>,
}

/// The rules as they were at one time.
#[derive(Debug, Default)]
struct Rules {
    /// The marker's version.
    generation: u64,
    rules: Vec<Rule>,
    /// Only where it is needed.
    index: Option<Arc<Index>>,
}

impl Acls {
    /// Without a rule, until the first [`Acls::refresh`].
    pub(crate) fn new(super_users: Vec<Principal>, allow_unlisted: bool) -> Acls {
        Acls {
            super_users,
            allow_unlisted,
            current: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nothing has changed since that was found out.
    pub(crate) fn is_current(&self, standing: &Standing) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.generation == standing.generation
    }

    /// What the rules say of somebody now.
    pub(crate) fn standing(&self, principal: &Principal, address: IpAddr) -> Arc<Standing> {
        let current = self.current();
        Arc::new(if self.super_users.contains(principal) {
            Standing::unbounded(current.generation)
        } else {
            let all = current.index.clone();
            Standing::of(&current.rules, current.generation, principal, address, all)
        })
    }

    /// All rules, in order.
    pub(super) fn all(&self) -> Vec<Rule> {
        self.current().rules.clone()
    }

    /// Takes notice of changes.
    ///
    /// # Errors
    /// The store's; what is at hand stays.
    pub(crate) async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        // An older reading must not come after a newer one.
        let _turn = self.changing.lock().await;
        self.read_again(store).await
    }

    async fn read_again(&self, store: &dyn Store) -> Result<(), StoreError> {
        let marker = store.get(&Key::of(&[MARKER])).await?;
        let generation = marker.map_or(0, |marker| marker.version.0);
        if generation == self.current().generation {
            return Ok(());
        }
        // Read after the marker: what is newer than it is read again next time.
        let found = store.scan(Scan::below(&Key::of(&[FOLDER]))).await?;
        let rules = found.iter().map(|(_, document)| document.decode());
        let mut rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        rules.sort_unstable();
        let index = self
            .allow_unlisted
            .then(|| Arc::new(Index::of(rules.iter())));
        let rules = Arc::new(Rules {
            generation,
            rules,
            index,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Adds rules. Those that are there already stay.
    ///
    /// # Errors
    /// [`ErrorCode::PolicyViolation`] where there would be too many, or the store's.
    pub(super) async fn add(&self, store: &dyn Store, rules: &[Rule]) -> Result<(), Refusal> {
        let _turn = self.changing.lock().await;
        self.read_again(store).await?;
        let known = self.current();
        let mut new: Vec<&Rule> = rules
            .iter()
            .filter(|rule| known.rules.binary_search(rule).is_err())
            .collect();
        new.sort_unstable();
        new.dedup();
        let count = known.rules.len() + new.len();
        if count > RULES_MAX {
            return Err(Refusal::new(
                ErrorCode::PolicyViolation,
                format!("There can be {RULES_MAX} ACLs."),
            ));
        }
        let put = |rule: &&Rule| Write::Put {
            key: key(rule),
            value: encode(rule),
        };
        self.change(store, new.iter().map(put).collect(), count)
            .await
    }

    /// Removes the rules that `is_meant` tells: those removed.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn remove(
        &self,
        store: &dyn Store,
        is_meant: impl Fn(&Rule) -> bool + Send,
    ) -> Result<Vec<Rule>, Refusal> {
        let _turn = self.changing.lock().await;
        self.read_again(store).await?;
        let known = self.current();
        let meant: Vec<Rule> = known
            .rules
            .iter()
            .filter(|rule| is_meant(rule))
            .cloned()
            .collect();
        let delete = |rule: &Rule| Write::Delete { key: key(rule) };
        let count = known.rules.len() - meant.len();
        let writes = meant.iter().map(delete).collect();
        self.change(store, writes, count).await?;
        Ok(meant)
    }

    async fn change(
        &self,
        store: &dyn Store,
        mut writes: Vec<Write>,
        count: usize,
    ) -> Result<(), Refusal> {
        if writes.is_empty() {
            return Ok(());
        }
        writes.push(Write::Put {
            key: Key::of(&[MARKER]),
            value: encode(&count),
        });
        let txn = Txn {
            writes,
            ..Txn::default()
        };
        store.commit(txn).await?;
        self.read_again(store).await?;
        Ok(())
    }
}

fn key(rule: &Rule) -> Key {
    let hash = digest(&SHA256, &encode(rule));
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Key::of(&[FOLDER, &hex])
}

/// Takes notice of changes that others make, for as long as the broker serves.
pub(crate) async fn keep_refreshed(broker: Arc<Broker>) {
    let Some(acls) = &broker.security.acls else {
        return;
    };
    loop {
        tokio::time::sleep(REFRESH_PERIOD).await;
        if let Err(error) = acls.refresh(&**broker.streams.store()).await {
            tracing::warn!(%error, "could not look for changed ACLs");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use model::Clock;

    use super::*;
    use crate::security::acl::{Operation, Pattern, Permission, SubjectOf};
    use crate::world::{START, Troubled};

    fn rule(topic: &str) -> Rule {
        Rule {
            of: SubjectOf::Topic,
            pattern: Pattern::Literal,
            name: topic.into(),
            principal: "User:alice".into(),
            host: "*".into(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    #[tokio::test]
    async fn what_was_read_earlier_does_not_come_after_what_was_read_later() {
        let store = Troubled::new(Clock::manual(START));
        let (acls, others) = (Acls::new(vec![], false), Acls::new(vec![], false));
        let mut context = Context::from_waker(Waker::noop());
        others.add(&store, &[rule("a")]).await.unwrap();
        let held = store.hold_scan();
        let mut early = pin!(acls.refresh(&store));
        // It has read one rule, and is on its way.
        assert!(early.as_mut().poll(&mut context).is_pending());
        others.add(&store, &[rule("b")]).await.unwrap();
        let mut late = pin!(acls.refresh(&store));
        let overtaking = late.as_mut().poll(&mut context);
        drop(held);
        early.await.unwrap();
        if overtaking.is_pending() {
            late.await.unwrap();
        }
        assert_eq!(acls.all(), [rule("a"), rule("b")]);
    }
}
