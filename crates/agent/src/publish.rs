//! The agent's own metrics to CloudWatch, under the AWS agent's names: what each request did, by destination.
//!
//! **Promise.** Nobody waits for it: what cannot be published is kept for a while and tried again ever more rarely, and only
//! the first failure of many is a warning. **Not promised:** that all of it arrives, or arrives once only.

use std::sync::Arc;
use std::time::Duration;

use client::cloudwatch::{CloudWatch, DATA_MAX, Datum, Dimension, Gatherer, Metric, Unit};
use model::Clock;
use tokio::sync::oneshot;

use crate::config::Destination;
use crate::stats::FlowStats;

/// Data kept while they cannot be published; the oldest go first.
const BACKLOG_MAX: usize = 10_000;
/// Longest pause between two attempts where nothing can be published.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Longest time one publication may take, also the last one.
const PUBLICATION_MAX: Duration = Duration::from_secs(5);

/// Where metrics go.
#[derive(Debug)]
pub struct Publishing {
    /// The server's CloudWatch.
    pub cloudwatch: CloudWatch,
    /// What the metrics are listed under.
    pub namespace: String,
    /// Between two publications.
    pub period: Duration,
    /// The machine's name, where it is to be a dimension.
    pub instance: Option<String>,
}

/// What is counted of one flow's requests.
#[derive(Debug)]
pub(crate) struct FlowMetrics {
    gatherer: Arc<Gatherer>,
    attempts: Metric,
    errors: Metric,
    service_errors: Metric,
    bytes: Metric,
    sent: Metric,
}

impl FlowMetrics {
    /// Counts in `gatherer`.
    pub(crate) fn new(
        gatherer: &Arc<Gatherer>,
        destination: &Destination,
        instance: Option<&str>,
    ) -> FlowMetrics {
        let kind = match destination {
            Destination::Kinesis(_) => "KinesisStream",
            Destination::Firehose(_) => "DeliveryStream",
        };
        let dimensions = dimensions(&format!("{kind}:{}", destination.name()), instance);
        let metric = |name, unit| Metric::new(name, unit, dimensions.clone());
        FlowMetrics {
            gatherer: Arc::clone(gatherer),
            attempts: metric("RecordSendAttempts", Unit::Count),
            errors: metric("RecordSendErrors", Unit::Count),
            service_errors: metric("ServiceErrors", Unit::Count),
            bytes: metric("BytesSent", Unit::Bytes),
            sent: metric("RecordsSent", Unit::Count),
        }
    }

    /// A request was answered: of so many records some were refused, and the data of the others had so many bytes.
    pub(crate) fn answered(&self, records: usize, refused: usize, bytes: u64) {
        self.gatherer.add(&self.attempts, records as f64);
        self.gatherer.add(&self.service_errors, 0.0);
        self.gatherer.add(&self.bytes, bytes as f64);
        self.gatherer.add(&self.sent, (records - refused) as f64);
        self.gatherer.add(&self.errors, refused as f64);
    }

    /// A request of so many records failed.
    pub(crate) fn failed(&self, records: usize) {
        self.gatherer.add(&self.attempts, records as f64);
        self.gatherer.add(&self.service_errors, 1.0);
    }
}

fn dimensions(destination: &str, instance: Option<&str>) -> Vec<Dimension> {
    let mut dimensions = vec![Dimension::new("Destination", destination)];
    dimensions.extend(instance.map(|name| Dimension::new("Instance", name)));
    dimensions
}

/// How often in a row the files of a flow could not all be read: ConsecutiveProcessingErrors.
pub(crate) fn processing_errors(stats: &FlowStats, gatherer: &Gatherer, instance: Option<&str>) {
    // The AWS agent leaves the kind out in this one.
    let dimensions = dimensions(stats.destination().name(), instance);
    let metric = Metric::new("ConsecutiveProcessingErrors", Unit::Count, dimensions);
    gatherer.add(&metric, stats.failed_scans.get() as f64);
}

/// Publishes what is gathered.
pub(crate) struct Publisher {
    publishing: Publishing,
    gatherer: Arc<Gatherer>,
    flows: Vec<Arc<FlowStats>>,
    clock: Clock,
    backlog: Vec<Datum>,
    pause: Duration,
    is_failing: bool,
}

impl Publisher {
    pub(crate) fn new(
        publishing: Publishing,
        gatherer: Arc<Gatherer>,
        flows: Vec<Arc<FlowStats>>,
        clock: Clock,
    ) -> Publisher {
        Publisher {
            pause: publishing.period,
            publishing,
            gatherer,
            flows,
            clock,
            backlog: Vec::new(),
            is_failing: false,
        }
    }

    /// Publishes from time to time, until the other side of `end` is dropped; then once more.
    pub(crate) async fn run(mut self, mut end: oneshot::Receiver<()>) {
        loop {
            let is_over = tokio::select! {
                _ = &mut end => true,
                () = tokio::time::sleep(self.pause) => false,
            };
            self.gather();
            // Nothing holds up the end that held up what is published before.
            if !(is_over && self.is_failing) {
                self.publish().await;
            }
            if is_over {
                return;
            }
        }
    }

    fn gather(&mut self) {
        let instance = self.publishing.instance.as_deref();
        for flow in &self.flows {
            processing_errors(flow, &self.gatherer, instance);
        }
        self.backlog.extend(self.gatherer.take(self.clock.now()));
        let surplus = self.backlog.len().saturating_sub(BACKLOG_MAX);
        self.backlog.drain(..surplus);
    }

    async fn publish(&mut self) {
        let namespace = &self.publishing.namespace;
        while !self.backlog.is_empty() {
            let count = self.backlog.len().min(DATA_MAX);
            let batch = self.backlog.get(..count).unwrap_or_default();
            let put = self.publishing.cloudwatch.put(namespace, batch);
            let problem = match tokio::time::timeout(PUBLICATION_MAX, put).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((error.to_string(), error.is_passing())),
                Err(elapsed) => Some((elapsed.to_string(), true)),
            };
            let Some((problem, is_passing)) = problem else {
                self.backlog.drain(..count);
                continue;
            };
            if !is_passing {
                self.backlog.clear();
            }
            self.fail(&problem);
            return;
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("metrics are published again");
        }
        self.pause = self.publishing.period;
    }

    fn fail(&mut self, problem: &str) {
        self.pause = (self.pause * 2).min(PAUSE_MAX.max(self.publishing.period));
        if self.is_failing {
            tracing::debug!(problem, "metrics cannot be published");
        } else {
            tracing::warn!(
                problem,
                "metrics cannot be published to CloudWatch; trying again now and then, and nothing else waits for it (\"cloudwatch.emitMetrics\": false ends it)"
            );
        }
        self.is_failing = true;
    }
}
