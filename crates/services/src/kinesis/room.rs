//! How much memory pages of records may take together, from before they are read until the client has them.
//!
//! A page is asked for with a share of the room. When the room is taken, pages get small instead of late: AWS allows short
//! pages, and nobody waits for a client that does not read. So a crowd that catches up at once is served in smaller pieces.
//!
//! Promises: all pages take [`ROOM`] at most, and the smallest page each beyond. It does not count what a page reads besides
//! what was asked for: the rest of its last batch, which a PutRecords can make 10 MiB and a compressed batch of a Kafka producer
//! `streams::inflate::INFLATED_BYTES_MAX`, and a record that is larger than a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes of memory.
const ROOM: usize = 512 << 20;
/// Keys and data of the page that is always granted, in bytes.
const LEAST: usize = 64 << 10;

/// What a page of so many bytes of keys and data may take: its batches, and a reply in JSON, which is a third larger.
fn memory(page: usize) -> usize {
    page.saturating_mul(7) / 3
}

/// How large a page may be that wants so much: it gets an eighth of the room that is left at most.
fn grant(wanted: usize, taken: usize) -> usize {
    let left = ROOM.saturating_sub(taken);
    wanted.min((left / 8 / 7 * 3).max(LEAST))
}

/// The room of all pages.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Arc<AtomicUsize>,
}

impl Room {
    /// Room for a page of `wanted` bytes of keys and data, or for a smaller one.
    pub(super) fn share(&self, wanted: usize) -> Share {
        let order = Ordering::Relaxed;
        let mut taken = self.taken.load(order);
        loop {
            let page = grant(wanted, taken);
            let memory = memory(page);
            let swap = self
                .taken
                .compare_exchange_weak(taken, taken + memory, order, order);
            match swap {
                Ok(_) => {
                    return Share {
                        taken: Arc::clone(&self.taken),
                        page,
                        memory,
                    };
                }
                Err(now) => taken = now,
            }
        }
    }
}

/// A page's part of the room, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    taken: Arc<AtomicUsize>,
    page: usize,
    memory: usize,
}

impl Share {
    /// How large the page may be: keys and data, in bytes.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// The page turned out to have so many bytes of keys and data.
    pub(super) fn settle_page(&mut self, page: usize) {
        self.settle(memory(page));
    }

    fn settle(&mut self, memory: usize) {
        self.taken.fetch_add(memory, Ordering::Relaxed);
        self.taken.fetch_sub(self.memory, Ordering::Relaxed);
        self.memory = memory;
    }

    /// A reply that takes its part of the room for as long as it is there.
    pub(super) fn keep(mut self, reply: Vec<u8>) -> Bytes {
        self.settle(reply.capacity());
        Bytes::from_owner(Kept {
            reply,
            _share: self,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.memory, Ordering::Relaxed);
    }
}

struct Kept {
    reply: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn pages_get_small_when_the_room_is_taken_and_large_again() {
        let room = Room::default();
        let mut shares: Vec<Share> = (0..200).map(|_| room.share(10 * MIB)).collect();
        let pages: Vec<usize> = shares.iter().map(Share::page).collect();
        assert_eq!(pages[..10], [10 * MIB; 10]);
        assert!(pages.is_sorted_by(|before, after| before >= after));
        assert_eq!(pages[150..], [LEAST; 50]);
        assert!(room.taken.load(Ordering::Relaxed) <= ROOM + 200 * memory(LEAST));
        assert_eq!(room.share(1_000).page(), 1_000);
        shares.truncate(10);
        assert_eq!(room.share(10 * MIB).page(), 10 * MIB);
        drop(shares);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_reply_takes_what_it_is_until_it_is_gone() {
        let room = Room::default();
        let reply = room.share(MIB).keep(vec![7; 300]);
        assert_eq!(reply, [7; 300][..]);
        let part = reply.slice(1..2);
        drop(reply);
        assert_eq!(room.taken.load(Ordering::Relaxed), 300);
        drop(part);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }
}
