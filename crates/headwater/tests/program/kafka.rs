//! The Kafka broker behind the program: without a listener, and before strangers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use client::kafka::wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use client::kafka::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use client::kafka::wire::messages::{
    AddPartitionsToTxnRequestData, EndTxnRequestData, InitProducerIdRequestData, ProduceRequestData,
};
use model::batch::Producer;
use model::{BatchBuilder, Clock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::groups::kafka;
use crate::process::{Directory, Server, headwater, run};

/// Writes a record in a transaction and leaves that open; gives what its end needs.
async fn leave_open(server: &Server) -> EndTxnRequestData {
    let kafka = kafka(server);
    let id = || Some("t".to_owned().into());
    let init = InitProducerIdRequestData {
        transactional_id: id(),
        transaction_timeout_ms: 600_000,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdRequestData::default()
    };
    let given = kafka.ask(&init).await.unwrap();
    assert_eq!(given.error_code, 0);
    let add = AddPartitionsToTxnRequestData {
        v3_and_below_transactional_id: "t".to_owned().into(),
        v3_and_below_producer_id: given.producer_id,
        v3_and_below_producer_epoch: given.producer_epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic {
            name: "orders".to_owned().into(),
            partitions: vec![0],
            ..AddPartitionsToTxnTopic::default()
        }],
        ..AddPartitionsToTxnRequestData::default()
    };
    kafka.ask(&add).await.unwrap();
    let producer = Producer {
        id: given.producer_id,
        epoch: given.producer_epoch,
        sequence: 0,
    };
    let mut batch = BatchBuilder::with_capacity(100)
        .by(producer)
        .transactional();
    batch.push(Clock::system().now(), Some(b"k"), Some(b"undecided"), &[]);
    let produce = ProduceRequestData {
        transactional_id: id(),
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "orders".to_owned().into(),
            partition_data: vec![PartitionProduceData {
                records: Some(batch.finish().bytes().clone()),
                ..PartitionProduceData::default()
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequestData::default()
    };
    let written = kafka.ask(&produce).await.unwrap();
    assert_eq!(written.responses[0].partition_responses[0].error_code, 0);
    EndTxnRequestData {
        transactional_id: "t".to_owned().into(),
        producer_id: given.producer_id,
        producer_epoch: given.producer_epoch,
        committed: true,
        ..EndTxnRequestData::default()
    }
}

#[test]
fn a_transaction_stays_open_where_no_kafka_client_is_answered() {
    let directory = Directory::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::start(directory.path(), &[]);
    run(&["topic", "create", "orders", "--endpoint", server.endpoint()]).succeeded();
    let end = runtime.block_on(leave_open(&server));
    server.stop().succeeded();

    let server = Server::start_listening(directory.path(), "off", &[]);
    assert!(server.endpoints["kafka"].is_null());
    let shown = || {
        let begin = r#"{"StreamName":"orders","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#;
        let (_, begun) = server.kinesis("GetShardIterator", begin);
        let input = serde_json::json!({ "ShardIterator": begun["ShardIterator"] });
        let (status, answer) = server.kinesis("GetRecords", &input.to_string());
        assert_eq!(status, 200, "{answer}");
        answer["Records"].as_array().unwrap().len()
    };
    assert_eq!(shown(), 0);
    let ended = runtime.block_on(async { kafka(&server).ask(&end).await });
    assert_eq!(ended.unwrap().error_code, 0);
    assert_eq!(shown(), 1);
}

/// Whether a client over TLS that shows no certificate is answered which mechanisms there are.
fn answers_without_a_certificate(address: &str, authority: &Path) -> bool {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(authority).unwrap();
    roots.add(authority).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    // SaslHandshake 1 for PLAIN, from a client `x`, with its length before it.
    let request = b"\0\0\0\x12\0\x11\0\x01\0\0\0\x01\0\x01x\0\x05PLAIN";
    let mut answered = [0; 4];
    stream.write_all(request).is_ok() && stream.read_exact(&mut answered).is_ok()
}

#[test]
fn who_logs_in_needs_no_certificate() {
    let directory = Directory::new();
    // Makes a certificate, which is an authority as well as another.
    Server::start(directory.path(), &[]).stop().succeeded();
    let authority = directory.path().join("tls/certificate.pem");
    let users = "[[kafka_users]]\nname = \"admin\"\npassword = \"secret\"\n";
    let file = directory.file("headwater.toml", users);
    let flags = [
        "--config",
        file.to_str().unwrap(),
        "--kafka-client-auth",
        "required",
        "--kafka-client-ca",
        authority.to_str().unwrap(),
        "--kafka-super-users",
        "User:admin",
    ];
    let listeners = "SSL://127.0.0.1:0,SASL_SSL://127.0.0.1:0";
    let server = Server::start_listening(directory.path(), listeners, &flags);
    for (protocol, answers) in [("SSL", false), ("SASL_SSL", true)] {
        let address = &server.endpoints["kafka_listeners"][protocol];
        let answered = answers_without_a_certificate(address.as_str().unwrap(), &authority);
        assert_eq!(answered, answers, "{protocol}");
    }
    server.stop().succeeded();
}

#[test]
fn verbs_sign_and_are_known_to_acls() {
    let directory = Directory::new();
    let keys = "\
        [[keys]]\naccess_key = \"ours\"\nsecret = \"a secret of ours\"\naccount = \"000000000000\"\n\
        [[keys]]\naccess_key = \"admin\"\nsecret = \"an admin's secret\"\naccount = \"000000000000\"\n\
        [[keys]]\naccess_key = \"theirs\"\nsecret = \"a secret of theirs\"\naccount = \"111111111111\"\n";
    let file = directory.file("headwater.toml", keys);
    let flags = [
        "--auth",
        "on",
        "--config",
        file.to_str().unwrap(),
        "--kafka-acls",
        "on",
        "--kafka-super-users",
        "User:arn:aws:iam::000000000000:user/admin",
    ];
    let server = Server::start(&directory.path().join("data"), &flags);
    let verb = |key: &str, secret: &str, arguments: &[&str]| {
        let mut all = vec!["topic"];
        all.extend(arguments);
        all.extend(["--endpoint", server.endpoint()]);
        let mut command = headwater(&all);
        if !key.is_empty() {
            command.env("AWS_ACCESS_KEY_ID", key);
            command.env("AWS_SECRET_ACCESS_KEY", secret);
        }
        crate::process::Finished::of(command.output().unwrap())
    };
    let stranger = verb("", "", &["ls"]);
    assert!(stranger.err.contains("--auth on"), "{}", stranger.err);
    let other = verb("theirs", "a secret of theirs", &["ls"]);
    assert!(other.err.contains("AccessDenied"), "{}", other.err);
    let create = ["create", "orders"];
    let ours = verb("ours", "a secret of ours", &create);
    assert!(ours.err.contains("AUTHORIZATION_FAILED"), "{}", ours.err);
    verb("admin", "an admin's secret", &create).succeeded();
}
