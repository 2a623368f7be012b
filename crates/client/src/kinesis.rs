//! Kinesis Data Streams, as far as the verbs need it: shapes named as AWS names them, and one method for each thing people do.

use std::sync::Arc;
use std::time::Duration;

use aws::shapes::{decode_base64, encode_base64};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::{Client, Json, Target};
use crate::error::ClientError;
use crate::lineage::ShardInfo;

pub(crate) const TARGET: Target = Target {
    signing_name: "kinesis",
    prefix: "Kinesis_20131202",
    json: Json::V1_1,
};
/// The most that ListShards gives at once.
const SHARDS_PER_PAGE: u32 = 10_000;
/// Between two looks at a stream that is changing.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Times a record that was throttled is sent in all.
const PUT_ATTEMPTS: u32 = 10;

/// A stream in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSummary {
    /// Its name.
    pub stream_name: String,
    /// Its ARN.
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    /// `CREATING`, `ACTIVE`, `UPDATING` or `DELETING`.
    pub stream_status: String,
    /// Who sets the number of shards.
    pub stream_mode_details: Option<StreamModeDetails>,
    /// Seconds since 1970.
    pub stream_creation_timestamp: Option<f64>,
}

/// Who sets the number of shards.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamModeDetails {
    /// `PROVISIONED` or `ON_DEMAND`.
    pub stream_mode: String,
}

/// A stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamDescription {
    /// What a list tells of it.
    #[serde(flatten)]
    pub summary: StreamSummary,
    /// How long records are kept.
    pub retention_period_hours: u32,
    /// Shards that take records.
    pub open_shard_count: u32,
    /// `NONE` or `KMS`.
    pub encryption_type: Option<String>,
    /// Registered readers.
    pub consumer_count: Option<u32>,
}

/// A shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shard {
    /// Its id.
    pub shard_id: String,
    /// What it was split or merged from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_shard_id: Option<String>,
    /// The other one it was merged from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjacent_parent_shard_id: Option<String>,
    /// Whose records it takes.
    pub hash_key_range: HashKeyRange,
    /// Where it begins and ends.
    pub sequence_number_range: SequenceNumberRange,
}

/// Both ends included, in decimal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HashKeyRange {
    /// First key.
    pub starting_hash_key: String,
    /// Last key.
    pub ending_hash_key: String,
}

/// Where a shard begins and ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SequenceNumberRange {
    /// First number.
    pub starting_sequence_number: String,
    /// Last number, once it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending_sequence_number: Option<String>,
}

impl Shard {
    /// What order needs to know of it.
    #[must_use]
    pub fn info(&self) -> ShardInfo {
        let parents = [&self.parent_shard_id, &self.adjacent_parent_shard_id];
        ShardInfo {
            id: self.shard_id.clone(),
            parents: parents.into_iter().flatten().cloned().collect(),
            is_closed: self.sequence_number_range.ending_sequence_number.is_some(),
        }
    }
}

/// A record to put.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// The record.
    #[serde(serialize_with = "write_base64")]
    pub data: Bytes,
    /// Chooses the shard.
    pub partition_key: String,
}

/// Where a record was put.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Placed {
    /// Its shard.
    pub shard_id: String,
    /// Its place in the shard.
    pub sequence_number: String,
}

/// A record read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// Its place in the shard.
    pub sequence_number: String,
    /// When it arrived, in seconds since 1970.
    pub approximate_arrival_timestamp: Option<f64>,
    /// What its writer called it.
    pub partition_key: String,
    /// The record.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub data: Bytes,
}

/// What one read gave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Records {
    /// In order.
    #[serde(default)]
    pub records: Vec<Record>,
    /// Where to go on; none at the end of a closed shard.
    pub next_shard_iterator: Option<String>,
    /// The shards that go on where a closed one ended.
    #[serde(default)]
    pub child_shards: Vec<ChildShard>,
}

/// A shard that goes on where others ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChildShard {
    /// Its id.
    pub shard_id: String,
    /// The ones that ended.
    #[serde(default)]
    pub parent_shards: Vec<String>,
}

/// Where to begin in a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// At the oldest record there is.
    Oldest,
    /// With what comes from now on.
    Latest,
    /// At the first record of that time or later, in seconds since 1970.
    Time(f64),
    /// After the record of that sequence number.
    After(String),
}

pub(crate) fn write_base64<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode_base64(data))
}

pub(crate) fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode_base64(&text).map_err(serde::de::Error::custom)
}

/// Nothing is answered.
#[derive(Deserialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Named<'a> {
    stream_name: &'a str,
}

/// The operations.
#[derive(Debug, Clone)]
pub struct Kinesis(Arc<Client>);

impl Kinesis {
    /// Kinesis at the client's endpoint.
    #[must_use]
    pub fn new(client: Client) -> Kinesis {
        Kinesis(Arc::new(client))
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0
    }

    async fn call<I: Serialize, O: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &I,
    ) -> Result<O, ClientError> {
        self.0.call(TARGET, operation, input).await
    }

    /// Makes a stream of that many shards, or one that scales itself.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn create(&self, name: &str, shards: Option<u32>) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            shard_count: Option<u32>,
            stream_mode_details: StreamModeDetails,
        }
        let mode = match shards {
            Some(_) => "PROVISIONED",
            None => "ON_DEMAND",
        };
        let input = Input {
            stream_name: name,
            shard_count: shards,
            stream_mode_details: StreamModeDetails {
                stream_mode: mode.to_owned(),
            },
        };
        self.call("CreateStream", &input).await.map(|Nothing {}| ())
    }

    /// Deletes a stream, its records and its registered readers.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn delete(&self, name: &str) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            enforce_consumer_deletion: bool,
        }
        let input = Input {
            stream_name: name,
            enforce_consumer_deletion: true,
        };
        self.call("DeleteStream", &input).await.map(|Nothing {}| ())
    }

    /// Every stream, by name.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn list(&self) -> Result<Vec<StreamSummary>, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input {
            #[serde(skip_serializing_if = "Option::is_none")]
            next_token: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            stream_summaries: Vec<StreamSummary>,
            next_token: Option<String>,
        }
        let mut streams = Vec::new();
        let mut next_token = None;
        loop {
            let page: Output = self.call("ListStreams", &Input { next_token }).await?;
            streams.extend(page.stream_summaries);
            if page.next_token.is_none() {
                return Ok(streams);
            }
            next_token = page.next_token;
        }
    }

    /// What there is to know of a stream but its shards.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn describe(&self, name: &str) -> Result<StreamDescription, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            stream_description_summary: StreamDescription,
        }
        let input = Named { stream_name: name };
        let output: Output = self.call("DescribeStreamSummary", &input).await?;
        Ok(output.stream_description_summary)
    }

    /// Waits until a stream is neither being made nor being changed.
    ///
    /// # Errors
    /// As [`Kinesis::describe`].
    pub async fn wait_until_active(&self, name: &str) -> Result<StreamDescription, ClientError> {
        loop {
            let stream = self.describe(name).await?;
            if stream.summary.stream_status == "ACTIVE" {
                return Ok(stream);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until there is no such stream any more.
    ///
    /// # Errors
    /// As [`Kinesis::describe`].
    pub async fn wait_until_gone(&self, name: &str) -> Result<(), ClientError> {
        loop {
            match self.describe(name).await {
                Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Every shard of a stream, open or not, that still holds records. It is named, or given by its ARN.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn shards(&self, name: &str) -> Result<Vec<Shard>, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            stream_name: Option<&'a str>,
            #[serde(rename = "StreamARN", skip_serializing_if = "Option::is_none")]
            stream_arn: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_token: Option<String>,
            max_results: u32,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            shards: Vec<Shard>,
            next_token: Option<String>,
        }
        let mut shards = Vec::new();
        let is_arn = name.starts_with("arn:");
        let mut input = Input {
            stream_name: (!is_arn).then_some(name),
            stream_arn: is_arn.then_some(name),
            next_token: None,
            max_results: SHARDS_PER_PAGE,
        };
        loop {
            let page: Output = self.call("ListShards", &input).await?;
            shards.extend(page.shards);
            if page.next_token.is_none() {
                return Ok(shards);
            }
            // A token names the stream: AWS refuses both together.
            input.stream_name = None;
            input.stream_arn = None;
            input.next_token = page.next_token;
        }
    }

    /// Splits a shard in two at `hash_key`, the first key of the upper one.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn split(&self, name: &str, shard: &str, hash_key: &str) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            shard_to_split: &'a str,
            new_starting_hash_key: &'a str,
        }
        let input = Input {
            stream_name: name,
            shard_to_split: shard,
            new_starting_hash_key: hash_key,
        };
        self.call("SplitShard", &input).await.map(|Nothing {}| ())
    }

    /// Makes one shard of two neighbours.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn merge(&self, name: &str, shard: &str, with: &str) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            shard_to_merge: &'a str,
            adjacent_shard_to_merge: &'a str,
        }
        let input = Input {
            stream_name: name,
            shard_to_merge: shard,
            adjacent_shard_to_merge: with,
        };
        self.call("MergeShards", &input).await.map(|Nothing {}| ())
    }

    /// Gives a stream that many shards of equal width.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn scale(&self, name: &str, shards: u32) -> Result<(), ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            target_shard_count: u32,
            scaling_type: &'static str,
        }
        let input = Input {
            stream_name: name,
            target_shard_count: shards,
            scaling_type: "UNIFORM_SCALING",
        };
        self.call("UpdateShardCount", &input)
            .await
            .map(|Nothing {}| ())
    }

    /// Where to begin reading a shard.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn iterator(
        &self,
        name: &str,
        shard: &str,
        start: &Start,
    ) -> Result<Option<String>, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            shard_id: &'a str,
            shard_iterator_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            starting_sequence_number: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<f64>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            shard_iterator: Option<String>,
        }
        let (shard_iterator_type, starting_sequence_number, timestamp) = match start {
            Start::Oldest => ("TRIM_HORIZON", None, None),
            Start::Latest => ("LATEST", None, None),
            Start::Time(seconds) => ("AT_TIMESTAMP", None, Some(*seconds)),
            Start::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number.as_str()), None),
        };
        let input = Input {
            stream_name: name,
            shard_id: shard,
            shard_iterator_type,
            starting_sequence_number,
            timestamp,
        };
        let output: Output = self.call("GetShardIterator", &input).await?;
        Ok(output.shard_iterator)
    }

    /// The records at an iterator.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn read(&self, iterator: &str) -> Result<Records, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            shard_iterator: &'a str,
        }
        let input = Input {
            shard_iterator: iterator,
        };
        self.call("GetRecords", &input).await
    }

    /// Puts at most 500 records, sending those again that were throttled. Answers where each went, in order.
    ///
    /// # Errors
    /// As the operation has them; a record that is throttled for too long has its own error.
    pub async fn put(&self, name: &str, entries: &[Entry]) -> Result<Vec<Placed>, ClientError> {
        let mut placed: Vec<Option<Placed>> = vec![None; entries.len()];
        let mut left: Vec<usize> = (0..entries.len()).collect();
        let mut attempt = 1;
        loop {
            let sent: Vec<&Entry> = left.iter().filter_map(|&at| entries.get(at)).collect();
            let results = self.put_once(name, &sent).await?;
            let mut failed = None;
            let mut again = Vec::new();
            for (at, result) in left.into_iter().zip(results) {
                match result.into_placed() {
                    Ok(place) => {
                        if let Some(slot) = placed.get_mut(at) {
                            *slot = Some(place);
                        }
                    }
                    Err(error) => {
                        again.push(at);
                        failed = Some(error);
                    }
                }
            }
            match failed {
                None => return Ok(placed.into_iter().flatten().collect()),
                Some(error) if attempt >= PUT_ATTEMPTS || !error.is_passing() => return Err(error),
                Some(_) => {}
            }
            left = again;
            self.0.pause(attempt).await;
            attempt += 1;
        }
    }

    async fn put_once(
        &self,
        name: &str,
        records: &[&Entry],
    ) -> Result<Vec<PutResult>, ClientError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Input<'a> {
            stream_name: &'a str,
            records: &'a [&'a Entry],
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            records: Vec<PutResult>,
        }
        let input = Input {
            stream_name: name,
            records,
        };
        let output: Output = self.call("PutRecords", &input).await?;
        Ok(output.records)
    }
}

/// What became of one record of PutRecords: a place or an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutResult {
    shard_id: Option<String>,
    sequence_number: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl PutResult {
    fn into_placed(self) -> Result<Placed, ClientError> {
        if let (Some(shard_id), Some(sequence_number)) = (self.shard_id, self.sequence_number) {
            return Ok(Placed {
                shard_id,
                sequence_number,
            });
        }
        Err(ClientError::Refused {
            operation: "PutRecords",
            code: self.error_code.unwrap_or_default(),
            message: self.error_message.unwrap_or_default(),
            status: 400,
        })
    }
}
