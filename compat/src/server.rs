//! A server for one test: started on a free port with an empty data directory, stopped or killed, started again.
//!
//! The server's log goes into a file. When the server is stopped, a line of it at WARN or above, or a panic, fails the test:
//! that finds what assertions of clients don't. With HEADWATER_ENDPOINT set, tests use the server that runs there instead,
//! which they can neither restart nor read the log of.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{ports, workplace};

/// How long a server may take to answer after it was started, or to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of the log that a failed test shows.
const LOG_TAIL: usize = 40;

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    flags: Vec<String>,
    data: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    endpoint: String,
    tls_endpoint: Option<String>,
    kafka: Option<String>,
}

impl Server {
    /// Starts `program` as `program serve FLAGS` with an empty data directory named after the test.
    ///
    /// # Panics
    /// Where it does not answer within 60 s.
    pub fn start(program: &str, test: &str, flags: &[&str]) -> Server {
        let data = workplace().join("data").join(test);
        if data.exists() {
            fs::remove_dir_all(&data).expect("the last run's data can be removed");
        }
        fs::create_dir_all(&data).expect("target/ can be written to");
        let mut server = Server {
            program: PathBuf::from(program),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            log: data.with_extension("log"),
            data,
            child: None,
            endpoint: String::new(),
            tls_endpoint: None,
            kafka: None,
        };
        File::create(&server.log).expect("target/ can be written to");
        match std::env::var("HEADWATER_ENDPOINT") {
            Ok(endpoint) => {
                server.endpoint = endpoint;
                server.kafka = std::env::var("HEADWATER_KAFKA").ok();
            }
            Err(_) => server.run(),
        }
        server
    }

    /// Starts it with `--auth on` and one key: `access_key` with `secret` acts for `account`.
    ///
    /// # Panics
    /// Where it does not answer within 60 s.
    pub fn start_with_key(
        program: &str,
        test: &str,
        access_key: &str,
        secret: &str,
        account: &str,
    ) -> Server {
        let config = workplace().join(format!("{test}.toml"));
        let key = format!(
            "[[keys]]\naccess_key = \"{access_key}\"\nsecret = \"{secret}\"\naccount = \"{account}\"\n"
        );
        fs::create_dir_all(workplace()).expect("target/ can be written to");
        let mut file = File::options();
        let file = file
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&config);
        let written = file.and_then(|mut file| file.write_all(key.as_bytes()));
        written.expect("target/ can be written to");
        let path = config.to_string_lossy();
        Server::start(program, test, &["--auth", "on", "--config", &path])
    }

    /// Whether this is a server of the test's own, which it may restart.
    pub fn is_own(&self) -> bool {
        self.child.is_some()
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where Kafka's clients find it: the same after [`Server::start_again`].
    ///
    /// # Panics
    /// Where HEADWATER_ENDPOINT names a server and HEADWATER_KAFKA does not.
    pub fn kafka(&self) -> &str {
        let address = self.kafka.as_deref();
        address.expect("HEADWATER_KAFKA says where Kafka's clients find the server that HEADWATER_ENDPOINT names")
    }

    /// Tells `command` where the server is, and nothing else of this machine's AWS settings.
    pub fn known_to<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.env("HEADWATER_ENDPOINT", &self.endpoint);
        command.env("HEADWATER_ENDPOINTS", self.data.join("endpoints.json"));
        match &self.tls_endpoint {
            Some(endpoint) => command.env("HEADWATER_TLS_ENDPOINT", endpoint),
            None => command.env_remove("HEADWATER_TLS_ENDPOINT"),
        };
        match &self.kafka {
            Some(address) => command.env("HEADWATER_KAFKA", address),
            None => command.env_remove("HEADWATER_KAFKA"),
        }
    }

    /// Ends the server by SIGTERM, waits for its end and looks through its log.
    ///
    /// # Panics
    /// Where it does not end with 0 within 60 s, or logged what it should not.
    pub fn stop(&mut self) {
        self.stop_having_warned(&[]);
    }

    /// As [`Server::stop`], where the log must have warnings with each of these words in them, and may have no others.
    ///
    /// # Panics
    /// As [`Server::stop`].
    pub fn stop_having_warned(&mut self, expected: &[&str]) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        kill_process(pid(&child), Signal::TERM).expect("a child can be signalled");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    child.kill().expect("a child can be killed");
                    panic!(
                        "did not end within {PATIENCE:?} of SIGTERM\n{}",
                        self.log_tail()
                    );
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        assert!(status.success(), "ended with {status}\n{}", self.log_tail());
        let mut unexpected = unexpected_lines(&fs::read_to_string(&self.log).unwrap_or_default());
        for words in expected {
            let count = unexpected.len();
            unexpected.retain(|line| !line.contains(words));
            assert!(unexpected.len() < count, "no warning has {words:?} in it");
        }
        assert!(
            unexpected.is_empty(),
            "unexpected in the server's log:\n{}",
            unexpected.join("\n")
        );
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Where it listens: the same after [`Server::start_again`].
    ///
    /// # Panics
    /// Where the endpoint is no address, as that of a server of one's own always is.
    pub fn address(&self) -> SocketAddr {
        let address = self.endpoint.trim_start_matches("http://");
        address
            .parse()
            .expect("an endpoint is http:// and an address")
    }

    /// Starts the server again on what it left.
    ///
    /// # Panics
    /// Where it does not answer within 60 s.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "a server that runs cannot be started");
        self.run();
    }

    fn run(&mut self) {
        let log = File::options()
            .append(true)
            .open(&self.log)
            .expect("the log was created");
        let listen = match self.endpoint.strip_prefix("http://") {
            Some(address) => address.to_owned(),
            None => ports::unused(),
        };
        let kafka = self.kafka.clone().unwrap_or_else(ports::unused);
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HEADWATER_") {
                command.env_remove(name);
            }
        }
        command.arg("serve");
        if !self.flags.iter().any(|flag| flag == "--kafka-listen") {
            command.args(["--kafka-listen", &kafka]);
        }
        let child = command
            .args(["--listen", &listen, "--data"])
            .arg(&self.data)
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut child = child.expect("the server's program can be run");
        let deadline = Instant::now() + PATIENCE;
        let announced = loop {
            if let Some(announced) = announcement(&self.data, child.id()) {
                break announced;
            }
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("ended at its start with {status}\n{}", self.log_tail());
            }
            if Instant::now() > deadline {
                child.kill().expect("a child can be killed");
                panic!("not ready within {PATIENCE:?}\n{}", self.log_tail());
            }
            thread::sleep(Duration::from_millis(5));
        };
        self.child = Some(child);
        self.endpoint = text(&announced, "aws");
        self.tls_endpoint = Some(text(&announced, "aws_tls"));
        self.kafka = Some(text(&announced, "kafka"));
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
        format!("--- the end of {}\n{}", self.log.display(), tail.join("\n"))
    }
}

impl Drop for Server {
    /// Kills the server. Where the test failed, shows what it logged last; otherwise removes its data, gigabytes for all tests.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which the log shows.
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        } else {
            // The next run with this name begins by removing it, too.
            let _ = fs::remove_dir_all(&self.data);
        }
    }
}

fn pid(child: &Child) -> Pid {
    let id = i32::try_from(child.id()).expect("a process id fits 31 bits on Linux");
    Pid::from_raw(id).expect("a child's process id is not 0")
}

/// What `endpoints.json` says, once the process `id` has written it: one that was killed leaves its file behind.
fn announcement(data: &Path, id: u32) -> Option<Value> {
    let text = fs::read_to_string(data.join("endpoints.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    (value["pid"] == id).then_some(value)
}

fn text(announced: &Value, name: &str) -> String {
    let text = announced[name].as_str();
    text.unwrap_or_else(|| panic!("endpoints.json has {name}: {announced}"))
        .to_owned()
}

/// Lines at WARN or above and panics. The log is one JSON object a line; a panic is plain text.
fn unexpected_lines(log: &str) -> Vec<String> {
    let unexpected = |line: &&str| match serde_json::from_str::<Value>(line) {
        Ok(entry) => !matches!(entry["level"].as_str(), Some("INFO" | "DEBUG" | "TRACE")),
        Err(_) => !line.trim().is_empty(),
    };
    log.lines().filter(unexpected).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calm_lines_are_expected() {
        let calm = r#"{"level":"INFO","message":"serving"}"#;
        let warning = r#"{"level":"WARN","message":"hm"}"#;
        let panic = "thread 'main' panicked at src/main.rs:1:1:";
        let log = format!("{calm}\n{warning}\n\n{panic}\n");
        assert_eq!(unexpected_lines(&log), [warning, panic]);
    }
}
