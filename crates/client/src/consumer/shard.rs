//! Reading one shard: from waiting for its parents to giving its lease up. A task for each lease a worker has.

use std::sync::Arc;
use std::time::Duration;

use model::{HashKey, HashRange, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::api::{Child, From};
use super::checkpointer::Checkpointer;
use super::config::Config;
use super::feed::{Fed, Feed, Source};
use super::hierarchy::{is_ready, start_of_children};
use super::holding::{Fate, Holding};
use super::lease::Lease;
use super::metrics::{Metrics, add};
use super::opening::{Part, Unread};
use super::position::{Place, Position};
use super::processor::{Batch, Beginning, Envelope, Processor, Record};
use super::published::Report;
use super::seen::Uniqueness;
use crate::error::ClientError;
use crate::kinesis::{self, Kinesis};

/// What the tasks of a worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) kinesis: Kinesis,
    pub(super) source: Source,
    pub(super) metrics: Arc<Metrics>,
    pub(super) uniqueness: Option<Uniqueness>,
    /// Counts shards that were read to their ends here: others may wait for that.
    pub(super) ended: watch::Sender<u64>,
}

/// How the reading went on.
enum Went {
    /// Another has the lease.
    Lost,
    /// It is to be given up.
    Leaving,
    /// The shard is read.
    Complete,
}

/// One shard and its processor.
pub(super) struct Shard<P> {
    shared: Arc<Shared>,
    holding: Arc<Holding>,
    fate: watch::Receiver<Fate>,
    name: Arc<str>,
    range: Option<HashRange>,
    processor: P,
}

impl<P: Processor> Shard<P> {
    pub(super) async fn new(shared: Arc<Shared>, holding: Arc<Holding>, processor: P) -> Shard<P> {
        let range = holding.lease().await.hash_range;
        let range = range.and_then(|(first, last)| {
            Some(HashRange {
                first: HashKey::parse(&first)?,
                last: HashKey::parse(&last)?,
            })
        });
        Shard {
            name: holding.key().into(),
            fate: holding.fate(),
            shared,
            holding,
            range,
            processor,
        }
    }

    /// Reads the shard until its lease is gone.
    pub(super) async fn run(mut self) {
        match self.read().await {
            Went::Lost => {}
            Went::Leaving => self.give_up().await,
            Went::Complete => {
                // Renewed on, as the KCL does, until it is deleted or another takes it.
                let went = self.until_fated(std::future::pending::<()>()).await;
                if let Err(Went::Leaving) = went {
                    self.give_up().await;
                }
            }
        }
        self.shared.metrics.forget(&self.name);
    }

    async fn read(&mut self) -> Went {
        if let Err(went) = self.wait_for_parents().await {
            return went;
        }
        let lease = self.holding.lease().await;
        if lease.is_complete() {
            return Went::Complete;
        }
        let checkpointer = Checkpointer::new(
            Arc::clone(&self.holding),
            lease.checkpoint.clone(),
            self.shared.uniqueness.clone(),
            Arc::clone(&self.shared.metrics),
        );
        let beginning = Beginning {
            shard: Arc::clone(&self.name),
            checkpoint: lease.checkpoint,
            pending_checkpoint: lease.pending_checkpoint,
        };
        if let Err(went) = self.initialize(&beginning).await {
            return self.leave(went, &checkpointer).await;
        }
        let (sink, mut fed) = mpsc::channel(self.shared.config.prefetch.max(1));
        let feed = Feed {
            kinesis: self.shared.kinesis.clone(),
            stream: self.shared.config.stream.clone(),
            shard: self.name.to_string(),
            from: From {
                position: beginning.checkpoint,
                is_after: false,
                start: self.shared.config.start,
            },
            backoff: self.shared.config.backoff,
            metrics: Arc::clone(&self.shared.metrics),
            sink,
        };
        tokio::spawn(feed.run(self.shared.source.clone()));
        let went = self.process(&mut fed, &checkpointer).await;
        drop(fed);
        self.leave(went, &checkpointer).await
    }

    /// Gives batches to the processor until something ends it.
    async fn process(
        &mut self,
        fed: &mut mpsc::Receiver<Fed>,
        checkpointer: &Checkpointer,
    ) -> Went {
        let mut is_past_checkpoint = false;
        loop {
            let next = match self.until_fated(fed.recv()).await {
                Ok(next) => next,
                Err(went) => return went,
            };
            let outcome = match next {
                Some(Fed::Records {
                    mut records,
                    millis_behind,
                }) => {
                    if !is_past_checkpoint {
                        is_past_checkpoint = self.skip_processed(&mut records, checkpointer).await;
                    }
                    self.give(&records, millis_behind, checkpointer).await
                }
                Some(Fed::Ended(children)) => {
                    return self.end(&children, checkpointer).await;
                }
                // A feed ends with its shard alone.
                None => return Went::Leaving,
            };
            if let Err(went) = outcome {
                return went;
            }
        }
    }

    /// Takes out records before the checkpoint. Whether there can be no more of them.
    async fn skip_processed(
        &mut self,
        records: &mut Vec<kinesis::Record>,
        checkpointer: &Checkpointer,
    ) -> bool {
        // Of an aggregated record at the checkpoint itself, some may be new: `give` looks at each.
        let mut first_new = 0;
        for record in records.iter() {
            let Some(place) = Place::new(&record.sequence_number, u64::MAX) else {
                break;
            };
            if checkpointer.is_new(&Position::At(place)).await {
                break;
            }
            first_new += 1;
        }
        records.drain(..first_new);
        // The first that is kept may be the one at the checkpoint.
        let Some(second) = records.get(1) else {
            return false;
        };
        match Place::new(&second.sequence_number, 0) {
            Some(place) => checkpointer.is_new(&Position::At(place)).await,
            None => false,
        }
    }

    /// Gives what was read to the processor.
    async fn give(
        &mut self,
        read: &[kinesis::Record],
        millis_behind: u64,
        checkpointer: &Checkpointer,
    ) -> Result<(), Went> {
        let Some((records, last)) = self.take_apart(read, checkpointer).await else {
            return Ok(());
        };
        let mut unread = Some(Unread::new(records, last));
        while let Some(rest) = unread {
            let (part, rest) = self.next_part(rest).await?;
            unread = rest;
            let records = self.unseen(part.records, part.last, checkpointer).await?;
            if !records.is_empty() {
                let batch = Batch {
                    shard: Arc::clone(&self.name),
                    records: records.into(),
                    millis_behind,
                    checkpointer: checkpointer.clone(),
                };
                self.give_batch(batch).await?;
            }
        }
        Ok(())
    }

    /// Gives a batch to the processor, again and again until it takes it.
    async fn give_batch(&mut self, batch: Batch) -> Result<(), Went> {
        let metrics = Arc::clone(&self.shared.metrics);
        let took = loop {
            let begun = Instant::now();
            let Err(error) = self.processor.process(batch.clone()).await else {
                break begun.elapsed();
            };
            add(&metrics.failures, 1);
            metrics.report(|report| report.failed(&self.name, begun.elapsed()));
            tracing::error!(
                shard = %self.name, %error,
                "the processor failed on a batch, and is given it again"
            );
            self.pause().await?;
        };
        let bytes: usize = batch.records.iter().map(|record| record.data.len()).sum();
        let (records, bytes) = (batch.records.len() as u64, bytes as u64);
        add(&metrics.records, records);
        add(&metrics.bytes, bytes);
        metrics.report(|report| report.processed(&self.name, records, bytes, took));
        Ok(())
    }

    /// What is to be given next of a read, opened where that is asked for.
    async fn next_part(&mut self, unread: Unread) -> Result<(Part, Option<Unread>), Went> {
        let opening = self.shared.config.opening.as_ref();
        // Without it, the runtime ends.
        let (part, rest) = unread.next(opening).await.ok_or(Went::Leaving)?;
        let unopened = part.unopened();
        if let Some(first) = unopened.first() {
            let count = unopened.len();
            add(&self.shared.metrics.unopened, count as u64);
            tracing::warn!(shard = %self.name, count, %first, "records are given unopened");
        }
        Ok((part, rest))
    }

    /// The user records after the checkpoint that belong to this shard, and the last position of all.
    async fn take_apart(
        &mut self,
        read: &[kinesis::Record],
        checkpointer: &Checkpointer,
    ) -> Option<(Vec<Record>, Position)> {
        let mut records = Vec::with_capacity(read.len());
        let mut last = None;
        for (index, record) in read.iter().enumerate() {
            let apart = formats::aggregation::deaggregate(&record.data, &record.partition_key);
            let sequence_number: Arc<str> = record.sequence_number.as_str().into();
            let is_aggregated = apart.is_aggregated();
            // Whoever put an aggregate that a split left in the wrong shard sends all of it again, and the KCL drops all of it.
            let is_astray = self.range.is_some_and(|range| !apart.lies_within(&range));
            let arrived = record
                .approximate_arrival_timestamp
                .map(|seconds| Timestamp((seconds * 1000.0) as i64));
            for user in apart {
                let sub_sequence = user.sub_sequence;
                // Only the first can be the one the checkpoint lies in.
                if index == 0
                    && let Some(place) = Place::new(&record.sequence_number, sub_sequence)
                    && !checkpointer.is_new(&Position::At(place)).await
                {
                    continue;
                }
                last = Some((&record.sequence_number, sub_sequence));
                if is_astray {
                    continue;
                }
                records.push(Record {
                    sequence_number: Arc::clone(&sequence_number),
                    sub_sequence,
                    is_aggregated,
                    partition_key: user.partition_key,
                    explicit_hash_key: user.explicit_hash_key,
                    data: user.data,
                    envelope: Envelope::Plain,
                    arrived,
                });
            }
        }
        let (number, sub_sequence) = last?;
        Some((records, Position::At(Place::new(number, sub_sequence)?)))
    }

    /// Takes out what was processed before, where that is asked for, and allows checkpoints up to `last`.
    async fn unseen(
        &mut self,
        records: Vec<Record>,
        last: Position,
        checkpointer: &Checkpointer,
    ) -> Result<Vec<Record>, Went> {
        let Some(uniqueness) = self.shared.uniqueness.clone() else {
            checkpointer.given(last, Vec::new()).await;
            return Ok(records);
        };
        let count = records.len();
        let kept = loop {
            let given = checkpointer.unmarked().await;
            match uniqueness.first_ones(records.clone(), &given).await {
                Ok(kept) => break kept,
                Err(error) => {
                    tracing::warn!(shard = %self.name, %error, "what was seen cannot be asked, and is asked again");
                    self.pause().await?;
                }
            }
        };
        add(&self.shared.metrics.duplicates, (count - kept.len()) as u64);
        let mut ids = Vec::new();
        let mut records = Vec::with_capacity(kept.len());
        for (record, id) in kept {
            if let Some(id) = id
                && let Some(place) = Place::new(&record.sequence_number, record.sub_sequence)
            {
                ids.push((Position::At(place), id));
            }
            records.push(record);
        }
        checkpointer.given(last, ids).await;
        Ok(records)
    }

    /// The shard is read: its children get leases, and the processor ends it.
    async fn end(&mut self, children: &[Child], checkpointer: &Checkpointer) -> Went {
        while let Err(error) = self.make_children(children).await {
            tracing::warn!(shard = %self.name, %error, "leases of the shards that follow cannot be made, and are tried again");
            if let Err(went) = self.pause().await {
                return went;
            }
        }
        checkpointer.ended().await;
        loop {
            match self.processor.shard_ended(checkpointer).await {
                Ok(()) if checkpointer.is_complete().await => break,
                Ok(()) => tracing::error!(
                    shard = %self.name,
                    "the processor did not checkpoint the end of its shard, which holds up the shards that follow"
                ),
                Err(error) => {
                    tracing::error!(shard = %self.name, %error, "the processor failed on the end of its shard, and is told again");
                }
            }
            if let Err(went) = self.pause().await {
                return went;
            }
        }
        self.shared.ended.send_modify(|count| *count += 1);
        Went::Complete
    }

    async fn make_children(&mut self, children: &[Child]) -> Result<(), ClientError> {
        let store = self.holding.store();
        let start = start_of_children(&self.shared.config.start.position());
        for child in children {
            // The child of a merge waits for both its parents: without a lease of one, nothing would hold it back. Who ends
            // second makes it then.
            let mut all_known = true;
            for parent in &child.parent_shards {
                all_known &= *parent == *self.name || store.get(parent).await?.is_some();
            }
            if all_known {
                let range = child.hash_key_range.as_ref();
                let lease = Lease {
                    hash_range: range.map(|range| {
                        (
                            range.starting_hash_key.clone(),
                            range.ending_hash_key.clone(),
                        )
                    }),
                    ..Lease::unowned(&child.shard_id, child.parent_shards.clone(), start.clone())
                };
                store.create(&lease).await?;
            }
        }
        let ids = children
            .iter()
            .map(|child| child.shard_id.clone())
            .collect();
        self.holding.name_children(ids).await
    }

    async fn initialize(&mut self, beginning: &Beginning) -> Result<(), Went> {
        loop {
            let begun = Instant::now();
            let outcome = self.processor.initialize(beginning).await;
            let took = begun.elapsed();
            self.shared
                .metrics
                .report(|report| report.initialized(took));
            let Err(error) = outcome else { return Ok(()) };
            tracing::error!(shard = %self.name, %error, "the processor cannot begin, and is told again");
            self.pause().await?;
        }
    }

    /// Tells the processor why it ends.
    async fn leave(&mut self, went: Went, checkpointer: &Checkpointer) -> Went {
        match went {
            Went::Lost => {
                add(&self.shared.metrics.lost, 1);
                self.shared.metrics.report(Report::lost);
                tracing::info!(shard = %self.name, "another worker reads the shard now");
                self.processor.lease_lost().await;
            }
            Went::Leaving => {
                if let Err(error) = self.processor.shutdown_requested(checkpointer).await {
                    tracing::error!(shard = %self.name, %error, "the processor failed to stop");
                }
            }
            Went::Complete => {}
        }
        went
    }

    async fn give_up(&mut self) {
        if let Err(error) = self.holding.give_up().await {
            tracing::warn!(
                shard = %self.name, %error,
                "the lease cannot be given up: it is taken once it is not renewed any more"
            );
        }
    }

    async fn wait_for_parents(&mut self) -> Result<(), Went> {
        let mut ended = self.shared.ended.subscribe();
        loop {
            ended.mark_unchanged();
            match self.parents_are_read().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(shard = %self.name, %error, "parents' leases cannot be read, and are tried again");
                }
            }
            let pause = self.shared.config.renewal();
            self.until_fated(async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = ended.changed() => {}
                }
            })
            .await?;
        }
    }

    async fn parents_are_read(&mut self) -> Result<bool, ClientError> {
        let lease = self.holding.lease().await;
        let mut parents = Vec::new();
        for parent in &lease.parents {
            parents.extend(self.holding.store().get(parent).await?);
        }
        Ok(is_ready(&lease, parents.iter()))
    }

    async fn pause(&mut self) -> Result<(), Went> {
        let backoff: Duration = self.shared.config.backoff;
        self.until_fated(tokio::time::sleep(backoff)).await
    }

    /// What `work` gives, unless the lease's fate comes first.
    async fn until_fated<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Went> {
        tokio::select! {
            biased;
            fate = self.fate.wait_for(|fate| *fate != Fate::Held) => match fate.as_deref() {
                Ok(Fate::Leaving) => Err(Went::Leaving),
                _ => Err(Went::Lost),
            },
            done = work => Ok(done),
        }
    }
}
