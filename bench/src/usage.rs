//! What processes use of the machine, read from /proc: memory, processor time, and what of both processors nobody used.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::report::Row;

/// Memory in use by a process and its children, in bytes: resident set size.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let mut total = 0;
    for process in family(pid) {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|text| text.trim().parse::<u64>().ok());
        total += kib.unwrap_or_default() * 1024;
    }
    ensure!(total > 0, "process {pid} is not there");
    Ok(total)
}

/// Processor time these processes and their ended children have used.
fn cpu_time(processes: &[u32]) -> Result<Duration> {
    let mut ticks = 0;
    for process in processes {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // Fields are counted after the name, which stands in parentheses and may hold anything (proc_pid_stat(5)): user and
        // system time of its own, then those of the children it has waited for, which are the tools that make the load.
        let after_name = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let fields = after_name.split_whitespace().skip(11).take(4);
        ticks += fields
            .filter_map(|text| text.parse::<u64>().ok())
            .sum::<u64>();
    }
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// The process and all below it that are there now.
fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let tasks = fs::read_dir(format!("/proc/{parent}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|text| text.parse::<u32>().ok()),
            );
        }
        at += 1;
    }
    found
}

/// Time of all processors together, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Machine {
    idle: u64,
    total: u64,
}

impl Machine {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
        Self::parse(&stat)
    }

    /// The first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice` (proc_stat(5)). A guest's time is in
    /// user's and nice's already. Waiting for the disk is idle: another could have worked then.
    fn parse(stat: &str) -> Result<Self> {
        let line = stat.lines().next().unwrap_or_default();
        let words = line.strip_prefix("cpu ").unwrap_or_default();
        let ticks: Vec<u64> = words
            .split_whitespace()
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let idle = ticks
            .get(3..5)
            .with_context(|| format!("no idle time in: {line}"))?;
        Ok(Self {
            idle: idle.iter().sum(),
            total: ticks.iter().sum(),
        })
    }

    /// What part of the time since `before` was idle, 0 to 1.
    fn idle_since(self, before: Self) -> f64 {
        let total = self.total.saturating_sub(before.total).max(1);
        self.idle.saturating_sub(before.idle) as f64 / total as f64
    }
}

/// How busy this process, a server and the machine were over a piece of work.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    server: Option<u32>,
    start: Instant,
    own_before: Duration,
    server_before: Duration,
    machine_before: Option<Machine>,
}

impl CpuMeter {
    /// Starts measuring.
    pub(crate) fn start(server: Option<u32>) -> Self {
        let own_before = cpu_time(&[std::process::id()]).unwrap_or_default();
        let server_before = server.and_then(|pid| cpu_time(&family(pid)).ok());
        Self {
            server,
            start: Instant::now(),
            own_before,
            server_before: server_before.unwrap_or_default(),
            machine_before: Machine::now().ok(),
        }
    }

    /// Adds processors in use since the start: by the server and its children, if its id is known, and by this process and the
    /// tools it ran; then what part of all processors nobody used. Whatever else works on the machine is in the rest.
    pub(crate) fn describe(&self, row: &mut Row) {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        let cores = |processes: &[u32], before| {
            let used = cpu_time(processes).unwrap_or_default();
            used.saturating_sub(before).as_secs_f64() / seconds
        };
        if let Some(pid) = self.server {
            row.add(
                "server CPU",
                cores(&family(pid), self.server_before),
                "cores",
            );
        }
        let own = cores(&[std::process::id()], self.own_before);
        row.add("generator CPU", own, "cores");
        if let (Some(before), Ok(now)) = (self.machine_before, Machine::now()) {
            row.add("idle", now.idle_since(before) * 100.0, "%");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn this_process_has_memory_and_used_time() {
        assert!(resident(std::process::id()).unwrap() > 100_000);
        let own = [std::process::id()];
        let before = cpu_time(&own).unwrap();
        let start = Instant::now();
        while cpu_time(&own).unwrap() == before {
            assert!(start.elapsed() < Duration::from_secs(60));
        }
    }

    #[test]
    fn a_tool_that_ended_counts_as_the_generator() {
        let meter = CpuMeter::start(None);
        let work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let status = Command::new("sh").args(["-c", work]).status().unwrap();
        assert!(status.success());
        let mut row = Row::new("any", "any");
        meter.describe(&mut row);
        // This thread waited all the while: without the tool there is next to nothing.
        let used = row.figure("generator CPU").unwrap().value * meter.start.elapsed().as_secs_f64();
        assert!(used >= 0.05, "{used} s");
        let idle = row.figure("idle").unwrap().value;
        assert!((0.0..=100.0).contains(&idle), "{idle} %");
    }

    #[test]
    fn waiting_for_the_disk_is_idle_and_a_guest_counts_once() {
        let at =
            |idle, wait| Machine::parse(&format!("cpu  10 5 5 {idle} {wait} 1 1 1 7 7\ncpu0 1\n"));
        let (before, after) = (at(100, 50).unwrap(), at(120, 80).unwrap());
        assert_eq!(
            before,
            Machine {
                idle: 150,
                total: 173
            }
        );
        assert!((after.idle_since(before) - 1.0).abs() < 1e-9);
        assert!(before.idle_since(before).abs() < 1e-9);
        assert!(Machine::parse("cpu  1 2\n").is_err());
    }
}
