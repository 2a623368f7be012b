//! Which messages were sent to a FIFO queue lately, so that one that is sent again is not there twice.
//!
//! A message that is accepted again within five minutes is answered as the first was, and not put: among all messages of the queue
//! or those of its group, as the queue's `DeduplicationScope` has it. Of repeats that come at the same time one is put, and the
//! others wait for what becomes of it.
//!
//! What is remembered is in memory, some 100 bytes for each message of five minutes, and is read back from the log of messages at
//! first use, which delivery keeps for so long. So it outlives the process: the log has all that was answered.
//!
//! It does not promise anything of a message whose outcome is unknown: the log is then read anew.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use model::{Offset, Timestamp};
use store::{Store, StoreError};
use streams::delivery::Source;
use tokio::sync::watch;

use super::limits;
use super::message::{Message, MessageId};
use super::queues::Queue;
use super::records::DeduplicationScope;

/// Bytes of the log read at once.
const READ_BYTES: usize = 1 << 20;

/// What tells a message from others: the first half of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// That of a message with this de-duplication id in this group.
    pub(super) fn of(scope: DeduplicationScope, group: Option<&str>, id: &str) -> Key {
        let group = match scope {
            DeduplicationScope::Queue => "",
            DeduplicationScope::MessageGroup => group.unwrap_or_default(),
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(group.len() as u64).to_be_bytes());
        context.update(group.as_bytes());
        context.update(id.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&context.finish().as_ref()[..16]);
        Key(key)
    }
}

/// A message that was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    pub id: MessageId,
    pub offset: Offset,
    /// When it was sent.
    pub at: Timestamp,
}

/// What is to become of a message of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// To be put.
    New,
    /// It was put before.
    Repeat(Sent),
    /// It is the same as an earlier one of this request, by its place.
    SameAs(usize),
}

/// What one queue remembers.
#[derive(Default)]
pub(super) struct Memory {
    state: Mutex<State>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// How keys are made, once the log was read.
    loaded: Option<DeduplicationScope>,
    known: HashMap<Key, Known>,
    /// What was sent, in the order in which it is forgotten.
    order: VecDeque<(Timestamp, Key)>,
    /// What lies before was purged.
    purged: Offset,
}

enum Known {
    Sent(Sent),
    /// Another request is putting it. The channel closes when that is done.
    Underway(watch::Receiver<()>),
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({})", self.state().known.len())
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was sent before `end`, and what is still being put there: it was purged.
    pub(super) fn forget_before(&self, end: Offset) {
        self.state().purge(end);
    }

    /// Reads the log back where that was not done yet.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn load(
        &self,
        store: &dyn Store,
        queue: &Queue,
        scope: DeduplicationScope,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.state().loaded == Some(scope) {
            return Ok(());
        }
        let _turn = self.loading.lock().await;
        if self.state().loaded == Some(scope) {
            return Ok(());
        }
        let since = now.minus(limits::DEDUPLICATION);
        let found = read_back(store, queue, scope, since).await?;
        let mut state = self.state();
        state.forget_sent();
        state.purge(queue.settings.purged_before);
        for (key, sent) in found {
            state.remember(key, sent);
        }
        state.loaded = Some(scope);
        Ok(())
    }

    /// Judges the messages of one request, all at once, when nobody else is putting one of them any more. Those that are new are
    /// the caller's to put, and everybody else's to wait for until [`Admitted`] is given up.
    ///
    /// `None` where the log must be read first: nobody knows what became of a message that was waited for, or the queue's scope was
    /// changed meanwhile.
    pub(super) async fn admit(
        &self,
        scope: DeduplicationScope,
        keys: &[Key],
        now: Timestamp,
    ) -> Option<Admitted<'_>> {
        let (sender, receiver) = watch::channel(());
        let verdicts = loop {
            let judged = {
                let mut state = self.state();
                if state.loaded != Some(scope) {
                    return None;
                }
                state.judge(keys, now, &receiver)
            };
            match judged {
                Ok(verdicts) => break verdicts,
                // All are taken, or none: two requests never wait for each other.
                Err(mut another) => while another.changed().await.is_ok() {},
            }
        };
        Some(Admitted {
            memory: self,
            keys: keys.to_vec(),
            verdicts,
            outcome: None,
            _underway: sender,
        })
    }
}

impl State {
    fn judge(
        &mut self,
        keys: &[Key],
        now: Timestamp,
        receiver: &watch::Receiver<()>,
    ) -> Result<Vec<Verdict>, watch::Receiver<()>> {
        self.forget_before(now);
        for key in keys {
            if let Some(Known::Underway(another)) = self.known.get(key) {
                return Err(another.clone());
            }
        }
        let mut verdicts = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let verdict = match self.known.get(key) {
                Some(Known::Sent(sent)) => Verdict::Repeat(*sent),
                Some(Known::Underway(_)) => {
                    let first = keys.iter().position(|other| other == key);
                    Verdict::SameAs(first.unwrap_or(place))
                }
                None => {
                    self.known.insert(*key, Known::Underway(receiver.clone()));
                    Verdict::New
                }
            };
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    fn remember(&mut self, key: Key, sent: Sent) {
        if sent.offset < self.purged {
            return;
        }
        self.known.insert(key, Known::Sent(sent));
        self.order.push_back((sent.at, key));
    }

    fn purge(&mut self, end: Offset) {
        if end <= self.purged {
            return;
        }
        self.purged = end;
        let is_left = |known: &Known| !matches!(known, Known::Sent(sent) if sent.offset < end);
        self.known.retain(|_, known| is_left(known));
        let known = &self.known;
        self.order.retain(|(_, key)| known.contains_key(key));
    }

    fn forget_before(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.order.front().copied()
            && now.since(at) >= limits::DEDUPLICATION
        {
            self.order.pop_front();
            let is_it = |known: &Known| matches!(known, Known::Sent(sent) if sent.at == at);
            if self.known.get(&key).is_some_and(is_it) {
                self.known.remove(&key);
            }
        }
    }

    fn forget_sent(&mut self) {
        self.order.clear();
        self.known
            .retain(|_, known| matches!(known, Known::Underway(_)));
    }
}

/// Messages of one request, judged. Dropped without an outcome, the outcome is unknown.
pub(super) struct Admitted<'a> {
    memory: &'a Memory,
    keys: Vec<Key>,
    verdicts: Vec<Verdict>,
    outcome: Option<Outcome>,
    _underway: watch::Sender<()>,
}

impl fmt::Debug for Admitted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admitted({:?})", self.verdicts)
    }
}

enum Outcome {
    /// New ones in order.
    Put(Vec<Sent>),
    NotPut,
}

impl Admitted<'_> {
    /// One for each message.
    pub(super) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The new ones are put, `sent` in their order. Gives what to answer to each message.
    pub(super) fn put(mut self, sent: Vec<Sent>) -> Vec<Sent> {
        let mut new = sent.iter();
        let mut answers: Vec<Sent> = Vec::with_capacity(self.verdicts.len());
        for verdict in &self.verdicts {
            let answer = match verdict {
                Verdict::New => new.next(),
                Verdict::Repeat(sent) => Some(sent),
                Verdict::SameAs(first) => answers.get(*first),
            };
            answers.extend(answer.copied());
        }
        self.outcome = Some(Outcome::Put(sent));
        answers
    }

    /// None of the new ones is put, certainly.
    pub(super) fn not_put(mut self) {
        self.outcome = Some(Outcome::NotPut);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let verdicts = self.verdicts.iter().zip(&self.keys);
        let new = verdicts.filter(|(verdict, _)| matches!(verdict, Verdict::New));
        let mut state = self.memory.state();
        let mut sent = match self.outcome.take() {
            Some(Outcome::Put(sent)) => sent.into_iter(),
            Some(Outcome::NotPut) => Vec::new().into_iter(),
            None => {
                // Only the log knows.
                state.loaded = None;
                Vec::new().into_iter()
            }
        };
        for (_, key) in new {
            state.known.remove(key);
            if let Some(sent) = sent.next() {
                state.remember(*key, sent);
            }
        }
    }
}

/// What the log has of messages sent after `since`.
async fn read_back(
    store: &dyn Store,
    queue: &Queue,
    scope: DeduplicationScope,
    since: Timestamp,
) -> Result<Vec<(Key, Sent)>, StoreError> {
    let log = queue.messages();
    let mut found = Vec::new();
    let mut from = store.offset_for_time(log, since).await?;
    loop {
        let batches = match store.read(log, from, READ_BYTES).await {
            Ok(batches) => batches,
            // Trimmed meanwhile.
            Err(StoreError::OffsetOutOfRange { start, .. }) if from < start => {
                from = start;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(last) = batches.last() else {
            return Ok(found);
        };
        from = last.end();
        for batch in batches {
            let batch = queue.reader().open(batch)?;
            for record in batch.records() {
                let message = Message::read(&record)?;
                let sent = Sent {
                    id: message.id,
                    offset: record.offset,
                    at: message.sent,
                };
                if let Some(id) = &message.deduplication
                    && sent.at > since
                {
                    found.push((Key::of(scope, message.group, id), sent));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn key(id: &str) -> Key {
        Key::of(DeduplicationScope::Queue, None, id)
    }

    fn sent(offset: u64, at: i64) -> Sent {
        Sent {
            id: MessageId([offset as u8; 16]),
            offset: Offset(offset),
            at: Timestamp(at),
        }
    }

    /// What a queue of which the log was read remembers: nothing.
    fn empty() -> Memory {
        let memory = Memory::default();
        memory.state().loaded = Some(DeduplicationScope::Queue);
        memory
    }

    async fn admit<'a>(memory: &'a Memory, keys: &[Key], now: i64) -> Admitted<'a> {
        let admitted = memory
            .admit(DeduplicationScope::Queue, keys, Timestamp(now))
            .await;
        admitted.expect("the log was read")
    }

    #[test]
    fn a_scope_of_groups_tells_groups_apart() {
        let of = |scope, group, id| Key::of(scope, Some(group), id);
        let (queue, groups) = (DeduplicationScope::Queue, DeduplicationScope::MessageGroup);
        assert_eq!(of(queue, "a", "1"), of(queue, "b", "1"));
        assert_ne!(of(groups, "a", "1"), of(groups, "b", "1"));
        assert_ne!(of(groups, "a", "b1"), of(groups, "ab", "1"));
        assert_eq!(of(groups, "a", "1"), of(groups, "a", "1"));
    }

    #[tokio::test]
    async fn a_repeat_is_known_for_five_minutes() {
        let memory = empty();
        let first = admit(&memory, &[key("a")], 0).await;
        assert_eq!(first.verdicts(), [Verdict::New]);
        assert_eq!(first.put(vec![sent(1, 0)]), [sent(1, 0)]);
        let again = admit(&memory, &[key("a"), key("b")], 299_999).await;
        assert_eq!(
            again.verdicts(),
            [Verdict::Repeat(sent(1, 0)), Verdict::New]
        );
        assert_eq!(
            again.put(vec![sent(2, 299_999)]),
            [sent(1, 0), sent(2, 299_999)]
        );
        let later = admit(&memory, &[key("a"), key("b")], 300_000).await;
        assert_eq!(
            later.verdicts(),
            [Verdict::New, Verdict::Repeat(sent(2, 299_999))]
        );
        later.not_put();
        assert_eq!(memory.state().known.len(), 1);
    }

    #[tokio::test]
    async fn one_of_a_request_s_own_repeats_is_put() {
        let memory = empty();
        let keys = [key("b"), key("a"), key("a"), key("b")];
        let admitted = admit(&memory, &keys, 0).await;
        let expected = [
            Verdict::New,
            Verdict::New,
            Verdict::SameAs(1),
            Verdict::SameAs(0),
        ];
        assert_eq!(admitted.verdicts(), expected);
        let (b, a) = (sent(1, 0), sent(2, 0));
        assert_eq!(admitted.put(vec![b, a]), [b, a, a, b]);
    }

    #[tokio::test]
    async fn repeats_wait_for_what_becomes_of_the_first() {
        for outcome in [Some(sent(1, 0)), None] {
            let memory = empty();
            let first = admit(&memory, &[key("a")], 0).await;
            let both = [key("b"), key("a")];
            let waiting = admit(&memory, &both, 0);
            tokio::pin!(waiting);
            let others = admit(&memory, &[key("b")], 0).await;
            assert_eq!(
                others.verdicts(),
                [Verdict::New],
                "nobody waits with something taken"
            );
            assert!(waiting.as_mut().now_or_never().is_none());
            others.not_put();
            assert!(waiting.as_mut().now_or_never().is_none());
            let expected = match outcome {
                Some(sent) => {
                    first.put(vec![sent]);
                    Verdict::Repeat(sent)
                }
                None => {
                    first.not_put();
                    Verdict::New
                }
            };
            let second = waiting.await;
            assert_eq!(second.verdicts(), [Verdict::New, expected]);
            second.not_put();
        }
    }

    #[tokio::test]
    async fn where_nobody_knows_the_log_is_asked() {
        let memory = empty();
        memory.state().loaded = Some(DeduplicationScope::Queue);
        drop(admit(&memory, &[key("a")], 0).await);
        assert_eq!(memory.state().loaded, None);
        assert_eq!(memory.state().known.len(), 0);
        memory.state().loaded = Some(DeduplicationScope::Queue);
        admit(&memory, &[key("a")], 0).await.not_put();
        assert!(memory.state().loaded.is_some());
    }

    #[tokio::test]
    async fn who_waited_for_what_nobody_knows_is_to_read_the_log_too() {
        let memory = empty();
        let first = admit(&memory, &[key("a")], 0).await;
        let keys = [key("a")];
        let waiting = memory.admit(DeduplicationScope::Queue, &keys, Timestamp(0));
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waiting.await.is_none());
    }

    #[tokio::test]
    async fn a_purge_forgets_what_was_sent() {
        let memory = empty();
        admit(&memory, &[key("a")], 0).await.put(vec![sent(1, 0)]);
        memory.forget_before(Offset(2));
        let again = admit(&memory, &[key("a")], 1).await;
        assert_eq!(again.verdicts(), [Verdict::New]);
        again.put(vec![sent(2, 1)]);
        assert_eq!(memory.state().order.len(), 1);
    }

    #[tokio::test]
    async fn a_purge_forgets_what_lies_before_it_and_nothing_else() {
        let memory = empty();
        let keys = [key("before"), key("after")];
        let purged = admit(&memory, &keys[..1], 5).await;
        let left = admit(&memory, &keys[1..], 4).await;
        left.put(vec![sent(8, 4)]);
        memory.forget_before(Offset(8));
        // Being put while the queue was purged, it came before.
        purged.put(vec![sent(7, 5)]);
        let again = admit(&memory, &keys, 6).await;
        assert_eq!(
            again.verdicts(),
            [Verdict::New, Verdict::Repeat(sent(8, 4))]
        );
        again.not_put();
    }
}
