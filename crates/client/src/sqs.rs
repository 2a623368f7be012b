//! SQS, as far as the verbs need it: shapes named as AWS names them, and one method for each thing people do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::{Client, Json, Target};
use crate::error::ClientError;

const TARGET: Target = Target {
    signing_name: "sqs",
    prefix: "AmazonSQS",
    json: Json::V1_0,
};
/// What Headwater answers beside AWS's own operations.
const BEYOND: Target = Target {
    prefix: "HeadwaterQueues",
    ..TARGET
};

/// Longest a receive waits at the server, in seconds.
pub const WAIT_MAX: u32 = 20;
/// Most messages one call sends, receives or deletes.
pub const BATCH_MAX: usize = 10;

/// Attributes by name, as SQS has them: all are text.
pub type Attributes = BTreeMap<String, String>;

/// A message to send.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// Tells the entries of a batch apart.
    pub id: String,
    /// What is said.
    pub message_body: String,
    /// Seconds until it can be received; without it, as the queue has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
    /// Its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_group_id: Option<String>,
    /// By which a repeat is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_deduplication_id: Option<String>,
    /// What goes with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub message_attributes: BTreeMap<String, MessageAttribute>,
}

/// A value that goes with a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, and a label of one's own.
    pub data_type: String,
    /// The value, where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

/// A message that was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Sent {
    /// The entry's id.
    pub id: String,
    /// The message's id.
    pub message_id: String,
    /// Its place, on a FIFO queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
}

/// A message received.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// Its id.
    pub message_id: String,
    /// To delete it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_handle: Option<String>,
    /// What is said.
    pub body: String,
    /// What SQS knows of it.
    #[serde(default)]
    pub attributes: Attributes,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// `Visible`, `InFlight` or `Delayed`: by [`Sqs::peek`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A move of messages from one queue to others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MoveTask {
    /// `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`.
    pub status: String,
    /// Messages moved so far.
    #[serde(default)]
    pub approximate_number_of_messages_moved: u64,
    /// Messages there were.
    #[serde(default)]
    pub approximate_number_of_messages_to_move: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

/// A batch's entry that was refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    code: String,
    #[serde(default)]
    message: String,
}

/// What a batch answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    #[serde(default = "Vec::new")]
    successful: Vec<T>,
    #[serde(default)]
    failed: Vec<Failed>,
}

impl<T> Batch<T> {
    /// What was done, unless something was not.
    fn whole(self, operation: &'static str) -> Result<Vec<T>, ClientError> {
        match self.failed.into_iter().next() {
            None => Ok(self.successful),
            Some(failed) => Err(ClientError::Refused {
                operation,
                code: failed.code,
                message: failed.message,
                status: 400,
            }),
        }
    }
}

/// SQS at one endpoint.
#[derive(Debug)]
pub struct Sqs(Client);

impl Sqs {
    /// SQS as `client` reaches it.
    #[must_use]
    pub fn new(client: Client) -> Sqs {
        Sqs(client)
    }

    async fn call<I: Serialize, O: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &I,
    ) -> Result<O, ClientError> {
        self.0.call(TARGET, operation, input).await
    }

    /// Makes a queue; gives its URL.
    ///
    /// # Errors
    /// The server's.
    pub async fn create(&self, name: &str, attributes: &Attributes) -> Result<String, ClientError> {
        let input = serde_json::json!({ "QueueName": name, "Attributes": attributes });
        let made: Url = self.call("CreateQueue", &input).await?;
        Ok(made.queue_url)
    }

    /// The URL of a queue.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, and the server's.
    pub async fn url(&self, name: &str) -> Result<String, ClientError> {
        let input = serde_json::json!({ "QueueName": name });
        let found: Url = self.call("GetQueueUrl", &input).await?;
        Ok(found.queue_url)
    }

    /// URLs of all queues whose names begin with `prefix`.
    ///
    /// # Errors
    /// The server's.
    pub async fn list(&self, prefix: Option<&str>) -> Result<Vec<String>, ClientError> {
        let (mut urls, mut token) = (Vec::new(), None);
        loop {
            let input = serde_json::json!({
                "QueueNamePrefix": prefix,
                "MaxResults": 1000,
                "NextToken": token,
            });
            let page: Page = self.call("ListQueues", &input).await?;
            urls.extend(page.queue_urls);
            token = page.next_token;
            if token.is_none() {
                return Ok(urls);
            }
        }
    }

    /// All attributes of a queue.
    ///
    /// # Errors
    /// The server's.
    pub async fn attributes(&self, url: &str) -> Result<Attributes, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            attributes: Attributes,
        }
        let input = serde_json::json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let found: Output = self.call("GetQueueAttributes", &input).await?;
        Ok(found.attributes)
    }

    /// Sends up to [`BATCH_MAX`] messages.
    ///
    /// # Errors
    /// The server's; of the first message that was refused, the others are sent.
    pub async fn send(&self, url: &str, entries: &[Entry]) -> Result<Vec<Sent>, ClientError> {
        let input = serde_json::json!({ "QueueUrl": url, "Entries": entries });
        let answer: Batch<Sent> = self.call("SendMessageBatch", &input).await?;
        answer.whole("SendMessageBatch")
    }

    /// Receives up to [`BATCH_MAX`] messages, waiting up to `wait` seconds for the first.
    ///
    /// # Errors
    /// The server's.
    pub async fn receive(
        &self,
        url: &str,
        max: usize,
        wait: u32,
        visibility: Option<u32>,
    ) -> Result<Vec<Message>, ClientError> {
        let mut input = serde_json::json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": max,
            "WaitTimeSeconds": wait,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        if let Some(visibility) = visibility {
            input["VisibilityTimeout"] = visibility.into();
        }
        let found: Messages = self.call("ReceiveMessage", &input).await?;
        Ok(found.messages)
    }

    /// Deletes up to [`BATCH_MAX`] messages.
    ///
    /// # Errors
    /// The server's; of the first message that was refused, the others are deleted.
    pub async fn delete(&self, url: &str, messages: &[Message]) -> Result<(), ClientError> {
        let entries = messages.iter().enumerate().map(|(index, message)| {
            serde_json::json!({ "Id": index.to_string(), "ReceiptHandle": message.receipt_handle })
        });
        let entries: Vec<_> = entries.collect();
        let input = serde_json::json!({ "QueueUrl": url, "Entries": entries });
        let answer: Batch<serde_json::Value> = self.call("DeleteMessageBatch", &input).await?;
        answer.whole("DeleteMessageBatch").map(drop)
    }

    /// Looks at the oldest messages without receiving them. Headwater's own: AWS has no such operation.
    ///
    /// # Errors
    /// The server's.
    pub async fn peek(&self, url: &str, max: usize) -> Result<Vec<Message>, ClientError> {
        let input = serde_json::json!({ "QueueUrl": url, "MaxNumberOfMessages": max });
        let found: Messages = self.0.call(BEYOND, "PeekMessages", &input).await?;
        Ok(found.messages)
    }

    /// Drops all messages.
    ///
    /// # Errors
    /// The server's.
    pub async fn purge(&self, url: &str) -> Result<(), ClientError> {
        let input = serde_json::json!({ "QueueUrl": url });
        self.call::<_, serde_json::Value>("PurgeQueue", &input)
            .await
            .map(drop)
    }

    /// Deletes a queue.
    ///
    /// # Errors
    /// The server's.
    pub async fn delete_queue(&self, url: &str) -> Result<(), ClientError> {
        let input = serde_json::json!({ "QueueUrl": url });
        self.call::<_, serde_json::Value>("DeleteQueue", &input)
            .await
            .map(drop)
    }

    /// Starts moving the messages of the queue with ARN `source`: to where they came from, or to `destination`.
    ///
    /// # Errors
    /// The server's.
    pub async fn start_move(
        &self,
        source: &str,
        destination: Option<&str>,
        per_second: Option<u32>,
    ) -> Result<(), ClientError> {
        let mut input = serde_json::json!({ "SourceArn": source });
        if let Some(destination) = destination {
            input["DestinationArn"] = destination.into();
        }
        if let Some(per_second) = per_second {
            input["MaxNumberOfMessagesPerSecond"] = per_second.into();
        }
        self.call::<_, serde_json::Value>("StartMessageMoveTask", &input)
            .await
            .map(drop)
    }

    /// The newest move of messages from the queue with ARN `source`.
    ///
    /// # Errors
    /// The server's.
    pub async fn newest_move(&self, source: &str) -> Result<Option<MoveTask>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            results: Vec<MoveTask>,
        }
        let input = serde_json::json!({ "SourceArn": source, "MaxResults": 1 });
        let found: Output = self.call("ListMessageMoveTasks", &input).await?;
        Ok(found.results.into_iter().next())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Url {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    queue_urls: Vec<String>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Messages {
    #[serde(default)]
    messages: Vec<Message>,
}
