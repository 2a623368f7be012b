//! Retention that topics do not set themselves follows the broker's `log.retention.ms` and `log.retention.bytes`. A stream has
//! fields for it, which the store's own retention goes by: when the broker's change, all topics that follow are told so, one
//! after another, and again at the next start, in case the last one ended in the midst of it.

use std::sync::Arc;

use crate::broker::Broker;
use crate::error::Refusal;
use crate::wire::ErrorCode;

/// Sees to it that all topics are as the broker says, beside all else.
pub(crate) fn start(broker: &Arc<Broker>) {
    let broker = Arc::downgrade(broker);
    tokio::spawn(async move {
        let Some(broker) = broker.upgrade() else {
            return;
        };
        if let Err(refusal) = broker.follow_all().await {
            tracing::warn!(
                ?refusal,
                "could not have topics follow the broker's retention; at the next start they do"
            );
        }
    });
}

impl Broker {
    /// Has all topics that follow the broker be as it says now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn follow_all(&self) -> Result<(), Refusal> {
        for name in self.topic_names().await? {
            self.follow(&name).await?;
        }
        Ok(())
    }

    /// Has one topic be as the broker says now, in what it follows. One that is gone is passed over.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn follow(&self, name: &str) -> Result<(), Refusal> {
        let stream = self.stream_name(name);
        let told = self.streams.update(&stream, |_, settings| {
            super::follow(settings, &self.configs.topic_defaults());
            Ok::<_, Refusal>(())
        });
        match told.await {
            Err(refusal) if refusal.code != ErrorCode::UnknownTopicOrPartition => Err(refusal),
            _ => Ok(()),
        }
    }
}
