//! Writing the records of one request: routed, batched by shard, appended at once, and routed again where a shard was closed
//! meanwhile.
//!
//! Order: records of one shard keep the request's order, and go to a shard's children only after the shard itself has
//! refused all that this request had for it. So a key's records stay in order through any resharding.

use std::sync::Arc;

use model::{BatchBuilder, HashKey, HashRange, LogId, Offset, SequenceNumber, Timestamp};
use store::{Appended, StoreError};
use streams::{Mode, Shard, Stream, Topology};

use super::token::{Fingerprint, REMEMBERED_FOR, Token, misused};
use crate::kinesis::counters::add;
use crate::kinesis::error::KinesisError;
use crate::kinesis::hot::put::Entry;
use crate::kinesis::{Kinesis, Limits, numbers};

/// Times a request is routed before it fails: each time, a resharding got in between.
const ATTEMPTS: usize = 16;
/// Bytes of a record in a batch besides its key and data, at most.
const RECORD_OVERHEAD: usize = 32;

/// What became of one record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// It is durable, here.
    Put(SequenceNumber),
    /// This shard's limits refused it.
    Throttled(u32),
    /// It was not written, or nobody knows.
    Failed,
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Written {
    /// The stream as it was last looked up.
    pub(super) stream: Arc<Stream>,
    /// One for each record.
    pub(super) outcomes: Vec<Outcome>,
    /// Why records failed, if any did: the last reason.
    pub(super) failure: Option<KinesisError>,
}

/// A request being written.
pub(super) struct Write<'a> {
    kinesis: &'a Kinesis,
    stream: Arc<Stream>,
    entries: &'a [Entry<'a>],
    keys: Vec<HashKey>,
    token: Option<Token>,
    now: Timestamp,
    outcomes: Vec<Option<Outcome>>,
    failure: Option<KinesisError>,
}

/// The records of a request that belong to one shard, by their place in the request.
struct Group<'s> {
    shard: &'s Shard,
    members: Vec<usize>,
    bytes: usize,
}

impl<'a> Write<'a> {
    /// The writing of `entries`, which lie at `keys` on the ring.
    pub(super) fn new(
        kinesis: &'a Kinesis,
        stream: Arc<Stream>,
        entries: &'a [Entry<'a>],
        keys: Vec<HashKey>,
        token: Option<Token>,
    ) -> Write<'a> {
        Write {
            kinesis,
            stream,
            entries,
            keys,
            token,
            now: kinesis.clock.now(),
            outcomes: vec![None; entries.len()],
            failure: None,
        }
    }

    /// Writes. An error is one of the whole request; what failed in part is among the outcomes.
    pub(super) async fn run(mut self) -> Result<Written, KinesisError> {
        if self.token.is_some() {
            self.find_repeats().await?;
        }
        for attempt in 0..ATTEMPTS {
            let stream = Arc::clone(&self.stream);
            let mut groups = self.route(&stream.topology);
            if attempt == 0 && self.kinesis.limits == Limits::Aws {
                self.throttle(&mut groups);
            }
            let is_moved = self.append(&groups).await?;
            if !is_moved || !self.look_up_again().await? {
                break;
            }
        }
        let failed = self.outcomes.iter().any(Option::is_none);
        if failed && self.failure.is_none() {
            self.failure = Some(KinesisError::Unavailable);
        }
        let outcomes = self.outcomes.into_iter();
        Ok(Written {
            stream: self.stream,
            outcomes: outcomes
                .map(|outcome| outcome.unwrap_or(Outcome::Failed))
                .collect(),
            failure: self.failure,
        })
    }

    /// The records that nothing has become of yet, by the open shard that takes them.
    fn route<'s>(&self, topology: &'s Topology) -> Vec<Group<'s>> {
        let routed = self
            .undecided()
            .filter_map(|member| Some((topology.route(self.keys[member])?, member)));
        let mut routed: Vec<(&Shard, usize)> = routed.collect();
        routed.sort_unstable_by_key(|(shard, member)| (shard.index, *member));
        routed
            .chunk_by(|one, next| one.0.index == next.0.index)
            .map(|same| {
                let members: Vec<usize> = same.iter().map(|(_, member)| *member).collect();
                self.group(same[0].0, members)
            })
            .collect()
    }

    fn group<'s>(&self, shard: &'s Shard, members: Vec<usize>) -> Group<'s> {
        let lengths = members.iter().map(|&member| self.entries[member].len());
        Group {
            shard,
            bytes: lengths.sum(),
            members,
        }
    }

    fn undecided(&self) -> impl Iterator<Item = usize> + '_ {
        let outcomes = self.outcomes.iter().enumerate();
        outcomes
            .filter(|(_, outcome)| outcome.is_none())
            .map(|(member, _)| member)
    }

    /// Takes out what the shards' limits refuse: record by record, but whole groups of a request with a token, whose repeat
    /// must find the same batch.
    fn throttle(&mut self, groups: &mut Vec<Group<'_>>) {
        let mut throughput = self.kinesis.plane.throughput();
        for group in groups.iter_mut() {
            let log = self.stream.log(group.shard.index);
            let throttled = Outcome::Throttled(group.shard.index);
            let asked = group.members.len();
            if self.token.is_some() {
                if !throughput.put(log, group.members.len(), group.bytes, self.now) {
                    for member in group.members.drain(..) {
                        self.outcomes[member] = Some(throttled);
                    }
                }
            } else {
                group.members.retain(|&member| {
                    let granted = throughput.put(log, 1, self.entries[member].len(), self.now);
                    if !granted {
                        self.outcomes[member] = Some(throttled);
                    }
                    granted
                });
            }
            let refused = asked - group.members.len();
            if refused > 0
                && let Some(counters) = self
                    .kinesis
                    .plane
                    .shards
                    .of(&self.stream, group.shard.index)
            {
                add(&counters.write_exceeded, refused);
            }
        }
        groups.retain(|group| !group.members.is_empty());
    }

    /// Appends each group as a batch. Gives whether some shard takes no more, so that its records must go elsewhere.
    async fn append(&mut self, groups: &[Group<'_>]) -> Result<bool, KinesisError> {
        if groups.is_empty() {
            return Ok(false);
        }
        let batches = groups
            .iter()
            .map(|group| (group.shard.index, self.batch(group)));
        let answers = self
            .kinesis
            .streams
            .append(&self.stream, batches.collect())
            .await;
        let mut is_moved = false;
        for (group, answer) in groups.iter().zip(answers) {
            match answer {
                Ok(appended) => self.place(group, appended),
                Err(StoreError::Sealed { .. } | StoreError::NoSuchLog { .. }) => is_moved = true,
                Err(StoreError::OutOfOrderSequence { .. }) => return Err(misused()),
                Err(error) => self.fail(group, error.into()),
            }
        }
        Ok(is_moved)
    }

    fn batch(&self, group: &Group<'_>) -> BatchBuilder {
        let capacity = group.bytes + RECORD_OVERHEAD * group.members.len();
        let mut builder = BatchBuilder::with_capacity(capacity);
        let mut fingerprint = self.token.as_ref().map(|_| Fingerprint::new());
        for &member in &group.members {
            let Entry { key, data, .. } = &self.entries[member];
            let key = key.as_ref().map(|key| key.as_bytes());
            builder.push_with(self.now, key, Some(data.len()), &[], |target| {
                data.write_to(target);
                if let Some(fingerprint) = &mut fingerprint {
                    fingerprint.add(key, target);
                }
            });
        }
        match (&self.token, fingerprint) {
            (Some(token), Some(records)) => {
                let log = self.stream.log(group.shard.index);
                builder.by(token.producer(log, records))
            }
            _ => builder,
        }
    }

    fn place(&mut self, group: &Group<'_>, appended: Appended) {
        for (offset, &member) in (appended.base_offset.0..).zip(&group.members) {
            let number = numbers::record(group.shard, Offset(offset));
            self.outcomes[member] = Some(Outcome::Put(number));
        }
        let shards = &self.kinesis.plane.shards;
        if let Some(counters) = shards.of(&self.stream, group.shard.index) {
            counters.put(group.bytes, group.members.len());
        }
        if !appended.duplicate && self.stream.settings.mode == Mode::OnDemand {
            let (shard, records) = (group.shard.index, group.members.len());
            self.kinesis
                .plane
                .load()
                .wrote(&self.stream, shard, group.bytes, records, self.now);
        }
    }

    fn fail(&mut self, group: &Group<'_>, error: KinesisError) {
        for &member in &group.members {
            self.outcomes[member] = Some(Outcome::Failed);
        }
        self.failure = Some(error);
    }

    /// Looks the stream up as it is now. A stream that is gone is the whole request's error, unless some of it was written:
    /// then there is no use in going on.
    async fn look_up_again(&mut self) -> Result<bool, KinesisError> {
        match self.kinesis.find_named(&self.stream.name).await {
            Ok(stream) => {
                self.stream = stream;
                Ok(true)
            }
            Err(error) => {
                let is_put = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Put(_)));
                if !self.outcomes.iter().any(is_put) {
                    return Err(error);
                }
                self.failure = Some(error);
                Ok(false)
            }
        }
    }

    /// Looks for what an earlier sending of this request wrote to shards that were closed since, or whose range was another.
    /// Ancestors come first, as they have the smaller numbers.
    async fn find_repeats(&mut self) -> Result<(), KinesisError> {
        let since = self.now.minus(REMEMBERED_FOR);
        let stream = Arc::clone(&self.stream);
        for shard in stream.topology.shards() {
            let former = shard.former.iter().filter(|former| former.until >= since);
            for former in former {
                match self.find_repeat(&stream, shard, former.range).await {
                    // It came first when the shard had another range, and is found by that.
                    Err(StoreError::OutOfOrderSequence { .. }) => {}
                    found => found?,
                }
            }
            if shard.closed >= Some(since) {
                match self.find_repeat(&stream, shard, shard.range).await {
                    Err(StoreError::OutOfOrderSequence { .. }) => return Err(misused()),
                    found => found?,
                }
            }
        }
        Ok(())
    }

    /// Looks for it in a shard that is not to take records of `range` now.
    async fn find_repeat(
        &mut self,
        stream: &Stream,
        shard: &Shard,
        range: HashRange,
    ) -> Result<(), StoreError> {
        let members = self
            .undecided()
            .filter(|&member| range.contains(self.keys[member]));
        let members: Vec<usize> = members.collect();
        if members.is_empty() {
            return Ok(());
        }
        let group = self.group(shard, members);
        // What is not known there is refused by a shard that is sealed, and taken by one that is not.
        if shard.is_open() && !self.is_known(stream.log(shard.index)).await? {
            return Ok(());
        }
        let batch = vec![(shard.index, self.batch(&group))];
        match self.kinesis.streams.append(stream, batch).await.pop() {
            Some(Ok(appended)) => self.place(&group, appended),
            Some(Err(StoreError::Sealed { .. } | StoreError::NoSuchLog { .. })) | None => {}
            Some(Err(error)) => return Err(error),
        }
        Ok(())
    }

    /// Whether the request's token was used in `log`.
    async fn is_known(&self, log: LogId) -> Result<bool, StoreError> {
        let Some(token) = &self.token else {
            return Ok(false);
        };
        let id = token.producer(log, Fingerprint::new()).id;
        match self.kinesis.streams.store().producers(log).await {
            Ok(seen) => Ok(seen.iter().any(|producer| producer.id == id)),
            Err(StoreError::NoSuchLog { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
