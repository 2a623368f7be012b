//! ListQueues, by name, a page at a time.

use std::sync::Arc;

use aws::Caller;
use store::{Key, Scan};
use streams::StreamName;

use super::super::api::queues::{
    ListQueuesInput, ListQueuesOutput, QueueSummary, StreamFilter, StreamIdentifier,
};
use super::super::limits::page;
use super::super::tokens::{self, Page};
use super::super::{Kinesis, KinesisError, naming};
use super::Queue;
use super::record::{self, QueueName};

/// A stream whose queues are listed; where it says when, only if the stream was made then.
struct Of {
    stream: StreamName,
    /// In seconds, as SDKs send it.
    created: Option<i64>,
}

impl Of {
    fn parse(caller: &Caller, filter: &StreamFilter) -> Result<Option<Of>, KinesisError> {
        let created = filter.stream_creation_timestamp;
        match naming::stream_name(caller, None, Some(&filter.stream_arn)) {
            Ok(stream) => Ok(Some(Of {
                stream,
                created: created.map(|created| created.millis().div_euclid(1_000)),
            })),
            // Another region's stream has no queues here.
            Err(KinesisError::ResourceNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn admits(&self, queue: &Queue) -> bool {
        let settings = &queue.settings;
        let created = settings.stream_created.0.div_euclid(1_000);
        settings.stream == self.stream.name && self.created.is_none_or(|asked| asked == created)
    }

    /// As a token has it.
    fn text(&self) -> String {
        let created = self
            .created
            .map_or(String::new(), |created| created.to_string());
        format!("{}:{created}", self.stream.name)
    }
}

/// ListQueues.
pub(in super::super) async fn list_queues(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ListQueuesInput,
) -> Result<ListQueuesOutput, KinesisError> {
    let now = kinesis.clock.now();
    let filters = input.stream_filter.as_deref();
    let mut of: Vec<Of> = Vec::new();
    for filter in filters.unwrap_or_default() {
        of.extend(Of::parse(&caller, filter)?);
    }
    let texts: Vec<String> = of.iter().map(Of::text).collect();
    let after = match &input.next_token {
        Some(token) => match tokens::redeem(&caller, now, token)? {
            // A token goes on with the list it is of.
            Page::Queues { after, of } if of == texts => Some(after),
            _ => return Err(tokens::invalid()),
        },
        None => None,
    };
    let limit = input
        .max_results
        .map_or(page::QUEUES, |max| max.min(page::QUEUES));
    let folder = record::names(&caller.account, &caller.region);
    let after = after.map(|after| record::name_key(&caller.account, &caller.region, &after));
    let mut summaries = Vec::new();
    let mut next_token = None;
    let scan = Scan {
        after,
        ..Scan::below(&folder)
    };
    for (key, document) in kinesis.store.scan(scan).await? {
        let id: String = document.decode()?;
        let Some(queue) = kinesis.queue_if_there(&caller, id).await? else {
            continue;
        };
        let is_listed = filters.is_none() || of.iter().any(|of| of.admits(&queue));
        if !is_listed {
            continue;
        }
        if summaries.len() == limit {
            next_token = summaries.last().map(|last: &QueueSummary| {
                let after = last.queue_name.clone();
                tokens::issue(&caller, now, Page::Queues { after, of: texts })
            });
            break;
        }
        debug_assert_eq!(Key::last_part(&key), Some(&*queue.settings.name));
        summaries.push(summary(&queue, now));
    }
    Ok(ListQueuesOutput {
        queue_summaries: summaries,
        next_token,
    })
}

fn summary(queue: &Queue, now: model::Timestamp) -> QueueSummary {
    let Queue { name, settings, .. } = queue;
    QueueSummary {
        queue_name: settings.name.clone(),
        queue_arn: name.arn().to_string(),
        queue_status: settings.status(now),
        queue_creation_timestamp: settings.created.into(),
        streams: vec![StreamIdentifier {
            stream_arn: settings.stream_name(name).arn().to_string(),
            stream_creation_timestamp: settings.stream_created.into(),
        }],
    }
}

impl Kinesis {
    /// One that was deleted since it was listed is not listed.
    async fn queue_if_there(
        &self,
        caller: &Caller,
        id: String,
    ) -> Result<Option<Queue>, KinesisError> {
        let name = QueueName {
            account: caller.account.clone(),
            region: caller.region.clone(),
            id,
        };
        match self.queue(&name).await {
            Ok(queue) => Ok(Some(queue)),
            Err(KinesisError::ResourceNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
