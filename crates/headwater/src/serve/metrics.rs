//! What `/metrics` shows: requests by service, operation and outcome, what the store says of itself, and the process.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aws::router::{Observation, Observer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use services::kinesis::Kinesis;
use services::sqs::Sqs;

use super::engine::Engine;
use super::kafka_numbers::KafkaNumbers;

/// One series of requests. `code` is AWS's name for the error, or `OK`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Outcome {
    service: &'static str,
    operation: &'static str,
    code: Cow<'static, str>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Operation {
    service: &'static str,
    operation: &'static str,
}

/// All metrics of the process.
pub(super) struct Metrics {
    registry: Registry,
    /// Under names that others have given.
    kafka: Registry,
    requests: Family<Outcome, Counter>,
    seconds: Family<Operation, Histogram>,
    bytes_in: Family<Operation, Counter>,
    bytes_out: Family<Operation, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// 100 µs to 52 s, each twice the one before.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

impl Metrics {
    /// Metrics of the program, the engine and the services.
    pub(super) fn new(
        engine: &Engine,
        kinesis: &Kinesis,
        sqs: &Sqs,
        numbers: &KafkaNumbers,
    ) -> Metrics {
        let mut registry = Registry::with_prefix("headwater");
        let requests = Family::default();
        let seconds = Family::new_with_constructor(latency as fn() -> Histogram);
        let bytes_in = Family::default();
        let bytes_out = Family::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register(
            "request_duration_seconds",
            "From a request's last byte to its reply",
            seconds.clone(),
        );
        registry.register("request_bytes", "Bytes of request bodies", bytes_in.clone());
        registry.register("reply_bytes", "Bytes of reply bodies", bytes_out.clone());
        registry.register_collector(Box::new(EngineNumbers(engine.clone())));
        registry.register_collector(Box::new(ProcessNumbers));
        kinesis.register_metrics(&mut registry);
        sqs.register_metrics(&mut registry);
        let mut kafka = Registry::default();
        numbers.register(&mut kafka);
        Metrics {
            registry,
            kafka,
            requests,
            seconds,
            bytes_in,
            bytes_out,
        }
    }

    /// Counts every request the router answers.
    pub(super) fn observer(self: &Arc<Self>) -> Observer {
        let metrics = Arc::clone(self);
        Arc::new(move |observation: &Observation<'_>| metrics.count(observation))
    }

    fn count(&self, observation: &Observation<'_>) {
        let (service, operation) = (observation.service, observation.operation);
        let code = match observation.error {
            None => Cow::Borrowed("OK"),
            Some(code) => Cow::Owned(code.to_owned()),
        };
        let outcome = Outcome {
            service,
            operation,
            code,
        };
        let operation = Operation { service, operation };
        self.requests.get_or_create(&outcome).inc();
        self.seconds
            .get_or_create(&operation)
            .observe(observation.duration.as_secs_f64());
        self.bytes_in
            .get_or_create(&operation)
            .inc_by(observation.bytes_in as u64);
        self.bytes_out
            .get_or_create(&operation)
            .inc_by(observation.bytes_out as u64);
    }

    /// Everything in OpenMetrics text.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.kafka)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

/// What the store says of itself, asked when somebody looks.
#[derive(Debug)]
struct EngineNumbers(Engine);

impl Collector for EngineNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in self.0.numbers() {
            gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct ProcessNumbers;

impl Collector for ProcessNumbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Memory of this process that is in RAM";
        match resident_bytes() {
            Some(bytes) => gauge(&mut encoder, "process_resident_memory_bytes", help, bytes),
            None => Ok(()),
        }
    }
}

/// `VmRSS` of proc(5), which is in KiB whatever it says; `None` where there is no `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
