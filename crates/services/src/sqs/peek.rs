//! PeekMessages, which AWS has not: the oldest messages as they lie, none of them received by it. For people: the `peek` verb.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;
use model::Offset;
use serde::{Deserialize, Serialize};
use streams::delivery::Lies;

use super::Sqs;
use super::api::messages::{MessageAttributeValue, ReceiveMessageInput};
use super::error::SqsError;
use super::receive::asked::Asked;
use super::receive::received;

/// Messages of one answer.
const MESSAGES_MAX: i64 = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PeekMessagesInput {
    queue_url: Option<String>,
    /// 1 to 100; 10 where it is left out.
    max_number_of_messages: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PeekMessagesOutput {
    messages: Vec<Peeked>,
}

/// A message without a receipt handle: nobody received it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Peeked {
    message_id: String,
    body: String,
    attributes: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, MessageAttributeValue>,
    /// `Visible`, `InFlight` or `Delayed`.
    state: &'static str,
}

/// PeekMessages.
pub(super) async fn peek_messages(
    sqs: Arc<Sqs>,
    caller: Caller,
    input: PeekMessagesInput,
) -> Result<PeekMessagesOutput, SqsError> {
    let queue = sqs.find(&caller, input.queue_url.as_deref()).await?;
    let max = input.max_number_of_messages.unwrap_or(10);
    let count = usize::try_from(max).ok();
    let count = count.filter(|_| (1..=MESSAGES_MAX).contains(&max));
    let count = count.ok_or_else(|| {
        SqsError::invalid(
            &max.to_string(),
            "MaxNumberOfMessages",
            "Must be between 1 and 100, if provided.",
        )
    })?;
    let asked = Asked::of(&ReceiveMessageInput {
        message_system_attribute_names: Some(vec!["All".to_owned()]),
        message_attribute_names: Some(vec!["All".to_owned()]),
        ..ReceiveMessageInput::default()
    })?;
    let delivery = queue.delivery().await?;
    let found = delivery.browse(Offset::ZERO, count).await?;
    let messages = found.iter().map(|(delivered, lies)| {
        let message = received(&queue, delivered, &asked)?;
        let mut attributes = message.attributes;
        if delivered.receipt.receives == 0 {
            attributes.remove("ApproximateFirstReceiveTimestamp");
        }
        Ok(Peeked {
            message_id: message.message_id,
            body: message.body,
            attributes,
            message_attributes: message.message_attributes,
            state: match lies {
                Lies::Visible => "Visible",
                Lies::Delayed { .. } => "Delayed",
                Lies::InFlight { .. } => "InFlight",
            },
        })
    });
    Ok(PeekMessagesOutput {
        messages: messages.collect::<Result<_, SqsError>>()?,
    })
}
