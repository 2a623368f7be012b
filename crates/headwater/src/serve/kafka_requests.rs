//! Kafka's requests over AWS's wire: what the verbs `topic` and `group` ask, signed as all that verbs ask is. One operation
//! carries a request as it would stand on a Kafka connection, and its answer.
//!
//! Topics are of one account, so that keys of other accounts are refused. ACLs know a key as those know it who log in by
//! AWS_MSK_IAM: `User:arn:aws:iam::000000000000:user/KEY`. With authentication off nobody is known.

use std::collections::HashMap;
use std::sync::Arc;

use aws::error::ServiceError;
use aws::service::Operations;
use aws::{Blob, Caller};
use kafka::{Broker, Principal, Unanswered};
use model::AccountId;
use serde::{Deserialize, Serialize};

use super::kafka::arns;
use crate::config::{Auth, Config};

/// What answers them.
#[derive(Debug)]
pub(super) struct KafkaRequests {
    broker: Arc<Broker>,
    /// Who has each access key; nothing with authentication off, where keys prove nothing.
    arns: HashMap<String, String>,
}

impl KafkaRequests {
    pub(super) fn of(config: &Config, broker: Arc<Broker>) -> Arc<KafkaRequests> {
        let arns = match config.auth.value {
            Auth::On => arns(&config.keys.value),
            Auth::Off => HashMap::new(),
        };
        Arc::new(KafkaRequests { broker, arns })
    }

    fn principal(&self, caller: &Caller) -> Principal {
        let key = caller.access_key.as_ref();
        let arn = key.and_then(|key| self.arns.get(key));
        arn.map_or_else(Principal::anonymous, Principal::user)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestInput {
    /// Header and body, without the length before them.
    request: Blob,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RequestOutput {
    /// Likewise; empty where no answer was wanted.
    answer: Blob,
}

/// What is answered.
pub(super) fn operations() -> Operations<KafkaRequests> {
    Operations::new("kafka", "HeadwaterKafka")
        .on("Request", &[], request)
        // As with a connection that ends, nobody waits any more.
        .abandonable()
}

async fn request(
    requests: Arc<KafkaRequests>,
    caller: Caller,
    input: RequestInput,
) -> Result<RequestOutput, ServiceError> {
    if caller.account != AccountId::unnamed() {
        let message = "Topics and groups are of account 000000000000, which this key is not of";
        return Err(ServiceError::sender("AccessDeniedException", message));
    }
    let principal = requests.principal(&caller);
    let answer = requests
        .broker
        .ask(principal, caller.peer, input.request.0)
        .await;
    match answer {
        Ok(answer) => Ok(RequestOutput {
            answer: answer.into(),
        }),
        Err(why @ Unanswered::Unsupported { .. }) => {
            let message = why.to_string();
            Err(ServiceError::sender("UnsupportedVersion", message))
        }
        Err(why @ Unanswered::Malformed(_)) => Err(ServiceError::serialization(why.to_string())),
        Err(Unanswered::None) => Err(ServiceError::internal()),
    }
}
