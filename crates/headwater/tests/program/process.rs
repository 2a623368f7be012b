//! Starting the program, asking it, ending it.

#![allow(clippy::disallowed_methods)] // another process keeps real time

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of its own for each test, removed when the test succeeds.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("headwater-program-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The program with these arguments, and no variable of ours but those the test sets.
pub(crate) fn headwater(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("HEADWATER_") || name_text.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    Finished::of(headwater(arguments).output().unwrap())
}

/// How the program ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    pub(crate) fn of(output: Output) -> Finished {
        Finished {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its output, once it is clear that it succeeded.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }
}

/// Waits for a process' end.
pub(crate) fn ended(mut child: Child) -> Finished {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it goes on after {PATIENCE:?}");
        }
        std::thread::yield_now();
    }
    Finished::of(child.wait_with_output().unwrap())
}

/// Sends a process a signal.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// A server that runs until it is stopped, or dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) endpoints: Value,
}

impl Server {
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Server {
        Server::start_at("127.0.0.1:0", data, flags)
    }

    /// Starts a server at an address, where an earlier one was.
    pub(crate) fn start_at(address: &str, data: &Path, flags: &[&str]) -> Server {
        Server::start_with(address, "127.0.0.1:0", data, flags)
    }

    /// Starts a server that answers Kafka clients there, or nowhere at `off`.
    pub(crate) fn start_listening(data: &Path, kafka: &str, flags: &[&str]) -> Server {
        Server::start_with("127.0.0.1:0", kafka, data, flags)
    }

    fn start_with(address: &str, kafka: &str, data: &Path, flags: &[&str]) -> Server {
        let mut arguments = vec![
            "serve",
            "--listen",
            address,
            "--kafka-listen",
            kafka,
            "--data",
        ];
        arguments.push(data.to_str().unwrap());
        arguments.extend(flags);
        Server::spawn(data, headwater(&arguments))
    }

    /// Starts a server whose files can grow to so many KiB and no further: to it, the disk is full then.
    pub(crate) fn start_on_small_disk(data: &Path, kib: u32) -> Server {
        let script = format!(
            "trap '' XFSZ; ulimit -f {kib}; exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\""
        );
        let mut command = Command::new("bash");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_headwater")])
            .arg(data)
            .stdin(Stdio::null());
        Server::spawn(data, command)
    }

    /// Starts a server whose standard output was closed before it could print.
    pub(crate) fn start_unheard(data: &Path) -> Server {
        // The pipe's end goes in as standard input, as standard output is taken by `spawn`.
        let script = "exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\" >&0";
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new("bash");
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_headwater")])
            .arg(data)
            .stdin(writer);
        Server::spawn(data, command)
    }

    /// Starts a server that cannot write `endpoints.json`: what it prints says where it is.
    pub(crate) fn start_unannounced(data: &Path) -> Server {
        let mut child = headwater(&["--listen", "127.0.0.1:0", "--kafka-listen", "off", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("AWS clients") {
            line.clear();
            if lines.read_line(&mut line).unwrap() == 0 {
                let finished = Finished::of(child.wait_with_output().unwrap());
                panic!("ended with {:?}: {}", finished.code, finished.err);
            }
        }
        child.stdout = Some(lines.into_inner());
        let endpoint = line.split_whitespace().nth(2).unwrap();
        let address = endpoint.strip_prefix("http://").unwrap();
        let endpoints = serde_json::json!({ "aws": endpoint, "address": address });
        Server { child, endpoints }
    }

    /// Starts the command and waits until it answers.
    fn spawn(data: &Path, mut command: Command) -> Server {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(endpoints) = announced(data, child.id()) {
                return Server { child, endpoints };
            }
            if let Some(status) = child.try_wait().unwrap() {
                let finished = Finished::of(child.wait_with_output().unwrap());
                panic!("ended with {status}: {}{}", finished.out, finished.err);
            }
            assert!(Instant::now() < deadline, "not ready within {PATIENCE:?}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.endpoints["aws"].as_str().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(&self.child, signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Finished {
        let mut texts = [String::new(), String::new()];
        let [out, err] = &mut texts;
        // Small enough for a pipe: neither waits for the other.
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(out)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(err)
            .unwrap();
        let status = self.child.wait().unwrap();
        let [out, err] = texts;
        Finished {
            code: status.code(),
            out,
            err,
        }
    }

    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Sends one HTTP/1.1 request: status and body.
    pub(crate) fn ask(&self, head: &str, body: &str) -> (u16, String) {
        let address = self.endpoints["address"].as_str().unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            socket,
            "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1"), "")
    }

    pub(crate) fn kinesis(&self, operation: &str, body: &str) -> (u16, Value) {
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.{operation}"
        );
        let (status, text) = self.ask(&head, body);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `endpoints.json`, once the process `id` has written it.
fn announced(data: &Path, id: u32) -> Option<Value> {
    let text = fs::read_to_string(data.join("endpoints.json")).ok()?;
    let endpoints: Value = serde_json::from_str(&text).ok()?;
    (endpoints["pid"] == id).then_some(endpoints)
}
