//! DescribeLimits and DescribeEndpoints.

use std::sync::Arc;

use aws::Caller;

use super::api::tables::{
    DescribeEndpointsOutput, DescribeLimitsOutput, EmptyInput, EndpointOutput,
};
use super::error::DynamoError;
use super::{Dynamo, limits};

/// How long clients may keep an endpoint. AWS's own figure.
const CACHE_MINUTES: i64 = 1_440;

/// DescribeLimits: AWS's default quotas. No sum of provisioned units is held to them.
pub(super) async fn describe_limits(
    _: Arc<Dynamo>,
    _: Caller,
    _: EmptyInput,
) -> Result<DescribeLimitsOutput, DynamoError> {
    Ok(DescribeLimitsOutput {
        account_max_read_capacity_units: limits::ACCOUNT_UNITS,
        account_max_write_capacity_units: limits::ACCOUNT_UNITS,
        table_max_read_capacity_units: limits::TABLE_UNITS,
        table_max_write_capacity_units: limits::TABLE_UNITS,
    })
}

/// DescribeEndpoints: the one that was asked.
pub(super) async fn describe_endpoints(
    _: Arc<Dynamo>,
    caller: Caller,
    _: EmptyInput,
) -> Result<DescribeEndpointsOutput, DynamoError> {
    Ok(DescribeEndpointsOutput {
        endpoints: vec![EndpointOutput {
            address: caller.host,
            cache_period_in_minutes: CACHE_MINUTES,
        }],
    })
}
