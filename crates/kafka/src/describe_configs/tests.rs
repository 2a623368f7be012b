//! Configurations as clients see and change them, over the store in memory.

use streams::{Mode, NewStream};

use super::*;
use crate::alter_configs::{alter_configs, incremental_alter_configs};
use crate::list_config_resources::list_config_resources;
use crate::wire::describe_configs_request::DescribeConfigsResource;
use crate::wire::{
    AlterConfigsRequestData, IncrementalAlterConfigsRequestData, ListConfigResourcesRequestData,
    alter_configs_request, incremental_alter_configs_request,
};
use crate::world::{World, answer};

const SET: i8 = 0;
const DELETE: i8 = 1;

/// A configuration's value and where it comes from.
async fn described(world: &World, kind: Kinds, name: &str, key: &str) -> Option<(String, i8)> {
    let request = DescribeConfigsRequestData {
        resources: vec![DescribeConfigsResource {
            resource_type: kind.number(),
            resource_name: text(name),
            configuration_keys: Some(vec![text(key)]),
            ..DescribeConfigsResource::default()
        }],
        include_synonyms: true,
        include_documentation: true,
        ..DescribeConfigsRequestData::default()
    };
    let answer = answer(describe_configs(world.call(4), request).await).await;
    let found = answer.results[0].configs.first()?;
    let value = found.value.as_ref().unwrap().as_str().to_owned();
    Some((value, found.config_source))
}

/// Changes one configuration, or deletes it; gives the code.
async fn change(world: &World, kind: Kinds, name: &str, key: &str, value: Option<&str>) -> i16 {
    let request = IncrementalAlterConfigsRequestData {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: kind.number(),
            resource_name: text(name),
            configs: vec![incremental_alter_configs_request::AlterableConfig {
                name: text(key),
                config_operation: if value.is_some() { SET } else { DELETE },
                value: value.map(text),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..IncrementalAlterConfigsRequestData::default()
    };
    let answer = answer(incremental_alter_configs(world.call(1), request).await).await;
    answer.responses[0].error_code
}

fn is(value: &str, source: Source) -> Option<(String, i8)> {
    Some((value.to_owned(), source as i8))
}

#[tokio::test]
async fn a_value_comes_from_the_topic_the_node_the_cluster_or_nowhere() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let key = "max.message.bytes";
    let of_topic = || described(&world, Kinds::Topic, "t", key);
    assert_eq!(of_topic().await, is("1048588", Source::Default));
    let broker = "message.max.bytes";
    for (holder, value, source) in [("", "2000", Source::Cluster), ("1", "3000", Source::Node)] {
        let code = change(&world, Kinds::Broker, holder, broker, Some(value)).await;
        assert_eq!(code, 0);
        assert_eq!(of_topic().await, is(value, source));
        let topic = world.broker.topic("t").await.unwrap();
        assert_eq!(topic.config.max_message_bytes.to_string(), value);
    }
    change(&world, Kinds::Topic, "t", key, Some("4000")).await;
    assert_eq!(of_topic().await, is("4000", Source::Topic));
    change(&world, Kinds::Topic, "t", key, None).await;
    assert_eq!(of_topic().await, is("3000", Source::Node));
}

#[tokio::test]
async fn topics_that_do_not_say_follow_the_brokers_retention() {
    let world = World::new().await;
    let (key, broker) = ("retention.ms", "log.retention.ms");
    world.topic("follows", 1, &[]).await;
    // Its own, though it is the default.
    world.topic("own", 1, &[(key, "604800000")]).await;
    let of = async |topic| described(&world, Kinds::Topic, topic, key).await;
    let kept = async |topic| {
        let topic = world.broker.topic(topic).await.unwrap();
        topic.stream.settings.retention_ms
    };
    assert_eq!(of("follows").await, is("604800000", Source::Default));
    assert_eq!(of("own").await, is("604800000", Source::Topic));
    for (holder, value, source) in [("", "60000", Source::Cluster), ("1", "70000", Source::Node)] {
        change(&world, Kinds::Broker, holder, broker, Some(value)).await;
        assert_eq!(of("follows").await, is(value, source));
        assert_eq!(kept("follows").await.unwrap().to_string(), value);
        assert_eq!(of("own").await, is("604800000", Source::Topic));
    }
    change(&world, Kinds::Broker, "1", broker, None).await;
    world.topic("after", 1, &[]).await;
    for topic in ["follows", "after"] {
        assert_eq!(of(topic).await, is("60000", Source::Cluster), "{topic}");
    }
    change(&world, Kinds::Topic, "own", key, None).await;
    change(&world, Kinds::Topic, "after", key, Some("5")).await;
    // As Kinesis does it.
    let name = world.broker.stream_name("follows");
    let streams = &world.broker.streams;
    let told = streams.update(&name, |_, settings| {
        settings.set_retention(Some(86_400_000));
        Ok::<_, streams::StreamsError>(())
    });
    told.await.unwrap();
    world.topic("same", 1, &[]).await;
    let name = world.broker.stream_name("same");
    let same = streams.update(&name, |_, settings| {
        settings.set_retention(Some(60_000));
        Ok::<_, streams::StreamsError>(())
    });
    same.await.unwrap();
    change(&world, Kinds::Broker, "", broker, Some("-1")).await;
    assert_eq!(of("same").await, is("60000", Source::Topic));
    assert_eq!(of("own").await, is("-1", Source::Cluster));
    assert_eq!(kept("own").await, None);
    assert_eq!(of("after").await, is("5", Source::Topic));
    assert_eq!(of("follows").await, is("86400000", Source::Topic));
}

#[tokio::test]
async fn a_broker_that_ended_while_topics_were_told_tells_them_at_its_start() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let configs = &world.broker.configs;
    let store = &**world.broker.streams.store();
    let set = |values: &mut configs::kept::Values| {
        values.insert("log.retention.bytes".into(), "4096".into());
        Ok::<_, Refusal>(())
    };
    let changed = configs.change(store, (Holder::Broker, CLUSTER), false, set);
    changed.await.unwrap();
    let kept = async || {
        let topic = world.broker.topic("t").await.unwrap();
        topic.stream.settings.retention_bytes
    };
    assert_eq!(kept().await, None);
    configs::following::start(&world.broker);
    let told = async {
        while kept().await != Some(4096) {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(10);
    tokio::time::timeout(patience, told).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_kinesis_made_tells_its_settings() {
    let world = World::new().await;
    let new = NewStream {
        shards: 1,
        mode: Mode::Provisioned,
        retention_ms: Some(86_400_000),
        max_record_bytes: 1 << 20,
        warm_throughput_mibps: None,
        retention_bytes: None,
        extra: std::collections::BTreeMap::new(),
        documents: Vec::new(),
        is_awaited: false,
    };
    let name = world.broker.stream_name("s");
    world.broker.streams.create(&name, new).await.unwrap();
    let found = described(&world, Kinds::Topic, "s", "retention.ms").await;
    assert_eq!(found, is("86400000", Source::Topic));
    change(&world, Kinds::Topic, "s", "retention.ms", Some("-1")).await;
    let stream = world.broker.streams.find(&name).await.unwrap();
    assert_eq!(stream.settings.retention_ms, None);
}

#[tokio::test]
async fn the_older_request_resets_what_it_does_not_mention() {
    let world = World::new().await;
    world
        .topic(
            "t",
            1,
            &[("cleanup.policy", "compact"), ("segment.ms", "5000")],
        )
        .await;
    let request = |value: &str, validate_only| AlterConfigsRequestData {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type: Kinds::Topic.number(),
            resource_name: text("t"),
            configs: vec![alter_configs_request::AlterableConfig {
                name: text("segment.ms"),
                value: Some(text(value)),
                ..Default::default()
            }],
            ..Default::default()
        }],
        validate_only,
        ..AlterConfigsRequestData::default()
    };
    for (value, is_trial, code, policy) in [
        ("0", false, ErrorCode::InvalidConfig, "compact"),
        ("6000", true, ErrorCode::None, "compact"),
        ("6000", false, ErrorCode::None, "delete"),
    ] {
        let request = request(value, is_trial);
        let answer = answer(alter_configs(world.call(2), request).await).await;
        assert_eq!(answer.responses[0].error_code, code.code());
        let found = described(&world, Kinds::Topic, "t", "cleanup.policy").await;
        assert_eq!(found.unwrap().0, policy);
    }
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let invalid = ErrorCode::InvalidConfig;
    for (kind, name, key, value, code) in [
        (Kinds::Topic, "t", "no.such", "1", invalid),
        (Kinds::Topic, "t", "remote.storage.enable", "true", invalid),
        (
            Kinds::Topic,
            "none",
            "segment.ms",
            "1",
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            Kinds::Topic,
            "t\0x",
            "segment.ms",
            "1",
            ErrorCode::InvalidTopicException,
        ),
        (
            Kinds::Topic,
            "",
            "segment.ms",
            "1",
            ErrorCode::InvalidRequest,
        ),
        (
            Kinds::Broker,
            "",
            "listeners",
            "X://:1",
            ErrorCode::InvalidRequest,
        ),
        (
            Kinds::Broker,
            "1",
            "log.retention.ms",
            "a week",
            ErrorCode::InvalidRequest,
        ),
        (
            Kinds::Broker,
            "2",
            "num.partitions",
            "3",
            ErrorCode::InvalidRequest,
        ),
        (Kinds::BrokerLogger, "1", "root", "DEBUG", invalid),
        (
            Kinds::Group,
            "g",
            "consumer.session.timeout.ms",
            "1",
            invalid,
        ),
        (
            Kinds::Group,
            "",
            "share.isolation.level",
            "read_committed",
            ErrorCode::InvalidRequest,
        ),
        (Kinds::ClientMetrics, "m", "match", "shoe_size=43", invalid),
    ] {
        let found = change(&world, kind, name, key, Some(value)).await;
        assert_eq!(found, code.code(), "{kind:?} {key}");
    }
}

#[tokio::test]
async fn whatever_has_configurations_is_listed() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    change(
        &world,
        Kinds::Group,
        "g",
        "share.isolation.level",
        Some("read_committed"),
    )
    .await;
    change(
        &world,
        Kinds::ClientMetrics,
        "m",
        "interval.ms",
        Some("1000"),
    )
    .await;
    let group = world.broker.configs.of_group("g", "share.isolation.level");
    assert_eq!(group, "read_committed");
    let listed = async |version, resource_types: &[i8]| {
        let request = ListConfigResourcesRequestData {
            resource_types: resource_types.to_vec(),
            ..ListConfigResourcesRequestData::default()
        };
        let answer = answer(list_config_resources(world.call(version), request).await).await;
        let names = answer.config_resources.iter();
        let names: Vec<String> = names
            .map(|one| one.resource_name.as_str().to_owned())
            .collect();
        (answer.error_code, names)
    };
    assert_eq!(listed(0, &[]).await, (0, vec!["m".to_owned()]));
    let group_and_topic = [Kinds::Group.number(), Kinds::Topic.number()];
    let both = vec!["t".to_owned(), "g".to_owned()];
    assert_eq!(listed(1, &group_and_topic).await, (0, both));
    assert_eq!(listed(1, &[]).await.1.len(), 5);
    let unknown = ErrorCode::UnsupportedVersion.code();
    assert_eq!(listed(1, &[99]).await, (unknown, Vec::new()));
}

#[tokio::test]
async fn a_configuration_that_nobody_knows_can_be_deleted_and_not_set() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let holders = [
        (Kinds::Topic, "t"),
        (Kinds::Broker, ""),
        (Kinds::Broker, "1"),
        (Kinds::Group, "g"),
        (Kinds::ClientMetrics, "m"),
    ];
    for (kind, name) in holders {
        let deleted = change(&world, kind, name, "no.such", None).await;
        assert_eq!(deleted, 0, "{kind:?}");
        let set = change(&world, kind, name, "no.such", Some("1")).await;
        assert_ne!(set, 0, "{kind:?}");
    }
}

/// A configuration's value, and the synonyms it is shown with.
async fn synonyms(world: &World, kind: Kinds, name: &str, key: &str) -> (String, Vec<String>) {
    let entries = entries(&world.call(4), kind.number(), name).await.unwrap();
    let entry = entries.iter().find(|entry| entry.name() == key).unwrap();
    let values = entry.values.iter();
    let synonyms = values.map(|(name, value, source)| format!("{source:?} {name}={value}"));
    (entry.in_force().0.to_owned(), synonyms.collect())
}

#[tokio::test]
async fn synonyms_are_what_apache_kafka_calls_them() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    change(&world, Kinds::Broker, "", "message.max.bytes", Some("9")).await;
    let check = async |kind, name, key, value: &str, expected: &[&str]| {
        let (found, synonyms) = synonyms(&world, kind, name, key).await;
        assert_eq!(
            (found.as_str(), synonyms),
            (value, expected.iter().map(ToString::to_string).collect()),
            "{key}"
        );
    };
    let cleaner = "Default log.cleaner.delete.retention.ms=86400000";
    check(
        Kinds::Topic,
        "t",
        "delete.retention.ms",
        "86400000",
        &[cleaner],
    )
    .await;
    check(Kinds::Topic, "t", "segment.ms", "604800000", &[]).await;
    let cluster = "Cluster message.max.bytes=9";
    let default = "Default message.max.bytes=1048588";
    check(
        Kinds::Topic,
        "t",
        "max.message.bytes",
        "9",
        &[cluster, default],
    )
    .await;
    // The cluster's own are what was set, alone.
    check(Kinds::Broker, "", "message.max.bytes", "9", &[cluster]).await;
    check(Kinds::ClientMetrics, "m", "interval.ms", "300000", &[]).await;
}

#[test]
fn every_topics_configuration_is_behind_one_of_one_kind() {
    for definition in TOPIC {
        let here = BrokerDefinition::behind(definition.name).is_some();
        assert!(
            !here || topic::behind(definition.name).is_none(),
            "{}",
            definition.name
        );
    }
}

#[tokio::test]
async fn what_apache_kafka_changes_while_it_runs_can_be_changed_here() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    for (name, value) in [
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "true"),
    ] {
        assert_eq!(
            change(&world, Kinds::Broker, "", name, Some(value)).await,
            0
        );
        let found = described(&world, Kinds::Topic, "t", name).await;
        assert_eq!(found, is(value, Source::Cluster), "{name}");
    }
}
