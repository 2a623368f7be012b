//! The log formats that LOGTOJSON knows by name. Fields are the AWS agent's, in its order; the patterns are from the formats' own
//! documents: Apache's `mod_log_config` and `ErrorLogFormat`, RFC 3164 and RFC 3339.

use regex::bytes::{Regex, RegexBuilder};

/// `logFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `%h %l %u %t "%r" %>s %b`.
    CommonApache,
    /// The same with `"%{Referer}i" "%{User-agent}i"`.
    CombinedApache,
    /// `[time] [module:level] [pid N:tid N] [client HOST:PORT] message`.
    ApacheError,
    /// `Nov 28 01:02:03 host program[pid]: message`.
    Syslog,
    /// The same with RFC 3339's time.
    Rfc3339Syslog,
}

const COMMON: &[&str] = &[
    "host", "ident", "authuser", "datetime", "request", "response", "bytes",
];
const COMBINED: &[&str] = &[
    "host", "ident", "authuser", "datetime", "request", "response", "bytes", "referer", "agent",
];
const ERROR: &[&str] = &[
    "timestamp",
    "module",
    "severity",
    "processid",
    "threadid",
    "client",
    "message",
];
const SYSLOG: &[&str] = &["timestamp", "hostname", "program", "processid", "message"];

/// Text in quotes; a quote inside has a backslash before it.
const QUOTED: &str = r#""((?:[^"\\]|\\.)*)""#;

impl LogFormat {
    /// All there are.
    pub const ALL: [LogFormat; 5] = [
        LogFormat::CommonApache,
        LogFormat::CombinedApache,
        LogFormat::ApacheError,
        LogFormat::Syslog,
        LogFormat::Rfc3339Syslog,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LogFormat::CommonApache => "COMMONAPACHELOG",
            LogFormat::CombinedApache => "COMBINEDAPACHELOG",
            LogFormat::ApacheError => "APACHEERRORLOG",
            LogFormat::Syslog => "SYSLOG",
            LogFormat::Rfc3339Syslog => "RFC3339SYSLOG",
        }
    }

    pub(super) fn is_apache(self) -> bool {
        !matches!(self, LogFormat::Syslog | LogFormat::Rfc3339Syslog)
    }

    /// The names of its groups.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            LogFormat::CommonApache => COMMON,
            LogFormat::CombinedApache => COMBINED,
            LogFormat::ApacheError => ERROR,
            LogFormat::Syslog | LogFormat::Rfc3339Syslog => SYSLOG,
        }
    }

    pub(super) fn pattern(self) -> Regex {
        let access = format!(r"(\S+) (\S+) (\S+) \[([^\]]+)\] {QUOTED} ([+-]?\d+|-) ([+-]?\d+|-)");
        // A program's name may hold anything but what ends it.
        let program = r"(?:<\d+\.\d+> )?(\S+) ([^\s\[:]+)(?:\[(\d+)\])?: (.*)";
        let text = match self {
            LogFormat::CommonApache => format!("{access}.*"),
            LogFormat::CombinedApache => format!("{access} {QUOTED} {QUOTED}.*"),
            LogFormat::ApacheError => concat!(
                r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} [\d:.]+ \d{4})\] ",
                r"\[(?:(\w+):)?(\w+)\] \[pid (\d+)(?::tid (\d+))?\] ",
                r"(?:\[client ([^\]]+)\] )?(.*)"
            )
            .to_owned(),
            LogFormat::Syslog => format!(r"([A-Z][a-z]{{2}} +\d{{1,2}} [\d:.]+) {program}"),
            LogFormat::Rfc3339Syslog => format!(
                r"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) {program}"
            ),
        };
        RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .unicode(false)
            .build()
            .expect("a test compiles every one of these")
    }
}
