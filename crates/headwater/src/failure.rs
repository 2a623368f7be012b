//! Why the program ends without having done what was asked.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// Why the program ends without having done what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the configuration asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// Something failed while running.
    #[error("{what}")]
    Running {
        /// What was being done, and the fix where there is one.
        what: String,
        /// Why it failed.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Whoever reads our output stopped reading: not worth a word.
    #[error("output is closed")]
    OutputClosed,
}

impl Failure {
    /// Something failed for no reason but the one `what` gives.
    pub fn running(what: impl Into<String>) -> Failure {
        Failure::Running {
            what: what.into(),
            source: None,
        }
    }

    /// Something failed because of `source`.
    pub fn because(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Failure {
        Failure::Running {
            what: what.into(),
            source: Some(source.into()),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Running { .. } => ExitCode::from(1),
            Failure::OutputClosed => ExitCode::SUCCESS,
        }
    }

    /// Says on standard error what went wrong, with every cause.
    pub(crate) fn report(&self) {
        if matches!(self, Failure::OutputClosed) {
            return;
        }
        let mut text = format!("headwater: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            let why = error.to_string();
            // Some errors tell their cause themselves.
            if !text.ends_with(&why) {
                text.push_str(": ");
                text.push_str(&why);
            }
            cause = error.source();
        }
        complain(&text);
    }
}

/// Says something on standard error. If that is closed, nobody wants to know.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error of writing to standard output.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::because("could not write the output", error),
        }
    }
}
