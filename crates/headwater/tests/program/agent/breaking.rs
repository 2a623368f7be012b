//! The agent in bad times: killed again and again under load, without a server for long, among files that are none.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Agent, Arrivals, config, noted, set_up, wait_for};
use crate::process::{Directory, Server, run};

/// Kills of the agent in one run.
const KILLS: usize = 20;

/// Ends the writer, also where the test fails: the scope waits for it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn line(number: usize) -> String {
    format!("line {number:08} of a log that is written while the agent is killed\n")
}

#[test]
fn twenty_kills_under_load_lose_nothing_and_repeat_what_was_not_noted() {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": "app.log", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    let path = directory.path().join("logs/app.log");
    let mut file = File::create(path).unwrap();
    let (written, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut arrivals = Arrivals::of(&server, "logs");
    let mut may_repeat = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let from = written.load(Ordering::Acquire);
                let lines: String = (from..from + 20).map(line).collect();
                file.write_all(lines.as_bytes()).unwrap();
                written.store(from + 20, Ordering::Release);
                // The load's pace: nothing waits for it.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let _ends = Ends(&is_over);
        for _ in 0..KILLS {
            let agent = Agent::start(&config);
            let before = arrivals.records.len();
            wait_for(|| {
                arrivals.read();
                (arrivals.records.len() > before + 500).then_some(())
            });
            agent.kill();
            // Written is more than was read at the kill: a bound from above.
            let written = written.load(Ordering::Acquire) + 20;
            let length = line(0).len() as u64;
            may_repeat += written - usize::try_from(noted(&config, "app.log") / length).unwrap();
        }
    });
    let lines: Vec<String> = (0..written.load(Ordering::Acquire)).map(line).collect();
    let agent = Agent::start(&config);
    let repeated = arrivals.all(&lines);
    eprintln!(
        "{} lines, {repeated} repeated, {may_repeat} not noted at the kills",
        lines.len()
    );
    assert!(repeated <= may_repeat, "{repeated} of {may_repeat}");
    agent.stop();
    assert!(server.stop().code == Some(0));
}

/// Memory of a process that no file is behind, in bytes.
fn memory(agent: &Agent) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

fn number(agent: &Agent, name: &str) -> u64 {
    let status: Value = serde_json::from_str(&agent.get("/status")).unwrap();
    status["flows"][0][name].as_u64().unwrap()
}

#[test]
fn without_a_server_the_agent_waits_in_bounded_memory_and_then_sends_all() {
    const LINES: usize = 4_096;
    const LENGTH: usize = 16_384;
    let directory = Directory::new();
    fs::create_dir(directory.path().join("data")).unwrap();
    fs::create_dir(directory.path().join("logs")).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let lines: Vec<String> = (0..LINES)
        .map(|number| format!("{number:0width$}\n", width = LENGTH - 1))
        .collect();
    fs::write(directory.path().join("logs/app.log"), lines.concat()).unwrap();
    let flow = json!({
        "filePattern": directory.path().join("logs/app.log*"), "kinesisStream": "logs", "initialPosition": "START_OF_FILE",
        "maxBufferSizeBytes": 1 << 20, "retryInitialBackoffMillis": 10, "retryMaxBackoffMillis": 50,
    });
    let config = json!({"kinesis.endpoint": format!("http://{address}"), "flows": [flow]});
    let config = directory.file("agent.json", &config.to_string());
    let agent = Agent::start(&config);
    // Many attempts, during which nothing more is read.
    let mut last = (0, 0);
    wait_for(|| {
        let now = (number(&agent, "serviceErrors"), number(&agent, "bytesRead"));
        let is_still = now.1 > 0 && now.1 == last.1;
        if !is_still {
            last = now;
        }
        (is_still && now.0 > last.0 + 50).then_some(())
    });
    let (read, memory) = (number(&agent, "bytesRead"), memory(&agent));
    eprintln!("{read} bytes read, {memory} bytes of memory");
    assert!(read < 12 << 20, "{read} bytes read");
    assert!(memory < 48 << 20, "{memory} bytes of memory");
    let server = Server::start_at(&address, &directory.path().join("data"), &[]);
    let endpoint = server.endpoint();
    run(&["stream", "create", "logs", "--endpoint", endpoint]).succeeded();
    Arrivals::of(&server, "logs").all(&lines);
    agent.stop();
    assert!(server.stop().code == Some(0));
}

#[test]
fn among_what_is_no_log_the_agent_reads_what_is() {
    let (directory, server) = set_up(&["logs"]);
    let flow =
        json!({"filePattern": "app*", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    let logs = directory.path().join("logs");
    fs::create_dir(logs.join("app.directory")).unwrap();
    symlink("app.loop", logs.join("app.loop")).unwrap();
    symlink("nowhere", logs.join("app.dangling")).unwrap();
    // A line of 100 MB, without an end for now.
    let mut long = File::create(logs.join("app.long")).unwrap();
    for _ in 0..100 {
        long.write_all(&[b'x'; 1_000_000]).unwrap();
    }
    fs::write(logs.join("app.bytes"), b"\xff\xfe no text\n").unwrap();
    let agent = Agent::start(&config);
    let mut arrivals = Arrivals::of(&server, "logs");
    let mut expected = vec![
        // As much as a record holds beside its key of twelve characters.
        format!("{}\n", "x".repeat((1 << 20) - 13)),
        "\u{fffd}\u{fffd} no text\n".to_owned(),
    ];
    arrivals.all(&expected);
    long.write_all(b"the end of it\nanother\n").unwrap();
    expected.push("another\n".to_owned());
    arrivals.all(&expected);
    wait_for(|| (number(&agent, "failedScans") > 0).then_some(()));
    fs::remove_file(logs.join("app.loop")).unwrap();
    wait_for(|| (number(&agent, "failedScans") == 0).then_some(()));
    let log = fs::read_to_string(&agent.log).unwrap();
    let said = log.lines().filter(|line| line.contains("cannot be read"));
    assert_eq!(said.filter(|line| line.contains("app.loop")).count(), 1);
    agent.stop();
    assert!(server.stop().code == Some(0));
}
