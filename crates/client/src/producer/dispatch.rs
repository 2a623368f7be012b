//! What carries a target's records to the server: one task for each target, which alone decides what is sent when.
//!
//! A shard's records are on their way in one request at a time. When an answer shows that shards have changed, nothing more is
//! sent until all requests are back and shards have been listed: then lanes can be laid anew without one record overtaking
//! another.

use std::sync::Arc;
use std::time::Duration;

use model::HashKey;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::item::Item;
use super::lane::Space;
use super::map::ShardMap;
use super::published::Seen;
use super::request::Answer;
use super::send::{NO_ANSWER, Part, Sent, send};
use super::stream::{Kind, Routing, Stream};
use super::{Shared, firehose};
use crate::error::ClientError;
use crate::kinesis::Shard;

/// Longest random pause before shards are listed again, or records of a shard are sent again: first this, then twice as much
/// each time.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Until another look where something was thought to be due and was not.
const NOT_YET: Duration = Duration::from_millis(1);

/// A target's task.
pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    stream: Arc<Stream>,
    jobs: JoinSet<Done>,
    requests: usize,
    is_listing: bool,
    /// Whether shards are to be listed before anything else is sent.
    needs_map: bool,
    list_at: Option<Instant>,
    listings_failed: u32,
    /// Aggregates that landed where they were not meant to, until it is known what that shard is.
    strays: Vec<Stray>,
    /// A record that landed elsewhere than was thought, which is no harm to it, and its hash key.
    witness: Option<(HashKey, Arc<str>)>,
    /// Where to begin among lanes, so that each has its turn.
    turn: usize,
}

struct Stray {
    item: Item,
    shard: Arc<str>,
    number: Arc<str>,
}

/// What became of a record.
enum Over {
    Put { shard: Arc<str>, number: Arc<str> },
    Refused { code: Arc<str>, message: Arc<str> },
}

enum Done {
    Sent(Sent),
    Listed(Result<Vec<Shard>, ClientError>),
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>, stream: Arc<Stream>) -> Dispatcher {
        Dispatcher {
            needs_map: stream.kind == Kind::Stream,
            shared,
            stream,
            jobs: JoinSet::new(),
            requests: 0,
            is_listing: false,
            list_at: None,
            listings_failed: 0,
            strays: Vec::new(),
            witness: None,
            turn: 0,
        }
    }

    /// Runs until the producer is closed and all is settled.
    pub(super) async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.give_up_old(now);
            let wake = self.act(now);
            if self.shared.is_closed() && self.is_done() {
                return;
            }
            let stream = Arc::clone(&self.stream);
            tokio::select! {
                () = stream.wake.notified() => {}
                Some(done) = self.jobs.join_next() => match done {
                    Ok(Done::Sent(sent)) => self.sent(sent),
                    Ok(Done::Listed(shards)) => self.listed(shards),
                    // A job that panicked is a broken invariant of ours; one that was stopped, a runtime's end.
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    fn is_done(&self) -> bool {
        let is_empty = self.stream.read().each().all(|lane| lane.is_empty());
        is_empty && self.jobs.is_empty() && self.strays.is_empty()
    }

    /// Starts what can be started, and says when to look again at the latest.
    fn act(&mut self, now: Instant) -> Option<Instant> {
        if self.needs_map {
            if self.is_listing || self.requests > 0 || self.is_done() {
                return self.first_to_expire();
            }
            let at = self.list_at.unwrap_or(now);
            if at > now {
                return Some(self.first_to_expire().map_or(at, |expiry| expiry.min(at)));
            }
            self.is_listing = true;
            let shared = Arc::clone(&self.shared);
            let name = self.stream.name.clone();
            self.jobs
                .spawn(async move { Done::Listed(shared.list_shards(&name).await) });
            return self.first_to_expire();
        }
        loop {
            match self.due(now) {
                Due::Now if self.requests < self.shared.options.requests => {
                    if !self.send(now) {
                        return Some(now + NOT_YET);
                    }
                }
                Due::Now | Due::Never => return self.first_to_expire(),
                Due::At(at) => {
                    return Some(self.first_to_expire().map_or(at, |expiry| expiry.min(at)));
                }
            }
        }
    }

    /// When a request is to be sent.
    fn due(&self, now: Instant) -> Due {
        let options = &self.shared.options;
        let (mut records, mut bytes) = (0, 0);
        let mut due = Due::Never;
        for lane in self.stream.read().each() {
            let (Some(free), Some((born, generation))) = (lane.free_at(now), lane.oldest()) else {
                continue;
            };
            let waited = if self.stream.is_flushed(generation) {
                now
            } else {
                born + options.max_buffered_time
            };
            let at = waited.max(free);
            if at <= now {
                return Due::Now;
            }
            due = due.or(at);
            if free <= now {
                let ready = lane.ready();
                records += ready.0;
                bytes += ready.1;
            }
        }
        if records >= options.request_records || bytes >= self.request_bytes() {
            return Due::Now;
        }
        due
    }

    fn request_bytes(&self) -> usize {
        let bytes = self.shared.options.request_bytes;
        match self.stream.kind {
            Kind::Stream => bytes,
            Kind::Delivery => bytes.min(firehose::REQUEST_BYTES_MAX),
        }
    }

    /// Sends one request of what may be sent; false if that is nothing.
    fn send(&mut self, now: Instant) -> bool {
        let options = &self.shared.options;
        let mut space = Space {
            records: options.request_records,
            bytes: self.request_bytes(),
        };
        let mut parts = Vec::new();
        {
            let lanes = self.stream.read();
            let count = lanes.count();
            for step in 0..count {
                let at = (self.turn + step) % count;
                let Some(mut lane) = lanes.lane(at) else {
                    continue;
                };
                if lane.free_at(now).is_none_or(|free| free > now) {
                    continue;
                }
                if let Some((born, generation)) = lane.opened()
                    && (self.stream.is_flushed(generation)
                        || born + options.max_buffered_time <= now)
                {
                    lane.close();
                }
                let items = lane.take(&mut space, now);
                if !items.is_empty() {
                    lane.is_busy = true;
                    parts.push(Part {
                        lane: at,
                        shard: lane.shard.clone(),
                        items,
                    });
                }
                if space.records == 0 {
                    break;
                }
            }
            self.turn = self.turn.wrapping_add(1) % count.max(1);
        }
        if parts.is_empty() {
            return false;
        }
        self.requests += 1;
        let shared = Arc::clone(&self.shared);
        let stream = Arc::clone(&self.stream);
        self.jobs
            .spawn(async move { Done::Sent(send(shared, stream, parts).await) });
        true
    }

    /// A request has come back, its records in it.
    fn sent(&mut self, sent: Sent) {
        self.requests -= 1;
        let stream = Arc::clone(&self.stream);
        let lanes = stream.read();
        let Sent {
            parts,
            answers,
            attempts,
        } = sent;
        let mut answers = answers.into_iter();
        for part in parts {
            let Some(mut lane) = lanes.lane(part.lane) else {
                continue;
            };
            lane.is_busy = false;
            let (mut again, mut over) = (Vec::new(), Vec::new());
            let mut seen = Seen::default();
            for (mut item, answer) in part.items.into_iter().zip(&mut answers) {
                item.attempts += attempts;
                match answer {
                    Answer::Put { shard, number } => {
                        let is_meant = lane.shard.as_ref().is_none_or(|meant| *meant == shard);
                        self.needs_map |= !is_meant;
                        if !is_meant && item.is_aggregated() {
                            self.strays.push(Stray {
                                item,
                                shard,
                                number,
                            });
                            continue;
                        }
                        if !is_meant {
                            self.witness = Some((item.hash_key(), Arc::clone(&shard)));
                        }
                        seen.put(&item);
                        over.push((item, Over::Put { shard, number }));
                    }
                    Answer::Failed {
                        code,
                        is_passing: true,
                        ..
                    } => {
                        item.last_error = Some(code);
                        again.push(item);
                    }
                    Answer::Failed { code, message, .. } => {
                        seen.refused(&item);
                        over.push((item, Over::Refused { code, message }));
                    }
                }
            }
            lane.not_before = again
                .first()
                .map(|item| Instant::now() + self.shared.pause(item.attempts, PAUSE, PAUSE_MAX));
            self.shared.count_retries(again.len());
            lane.put_back(again);
            self.settle(part.shard.as_ref(), seen, over);
        }
    }

    /// Counts what became of records, and then says so: who waits for them may look at the counts at once.
    fn settle(&self, shard: Option<&Arc<str>>, seen: Seen, over: Vec<(Item, Over)>) {
        self.shared.record(&self.stream, shard, |all| *all = seen);
        for (item, over) in over {
            match over {
                Over::Put { shard, number } => self.shared.put(item, &shard, &number),
                Over::Refused { code, message } => self.shared.refused(item, &code, &message),
            }
        }
    }

    /// Shards were listed, or not.
    fn listed(&mut self, listed: Result<Vec<Shard>, ClientError>) {
        self.is_listing = false;
        let ledger = &self.shared.ledger;
        let failed = match listed {
            Ok(shards) => {
                let map = ShardMap::new(&shards);
                if !map.open.is_empty() {
                    self.needs_map = false;
                    self.listings_failed = 0;
                    self.list_at = None;
                    self.follow(&map);
                    return;
                }
                None
            }
            Err(error) => Some(error),
        };
        self.listings_failed += 1;
        let pause = self.shared.pause(self.listings_failed, PAUSE, PAUSE_MAX);
        self.list_at = Some(Instant::now() + pause);
        let Some(error) = failed else { return };
        let code: Arc<str> = error.code().unwrap_or(NO_ANSWER).into();
        self.shared.error(&self.stream, &code);
        // A stream that is being made cannot be listed yet.
        if error.is_passing() || &*code == "ResourceInUseException" {
            return;
        }
        if &*code == "AccessDeniedException" {
            // Not to be known, but perhaps to be written to.
            self.needs_map = false;
            self.stream.go_blind(ledger);
            let strays = std::mem::take(&mut self.strays);
            let items = strays.into_iter().map(|stray| stray.item).collect();
            self.stream.put_back(items, None, ledger);
            return;
        }
        let message: Arc<str> = error.to_string().into();
        let strays = std::mem::take(&mut self.strays).into_iter();
        let mut items: Vec<Item> = strays.map(|stray| stray.item).collect();
        for mut lane in self.stream.read().each() {
            items.extend(lane.drain());
        }
        let (mut seen, mut over) = (Seen::default(), Vec::new());
        for item in items {
            seen.refused(&item);
            let (code, message) = (Arc::clone(&code), Arc::clone(&message));
            over.push((item, Over::Refused { code, message }));
        }
        self.settle(None, seen, over);
    }

    /// Lays lanes by a new map and judges strays by it.
    fn follow(&mut self, map: &ShardMap) {
        let options = &self.shared.options;
        let ledger = &self.shared.ledger;
        let mut again = Vec::new();
        // A key that does not lead to where its record went: this stream's shards do not go by keys.
        let is_elsewhere = |(key, shard): (HashKey, Arc<str>)| {
            let range = map.range_of(&shard);
            range.is_some_and(|range| !range.contains(key))
        };
        let mut goes_by_keys = !self.witness.take().is_some_and(is_elsewhere);
        for stray in std::mem::take(&mut self.strays) {
            let range = map.range_of(&stray.shard);
            match range {
                Some(range) if stray.item.lies_within(&range) => {
                    self.shared
                        .record(&self.stream, Some(&stray.shard), |seen| {
                            seen.put(&stray.item)
                        });
                    self.shared.put(stray.item, &stray.shard, &stray.number);
                    continue;
                }
                Some(range) if !range.contains(stray.item.hash_key()) => goes_by_keys = false,
                _ => {}
            }
            let mut item = stray.item;
            item.last_error = Some("WrongShard".into());
            self.shared.error(&self.stream, "WrongShard");
            again.push(item);
        }
        if goes_by_keys {
            self.stream
                .follow(map, options.aggregation, options.rate_limit, ledger);
        } else if self.stream.read().routing != Routing::Blind {
            self.stream.go_blind(ledger);
        }
        self.shared.count_strays(again.len());
        self.stream.put_back(again, options.aggregation, ledger);
    }

    /// When the oldest record will have been waiting for too long.
    fn first_to_expire(&self) -> Option<Instant> {
        let oldest = self
            .stream
            .read()
            .each()
            .filter_map(|lane| lane.oldest())
            .map(|(born, _)| born)
            .min();
        oldest.map(|born| born + self.shared.options.record_ttl)
    }

    fn give_up_old(&self, now: Instant) {
        let Some(limit) = now.checked_sub(self.shared.options.record_ttl) else {
            return;
        };
        for mut lane in self.stream.read().each() {
            if lane.oldest().is_some_and(|(born, _)| born <= limit) {
                for item in lane.take_older(limit) {
                    self.shared
                        .record(&self.stream, lane.shard.as_ref(), |seen| {
                            seen.expired(&item)
                        });
                    self.shared.expired(item);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Due {
    Now,
    At(Instant),
    Never,
}

impl Due {
    fn or(self, at: Instant) -> Due {
        match self {
            Due::At(earlier) if earlier <= at => self,
            Due::Now => self,
            _ => Due::At(at),
        }
    }
}
