//! Which shards may be read now. A shard's records come after all of its parents', so it is read once those are read to
//! their ends: that is what keeps each key's records in order across splits and merges.
//!
//! A state machine without I/O: the reader says what it found, this says what to read next.

use std::collections::BTreeMap;

/// A shard, as far as order is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardInfo {
    /// Its id.
    pub id: String,
    /// Whose records come before its own: none, one after a split, two after a merge.
    pub parents: Vec<String>,
    /// Whether it takes no more records.
    pub is_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Reading,
    Done,
}

/// The shards of one stream and how far each is read.
#[derive(Debug, Default)]
pub struct Lineage {
    shards: BTreeMap<String, (Vec<String>, Progress)>,
}

impl Lineage {
    /// All of these are to be read.
    #[must_use]
    pub fn from_the_start(shards: impl IntoIterator<Item = ShardInfo>) -> Lineage {
        let mut lineage = Lineage::default();
        for shard in shards {
            lineage.learn(shard, Progress::Waiting);
        }
        lineage
    }

    /// Only what comes from now on: closed shards count as read.
    #[must_use]
    pub fn from_now(shards: impl IntoIterator<Item = ShardInfo>) -> Lineage {
        let mut lineage = Lineage::default();
        for shard in shards {
            let progress = if shard.is_closed {
                Progress::Done
            } else {
                Progress::Waiting
            };
            lineage.learn(shard, progress);
        }
        lineage
    }

    /// The shards that may be read and are not yet; from now on they are being read.
    pub fn take_ready(&mut self) -> Vec<String> {
        let is_ready = |parents: &[String]| {
            // A parent nobody knows has expired, and its records with it.
            parents.iter().all(|parent| {
                self.shards
                    .get(parent)
                    .is_none_or(|(_, progress)| *progress == Progress::Done)
            })
        };
        let ready: Vec<String> = self
            .shards
            .iter()
            .filter(|(_, (parents, progress))| *progress == Progress::Waiting && is_ready(parents))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &ready {
            self.set(id, Progress::Reading);
        }
        ready
    }

    /// The shard is read to its end, where it named these children.
    pub fn finish(&mut self, id: &str, children: impl IntoIterator<Item = ShardInfo>) {
        self.set(id, Progress::Done);
        for child in children {
            // The other parent of a merge may have named it already.
            self.learn(child, Progress::Waiting);
        }
    }

    /// Shards being read.
    #[must_use]
    pub fn reading(&self) -> usize {
        let reading = |(_, progress): &&(Vec<String>, Progress)| *progress == Progress::Reading;
        self.shards.values().filter(reading).count()
    }

    fn learn(&mut self, shard: ShardInfo, progress: Progress) {
        self.shards
            .entry(shard.id)
            .or_insert((shard.parents, progress));
    }

    fn set(&mut self, id: &str, to: Progress) {
        if let Some((_, progress)) = self.shards.get_mut(id) {
            *progress = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], is_closed: bool) -> ShardInfo {
        ShardInfo {
            id: id.to_owned(),
            parents: parents.iter().map(|&parent| parent.to_owned()).collect(),
            is_closed,
        }
    }

    #[test]
    fn children_wait_for_all_parents() {
        let mut lineage = Lineage::from_the_start([
            shard("a", &[], true),
            shard("b", &[], true),
            shard("ab", &["a", "b"], false),
        ]);
        assert_eq!(lineage.take_ready(), ["a", "b"]);
        assert_eq!(lineage.reading(), 2);
        lineage.finish("a", [shard("ab", &["a", "b"], false)]);
        assert!(lineage.take_ready().is_empty());
        lineage.finish("b", [shard("ab", &["a", "b"], false)]);
        assert_eq!(lineage.take_ready(), ["ab"]);
        assert!(lineage.take_ready().is_empty());
    }

    #[test]
    fn expired_parents_hold_nobody_up() {
        let mut lineage = Lineage::from_the_start([shard("child", &["long-gone"], false)]);
        assert_eq!(lineage.take_ready(), ["child"]);
    }

    #[test]
    fn from_now_only_open_shards_are_read_and_then_their_children() {
        let mut lineage =
            Lineage::from_now([shard("old", &[], true), shard("open", &["old"], false)]);
        assert_eq!(lineage.take_ready(), ["open"]);
        let children = [
            shard("left", &["open"], false),
            shard("right", &["open"], false),
        ];
        lineage.finish("open", children);
        assert_eq!(lineage.take_ready(), ["left", "right"]);
        assert_eq!(lineage.reading(), 2);
    }
}
