//! A queue's attributes: read from what clients give, refused in AWS's words, and told. Pure.

mod dead_letters;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::error::SqsError;
use super::records::{DeduplicationScope, Encryption, Fifo, Settings, ThroughputLimit};
use super::{limits, permissions};

/// Attributes by name, as they go over the wire.
pub(super) type Attributes = BTreeMap<String, String>;

const KMS_AND_SQS: &str = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or \
                           SQS SSE.";

/// Those that CreateQueue and SetQueueAttributes take, and GetQueueAttributes tells where there is something to tell.
const KEPT: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// Those that are told only.
const TOLD: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Whether queues have an attribute of this name.
pub(super) fn is_known(name: &str) -> bool {
    KEPT.contains(&name) || TOLD.contains(&name)
}

/// What a client asks GetQueueAttributes for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked(Option<Vec<String>>);

impl Asked {
    /// # Errors
    /// [`SqsError::InvalidAttributeName`] for one that no queue has.
    pub(super) fn of(names: Vec<String>) -> Result<Asked, SqsError> {
        let is_asked_well = |name: &&String| *name == "All" || is_known(name);
        if let Some(unknown) = names.iter().find(|name| !is_asked_well(name)) {
            return Err(SqsError::unknown_attribute(unknown));
        }
        let all = names.iter().any(|name| name == "All");
        Ok(Asked((!all).then_some(names)))
    }

    /// Whether this one is asked for.
    pub(super) fn has(&self, name: &str) -> bool {
        let names = self.0.as_ref();
        names.is_none_or(|names| names.iter().any(|asked| asked == name))
    }

    /// Whether any of these is.
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }
}

/// Sets what is given.
///
/// # Errors
/// [`SqsError::InvalidAttributeName`], [`SqsError::InvalidAttributeValue`], [`SqsError::InvalidParameterValue`] in AWS's words.
pub(super) fn set(settings: &mut Settings, given: &Attributes) -> Result<(), SqsError> {
    for (attribute, value) in given {
        set_one(settings, attribute, value)?;
    }
    let managed = given.get("SqsManagedSseEnabled");
    let managed = managed.map(|value| value.eq_ignore_ascii_case("true"));
    let key = given.get("KmsMasterKeyId").map(String::as_str);
    settings.encryption = encryption(&settings.encryption, managed, key)?;
    must_agree(settings)
}

/// Encryption after `before`, where one or both of its attributes are given.
fn encryption(
    before: &Encryption,
    managed: Option<bool>,
    key: Option<&str>,
) -> Result<Encryption, SqsError> {
    let is_key = key.is_some_and(|key| !key.is_empty());
    Ok(match (managed, key) {
        (Some(true), _) if is_key => {
            return Err(SqsError::InvalidAttributeName(KMS_AND_SQS.into()));
        }
        (Some(true), _) => Encryption::Sqs,
        (_, Some(key)) if is_key => Encryption::Kms(key.to_owned()),
        // The key is given up: nothing takes its place.
        (None, Some(_)) if *before == Encryption::Sqs => Encryption::Sqs,
        (_, Some(_)) => Encryption::None,
        (Some(false), None) if *before == Encryption::Sqs => Encryption::None,
        (_, None) => before.clone(),
    })
}

fn set_one(settings: &mut Settings, attribute: &str, value: &str) -> Result<(), SqsError> {
    let number = |range: RangeInclusive<u32>| number(attribute, value, &range);
    match attribute {
        "DelaySeconds" => settings.delay_seconds = number(limits::DELAY_SECONDS)?,
        "MaximumMessageSize" => {
            settings.maximum_message_size = number(limits::MAXIMUM_MESSAGE_SIZE)?
        }
        "MessageRetentionPeriod" => {
            settings.message_retention_period = number(limits::MESSAGE_RETENTION_PERIOD)?;
        }
        "ReceiveMessageWaitTimeSeconds" => {
            settings.receive_message_wait_time_seconds = number(limits::RECEIVE_WAIT_SECONDS)?;
        }
        "VisibilityTimeout" => settings.visibility_timeout = number(limits::VISIBILITY_TIMEOUT)?,
        "KmsDataKeyReusePeriodSeconds" => {
            let seconds = number(limits::KEY_REUSE_SECONDS)?;
            // AWS forgets one that is the default.
            let is_default = seconds == limits::KEY_REUSE_SECONDS_DEFAULT;
            settings.key_reuse_seconds = (!is_default).then_some(seconds);
        }
        "Policy" => settings.policy = permissions::policy(value)?,
        "RedrivePolicy" => settings.redrive_policy = dead_letters::redrive_policy(value)?,
        "RedriveAllowPolicy" => {
            settings.redrive_allow_policy = dead_letters::redrive_allow_policy(value)?;
        }
        // The two together decide on encryption, in `set`.
        "SqsManagedSseEnabled" => {
            boolean(attribute, value)?;
        }
        "KmsMasterKeyId" => must_be_a_key(value)?,
        "FifoQueue"
        | "ContentBasedDeduplication"
        | "DeduplicationScope"
        | "FifoThroughputLimit" => {
            set_fifo(settings.fifo.as_mut(), attribute, value)?;
        }
        _ => return Err(SqsError::unknown_attribute(attribute)),
    }
    Ok(())
}

fn set_fifo(fifo: Option<&mut Fifo>, attribute: &str, value: &str) -> Result<(), SqsError> {
    let Some(fifo) = fifo else {
        return Err(match attribute {
            "FifoQueue" | "ContentBasedDeduplication" => SqsError::unknown_attribute(attribute),
            _ => SqsError::InvalidAttributeName(format!(
                "You can specify the {attribute} only when FifoQueue is set to true."
            )),
        });
    };
    match attribute {
        "FifoQueue" => {
            if !boolean(attribute, value)? {
                let reason = "Modifying queue type is not supported.";
                return Err(SqsError::attribute_value_because(attribute, reason));
            }
        }
        "ContentBasedDeduplication" => {
            fifo.content_based_deduplication = boolean(attribute, value)?
        }
        "DeduplicationScope" => {
            fifo.deduplication_scope = match value {
                "queue" => DeduplicationScope::Queue,
                "messageGroup" => DeduplicationScope::MessageGroup,
                _ => return Err(SqsError::attribute_value(attribute)),
            };
        }
        _ => {
            fifo.throughput_limit = match value {
                "perQueue" => ThroughputLimit::PerQueue,
                "perMessageGroupId" => ThroughputLimit::PerMessageGroupId,
                _ => return Err(SqsError::attribute_value(attribute)),
            };
        }
    }
    Ok(())
}

/// "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."
fn must_agree(settings: &Settings) -> Result<(), SqsError> {
    let disagrees = settings.fifo.as_ref().is_some_and(|fifo| {
        fifo.throughput_limit == ThroughputLimit::PerMessageGroupId
            && fifo.deduplication_scope == DeduplicationScope::Queue
    });
    if disagrees {
        let reason = "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.";
        return Err(SqsError::attribute_value_because(
            "FifoThroughputLimit",
            reason,
        ));
    }
    Ok(())
}

fn number(attribute: &str, value: &str, range: &RangeInclusive<u32>) -> Result<u32, SqsError> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| SqsError::attribute_value(attribute))
}

fn boolean(attribute: &str, value: &str) -> Result<bool, SqsError> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(SqsError::attribute_value(attribute)),
    }
}

/// A KMS key's id, ARN or alias; nothing, to do without.
fn must_be_a_key(value: &str) -> Result<(), SqsError> {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"-_:/".contains(&b);
    if value.len() <= limits::KEY_ID_LENGTH && value.bytes().all(is_legal) {
        return Ok(());
    }
    Err(SqsError::attribute_value("KmsMasterKeyId"))
}

/// One of the kept attributes, where there is something to tell.
pub(super) fn get(settings: &Settings, attribute: &str) -> Option<String> {
    let fifo = settings.fifo.as_ref();
    match attribute {
        "DelaySeconds" => Some(settings.delay_seconds.to_string()),
        "MaximumMessageSize" => Some(settings.maximum_message_size.to_string()),
        "MessageRetentionPeriod" => Some(settings.message_retention_period.to_string()),
        "ReceiveMessageWaitTimeSeconds" => {
            Some(settings.receive_message_wait_time_seconds.to_string())
        }
        "VisibilityTimeout" => Some(settings.visibility_timeout.to_string()),
        "KmsDataKeyReusePeriodSeconds" => settings.key_reuse_seconds.map(|s| s.to_string()),
        "KmsMasterKeyId" => match &settings.encryption {
            Encryption::Kms(key) => Some(key.clone()),
            Encryption::None | Encryption::Sqs => None,
        },
        "SqsManagedSseEnabled" => Some((settings.encryption == Encryption::Sqs).to_string()),
        "Policy" => settings.policy.clone(),
        "RedrivePolicy" => settings
            .redrive_policy
            .as_ref()
            .map(|policy| policy.text.clone()),
        "RedriveAllowPolicy" => {
            let policy = settings.redrive_allow_policy.as_ref();
            policy.map(|policy| policy.text.clone())
        }
        "FifoQueue" => fifo.map(|_| "true".to_owned()),
        "ContentBasedDeduplication" => {
            fifo.map(|fifo| fifo.content_based_deduplication.to_string())
        }
        "DeduplicationScope" => fifo.map(|fifo| {
            let scope = match fifo.deduplication_scope {
                DeduplicationScope::Queue => "queue",
                DeduplicationScope::MessageGroup => "messageGroup",
            };
            scope.to_owned()
        }),
        "FifoThroughputLimit" => fifo.map(|fifo| {
            let limit = match fifo.throughput_limit {
                ThroughputLimit::PerQueue => "perQueue",
                ThroughputLimit::PerMessageGroupId => "perMessageGroupId",
            };
            limit.to_owned()
        }),
        _ => None,
    }
}

/// The kept attributes that are asked for.
pub(super) fn told(settings: &Settings, asked: &Asked) -> Attributes {
    let names = KEPT.iter().filter(|name| asked.has(name));
    names
        .filter_map(|name| Some(((*name).to_owned(), get(settings, name)?)))
        .collect()
}

/// The first of the attributes given by which `wanted` differs from `there`.
pub(super) fn difference<'a>(
    there: &Settings,
    wanted: &Settings,
    given: &'a Attributes,
) -> Option<&'a str> {
    let same = |attribute: &str| {
        let (there, wanted) = (get(there, attribute), get(wanted, attribute));
        let document = |text: &Option<String>| {
            let text = text.as_deref()?;
            serde_json::from_str::<serde_json::Value>(text).ok()
        };
        there == wanted || (there.is_some() && document(&there) == document(&wanted))
    };
    given
        .keys()
        .map(String::as_str)
        .find(|attribute| !same(attribute))
}
