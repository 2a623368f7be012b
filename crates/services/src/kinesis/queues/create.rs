//! CreateQueue. All of the queue is made in one transaction: where delivery begins is written in its journals from the first
//! moment. CREATING is shown for a moment, since clients wait for it to pass.

use std::sync::Arc;

use aws::Caller;
use model::{Offset, StreamId, Timestamp};
use store::key::encode;
use store::{Append, Check, Expect, LogChange, Scan, StoreError, Txn, Write};
use streams::delivery::journal::Draft;
use streams::{Mode, Number, Shard, Stream, StreamName, StreamsError};

use super::super::api::queues::{CreateQueueInput, QueueAttributes, QueueOutput, StartingPosition};
use super::super::{Kinesis, KinesisError, Limits, consumers, limits, naming, shards, tags};
use super::manage::described;
use super::record::{self, Position, QueueName, Settings};
use super::{ATTEMPTS, Queue, put};

/// Receives after which a record is a dead letter, where the request does not say.
const MAX_RECEIVES: u32 = 6;
/// How long a record received is hidden, where the request does not say.
const VISIBILITY_SECONDS: u32 = 30;

/// CreateQueue.
pub(in super::super) async fn create_queue(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: CreateQueueInput,
) -> Result<QueueOutput, KinesisError> {
    let [configuration] = input.stream_configuration_list.as_slice() else {
        return Err(KinesisError::InvalidArgument(
            "StreamConfigurationList must contain exactly one entry.".into(),
        ));
    };
    let stream = naming::stream_name(&caller, None, Some(&configuration.stream_arn))?;
    let given = input.tags.unwrap_or_default();
    let tags = tags::merge(
        &input.queue_name,
        &caller.account,
        &Default::default(),
        &given,
    )?;
    let mut asked = Settings {
        number: StreamId(0),
        name: input.queue_name,
        stream: stream.name.clone(),
        stream_created: Timestamp::default(),
        created: Timestamp::default(),
        updated: None,
        position: asked_position(
            configuration.starting_position.as_ref(),
            kinesis.clock.now(),
        )?,
        visibility_seconds: VISIBILITY_SECONDS,
        max_receives: Some(MAX_RECEIVES),
        taken_up: 0,
        tags,
        policy: None,
    };
    apply(input.queue_attributes.as_ref(), &mut asked)?;
    let queue = kinesis.create_queue(&caller, &stream, asked).await?;
    Ok(described(&queue, kinesis.clock.now()))
}

/// Sets what the attributes say; the others stay.
pub(super) fn apply(
    attributes: Option<&QueueAttributes>,
    settings: &mut Settings,
) -> Result<(), KinesisError> {
    let Some(attributes) = attributes else {
        return Ok(());
    };
    if let Some(seconds) = attributes.visibility_timeout_seconds {
        settings.visibility_seconds = seconds;
    }
    if let Some(dead_letters) = &attributes.dead_letter_configuration {
        settings.max_receives = match dead_letters.target_type.as_str() {
            "BUILT_IN" => Some(dead_letters.max_receive_count.ok_or_else(|| {
                KinesisError::Validation(
                    "MaxReceiveCount is required when TargetType is BUILT_IN.".into(),
                )
            })?),
            _ => None,
        };
    }
    Ok(())
}

fn asked_position(
    asked: Option<&StartingPosition>,
    now: Timestamp,
) -> Result<Position, KinesisError> {
    let kind = asked.map_or("LATEST", |asked| &asked.r#type);
    let time = asked.and_then(|asked| asked.timestamp).map(Timestamp::from);
    match (kind, time) {
        ("AT_TIMESTAMP", None) => Err(KinesisError::Validation(
            "Timestamp is required when the starting position's Type is AT_TIMESTAMP.".into(),
        )),
        // As of an iterator: a position is one of records that can be there.
        ("AT_TIMESTAMP", Some(time)) if time > now => Err(KinesisError::InvalidArgument(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, \
             currentTimestampInMillis: {}",
            time.0, now.0
        ))),
        (kind, Some(_)) if kind != "AT_TIMESTAMP" => Err(KinesisError::Validation(format!(
            "Timestamp must not be given when the starting position's Type is {kind}."
        ))),
        (kind, time) => Ok(Position {
            kind: kind.to_owned(),
            asked: time,
            from: Timestamp::default(),
        }),
    }
}

impl Kinesis {
    async fn create_queue(
        &self,
        caller: &Caller,
        stream: &StreamName,
        asked: Settings,
    ) -> Result<Queue, KinesisError> {
        let _turn = self.plane.queues.changing.lock().await;
        // Consumers that are registered meanwhile count.
        let _consumers = self.amending.lock().await;
        let name_key = record::name_key(&caller.account, &caller.region, &asked.name);
        for _ in 0..ATTEMPTS {
            let found = self.find_named(stream).await?;
            if self.store.get(&name_key).await?.is_some() {
                return Err(KinesisError::ResourceInUse(format!(
                    "Queue {} under account {} already exists.",
                    asked.name, caller.account
                )));
            }
            self.must_take_a_queue(caller, &found).await?;
            let number = Number::next(&*self.store).await?;
            let name = self.new_name(caller, number.id).await?;
            let mut settings = asked.clone();
            settings.number = number.id;
            let mut txn = self.creation(&found, &mut settings).await?;
            for key in [name_key.clone(), name.key()] {
                let expect = Expect::Absent;
                txn.checks.push(Check { key, expect });
            }
            txn.writes.push(put(&name, &settings));
            txn.writes.push(Write::Put {
                key: name_key.clone(),
                value: encode(&name.id),
            });
            number.put_into(&mut txn);
            let mut of_stream = found.settings.clone();
            of_stream.queues += 1;
            match self.streams.change_with(&found, &of_stream, txn).await {
                Ok(()) => return self.queue(&name).await,
                // Resharded, deleted or trimmed in between; or another took the number.
                Err(StoreError::Conflict { .. } | StoreError::NoSuchLog { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KinesisError::Unavailable)
    }

    /// An id that nobody can guess from another's, and that stays the same if the transaction is tried again.
    async fn new_name(&self, caller: &Caller, number: StreamId) -> Result<QueueName, KinesisError> {
        let key = self.plane.iterator_key(&*self.store).await?;
        let tag = key.tag("queue", "id", &number.0.to_be_bytes());
        let digits = tag.iter().map(|byte| format!("{byte:02x}"));
        let mut id: String = digits.collect();
        id.truncate(record::ID_LENGTH);
        Ok(QueueName {
            account: caller.account.clone(),
            region: caller.region.clone(),
            id,
        })
    }

    async fn must_take_a_queue(
        &self,
        caller: &Caller,
        stream: &Stream,
    ) -> Result<(), KinesisError> {
        self.must_be_made(stream)?;
        let StreamName { account, name, .. } = &stream.name;
        if stream.settings.mode != Mode::OnDemand {
            return Err(KinesisError::Validation(format!(
                "Request is invalid. Stream {name} under AccountId {account} is not in On-Demand mode, which queues need."
            )));
        }
        let commitment = self.commitment(&caller.account, &caller.region).await?;
        let now = self.clock.now();
        let most = consumers::most_consumers(self.limits, stream, commitment, now);
        let registered = self.attached(&stream.name).await?.consumers.len();
        if registered + stream.settings.queues as usize >= most {
            return Err(consumers::too_many(&stream.name, most));
        }
        if self.limits == Limits::Aws {
            self.may_create_another(caller, now).await?;
        }
        Ok(())
    }

    async fn may_create_another(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), KinesisError> {
        let folder = QueueName::folder(&caller.account, &caller.region);
        let mut creating = 0;
        for (_, document) in self.store.scan(Scan::below(&folder)).await? {
            let settings: Settings = document.decode()?;
            creating += usize::from(settings.is_creating(now));
        }
        if creating < limits::CREATING_QUEUES {
            return Ok(());
        }
        Err(KinesisError::LimitExceeded(format!(
            "Account {} may have {} queues in CREATING at once.",
            caller.account,
            limits::CREATING_QUEUES
        )))
    }

    /// The transaction that makes the queue's logs, and says in its journals where delivery begins.
    async fn creation(
        &self,
        stream: &Stream,
        settings: &mut Settings,
    ) -> Result<Txn, KinesisError> {
        let now = self.clock.now();
        let horizon = shards::horizon(stream, now);
        settings.created = now;
        settings.stream_created = stream.settings.created;
        settings.taken_up = stream.settings.next_shard;
        settings.position.from = match settings.position.asked {
            Some(time) => time.max(horizon),
            None if settings.position.kind == "TRIM_HORIZON" => horizon,
            None => now,
        };
        let mut txn = Txn {
            logs: settings.own_logs().map(LogChange::Create).to_vec(),
            ..Txn::default()
        };
        for shard in stream.topology.shards() {
            let Some(start) = self.start(stream, shard, &settings.position).await? else {
                continue;
            };
            let journal = settings.journal(shard.index);
            txn.logs.push(LogChange::Create(journal));
            if start > Offset::ZERO {
                let draft = Draft::default().ranges([(Offset::ZERO, start)].into_iter());
                txn.appends.push(Append::to(journal, draft.into_batch(now)));
            }
        }
        Ok(txn)
    }

    /// The first of a shard's records to be delivered; `None` where there is none and will be none.
    async fn start(
        &self,
        stream: &Stream,
        shard: &Shard,
        position: &Position,
    ) -> Result<Option<Offset>, KinesisError> {
        let at = match (position.asked, position.kind.as_str()) {
            (Some(time), _) => streams::Position::Time(time),
            (None, "TRIM_HORIZON") => streams::Position::Start,
            (None, _) => streams::Position::End,
        };
        let located = async {
            let start = self.streams.locate(stream, shard.index, at).await?;
            let end = self.streams.bounds(stream, shard.index).await?.end;
            Ok((shard.is_open() || start < end).then_some(start))
        };
        match located.await {
            // Forgotten in between, with all its records.
            Err(StoreError::NoSuchLog { .. }) => Ok(None),
            found => Ok(found.map_err(StreamsError::from)?),
        }
    }
}
