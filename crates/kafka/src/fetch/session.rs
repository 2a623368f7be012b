//! Fetch sessions (KIP-227): what a client wants to read is kept here, so that each fetch names only what changed, and each
//! answer tells only what is new.
//!
//! A session's requests are numbered; one out of turn is refused, and the client begins anew. There are at most
//! [`SESSIONS_MAX`]: a new one takes the place of the one longest unused, if that was not used for a while, or the client is
//! served without a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Rng, Timestamp};

use crate::wire::{ErrorCode, FetchPartition, FetchRequestData, KafkaUuid};

use super::answer::PartitionAnswer;

/// Sessions at one time: Kafka's `max.incremental.fetch.session.cache.slots`.
const SESSIONS_MAX: usize = 1_000;
/// How long a session is kept for its client alone.
const KEPT_FOR: Duration = Duration::from_secs(120);
/// Instead of a session's number or its request's: there is none.
const NO_SESSION: i32 = 0;
const FIRST_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// A partition, as the client names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    /// Empty where the id stands for it.
    pub(crate) topic: Arc<str>,
    /// Zero where the name stands for it.
    pub(crate) topic_id: KafkaUuid,
    pub(crate) partition: i32,
}

impl Place {
    /// Whether another partition is one of the same topic.
    pub(crate) fn is_of_topic(&self, other: &Place) -> bool {
        self.topic_id == other.topic_id && self.topic == other.topic
    }
}

/// What is wanted of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) offset: i64,
    pub(crate) bytes_max: usize,
    pub(crate) leader_epoch: i32,
}

/// What a client was told last of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    high_watermark: i64,
    log_start: i64,
    is_refused: bool,
}

/// One fetch: what it reads, and what its answer leaves out.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) asked: Vec<(Place, Asked)>,
    /// Whether only what is new is told.
    pub(crate) is_incremental: bool,
    told: HashMap<Place, Told>,
    session: Option<i32>,
}

impl Plan {
    /// Whether the client learns something by this.
    pub(super) fn is_news(&self, place: &Place, answer: &PartitionAnswer) -> bool {
        !answer.batches.is_empty()
            || answer.error_code != 0
            || self.told.get(place) != Some(&Told::of(answer))
    }

    /// Remembers what the client is told.
    pub(super) fn note(&mut self, place: &Place, answer: &PartitionAnswer) {
        if self.session.is_some() {
            self.told.insert(place.clone(), Told::of(answer));
        }
    }
}

impl Told {
    fn of(answer: &PartitionAnswer) -> Told {
        Told {
            high_watermark: answer.high_watermark,
            log_start: answer.log_start,
            is_refused: answer.error_code != 0,
        }
    }
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
    /// For ids: who does not know one cannot end somebody else's session.
    rng: Rng,
}

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<i32, Session>,
}

#[derive(Debug)]
struct Session {
    /// What the next request must have.
    epoch: i32,
    used: Timestamp,
    /// In the order in which they are read.
    asked: Vec<(Place, Asked)>,
    told: HashMap<Place, Told>,
}

impl Sessions {
    /// None yet.
    pub(crate) fn new(rng: Rng) -> Sessions {
        Sessions {
            inner: Mutex::default(),
            rng,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request means, with what its session says.
    ///
    /// # Errors
    /// [`ErrorCode::FetchSessionIdNotFound`], [`ErrorCode::InvalidFetchSessionEpoch`].
    pub(super) fn plan(
        &self,
        request: &FetchRequestData,
        version: i16,
        now: Timestamp,
    ) -> Result<Plan, ErrorCode> {
        let (id, epoch) = if version >= 7 {
            (request.session_id, request.session_epoch)
        } else {
            (NO_SESSION, FINAL_EPOCH)
        };
        if matches!(epoch, FIRST_EPOCH | FINAL_EPOCH) {
            let mut inner = self.inner();
            inner.by_id.remove(&id);
            let asked = wanted(request);
            // A session is of use only to who reads something.
            let session = (epoch == FIRST_EPOCH && !asked.is_empty())
                .then(|| inner.open(&asked, now, &self.rng))
                .flatten();
            return Ok(Plan {
                asked,
                is_incremental: false,
                told: HashMap::new(),
                session,
            });
        }
        let mut inner = self.inner();
        let session = inner
            .by_id
            .get_mut(&id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        session.used = now;
        session.change(request);
        Ok(Plan {
            asked: session.asked.clone(),
            is_incremental: true,
            told: std::mem::take(&mut session.told),
            session: Some(id),
        })
    }

    /// Ends a fetch whose last partition with records stands at `last` in the plan. Gives the session's number.
    pub(super) fn settle(&self, plan: &mut Plan, last: Option<usize>) -> i32 {
        let Some(id) = plan.session else {
            return NO_SESSION;
        };
        let mut inner = self.inner();
        let Some(session) = inner.by_id.get_mut(&id) else {
            return NO_SESSION;
        };
        session.told = std::mem::take(&mut plan.told);
        // The next fetch begins where this one's room ended.
        if let Some(last) = last
            && last < session.asked.len()
        {
            session.asked.rotate_left(last + 1);
        }
        id
    }
}

impl Inner {
    fn open(&mut self, asked: &[(Place, Asked)], now: Timestamp, rng: &Rng) -> Option<i32> {
        if self.by_id.len() >= SESSIONS_MAX {
            let oldest = self.by_id.iter().min_by_key(|(_, session)| session.used);
            let (&id, session) = oldest?;
            if session.used.plus(KEPT_FOR) > now {
                return None;
            }
            self.by_id.remove(&id);
        }
        let mut ids = std::iter::repeat_with(|| (rng.next_u64() >> 33) as i32);
        let id = ids.find(|id| *id != NO_SESSION && !self.by_id.contains_key(id))?;
        let session = Session {
            epoch: FIRST_EPOCH + 1,
            used: now,
            asked: asked.to_vec(),
            told: HashMap::new(),
        };
        self.by_id.insert(id, session);
        Some(id)
    }
}

impl Session {
    /// Takes up what a request changes.
    fn change(&mut self, request: &FetchRequestData) {
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
            let name: Arc<str> = topic.topic.as_str().into();
            topic.partitions.iter().map(move |&partition| Place {
                topic: Arc::clone(&name),
                topic_id: topic.topic_id,
                partition,
            })
        });
        let forgotten: std::collections::HashSet<Place> = forgotten.collect();
        if !forgotten.is_empty() {
            self.asked.retain(|(place, _)| !forgotten.contains(place));
            self.told.retain(|place, _| !forgotten.contains(place));
        }
        let changed = wanted(request);
        if changed.is_empty() {
            return;
        }
        let at: HashMap<Place, usize> = self
            .asked
            .iter()
            .enumerate()
            .map(|(at, (place, _))| (place.clone(), at))
            .collect();
        for (place, asked) in changed {
            match at.get(&place) {
                Some(&at) => self.asked[at].1 = asked,
                None => self.asked.push((place, asked)),
            }
        }
    }
}

fn wanted(request: &FetchRequestData) -> Vec<(Place, Asked)> {
    let topics = request.topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.topic.as_str().into();
        topic.partitions.iter().map(move |partition| {
            let place = Place {
                topic: Arc::clone(&name),
                topic_id: topic.topic_id,
                partition: partition.partition,
            };
            (place, asked(partition))
        })
    });
    topics.collect()
}

fn asked(partition: &FetchPartition) -> Asked {
    Asked {
        offset: partition.fetch_offset,
        bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
        leader_epoch: partition.current_leader_epoch,
    }
}

#[cfg(test)]
mod tests;
