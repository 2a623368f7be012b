//! Partitions with their topics' names, as who describes a group tells what its members read.

use std::collections::HashMap;

use model::StreamId;

use crate::access::{Operation, Resource};
use crate::group::consumer::Partitions;
use crate::session::Call;
use crate::wire::{KafkaString, KafkaUuid, text};

/// Partitions of one topic.
pub(crate) struct Named {
    pub(crate) id: KafkaUuid,
    pub(crate) name: KafkaString,
    pub(crate) partitions: Vec<i32>,
}

/// Names of topics looked up for one request; nothing for those that are no more or may not be seen.
#[derive(Default)]
pub(crate) struct Names(HashMap<StreamId, Option<String>>);

impl Names {
    /// The partitions of those topics that are still there and may be seen.
    pub(crate) async fn of(&mut self, call: &Call, partitions: &Partitions) -> Vec<Named> {
        let mut named = Vec::with_capacity(partitions.len());
        for (&stream, indexes) in partitions {
            let id = call.broker.topic_id(stream);
            let name = match self.0.get(&stream) {
                Some(known) => known.clone(),
                None => {
                    let name = name(call, id).await;
                    self.0.insert(stream, name.clone());
                    name
                }
            };
            let Some(name) = name else {
                continue;
            };
            let indexes = indexes.iter();
            named.push(Named {
                id,
                name: text(&name),
                partitions: indexes
                    .filter_map(|index| i32::try_from(*index).ok())
                    .collect(),
            });
        }
        named
    }
}

async fn name(call: &Call, id: KafkaUuid) -> Option<String> {
    let topic = call.broker.topic_by_id(id).await.ok()?;
    let name = topic.name().to_owned();
    call.may(Operation::Describe, Resource::Topic(&name))
        .then_some(name)
}
