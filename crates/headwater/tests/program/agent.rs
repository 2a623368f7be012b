//! `headwater agent` against the server: lines that are written, rotated and killed around arrive, and are counted.

#![allow(clippy::disallowed_methods)] // other processes keep real time

#[path = "agent/breaking.rs"]
mod breaking;
#[path = "agent/metrics.rs"]
mod metrics;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::process::{Directory, Finished, Server, headwater, run};

const PATIENCE: Duration = Duration::from_secs(90);

/// A running agent.
struct Agent {
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins.
    began: usize,
}

impl Agent {
    fn start(config: &Path) -> Agent {
        let log = config.with_extension("log");
        let file = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .unwrap();
        let began = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let child = headwater(&["agent", "--status-listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Agent { child, log, began }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it by SIGTERM, once it runs: before, that is the end of any process.
    fn stop(mut self) {
        let runs = |log: String| log[self.began..].contains("status at").then_some(());
        wait_for(|| runs(fs::read_to_string(&self.log).unwrap()));
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.code(),
            Some(0),
            "{}",
            fs::read_to_string(&self.log).unwrap()
        );
    }

    /// Where its status is, of the last start that the log tells of.
    fn get(&self, path: &str) -> String {
        let address = wait_for(|| {
            let log = fs::read_to_string(&self.log).unwrap();
            let line = log.lines().rfind(|line| line.contains("status at"))?;
            let line: Value = serde_json::from_str(line).ok()?;
            line["address"].as_str().map(str::to_owned)
        });
        let mut socket = TcpStream::connect(&address).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads a stream's records as they come, each shard's from its start.
struct Arrivals<'a> {
    server: &'a Server,
    iterators: Vec<String>,
    records: HashMap<String, usize>,
}

impl<'a> Arrivals<'a> {
    fn of(server: &'a Server, stream: &str) -> Arrivals<'a> {
        let (_, shards) = server.kinesis("ListShards", &json!({"StreamName": stream}).to_string());
        let shards = shards["Shards"].as_array().unwrap();
        let iterator = |shard: &Value| {
            let body = json!({"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
            let (status, answer) = server.kinesis("GetShardIterator", &body.to_string());
            assert_eq!(status, 200, "{answer}");
            answer["ShardIterator"].as_str().unwrap().to_owned()
        };
        Arrivals {
            server,
            iterators: shards.iter().map(iterator).collect(),
            records: HashMap::new(),
        }
    }

    /// Reads what there is now.
    fn read(&mut self) {
        for iterator in &mut self.iterators {
            loop {
                let body = json!({"ShardIterator": iterator}).to_string();
                let (status, answer) = self.server.kinesis("GetRecords", &body);
                assert_eq!(status, 200, "{answer}");
                *iterator = answer["NextShardIterator"].as_str().unwrap().to_owned();
                let records = answer["Records"].as_array().unwrap();
                for record in records {
                    let data =
                        aws::shapes::decode_base64(record["Data"].as_str().unwrap()).unwrap();
                    let data = String::from_utf8_lossy(&data).into_owned();
                    *self.records.entry(data).or_default() += 1;
                }
                if records.is_empty() {
                    break;
                }
            }
        }
    }

    /// Waits until all of `expected` are there; how many came more than once, and again.
    fn all(&mut self, expected: &[String]) -> usize {
        wait_for(|| {
            self.read();
            let is_there = |line: &String| self.records.contains_key(line);
            expected.iter().all(is_there).then_some(())
        });
        let known: std::collections::HashSet<&String> = expected.iter().collect();
        let strange = self.records.keys().find(|line| !known.contains(line));
        assert_eq!(strange, None);
        self.records.values().sum::<usize>() - self.records.len()
    }
}

/// A server with streams, and a place for logs.
fn set_up(streams: &[&str]) -> (Directory, Server) {
    let directory = Directory::new();
    fs::create_dir(directory.path().join("data")).unwrap();
    fs::create_dir(directory.path().join("logs")).unwrap();
    let server = Server::start(&directory.path().join("data"), &[]);
    for stream in streams {
        let arguments = [
            "stream",
            "create",
            stream,
            "--shards",
            "2",
            "--endpoint",
            server.endpoint(),
        ];
        run(&arguments).succeeded();
    }
    (directory, server)
}

/// The configuration of these flows, whose patterns are in the place for logs.
fn config(directory: &Directory, server: &Server, flows: &[Value]) -> PathBuf {
    let mut flows = flows.to_vec();
    for flow in &mut flows {
        let pattern = directory
            .path()
            .join("logs")
            .join(flow["filePattern"].as_str().unwrap());
        flow["filePattern"] = json!(pattern.to_str().unwrap());
        flow["maxBufferAgeMillis"] = json!(100);
        flow["minTimeBetweenFilePollsMillis"] = json!(10);
        flow["retryMaxBackoffMillis"] = json!(200);
    }
    let config = json!({"kinesis.endpoint": server.endpoint(), "flows": flows});
    directory.file("agent.json", &config.to_string())
}

/// Writes numbered lines into a file, and remembers them.
struct Writer {
    directory: PathBuf,
    lines: Vec<String>,
}

impl Writer {
    fn of(directory: &Directory) -> Writer {
        Writer {
            directory: directory.path().join("logs"),
            lines: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes so many lines, a few with each write, and some of them in two.
    fn write(&mut self, name: &str, count: usize) {
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.path(name));
        let mut file = file.unwrap();
        let from = self.lines.len();
        for number in from..from + count {
            self.lines.push(format!(
                "line {number:08} of a log that is rotated now and then\n"
            ));
        }
        for some in self.lines[from..].chunks(37) {
            let text = some.concat();
            let (first, second) = text.split_at(text.len() / 3);
            file.write_all(first.as_bytes()).unwrap();
            file.write_all(second.as_bytes()).unwrap();
        }
    }
}

/// Writes, and rotates in between, while the agent reads: all lines come, and none twice.
fn rotations(pattern: &str, rotate: impl Fn(&Writer, usize) -> String) {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": pattern, "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    let mut writer = Writer::of(&directory);
    let agent = Agent::start(&config);
    let mut name = "app.log".to_owned();
    let mut arrivals = Arrivals::of(&server, "logs");
    for round in 0..12 {
        writer.write(&name, 700);
        // A file that comes and goes between two looks is never seen where no pattern names it afterwards.
        wait_for(|| {
            arrivals.read();
            let first = &writer.lines[round * 1_500];
            arrivals.records.contains_key(first).then_some(())
        });
        writer.write(&name, 800);
        name = rotate(&writer, round);
    }
    writer.write(&name, 100);
    assert_eq!(arrivals.all(&writer.lines), 0, "came twice");
    agent.stop();
    arrivals.read();
    assert_eq!(arrivals.all(&writer.lines), 0, "came twice");
    assert!(server.stop().code == Some(0));
}

#[test]
fn the_agent_follows_renamed_files() {
    rotations("app.log*", |writer, round| {
        fs::rename(
            writer.path("app.log"),
            writer.path(&format!("app.log.{round}")),
        )
        .unwrap();
        "app.log".to_owned()
    });
}

#[test]
fn the_agent_follows_files_renamed_out_of_its_pattern() {
    rotations("app.log", |writer, round| {
        fs::rename(writer.path("app.log"), writer.path(&format!("old.{round}"))).unwrap();
        "app.log".to_owned()
    });
}

#[test]
fn the_agent_follows_files_that_are_copied_and_emptied() {
    for pattern in ["app.log*", "app.log"] {
        rotations(pattern, |writer, round| {
            let (from, to) = (
                writer.path("app.log"),
                writer.path(&format!("app.log.{round}")),
            );
            fs::write(to, fs::read(&from).unwrap()).unwrap();
            File::options()
                .write(true)
                .truncate(true)
                .open(from)
                .unwrap();
            "app.log".to_owned()
        });
    }
}

#[test]
fn the_agent_follows_files_of_new_names() {
    rotations("app*.log", |_, round| format!("app-{round}.log"));
}

/// Bytes of the file `name` that the checkpoints say are done with.
fn noted(config: &Path, name: &str) -> u64 {
    let mut path = config.as_os_str().to_owned();
    path.push(".checkpoints");
    let Ok(text) = fs::read_to_string(path) else {
        return 0;
    };
    let document: Value = serde_json::from_str(&text).unwrap();
    let flows = document["flows"].as_object().unwrap().values();
    let mut places = flows.flat_map(|places| places.as_array().unwrap());
    let place = places.find(|place| place["path"].as_str().unwrap().ends_with(name));
    place.map_or(0, |place| place["offset"].as_u64().unwrap())
}

#[test]
fn a_killed_agent_loses_nothing_and_repeats_what_it_had_not_noted() {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": "app.log", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    let mut writer = Writer::of(&directory);
    let mut arrivals = Arrivals::of(&server, "logs");
    let mut may_repeat = 0;
    let mut repeated = 0;
    for round in 0..5 {
        let agent = Agent::start(&config);
        writer.write("app.log", 2_000);
        // In the middle of it, another time.
        wait_for(|| {
            arrivals.read();
            (arrivals.records.len() > round * 4_000 + 100).then_some(())
        });
        writer.write("app.log", 2_000);
        if round % 2 == 0 {
            wait_for(|| (noted(&config, "app.log") > 0).then_some(()));
        }
        agent.kill();
        let line = writer.lines[0].len() as u64;
        let done = usize::try_from(noted(&config, "app.log") / line).unwrap();
        assert!(done <= writer.lines.len());
        may_repeat += writer.lines.len() - done;
        let agent = Agent::start(&config);
        repeated = arrivals.all(&writer.lines);
        assert!(
            repeated <= may_repeat,
            "{repeated} repeated, {may_repeat} not noted"
        );
        agent.stop();
        assert_eq!(noted(&config, "app.log"), writer.lines.len() as u64 * line);
    }
    // What was noted is not sent again.
    let agent = Agent::start(&config);
    writer.write("app.log", 10);
    assert_eq!(arrivals.all(&writer.lines), repeated);
    agent.stop();
    assert!(server.stop().code == Some(0));
}

#[test]
fn a_killed_server_is_waited_for_and_loses_nothing() {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": "app.log*", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    let mut writer = Writer::of(&directory);
    let agent = Agent::start(&config);
    let data = directory.path().join("data");
    let address = server.endpoint().trim_start_matches("http://").to_owned();
    let mut server = Some(server);
    for round in 0..4 {
        writer.write("app.log", 3_000);
        let running = server.take().unwrap();
        let mut arrivals = Arrivals::of(&running, "logs");
        wait_for(|| {
            arrivals.read();
            (arrivals.records.len() > round * 6_000).then_some(())
        });
        writer.write("app.log", 3_000);
        running.signal(Signal::KILL);
        drop(running);
        fs::rename(
            writer.path("app.log"),
            writer.path(&format!("app.log.{round}")),
        )
        .unwrap();
        writer.write("app.log", 1);
        server = Some(Server::start_at(&address, &data, &[]));
        let running = server.as_ref().unwrap();
        let repeated = Arrivals::of(running, "logs").all(&writer.lines);
        // What was on its way at a kill may have been written; sent again with its token, it is not written again.
        assert_eq!(repeated, 0, "after {} kills", round + 1);
    }
    let status: Value = serde_json::from_str(&agent.get("/status")).unwrap();
    assert!(
        status["flows"][0]["serviceErrors"].as_u64() > Some(0),
        "{status}"
    );
    agent.stop();
    assert!(server.unwrap().stop().code == Some(0));
}

#[test]
fn flows_are_converted_counted_and_resumed_each_for_itself() {
    let (directory, server) = set_up(&["plain", "objects"]);
    let flows = [
        json!({"filePattern": "*.log", "kinesisStream": "plain", "initialPosition": "START_OF_FILE"}),
        json!({
            "filePattern": "*.log", "kinesisStream": "objects", "initialPosition": "START_OF_FILE",
            "partitionKeyOption": "DETERMINISTIC",
            "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "SYSLOG"}],
        }),
    ];
    let config = config(&directory, &server, &flows);
    let log = directory.path().join("logs/system.log");
    let known = "Nov 28 01:02:03 host cron[7]: done\n";
    fs::write(&log, format!("{known}unknown\n")).unwrap();
    let agent = Agent::start(&config);
    let plain = [known.to_owned(), "unknown\n".to_owned()];
    let object = json!({"timestamp": "Nov 28 01:02:03", "hostname": "host", "program": "cron", "processid": "7", "message": "done"});
    let object = [format!(
        "{{\"timestamp\":{},\"hostname\":\"host\",\"program\":\"cron\",\"processid\":\"7\",\"message\":\"done\"}}\n",
        object["timestamp"]
    )];
    let (mut plains, mut objects) = (
        Arrivals::of(&server, "plain"),
        Arrivals::of(&server, "objects"),
    );
    assert_eq!(plains.all(&plain), 0);
    assert_eq!(objects.all(&object), 0);
    assert_eq!(agent.get("/health"), "ok\n");
    wait_for(|| {
        let status: Value = serde_json::from_str(&agent.get("/status")).unwrap();
        let flow = &status["flows"][1];
        assert_eq!(flow["kinesisStream"], "objects");
        (flow["recordsParsed"] == 2 && flow["recordsSkipped"] == 1 && flow["recordsSent"] == 1)
            .then_some(())
    });
    let metrics = agent.get("/metrics");
    for name in [
        "bytes_sent",
        "record_send_attempts",
        "record_send_errors",
        "service_errors",
    ] {
        assert!(
            metrics.contains(&format!("headwater_agent_{name}_total{{")),
            "{metrics}"
        );
    }
    agent.stop();
    // The next run sends nothing again.
    let mut file = File::options().append(true).open(&log).unwrap();
    file.write_all(b"more\n").unwrap();
    let once = headwater(&["agent", "--once", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    Finished::of(once).succeeded();
    let plain = [plain[0].clone(), plain[1].clone(), "more\n".to_owned()];
    assert_eq!(plains.all(&plain), 0);
    objects.read();
    assert_eq!(objects.records.values().sum::<usize>(), 1);
    assert!(server.stop().code == Some(0));
}

#[test]
fn the_agent_says_what_is_wrong_with_its_configuration() {
    let directory = Directory::new();
    let check = |text: &str, code, expected: &str| {
        let path = directory.file("agent.json", text);
        let finished = run(&["agent", "--check", "--config", path.to_str().unwrap()]);
        let said = finished.out + &finished.err;
        assert_eq!(
            (finished.code, said.contains(expected)),
            (Some(code), true),
            "{said}"
        );
    };
    check("{}", 2, "flows: must list 1 to 256 flows");
    let flow = r#"{"filePattern": "/x/a", "kinesisStream": "s"}"#;
    check(
        &format!("{{\"flows\": [{flow}]}} # fine"),
        0,
        "is fine: 1 flows",
    );
    check(
        &format!("{{\"hue\": 1, \"flows\": [{flow}]}}"),
        0,
        "hue: unknown",
    );
    check(
        &format!("{{\"assumeRoleARN\": \"a\", \"flows\": [{flow}]}}"),
        2,
        "assumeRoleARN: roles are not supported",
    );
    // Flows in files beside it, as in /etc/aws-kinesis/agent.d.
    fs::create_dir(directory.path().join("agent.d")).unwrap();
    let other = r#"{"flows": [{"filePattern": "/x/a", "kinesisStream": "t"}]}"#;
    directory.file("agent.d/web.json", other);
    directory.file("agent.d/.web.json.swp", "no JSON");
    check("{\"flows\": []}", 0, "is fine: 1 flows");
    directory.file("agent.d/web.json", "{\"flows\": [{}]}");
    check("{\"flows\": []}", 2, "web.json: flows[0].filePattern");
    let itself = run(&["agent", "--config", directory.path().to_str().unwrap()]);
    assert_eq!(itself.code, Some(2));
    assert!(itself.err.contains("is a directory"), "{}", itself.err);
    let missing = run(&["agent", "--config", "/nowhere/agent.json"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.err.contains("--config /nowhere/agent.json"),
        "{}",
        missing.err
    );
}
