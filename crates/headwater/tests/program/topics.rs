//! The verbs for topics against a server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use client::kafka::wire::messages::ProduceRequestData;
use client::kafka::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use model::{Batch, BatchBuilder, Clock};
use serde_json::Value;

use crate::groups::kafka;
use crate::process::{Directory, Finished, Server, headwater, run};

/// Runs `headwater topic ...` against the server.
fn topic(server: &Server, arguments: &[&str]) -> Finished {
    let mut all = vec!["topic"];
    all.extend(arguments);
    all.extend(["--endpoint", server.endpoint()]);
    run(&all)
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_topic_lives_from_create_to_delete() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    assert!(verb(&["ls"]).contains("No topics yet"));
    let config = "retention.ms=7200000";
    let made = verb(&["create", "orders", "--partitions", "3", "--config", config]);
    assert_eq!(made, "orders is ready with 3 partitions\n");
    let again = topic(&server, &["create", "orders"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("--if-absent"), "{}", again.err);
    let kept = verb(&["create", "orders", "--if-absent"]);
    assert_eq!(kept, "orders is ready with 3 partitions\n");
    verb(&["produce", "orders", "one", "two", "--partition", "1"]);
    let listed: Value = serde_json::from_str(&verb(&["ls", "--json"])).unwrap();
    assert_eq!(listed[0]["Name"], "orders");
    assert_eq!(
        (&listed[0]["Partitions"], &listed[0]["Offsets"]),
        (&3.into(), &2.into())
    );
    assert!(verb(&["ls", "x"]).contains("No topics yet"));
    let described: Value = serde_json::from_str(&verb(&["describe", "orders", "--json"])).unwrap();
    assert_eq!(described["Partitions"][1]["End"], 2);
    assert_eq!(described["Settings"][0]["Name"], "retention.ms");
    assert!(verb(&["describe", "orders"]).contains("retention.ms=7200000"));
    let unsure = topic(&server, &["delete", "orders"]);
    assert_eq!(unsure.code, Some(2));
    assert!(unsure.err.contains("--yes"), "{}", unsure.err);
    verb(&["create", "other"]);
    let deleted = verb(&["delete", "other", "--yes", "--json"]);
    let deleted: Value = serde_json::from_str(&deleted).unwrap();
    let expected = serde_json::json!({ "Name": "other", "State": "Deleted" });
    assert_eq!(deleted, expected);
    assert_eq!(verb(&["delete", "orders", "--yes"]), "orders is deleted\n");
    let gone = topic(&server, &["tail", "orders"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("headwater topic ls"), "{}", gone.err);
}

#[test]
fn settings_are_shown_and_changed() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    verb(&["create", "orders"]);
    assert!(verb(&["config", "orders"]).contains("Nothing is set"));
    let set = ["config", "orders", "--set", "cleanup.policy=compact"];
    assert!(verb(&set).contains("compact"));
    let all: Value = serde_json::from_str(&verb(&["config", "orders", "--all", "--json"])).unwrap();
    let all = all.as_array().unwrap();
    let of = |name: &str| all.iter().find(|one| one["Name"] == name).unwrap();
    assert_eq!(of("cleanup.policy")["IsSet"], true);
    assert_eq!(of("retention.ms")["IsSet"], false);
    let unset = verb(&["config", "orders", "--unset", "cleanup.policy"]);
    assert!(unset.contains("Nothing is set"), "{unset}");
    let wrong = topic(&server, &["config", "orders", "--set", "retention.ms=soon"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("INVALID_CONFIG"), "{}", wrong.err);
}

#[test]
fn records_have_keys_headers_and_partitions() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    verb(&["create", "orders", "--partitions", "10"]);
    verb(&[
        "produce", "orders", "v", "--key", "abc", "--header", "trace=7",
    ]);
    let divided = verb(&["produce", "orders", "abc=x=y", "--key-separator", "="]);
    assert_eq!(divided, "wrote 1 records, 3 bytes, to orders\n");
    let read = lines(&verb(&["consume", "orders", "--json"]));
    // Java's producer puts the key there, too.
    let places: Vec<_> = read
        .iter()
        .map(|line| (&line["Partition"], &line["Offset"]))
        .collect();
    assert_eq!(places, [(&7.into(), &0.into()), (&7.into(), &1.into())]);
    assert_eq!(read[0]["Key"], "abc");
    assert_eq!(read[0]["Headers"], serde_json::json!([["trace", "7"]]));
    assert_eq!(read[1]["Value"], "x=y");
    let verbose = verb(&[
        "consume",
        "orders",
        "--partition",
        "7",
        "--offset",
        "1",
        "-v",
    ]);
    assert!(verbose.contains("7:1 abc\tx=y"), "{verbose}");
    assert_eq!(verb(&["consume", "orders", "--max", "1"]), "v\n");
    assert_eq!(verb(&["consume", "orders", "--from", "end"]), "");
    let nowhere = topic(&server, &["consume", "orders", "--partition", "10"]);
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.err.contains("10 partitions"), "{}", nowhere.err);
}

#[test]
fn what_comes_before_a_line_without_a_key_is_written() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    topic(&server, &["create", "orders", "--partitions", "3"]).succeeded();
    let produce = |values: &[&str]| {
        let arguments = [&["produce", "orders"], values, &["--key-separator", "="]];
        topic(&server, &arguments.concat())
    };
    let none = produce(&["undivided"]);
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""));
    assert!(none.err.contains("record 1: "), "{}", none.err);
    let some = produce(&["a=1", "b=2", "undivided", "c=3"]);
    assert_eq!(some.code, Some(2));
    assert!(some.err.contains("record 3: "), "{}", some.err);
    assert_eq!(some.out, "wrote 2 records, 2 bytes, to orders\n");
    let read = topic(&server, &["consume", "orders"]).succeeded();
    let mut read: Vec<&str> = read.lines().collect();
    read.sort_unstable();
    assert_eq!(read, ["1", "2"]);
}

#[test]
fn a_thousand_lines_are_consumed_once_by_a_group() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    verb(&["create", "many", "--partitions", "4"]);
    let arguments = ["topic", "produce", "many", "--endpoint", server.endpoint()];
    let mut produce = headwater(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = produce.stdin.take().unwrap();
    for number in 0..1000 {
        writeln!(input, "{number}").unwrap();
    }
    drop(input);
    let out = Finished::of(produce.wait_with_output().unwrap()).succeeded();
    assert_eq!(out, "wrote 1000 records, 2890 bytes, to many\n");
    let mut numbers: Vec<u32> = Vec::new();
    for max in ["1", "300", "2000"] {
        let read = verb(&["consume", "many", "--group", "g", "--max", max]);
        numbers.extend(read.lines().map(|line| line.parse::<u32>().unwrap()));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    assert_eq!(verb(&["consume", "many", "--group", "g"]), "");
}

#[test]
fn a_tail_shows_what_comes_while_it_runs() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    topic(&server, &["create", "live", "--partitions", "2"]).succeeded();
    topic(&server, &["produce", "live", "before"]).succeeded();
    let endpoint = server.endpoint();
    let arguments = [
        "topic",
        "tail",
        "live",
        "--from",
        "start",
        "--endpoint",
        endpoint,
    ];
    let mut tail = headwater(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), "before");
    for record in ["first", "second"] {
        topic(&server, &["produce", "live", record]).succeeded();
        assert_eq!(next(), record);
    }
    // Partitions that are made meanwhile, too.
    let split = ["stream", "split", "live", "shardId-000000000001"];
    run(&[&split[..], &["--endpoint", endpoint]].concat()).succeeded();
    for partition in ["3", "2"] {
        topic(
            &server,
            &["produce", "live", partition, "--partition", partition],
        )
        .succeeded();
    }
    let mut new = [next(), next()];
    new.sort_unstable();
    assert_eq!(new, ["2", "3"]);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn a_partition_that_was_split_away_is_passed_over() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    let stream = |arguments: &[&str]| {
        run(&[&["stream"], arguments, &["--endpoint", server.endpoint()]].concat()).succeeded()
    };
    stream(&["create", "orders", "--shards", "1"]);
    stream(&["split", "orders", "shardId-000000000000"]);
    for _ in 0..8 {
        verb(&["produce", "orders", "x"]);
    }
    let closed = topic(&server, &["produce", "orders", "x", "--partition", "0"]);
    assert_eq!(closed.code, Some(1));
    assert!(closed.err.contains("--partition"), "{}", closed.err);
}

/// A batch of a hundred records, compressed by the codec of that number, as clients of Kafka do it.
fn compressed(codec: u8, prefix: &str) -> Batch {
    let mut batch = BatchBuilder::with_capacity(100);
    for number in 0..100 {
        let value = format!("{prefix}-{number}");
        batch.push(Clock::system().now(), None, Some(value.as_bytes()), &[]);
    }
    let batch = batch.finish();
    let records = batch.payload();
    let payload = match codec {
        1 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(records).unwrap();
            gzip.finish().unwrap()
        }
        2 => snap::raw::Encoder::new().compress_vec(records).unwrap(),
        3 => {
            let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
            lz4.write_all(records).unwrap();
            lz4.finish().unwrap()
        }
        4 => zstd::stream::encode_all(records, 3).unwrap(),
        _ => return batch,
    };
    batch.compressed(codec, &payload)
}

/// Writes a batch as it is.
async fn write(server: &Server, topic: &str, batch: &Batch) {
    let request = ProduceRequestData {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned().into(),
            partition_data: vec![PartitionProduceData {
                records: Some(batch.bytes().clone()),
                ..PartitionProduceData::default()
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequestData::default()
    };
    let written = kafka(server).ask(&request).await.unwrap();
    assert_eq!(written.responses[0].partition_responses[0].error_code, 0);
}

#[test]
fn compressed_records_are_read_by_every_codec() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let verb = |arguments: &[&str]| topic(&server, arguments).succeeded();
    verb(&["create", "all"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let names = ["none", "gzip", "snappy", "lz4", "zstd"];
    let mut expected = Vec::new();
    for (codec, name) in (0..).zip(names) {
        let batch = compressed(codec, name);
        assert_eq!(batch.codec(), codec);
        runtime.block_on(write(&server, "all", &batch));
        expected.extend((0..100).map(|number| format!("{name}-{number}")));
    }
    let read = verb(&["consume", "all"]);
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);
    // From the midst of a batch on, and into the midst of another.
    let some = [
        "consume",
        "all",
        "--partition",
        "0",
        "--offset",
        "150",
        "--max",
        "200",
    ];
    let read = verb(&some);
    assert_eq!(read.lines().collect::<Vec<_>>(), expected[150..350]);
    let tailed = verb(&["tail", "all", "--from", "start", "--limit", "500"]);
    assert_eq!(tailed.lines().collect::<Vec<_>>(), expected);
    let mut grouped = Vec::new();
    for max in ["130", "370"] {
        let read = verb(&["consume", "all", "--group", "g", "--max", max]);
        grouped.extend(read.lines().map(str::to_owned));
    }
    assert_eq!(grouped, expected);
}
