//! FindCoordinator 0–6 (KIP-699, KIP-890, KIP-932): who looks after groups, transactions and shares. There is one broker, so it
//! does.

use crate::access::{Operation, Resource};
use crate::broker::NODE_ID;
use crate::connection::Reply;
use crate::group;
use crate::metadata::endpoint;
use crate::session::Call;
use crate::wire::{
    Coordinator, ErrorCode, FindCoordinatorRequestData, FindCoordinatorResponseData, KafkaString,
    text,
};

/// What a key is.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// From this version on, many are asked for at once.
const BATCHES_FROM: i16 = 4;
/// No broker.
const NOBODY: i32 = -1;

pub(crate) async fn find_coordinator(
    call: Call,
    request: FindCoordinatorRequestData,
) -> Reply<FindCoordinatorResponseData> {
    if call.version < BATCHES_FROM {
        let found = find(&call, request.key_type, &request.key);
        return FindCoordinatorResponseData {
            error_code: found.error_code,
            error_message: found.error_message.filter(|_| call.version >= 1),
            node_id: found.node_id,
            host: found.host,
            port: found.port,
            ..FindCoordinatorResponseData::default()
        }
        .into();
    }
    let keys = request.coordinator_keys.iter();
    FindCoordinatorResponseData {
        coordinators: keys.map(|key| find(&call, request.key_type, key)).collect(),
        ..FindCoordinatorResponseData::default()
    }
    .into()
}

fn find(call: &Call, kind: i8, key: &KafkaString) -> Coordinator {
    let mut found = Coordinator {
        key: key.clone(),
        node_id: NOBODY,
        port: NOBODY,
        ..Coordinator::default()
    };
    match check(call, kind, key.as_str()) {
        Ok(()) => {
            let (host, port) = endpoint(&call.session);
            found.node_id = NODE_ID;
            found.host = text(&host);
            found.port = port;
        }
        Err(code) => {
            found.error_code = code.code();
            found.error_message = Some(text(&code.to_string()));
        }
    }
    found
}

fn check(call: &Call, kind: i8, key: &str) -> Result<(), ErrorCode> {
    match kind {
        GROUP => {
            if !call.may(Operation::Describe, Resource::Group(key)) {
                return Err(ErrorCode::GroupAuthorizationFailed);
            }
            group::check_name(key)
        }
        TRANSACTION => {
            if !call.may(Operation::Describe, Resource::TransactionalId(key)) {
                return Err(ErrorCode::TransactionalIdAuthorizationFailed);
            }
            if key.is_empty() {
                return Err(ErrorCode::InvalidRequest);
            }
            Ok(())
        }
        SHARE => {
            if !call.may(Operation::ClusterAction, Resource::Cluster) {
                return Err(ErrorCode::ClusterAuthorizationFailed);
            }
            // A group, a topic's id and a partition.
            if key.rsplitn(3, ':').count() < 3 {
                return Err(ErrorCode::InvalidRequest);
            }
            Ok(())
        }
        _ => Err(ErrorCode::InvalidRequest),
    }
}
