//! What is kept of the move tasks of a queue: one document for each dead-letter queue, under `sqs-moves, account, region, name`, with its
//! newest tasks. A handle is what AWS's is: base64 of JSON with the task's id and the queue's ARN.

use aws::shapes::{decode_base64, encode_base64};
use model::{Offset, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Check, Document, Expect, Key, Txn, Write};

use crate::sqs::records::QueueName;

/// Tasks remembered of a queue: as many as are ever listed.
const TASKS_MAX: usize = 10;

/// The move tasks of a queue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Moves {
    /// Which queue of that name.
    pub queue: StreamId,
    /// The newest first. The first alone may be active.
    pub tasks: Vec<Task>,
}

/// A move task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// A UUID.
    pub id: String,
    /// The ARN of the queue that takes the messages; without it, they go where they come from.
    pub destination: Option<String>,
    /// Messages a second, at most.
    pub rate: Option<u32>,
    pub status: Status,
    pub started: Timestamp,
    /// Messages from here on came after it began, and stay.
    pub until: Offset,
    /// Messages there were when it began.
    pub to_move: u64,
    /// Messages moved.
    pub moved: u64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// How a task goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Status {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl Status {
    /// As AWS spells it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Status::Running => "RUNNING",
            Status::Completed => "COMPLETED",
            Status::Cancelling => "CANCELLING",
            Status::Cancelled => "CANCELLED",
            Status::Failed => "FAILED",
        }
    }
}

/// Where the tasks of a queue are kept.
pub(in crate::sqs) fn key(name: &QueueName) -> Key {
    let (account, region) = (name.account.as_str(), name.region.as_str());
    Key::of(&[FOLDER, account, region, &name.name])
}

const FOLDER: &str = "sqs-moves";

/// The path above all of them.
pub(super) fn folder() -> Key {
    Key::of(&[FOLDER])
}

impl Moves {
    pub(super) fn new(queue: StreamId) -> Moves {
        Moves {
            queue,
            tasks: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, task: Task) {
        self.tasks.insert(0, task);
        self.tasks.truncate(TASKS_MAX);
    }

    pub(super) fn task(&mut self, id: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }

    /// A transaction that puts this in the place of `document`, if that is still what is there.
    pub(super) fn into_txn(self, name: &QueueName, document: Option<&Document>) -> Txn {
        let key = key(name);
        Txn {
            checks: vec![Check {
                key: key.clone(),
                expect: document.map_or(Expect::Absent, |document| Expect::At(document.version)),
            }],
            writes: vec![Write::Put {
                key,
                value: encode(&self),
            }],
            ..Txn::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    task_id: String,
    source_arn: String,
}

/// The handle of a task.
pub(super) fn handle(source_arn: &str, task: &str) -> String {
    let handle = Handle {
        task_id: task.to_owned(),
        source_arn: source_arn.to_owned(),
    };
    encode_base64(&encode(&handle))
}

/// The queue's ARN and the task's id; `None` for what is no handle.
pub(super) fn read_handle(text: &str) -> Option<(String, String)> {
    let bytes = decode_base64(text).ok()?;
    let handle: Handle = serde_json::from_slice(&bytes).ok()?;
    Some((handle.source_arn, handle.task_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: usize) -> Task {
        Task {
            id: id.to_string(),
            destination: None,
            rate: Some(5),
            status: Status::Cancelling,
            started: Timestamp(1),
            until: Offset(2),
            to_move: 3,
            moved: 4,
            failure: None,
        }
    }

    #[test]
    fn the_newest_ten_are_kept() {
        let mut moves = Moves::new(StreamId(1));
        for id in 0..12 {
            moves.add(task(id));
        }
        let ids: Vec<&str> = moves.tasks.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(ids, ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
    }

    /// What is at rest stays readable.
    #[test]
    fn tasks_lie_as_they_always_did() {
        let mut moves = Moves::new(StreamId(1));
        moves.add(task(7));
        let golden = r#"{"queue":1,"tasks":[{"id":"7","destination":null,"rate":5,"status":"Cancelling","started":1,"until":2,"to_move":3,"moved":4,"failure":null}]}"#;
        assert_eq!(encode(&moves), golden);
        assert_eq!(serde_json::from_str::<Moves>(golden).unwrap(), moves);
    }

    #[test]
    fn a_handle_is_what_aws_s_is() {
        let text = handle("arn:aws:sqs:us-east-1:123456789012:q", "1d3f");
        let plain = decode_base64(&text).unwrap();
        assert_eq!(
            plain,
            r#"{"taskId":"1d3f","sourceArn":"arn:aws:sqs:us-east-1:123456789012:q"}"#
        );
        let expected = ("arn:aws:sqs:us-east-1:123456789012:q".into(), "1d3f".into());
        assert_eq!(read_handle(&text), Some(expected));
        for bad in ["", "x", "e30=", "bm9uZQ=="] {
            assert_eq!(read_handle(bad), None, "{bad}");
        }
    }
}
