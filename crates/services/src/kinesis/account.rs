//! What an account has, may have and has promised in a region: DescribeLimits and the account settings.

use std::sync::Arc;

use aws::Caller;
use model::Timestamp;

use super::api::capacity::{
    AccountSettingsOutput, DescribeLimitsOutput, MinimumThroughputBillingCommitmentOutput, NoInput,
    UpdateAccountSettingsInput,
};
use super::records::Commitment;
use super::{Kinesis, KinesisError, Limits, limits};

/// DescribeLimits. Without AWS's quotas, tells the most that its answer can.
pub(super) async fn describe_limits(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    _: NoInput,
) -> Result<DescribeLimitsOutput, KinesisError> {
    let usage = kinesis.usage(&caller.account, &caller.region).await?;
    let (shards, streams) = match kinesis.limits {
        Limits::Aws => (limits::SHARDS_PER_ACCOUNT, limits::ON_DEMAND_STREAMS),
        Limits::None => (limits::COUNT_MAX, limits::COUNT_MAX),
    };
    Ok(DescribeLimitsOutput {
        shard_limit: shards,
        open_shard_count: usage.shards,
        on_demand_stream_count: usage.on_demand_streams,
        on_demand_stream_count_limit: streams,
    })
}

/// DescribeAccountSettings.
pub(super) async fn describe_account_settings(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    _: NoInput,
) -> Result<AccountSettingsOutput, KinesisError> {
    let commitment = kinesis.commitment(&caller.account, &caller.region).await?;
    Ok(described(commitment, kinesis.clock.now()))
}

/// UpdateAccountSettings. A commitment that is given up goes on until it has lasted its time.
pub(super) async fn update_account_settings(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateAccountSettingsInput,
) -> Result<AccountSettingsOutput, KinesisError> {
    let (account, region) = (&caller.account, &caller.region);
    let now = kinesis.clock.now();
    let before = kinesis.commitment(account, region).await?;
    let enable = input.minimum_throughput_billing_commitment.status == "ENABLED";
    let after = settle(before, enable, now);
    if let Some(commitment) = after.filter(|_| after != before) {
        kinesis.commit_to(account, region, &commitment).await?;
    }
    Ok(described(after, now))
}

/// What becomes of a commitment that is to hold, or not to.
fn settle(before: Option<Commitment>, enable: bool, now: Timestamp) -> Option<Commitment> {
    let standing = before.filter(|commitment| commitment.holds(now));
    match (standing, enable) {
        (Some(standing), true) => Some(Commitment {
            ends: None,
            ..standing
        }),
        (None, true) => Some(Commitment {
            started: now,
            ends: None,
        }),
        (Some(standing), false) if standing.ends.is_none() => Some(Commitment {
            ends: Some(earliest_end(&standing).max(now)),
            ..standing
        }),
        (_, false) => before,
    }
}

fn earliest_end(commitment: &Commitment) -> Timestamp {
    commitment.started.plus(limits::COMMITMENT)
}

fn described(commitment: Option<Commitment>, now: Timestamp) -> AccountSettingsOutput {
    let holds = commitment.is_some_and(|commitment| commitment.holds(now));
    let ends = commitment.and_then(|commitment| commitment.ends);
    let status = match (holds, ends) {
        (true, None) => "ENABLED",
        (true, Some(_)) => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
        (false, _) => "DISABLED",
    };
    AccountSettingsOutput {
        minimum_throughput_billing_commitment: MinimumThroughputBillingCommitmentOutput {
            status,
            started_at: commitment.map(|commitment| commitment.started.into()),
            ended_at: ends.filter(|_| !holds).map(Into::into),
            earliest_allowed_end_at: commitment
                .filter(|_| holds)
                .map(|commitment| earliest_end(&commitment).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = limits::COMMITMENT;

    fn check(commitment: Option<Commitment>, now: Timestamp, expected: &str) {
        let told = described(commitment, now).minimum_throughput_billing_commitment;
        assert_eq!(told.status, expected, "{commitment:?} at {now}");
    }

    #[test]
    fn a_commitment_lasts_its_time_once_it_is_given() {
        let start = Timestamp(1_000);
        check(None, start, "DISABLED");
        let given = settle(None, true, start);
        check(given, start, "ENABLED");
        let early = settle(given, false, start.plus(DAY / 2));
        check(
            early,
            start.plus(DAY / 2),
            "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
        );
        check(early, start.plus(DAY), "DISABLED");
        check(
            settle(early, true, start.plus(DAY / 2)),
            start.plus(DAY * 9),
            "ENABLED",
        );
        let late = settle(given, false, start.plus(DAY * 2));
        check(late, start.plus(DAY * 2), "DISABLED");
        assert_eq!(settle(late, false, start.plus(DAY * 3)), late);
        let again = settle(late, true, start.plus(DAY * 3));
        assert_eq!(
            again.map(|commitment| commitment.started),
            Some(start.plus(DAY * 3))
        );
    }
}
