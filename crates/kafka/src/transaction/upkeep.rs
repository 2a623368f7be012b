//! What transactions need done from time to time: the late are aborted, the idle forgotten, aborted ones written down exactly and
//! let go of with their records, silent producers forgotten.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use store::Txn;
use tokio::time::Instant;

use crate::apart::apart;
use crate::broker::Broker;
use crate::error::Refusal;
use crate::transaction::silence::{self, Silence};
use crate::transaction::{Transactions, Turn, kept};

/// How often late transactions are looked for.
const PERIOD: Duration = Duration::from_secs(1);
/// How often the log's starts are looked at: retention drops records about as often.
const TRIM_PERIOD: Duration = Duration::from_secs(60);

/// Runs for as long as it is polled.
pub(crate) async fn run(broker: Arc<Broker>) {
    let transactions = &broker.transactions;
    let mut trimmed = Instant::now();
    let mut looked = Instant::now();
    let mut silence = Silence::default();
    loop {
        tokio::time::sleep(PERIOD).await;
        transactions.expire(broker.clock.now()).await;
        if let Err(error) = broker.streams.settle_aborted().await {
            tracing::warn!(%error, "could not note where aborted transactions end; trying again");
        }
        if looked.elapsed() >= silence::PERIOD {
            looked = Instant::now();
            if let Err(refusal) = silence.look(&broker).await {
                tracing::warn!(
                    ?refusal,
                    "could not forget silent producers; trying again later"
                );
            }
        }
        if trimmed.elapsed() < TRIM_PERIOD {
            continue;
        }
        trimmed = Instant::now();
        if let Err(error) = broker.streams.trim_aborted().await {
            tracing::warn!(%error, "could not forget old aborted transactions; trying again");
        }
    }
}

impl Transactions {
    /// Aborts what is late and forgets what is idle at `now`.
    pub(crate) async fn expire(self: &Arc<Self>, now: Timestamp) {
        let due: Vec<String> = {
            let by_id = self.by_id();
            let is_due =
                |machine: &super::Machine| machine.expire(now).is_some() || machine.is_idle(now);
            by_id
                .iter()
                .filter(|(_, one)| one.is_such(is_due))
                .map(|(id, _)| id.clone())
                .collect()
        };
        for id in due {
            let this = Arc::clone(self);
            let expired = apart(async move {
                let turn = this.turn(&id).await?;
                this.expire_one(&turn, now).await
            });
            if let Err(refusal) = expired.await {
                tracing::warn!(
                    ?refusal,
                    "could not abort or forget a transaction; trying again"
                );
            }
        }
    }

    async fn expire_one(&self, turn: &Turn, now: Timestamp) -> Result<(), Refusal> {
        let machine = turn.machine()?;
        if let Some(step) = machine.expire(now) {
            tracing::info!(id = turn.id, "aborted a transaction that took too long");
            return self.end_with(turn, step).await;
        }
        if machine.is_idle(now) {
            let txn = Txn {
                writes: vec![kept::delete(&turn.id)],
                ..Txn::default()
            };
            self.streams.store().commit(txn).await?;
            turn.one.become_(None);
            self.by_id().remove(&turn.id);
        }
        Ok(())
    }
}
