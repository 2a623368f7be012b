//! ShareAcknowledge 1–2 (KIP-932, KIP-1222): what a member of a share group says of the records it was given: that they are
//! processed, to be given to somebody again, to nobody, or that it is at them still.

use std::collections::HashMap;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::share::owners::Said;
use crate::share::session::{FINAL, Place, Who};
use crate::share_fetch::open;
use crate::wire::share_acknowledge_response::{
    LeaderIdAndEpoch, PartitionData, ShareAcknowledgeTopicResponse,
};
use crate::wire::{
    ErrorCode, KafkaString, KafkaUuid, ShareAcknowledgeRequestData, ShareAcknowledgeResponseData,
    text,
};

/// From this version on, how long records are locked is told.
const TELLS_LOCK_FROM: i16 = 2;

/// Longest id of a member: that of a UUID in its long form, as Kafka has it. Whoever has records is named beside them in memory.
pub(crate) const MEMBER_ID_MAX: usize = 36;

/// What is said of a partition's records.
pub(crate) struct Asked {
    place: Place,
    ranges: Vec<(i64, i64, Vec<i8>)>,
}

impl Asked {
    /// `None` where nothing is said.
    pub(crate) fn of(place: Place, ranges: Vec<(i64, i64, Vec<i8>)>) -> Option<Asked> {
        (!ranges.is_empty()).then_some(Asked { place, ranges })
    }
}

/// What came of it.
pub(crate) struct Acknowledged {
    pub(crate) place: Place,
    pub(crate) outcome: Result<(), Refusal>,
}

pub(crate) async fn share_acknowledge(
    call: Call,
    request: ShareAcknowledgeRequestData,
) -> Reply<ShareAcknowledgeResponseData> {
    let epoch = request.share_session_epoch;
    let begun = check(&call, request.group_id.as_ref(), request.member_id.as_ref());
    let begun = begun.and_then(|who| {
        call.broker.shares.sessions.acknowledge(&who, epoch)?;
        Ok(who)
    });
    let who = match begun {
        Ok(who) => who,
        Err(refusal) => {
            return ShareAcknowledgeResponseData {
                error_code: refusal.number(),
                error_message: refusal.message.as_deref().map(text),
                ..ShareAcknowledgeResponseData::default()
            }
            .into();
        }
    };
    let mut asked = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let ranges = partition.acknowledgement_batches.iter().map(|one| {
                (
                    one.first_offset,
                    one.last_offset,
                    one.acknowledge_types.clone(),
                )
            });
            let place = (topic.topic_id, partition.partition_index);
            asked.extend(Asked::of(place, ranges.collect()));
        }
    }
    Reply::later(async move {
        let acknowledged = settle(&call, &who, &asked, request.is_renew_ack).await;
        if epoch == FINAL {
            call.broker.shares.sessions.end(&who);
            call.broker.shares.release(&who);
        }
        let mut response = response(acknowledged);
        if call.version >= TELLS_LOCK_FROM {
            let lock = call.broker.share_lock(&who.0).as_millis();
            response.acquisition_lock_timeout_ms = i32::try_from(lock).unwrap_or(i32::MAX);
        }
        response
    })
}

/// Who asks, if they may read what is shared out to the group.
///
/// # Errors
/// That they may not, or that there is no such share group.
pub(crate) fn check(
    call: &Call,
    group: Option<&KafkaString>,
    member: Option<&KafkaString>,
) -> Result<Who, Refusal> {
    let group = group.map_or("", KafkaString::as_str);
    let member = member.map_or("", KafkaString::as_str);
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed.into());
    }
    if group.is_empty() || member.is_empty() {
        let why = "A group and a member of it must be named.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    if member.len() > MEMBER_ID_MAX {
        let why = format!("A member's id must be {MEMBER_ID_MAX} characters at most.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    if !call.broker.groups.is_share(group) {
        let why = format!("Group {group} is not a share group.");
        return Err(Refusal::new(ErrorCode::GroupIdNotFound, why));
    }
    Ok((group.to_owned(), member.to_owned()))
}

/// Does what is said, partition by partition.
pub(crate) async fn settle(
    call: &Call,
    who: &Who,
    asked: &[Asked],
    may_renew: bool,
) -> Vec<Acknowledged> {
    let mut all = Vec::with_capacity(asked.len());
    for one in asked {
        all.push(Acknowledged {
            place: one.place,
            outcome: settle_one(call, who, one, may_renew).await,
        });
    }
    all
}

async fn settle_one(
    call: &Call,
    (group, member): &Who,
    asked: &Asked,
    may_renew: bool,
) -> Result<(), Refusal> {
    let said = Said::all(asked.ranges.iter().cloned(), may_renew)?;
    let (_, _, shared) = open(call, group, asked.place).await?;
    let lock = call.broker.share_lock(group);
    shared.acknowledge(member, &said, lock).await
}

fn response(acknowledged: Vec<Acknowledged>) -> ShareAcknowledgeResponseData {
    let mut response = ShareAcknowledgeResponseData::default();
    let mut at_of: HashMap<KafkaUuid, usize> = HashMap::new();
    for one in acknowledged {
        let (topic_id, partition_index) = one.place;
        let refusal = one.outcome.err();
        let part = PartitionData {
            partition_index,
            error_code: refusal.as_ref().map_or(0, Refusal::number),
            error_message: refusal
                .and_then(|refusal| refusal.message)
                .as_deref()
                .map(text),
            current_leader: LeaderIdAndEpoch {
                leader_id: -1,
                leader_epoch: -1,
                ..LeaderIdAndEpoch::default()
            },
            ..PartitionData::default()
        };
        let at = *at_of.entry(topic_id).or_insert(response.responses.len());
        match response.responses.get_mut(at) {
            Some(topic) => topic.partitions.push(part),
            None => response.responses.push(ShareAcknowledgeTopicResponse {
                topic_id,
                partitions: vec![part],
                ..ShareAcknowledgeTopicResponse::default()
            }),
        }
    }
    response
}
