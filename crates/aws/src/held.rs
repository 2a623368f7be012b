//! What bodies hold in memory: all together, those of one connection, and those of requests whose sender is not known yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::body::Untaken;
use crate::limits::Limits;

/// All bodies held at one time, as one connection sees them: requests' counted as their bytes arrive, replies' until they are
/// sent.
#[derive(Debug, Default, Clone)]
pub(crate) struct Buffered {
    everybody: Arc<Everybody>,
    of_connection: Arc<AtomicUsize>,
}

/// Counts for all connections, in bytes.
#[derive(Debug, Default)]
struct Everybody {
    all: AtomicUsize,
    unverified: AtomicUsize,
}

/// One request's part of what is held; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    buffered: Buffered,
    bytes: usize,
    is_verified: bool,
}

impl Buffered {
    /// The same as a further connection sees it.
    pub(crate) fn for_connection(&self) -> Buffered {
        Buffered {
            everybody: Arc::clone(&self.everybody),
            of_connection: Arc::default(),
        }
    }

    /// The part of a reply, or of a request whose sender is known.
    pub(crate) fn hold_none(&self) -> Held {
        Held {
            buffered: self.clone(),
            bytes: 0,
            is_verified: true,
        }
    }

    /// The part of a request whose sender is known once the body is here.
    pub(crate) fn hold_none_unverified(&self) -> Held {
        let mut held = self.hold_none();
        held.is_verified = false;
        held
    }

    /// Whether more is held already than all, or this connection, may hold.
    pub(crate) fn is_over(&self, limits: &Limits) -> bool {
        self.everybody.all.load(Ordering::Relaxed) > limits.buffered_bytes_max
            || self.of_connection.load(Ordering::Relaxed) > limits.connection_bytes_max
    }
}

impl Held {
    /// What this is a part of.
    pub(crate) fn buffered(&self) -> &Buffered {
        &self.buffered
    }

    /// Counts so many bytes more, room or not: they are here already.
    pub(crate) fn count(&mut self, bytes: usize) {
        let everybody = &self.buffered.everybody;
        everybody.all.fetch_add(bytes, Ordering::Relaxed);
        if !self.is_verified {
            everybody.unverified.fetch_add(bytes, Ordering::Relaxed);
        }
        let of_connection = &self.buffered.of_connection;
        of_connection.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Counts so many bytes more, if there is room for them.
    pub(crate) fn add(&mut self, bytes: usize, limits: &Limits) -> Result<(), Untaken> {
        self.count(bytes);
        let everybody = &self.buffered.everybody;
        let is_unverified_over = !self.is_verified
            && everybody.unverified.load(Ordering::Relaxed) > limits.unverified_bytes_max;
        if is_unverified_over || self.buffered.is_over(limits) {
            return Err(Untaken::NoRoom);
        }
        Ok(())
    }

    /// The sender is known now.
    pub(crate) fn verify(&mut self) {
        if !self.is_verified {
            let unverified = &self.buffered.everybody.unverified;
            unverified.fetch_sub(self.bytes, Ordering::Relaxed);
            self.is_verified = true;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.verify();
        let all = &self.buffered.everybody.all;
        all.fetch_sub(self.bytes, Ordering::Relaxed);
        let of_connection = &self.buffered.of_connection;
        of_connection.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            buffered_bytes_max: 10,
            unverified_bytes_max: 5,
            connection_bytes_max: 7,
            ..Limits::default()
        }
    }

    #[test]
    fn a_connection_holds_its_part_and_all_hold_the_whole() {
        let one = Buffered::default();
        let other = one.for_connection();
        let mut held = one.hold_none();
        assert_eq!(held.add(7, &limits()), Ok(()));
        assert_eq!(one.hold_none().add(1, &limits()), Err(Untaken::NoRoom));
        let mut rest = other.hold_none();
        assert_eq!(rest.add(3, &limits()), Ok(()));
        assert_eq!(other.hold_none().add(1, &limits()), Err(Untaken::NoRoom));
        drop(held);
        assert_eq!(other.hold_none().add(4, &limits()), Ok(()));
        let mut reply = one.hold_none();
        reply.count(8);
        assert!(one.is_over(&limits()));
        assert!(other.is_over(&limits()));
        drop(rest);
        assert!(one.is_over(&limits()));
        assert!(!other.is_over(&limits()));
    }

    #[test]
    fn who_is_not_known_yet_leaves_room_for_who_is() {
        let one = Buffered::default();
        let mut held = one.hold_none_unverified();
        assert_eq!(held.add(5, &limits()), Ok(()));
        let other = one.for_connection();
        let refused = other.hold_none_unverified().add(1, &limits());
        assert_eq!(refused, Err(Untaken::NoRoom));
        assert_eq!(other.hold_none().add(5, &limits()), Ok(()));
        held.verify();
        assert_eq!(other.hold_none_unverified().add(5, &limits()), Ok(()));
        held.verify();
        drop(held);
        assert_eq!(other.hold_none_unverified().add(5, &limits()), Ok(()));
    }
}
