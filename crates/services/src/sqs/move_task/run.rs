//! A move task at work, step by step: some messages are held back from everybody, and moved in one transaction with the task's
//! document. A task that was cancelled meanwhile makes that transaction conflict; the messages are then back where they were, as they
//! were. Nobody deletes one meanwhile: it would be moved all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::BatchBuilder;
use store::{Append, Scan, StoreError};
use streams::delivery::HeldBack;

use super::record::{self, Moves, Status, Task};
use crate::sqs::error::SqsError;
use crate::sqs::message::{Message, MessageId};
use crate::sqs::queues::Queue;
use crate::sqs::records::QueueName;
use crate::sqs::{Sqs, naming};

/// Messages moved at once: of the largest, a batch holds twenty.
const MESSAGES_MAX: u32 = 20;
/// Steps in a second of a task that may not move much: so soon is it known to be cancelled.
const STEPS_PER_SECOND: u32 = 2;
/// When to look again: after an error, and for messages that are in flight.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a task that finds nothing looks again for what is in flight.
const LOOKS_MAX: u32 = 35;

/// Why tasks fail, in AWS's words.
const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

/// What a step came to.
enum Step {
    /// It is over.
    Done,
    /// The next may follow after a pause.
    Moved(Duration),
    /// There was nothing to move, but something is in flight.
    Waits,
}

/// Why messages were not moved.
enum NotMoved {
    /// The task's document is not what it was.
    Changed,
    /// The task fails for this reason.
    Fails(&'static str),
    Error(SqsError),
}

impl From<SqsError> for NotMoved {
    fn from(error: SqsError) -> Self {
        NotMoved::Error(error)
    }
}

impl Sqs {
    /// Goes on with the move tasks that were running when the server ended. To be called once, at its start.
    pub async fn resume_moves(self: &Arc<Self>) {
        while let Err(error) = self.try_resume_moves().await {
            tracing::warn!(%error, "move tasks do not go on yet; trying again");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn try_resume_moves(self: &Arc<Self>) -> Result<(), SqsError> {
        let found = self.store.scan(Scan::below(&record::folder())).await?;
        let mut active = Vec::new();
        for (key, document) in found {
            let moves: Moves = match document.decode() {
                Ok(moves) => moves,
                Err(error) => {
                    tracing::error!(%error, %key, "move tasks that can't be read do not go on");
                    continue;
                }
            };
            let is_active =
                |task: &&Task| matches!(task.status, Status::Running | Status::Cancelling);
            let task = moves.tasks.iter().find(is_active);
            active.extend(QueueName::from_key(&key).zip(task.map(|task| task.id.clone())));
        }
        for (name, id) in active {
            tokio::spawn(run(Arc::clone(self), name, id));
        }
        Ok(())
    }
}

/// Runs a task until it is over.
pub(super) async fn run(sqs: Arc<Sqs>, source: QueueName, id: String) {
    let mut looks = 0;
    loop {
        let pause = match step(&sqs, &source, &id, looks).await {
            Ok(Step::Done) | Err(SqsError::QueueDoesNotExist) => return,
            Ok(Step::Moved(pause)) => {
                looks = 0;
                pause
            }
            Ok(Step::Waits) => {
                looks += 1;
                AGAIN
            }
            Err(error) => {
                tracing::warn!(%error, queue = source.name, "a move task is held up; trying again");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn step(sqs: &Sqs, source: &QueueName, id: &str, looks: u32) -> Result<Step, SqsError> {
    let queue = sqs.find_named(source).await?;
    let (mut moves, document) = sqs.moves(&queue).await?;
    let Some(task) = moves.task(id).cloned() else {
        return Ok(Step::Done);
    };
    match task.status {
        Status::Running => {}
        Status::Cancelling => return end(sqs, source, id, Status::Cancelled, None).await,
        Status::Completed | Status::Cancelled | Status::Failed => return Ok(Step::Done),
    }
    let delivery = queue.delivery().await?;
    let size = task.step_size() as usize;
    let _turn = queue.moving().mover().await;
    let letters = delivery.hold_back(size, task.until).await?;
    let count = letters.messages().len();
    if count == 0 {
        let is_in_flight = delivery.counts().await?.in_flight > 0;
        if is_in_flight && looks < LOOKS_MAX {
            return Ok(Step::Waits);
        }
        return end(sqs, source, id, Status::Completed, None).await;
    }
    if let Some(task) = moves.task(id) {
        task.moved += count as u64;
    }
    let txn = moves.into_txn(source, document.as_ref());
    match move_letters(sqs, &queue, &task, letters, txn).await {
        Ok(()) => Ok(Step::Moved(task.pause_after(count))),
        Err(NotMoved::Changed) => Ok(Step::Moved(Duration::ZERO)),
        Err(NotMoved::Fails(why)) => end(sqs, source, id, Status::Failed, Some(why)).await,
        Err(NotMoved::Error(error)) => Err(error),
    }
}

impl Task {
    /// Messages to take at once.
    fn step_size(&self) -> u32 {
        let rate = self.rate.unwrap_or(u32::MAX);
        (rate / STEPS_PER_SECOND).clamp(1, MESSAGES_MAX)
    }

    /// How long after moving `count` messages no more may be.
    fn pause_after(&self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs(1) * count / rate.max(1)
        })
    }
}

/// Moves messages, in their order, by `txn`.
async fn move_letters(
    sqs: &Sqs,
    queue: &Queue,
    task: &Task,
    letters: HeldBack<'_>,
    mut txn: store::Txn,
) -> Result<(), NotMoved> {
    let mut targets: BTreeMap<String, (Arc<Queue>, BatchBuilder)> = BTreeMap::new();
    for letter in letters.messages() {
        let record = letter.record().ok_or(SqsError::InternalFailure)?;
        let mut message = Message::read(&record).map_err(SqsError::from)?;
        let origin = message.origin.take().map(|origin| origin.source_arn);
        let Some(arn) = task.destination.as_deref().or(origin) else {
            return Err(NotMoved::Fails(NO_SOURCE));
        };
        if !targets.contains_key(arn) {
            let target = find_target(sqs, arn).await?;
            let builder = BatchBuilder::with_capacity(letter.batch.batch.bytes().len());
            targets.insert(arn.to_owned(), (target, builder));
        }
        let Some((target, builder)) = targets.get_mut(arn) else {
            continue;
        };
        message.id = MessageId::random(&sqs.rng);
        message.sent = sqs.clock.now();
        message.delay = match target.settings.fifo {
            Some(_) => Duration::ZERO,
            None => Duration::from_secs(target.settings.delay_seconds.into()),
        };
        message.push_to(builder);
    }
    let mut logs = Vec::with_capacity(targets.len());
    for (target, builder) in targets.into_values() {
        logs.push(target.messages());
        txn.appends
            .push(Append::to(target.messages(), target.seal(builder.finish())));
    }
    let offsets = letters.offsets();
    match letters.move_to(txn).await {
        Ok(_) => {
            queue.moving().remember(&offsets);
            Ok(())
        }
        Err(StoreError::Conflict { .. }) => Err(NotMoved::Changed),
        // Deleted in this very moment.
        Err(StoreError::NoSuchLog { log }) if logs.contains(&log) => Err(NotMoved::Fails(NO_QUEUE)),
        Err(error) => Err(NotMoved::Error(error.into())),
    }
}

async fn find_target(sqs: &Sqs, arn: &str) -> Result<Arc<Queue>, NotMoved> {
    let Some(name) = naming::of_arn(arn) else {
        return Err(NotMoved::Fails(NO_SOURCE));
    };
    match sqs.find_named(&name).await {
        Ok(target) => Ok(target),
        Err(SqsError::QueueDoesNotExist) => Err(NotMoved::Fails(NO_QUEUE)),
        Err(error) => Err(NotMoved::Error(error)),
    }
}

/// Writes down how a task ended. One that is cancelled in this very moment ends so, whatever it came to.
async fn end(
    sqs: &Sqs,
    source: &QueueName,
    id: &str,
    status: Status,
    failure: Option<&str>,
) -> Result<Step, SqsError> {
    let queue = sqs.find_named(source).await?;
    let (mut moves, document) = sqs.moves(&queue).await?;
    let Some(task) = moves.task(id) else {
        return Ok(Step::Done);
    };
    task.status = match task.status {
        Status::Cancelling => Status::Cancelled,
        _ => status,
    };
    task.failure = failure.map(str::to_owned);
    let txn = moves.into_txn(source, document.as_ref());
    match sqs.store.commit(txn).await {
        Ok(_) => Ok(Step::Done),
        Err(StoreError::Conflict { .. }) => Ok(Step::Moved(Duration::ZERO)),
        Err(error) => Err(error.into()),
    }
}
