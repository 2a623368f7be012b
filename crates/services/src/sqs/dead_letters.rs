//! Where dead letters may go, and whose a queue takes.

use std::sync::Arc;

use aws::Caller;
use store::Scan;

use super::api::queues::{ListDeadLetterSourceQueuesInput, ListDeadLetterSourceQueuesOutput};
use super::error::SqsError;
use super::pages::{self, Page};
use super::records::{QueueName, RedrivePermission, Settings};
use super::{Sqs, naming};

impl Sqs {
    /// Refuses a redrive policy whose queue is not there, is of another kind, is elsewhere or takes no dead letters of this one.
    pub(super) async fn must_take_dead_letters(
        &self,
        name: &QueueName,
        settings: &Settings,
    ) -> Result<(), SqsError> {
        let Some(policy) = &settings.redrive_policy else {
            return Ok(());
        };
        let refuse = |reason: &str| Err(SqsError::invalid(&policy.text, "RedrivePolicy", reason));
        let target = naming::of_arn(&policy.dead_letter_queue);
        let is_here =
            |target: &QueueName| target.account == name.account && target.region == name.region;
        let Some(target) = target.filter(is_here) else {
            return refuse("Dead-letter queue must be in same account and region as the source.");
        };
        let there = match self.find_named(&target).await {
            Err(SqsError::QueueDoesNotExist) => {
                return refuse("Dead letter target does not exist.");
            }
            found => found?,
        };
        if target.is_fifo() != name.is_fifo() {
            return refuse("Dead-letter queue must be same type of queue as the source.");
        }
        if !allows(&there.settings, name) {
            return refuse(
                "Dead-letter queue's redrive allow policy does not allow this source queue.",
            );
        }
        Ok(())
    }
}

/// Whether a queue of these settings takes dead letters of `source`.
fn allows(settings: &Settings, source: &QueueName) -> bool {
    let Some(policy) = &settings.redrive_allow_policy else {
        return true;
    };
    match &policy.permission {
        RedrivePermission::AllowAll => true,
        RedrivePermission::DenyAll => false,
        RedrivePermission::ByQueue(arns) => arns.contains(&source.arn().to_string()),
    }
}

/// ListDeadLetterSourceQueues, by name.
pub(super) async fn list_dead_letter_source_queues(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ListDeadLetterSourceQueuesInput,
) -> Result<ListDeadLetterSourceQueuesOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    let target = queue.name.arn().to_string();
    let page = Page::of(
        &caller,
        &target,
        input.next_token.as_deref(),
        input.max_results,
    )?;
    let sources = sqs.sources(&queue.name, page.after.as_deref()).await?;
    let (sources, next_token) = page.cut(sources, |after| pages::token(&caller, &target, after));
    Ok(ListDeadLetterSourceQueuesOutput {
        queue_urls: sources
            .iter()
            .map(|name| naming::url(&caller, name))
            .collect(),
        next_token,
    })
}

impl Sqs {
    /// The queues whose dead letters go to `target`, in order, after the one of the name `after`.
    pub(super) async fn sources(
        &self,
        target: &QueueName,
        after: Option<&str>,
    ) -> Result<Vec<QueueName>, SqsError> {
        let folder = QueueName::folder(&target.account, &target.region);
        let after = after.map(|name| QueueName {
            name: name.to_owned(),
            ..target.clone()
        });
        let scan = Scan {
            after: after.map(|name| name.key()),
            ..Scan::below(&folder)
        };
        let arn = target.arn().to_string();
        let mut sources = Vec::new();
        for (key, document) in self.store.scan(scan).await? {
            let settings: Settings = document.decode()?;
            let goes_there = |settings: &Settings| {
                let policy = settings.redrive_policy.as_ref();
                policy.is_some_and(|policy| policy.dead_letter_queue == arn)
            };
            sources.extend(QueueName::from_key(&key).filter(|_| goes_there(&settings)));
        }
        Ok(sources)
    }
}
