//! The broker: what all connections share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{AccountId, Clock, Region, Rng};
use store::key::encode;
use store::{Check, Document, Expect, Key, StoreError, Txn, Write};
use streams::{StreamName, Streams};

use crate::apis::Apis;
use crate::configs::{self, kept::Kept};
use crate::counters::Counters;
use crate::fetch::Sessions;
use crate::group::classic::Limits;
use crate::group::{self, Groups};
use crate::quotas::Quotas;
use crate::security::{Security, SecurityOptions};
use crate::share::{Shares, idle};
use crate::topics::Topics;
use crate::transaction::Transactions;
use crate::wire::KafkaUuid;

/// This node's number among the brokers.
pub(crate) const NODE_ID: i32 = 1;
/// Of every partition: there is one leader and it never changes.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// What a disk holds, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Of which can still be used.
    pub usable: u64,
}

/// Tells how much room there is on a disk.
#[derive(Clone)]
pub struct DiskSpace(Arc<dyn Fn() -> Option<Space> + Send + Sync>);

impl DiskSpace {
    /// By asking `look`, which must not take long.
    #[must_use]
    pub fn told_by(look: impl Fn() -> Option<Space> + Send + Sync + 'static) -> DiskSpace {
        DiskSpace(Arc::new(look))
    }

    /// As it is now.
    pub(crate) fn now(&self) -> Option<Space> {
        (self.0)()
    }
}

/// Nothing is known of it.
impl Default for DiskSpace {
    fn default() -> DiskSpace {
        DiskSpace::told_by(|| None)
    }
}

impl fmt::Debug for DiskSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskSpace")
    }
}

/// How a broker is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose streams are its topics.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Whether a topic is made when a client first asks for it: Kafka's `auto.create.topics.enable`.
    pub auto_create: bool,
    /// Partitions of a topic that does not say: Kafka's `num.partitions`.
    pub partitions_default: u32,
    /// Where the records lie, for clients to see.
    pub log_dir: String,
    /// How much room there is for them, where that is known.
    pub disk_space: DiskSpace,
    /// How long a group's first member waits for others before the work is divided: Kafka's
    /// `group.initial.rebalance.delay.ms`. Kafka's own default is 3 s; its quickstart's, as here, 0.
    pub group_initial_rebalance_delay: Duration,
    /// How long offsets are kept of a group that nobody is in: Kafka's `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// How it is told who its clients are, and who may do what.
    pub security: SecurityOptions,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            account: AccountId::unnamed(),
            region: Region::unnamed(),
            auto_create: true,
            partitions_default: 1,
            log_dir: "headwater-data".into(),
            disk_space: DiskSpace::default(),
            group_initial_rebalance_delay: Duration::ZERO,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            security: SecurityOptions::default(),
        }
    }
}

/// A Kafka broker, the only one of its cluster.
#[derive(Debug)]
pub struct Broker {
    pub(crate) streams: Arc<Streams>,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) cluster_id: KafkaUuid,
    pub(crate) apis: Apis,
    pub(crate) topics: Topics,
    pub(crate) configs: Kept,
    pub(crate) quotas: Quotas,
    pub(crate) groups: Groups,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) fetch_sessions: Sessions,
    pub(crate) shares: Shares,
    pub(crate) security: Security,
    pub(crate) counters: Counters,
}

impl Broker {
    /// A broker over `streams`.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(
        streams: Arc<Streams>,
        rng: &Rng,
        mut options: Options,
    ) -> Result<Arc<Broker>, StoreError> {
        let cluster_id = cluster_id(&streams, rng).await?;
        let security = Security::new(std::mem::take(&mut options.security), rng);
        if let Some(acls) = &security.acls {
            acls.refresh(&**streams.store()).await?;
        }
        let clock = streams.clock().clone();
        let limits = Limits {
            initial_delay: options.group_initial_rebalance_delay,
            ..Limits::default()
        };
        let store = Arc::clone(streams.store());
        let groups = Groups::open(store, clock.clone(), rng.clone(), limits).await?;
        let transactions = Transactions::open(Arc::clone(&streams)).await?;
        for group in transactions.pending_groups() {
            groups.know(group);
        }
        let counters = Counters::default();
        let broker = Arc::new(Broker {
            groups,
            transactions,
            topics: Topics::default(),
            configs: Kept::load(&**streams.store()).await?,
            quotas: Quotas::load(&**streams.store()).await?,
            fetch_sessions: Sessions::new(rng.clone()),
            shares: Shares::default(),
            apis: Apis::all(&counters),
            counters,
            security,
            streams,
            clock,
            options,
            cluster_id,
        });
        group::retention::start(&broker);
        configs::following::start(&broker);
        idle::start(&broker);
        if let Some(tokens) = &broker.security.tokens {
            tokens.keep_refreshed();
        }
        Ok(broker)
    }

    /// Whether a topic is made when a client first asks for it.
    pub(crate) fn auto_creates(&self) -> bool {
        let set = self.configs.of_broker("auto.create.topics.enable");
        set.map_or(self.options.auto_create, |set| set == "true")
    }

    /// Partitions of a topic that does not say.
    pub(crate) fn partitions_default(&self) -> u32 {
        let set = self.configs.of_broker("num.partitions");
        set.and_then(|set| set.parse().ok())
            .unwrap_or(self.options.partitions_default)
    }

    /// The name of the stream that is the topic `name`.
    pub(crate) fn stream_name(&self, name: &str) -> StreamName {
        StreamName {
            account: self.options.account.clone(),
            region: self.options.region.clone(),
            name: name.to_owned(),
        }
    }
}

/// The cluster's id: made at the first start, the same ever after.
async fn cluster_id(streams: &Streams, rng: &Rng) -> Result<KafkaUuid, StoreError> {
    let key = Key::of(&["kafka", "cluster"]);
    let known = streams.store().get(&key).await?;
    if let Some((high, low)) = known.as_ref().map(Document::decode).transpose()? {
        return Ok(KafkaUuid::from_parts(high, low));
    }
    let (high, low) = (rng.next_u64(), rng.next_u64());
    let txn = Txn {
        checks: vec![Check {
            key: key.clone(),
            expect: Expect::Absent,
        }],
        writes: vec![Write::Put {
            key,
            value: encode(&(high, low)),
        }],
        ..Txn::default()
    };
    streams.store().commit(txn).await?;
    Ok(KafkaUuid::from_parts(high, low))
}
