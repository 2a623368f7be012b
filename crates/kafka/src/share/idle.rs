//! Partitions that a share group does not ask for any more leave memory: their topics are gone, or nobody is in the group. All that
//! must last is in their journals.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::Timestamp;

use super::{Shared, Shares};

/// For how long nobody has asked for a partition that leaves memory: much longer than a fetch waits.
const IDLE: Duration = Duration::from_secs(600);
/// How often such are looked for, at most.
const EVERY: Duration = Duration::from_secs(60);

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

impl Shares {
    /// Lets go of partitions that nobody has asked for in a while, with none of their records at anybody. While this runs, none
    /// may be opened: `opening` is held.
    pub(super) async fn let_go_idle(&self, now: Timestamp) {
        if !self.looked.is_past(now, EVERY) {
            return;
        }
        self.looked.set(now);
        for shared in self.take_idle(now) {
            // What it writes has come to an end before anybody opens it again.
            if let Err(error) = shared.queue.close().await {
                tracing::warn!(%error, ?shared, "deliveries of an idle share partition could not be written down");
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
        idle.map(|(_, shared)| shared).collect()
    }
}
