//! Servers as processes: started from a command line, ended by their id.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::control::{CallError, Control};
use crate::kafka::ping::ping;
use crate::request::{Protocol, Service};

/// How long a server may take to answer for the first time.
pub(crate) const START_MAX: Duration = Duration::from_secs(120);
/// How long a server may take to end when asked; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How often a server that is starting is tried. Each try costs it little: a refused connection.
const TRY_EVERY: Duration = Duration::from_micros(500);

/// How to start a server. `{port}`, `{port2}` and `{data}` in words, values and the file stand for two free ports and a
/// directory, `{file}` for where the file was written.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) words: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    /// What a configuration file must say, for servers that take their port from nothing else.
    pub(crate) file: Option<String>,
    /// What it serves, and so which call tells that it has started.
    pub(crate) protocol: Protocol,
}

impl Recipe {
    /// From a command line split at spaces.
    pub(crate) fn from_command(command: &str, service: Service) -> Self {
        Self {
            words: command.split_whitespace().map(str::to_owned).collect(),
            variables: Vec::new(),
            file: None,
            protocol: Protocol::Aws(service),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    recipe: Recipe,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
    child: Child,
    /// When the child was started.
    since: Instant,
}

impl Server {
    /// Starts the server with an empty directory of its own at `directory`.
    pub(crate) fn start(recipe: &Recipe, directory: &Path) -> Result<Self> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("empty the directory");
            }
            _ => fs::create_dir_all(directory)
                .with_context(|| format!("create {}", directory.display()))?,
        }
        let directory = directory.canonicalize()?;
        let [first, second] = free_ports()?;
        let data = directory.join("data").display().to_string();
        let file = directory.join("configuration").display().to_string();
        let fill = |text: &String| {
            let text = text
                .replace("{port}", &first.to_string())
                .replace("{port2}", &second.to_string());
            text.replace("{data}", &data).replace("{file}", &file)
        };
        let recipe = Recipe {
            words: recipe.words.iter().map(fill).collect(),
            variables: recipe
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), fill(value)))
                .collect(),
            file: recipe.file.as_ref().map(fill),
            protocol: recipe.protocol,
        };
        if let Some(content) = &recipe.file {
            fs::write(&file, content).with_context(|| format!("write {file}"))?;
        }
        // What was in the directory, and what servers before wrote, is not to be waited for by this one's first syncs.
        rustix::fs::sync();
        let since = Instant::now();
        let child = spawn(&recipe, &directory)?;
        Ok(Self {
            recipe,
            directory,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, first)),
            child,
            since,
        })
    }

    /// Waits for the first successful ListStreams, ListQueues or ApiVersions. Returns how long ago the server was started.
    pub(crate) fn await_answer(&mut self) -> Result<Duration> {
        let since = self.since;
        while since.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server ended with {status}; see {}",
                    self.directory.join("log").display()
                );
            }
            if self.answers()? {
                return Ok(since.elapsed());
            }
            std::thread::sleep(TRY_EVERY);
        }
        bail!(
            "no answer within {START_MAX:?}; see {}",
            self.directory.join("log").display()
        )
    }

    /// Whether the server answers now. An error is an answer that no waiting will change.
    fn answers(&self) -> Result<bool> {
        let patience = Duration::from_secs(10);
        let (service, operation) = match self.recipe.protocol {
            Protocol::Aws(service @ Service::Kinesis) => (service, "ListStreams"),
            Protocol::Aws(service @ Service::Sqs) => (service, "ListQueues"),
            Protocol::Kafka => return Ok(ping(self.address, patience).is_ok()),
        };
        let mut control = Control::of(service, self.address, patience);
        match control.call(operation, &json!({})) {
            Ok(_) => Ok(true),
            Err(CallError::Refused { status, body, .. }) if status < 500 => {
                bail!("{operation} refused with status {status}: {body}")
            }
            Err(_) => Ok(false),
        }
    }

    /// Ends the server as a crash would: SIGKILL, nothing flushed.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.child.kill().context("kill")?;
        self.child.wait().context("wait for the killed server")?;
        Ok(())
    }

    /// Starts the server again after [`Self::crash`], on the same directory and ports.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.since = Instant::now();
        self.child = spawn(&self.recipe, &self.directory)?;
        Ok(())
    }

    /// Asks the server to end, and sees that it does.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(self.process_id()?, Signal::TERM).context("ask the server to end")?;
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.crash()
    }

    /// The id of the server's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn process_id(&self) -> Result<Pid> {
        Pid::from_raw(self.child.id().try_into()?).context("process id 0")
    }
}

impl Drop for Server {
    /// No server outlives the run that started it, whatever ended the run.
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("could not end process {}: {error:#}", self.child.id());
        }
    }
}

fn spawn(recipe: &Recipe, directory: &Path) -> Result<Child> {
    let (program, arguments) = recipe.words.split_first().context("an empty command")?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .context("open the log")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(recipe.variables.iter().cloned());
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command.spawn().with_context(|| format!("start {program}"))
}

fn free_ports() -> Result<[u16; 2]> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}
