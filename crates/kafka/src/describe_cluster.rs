//! DescribeCluster 0–2 (KIP-700, KIP-919, KIP-1073): the one broker, which controls itself.

use crate::broker::NODE_ID;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::metadata::{NO_OPERATIONS, endpoint, operations_on_cluster};
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
    if let Err(refusal) = check_endpoint(request.endpoint_type) {
        return DescribeClusterResponseData {
            error_code: refusal.number(),
            error_message: refusal.message.as_deref().map(text),
            endpoint_type: BROKERS,
            cluster_authorized_operations: NO_OPERATIONS,
            ..DescribeClusterResponseData::default()
        }
        .into();
    }
    let (host, port) = endpoint(&call.session);
    DescribeClusterResponseData {
        endpoint_type: BROKERS,
        cluster_id: text(&call.broker.cluster_name()),
        controller_id: NODE_ID,
        brokers: vec![DescribeClusterBroker {
            broker_id: NODE_ID,
            host: text(&host),
            port,
            ..DescribeClusterBroker::default()
        }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            operations_on_cluster(&call)
        } else {
            NO_OPERATIONS
        },
        ..DescribeClusterResponseData::default()
    }
    .into()
}

/// Refuses who asks for controllers, in Apache Kafka's words: its tools show them.
fn check_endpoint(endpoint_type: i8) -> Result<(), Refusal> {
    match endpoint_type {
        BROKERS => Ok(()),
        CONTROLLERS => Err(Refusal::new(
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
        )),
        other => Err(Refusal::new(
            ErrorCode::UnsupportedEndpointType,
            format!("Unsupported endpoint type {other}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, answer};

    #[tokio::test]
    async fn whoever_wants_a_controller_is_told_that_this_is_a_broker() {
        let world = World::new().await;
        let ask = async |endpoint_type| {
            let request = DescribeClusterRequestData {
                endpoint_type,
                ..DescribeClusterRequestData::default()
            };
            let answer = answer(describe_cluster(world.call(1), request).await).await;
            (answer.error_code, answer.endpoint_type)
        };
        assert_eq!(ask(BROKERS).await, (0, BROKERS));
        let mismatched = ErrorCode::MismatchedEndpointType.code();
        assert_eq!(ask(CONTROLLERS).await, (mismatched, BROKERS));
        let unsupported = ErrorCode::UnsupportedEndpointType.code();
        assert_eq!(ask(9).await, (unsupported, BROKERS));
    }
}
