//! What readers see: the state and the tail as of the last durable frame, and who watches.

use std::collections::HashMap;

use model::{Batch, LogId};
use store::{Bounds, StoreError, Watch};
use tokio::sync::watch;

use crate::frame::{Decision, Frame, Malformed};
use crate::journal::file::JournalFile;
use crate::journal::recovery::{Anchor, FramePlace};
use crate::state::State;
use crate::tail::Tail;

/// What readers see.
#[derive(Debug)]
pub(super) struct View {
    pub(super) state: State,
    pub(super) tail: Tail,
    /// The last frame in it.
    pub(super) sequence: u64,
    watchers: HashMap<LogId, watch::Sender<Bounds>>,
}

/// A durable frame to be shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) sequence: u64,
    pub(super) file: &'a JournalFile,
    pub(super) anchor: Anchor,
    pub(super) payload_at: u64,
    pub(super) decisions: &'a [Decision],
    /// The appends' batches, in order.
    pub(super) batches: Vec<Batch>,
}

/// Watchers to be woken.
pub(super) type News = Vec<(watch::Sender<Bounds>, Bounds)>;

impl View {
    pub(super) fn new(state: State, tail: Tail, sequence: u64) -> View {
        View {
            state,
            tail,
            sequence,
            watchers: HashMap::new(),
        }
    }

    /// Takes a frame of the journal at start. What the checkpoint covers is noted in the tail alone.
    pub(super) fn replay(&mut self, frame: &Frame, place: FramePlace<'_>) -> Result<(), Malformed> {
        let is_news = frame.header.sequence > self.sequence;
        for decision in &frame.decisions {
            if is_news {
                self.state.apply(decision)?;
            }
            self.tail
                .apply(decision, place.file.number, place.payload_at, None);
        }
        self.sequence = self.sequence.max(frame.header.sequence);
        Ok(())
    }

    /// Takes a frame that has just become durable.
    pub(super) fn show(&mut self, shown: Shown<'_>) -> News {
        let mut batches = shown.batches.into_iter();
        self.tail.add_file(shown.file, shown.anchor);
        let mut touched = Vec::new();
        for decision in shown.decisions {
            self.state
                .apply(decision)
                .expect("a durable frame agrees with those before it");
            let batch = match decision {
                Decision::Append(_) => batches.next(),
                _ => None,
            };
            self.tail
                .apply(decision, shown.file.number, shown.payload_at, batch);
            match decision {
                Decision::Append(extent) => touched.push(extent.log),
                Decision::SealLog { log } | Decision::TrimLog { log, .. } => touched.push(*log),
                Decision::DeleteLog { log } => {
                    self.watchers.remove(log);
                }
                _ => {}
            }
        }
        self.sequence = shown.sequence;
        self.news(touched)
    }

    fn news(&mut self, mut touched: Vec<LogId>) -> News {
        if self.watchers.is_empty() {
            return News::new();
        }
        touched.sort_unstable();
        touched.dedup();
        let mut news = News::new();
        for log in touched {
            let Some(watcher) = self.watchers.get(&log) else {
                continue;
            };
            match self.state.log(log) {
                Ok(state) if watcher.receiver_count() > 0 => {
                    news.push((watcher.clone(), state.bounds));
                }
                _ => {
                    self.watchers.remove(&log);
                }
            }
        }
        news
    }

    pub(super) fn watch(&mut self, log: LogId) -> Result<Watch, StoreError> {
        let bounds = self.state.log(log)?.bounds;
        let watcher = self
            .watchers
            .entry(log)
            .or_insert_with(|| watch::Sender::new(bounds));
        // Nobody may have been told while nobody listened.
        watcher.send_if_modified(|known| std::mem::replace(known, bounds) != bounds);
        Ok(Watch::new(watcher.subscribe()))
    }

    /// Lets go of watchers that nobody listens to.
    pub(super) fn drop_idle_watchers(&mut self) {
        self.watchers
            .retain(|_, watcher| watcher.receiver_count() > 0);
    }
}

/// Wakes watchers. In the order of the frames, so that nobody is told old news.
pub(super) fn tell(news: News) {
    for (watcher, bounds) in news {
        watcher.send_replace(bounds);
    }
}
