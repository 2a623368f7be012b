//! Queues made, found by name, listed and deleted.

use std::sync::Arc;

use aws::Caller;
use model::{StreamId, Timestamp};
use store::{Key, Scan};

use super::api::queues::{
    CreateQueueInput, GetQueueUrlInput, ListQueuesInput, ListQueuesOutput, QueueInput,
    QueueUrlOutput,
};
use super::attributes::{self, Attributes};
use super::error::SqsError;
use super::pages::{self, Page};
use super::queues::Made;
use super::records::{QueueName, Settings};
use super::{Limits, Sqs, limits, naming, tags};

/// CreateQueue. One that is there as it is asked for is answered as if it were new.
pub(super) async fn create_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: CreateQueueInput,
) -> Result<QueueUrlOutput, SqsError> {
    let name = input
        .queue_name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| SqsError::missing("QueueName"))?;
    must_be_a_name(&name, &input.attributes)?;
    let name = naming::own(&caller, &name);
    let now = sqs.clock.now();
    // The number is given when the queue is made.
    let mut settings = Settings::new(StreamId(0), &name, now);
    attributes::set(&mut settings, &input.attributes)?;
    tags::merge(&mut settings.tags, &input.tags)?;
    sqs.must_take_dead_letters(&name, &settings).await?;
    let not_since = match sqs.limits {
        Limits::Aws => now.minus(limits::RECREATION),
        Limits::None => Timestamp(i64::MAX),
    };
    if sqs.make(&name, settings.clone(), not_since).await? == Made::There {
        let there = sqs.find_named(&name).await?;
        let difference = attributes::difference(&there.settings, &settings, &input.attributes);
        if let Some(attribute) = difference {
            return Err(SqsError::QueueNameExists(format!(
                "A queue already exists with the same name and a different value for attribute {attribute}"
            )));
        }
    }
    Ok(QueueUrlOutput {
        queue_url: naming::url(&caller, &name),
    })
}

/// A FIFO queue says so in its name and by its attribute, or in neither.
fn must_be_a_name(name: &str, given: &Attributes) -> Result<(), SqsError> {
    let asks_for_fifo = given
        .get("FifoQueue")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_fifo = name.ends_with(super::records::FIFO_SUFFIX);
    if naming::is_name(name) && is_fifo == asks_for_fifo {
        return Ok(());
    }
    let text = if asks_for_fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix \
         and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    };
    Err(SqsError::InvalidParameterValue(text.into()))
}

/// GetQueueUrl.
pub(super) async fn get_queue_url(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: GetQueueUrlInput,
) -> Result<QueueUrlOutput, SqsError> {
    let name = input
        .queue_name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| SqsError::missing("QueueName"))?;
    let owner = input.queue_owner_aws_account_id;
    // Another account's queues are to be seen by those alone whom its policy lets, and nothing enforces policies yet.
    let is_foreign = owner.is_some_and(|owner| owner != caller.account.as_str());
    if is_foreign || !naming::is_name(&name) {
        return Err(SqsError::QueueDoesNotExist);
    }
    let queue = sqs.find_named(&naming::own(&caller, &name)).await?;
    Ok(QueueUrlOutput {
        queue_url: naming::url(&caller, &queue.name),
    })
}

/// ListQueues, by name. Without MaxResults a thousand at most, and no token.
pub(super) async fn list_queues(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ListQueuesInput,
) -> Result<ListQueuesOutput, SqsError> {
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let page = Page::of(
        &caller,
        &prefix,
        input.next_token.as_deref(),
        input.max_results,
    )?;
    let names = sqs.names(&caller, &prefix, &page).await?;
    let (names, next_token) = page.cut(names, |after| pages::token(&caller, &prefix, after));
    Ok(ListQueuesOutput {
        queue_urls: names
            .iter()
            .map(|name| naming::url(&caller, name))
            .collect(),
        next_token,
    })
}

/// DeleteQueue, with all its messages.
pub(super) async fn delete_queue(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: QueueInput,
) -> Result<(), SqsError> {
    let name = naming::of_url(&caller, input.queue_url.as_deref())?;
    sqs.remove(&name).await
}

impl Sqs {
    /// Names of the caller's queues that start so, in order: those of the page, and one more to tell whether it is the last.
    async fn names(
        &self,
        caller: &Caller,
        prefix: &str,
        page: &Page,
    ) -> Result<Vec<QueueName>, SqsError> {
        let folder = QueueName::folder(&caller.account, &caller.region).children();
        let start = [folder.as_bytes(), prefix.as_bytes()].concat();
        let scan = Scan {
            prefix: Key::from_bytes(start.into()),
            after: page
                .after
                .as_ref()
                .map(|name| naming::own(caller, name).key()),
            limit: page.size + 1,
        };
        let found = self.store.scan(scan).await?;
        Ok(found
            .iter()
            .filter_map(|(key, _)| QueueName::from_key(key))
            .collect())
    }
}
