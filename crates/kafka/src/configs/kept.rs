//! Configurations of others than topics, as they were set while the broker ran: one document for each that has any, and all of
//! them in memory, as handlers ask for them without waiting.
//!
//! Kept: `kafka-config, kind, name` → [`Stored`].

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Key, Scan, Store, StoreError, Txn, Write};

use super::Defaults;
use super::broker::BROKER;
use crate::broker::NODE_ID;

const FOLDER: &str = "kafka-config";
/// The name of the cluster's defaults among the brokers'.
pub(crate) const CLUSTER: &str = "";

/// What has configurations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Holder {
    /// The broker, under its number, or all brokers, under the name [`CLUSTER`].
    Broker,
    /// A subscription to clients' metrics.
    ClientMetrics,
    /// A group.
    Group,
}

impl Holder {
    fn word(self) -> &'static str {
        match self {
            Holder::Broker => "broker",
            Holder::ClientMetrics => "client-metrics",
            Holder::Group => "group",
        }
    }
}

/// Values by the configurations' names.
pub(crate) type Values = BTreeMap<String, String>;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    holder: Holder,
    name: String,
    values: Values,
}

/// All configurations that were set.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    known: RwLock<BTreeMap<(Holder, String), Values>>,
    changing: tokio::sync::Mutex<()>,
}

impl Kept {
    /// What is in the store.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn load(store: &dyn Store) -> Result<Kept, StoreError> {
        let found = store.scan(Scan::below(&Key::of(&[FOLDER]))).await?;
        let known = found
            .iter()
            .map(|(_, document)| {
                let stored: Stored = document.decode()?;
                Ok(((stored.holder, stored.name), stored.values))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Kept {
            known: RwLock::new(known),
            changing: tokio::sync::Mutex::default(),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<(Holder, String), Values>) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One value that was set.
    pub(crate) fn value(&self, holder: Holder, name: &str, config: &str) -> Option<String> {
        self.read(|known| known.get(&(holder, name.to_owned()))?.get(config).cloned())
    }

    /// All that was set of one.
    pub(crate) fn values(&self, holder: Holder, name: &str) -> Values {
        self.read(|known| {
            let values = known.get(&(holder, name.to_owned()));
            values.cloned().unwrap_or_default()
        })
    }

    /// Who has any, by name.
    pub(crate) fn names(&self, holder: Holder) -> Vec<String> {
        self.read(|known| {
            let of_kind = known.keys().filter(|(kind, _)| *kind == holder);
            of_kind.map(|(_, name)| name.clone()).collect()
        })
    }

    /// Changes what is set of one by `change`, or only asks whether it can be so.
    ///
    /// # Errors
    /// What `change` refuses with, or the store's.
    pub(crate) async fn change<E: From<StoreError>>(
        &self,
        store: &dyn Store,
        (holder, name): (Holder, &str),
        is_trial: bool,
        change: impl FnOnce(&mut Values) -> Result<(), E>,
    ) -> Result<(), E> {
        let _turn = self.changing.lock().await;
        let mut values = self.values(holder, name);
        change(&mut values)?;
        if is_trial {
            return Ok(());
        }
        let key = key(holder, name);
        let write = if values.is_empty() {
            Write::Delete { key }
        } else {
            let stored = Stored {
                holder,
                name: name.to_owned(),
                values: values.clone(),
            };
            let value = encode(&stored);
            Write::Put { key, value }
        };
        let txn = Txn {
            writes: vec![write],
            ..Txn::default()
        };
        store.commit(txn).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let owner = (holder, name.to_owned());
        if values.is_empty() {
            known.remove(&owner);
        } else {
            known.insert(owner, values);
        }
        Ok(())
    }

    /// The broker's value of a configuration, where one was set: its own before the cluster's.
    pub(crate) fn of_broker(&self, config: &str) -> Option<String> {
        let own = self.value(Holder::Broker, &NODE_ID.to_string(), config);
        own.or_else(|| self.value(Holder::Broker, CLUSTER, config))
    }

    /// What topics follow that do not say themselves.
    pub(crate) fn topic_defaults(&self) -> Defaults {
        let set = BROKER.iter().filter_map(|one| {
            let value = self.of_broker(one.definition.name)?;
            Some((one.topic?, value))
        });
        Defaults(set.collect())
    }
}

/// Where a holder's values lie. Names may hold any character: a zero byte becomes two bytes, and so does the one that begins
/// those.
fn key(holder: Holder, name: &str) -> Key {
    let folder = Key::of(&[FOLDER, holder.word()]).children();
    let mut key = BytesMut::from(folder.as_bytes());
    for byte in name.bytes() {
        match byte {
            0 => key.put_slice(&[1, 1]),
            1 => key.put_slice(&[1, 2]),
            other => key.put_u8(other),
        }
    }
    Key::from_bytes(key.freeze())
}

#[cfg(test)]
mod tests {
    use model::{Clock, Timestamp};
    use store::Memory;

    use super::*;

    #[tokio::test]
    async fn what_was_set_is_there_after_a_restart() {
        let store = Memory::new(Clock::manual(Timestamp(1)));
        let kept = Kept::load(&store).await.unwrap();
        let set = |name: &'static str, value: &'static str| {
            move |values: &mut Values| {
                values.insert(name.into(), value.into());
                Ok::<_, StoreError>(())
            }
        };
        let node = NODE_ID.to_string();
        let (cluster, node) = ((Holder::Broker, CLUSTER), (Holder::Broker, node.as_str()));
        let max = "message.max.bytes";
        kept.change(&store, cluster, false, set(max, "5"))
            .await
            .unwrap();
        kept.change(&store, node, false, set(max, "6"))
            .await
            .unwrap();
        kept.change(&store, node, true, set(max, "7"))
            .await
            .unwrap();
        let odd = (Holder::Group, "a\0b");
        kept.change(&store, odd, false, set("share.session.timeout.ms", "50000"))
            .await
            .unwrap();
        let again = Kept::load(&store).await.unwrap();
        assert_eq!(again.of_broker(max).as_deref(), Some("6"));
        assert_eq!(again.topic_defaults().value("max.message.bytes"), "6");
        assert_eq!(again.names(Holder::Group), ["a\0b"]);
        assert_eq!(again.of_group("a\0b", "share.session.timeout.ms"), "50000");
        let clear = |values: &mut Values| {
            values.clear();
            Ok::<_, StoreError>(())
        };
        again.change(&store, node, false, clear).await.unwrap();
        let third = Kept::load(&store).await.unwrap();
        assert_eq!(third.of_broker(max).as_deref(), Some("5"));
    }
}
