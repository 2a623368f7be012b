//! All flows together: their threads, their senders, the checkpoints and the status.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use client::Client;
use client::cloudwatch::Gatherer;
use model::{Clock, Rng};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::config::{Config, Destination, Flow};
use crate::files::follow::Follower;
use crate::publish::{FlowMetrics, Publisher, Publishing};
use crate::read::Reader;
use crate::send::Sender;
use crate::stats::{FlowStats, Stats};
use crate::status;
use crate::tail::Tail;
pub use crate::tail::Until;
use crate::wake::Wake;

/// Between two writes of the checkpoints: a kill sends again what was taken since.
const CHECKPOINT_PERIOD: Duration = Duration::from_millis(500);
/// Batches of a flow that wait for those on their way.
const WAITING_MAX: usize = 2;
/// Files that a flow may have open, however many flows there are.
const OPEN_MIN: usize = 16;

/// What the configuration leaves to the program.
#[derive(Debug)]
pub struct Settings {
    /// The server's Kinesis.
    pub kinesis: Arc<Client>,
    /// The server's Firehose.
    pub firehose: Arc<Client>,
    /// Where checkpoints are kept.
    pub checkpoint_file: PathBuf,
    /// Where status is answered, if anywhere.
    pub status_listen: Option<SocketAddr>,
    /// Where metrics are published, if they are.
    pub publishing: Option<Publishing>,
    /// Files that may be open at one time, of all flows.
    pub open_max: usize,
    /// When to end without being told to.
    pub until: Until,
    /// The time.
    pub clock: Clock,
}

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Where files were read to cannot be kept.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The status page has no address.
    #[error("could not listen on {address}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no thread for a flow.
    #[error("could not start a thread")]
    Thread(#[source] io::Error),
}

/// Tails until `stop` completes, then sends what was read and notes it. What cannot be sent within `shutdownTimeoutMillis` is
/// sent by the next run.
///
/// # Errors
/// See [`AgentError`].
pub async fn run(
    config: Config,
    mut settings: Settings,
    stop: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let checkpoints = Arc::new(Checkpoints::open(&settings.checkpoint_file)?);
    let stats = Arc::new(Stats::of(&config.flows));
    let mut background = JoinSet::new();
    if let Some(address) = settings.status_listen {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| AgentError::Listen { address, source })?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "status at /status, /metrics and /health");
        }
        background.spawn(status::serve(listener, Arc::clone(&stats)));
    }
    let period = config.report_period;
    let reported = Arc::clone(&stats);
    background.spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            reported.report();
        }
    });
    background.spawn(write_from_time_to_time(Arc::clone(&checkpoints)));
    let (publisher, measuring) = publisher(&mut settings, &stats).unzip();

    let shutdown = config.shutdown;
    let mut running = start(config, &settings, &checkpoints, &stats, measuring.as_ref())?;
    let (end, ended) = oneshot::channel::<()>();
    let published = publisher.map(|publisher| tokio::spawn(publisher.run(ended)));
    let is_stopped = tokio::select! {
        () = stop => true,
        () = running.finished() => false,
    };
    if is_stopped {
        tracing::info!("asked to stop; sending what was read");
        running.end();
        if tokio::time::timeout(shutdown, running.finished())
            .await
            .is_err()
        {
            tracing::warn!(
                "not all that was read could be sent in time; the next run sends the rest"
            );
        }
    }
    // Dropped first: nothing is noted after the last write.
    drop(running);
    background.shutdown().await;
    drop(end);
    let written = tokio::task::spawn_blocking(move || checkpoints.write()).await;
    stats.report();
    if let Some(published) = published {
        // What it met it said.
        let _ = published.await;
    }
    match written {
        Ok(written) => Ok(written?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// What publishes, where that is asked for, and where it has its numbers from.
fn publisher(settings: &mut Settings, stats: &Stats) -> Option<(Publisher, Measuring)> {
    let publishing = settings.publishing.take()?;
    let instance = publishing.instance.clone();
    let gatherer = Arc::new(Gatherer::default());
    let flows = stats.flows().map(Arc::clone).collect();
    let clock = settings.clock.clone();
    let publisher = Publisher::new(publishing, Arc::clone(&gatherer), flows, clock);
    Some((publisher, Measuring { gatherer, instance }))
}

/// Where requests are counted for CloudWatch.
struct Measuring {
    gatherer: Arc<Gatherer>,
    instance: Option<String>,
}

/// Flows at work. Dropped, their senders end at once, and their threads soon.
struct Running {
    senders: JoinSet<()>,
    wakes: Vec<Arc<Wake>>,
}

impl Running {
    /// Completes once every flow is done.
    async fn finished(&mut self) {
        while let Some(ended) = self.senders.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    fn end(&self) {
        self.wakes.iter().for_each(|wake| wake.end());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(
    config: Config,
    settings: &Settings,
    checkpoints: &Arc<Checkpoints>,
    stats: &Stats,
    measuring: Option<&Measuring>,
) -> Result<Running, AgentError> {
    let open_max = (settings.open_max / config.flows.len().max(1)).max(OPEN_MIN);
    let mut running = Running {
        senders: JoinSet::new(),
        wakes: Vec::new(),
    };
    for (flow, stats) in config.flows.into_iter().zip(stats.flows()) {
        let (sink, parcels) = mpsc::channel(WAITING_MAX);
        let client = match &flow.destination {
            Destination::Kinesis(_) => &settings.kinesis,
            Destination::Firehose(_) => &settings.firehose,
        };
        let wake = Arc::new(Wake::default());
        let sender = Sender {
            flow: flow.id.clone(),
            destination: flow.destination.clone(),
            client: Arc::clone(client),
            checkpoints: Arc::clone(checkpoints),
            stats: Arc::clone(stats),
            metrics: measuring.map(|measuring| {
                let instance = measuring.instance.as_deref();
                FlowMetrics::new(&measuring.gatherer, &flow.destination, instance)
            }),
            wake: Arc::clone(&wake),
            clock: settings.clock.clone(),
            rng: Rng::system(),
            in_flight: config.in_flight,
            backoff: flow.backoff,
        };
        let follower = Follower::new(
            flow.patterns.clone(),
            flow.initial,
            flow.skip_header_lines,
            checkpoints.of(&flow.id),
            config.checkpoint_life,
            open_max,
        );
        tracing::info!(flow = flow.id, "tailing");
        let tail = tail(flow, sink, follower, stats, &wake, settings);
        thread::Builder::new()
            .name("tail".to_owned())
            .spawn(move || tail.run())
            .map_err(AgentError::Thread)?;
        running.wakes.push(wake);
        running.senders.spawn(sender.run(parcels));
    }
    Ok(running)
}

fn tail(
    flow: Flow,
    sink: mpsc::Sender<crate::batch::Parcel>,
    follower: Follower,
    stats: &Arc<FlowStats>,
    wake: &Arc<Wake>,
    settings: &Settings,
) -> Tail {
    let (poll, age_max) = (flow.poll, flow.age_max);
    let clock = settings.clock.clone();
    Tail {
        follower,
        reader: Reader::new(
            flow,
            sink,
            Arc::clone(wake),
            Arc::clone(stats),
            clock.clone(),
        ),
        wake: Arc::clone(wake),
        clock,
        poll,
        age_max,
        until: settings.until,
        stats: Arc::clone(stats),
    }
}

async fn write_from_time_to_time(checkpoints: Arc<Checkpoints>) {
    loop {
        tokio::time::sleep(CHECKPOINT_PERIOD).await;
        let checkpoints = Arc::clone(&checkpoints);
        let written = tokio::task::spawn_blocking(move || checkpoints.write()).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "checkpoints could not be written; a restart would send again what was sent since");
        }
    }
}
