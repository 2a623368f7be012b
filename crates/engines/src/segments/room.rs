//! How much a reader still takes.

/// Of batches in order: the first whatever its size, so that nobody stands still, and then as many as have room.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    bytes: usize,
    has_any: bool,
}

impl Room {
    /// For `bytes` of batches.
    #[must_use]
    pub fn of(bytes: usize) -> Room {
        Room {
            bytes,
            has_any: false,
        }
    }

    /// Whether nothing more is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.has_any && self.bytes == 0
    }

    /// Takes a batch of `length` bytes, if there is room: otherwise none after it is to be taken either.
    #[must_use]
    pub fn take(&mut self, length: usize) -> bool {
        let has_room = self.has_room(length);
        if has_room {
            self.bytes = self.bytes.saturating_sub(length);
            self.has_any = true;
        }
        has_room
    }

    /// Whether a batch of `length` bytes would be taken.
    #[must_use]
    pub fn has_room(&self, length: usize) -> bool {
        !self.has_any || length <= self.bytes
    }

    /// Bytes for which there is room.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes
    }
}
