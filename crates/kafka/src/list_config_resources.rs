//! ListConfigResources 0–1 (KIP-714, KIP-1142): what has configurations. Version 0 asks for clients' metrics alone.

use crate::access::{Operation, Resource};
use crate::broker::NODE_ID;
use crate::configs::kept::Holder;
use crate::connection::Reply;
use crate::describe_configs::Kinds;
use crate::error::Refusal;
use crate::session::Call;
use crate::wire::list_config_resources_response::ConfigResource;
use crate::wire::{
    ErrorCode, ListConfigResourcesRequestData, ListConfigResourcesResponseData, text,
};

/// All kinds, as they are listed where none is asked for.
const ALL: [Kinds; 5] = [
    Kinds::Topic,
    Kinds::Broker,
    Kinds::BrokerLogger,
    Kinds::ClientMetrics,
    Kinds::Group,
];

pub(crate) async fn list_config_resources(
    call: Call,
    request: ListConfigResourcesRequestData,
) -> Reply<ListConfigResourcesResponseData> {
    match list(&call, &request.resource_types).await {
        Ok(config_resources) => ListConfigResourcesResponseData {
            config_resources,
            ..ListConfigResourcesResponseData::default()
        },
        Err(refusal) => ListConfigResourcesResponseData {
            error_code: refusal.number(),
            ..ListConfigResourcesResponseData::default()
        },
    }
    .into()
}

async fn list(call: &Call, asked: &[i8]) -> Result<Vec<ConfigResource>, Refusal> {
    if !call.may(Operation::DescribeConfigs, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed.into());
    }
    let wanted: Vec<Kinds> = if call.version == 0 {
        vec![Kinds::ClientMetrics]
    } else if asked.is_empty() {
        ALL.to_vec()
    } else {
        if asked.iter().any(|number| Kinds::of(*number).is_err()) {
            return Err(ErrorCode::UnsupportedVersion.into());
        }
        let is_asked = |kind: &Kinds| asked.contains(&kind.number());
        ALL.into_iter().filter(is_asked).collect()
    };
    let configs = &call.broker.configs;
    let mut listed = Vec::new();
    for kind in wanted {
        let names = match kind {
            Kinds::Topic => call.broker.topic_names().await?,
            Kinds::Broker | Kinds::BrokerLogger => vec![NODE_ID.to_string()],
            Kinds::ClientMetrics => configs.names(Holder::ClientMetrics),
            Kinds::Group => configs.names(Holder::Group),
        };
        listed.extend(names.iter().map(|name| ConfigResource {
            resource_name: text(name),
            resource_type: if call.version == 0 { 16 } else { kind.number() },
            ..ConfigResource::default()
        }));
    }
    Ok(listed)
}
