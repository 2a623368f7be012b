//! Streams made, described, listed and deleted.

use std::sync::Arc;

use aws::Caller;
use model::{AccountId, Region};
use streams::{Mode, NewStream, Stream, StreamName, StreamsError};

use super::api::shards::Shard;
use super::api::streams::{
    CreateStreamInput, DeleteStreamInput, DescribeStreamInput, DescribeStreamOutput,
    DescribeStreamSummaryInput, DescribeStreamSummaryOutput, EnhancedMetrics, ListStreamsInput,
    ListStreamsOutput, StreamDescription, StreamDescriptionSummary, StreamModeDetails,
    StreamSummary,
};
use super::error::status_text;
use super::limits::{self, page};
use super::tokens::{self, Page};
use super::{Kinesis, KinesisError, Limits, capacity, naming, records, retention, shards, tags};

const HOUR_MS: u64 = 3_600_000;

/// CreateStream. Everything of the stream is made at once; CREATING is shown for a moment, since clients wait for it to pass.
pub(super) async fn create_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: CreateStreamInput,
) -> Result<(), KinesisError> {
    let name = StreamName {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: input.stream_name.clone(),
    };
    let mode = input
        .stream_mode_details
        .as_ref()
        .map_or(Mode::Provisioned, |details| {
            capacity::mode(&details.stream_mode)
        });
    let warm =
        capacity::warm_throughput(&kinesis, &caller, mode, input.warm_throughput_mibps).await?;
    let evenly = capacity::is_even(input.record_distribution_strategy.as_deref(), mode)?;
    let shards = match mode {
        Mode::Provisioned => provisioned_shards(input.shard_count)?,
        Mode::OnDemand => warm.unwrap_or(0).max(limits::ON_DEMAND_SHARDS),
    };
    let tags = tags::merge(
        &name.name,
        &name.account,
        &Default::default(),
        &input.tags.unwrap_or_default(),
    )?;
    if kinesis.limits == Limits::Aws {
        if kinesis.exists(&name).await? {
            return Err(KinesisError::stream_exists(&name));
        }
        within_quotas(&kinesis, &caller, mode, shards).await?;
    }
    let new = NewStream {
        shards,
        mode,
        retention_ms: Some(limits::RETENTION_HOURS_MIN.unsigned_abs() * HOUR_MS),
        max_record_bytes: input
            .max_record_size_in_kib
            .unwrap_or(limits::RECORD_KIB_DEFAULT)
            << 10,
        warm_throughput_mibps: warm,
        retention_bytes: None,
        extra: std::collections::BTreeMap::new(),
        documents: records::documents_of(&name, tags, evenly),
        is_awaited: true,
    };
    let created = kinesis.streams.create(&name, new).await;
    created
        .map(drop)
        .map_err(|error| KinesisError::of_streams(error, &name))
}

/// A provisioned stream must say how many shards it is to have, in the words of the time when every stream was one.
fn provisioned_shards(count: Option<i64>) -> Result<u32, KinesisError> {
    let count = count.ok_or_else(|| {
        KinesisError::Validation(
            "1 validation error detected: Value null at 'shardCount' failed to satisfy constraint: Member must not be null"
                .into(),
        )
    })?;
    shards::possible_count(count)
}

async fn within_quotas(
    kinesis: &Kinesis,
    caller: &Caller,
    mode: Mode,
    shards: u32,
) -> Result<(), KinesisError> {
    let (account, region) = (&caller.account, &caller.region);
    let usage = kinesis.usage(account, region).await?;
    if usage.creating >= limits::CREATING_STREAMS {
        return Err(KinesisError::LimitExceeded(format!(
            "Account {account} may have {} streams in CREATING at once.",
            limits::CREATING_STREAMS
        )));
    }
    match mode {
        Mode::Provisioned => shards::within_account(account, region, usage.shards, shards),
        Mode::OnDemand if usage.on_demand_streams >= limits::ON_DEMAND_STREAMS => {
            Err(KinesisError::LimitExceeded(format!(
                "Account {account} has {} on-demand streams in {region}, and may have {}.",
                usage.on_demand_streams,
                limits::ON_DEMAND_STREAMS
            )))
        }
        Mode::OnDemand => Ok(()),
    }
}

/// DeleteStream. Gone at once, with records, consumers, tags and policy; not while it has queues, whatever else is asked.
pub(super) async fn delete_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: DeleteStreamInput,
) -> Result<(), KinesisError> {
    let stream = kinesis
        .find(
            &caller,
            input.stream_name.as_deref(),
            input.stream_arn.as_deref(),
        )
        .await?;
    let name = &stream.name;
    if stream.settings.queues > 0 {
        return Err(KinesisError::has_queues(name));
    }
    let consumers = kinesis.attached(name).await?.consumers;
    if !consumers.is_empty() && input.enforce_consumer_deletion != Some(true) {
        return Err(KinesisError::ResourceInUse(format!(
            "Stream {} under account {} has {} registered consumers. Deregister them, or set EnforceConsumerDeletion.",
            name.name,
            name.account,
            consumers.len()
        )));
    }
    let deleted = kinesis.streams.delete(name).await;
    kinesis.plane.shards.forget(name);
    deleted.map_err(|error| KinesisError::of_streams(error, name))
}

/// DescribeStream. "If you specify a value greater than 100, at most 100 results are returned."
pub(super) async fn describe_stream(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: DescribeStreamInput,
) -> Result<DescribeStreamOutput, KinesisError> {
    let stream = kinesis
        .find(
            &caller,
            input.stream_name.as_deref(),
            input.stream_arn.as_deref(),
        )
        .await?;
    let from = match &input.exclusive_start_shard_id {
        Some(id) => naming::shard_index(id)
            .ok_or_else(|| KinesisError::no_shard(&stream.name, id))?
            .saturating_add(1),
        None => 0,
    };
    let limit = input.limit.map_or(page::DESCRIBED_SHARDS, |limit| {
        limit.min(page::DESCRIBED_SHARDS)
    });
    let now = kinesis.clock.now();
    let horizon = shards::horizon(&stream, now);
    let mut listed = stream
        .topology
        .shards_from(from)
        .filter(|shard| shards::is_kept(shard, horizon));
    let mut described: Vec<Shard> = Vec::new();
    for shard in listed.by_ref().take(limit) {
        described.push(shards::describe(&kinesis, &stream, shard).await?);
    }
    let description = StreamDescription {
        shards: described,
        has_more_shards: listed.next().is_some(),
        stream_name: stream.name.name.clone(),
        stream_arn: stream.name.arn().to_string(),
        stream_status: status_text(stream.status(now)),
        stream_mode_details: mode_details(&stream),
        retention_period_hours: retention::hours(&stream.settings),
        stream_creation_timestamp: stream.settings.created.into(),
        enhanced_monitoring: monitoring(&stream),
        encryption_type: encryption_type(&stream),
        key_id: key_id(&stream),
    };
    Ok(DescribeStreamOutput {
        stream_description: description,
    })
}

/// DescribeStreamSummary.
pub(super) async fn describe_stream_summary(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: DescribeStreamSummaryInput,
) -> Result<DescribeStreamSummaryOutput, KinesisError> {
    let stream = kinesis
        .find(
            &caller,
            input.stream_name.as_deref(),
            input.stream_arn.as_deref(),
        )
        .await?;
    let attached = kinesis.attached(&stream.name).await?;
    let strategy = match stream.settings.mode {
        Mode::OnDemand => Some(capacity::strategy_text(
            kinesis.distributes_evenly(&stream).await?,
        )),
        Mode::Provisioned => None,
    };
    let settings = &stream.settings;
    let summary = StreamDescriptionSummary {
        stream_name: stream.name.name.clone(),
        stream_arn: stream.name.arn().to_string(),
        stream_status: status_text(stream.status(kinesis.clock.now())),
        stream_mode_details: mode_details(&stream),
        retention_period_hours: retention::hours(settings),
        stream_creation_timestamp: settings.created.into(),
        enhanced_monitoring: monitoring(&stream),
        encryption_type: encryption_type(&stream),
        key_id: key_id(&stream),
        open_shard_count: stream.topology.open_count(),
        consumer_count: attached.consumers.len(),
        queue_count: settings.queues,
        warm_throughput: capacity::described_warm_throughput(&stream),
        max_record_size_in_kib: settings.max_record_bytes >> 10,
        record_distribution_strategy: strategy,
    };
    Ok(DescribeStreamSummaryOutput {
        stream_description_summary: summary,
    })
}

/// ListStreams. A token goes on where its page ended, whatever name the request also gives.
pub(super) async fn list_streams(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: ListStreamsInput,
) -> Result<ListStreamsOutput, KinesisError> {
    let now = kinesis.clock.now();
    let after = match &input.next_token {
        Some(token) => match tokens::redeem(&caller, now, token)? {
            Page::Streams { after } => Some(after),
            _ => return Err(tokens::invalid()),
        },
        None => input.exclusive_start_stream_name,
    };
    let limit = input
        .limit
        .map_or(page::STREAMS, |limit| limit.min(page::STREAMS));
    let (account, region) = (&caller.account, &caller.region);
    let mut names = kinesis
        .streams
        .names(account, region, after.as_deref(), limit + 1)
        .await?;
    let has_more_streams = names.len() > limit;
    names.truncate(limit);
    let next_token = names.last().filter(|_| has_more_streams).map(|last| {
        let after = last.name.clone();
        tokens::issue(&caller, now, Page::Streams { after })
    });
    let mut output = ListStreamsOutput {
        stream_names: Vec::with_capacity(names.len()),
        has_more_streams,
        next_token,
        stream_summaries: Vec::with_capacity(names.len()),
    };
    for name in names {
        // One that was deleted since it was listed is not listed.
        let Some(stream) = kinesis.find_if_there(&name).await? else {
            continue;
        };
        output.stream_summaries.push(StreamSummary {
            stream_name: name.name.clone(),
            stream_arn: name.arn().to_string(),
            stream_status: status_text(stream.status(now)),
            stream_mode_details: mode_details(&stream),
            stream_creation_timestamp: stream.settings.created.into(),
        });
        output.stream_names.push(name.name);
    }
    Ok(output)
}

fn mode_details(stream: &Stream) -> StreamModeDetails {
    StreamModeDetails {
        stream_mode: capacity::mode_text(stream.settings.mode).to_owned(),
    }
}

fn monitoring(stream: &Stream) -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics {
        shard_level_metrics: stream.settings.shard_metrics.clone(),
    }]
}

fn encryption_type(stream: &Stream) -> &'static str {
    match stream.settings.encryption {
        Some(_) => "KMS",
        None => "NONE",
    }
}

fn key_id(stream: &Stream) -> Option<String> {
    let encryption = stream.settings.encryption.as_ref()?;
    Some(encryption.key_id.clone())
}

/// What an account has in a region.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Open shards of provisioned streams; on-demand streams have a quota of their own.
    pub shards: u64,
    pub on_demand_streams: u64,
    /// Streams in CREATING.
    pub creating: usize,
}

impl Kinesis {
    /// What an account has in a region. Looks at every stream.
    pub(super) async fn usage(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<Usage, KinesisError> {
        let now = self.clock.now();
        let mut usage = Usage::default();
        for name in self
            .streams
            .names(account, region, None, usize::MAX)
            .await?
        {
            let Some(stream) = self.find_if_there(&name).await? else {
                continue;
            };
            if stream.status(now) == streams::Status::Creating {
                usage.creating += 1;
            }
            match stream.settings.mode {
                Mode::Provisioned => usage.shards += stream.topology.open_count() as u64,
                Mode::OnDemand => usage.on_demand_streams += 1,
            }
        }
        Ok(usage)
    }

    async fn exists(&self, name: &StreamName) -> Result<bool, KinesisError> {
        Ok(self.find_if_there(name).await?.is_some())
    }

    async fn find_if_there(&self, name: &StreamName) -> Result<Option<Arc<Stream>>, KinesisError> {
        match self.streams.find(name).await {
            Ok(stream) => Ok(Some(stream)),
            Err(StreamsError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
