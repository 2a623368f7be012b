//! Share sessions (KIP-932): which partitions a member of a share group fetches from, kept here so that each request names only
//! what changes. A session's requests are numbered; one out of turn is refused, and the member begins anew.
//!
//! A session ends with its connection, which is noticed when sessions are asked for next.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::session::Session;
use crate::wire::{ErrorCode, KafkaUuid};

/// Sessions at one time: Kafka's `group.share.max.share.sessions`.
const SESSIONS_MAX: usize = 2_000;
/// Partitions of one session.
const PLACES_MAX: usize = 100_000;
/// The epoch of a request that begins a session, and of one that ends it.
pub(crate) const FIRST: i32 = 0;
pub(crate) const FINAL: i32 = -1;

/// A group and a member of it.
pub(crate) type Who = (String, String);
/// A topic's id and a partition.
pub(crate) type Place = (KafkaUuid, i32);

/// What a fetch changes of its session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) added: Vec<Place>,
    pub(crate) forgotten: Vec<Place>,
}

#[derive(Debug)]
struct Known {
    /// Of the next request.
    epoch: i32,
    places: Vec<Place>,
    connection: Weak<Session>,
    /// Which partition was looked at first.
    turn: usize,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    known: Mutex<HashMap<Who, Known>>,
}

impl Sessions {
    fn known(&self) -> MutexGuard<'_, HashMap<Who, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the sessions whose connections are gone, and tells whose they were.
    pub(crate) fn sweep(&self) -> Vec<Who> {
        let mut gone = Vec::new();
        self.known().retain(|who, known| {
            let is_there = known.connection.strong_count() > 0;
            if !is_there {
                gone.push(who.clone());
            }
            is_there
        });
        gone
    }

    /// Begins a fetch, which begins, goes on with or ends a session. What it reads, from a partition that is another each time.
    ///
    /// # Errors
    /// [`ErrorCode::ShareSessionNotFound`], [`ErrorCode::InvalidShareSessionEpoch`], [`ErrorCode::ShareSessionLimitReached`].
    pub(crate) fn fetch(
        &self,
        who: &Who,
        epoch: i32,
        change: Change,
        connection: &Arc<Session>,
    ) -> Result<Vec<Place>, ErrorCode> {
        let mut sessions = self.known();
        if epoch == FIRST {
            if sessions.len() >= SESSIONS_MAX && !sessions.contains_key(who) {
                return Err(ErrorCode::ShareSessionLimitReached);
            }
            let mut known = Known {
                epoch: 1,
                places: Vec::new(),
                connection: Arc::downgrade(connection),
                turn: 0,
            };
            known.change(change)?;
            let places = known.places.clone();
            sessions.insert(who.clone(), known);
            return Ok(places);
        }
        let known = Known::turn(&mut sessions, who, epoch)?;
        if epoch == FINAL {
            return Ok(Vec::new());
        }
        known.change(change)?;
        let mut places = known.places.clone();
        if !places.is_empty() {
            known.turn = (known.turn + 1) % places.len();
            places.rotate_left(known.turn);
        }
        Ok(places)
    }

    /// Begins an acknowledgement by itself.
    ///
    /// # Errors
    /// As of [`Sessions::fetch`].
    pub(crate) fn acknowledge(&self, who: &Who, epoch: i32) -> Result<(), ErrorCode> {
        if epoch == FIRST {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        Known::turn(&mut self.known(), who, epoch).map(drop)
    }

    /// Ends a session.
    pub(crate) fn end(&self, who: &Who) {
        self.known().remove(who);
    }
}

impl Known {
    fn turn<'a>(
        sessions: &'a mut HashMap<Who, Known>,
        who: &Who,
        epoch: i32,
    ) -> Result<&'a mut Known, ErrorCode> {
        let known = sessions
            .get_mut(who)
            .ok_or(ErrorCode::ShareSessionNotFound)?;
        if epoch == FINAL {
            return Ok(known);
        }
        if epoch != known.epoch {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        known.epoch = epoch.checked_add(1).unwrap_or(1);
        Ok(known)
    }

    fn change(&mut self, change: Change) -> Result<(), ErrorCode> {
        if change.added.len() > PLACES_MAX {
            return Err(ErrorCode::InvalidRequest);
        }
        if !change.added.is_empty() {
            let mut known: HashSet<Place> = self.places.iter().copied().collect();
            let new = change
                .added
                .into_iter()
                .filter(|place| known.insert(*place));
            self.places.extend(new);
        }
        // Last: of a partition that is let go of, records are acknowledged in the same request.
        if !change.forgotten.is_empty() {
            let forgotten: HashSet<Place> = change.forgotten.into_iter().collect();
            self.places.retain(|place| !forgotten.contains(place));
        }
        if self.places.len() > PLACES_MAX {
            return Err(ErrorCode::InvalidRequest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::world::World;

    fn place(index: i32) -> Place {
        (KafkaUuid::from_parts(1, 1), index)
    }

    fn adds(indexes: &[i32]) -> Change {
        Change {
            added: indexes.iter().map(|index| place(*index)).collect(),
            forgotten: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_sessions_requests_come_in_turn() {
        let connection = World::new().await.session;
        let sessions = Sessions::default();
        let who = ("g".to_owned(), "m".to_owned());
        let fetch = |epoch, change| sessions.fetch(&who, epoch, change, &connection);
        assert_eq!(fetch(1, adds(&[0])), Err(ErrorCode::ShareSessionNotFound));
        assert_eq!(fetch(0, adds(&[0, 1])), Ok(vec![place(0), place(1)]));
        assert_eq!(fetch(1, adds(&[1])), Ok(vec![place(1), place(0)]));
        assert_eq!(
            fetch(1, adds(&[])),
            Err(ErrorCode::InvalidShareSessionEpoch)
        );
        assert_eq!(sessions.acknowledge(&who, 2), Ok(()));
        assert_eq!(
            sessions.acknowledge(&who, 0),
            Err(ErrorCode::InvalidShareSessionEpoch)
        );
        let forgets = Change {
            added: vec![],
            forgotten: vec![place(0)],
        };
        assert_eq!(fetch(3, forgets), Ok(vec![place(1)]));
        assert_eq!(fetch(-1, adds(&[])), Ok(vec![]));
        sessions.end(&who);
        assert_eq!(fetch(4, adds(&[])), Err(ErrorCode::ShareSessionNotFound));
    }

    #[tokio::test]
    async fn very_many_partitions_are_told_apart_in_good_time() {
        let connection = World::new().await.session;
        let sessions = Sessions::default();
        let who = ("g".to_owned(), "m".to_owned());
        let all: Vec<i32> = (0..PLACES_MAX as i32).collect();
        let began = Instant::now();
        let begun = sessions.fetch(&who, 0, adds(&all), &connection);
        assert_eq!(begun.map(|places| places.len()), Ok(PLACES_MAX));
        let turned = Change {
            forgotten: adds(&all[1..]).added,
            ..adds(&all)
        };
        let left = sessions.fetch(&who, 1, turned, &connection);
        assert_eq!(left, Ok(vec![place(0)]));
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
        let more = adds(&(0..=PLACES_MAX as i32).collect::<Vec<_>>());
        let refused = sessions.fetch(&who, 2, more, &connection);
        assert_eq!(refused, Err(ErrorCode::InvalidRequest));
    }

    #[tokio::test]
    async fn a_session_goes_with_its_connection() {
        let world = World::new().await;
        let sessions = Sessions::default();
        let who = ("g".to_owned(), "m".to_owned());
        let begun = sessions.fetch(&who, 0, adds(&[0]), &world.session);
        assert!(begun.is_ok() && sessions.sweep().is_empty());
        drop(world);
        assert_eq!(sessions.sweep(), vec![who]);
    }
}
