//! StartMessageMoveTask, CancelMessageMoveTask and ListMessageMoveTasks: messages of a dead-letter queue go back to the queues they
//! come from, or to another.
//!
//! A task moves what was in the queue when it began and can be received; each move is one transaction with the task's own document, so
//! that what it says it moved, it moved, and a task goes on after a restart where it was. Moved messages are new ones, with another
//! id and another time of sending, as AWS has it; bodies, attributes, groups and order stay.

mod record;
mod run;

use std::sync::Arc;

use aws::Caller;
use model::AccountId;
use store::{Document, StoreError};

pub(super) use self::record::key;
use self::record::{Moves, Status, Task};
use super::api::messages::{
    CancelMessageMoveTaskInput, CancelMessageMoveTaskOutput, ListMessageMoveTasksInput,
    ListMessageMoveTasksOutput, ListMessageMoveTasksResult, StartMessageMoveTaskInput,
    StartMessageMoveTaskOutput,
};
use super::error::SqsError;
use super::message::MessageId;
use super::queues::Queue;
use super::records::QueueName;
use super::{Sqs, naming};

/// Messages of one task in a second.
const RATE: std::ops::RangeInclusive<i64> = 1..=500;
/// Tasks of one answer.
const RESULTS: std::ops::RangeInclusive<i64> = 1..=10;
/// Attempts at a change that a running task gets in the way of.
const ATTEMPTS: usize = 16;

/// StartMessageMoveTask.
pub(super) async fn start_message_move_task(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: StartMessageMoveTaskInput,
) -> Result<StartMessageMoveTaskOutput, SqsError> {
    let source = named(&caller, input.source_arn.as_deref(), "SourceArn")?;
    let queue = sqs.find_by_arn(&source, "SourceArn").await?;
    if sqs.sources(&source, None).await?.is_empty() {
        return refuse("Source queue must be configured as a Dead Letter Queue.");
    }
    if let Some(arn) = input.destination_arn.as_deref() {
        let destination = named(&caller, Some(arn), "DestinationArn")?;
        if destination == source {
            return refuse("Source queue arn and destination queue arn cannot be the same.");
        }
        sqs.find_by_arn(&destination, "DestinationArn").await?;
        if destination.is_fifo() != source.is_fifo() {
            return refuse(
                "The source queue and destination queue must be of the same queue type.",
            );
        }
    }
    let rate = input.max_number_of_messages_per_second;
    if rate.is_some_and(|rate| !RATE.contains(&rate)) {
        return refuse(
            "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a number that's between 1 and \
             500.",
        );
    }
    let counts = queue.delivery().await?.counts().await?;
    let task = Task {
        id: MessageId::random(&sqs.rng).to_string(),
        destination: input.destination_arn,
        rate: rate.and_then(|rate| u32::try_from(rate).ok()),
        status: Status::Running,
        started: sqs.clock.now(),
        until: sqs.store.bounds(queue.messages()).await?.end,
        to_move: counts.visible,
        moved: 0,
        failure: None,
    };
    let task_handle = record::handle(&source.arn().to_string(), &task.id);
    sqs.begin(&queue, task).await?;
    Ok(StartMessageMoveTaskOutput { task_handle })
}

/// CancelMessageMoveTask: what is moved already stays there.
pub(super) async fn cancel_message_move_task(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: CancelMessageMoveTaskInput,
) -> Result<CancelMessageMoveTaskOutput, SqsError> {
    let handle = input
        .task_handle
        .filter(|handle| !handle.is_empty())
        .ok_or_else(|| SqsError::missing("TaskHandle"))?;
    let Some((arn, id)) = record::read_handle(&handle) else {
        return refuse("Value for parameter TaskHandle is invalid.");
    };
    let source = named(&caller, Some(&arn), "SourceArn")?;
    let queue = sqs.find_by_arn(&source, "SourceArn").await?;
    for _ in 0..ATTEMPTS {
        let (mut moves, document) = sqs.moves(&queue).await?;
        let Some(task) = moves.task(&id) else {
            return Err(SqsError::ResourceNotFound("Task does not exist.".into()));
        };
        if task.status != Status::Running {
            return refuse("Only active tasks can be cancelled.");
        }
        task.status = Status::Cancelling;
        let moved = task.moved;
        let txn = moves.into_txn(&source, document.as_ref());
        match sqs.store.commit(txn).await {
            Ok(_) => {
                return Ok(CancelMessageMoveTaskOutput {
                    approximate_number_of_messages_moved: count(moved),
                });
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(SqsError::Unavailable)
}

/// ListMessageMoveTasks: the newest, first.
pub(super) async fn list_message_move_tasks(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: ListMessageMoveTasksInput,
) -> Result<ListMessageMoveTasksOutput, SqsError> {
    let source = named(&caller, input.source_arn.as_deref(), "SourceArn")?;
    let queue = sqs.find_by_arn(&source, "SourceArn").await?;
    let results = input.max_results.unwrap_or(*RESULTS.start());
    if !RESULTS.contains(&results) {
        return refuse(
            "Value for parameter MaxResults is invalid. Reason: You must enter a number that's between 1 and 10.",
        );
    }
    let (moves, _) = sqs.moves(&queue).await?;
    let arn = source.arn().to_string();
    let tasks = moves.tasks.into_iter();
    let newest = tasks.take(usize::try_from(results).unwrap_or(1));
    Ok(ListMessageMoveTasksOutput {
        results: newest.map(|task| told(task, &arn)).collect(),
    })
}

fn told(task: Task, source_arn: &str) -> ListMessageMoveTasksResult {
    let is_running = task.status == Status::Running;
    ListMessageMoveTasksResult {
        task_handle: is_running.then(|| record::handle(source_arn, &task.id)),
        status: task.status.text(),
        source_arn: source_arn.to_owned(),
        destination_arn: task.destination,
        max_number_of_messages_per_second: task.rate,
        approximate_number_of_messages_moved: count(task.moved),
        approximate_number_of_messages_to_move: Some(count(task.to_move)),
        failure_reason: task.failure,
        started_timestamp: task.started.0,
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn refuse<T>(text: &str) -> Result<T, SqsError> {
    Err(SqsError::InvalidParameterValue(text.into()))
}

/// The queue of an ARN: the caller's own, since nothing enforces policies yet.
fn named(caller: &Caller, arn: Option<&str>, parameter: &str) -> Result<QueueName, SqsError> {
    let arn = arn.ok_or_else(|| SqsError::missing(parameter))?;
    let Some(name) = naming::of_arn(arn) else {
        return refuse(&format!(
            "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        ));
    };
    let is_own = |account: &AccountId| *account == caller.account && name.region == caller.region;
    if is_own(&name.account) {
        Ok(name)
    } else {
        Err(not_there(parameter))
    }
}

fn not_there(parameter: &str) -> SqsError {
    SqsError::ResourceNotFound(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}

impl Sqs {
    async fn find_by_arn(&self, name: &QueueName, parameter: &str) -> Result<Arc<Queue>, SqsError> {
        match self.find_named(name).await {
            Err(SqsError::QueueDoesNotExist) => Err(not_there(parameter)),
            found => found,
        }
    }

    /// The tasks of a queue, and the document they are in.
    async fn moves(&self, queue: &Queue) -> Result<(Moves, Option<Document>), SqsError> {
        let document = self.store.get(&key(&queue.name)).await?;
        let moves = document.as_ref().map(Document::decode).transpose()?;
        // Those of a queue of this name that was deleted are none of this one's.
        let moves = moves.filter(|moves: &Moves| moves.queue == queue.settings.id);
        Ok((
            moves.unwrap_or_else(|| Moves::new(queue.settings.id)),
            document,
        ))
    }

    async fn begin(self: &Arc<Self>, queue: &Queue, task: Task) -> Result<(), SqsError> {
        let id = task.id.clone();
        let (mut moves, document) = self.moves(queue).await?;
        let is_active = |task: &Task| matches!(task.status, Status::Running | Status::Cancelling);
        let running = SqsError::InvalidParameterValue(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.".into(),
        );
        if moves.tasks.iter().any(is_active) {
            return Err(running);
        }
        moves.add(task);
        let txn = moves.into_txn(&queue.name, document.as_ref());
        match self.store.commit(txn).await {
            Ok(_) => {}
            // Another was begun in this very moment.
            Err(StoreError::Conflict { .. }) => return Err(running),
            Err(error) => return Err(error.into()),
        }
        tokio::spawn(run::run(Arc::clone(self), queue.name.clone(), id));
        Ok(())
    }
}
