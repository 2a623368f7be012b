//! DescribeCluster 0–2 (KIP-700, KIP-919, KIP-1073): the one broker, which controls itself.

use crate::access::Resource;
use crate::broker::NODE_ID;
use crate::connection::Reply;
use crate::metadata::{NO_OPERATIONS, endpoint};
use crate::session::Call;
use crate::wire::describe_cluster_response::DescribeClusterBroker;
use crate::wire::{DescribeClusterRequestData, DescribeClusterResponseData, ErrorCode, text};

/// Of `endpoint_type`: what is asked about.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn describe_cluster(
    call: Call,
    request: DescribeClusterRequestData,
) -> Reply<DescribeClusterResponseData> {
    let refusal = match request.endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of the wrong type.",
        )),
        _ => Some((
            ErrorCode::UnsupportedEndpointType,
            "Unsupported endpoint type",
        )),
    };
    let endpoint_type = if call.version >= 1 {
        request.endpoint_type
    } else {
        BROKERS
    };
    if let Some((code, why)) = refusal {
        return DescribeClusterResponseData {
            error_code: code.code(),
            error_message: Some(text(why)),
            endpoint_type,
            cluster_authorized_operations: NO_OPERATIONS,
            ..DescribeClusterResponseData::default()
        }
        .into();
    }
    let (host, port) = endpoint(&call.session);
    DescribeClusterResponseData {
        endpoint_type,
        cluster_id: text(&call.broker.cluster_name()),
        controller_id: NODE_ID,
        brokers: vec![DescribeClusterBroker {
            broker_id: NODE_ID,
            host: text(&host),
            port,
            ..DescribeClusterBroker::default()
        }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            call.authorized_operations(Resource::Cluster)
        } else {
            NO_OPERATIONS
        },
        ..DescribeClusterResponseData::default()
    }
    .into()
}
