//! The verbs for groups against a server.

use std::time::Duration;

use client::kafka::wire::messages::join_group_request::JoinGroupRequestProtocol;
use client::kafka::wire::messages::{
    ConsumerGroupHeartbeatRequestData, JoinGroupRequestData, ShareGroupHeartbeatRequestData,
};
use client::{Client, Credentials, Kafka, Options};
use model::Region;
use serde_json::Value;

use crate::process::{Directory, Finished, Server, run};

/// Runs `headwater VERB ...` against the server.
fn verb(server: &Server, verb: &str, arguments: &[&str]) -> Finished {
    let mut all = vec![verb];
    all.extend(arguments);
    all.extend(["--endpoint", server.endpoint()]);
    run(&all)
}

/// Asks the server without a verb.
pub(crate) fn kafka(server: &Server) -> Kafka {
    let client = Client::new(Options {
        endpoint: server.endpoint().to_owned(),
        region: Region::unnamed(),
        credentials: Credentials {
            access_key: "a".to_owned(),
            secret_key: "s".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 1,
    });
    Kafka::new(client.unwrap())
}

fn ten_records(server: &Server) {
    verb(server, "topic", &["create", "orders"]).succeeded();
    let mut produce = vec!["produce", "orders"];
    produce.extend(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    verb(server, "topic", &produce).succeeded();
}

#[test]
fn a_group_is_seen_set_back_and_deleted() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let group = |arguments: &[&str]| verb(&server, "group", arguments).succeeded();
    let consume = || verb(&server, "topic", &["consume", "orders", "--group", "g"]).succeeded();
    ten_records(&server);
    assert!(group(&["ls"]).contains("No groups yet"));
    let max = ["consume", "orders", "--group", "g", "--max", "4"];
    verb(&server, "topic", &max).succeeded();
    let listed = group(&["ls"]);
    assert!(
        listed.contains("classic") && listed.contains("Empty"),
        "{listed}"
    );
    let described: Value = serde_json::from_str(&group(&["describe", "g", "--json"])).unwrap();
    assert_eq!(described["Offsets"][0]["Lag"], 6);
    assert_eq!(described["Members"], serde_json::json!([]));
    let offsets: Value = serde_json::from_str(&group(&["offsets", "g", "--json"])).unwrap();
    let first = &offsets[0];
    assert_eq!(
        (&first["Topic"], &first["Offset"], &first["End"]),
        (&"orders".into(), &4.into(), &10.into())
    );

    let dry = group(&["reset", "g", "--all-topics", "--to-earliest"]);
    assert!(dry.contains("Nothing is changed yet"), "{dry}");
    assert_eq!(consume().lines().next(), Some("4"));
    let check = |to: &[&str], expected: i64| {
        let mut arguments = vec!["reset", "g", "--topic", "orders:0", "--execute", "--json"];
        arguments.extend(to);
        let moved: Value = serde_json::from_str(&group(&arguments)).unwrap();
        assert_eq!(moved["Offsets"][0]["To"], expected, "{to:?}");
        let offsets: Value = serde_json::from_str(&group(&["offsets", "g", "--json"])).unwrap();
        assert_eq!(offsets[0]["Offset"], expected, "{to:?}");
    };
    check(&["--to-offset", "7"], 7);
    check(&["--shift-by", "-2"], 5);
    check(&["--shift-by", "99"], 10);
    check(&["--to-datetime", "1h"], 0);
    check(&["--to-latest"], 10);
    check(&["--to-datetime", "2200-01-01T00:00:00Z"], 10);
    check(&["--to-earliest"], 0);
    assert_eq!(consume().lines().count(), 10);

    let unsure = verb(&server, "group", &["delete", "g"]);
    assert_eq!(unsure.code, Some(2));
    let deleted: Value = serde_json::from_str(&group(&["delete", "g", "--yes", "--json"])).unwrap();
    let expected = serde_json::json!({ "Name": "g", "State": "Deleted" });
    assert_eq!(deleted, expected);
    let gone = verb(&server, "group", &["describe", "g"]);
    assert!(gone.err.contains("headwater group ls"), "{}", gone.err);
    let fresh = group(&[
        "reset",
        "g",
        "--topic",
        "orders",
        "--to-offset",
        "9",
        "--execute",
    ]);
    assert!(fresh.contains("g is reset"), "{fresh}");
    assert_eq!(consume(), "9\n");
}

/// Has a member join each kind of group.
async fn join(kafka: &Kafka) {
    let mut join = JoinGroupRequestData {
        group_id: "classic".to_owned().into(),
        session_timeout_ms: 300_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: "consumer".to_owned().into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned().into(),
            ..JoinGroupRequestProtocol::default()
        }],
        ..JoinGroupRequestData::default()
    };
    join.member_id = kafka.ask(&join).await.unwrap().member_id;
    assert_eq!(kafka.ask(&join).await.unwrap().error_code, 0);
    let beat = ConsumerGroupHeartbeatRequestData {
        group_id: "consumer".to_owned().into(),
        member_id: "m".to_owned().into(),
        rebalance_timeout_ms: 300_000,
        subscribed_topic_names: Some(vec!["orders".to_owned().into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequestData::default()
    };
    assert_eq!(kafka.ask(&beat).await.unwrap().error_code, 0);
    let beat = ShareGroupHeartbeatRequestData {
        group_id: "share".to_owned().into(),
        member_id: "m".to_owned().into(),
        subscribed_topic_names: Some(vec!["orders".to_owned().into()]),
        ..ShareGroupHeartbeatRequestData::default()
    };
    assert_eq!(kafka.ask(&beat).await.unwrap().error_code, 0);
}

#[test]
fn a_group_is_not_touched_while_somebody_is_in_it() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    ten_records(&server);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(join(&kafka(&server)));
    for kind in ["classic", "consumer", "share"] {
        let described = verb(&server, "group", &["describe", kind, "--json"]).succeeded();
        let described: Value = serde_json::from_str(&described).unwrap();
        assert_eq!(described["Kind"].as_str().unwrap().to_lowercase(), kind);
        assert_eq!(described["Members"][0]["ClientId"], "headwater");
        if kind != "classic" {
            let place = serde_json::json!([{ "Topic": "orders", "Partition": 0 }]);
            assert_eq!(described["Members"][0]["Partitions"], place, "{kind}");
        }
        let reset = ["reset", kind, "--topic", "orders", "--to-latest"];
        let refused = verb(&server, "group", &reset);
        assert_eq!(refused.code, Some(1), "{kind}");
        assert!(refused.err.contains("1 members"), "{}", refused.err);
        let delete = verb(&server, "group", &["delete", kind, "--yes"]);
        assert!(delete.err.contains("NON_EMPTY_GROUP"), "{}", delete.err);
        let read = verb(&server, "topic", &["consume", "orders", "--group", kind]);
        assert_ne!(read.code, Some(0), "{kind}");
    }
}

#[test]
fn a_share_group_is_set_back() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    ten_records(&server);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let kafka = kafka(&server);
    runtime.block_on(async {
        join(&kafka).await;
        let leave = ShareGroupHeartbeatRequestData {
            group_id: "share".to_owned().into(),
            member_id: "m".to_owned().into(),
            member_epoch: -1,
            ..ShareGroupHeartbeatRequestData::default()
        };
        assert_eq!(kafka.ask(&leave).await.unwrap().error_code, 0);
    });
    let reset = ["reset", "share", "--topic", "orders", "--to-offset", "3"];
    verb(&server, "group", &[&reset[..], &["--execute"]].concat()).succeeded();
    let offsets = verb(&server, "group", &["offsets", "share", "--json"]).succeeded();
    let offsets: Value = serde_json::from_str(&offsets).unwrap();
    assert_eq!(
        (&offsets[0]["Offset"], &offsets[0]["Lag"]),
        (&3.into(), &7.into())
    );
}

#[test]
#[allow(clippy::disallowed_methods)] // what is measured by a clock is looked for again and again
fn metrics_tell_what_goes_through_topics() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    ten_records(&server);
    let max = ["consume", "orders", "--group", "g", "--max", "4"];
    verb(&server, "topic", &max).succeeded();
    let shown = [
        "\nkafka_server_brokertopicmetrics_messagesin_total{topic=\"orders\"} 10\n",
        "\nkafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"orders\"} 0\n",
        "\nkafka_network_requestmetrics_totaltime_seconds_count{request=\"CreateTopics\"} 1\n",
        "\nkafka_topic_partitions{topic=\"orders\"} 1\n",
        "\nkafka_topic_partition_oldest_offset{partition=\"0\",topic=\"orders\"} 0\n",
        "\nkafka_topic_partition_current_offset{partition=\"0\",topic=\"orders\"} 10\n",
        "\nkafka_consumergroup_lag{consumergroup=\"g\",topic=\"orders\",partition=\"0\"} 6\n",
        "\nkafka_brokers 1\n",
    ];
    let missing = || {
        let (_, metrics) = server.get("/metrics");
        let missing = shown.iter().find(|series| !metrics.contains(**series));
        missing.map(|series| format!("{series} is not in\n{metrics}"))
    };
    // Topics and groups are measured every ten seconds.
    for _ in 0..600 {
        if missing().is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(missing(), None);
}
