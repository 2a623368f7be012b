//! The same steps on one server after the other, and one table of it all. Which steps: `compare` for streams,
//! `queue::compare` for queues.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::peers::{Peer, workspace};
use crate::process::Server;
use crate::report::{self, Report, Row};
use crate::request::Protocol;
use crate::usage::{self, CpuMeter};

/// Quiet time before idle memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// One workload.
pub(crate) struct Step<B> {
    /// Its name in the rows.
    workload: &'static str,
    /// What must be there first, and is not measured.
    before: fn(&mut B) -> Result<()>,
    /// What fills its row.
    measured: fn(&mut B, &mut Row) -> Result<()>,
}

impl<B> Step<B> {
    /// A workload that needs nothing beforehand.
    pub(crate) const fn of(
        workload: &'static str,
        measured: fn(&mut B, &mut Row) -> Result<()>,
    ) -> Self {
        Self {
            workload,
            before: |_| Ok(()),
            measured,
        }
    }

    /// The same, after `before`.
    pub(crate) const fn after(self, before: fn(&mut B) -> Result<()>) -> Self {
        Self { before, ..self }
    }
}

/// What is compared, and how. `B` is what the steps on one server share.
pub(crate) struct Comparison<'a, B> {
    pub(crate) protocol: Protocol,
    /// The state before the first step on a server.
    pub(crate) begin: &'a dyn Fn(SocketAddr) -> B,
    /// In this order, on one server.
    pub(crate) steps: &'a [Step<B>],
    /// Whether a step makes sense on a peer.
    pub(crate) suits: fn(&Peer, &str) -> bool,
}

impl<B> Comparison<'_, B> {
    /// Takes every peer through the steps. A peer that fails is a note in its row, not the end of the run.
    pub(crate) fn run(&self, peers: &[Peer], report: &mut Report) -> Result<Vec<Row>> {
        let root = workspace().join("target/bench");
        let mut rows = Vec::new();
        for peer in peers {
            let before = rows.len();
            if let Err(error) = self.run_peer(peer, &root, &mut rows, report) {
                let mut row = Row::new(peer.name, "run");
                row.note_failure(&error);
                report.push(&row)?;
                rows.push(row);
            }
            if let Some(first) = rows.get_mut(before) {
                first.note(format!("{} {}: {}", peer.name, peer.version, peer.about));
            }
        }
        Ok(rows)
    }

    fn run_peer(
        &self,
        peer: &Peer,
        root: &Path,
        rows: &mut Vec<Row>,
        report: &mut Report,
    ) -> Result<()> {
        let recipe = peer
            .prepare(root, self.protocol)
            .context("cannot be installed")?;
        let mut server = Server::start(&recipe, &root.join("run").join(peer.name))?;
        let started = server.await_answer()?;
        std::thread::sleep(SETTLE);
        let mut row = Row::new(peer.name, "start");
        row.add("start", started.as_secs_f64() * 1000.0, "ms");
        let idle = usage::resident(server.id())? as f64 / 1e6;
        row.add("idle memory", idle, "MB");
        report.push(&row)?;
        rows.push(row);

        let mut shared = (self.begin)(server.address);
        for step in self.steps {
            if !(self.suits)(peer, step.workload) {
                continue;
            }
            let mut row = Row::new(peer.name, step.workload);
            let ready = (step.before)(&mut shared);
            let meter = CpuMeter::start(Some(server.id()));
            let done = ready.and_then(|()| (step.measured)(&mut shared, &mut row));
            if let Err(error) = done {
                row.note_failure(&error);
            }
            if !row.figures.is_empty() {
                meter.describe(&mut row);
                row.add("memory", usage::resident(server.id())? as f64 / 1e6, "MB");
            }
            report.push(&row)?;
            rows.push(row);
        }
        server.stop()
    }
}

/// How a table of bars begins; [`push_bar`] adds its lines.
pub(crate) const BARS_HEAD: &str = "| work | bar | found | |\n|---|---|---|---|\n";

/// Adds a bar: what was asked, and what was found, with whether that is enough; `None` where it was not measured.
pub(crate) fn push_bar(text: &mut String, work: &str, bar: &str, found: Option<(String, bool)>) {
    let (found, verdict) = match found {
        Some((found, true)) => (found, "reached"),
        Some((found, false)) => (found, "**not reached**"),
        None => ("–".to_owned(), "not measured"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {work} | {bar} | {found} | {verdict} |");
}

/// A line of a table: title, workload, figure.
pub(crate) type Line = (&'static str, &'static str, &'static str);

/// The rows as a Markdown table, one column for each server, and their notes.
pub(crate) fn table(rows: &[Row], lines: &[Line]) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for row in rows {
        if !servers.contains(&row.server.as_str()) {
            servers.push(&row.server);
        }
    }
    // Writing to a String cannot fail.
    let mut text = format!(
        "| work | {} |\n|---|{}\n",
        servers.join(" | "),
        "---:|".repeat(servers.len())
    );
    for (title, workload, name) in lines {
        let _ = write!(text, "| {title} |");
        for server in &servers {
            let cell = match figure(rows, server, workload, name) {
                Some(figure) => format!("{} {}", report::readable(figure.value), figure.unit),
                None => "–".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text.push('\n');
    for row in rows {
        for note in &row.notes {
            let _ = writeln!(text, "- {}, {}: {note}", row.server, row.workload);
        }
    }
    text
}

/// One figure of one server.
pub(crate) fn figure<'a>(
    rows: &'a [Row],
    server: &str,
    workload: &str,
    name: &str,
) -> Option<&'a report::Figure> {
    let row = rows
        .iter()
        .find(|row| row.server == server && row.workload == workload)?;
    row.figure(name)
}
