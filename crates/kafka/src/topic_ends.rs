//! Where each topic's records begin and end, as an administrator's numbers have it.

use std::collections::HashSet;

use streams::StreamsError;

use crate::broker::Broker;

/// A topic and its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicEnds {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partition_count: u64,
    /// Where they begin and end; of fewer where there was no room for all.
    pub partitions: Vec<PartitionEnds>,
}

/// Where one partition begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionEnds {
    /// Its number.
    pub partition: u32,
    /// The oldest record's offset.
    pub start: u64,
    /// The next record's offset.
    pub end: u64,
}

impl Broker {
    /// All topics by name, with the ends of the first `limit` partitions. Others are not counted any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn topic_ends(&self, limit: usize) -> Result<Vec<TopicEnds>, StreamsError> {
        let (account, region) = (&self.options.account, &self.options.region);
        let names = self
            .streams
            .names(account, region, None, usize::MAX)
            .await?;
        let there: HashSet<&str> = names.iter().map(|name| name.name.as_str()).collect();
        self.counters.keep(|topic| there.contains(topic));
        let mut left = limit;
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            let stream = match self.streams.find(&name).await {
                Ok(stream) => stream,
                Err(StreamsError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            let mut topic = TopicEnds {
                topic: name.name,
                partition_count: 0,
                partitions: Vec::new(),
            };
            for shard in stream.topology.partitions() {
                topic.partition_count += 1;
                if left == 0 {
                    continue;
                }
                // Of a stream that is being deleted there are none any more.
                if let Ok(bounds) = self.streams.bounds(&stream, shard.index).await {
                    left -= 1;
                    topic.partitions.push(PartitionEnds {
                        partition: shard.index,
                        start: bounds.start.0,
                        end: bounds.end.0,
                    });
                }
            }
            topics.push(topic);
        }
        Ok(topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, batch};

    #[tokio::test]
    async fn ends_are_told_of_as_many_partitions_as_are_asked_for() {
        let world = World::new().await;
        world.topic("a", 2, &[]).await;
        world.topic("b", 1, &[]).await;
        world.produce("b", batch(&["x", "y"]).bytes().clone()).await;
        let ends = world.broker.topic_ends(10).await.unwrap();
        let told: Vec<_> = ends
            .iter()
            .map(|one| {
                (
                    one.topic.as_str(),
                    one.partition_count,
                    one.partitions.len(),
                )
            })
            .collect();
        assert_eq!(told, [("a", 2, 2), ("b", 1, 1)]);
        let b = PartitionEnds {
            partition: 0,
            start: 0,
            end: 2,
        };
        assert_eq!(ends[1].partitions, [b]);
        let few = world.broker.topic_ends(1).await.unwrap();
        let told: Vec<_> = few
            .iter()
            .map(|one| (one.partition_count, one.partitions.len()))
            .collect();
        assert_eq!(told, [(2, 1), (1, 0)]);
    }
}
