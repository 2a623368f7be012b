//! Pages of Query and Scan: a run of keys walked in order, until the page is full.
//!
//! A page ends with the item at which its limit of items looked at is reached, or the one with which it has read 1 MB. Its last key is
//! then told even if nothing follows, as AWS does.

use store::{Document, Key, Scan, ScanBack};

use super::Dynamo;
use super::error::DynamoError;
use super::expression::Condition;
use super::limits::PAGE_BYTES;
use super::rows::Run;
use super::value::{Item, item_bytes, read_item};
use super::write::damaged;

/// Documents asked of the store at once.
const CHUNK: usize = 256;

/// What is walked, and how far.
pub(super) struct Walk<'a> {
    pub run: Run,
    pub forward: bool,
    /// Items looked at, at most.
    pub limit: Option<usize>,
    /// Which items are kept.
    pub filter: Option<&'a Condition>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The items kept, as they lie.
    pub items: Vec<Item>,
    /// How many were looked at.
    pub looked_at: usize,
    /// Bytes of those.
    pub bytes: usize,
    /// The last item looked at, where there may be more after it.
    pub last: Option<Item>,
}

impl Dynamo {
    /// Walks a page.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn walk(&self, walk: Walk<'_>) -> Result<Page, DynamoError> {
        let Walk {
            mut run,
            forward,
            limit,
            filter,
        } = walk;
        let mut page = Page::default();
        let limit = limit.unwrap_or(usize::MAX);
        loop {
            let asked = CHUNK.min(limit - page.looked_at);
            let documents = self.chunk(&run, forward, asked).await?;
            let is_last = documents.len() < asked;
            let mut last_key = None;
            for (key, document) in documents {
                if is_past(&run, &key, forward) {
                    return Ok(page);
                }
                let item = read_item(&document.value).map_err(|error| damaged(&key, error))?;
                page.looked_at += 1;
                page.bytes += item_bytes(&item);
                let is_full = page.looked_at >= limit || page.bytes as u64 >= PAGE_BYTES;
                let is_kept = filter.is_none_or(|filter| filter.holds(Some(&item)));
                if is_full {
                    page.last = Some(item.clone());
                }
                if is_kept {
                    page.items.push(item);
                }
                if is_full {
                    return Ok(page);
                }
                last_key = Some(key);
            }
            match last_key {
                Some(key) if !is_last => run = run.resume(&key, forward),
                _ => return Ok(page),
            }
        }
    }

    async fn chunk(
        &self,
        run: &Run,
        forward: bool,
        limit: usize,
    ) -> Result<Vec<(Key, Document)>, DynamoError> {
        let key = |bytes: &Vec<u8>| Key::from_bytes(bytes.clone().into());
        let prefix = run.prefix_key();
        let found = if forward {
            let after = run.after.as_ref().map(key);
            let scan = Scan {
                prefix,
                after,
                limit,
            };
            self.store.scan(scan).await?
        } else {
            let before = run.before.as_ref().map(key);
            let scan = ScanBack {
                prefix,
                before,
                limit,
            };
            self.store.scan_back(scan).await?
        };
        Ok(found)
    }
}

/// Whether a key lies beyond the end of a run, in the direction of the walk.
fn is_past(run: &Run, key: &Key, forward: bool) -> bool {
    let key = key.as_bytes();
    if forward {
        run.before
            .as_ref()
            .is_some_and(|before| key >= before.as_slice())
    } else {
        run.after
            .as_ref()
            .is_some_and(|after| key <= after.as_slice())
    }
}
