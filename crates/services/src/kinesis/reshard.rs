//! SplitShard, MergeShards and UpdateShardCount: each one step, however many shards it is.

use std::sync::Arc;

use aws::Caller;
use model::{HashKey, Timestamp};
use streams::reshard::Planner;
use streams::{Mode, Plan, Shard, Stream, StreamName};

use super::api::shards::{
    MergeShardsInput, SplitShardInput, UpdateShardCountInput, UpdateShardCountOutput,
};
use super::{Kinesis, KinesisError, Limits, capacity, limits, naming, shards};

/// SplitShard.
pub(super) async fn split_shard(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: SplitShardInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    shards::number(&name, &input.shard_to_split)?;
    let room = kinesis.room(&caller, &name).await?;
    kinesis
        .reshard(&name, |stream, planner| {
            let shard = shards::by_id(&name, stream, &input.shard_to_split)?;
            must_be_open(&name, shard)?;
            room.for_more(1)?;
            let start = split_point(&name, shard, &input.new_starting_hash_key)?;
            Ok(planner.split(shard.index, start)?)
        })
        .await
        .map(drop)
}

/// Where a shard may be split. kinesalite's tests record that AWS wants more than one key in the first half.
fn split_point(name: &StreamName, shard: &Shard, text: &str) -> Result<HashKey, KinesisError> {
    let (first, last) = (shard.range.first, shard.range.last);
    let inside = |key: &HashKey| key.0 > first.0.saturating_add(1) && *key < last;
    HashKey::parse(text).filter(inside).ok_or_else(|| {
        let StreamName { account, name, .. } = name;
        let id = naming::shard_id(shard.index);
        KinesisError::InvalidArgument(format!(
            "NewStartingHashKey {text} used in SplitShard() on shard {id} in stream {name} under account {account} is not \
             both greater than one plus the shard's StartingHashKey {first} and less than the shard's EndingHashKey {last}."
        ))
    })
}

/// MergeShards. The first shard is the one with the lower keys, as AWS has it.
pub(super) async fn merge_shards(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: MergeShardsInput,
) -> Result<(), KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    shards::number(&name, &input.shard_to_merge)?;
    shards::number(&name, &input.adjacent_shard_to_merge)?;
    kinesis
        .reshard(&name, |stream, planner| {
            let shard = shards::by_id(&name, stream, &input.shard_to_merge)?;
            let adjacent = shards::by_id(&name, stream, &input.adjacent_shard_to_merge)?;
            must_be_open(&name, shard)?;
            must_be_open(&name, adjacent)?;
            if shard.range.last.0.checked_add(1) != Some(adjacent.range.first.0) {
                return Err(not_adjacent(&name, shard, adjacent));
            }
            Ok(planner.merge(shard.index, adjacent.index)?)
        })
        .await
        .map(drop)
}

fn not_adjacent(name: &StreamName, shard: &Shard, adjacent: &Shard) -> KinesisError {
    let StreamName { account, name, .. } = name;
    let [shard, adjacent] = [shard, adjacent].map(|shard| naming::shard_id(shard.index));
    KinesisError::InvalidArgument(format!(
        "Shards {shard} and {adjacent} in stream {name} under account {account} are not an adjacent pair of shards eligible \
         for merging"
    ))
}

fn must_be_open(name: &StreamName, shard: &Shard) -> Result<(), KinesisError> {
    if shard.is_open() {
        return Ok(());
    }
    let StreamName { account, name, .. } = name;
    Err(KinesisError::InvalidArgument(format!(
        "Shard {} in stream {name} under account {account} has already been merged or split, and thus is not eligible for \
         merging or splitting.",
        naming::shard_id(shard.index)
    )))
}

/// UpdateShardCount. AWS doubles or halves at most, ten times a day; without its limits any number is one step.
pub(super) async fn update_shard_count(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: UpdateShardCountInput,
) -> Result<UpdateShardCountOutput, KinesisError> {
    let name = naming::stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let target = shards::possible_count(input.target_shard_count)?;
    let before = kinesis.find_named(&name).await?;
    let current = before.topology.open_count();
    if kinesis.limits == Limits::Aws {
        kinesis.must_be_active(&before)?;
        capacity::must_be_provisioned(&before)?;
        within_a_step(current as u64, u64::from(target))?;
        let room = kinesis.room(&caller, &name).await?;
        room.for_more(u64::from(target).saturating_sub(current as u64))?;
        let now = kinesis.clock.now();
        kinesis
            .amend(&name, |_, attached| {
                count_today(
                    &mut attached.scalings,
                    now,
                    limits::SCALINGS_PER_DAY,
                    || {
                        format!(
                            "Stream {} may be scaled {} times in 24 hours.",
                            name.name,
                            limits::SCALINGS_PER_DAY
                        )
                    },
                )
            })
            .await?;
    }
    kinesis
        .reshard(&name, |_, planner| Ok(planner.uniform(target)?))
        .await?;
    Ok(UpdateShardCountOutput {
        stream_arn: name.arn().to_string(),
        stream_name: name.name,
        current_shard_count: current,
        target_shard_count: input.target_shard_count,
    })
}

fn within_a_step(current: u64, target: u64) -> Result<(), KinesisError> {
    let told = format!("Current open shard count: {current} Target shard count: {target}");
    if target > current * 2 {
        return Err(KinesisError::LimitExceeded(format!(
            "UpdateShardCount cannot scale up over double your current open shard count. {told}"
        )));
    }
    if target * 2 < current {
        return Err(KinesisError::LimitExceeded(format!(
            "UpdateShardCount cannot scale down below half your current open shard count. {told}"
        )));
    }
    if target > limits::SHARDS_PER_STREAM {
        return Err(KinesisError::LimitExceeded(format!(
            "UpdateShardCount cannot scale a stream over {} shards. {told}",
            limits::SHARDS_PER_STREAM
        )));
    }
    Ok(())
}

/// Writes down that something was done at `now`, unless it was done `limit` times within 24 hours already.
pub(super) fn count_today(
    times: &mut Vec<Timestamp>,
    now: Timestamp,
    limit: usize,
    told: impl Fn() -> String,
) -> Result<(), KinesisError> {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    // What lies in the future was written before a clock was set back.
    times.retain(|time| *time <= now && now.since(*time) < DAY);
    if times.len() >= limit {
        return Err(KinesisError::LimitExceeded(told()));
    }
    times.push(now);
    Ok(())
}

/// How many more shards an account may have.
struct Room<'a> {
    caller: &'a Caller,
    /// Shards it has; none where no quota holds.
    used: Option<u64>,
}

impl Room<'_> {
    fn for_more(&self, more: u64) -> Result<(), KinesisError> {
        let (account, region) = (&self.caller.account, &self.caller.region);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        match self.used {
            Some(used) => shards::within_account(account, region, used, more),
            None => Ok(()),
        }
    }
}

impl Kinesis {
    async fn room<'a>(
        &self,
        caller: &'a Caller,
        name: &StreamName,
    ) -> Result<Room<'a>, KinesisError> {
        let used = match self.limits {
            Limits::Aws => Some(self.usage(&name.account, &name.region).await?.shards),
            Limits::None => None,
        };
        Ok(Room { caller, used })
    }

    /// Divides a provisioned, ACTIVE stream's ring anew.
    async fn reshard(
        &self,
        name: &StreamName,
        plan: impl Fn(&Stream, Planner<'_>) -> Result<Plan, KinesisError>,
    ) -> Result<Arc<Stream>, KinesisError> {
        // Found here first, so that one that is not there is told by its name.
        self.find_named(name).await?;
        self.streams
            .reshard(name, |stream, planner| {
                self.must_be_active(stream)?;
                if stream.settings.mode == Mode::OnDemand {
                    return Err(capacity::is_on_demand(&stream.name));
                }
                plan(stream, planner)
            })
            .await
    }
}
