//! Partitions that a share group does not ask for any more leave memory: their topics are gone, or nobody is in the group. All that
//! must last is in their journals.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::Timestamp;

use super::{Shared, Shares};
use crate::broker::Broker;

/// For how long nobody has asked for a partition that leaves memory: much longer than a fetch waits.
const IDLE: Duration = Duration::from_secs(600);
/// How often such are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// How many are let go of before others may be opened.
const AT_ONCE: usize = 1_000;

/// A time that many may set.
#[derive(Debug, Default)]
pub(super) struct Last(AtomicI64);

impl Last {
    pub(super) fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    fn is_past(&self, now: Timestamp, by: Duration) -> bool {
        Timestamp(self.0.load(Ordering::SeqCst)).plus(by) <= now
    }
}

/// Looks for idle partitions, and for sessions whose connections are gone, for as long as there is a broker.
pub(crate) fn start(broker: &Arc<Broker>) {
    tokio::spawn(run(Arc::downgrade(broker)));
}

async fn run(broker: Weak<Broker>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(broker) = broker.upgrade() else {
            return;
        };
        broker.shares.sweep();
        broker.shares.let_go_idle(broker.clock.now()).await;
    }
}

impl Shares {
    /// Lets go of partitions that nobody has asked for in a while, with none of their records at anybody.
    async fn let_go_idle(&self, now: Timestamp) {
        loop {
            // What they write has come to an end before anybody opens them again.
            let _turn = self.opening.lock().await;
            let idle = self.take_idle(now);
            if idle.is_empty() {
                return;
            }
            for shared in idle {
                if let Err(error) = shared.queue.close().await {
                    tracing::warn!(%error, ?shared, "deliveries of an idle share partition could not be written down");
                }
            }
        }
    }

    fn take_idle(&self, now: Timestamp) -> Vec<Arc<Shared>> {
        let mut live = self.live();
        let idle = live.extract_if(|_, shared| {
            // Nobody gets hold of it without the lock that is held here.
            let is_held = Arc::strong_count(shared) > 1;
            !is_held && shared.asked.is_past(now, IDLE) && shared.queue.in_flight() == 0
        });
        idle.map(|(_, shared)| shared).take(AT_ONCE).collect()
    }
}
