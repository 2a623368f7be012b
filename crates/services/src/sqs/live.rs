//! What there is of a queue while it is used, one of each queue in this process, whatever becomes of its settings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Clock;
use store::Store;
use streams::Sealer;
use streams::delivery::{self, Logs, Order, Policy};
use tokio::sync::OnceCell;

use super::attempts::Attempts;
use super::dedup::Memory;
use super::error::SqsError;
use super::limits;
use super::moving::Moving;
use super::rates::Rates;
use super::records::Settings;
use super::source::Reader;

/// What there is of a queue while it is used.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) reader: Arc<Reader>,
    /// What was sent lately.
    pub(super) memory: Memory,
    /// What was received lately.
    pub(super) attempts: Attempts,
    /// Whose turn it is to delete or to move messages.
    pub(super) moving: Moving,
    /// How often it was called lately.
    pub(super) rates: Rates,
    /// What delivery is to do, as the newest settings have it.
    policy: Mutex<Policy>,
    delivery: OnceCell<delivery::Queue>,
}

impl Live {
    pub(super) fn new(settings: &Settings, sealer: Arc<Sealer>) -> Live {
        Live {
            reader: Arc::new(Reader::new(settings, sealer)),
            memory: Memory::default(),
            attempts: Attempts::default(),
            moving: Moving::default(),
            rates: Rates::default(),
            policy: Mutex::new(policy(settings)),
            delivery: OnceCell::new(),
        }
    }

    /// Goes on as these settings have it.
    pub(super) fn set(&self, settings: &Settings, sealer: Arc<Sealer>) {
        self.reader.set(settings, sealer);
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        *policy = self::policy(settings);
        if let Some(delivery) = self.delivery.get() {
            delivery.set_policy(*policy);
        }
    }

    /// The delivery of the queue's messages, begun at the first call.
    pub(super) async fn delivery(
        &self,
        store: &Arc<dyn Store>,
        clock: &Clock,
        settings: &Settings,
    ) -> Result<&delivery::Queue, SqsError> {
        let open = async || {
            let logs = Logs {
                messages: settings.messages(),
                journal: settings.journal(),
                is_owned: true,
            };
            let reader = Arc::clone(&self.reader);
            delivery::Queue::open(
                Arc::clone(store),
                clock.clone(),
                logs,
                reader,
                policy(settings),
            )
            .await
        };
        if let Some(delivery) = self.delivery.get() {
            return Ok(delivery);
        }
        let delivery = self.delivery.get_or_try_init(open).await?;
        // Settings may have changed while it was being opened.
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        delivery.set_policy(*policy);
        Ok(delivery)
    }

    /// The delivery, where it was begun.
    pub(super) fn begun(&self) -> Option<&delivery::Queue> {
        self.delivery.get()
    }
}

/// How a queue of these settings delivers.
fn policy(settings: &Settings) -> Policy {
    let is_fifo = settings.fifo.is_some();
    let redrive = settings.redrive_policy.as_ref();
    Policy {
        order: if is_fifo { Order::Grouped } else { Order::Fair },
        in_flight_max: if is_fifo {
            limits::IN_FLIGHT_FIFO
        } else {
            limits::IN_FLIGHT
        },
        max_receives: redrive.map(|policy| policy.max_receive_count),
        retention: Some(settings.retention()),
        keep: keep(settings),
    }
}

/// How long messages stay in the log at least, done with or not: FIFO queues remember by it what was sent lately.
pub(super) fn keep(settings: &Settings) -> Duration {
    match settings.fifo {
        Some(_) => limits::DEDUPLICATION + limits::DEDUPLICATION_GRACE,
        None => Duration::ZERO,
    }
}
