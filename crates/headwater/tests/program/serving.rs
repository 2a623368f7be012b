//! A server's life.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Directory, Server, ended, headwater, run, signal};

#[test]
fn it_says_where_it_is_and_what_to_try() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let endpoint = server.endpoint().to_owned();
    assert!(endpoint.starts_with("http://127.0.0.1:") && !endpoint.ends_with(":0"));
    let out = server.stop().succeeded();
    assert!(out.contains(&endpoint), "{out}");
    assert!(
        out.contains("headwater stream create orders --endpoint"),
        "{out}"
    );
    assert!(out.lines().count() <= 6, "{out}");
    assert!(!directory.path().join("endpoints.json").exists());
}

#[test]
fn health_and_metrics_answer() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let (status, health) = server.get("/_headwater/health");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"]), (200, &"ok".into()));
    assert_eq!(health["durability"], "sync");
    assert_eq!(health["poisoned"], false);
    assert_eq!(server.kinesis("ListStreams", "{}").0, 200);
    assert_eq!(
        server
            .kinesis("DescribeStream", r#"{"StreamName":"none"}"#)
            .0,
        400
    );
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    for series in [
        "headwater_requests_total{service=\"kinesis\",operation=\"ListStreams\",code=\"OK\"} 1",
        "operation=\"DescribeStream\",code=\"ResourceNotFoundException\"} 1",
        "headwater_request_duration_seconds_count{service=\"kinesis\",operation=\"ListStreams\"} 1",
        "headwater_process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(series), "{series} is not in\n{metrics}");
    }
    assert_eq!(server.get("/_headwater/nothing").0, 404);
    server.stop().succeeded();
}

#[test]
fn a_client_without_sdk_lists_streams() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &["--store", "memory"]);
    let (status, answer) = server.kinesis("ListStreams", "{}");
    assert_eq!(status, 200);
    assert_eq!(answer["StreamNames"], Value::Array(vec![]));
    assert_eq!(answer["HasMoreStreams"], false);
}

#[test]
fn both_signals_end_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = Directory::new();
        let server = Server::start(directory.path(), &[]);
        server.signal(signal);
        server.wait().succeeded();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let address = server.endpoints["address"].as_str().unwrap();
    // A request whose body does not arrive keeps the drain waiting.
    let mut socket = TcpStream::connect(address).unwrap();
    write!(
        socket,
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n\
         Content-Length: 10\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut begun = [0; 12];
    socket.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    server.signal(Signal::TERM);
    // Nothing listens any more: the first signal was heard.
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    server.signal(Signal::TERM);
    let finished = server.wait();
    assert_eq!(finished.code, Some(130), "{}{}", finished.out, finished.err);
}

#[test]
fn a_signal_ends_it_before_it_serves() {
    for asked in [Signal::TERM, Signal::INT] {
        let directory = Directory::new();
        // Whoever reads it waits for what is written.
        let key = directory.path().join("master.key");
        let mut mkfifo = Command::new("mkfifo");
        let made = mkfifo.args(["-m", "600"]).arg(&key).status().unwrap();
        assert!(made.success());
        let data = directory.path().to_str().unwrap();
        let flags = ["--data", data, "--listen", "127.0.0.1:0"];
        let server = headwater(&flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Done once the server reads.
        let writer = File::options().write(true).open(&key).unwrap();
        signal(&server, asked);
        let finished = ended(server);
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        assert!(finished.err.contains("before anything was served"));
        drop(writer);
    }
}

#[test]
fn volatile_servers_share_a_directory_and_nothing_else() {
    let directory = Directory::new();
    let memory = || Server::start(directory.path(), &["--store", "memory"]);
    let announced = || fs::read_to_string(directory.path().join("endpoints.json")).ok();
    let folders = || fs::read_dir(directory.path().join("objects-volatile")).unwrap();
    let first = memory();
    let body = "x".repeat(100_000);
    assert_eq!(first.ask("PUT /bucket HTTP/1.1", "").0, 200);
    assert_eq!(first.ask("PUT /bucket/key HTTP/1.1", &body).0, 200);
    let second = memory();
    assert_eq!(first.get("/bucket/key"), (200, body));
    assert_eq!(folders().count(), 2);
    first.stop().succeeded();
    // What is announced is the second's.
    let text = announced().unwrap();
    assert!(text.contains(second.endpoint()), "{text}");
    second.signal(Signal::KILL);
    second.wait();
    assert_eq!(folders().count(), 1);
    // What a killed server left is gone.
    let third = memory();
    assert_eq!(folders().count(), 1);
    third.stop().succeeded();
    assert_eq!(folders().count(), 0);
    assert_eq!(announced(), None);
}

#[test]
fn a_volatile_server_and_one_whose_data_lasts_are_not_in_one_directory() {
    let check = |first: &[&str], second: &[&str]| {
        let directory = Directory::new();
        let server = Server::start(directory.path(), first);
        let announced = || fs::read_to_string(directory.path().join("endpoints.json")).unwrap();
        let before = announced();
        let data = directory.path().to_str().unwrap();
        let flags = [
            "--listen",
            "127.0.0.1:0",
            "--kafka-listen",
            "off",
            "--data",
            data,
        ];
        let refused = run(&[&flags, second].concat());
        assert_eq!(refused.code, Some(1), "{}", refused.out);
        assert!(refused.err.contains("another directory"), "{}", refused.err);
        assert_eq!(announced(), before);
        server.stop().succeeded();
        Server::start(directory.path(), second).stop().succeeded();
    };
    check(&[], &["--store", "memory"]);
    check(&["--store", "discard"], &[]);
}

#[test]
fn it_serves_although_it_cannot_say_where() {
    let directory = Directory::new();
    // A full disk would do, too.
    fs::create_dir(directory.path().join("endpoints.json")).unwrap();
    let server = Server::start_unannounced(directory.path());
    assert_eq!(server.get("/_headwater/health").0, 200);
    let finished = server.stop();
    assert!(
        finished.err.contains("could not write endpoints.json"),
        "{}",
        finished.err
    );
    finished.succeeded();
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let data = directory.path().to_str().unwrap();
    let second = run(&[
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--kafka-listen",
        "off",
    ]);
    assert_eq!(second.code, Some(1), "{}", second.out);
    assert!(second.err.contains("another server"), "{}", second.err);
    // The first is none the worse.
    assert!(directory.path().join("endpoints.json").exists());
    assert_eq!(server.get("/_headwater/health").0, 200);
    server.stop().succeeded();
}

/// The program refuses to start on what is in the directory.
fn refused(directory: &Directory, expected: &str) {
    let data = directory.path().to_str().unwrap();
    let finished = run(&[
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--kafka-listen",
        "off",
    ]);
    assert_eq!(finished.code, Some(1), "{}", finished.out);
    assert!(finished.err.contains(expected), "{}", finished.err);
}

#[test]
fn data_of_a_newer_format_is_refused() {
    let directory = Directory::new();
    Server::start(directory.path(), &[]).stop().succeeded();
    let path = directory.path().join("HEADWATER");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replace("format = 2", "format = 3");
    assert_ne!(text, newer);
    fs::write(&path, newer).unwrap();
    refused(&directory, "has format 3, this program reads 2");
    fs::write(&path, text).unwrap();
    Server::start(directory.path(), &[]).stop().succeeded();
}

#[test]
fn a_master_key_others_can_read_or_that_is_cut_is_refused() {
    let directory = Directory::new();
    Server::start(directory.path(), &[]).stop().succeeded();
    let path = directory.path().join("master.key");
    let mode = |mode| fs::Permissions::from_mode(mode);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&path, mode(0o644)).unwrap();
    refused(&directory, "chmod 600");
    fs::set_permissions(&path, mode(0o600)).unwrap();
    fs::write(&path, [0; 31]).unwrap();
    refused(&directory, "must hold 32 bytes, it has 31");
}

#[test]
fn a_lost_master_key_is_not_replaced_once_there_is_data() {
    let directory = Directory::new();
    let path = directory.path().join("master.key");
    Server::start(directory.path(), &[]).stop().succeeded();
    fs::remove_file(&path).unwrap();
    let server = Server::start(directory.path(), &[]);
    let create = r#"{"StreamName":"s","ShardCount":1}"#;
    assert_eq!(server.kinesis("CreateStream", create).0, 200);
    server.stop().succeeded();
    fs::remove_file(&path).unwrap();
    refused(&directory, "restore it from a backup");
    assert!(!path.exists());
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let parent = Directory::new();
    let data = parent.path().join("made/by/the/server");
    Server::start(&data, &[]).stop().succeeded();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(mode(&data), 0);
    let journal = fs::read_dir(data.join("journal")).unwrap();
    let files: Vec<_> = journal.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    assert!(files.iter().all(|file| mode(file) == 0), "{files:?}");
}

#[test]
fn a_port_in_use_is_named() {
    let directories = [Directory::new(), Directory::new()];
    let server = Server::start(directories[0].path(), &[]);
    let address = server.endpoints["address"].as_str().unwrap();
    let data = directories[1].path().to_str().unwrap();
    let second = run(&["--data", data, "--listen", address, "--kafka-listen", "off"]);
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains(address), "{}", second.err);
    assert!(second.err.contains("port 0"), "{}", second.err);
}

#[test]
fn streams_and_records_are_there_after_a_restart() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[]);
    let created = server.kinesis("CreateStream", r#"{"StreamName":"kept","ShardCount":1}"#);
    assert_eq!(created.0, 200);
    loop {
        let (_, answer) = server.kinesis("DescribeStreamSummary", r#"{"StreamName":"kept"}"#);
        if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            break;
        }
    }
    let record = r#"{"StreamName":"kept","PartitionKey":"k","Data":"aGVsbG8="}"#;
    let (status, put) = server.kinesis("PutRecord", record);
    assert_eq!(status, 200);
    // Killed, not asked: what was acknowledged must be there.
    server.signal(Signal::KILL);
    server.wait();
    let server = Server::start(directory.path(), &[]);
    let asked = r#"{"StreamName":"kept","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#;
    let (_, iterator) = server.kinesis("GetShardIterator", asked);
    let iterator = format!(r#"{{"ShardIterator":{}}}"#, iterator["ShardIterator"]);
    let (_, read) = server.kinesis("GetRecords", &iterator);
    assert_eq!(read["Records"][0]["Data"], "aGVsbG8=");
    assert_eq!(read["Records"][0]["SequenceNumber"], put["SequenceNumber"]);
    server.stop().succeeded();
}

#[test]
fn a_full_disk_refuses_writes_and_serves_reads() {
    let directory = Directory::new();
    // Room for the first journal file of 4 MiB, not for the next of 64.
    let server = Server::start_on_small_disk(directory.path(), 5000);
    server.kinesis("CreateStream", r#"{"StreamName":"full","ShardCount":1}"#);
    let data = "QUJD".repeat(100_000);
    let record = format!(r#"{{"StreamName":"full","PartitionKey":"k","Data":"{data}"}}"#);
    let refusal = (0..100).find_map(|count| {
        let (status, answer) = server.kinesis("PutRecord", &record);
        (status != 200).then_some((count, status, answer))
    });
    let (count, status, answer) = refusal.unwrap();
    assert!(count > 0);
    assert_eq!(
        (status, &answer["__type"]),
        (503, &"ServiceUnavailable".into()),
        "{answer}"
    );
    let asked = r#"{"StreamName":"full","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}"#;
    let (_, iterator) = server.kinesis("GetShardIterator", asked);
    let asked = format!(
        r#"{{"ShardIterator":{},"Limit":1}}"#,
        iterator["ShardIterator"]
    );
    let (status, read) = server.kinesis("GetRecords", &asked);
    assert_eq!(
        (status, read["Records"][0]["Data"].as_str()),
        (200, Some(data.as_str()))
    );
    assert_eq!(server.get("/_headwater/health").0, 200);
    server.stop().succeeded();
    // Room again: nothing acknowledged is lost, and writes work.
    let server = Server::start(directory.path(), &[]);
    assert_eq!(server.kinesis("PutRecord", &record).0, 200);
    server.stop().succeeded();
}

#[test]
fn unsafe_choices_are_said_loudly() {
    let check = |flags: &[&str], expected: &str| {
        let directory = Directory::new();
        let finished = Server::start(directory.path(), flags).stop();
        assert!(finished.out.contains(expected), "{}", finished.out);
        assert!(finished.err.contains("\"WARN\""), "{}", finished.err);
    };
    check(
        &["--durability", "os"],
        "a power cut loses acknowledged records",
    );
    check(&["--store", "memory"], "IN MEMORY");
    check(&["--store", "discard"], "DISCARDED");
}

#[test]
fn with_auth_on_strangers_are_refused_and_health_is_not() {
    let directory = Directory::new();
    let text = "[[keys]]\naccess_key = \"AKIDEXAMPLE\"\nsecret = \"hush\"";
    let file = directory.file("headwater.toml", text);
    let flags = ["--auth", "on", "--config", file.to_str().unwrap()];
    let server = Server::start(directory.path(), &flags);
    let (status, answer) = server.kinesis("ListStreams", "{}");
    assert_eq!(
        (status, &answer["__type"]),
        (400, &"MissingAuthenticationTokenException".into())
    );
    assert_eq!(server.get("/_headwater/health").0, 200);
    let arguments = ["stream", "ls", "--endpoint", server.endpoint()];
    let stranger = run(&arguments);
    assert_eq!(stranger.code, Some(1));
    assert!(
        stranger.err.contains("AWS_ACCESS_KEY_ID"),
        "{}",
        stranger.err
    );
    let known = headwater(&arguments)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "hush")
        .output()
        .unwrap();
    assert!(known.status.success(), "{known:?}");
}

#[test]
fn it_serves_although_nobody_reads_what_it_prints() {
    let directory = Directory::new();
    let server = Server::start_unheard(directory.path());
    assert_eq!(server.get("/_headwater/health").0, 200);
    server.stop().succeeded();
}
