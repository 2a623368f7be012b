//! How far each flow is: counters named after the metrics that the AWS agent sends to CloudWatch.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use crate::config::{Destination, Flow};

type Labels = Vec<(&'static str, String)>;

/// One flow.
#[derive(Debug)]
pub struct FlowStats {
    id: String,
    destination: Destination,
    /// Files followed.
    pub files: Gauge,
    /// Bytes that are in files and not read.
    pub bytes_behind: Gauge,
    /// Bytes read.
    pub bytes_read: Counter,
    /// Records found in files.
    pub records_parsed: Counter,
    /// Records that LOGTOJSON left out.
    pub records_skipped: Counter,
    /// Records that were too long.
    pub records_cut: Counter,
    /// Bytes of the data of records that the server took.
    pub bytes_sent: Counter,
    /// Records that the server took.
    pub records_sent: Counter,
    /// Records in requests, each time.
    pub record_send_attempts: Counter,
    /// Records that the server refused in a request that it took.
    pub record_send_errors: Counter,
    /// Requests that failed.
    pub service_errors: Counter,
    /// Looks in a row in which not everything could be read.
    pub failed_scans: Gauge,
    last_error: Mutex<Option<String>>,
}

impl FlowStats {
    /// Notes what went wrong last.
    pub fn fail(&self, error: &str) {
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(error) {
            *last = Some(error.to_owned());
        }
    }

    /// Where the flow's records go.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    fn json(&self) -> Value {
        let last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (kind, name) = match &self.destination {
            Destination::Kinesis(name) => ("kinesisStream", name),
            Destination::Firehose(name) => ("deliveryStream", name),
        };
        json!({
            "flow": self.id,
            kind: &**name,
            "files": self.files.get(),
            "bytesBehind": self.bytes_behind.get(),
            "bytesRead": self.bytes_read.get(),
            "recordsParsed": self.records_parsed.get(),
            "recordsSkipped": self.records_skipped.get(),
            "recordsCut": self.records_cut.get(),
            "bytesSent": self.bytes_sent.get(),
            "recordsSent": self.records_sent.get(),
            "recordSendAttempts": self.record_send_attempts.get(),
            "recordSendErrors": self.record_send_errors.get(),
            "serviceErrors": self.service_errors.get(),
            "failedScans": self.failed_scans.get(),
            "lastError": *last,
        })
    }

    /// What the AWS agent logs every half minute.
    fn progress(&self) -> String {
        format!(
            "{}: has parsed {} records ({} bytes), skipped {}, and sent {} to the destination; {} bytes behind in {} files",
            self.id,
            self.records_parsed.get(),
            self.bytes_read.get(),
            self.records_skipped.get(),
            self.records_sent.get(),
            self.bytes_behind.get(),
            self.files.get(),
        )
    }
}

/// All flows.
#[derive(Debug)]
pub struct Stats {
    flows: Vec<Arc<FlowStats>>,
    registry: Registry,
}

/// The families, one member for each flow.
#[derive(Default)]
struct Families {
    gauges: [Family<Labels, Gauge>; 3],
    counters: [Family<Labels, Counter>; 9],
}

const GAUGES: [(&str, &str); 3] = [
    ("files", "Files followed"),
    ("bytes_behind", "Bytes in files that are not read yet"),
    (
        "failed_scans",
        "ConsecutiveProcessingErrors: looks in a row in which not everything could be read",
    ),
];

const COUNTERS: [(&str, &str); 9] = [
    ("bytes_read", "Bytes read from files"),
    ("records_parsed", "Records found in files"),
    ("records_skipped", "Records that LOGTOJSON left out"),
    ("records_cut", "Records that were too long and were cut"),
    (
        "bytes_sent",
        "BytesSent: bytes of records that the destination took",
    ),
    ("records_sent", "Records that the destination took"),
    (
        "record_send_attempts",
        "RecordSendAttempts: records in requests, each time",
    ),
    (
        "record_send_errors",
        "RecordSendErrors: records that a request answered with an error",
    ),
    ("service_errors", "ServiceErrors: requests that failed"),
];

impl Stats {
    /// Counters of these flows.
    #[must_use]
    pub fn of(flows: &[Flow]) -> Stats {
        let families = Families::default();
        let mut registry = Registry::with_prefix("headwater_agent");
        for ((name, help), family) in GAUGES.into_iter().zip(&families.gauges) {
            registry.register(name, help, family.clone());
        }
        for ((name, help), family) in COUNTERS.into_iter().zip(&families.counters) {
            registry.register(name, help, family.clone());
        }
        let flows = flows.iter().map(|flow| Arc::new(families.member(flow)));
        Stats {
            flows: flows.collect(),
            registry,
        }
    }

    /// Each flow's, in the order of the configuration.
    pub fn flows(&self) -> impl Iterator<Item = &Arc<FlowStats>> {
        self.flows.iter()
    }

    /// For `/status`.
    #[must_use]
    pub fn json(&self) -> Value {
        let flows: Vec<Value> = self.flows.iter().map(|flow| flow.json()).collect();
        json!({ "flows": flows })
    }

    /// For `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# not all could be written");
        }
        text
    }

    /// Logs how far each flow is.
    pub fn report(&self) {
        for flow in &self.flows {
            tracing::info!("{}", flow.progress());
        }
    }
}

impl Families {
    fn member(&self, flow: &Flow) -> FlowStats {
        let labels: Labels = vec![
            ("flow", flow.id.clone()),
            ("destination", flow.destination.name().to_owned()),
        ];
        let [files, bytes_behind, failed_scans] = self
            .gauges
            .each_ref()
            .map(|family| family.get_or_create(&labels).clone());
        let [
            bytes_read,
            records_parsed,
            records_skipped,
            records_cut,
            bytes_sent,
            records_sent,
            record_send_attempts,
            record_send_errors,
            service_errors,
        ] = self
            .counters
            .each_ref()
            .map(|family| family.get_or_create(&labels).clone());
        FlowStats {
            id: flow.id.clone(),
            destination: flow.destination.clone(),
            files,
            bytes_behind,
            bytes_read,
            records_parsed,
            records_skipped,
            records_cut,
            bytes_sent,
            records_sent,
            record_send_attempts,
            record_send_errors,
            service_errors,
            failed_scans,
            last_error: Mutex::default(),
        }
    }
}
