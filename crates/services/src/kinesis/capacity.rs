//! What a stream is to take: its mode, throughput kept ready, how records are distributed, and how large they may be.

use std::sync::Arc;

use aws::Caller;
use streams::{Mode, Settings, Status, Stream, StreamName};

use super::api::capacity::{
    UpdateMaxRecordSizeInput, UpdateStreamModeInput, UpdateStreamRecordDistributionStrategyInput,
    UpdateStreamWarmThroughputInput, UpdateStreamWarmThroughputOutput,
};
use super::api::streams::WarmThroughputObject;
use super::{Kinesis, KinesisError, Limits, limits, naming, reshard};

/// A mode as AWS spells it. The rules let nothing else through.
pub(super) fn mode(text: &str) -> Mode {
    match text {
        "ON_DEMAND" => Mode::OnDemand,
        _ => Mode::Provisioned,
    }
}

pub(super) fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Provisioned => "PROVISIONED",
        Mode::OnDemand => "ON_DEMAND",
    }
}

pub(super) fn strategy_text(evenly: bool) -> &'static str {
    if evenly { "AUTO" } else { "USER_PARTITION_KEY" }
}

/// Whether a strategy is the one that distributes evenly, which provisioned streams can't have.
pub(super) fn is_even(strategy: Option<&str>, mode: Mode) -> Result<bool, KinesisError> {
    let evenly = strategy == Some("AUTO");
    if evenly && mode == Mode::Provisioned {
        return Err(KinesisError::InvalidArgument(
            "RecordDistributionStrategy AUTO is for streams in on-demand mode alone.".into(),
        ));
    }
    Ok(evenly)
}

/// UpdateStreamMode. The shards stay as they are; from then on the user or the load decides how many there are.
pub(super) async fn update_stream_mode(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateStreamModeInput,
) -> Result<(), KinesisError> {
    let stream = kinesis.find(&caller, None, Some(&input.stream_arn)).await?;
    let name = &stream.name;
    let mode = mode(&input.stream_mode_details.stream_mode);
    let warm = warm_throughput(&kinesis, &caller, mode, input.warm_throughput_mibps).await?;
    kinesis.must_be_active(&stream)?;
    let refuse_queues = |settings: &Settings| {
        if mode == Mode::Provisioned && settings.queues > 0 {
            return Err(KinesisError::has_queues(name));
        }
        Ok(())
    };
    refuse_queues(&stream.settings)?;
    if kinesis.limits == Limits::Aws && stream.settings.mode != mode {
        let now = kinesis.clock.now();
        let told = || {
            format!(
                "The mode of stream {} may be changed {} times in 24 hours.",
                name.name,
                limits::MODE_CHANGES_PER_DAY
            )
        };
        let limit = limits::MODE_CHANGES_PER_DAY;
        kinesis
            .amend(name, |_, attached| {
                reshard::count_today(&mut attached.mode_changes, now, limit, told)
            })
            .await?;
    }
    if mode == Mode::Provisioned && kinesis.distributes_evenly(&stream).await? {
        kinesis.distribute(&stream, false).await?;
    }
    if let Some(mibps) = warm {
        grow_to(&kinesis, name, mibps).await?;
    }
    kinesis
        .change(name, |_, settings| {
            refuse_queues(settings)?;
            if settings.mode != mode || warm.is_some() {
                settings.mode = mode;
                settings.warm_throughput_mibps = warm;
                settings.show(Status::Updating, kinesis.clock.now());
            }
            Ok(())
        })
        .await
        .map(drop)
}

/// UpdateStreamWarmThroughput. A shard takes 1 MiB/s, so the stream gets at least as many shards.
pub(super) async fn update_stream_warm_throughput(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateStreamWarmThroughputInput,
) -> Result<UpdateStreamWarmThroughputOutput, KinesisError> {
    let stream = kinesis
        .find(
            &caller,
            input.stream_name.as_deref(),
            input.stream_arn.as_deref(),
        )
        .await?;
    let name = &stream.name;
    let mode = stream.settings.mode;
    let asked = Some(input.warm_throughput_mibps);
    let target = warm_throughput(&kinesis, &caller, mode, asked)
        .await?
        .unwrap_or(0);
    kinesis.must_be_active(&stream)?;
    grow_to(&kinesis, name, target).await?;
    kinesis
        .change(name, |_, settings| {
            if settings.warm_throughput_mibps != Some(target) {
                settings.warm_throughput_mibps = Some(target);
                settings.show(Status::Updating, kinesis.clock.now());
            }
            Ok(())
        })
        .await?;
    Ok(UpdateStreamWarmThroughputOutput {
        stream_name: name.name.clone(),
        stream_arn: name.arn().to_string(),
        warm_throughput: WarmThroughputObject {
            target_mibps: target,
            current_mibps: throughput(&stream),
        },
    })
}

async fn grow_to(kinesis: &Kinesis, name: &StreamName, mibps: u32) -> Result<(), KinesisError> {
    let grown = kinesis.streams.reshard(name, |stream, planner| {
        if throughput(stream) >= mibps {
            return Ok(streams::Plan::default());
        }
        Ok::<_, KinesisError>(planner.uniform(mibps)?)
    });
    grown.await.map(drop)
}

/// What the open shards take in, in MiB/s.
fn throughput(stream: &Stream) -> u32 {
    u32::try_from(stream.topology.open_count()).unwrap_or(u32::MAX)
}

/// A stream's warm throughput, where it was asked for.
pub(super) fn described_warm_throughput(stream: &Stream) -> Option<WarmThroughputObject> {
    let target_mibps = stream.settings.warm_throughput_mibps?;
    Some(WarmThroughputObject {
        target_mibps,
        current_mibps: throughput(stream),
    })
}

/// A throughput to keep ready, where one is asked for: it takes an on-demand stream and an account with a commitment.
pub(super) async fn warm_throughput(
    kinesis: &Kinesis,
    caller: &Caller,
    mode: Mode,
    asked: Option<i64>,
) -> Result<Option<u32>, KinesisError> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let refused = |text: String| Err(KinesisError::InvalidArgument(text));
    if mode == Mode::Provisioned {
        return refused("Warm throughput is for streams in on-demand mode alone.".into());
    }
    let commitment = kinesis.commitment(&caller.account, &caller.region).await?;
    let now = kinesis.clock.now();
    if !commitment.is_some_and(|commitment| commitment.holds(now)) {
        return refused(
            "Warm throughput needs MinimumThroughputBillingCommitment to be enabled for the account.".into(),
        );
    }
    match u32::try_from(asked) {
        Ok(mibps) if mibps <= limits::WARM_THROUGHPUT_MAX => Ok(Some(mibps)),
        _ => Err(KinesisError::LimitExceeded(format!(
            "Warm throughput is {} MiB/s at most, not {asked}.",
            limits::WARM_THROUGHPUT_MAX
        ))),
    }
}

/// UpdateStreamRecordDistributionStrategy. "The change takes effect immediately."
pub(super) async fn update_stream_record_distribution_strategy(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateStreamRecordDistributionStrategyInput,
) -> Result<(), KinesisError> {
    let stream = kinesis.find(&caller, None, Some(&input.stream_arn)).await?;
    let evenly = is_even(
        Some(&input.record_distribution_strategy),
        stream.settings.mode,
    )?;
    kinesis.must_be_active(&stream)?;
    kinesis.distribute(&stream, evenly).await
}

/// UpdateMaxRecordSize.
pub(super) async fn update_max_record_size(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateMaxRecordSizeInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(&caller, None, input.stream_arn.as_deref())?;
    let bytes = input.max_record_size_in_kib << 10;
    kinesis
        .change(&name, |stream, settings| {
            kinesis.must_be_active(stream)?;
            if settings.max_record_bytes != bytes {
                settings.max_record_bytes = bytes;
                settings.show(Status::Updating, kinesis.clock.now());
            }
            Ok(())
        })
        .await
        .map(drop)
}

/// Refuses what users can't do to on-demand streams.
pub(super) fn must_be_provisioned(stream: &Stream) -> Result<(), KinesisError> {
    match stream.settings.mode {
        Mode::Provisioned => Ok(()),
        Mode::OnDemand => Err(is_on_demand(&stream.name)),
    }
}

pub(super) fn is_on_demand(name: &StreamName) -> KinesisError {
    let StreamName { account, name, .. } = name;
    KinesisError::Validation(format!(
        "Request is invalid. Stream {name} under AccountId {account} is in On-Demand mode."
    ))
}
