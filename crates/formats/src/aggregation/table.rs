//! A table of texts as the message holds it: each once, in order of first use, already encoded.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::wire::{varint_length, write_head};

/// Keeps its memory when cleared, so that nothing is allocated for a key.
#[derive(Debug)]
pub(super) struct Table {
    field: u64,
    encoded: Vec<u8>,
    /// Where each text lies in `encoded`.
    texts: Vec<(usize, usize)>,
    places: HashTable<u32>,
    hasher: RandomState,
}

/// Where a text is in a table, or what putting it there takes.
pub(super) enum Found {
    At(u32),
    New { hash: u64, bytes: usize },
}

impl Table {
    pub(super) fn new(field: u64) -> Table {
        Table {
            field,
            encoded: Vec::new(),
            texts: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(super) fn find(&self, text: &str) -> Found {
        // Records of one key often come together.
        if let Some(last) = self.texts.len().checked_sub(1)
            && self.is_at(last as u32, text)
        {
            return Found::At(last as u32);
        }
        let hash = self.hasher.hash_one(text);
        match self.places.find(hash, |&place| self.is_at(place, text)) {
            Some(&place) => Found::At(place),
            None => Found::New {
                hash,
                bytes: 1 + varint_length(text.len() as u64) + text.len(),
            },
        }
    }

    /// The index that `text` has if it is `found` at, or else will have.
    pub(super) fn index(&self, found: &Found) -> u64 {
        match found {
            Found::At(place) => u64::from(*place),
            Found::New { .. } => self.texts.len() as u64,
        }
    }

    pub(super) fn insert(&mut self, text: &str, found: &Found) {
        let Found::New { hash, .. } = found else {
            return;
        };
        write_head(&mut self.encoded, self.field, text.len());
        let start = self.encoded.len();
        self.encoded.extend_from_slice(text.as_bytes());
        let place = self.texts.len() as u32;
        self.texts.push((start, self.encoded.len()));
        let (texts, encoded, hasher) = (&self.texts, &self.encoded, &self.hasher);
        self.places.insert_unique(*hash, place, |&place| {
            hasher.hash_one(text_at(texts, encoded, place))
        });
    }

    pub(super) fn clear(&mut self) {
        self.encoded.clear();
        self.texts.clear();
        self.places.clear();
    }

    fn is_at(&self, place: u32, text: &str) -> bool {
        text_at(&self.texts, &self.encoded, place) == text
    }
}

fn text_at<'a>(texts: &[(usize, usize)], encoded: &'a [u8], place: u32) -> &'a str {
    let bytes = texts
        .get(place as usize)
        .and_then(|&(start, end)| encoded.get(start..end));
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default()
}
