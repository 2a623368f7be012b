//! One run of a program: its output kept, its time bounded, its failure told in full.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a client may take for all of its checks. Far above what they need, to bound a hang.
pub const CHECKS: Duration = Duration::from_secs(600);

/// How a program ended and everything it printed, both streams together.
#[derive(Debug)]
pub struct Ended {
    /// None where it ran out of time and was killed.
    pub status: Option<ExitStatus>,
    /// Standard output, then standard error.
    pub output: String,
}

impl Ended {
    /// Whether it exited with 0 in time.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// The last lines of the output, for a message that must stay short.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.output.trim_end().lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Runs `command` to its end, or kills it after `limit`.
///
/// # Errors
/// Where it cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> std::io::Result<Ended> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().map(collect);
    let err = child.stderr.take().map(collect);
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let mut output = String::new();
    for reader in [out, err].into_iter().flatten() {
        output.push_str(&reader.join().unwrap_or_default());
    }
    Ok(Ended { status, output })
}

/// Reads a pipe to its end on a thread, so that a full pipe never stops the program.
fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a client's checks.
///
/// # Panics
/// Where one of them fails, with all that the client printed.
pub fn check(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let ended = run(command, CHECKS).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let how = match ended.status {
        Some(status) if status.success() => return ended.output,
        Some(status) => format!("{status}"),
        None => format!("killed after {} s", CHECKS.as_secs()),
    };
    panic!("{how}: {shown}\n{}", ended.output);
}
