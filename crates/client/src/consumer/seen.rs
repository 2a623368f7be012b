//! Records that were processed already are not given again: the cure for what comes twice, from producers that retried and
//! from readers that crashed, moved, or were deployed anew.
//!
//! Each record has an id that its writer put in it. Before a batch reaches a processor, ids that are marked as seen are taken
//! out of it, and of records with one id all but the first. Ids are marked when a checkpoint covers them, before it is
//! written.
//!
//! **Guaranteed.** A record is taken out only if one of the same id was given to a processor that then checkpointed at or
//! after it, or was given earlier to this very processor: a crash never loses one. Once a checkpoint that covers a record has
//! returned, no worker that asks later gives out that id again, while the mark is kept.
//!
//! **Not guaranteed.** Records given and not checkpointed come again after a crash or a lost lease. Two records of one id in
//! two shards can both be given if both are read before either is checkpointed. Marks are forgotten after their time to
//! live: it must be longer than a repeat can be late, for which the stream's retention is the bound. An id used for two
//! different records loses the second. What processors do with records and the mark are not one transaction; who needs that
//! keeps ids beside its results.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::processor::Record;
use crate::error::ClientError;

/// Knows which records were processed, by their ids.
#[async_trait]
pub trait Seen: Send + Sync + fmt::Debug {
    /// Makes what it needs, unless it is there.
    async fn prepare(&self) -> Result<(), ClientError>;

    /// Which of these ids are marked.
    async fn seen(&self, ids: &[String]) -> Result<HashSet<String>, ClientError>;

    /// Marks these ids. Once done, [`Seen::seen`] finds them, from anywhere.
    async fn mark(&self, ids: &[String]) -> Result<(), ClientError>;
}

/// The id of a record; `None` for one that is always given.
pub type IdOf = Arc<dyn Fn(&Record) -> Option<String> + Send + Sync>;

/// A check of uniqueness.
#[derive(Clone)]
pub struct Uniqueness {
    /// What was processed.
    pub seen: Arc<dyn Seen>,
    /// What tells records apart.
    pub id_of: IdOf,
}

impl fmt::Debug for Uniqueness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Uniqueness").field(&self.seen).finish()
    }
}

impl Uniqueness {
    /// The records to give, each with its id, in order. `given` are ids that were given to this processor and not marked yet.
    pub(super) async fn first_ones(
        &self,
        records: Vec<Record>,
        given: &HashSet<String>,
    ) -> Result<Vec<(Record, Option<String>)>, ClientError> {
        let with_ids: Vec<(Record, Option<String>)> = records
            .into_iter()
            .map(|record| {
                let id = (self.id_of)(&record);
                (record, id)
            })
            .collect();
        let mut asked = HashSet::new();
        let ids = with_ids.iter().filter_map(|(_, id)| id.clone());
        let unknown: Vec<String> = ids
            .filter(|id| !given.contains(id) && asked.insert(id.clone()))
            .collect();
        let marked = self.seen.seen(&unknown).await?;
        let mut first = HashSet::new();
        let kept = with_ids.into_iter().filter(|(_, id)| match id {
            None => true,
            Some(id) => !given.contains(id) && !marked.contains(id) && first.insert(id.clone()),
        });
        Ok(kept.collect())
    }
}

/// Marks in memory: for one process, and gone with it.
#[derive(Debug, Default)]
pub struct MemorySeen(Mutex<HashSet<String>>);

#[async_trait]
impl Seen for MemorySeen {
    async fn prepare(&self) -> Result<(), ClientError> {
        Ok(())
    }

    async fn seen(&self, ids: &[String]) -> Result<HashSet<String>, ClientError> {
        let marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ids
            .iter()
            .filter(|id| marked.contains(*id))
            .cloned()
            .collect())
    }

    async fn mark(&self, ids: &[String]) -> Result<(), ClientError> {
        let mut marked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marked.extend(ids.iter().cloned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::processor::Envelope;
    use super::*;

    #[tokio::test]
    async fn only_the_first_of_an_id_is_given() {
        let record = |text: &'static str| Record {
            sequence_number: "1".into(),
            sub_sequence: 0,
            is_aggregated: false,
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::from_static(text.as_bytes()),
            envelope: Envelope::Plain,
            arrived: None,
        };
        let seen = Arc::new(MemorySeen::default());
        seen.mark(&["marked".to_owned()]).await.unwrap();
        let uniqueness = Uniqueness {
            seen,
            id_of: Arc::new(|record| {
                let text = String::from_utf8_lossy(&record.data).into_owned();
                (text != "-").then_some(text)
            }),
        };
        let records = ["a", "marked", "-", "a", "given", "-", "b"]
            .map(record)
            .to_vec();
        let given = HashSet::from(["given".to_owned()]);
        let kept = uniqueness.first_ones(records, &given).await.unwrap();
        let kept: Vec<_> = kept.iter().map(|(record, _)| &record.data[..]).collect();
        assert_eq!(kept, [&b"a"[..], b"-", b"-", b"b"]);
    }
}
