//! ReceiveQueueRecords and ReceiveDeadLetterQueueRecords: what is there, or what comes within the time that the caller waits.
//!
//! A receive looks at all of the queue's machines, from another one each time, and takes what it finds until it has enough.
//! Records received too often become dead letters on the way, whoever comes across them.

use std::sync::Arc;
use std::time::Duration;

use aws::Caller;
use aws::shapes::Blob;
use futures_util::stream::{FuturesUnordered, StreamExt};
use model::{RecordRef, Timestamp};
use store::StoreError;
use streams::delivery::{Delivered, Taken};
use streams::stream::BUSY_FOR;
use tokio::time::Instant;

use super::super::api::queues::{QueueRecord, ReceiveInput, ReceiveOutput};
use super::super::arrival::arrival;
use super::super::counters::add;
use super::super::iterators::IteratorKey;
use super::super::keys::partition_key;
use super::super::{Kinesis, KinesisError, limits};
use super::handles::{self, Handle};
use super::live::{Live, Machine, Machines};
use super::reference::Reference;
use super::{Queue, named, of_store};

/// Records of one answer, and as many as it has where the request does not say.
const RECORDS_MAX: usize = 10;
/// Keys and data of one answer, in bytes: no record more is taken once there are as many.
const BYTES_MAX: usize = 10 << 20;
/// How long a receive waits where the request does not say, in seconds.
const WAIT_SECONDS: u64 = 9;

/// Which of a queue's records are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Those that are to be processed.
    Normal,
    /// Those received too often.
    DeadLetters,
}

/// ReceiveQueueRecords. Dropped while it waits, it takes nothing.
pub(in super::super) async fn receive_queue_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ReceiveInput,
) -> Result<ReceiveOutput, KinesisError> {
    kinesis.receive(&caller, &input, Side::Normal).await
}

/// ReceiveDeadLetterQueueRecords.
pub(in super::super) async fn receive_dead_letter_queue_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ReceiveInput,
) -> Result<ReceiveOutput, KinesisError> {
    kinesis.receive(&caller, &input, Side::DeadLetters).await
}

impl Kinesis {
    async fn receive(
        self: &Arc<Self>,
        caller: &Caller,
        input: &ReceiveInput,
        side: Side,
    ) -> Result<ReceiveOutput, KinesisError> {
        let name = named(caller, &input.queue_arn)?;
        let wait = Duration::from_secs(input.wait_time_seconds.unwrap_or(WAIT_SECONDS));
        let until = Instant::now() + wait;
        let (queue, queue_records) = loop {
            let queue = self.queue(&name).await?;
            if queue.settings.is_creating(self.clock.now()) {
                if Instant::now() >= until {
                    break (queue, Vec::new());
                }
                tokio::time::sleep_until(until.min(Instant::now() + BUSY_FOR)).await;
                continue;
            }
            let live = self.plane.queues.live(queue.settings.number);
            let mut changes = live.changes();
            let machines = self.machines(&live, &queue).await?;
            let receive = Receive::new(self, &queue, &live, &machines, input).await?;
            let records = match receive.records(side).await {
                // Encrypted by a key that was made since: read by it.
                Err(Missed::Stale) => continue,
                Err(Missed::Refused(error)) => return Err(error),
                Ok(records) => records,
            };
            if !records.is_empty() || Instant::now() >= until {
                receive.pass_on(side);
                break (queue, records);
            }
            tokio::select! {
                () = receive.ready(side) => {}
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        };
        if side == Side::Normal {
            let counters = self.plane.queues.counters.of(&queue);
            add(&counters.received, queue_records.len());
            add(
                &counters.empty_receives,
                usize::from(queue_records.is_empty()),
            );
        }
        Ok(ReceiveOutput { queue_records })
    }
}

/// Why a receive gives no records.
enum Missed {
    /// The stream has changed since it was looked up.
    Stale,
    Refused(KinesisError),
}

impl From<KinesisError> for Missed {
    fn from(error: KinesisError) -> Missed {
        Missed::Refused(error)
    }
}

/// One look at a queue's machines.
struct Receive<'a> {
    kinesis: &'a Arc<Kinesis>,
    queue: &'a Queue,
    machines: &'a Arc<Machines>,
    key: &'a IteratorKey,
    turn: usize,
    max: usize,
    visibility: Duration,
}

impl<'a> Receive<'a> {
    async fn new(
        kinesis: &'a Arc<Kinesis>,
        queue: &'a Queue,
        live: &Live,
        machines: &'a Arc<Machines>,
        input: &ReceiveInput,
    ) -> Result<Receive<'a>, KinesisError> {
        let seconds = input.visibility_timeout_seconds;
        Ok(Receive {
            kinesis,
            queue,
            machines,
            key: kinesis.plane.iterator_key(&*kinesis.store).await?,
            turn: live.next_turn(),
            max: input.limit.unwrap_or(RECORDS_MAX),
            visibility: seconds.map_or(queue.settings.visibility(), |seconds| {
                Duration::from_secs(seconds.into())
            }),
        })
    }

    async fn records(&self, side: Side) -> Result<Vec<QueueRecord>, Missed> {
        let mut hand = Vec::new();
        if side == Side::Normal && self.in_flight() >= limits::IN_FLIGHT {
            return Err(Missed::Refused(KinesisError::Throttling(format!(
                "Queue {} has {} records in flight, and may not have more. Acknowledge some.",
                self.queue.name.arn(),
                limits::IN_FLIGHT
            ))));
        }
        let outcome = match side {
            Side::Normal => self.normal(&mut hand).await,
            Side::DeadLetters => self.dead_letters(&mut hand).await,
        };
        match outcome {
            Ok(()) => Ok(hand),
            // What was taken is in flight: it is given, and the error is met again.
            Err(_) if !hand.is_empty() => Ok(hand),
            Err(StoreError::Damaged { .. }) if self.is_stale().await? => Err(Missed::Stale),
            Err(error) => Err(of_store(error, &self.queue.name).into()),
        }
    }

    async fn is_stale(&self) -> Result<bool, KinesisError> {
        let known = &self.machines.stream;
        let stream = self.kinesis.find_named(&known.name).await?;
        Ok(stream.version != known.version)
    }

    async fn normal(&self, hand: &mut Vec<QueueRecord>) -> Result<(), StoreError> {
        let mut left = self.max;
        let mut bytes = 0;
        for machine in self.machines.in_turn(self.turn) {
            while left > 0 && bytes < BYTES_MAX {
                let Taken { messages, dead, .. } = match self.take(machine, left).await {
                    // The shard went with its records.
                    Err(StoreError::NoSuchLog { log })
                        if log.stream == self.machines.stream.settings.id =>
                    {
                        break;
                    }
                    taken => taken?,
                };
                let has_more = !dead.is_empty();
                left -= messages.len().min(left);
                for delivered in &messages {
                    let record = self.told(machine, delivered).await?;
                    bytes += record.as_ref().map_or(0, |record| record.data.0.len());
                    hand.extend(record);
                }
                self.kinesis
                    .bury(self.queue, machine, self.machines, dead)
                    .await?;
                let is_done = messages.is_empty() || self.chunk() == RECORDS_MAX;
                // Hidden for no time at all, the same would be taken again.
                if !has_more && (is_done || self.visibility.is_zero()) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        let machines = self.machines.in_turn(0).into_iter();
        machines.map(|machine| machine.delivery.in_flight()).sum()
    }

    async fn take(&self, machine: &Machine, left: usize) -> Result<Taken, StoreError> {
        machine
            .delivery
            .take(left.min(self.chunk()), self.visibility)
            .await
    }

    /// Records taken at once: one where ten may be more than an answer is to hold.
    fn chunk(&self) -> usize {
        let largest = self.machines.stream.settings.max_record_bytes as usize;
        if largest.saturating_mul(RECORDS_MAX) <= BYTES_MAX {
            RECORDS_MAX
        } else {
            1
        }
    }

    async fn dead_letters(&self, hand: &mut Vec<QueueRecord>) -> Result<(), StoreError> {
        let dead = &self.machines.dead;
        for machine in self.machines.in_turn(self.turn) {
            loop {
                let spent = machine.delivery.take_dead(RECORDS_MAX).await?;
                if spent.is_empty() {
                    break;
                }
                self.kinesis
                    .bury(self.queue, machine, self.machines, spent)
                    .await?;
            }
        }
        let mut bytes = 0;
        while hand.len() < self.max && bytes < BYTES_MAX {
            let taken = self.take(dead, self.max - hand.len()).await?;
            if taken.messages.is_empty() {
                break;
            }
            let is_last = self.visibility.is_zero();
            for delivered in &taken.messages {
                let record = self.told(dead, delivered).await?;
                bytes += record.as_ref().map_or(0, |record| record.data.0.len());
                hand.extend(record);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// A delivery as it is answered. `None` where its record has expired: then it is done with.
    async fn told(
        &self,
        machine: &Machine,
        delivered: &Delivered,
    ) -> Result<Option<QueueRecord>, StoreError> {
        let record = delivered.record().ok_or_else(|| bad(machine))?;
        if self.machines.shards.contains_key(&machine.partition) {
            let first_received = delivered.first_received;
            let receives = delivered.receipt.receives;
            return Ok(Some(self.shape(
                machine,
                delivered,
                machine.partition,
                &record,
                first_received,
                receives,
            )));
        }
        let reference = Reference::read(&record).ok_or_else(|| bad(machine))?;
        let Some(batch) = self
            .kinesis
            .referred(&self.machines.stream, &reference)
            .await?
        else {
            machine
                .delivery
                .acknowledge(&[delivered.receipt.offset])
                .await?;
            return Ok(None);
        };
        let record = batch
            .records()
            .find(|record| record.offset == reference.offset);
        let record = record.ok_or_else(|| bad(machine))?;
        let receives = reference
            .receives
            .saturating_add(delivered.receipt.receives);
        Ok(Some(self.shape(
            machine,
            delivered,
            reference.shard,
            &record,
            reference.first_received,
            receives,
        )))
    }

    fn shape(
        &self,
        machine: &Machine,
        delivered: &Delivered,
        shard: u32,
        record: &RecordRef<'_>,
        first_received: Timestamp,
        receive_count: u32,
    ) -> QueueRecord {
        let handle = Handle {
            partition: machine.partition,
            receipt: delivered.receipt,
        };
        let log = self.machines.stream.log(shard);
        QueueRecord {
            receipt_handle: handles::write(self.key, self.queue.settings.number, handle),
            record_id: handles::record_id(log, record.offset),
            // Automatic distribution takes records without: then none is told.
            partition_key: partition_key(record).map(|key| key.into_owned()),
            data: Blob::from(record.value.unwrap_or_default().to_vec()),
            approximate_arrival_timestamp: arrival(record),
            first_receive_timestamp: first_received.into(),
            receive_count,
        }
    }

    /// Completes when there may be something to receive.
    async fn ready(&self, side: Side) {
        let machines = self.machines.in_turn(self.turn);
        match side {
            Side::Normal => {
                let mut ready: FuturesUnordered<_> = machines
                    .iter()
                    .map(|machine| machine.delivery.ready())
                    .collect();
                ready.next().await;
            }
            Side::DeadLetters => {
                let mut ready: FuturesUnordered<_> = machines
                    .iter()
                    .map(|machine| machine.delivery.ready_dead())
                    .collect();
                tokio::select! {
                    _ = ready.next() => {}
                    () = self.machines.dead.delivery.ready() => {}
                }
            }
        }
    }

    /// Wakes others for what was left.
    fn pass_on(&self, side: Side) {
        match side {
            Side::Normal => {
                for machine in self.machines.in_turn(self.turn) {
                    machine.delivery.pass_on();
                }
            }
            Side::DeadLetters => self.machines.dead.delivery.pass_on(),
        }
    }
}

fn bad(machine: &Machine) -> StoreError {
    StoreError::Damaged {
        file: format!("records of {:?}", machine.delivery).into(),
        position: 0,
        what: "a delivered batch does not hold its record".into(),
    }
}
