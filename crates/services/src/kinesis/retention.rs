//! IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.

use std::sync::Arc;

use aws::Caller;
use streams::{Settings, Status};

use super::api::streams::RetentionPeriodInput;
use super::limits::{RETENTION_HOURS_MAX, RETENTION_HOURS_MIN};
use super::{Kinesis, KinesisError, naming};

const HOUR_MS: u64 = 3_600_000;

/// A stream's retention as AWS tells it, in whole hours. One that keeps records for ever, which only other protocols can ask
/// for, shows AWS's longest; one of less than an hour shows 1.
pub(super) fn hours(settings: &Settings) -> i64 {
    let hours = settings.retention_ms.map(|ms| (ms / HOUR_MS).max(1));
    hours
        .and_then(|hours| i64::try_from(hours).ok())
        .unwrap_or(RETENTION_HOURS_MAX)
}

/// IncreaseStreamRetentionPeriod.
pub(super) async fn increase_stream_retention_period(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: RetentionPeriodInput,
) -> Result<(), KinesisError> {
    let asked = input.retention_period_hours;
    change(&kinesis, &caller, &input, |existing, name| {
        if asked >= existing {
            return Ok(());
        }
        Err(KinesisError::InvalidArgument(format!(
            "Requested retention period ({asked} hours) for stream {name} can not be shorter than existing retention period \
             ({existing} hours). Use DecreaseRetentionPeriod API."
        )))
    })
    .await
}

/// DecreaseStreamRetentionPeriod. What is older than the new period is out of reach at once.
pub(super) async fn decrease_stream_retention_period(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: RetentionPeriodInput,
) -> Result<(), KinesisError> {
    let asked = input.retention_period_hours;
    change(&kinesis, &caller, &input, |existing, name| {
        if asked <= existing {
            return Ok(());
        }
        Err(KinesisError::InvalidArgument(format!(
            "Requested retention period ({asked} hours) for stream {name} can not be longer than existing retention period \
             ({existing} hours). Use IncreaseRetentionPeriod API."
        )))
    })
    .await
}

async fn change(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &RetentionPeriodInput,
    allowed: impl Fn(i64, &str) -> Result<(), KinesisError>,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let hours_asked = input.retention_period_hours;
    kinesis
        .change(&name, |stream, settings| {
            in_bounds(hours_asked)?;
            allowed(hours(&stream.settings), &stream.name.name)?;
            kinesis.must_be_active(stream)?;
            // As it is, but asked for: it does not follow Kafka's broker any more.
            let mut wanted = settings.retention_ms;
            if hours_asked != hours(settings) {
                wanted = Some(hours_asked.unsigned_abs() * HOUR_MS);
                settings.show(Status::Updating, kinesis.clock.now());
            }
            settings.set_retention(wanted);
            Ok(())
        })
        .await
        .map(drop)
}

fn in_bounds(hours: i64) -> Result<(), KinesisError> {
    if hours < RETENTION_HOURS_MIN {
        return Err(KinesisError::InvalidArgument(format!(
            "Minimum allowed retention period is {RETENTION_HOURS_MIN} hours. Requested retention period ({hours} hours) is \
             too short."
        )));
    }
    if hours > RETENTION_HOURS_MAX {
        return Err(KinesisError::InvalidArgument(format!(
            "Maximum allowed retention period is {RETENTION_HOURS_MAX} hours. Requested retention period ({hours} hours) is \
             too long."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use streams::stream::FOLLOWED_RETENTION;

    use super::super::Limits;
    use super::super::world::World;
    use super::*;

    /// Whatever Kafka's broker says later.
    #[tokio::test]
    async fn what_is_asked_for_is_the_streams_own_though_it_had_it_from_the_broker() {
        let world = World::new(Limits::None);
        world.stream("s", 1).await;
        let follow = |_: &streams::Stream, settings: &mut Settings| {
            let note = (FOLLOWED_RETENTION.to_owned(), "86400000".to_owned());
            settings.extra.extend([note]);
            Ok::<_, KinesisError>(())
        };
        let name = world.name("s");
        world.kinesis.streams.update(&name, follow).await.unwrap();
        let input = RetentionPeriodInput {
            stream_name: Some("s".into()),
            stream_arn: None,
            retention_period_hours: 24,
        };
        let (kinesis, caller) = (Arc::clone(&world.kinesis), world.caller.clone());
        increase_stream_retention_period(kinesis, caller, input)
            .await
            .unwrap();
        let stream = world.kinesis.streams.find(&name).await.unwrap();
        assert_eq!(stream.settings.retention_ms, Some(24 * HOUR_MS));
        assert_eq!(stream.settings.extra.get(FOLLOWED_RETENTION), None);
    }
}
