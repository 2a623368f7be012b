//! Topics: which there are, making and deleting them, and their settings.

use serde::Serialize;

use super::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use super::wire::messages::describe_configs_request::DescribeConfigsResource;
use super::wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use super::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use super::wire::messages::metadata_request::MetadataRequestTopic;
use super::wire::messages::metadata_response::MetadataResponseTopic;
use super::wire::messages::{
    CreateTopicsRequestData, DeleteTopicsRequestData, DescribeConfigsRequestData,
    IncrementalAlterConfigsRequestData, MetadataRequestData,
};
use super::{Kafka, check, incomplete, text};
use crate::error::ClientError;

/// Longest the broker may take to make or delete a topic, in milliseconds.
const TIMEOUT_MS: i32 = 20_000;
/// Of a resource in requests about settings: a topic.
const TOPIC: i8 = 2;
/// As many partitions, or replicas, as the broker has by default.
const AS_THE_BROKER_HAS: i16 = -1;
/// What is done to a setting.
const SET: i8 = 0;
const DELETE: i8 = 1;
/// Where a setting comes from: the topic's own.
const OF_THE_TOPIC: i8 = 1;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id, as Kafka's tools write it.
    pub topic_id: String,
    /// Its partitions' numbers, in order.
    pub partitions: Vec<i32>,
}

/// One setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What is in force.
    pub value: Option<String>,
    /// Whether the topic says so, and not the broker.
    pub is_set: bool,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// The topic says so from now on.
    Set(&'a str),
    /// As the broker has it.
    Unset,
}

impl Kafka {
    /// All topics, by name.
    ///
    /// # Errors
    /// The server's.
    pub async fn topics(&self) -> Result<Vec<Topic>, ClientError> {
        let request = MetadataRequestData {
            topics: None,
            ..MetadataRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let topics = answer.topics.into_iter().map(topic);
        let mut topics: Vec<Topic> = topics.collect::<Result<_, _>>()?;
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    /// One topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, and the server's.
    pub async fn topic(&self, name: &str) -> Result<Topic, ClientError> {
        let request = MetadataRequestData {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(text(name)),
                ..MetadataRequestTopic::default()
            }]),
            allow_auto_topic_creation: false,
            ..MetadataRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.topics.into_iter().next();
        topic(found.ok_or_else(|| incomplete("Metadata"))?)
    }

    /// Makes a topic; as many partitions as the broker has by default where it is not said.
    ///
    /// # Errors
    /// `TOPIC_ALREADY_EXISTS`, and the server's.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: Option<i32>,
        settings: &[(String, String)],
    ) -> Result<(), ClientError> {
        let configs = settings.iter().map(|(name, value)| CreatableTopicConfig {
            name: text(name),
            value: Some(text(value)),
            ..CreatableTopicConfig::default()
        });
        let request = CreateTopicsRequestData {
            topics: vec![CreatableTopic {
                name: text(name),
                num_partitions: partitions.unwrap_or(AS_THE_BROKER_HAS.into()),
                replication_factor: AS_THE_BROKER_HAS,
                configs: configs.collect(),
                ..CreatableTopic::default()
            }],
            timeout_ms: TIMEOUT_MS,
            ..CreateTopicsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let made = answer.topics.first();
        let made = made.ok_or_else(|| incomplete("CreateTopics"))?;
        check("CreateTopics", made.error_code, made.error_message.as_ref())
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, and the server's.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let request = DeleteTopicsRequestData {
            topic_names: vec![text(name)],
            timeout_ms: TIMEOUT_MS,
            ..DeleteTopicsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let done = answer.responses.first();
        let done = done.ok_or_else(|| incomplete("DeleteTopics"))?;
        check("DeleteTopics", done.error_code, done.error_message.as_ref())
    }

    /// All settings in force for a topic, by name.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, and the server's.
    pub async fn settings(&self, topic: &str) -> Result<Vec<Setting>, ClientError> {
        let request = DescribeConfigsRequestData {
            resources: vec![DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: text(topic),
                configuration_keys: None,
                ..DescribeConfigsResource::default()
            }],
            ..DescribeConfigsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let found = answer.results.into_iter().next();
        let found = found.ok_or_else(|| incomplete("DescribeConfigs"))?;
        check(
            "DescribeConfigs",
            found.error_code,
            found.error_message.as_ref(),
        )?;
        let mut settings: Vec<Setting> = found.configs.into_iter().map(setting).collect();
        settings.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(settings)
    }

    /// Changes settings of a topic, all of them or none.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, and the server's.
    pub async fn change_settings(
        &self,
        topic: &str,
        changes: &[(&str, Change<'_>)],
    ) -> Result<(), ClientError> {
        let configs = changes.iter().map(|(name, change)| AlterableConfig {
            name: text(name),
            config_operation: match change {
                Change::Set(_) => SET,
                Change::Unset => DELETE,
            },
            value: match change {
                Change::Set(value) => Some(text(value)),
                Change::Unset => None,
            },
            ..AlterableConfig::default()
        });
        let request = IncrementalAlterConfigsRequestData {
            resources: vec![AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: text(topic),
                configs: configs.collect(),
                ..AlterConfigsResource::default()
            }],
            ..IncrementalAlterConfigsRequestData::default()
        };
        let answer = self.ask(&request).await?;
        let done = answer.responses.first();
        let done = done.ok_or_else(|| incomplete("IncrementalAlterConfigs"))?;
        check(
            "IncrementalAlterConfigs",
            done.error_code,
            done.error_message.as_ref(),
        )
    }
}

fn topic(found: MetadataResponseTopic) -> Result<Topic, ClientError> {
    check("Metadata", found.error_code, None)?;
    let partitions = found.partitions.iter();
    let mut partitions: Vec<i32> = partitions.map(|one| one.partition_index).collect();
    partitions.sort_unstable();
    Ok(Topic {
        name: found.name.map_or_else(String::new, |name| name.to_string()),
        topic_id: found.topic_id.to_string(),
        partitions,
    })
}

fn setting(found: DescribeConfigsResourceResult) -> Setting {
    Setting {
        name: found.name.to_string(),
        value: found.value.map(|value| value.to_string()),
        is_set: found.config_source == OF_THE_TOPIC,
    }
}
