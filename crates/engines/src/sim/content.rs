//! One simulated file's bytes: what is seen, what is durable, and the writes between.

use std::io;
use std::sync::Arc;

use model::Rng;

/// What a device writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    visible: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    /// In order; not yet synced.
    unsynced: Vec<Write>,
    /// Syncs that failed.
    errors: u64,
}

#[derive(Clone, Debug)]
struct Write {
    position: usize,
    bytes: Vec<u8>,
}

impl Content {
    pub(super) fn durable(bytes: &Arc<Vec<u8>>) -> Content {
        Content {
            visible: Arc::clone(bytes),
            durable: Arc::clone(bytes),
            unsynced: Vec::new(),
            errors: 0,
        }
    }

    pub(super) fn visible(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.visible)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors
    }

    pub(super) fn length(&self) -> u64 {
        self.visible.len() as u64
    }

    pub(super) fn write(&mut self, position: u64, bytes: Vec<u8>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let position =
            usize::try_from(position).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        apply(Arc::make_mut(&mut self.visible), position, &bytes);
        self.unsynced.push(Write { position, bytes });
        Ok(())
    }

    pub(super) fn read(&self, target: &mut [u8], position: u64) -> usize {
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let Some(rest) = self.visible.get(start..) else {
            return 0;
        };
        let length = rest.len().min(target.len());
        target[..length].copy_from_slice(&rest[..length]);
        length
    }

    pub(super) fn sync(&mut self) {
        for write in self.unsynced.drain(..) {
            apply(
                Arc::make_mut(&mut self.durable),
                write.position,
                &write.bytes,
            );
        }
    }

    /// Some of the writes reach the medium, the others never will: the system has marked them clean.
    pub(super) fn fail_sync(&mut self, rng: &Rng) {
        self.durable = self.crash(rng);
        self.unsynced.clear();
        self.errors += 1;
    }

    /// What is there after the power was cut now.
    pub(super) fn crash(&self, rng: &Rng) -> Arc<Vec<u8>> {
        let mut found = Arc::clone(&self.durable);
        for write in &self.unsynced {
            tear(write, rng, &mut found);
        }
        found
    }

    pub(super) fn flip(&mut self, position: usize) {
        let bit = 1 << (position % 8);
        self.sync();
        Arc::make_mut(&mut self.durable)[position] ^= bit;
        Arc::make_mut(&mut self.visible)[position] ^= bit;
    }
}

/// Puts what survives of `write` into `target`.
fn tear(write: &Write, rng: &Rng, target: &mut Arc<Vec<u8>>) {
    let length = write.bytes.len();
    let keep = |to: usize, target: &mut Arc<Vec<u8>>| {
        if to > 0 {
            apply(Arc::make_mut(target), write.position, &write.bytes[..to]);
        }
    };
    let random = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap_or(0);
    match rng.below(8) {
        0..=2 => {}
        3 | 4 => keep(length, target),
        5 => keep(random(length + 1), target),
        6 => {
            // The end of the kept part lies at a multiple of the sector from the file's start.
            let end = (write.position + random(length + 1)) / SECTOR * SECTOR;
            keep(end.saturating_sub(write.position), target);
        }
        _ => keep_some_sectors(write, rng, target),
    }
}

fn keep_some_sectors(write: &Write, rng: &Rng, target: &mut Arc<Vec<u8>>) {
    let mut start = 0;
    while start < write.bytes.len() {
        let position = write.position + start;
        let end = (start + SECTOR - position % SECTOR).min(write.bytes.len());
        if rng.below(2) == 0 {
            apply(Arc::make_mut(target), position, &write.bytes[start..end]);
        }
        start = end;
    }
}

fn apply(target: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if target.len() == position {
        target.extend_from_slice(bytes);
        return;
    }
    if target.len() < end {
        target.resize(end, 0);
    }
    target[position..end].copy_from_slice(bytes);
}
