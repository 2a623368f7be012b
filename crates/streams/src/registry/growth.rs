//! Whether a stream may grow in place: not under a reader that goes from parents to their children, as the new shards have no
//! parents and it would never read them.

use std::sync::PoisonError;

use store::{Check, Document, Expect, StoreError};

use super::{Streams, StreamsError};
use crate::stream::StreamName;

/// Names one reader that goes from parents to children, by the document that tells of a stream's readers.
pub type Follower = fn(&Document) -> Result<Option<String>, StoreError>;

impl Streams {
    /// From now on the document of this kind, at [`StreamName::key_of`], is asked before a stream grows in place.
    pub fn ask_before_growth(&self, kind: &'static str, follower: Follower) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = Some((kind, follower));
    }

    /// Whether a stream of that name may grow in place. It may for as long as the checks that are given hold.
    ///
    /// # Errors
    /// [`StreamsError::Followed`].
    pub async fn may_grow(&self, name: &StreamName) -> Result<Vec<Check>, StreamsError> {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((kind, follower)) = asked else {
            return Ok(Vec::new());
        };
        let key = name.key_of(kind);
        let document = self.store.get(&key).await?;
        let reader = document.as_ref().map(follower).transpose()?.flatten();
        if let Some(reader) = reader {
            return Err(StreamsError::Followed(reader));
        }
        let expect = document.map_or(Expect::Absent, |document| Expect::At(document.version));
        Ok(vec![Check { key, expect }])
    }
}
