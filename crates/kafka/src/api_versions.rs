//! ApiVersions 0–4 (KIP-35, KIP-511, KIP-584): what is answered, from the table of APIs.

use crate::apis::Apis;
use crate::connection::Reply;
use crate::session::Call;
use crate::wire::{
    ApiKey, ApiVersion, ApiVersionsRequestData, ApiVersionsResponseData, ErrorCode,
    FinalizedFeatureKey, SupportedFeatureKey, text,
};

/// Features by their newest level, by name. `group.version` 1: groups whose members' work the broker divides (KIP-848).
/// `transaction.version` 2: each transaction has an epoch of its own, and partitions are added
/// to it by writing to them (KIP-890). `share.version` 1: share groups (KIP-932).
const FEATURES: &[(&str, i16)] = &[
    ("group.version", 1),
    ("share.version", 1),
    ("transaction.version", 2),
];
/// The oldest version of Produce that is told, though requests of versions before 3 are refused: older librdkafka looks for
/// version 0 before it compresses by gzip, snappy or LZ4, and sends its batches as they are where it does not see it. Kafka 4 says
/// so too (KAFKA-18659).
const PRODUCE_TOLD_FROM: i16 = 0;
/// From this version on answers have features.
const WITH_FEATURES: i16 = 3;
/// From this version on a feature's oldest level can be 0.
const WITH_LEVEL_ZERO: i16 = 4;

pub(crate) async fn api_versions(
    call: Call,
    request: ApiVersionsRequestData,
) -> Reply<ApiVersionsResponseData> {
    let is_name = |name: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        let ends = [name.bytes().next(), name.bytes().last()];
        name.bytes().all(is_inner) && ends.iter().flatten().all(u8::is_ascii_alphanumeric)
    };
    let says_who = |text: &str| !text.is_empty() && is_name(text);
    let is_named = says_who(request.client_software_name.as_str())
        && says_who(request.client_software_version.as_str());
    if call.version >= 3 && !is_named {
        return supported(&call.broker.apis, ErrorCode::InvalidRequest).into();
    }
    let mut response = supported(&call.broker.apis, ErrorCode::None);
    if call.version >= WITH_FEATURES {
        tell_features(&mut response, call.version);
    }
    response.into()
}

/// The level of a feature there is.
pub(crate) fn feature_level(name: &str) -> Option<i16> {
    let found = FEATURES.iter().find(|(feature, _)| *feature == name);
    found.map(|(_, level)| *level)
}

/// For a version that is not answered: what is.
pub(crate) fn unsupported(apis: &Apis) -> ApiVersionsResponseData {
    supported(apis, ErrorCode::UnsupportedVersion)
}

/// Features are in force at their newest level: there is no older broker in the cluster to wait for.
fn tell_features(response: &mut ApiVersionsResponseData, version: i16) {
    for &(name, newest) in FEATURES {
        response.supported_features.push(SupportedFeatureKey {
            name: text(name),
            // Clients from before KAFKA-17011 take no answer with a zero in it.
            min_version: i16::from(version < WITH_LEVEL_ZERO),
            max_version: newest,
            ..SupportedFeatureKey::default()
        });
        response.finalized_features.push(FinalizedFeatureKey {
            name: text(name),
            max_version_level: newest,
            min_version_level: newest,
            ..FinalizedFeatureKey::default()
        });
    }
    response.finalized_features_epoch = 0;
}

fn supported(apis: &Apis, code: ErrorCode) -> ApiVersionsResponseData {
    let api_keys = apis.iter().map(|api| ApiVersion {
        api_key: api.key as i16,
        min_version: match api.key {
            ApiKey::Produce => PRODUCE_TOLD_FROM,
            _ => *api.versions.start(),
        },
        max_version: *api.versions.end(),
        ..ApiVersion::default()
    });
    ApiVersionsResponseData {
        error_code: code.code(),
        api_keys: api_keys.collect(),
        finalized_features_epoch: -1,
        ..ApiVersionsResponseData::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;

    #[test]
    fn old_librdkafka_is_told_that_it_may_compress() {
        let apis = Apis::all(&Counters::default());
        let told = supported(&apis, ErrorCode::None).api_keys;
        let of = |key: ApiKey| told.iter().find(|api| api.api_key == key as i16).unwrap();
        assert_eq!(of(ApiKey::Produce).min_version, 0);
        assert_eq!(of(ApiKey::Fetch).min_version, 4);
        let produce = apis.find(ApiKey::Produce as i16).unwrap();
        assert!(!produce.versions.contains(&2));
    }
}
