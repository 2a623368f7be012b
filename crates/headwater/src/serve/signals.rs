//! SIGTERM and SIGINT: the first asks, the second insists. While the store is opened, which may take long, the first is enough.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;

const EXIT_STOPPED: i32 = 0;
/// What a shell makes of a process that ended by SIGINT; good for "was not allowed to finish".
const EXIT_INSISTED: i32 = 130;

/// Both signals, caught from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Signals, Failure> {
        let caught =
            |kind| signal(kind).map_err(|error| Failure::because("could not catch signals", error));
        Ok(Signals {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
        })
    }

    /// Completes when either comes.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Ends the process when either comes. Before anything is served there is nothing to finish, and `kill -9` is as safe.
    pub(crate) async fn exit_before_serving(mut self) {
        self.next().await;
        tracing::info!("asked to stop before anything was served");
        std::process::exit(EXIT_STOPPED);
    }

    /// Ends the process when another comes.
    pub(crate) async fn exit_on_next(mut self) {
        self.next().await;
        tracing::warn!("asked again: stopping at once");
        std::process::exit(EXIT_INSISTED);
    }
}
