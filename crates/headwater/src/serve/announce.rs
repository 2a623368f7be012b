//! Where the server can be reached: a few lines for people, `endpoints.json` in the data directory for scripts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use kafka::Protocol;
use serde::Serialize;

use crate::config::{Auth, Config, Durability, StoreKind};
use crate::{Failure, VERSION};

const FILE: &str = "endpoints.json";

/// What `endpoints.json` holds. Written once everything answers, removed on a clean stop.
#[derive(Debug, Serialize)]
pub(super) struct Endpoints {
    /// For AWS clients, in plain text.
    aws: String,
    /// For AWS clients, over TLS, on the same port.
    aws_tls: String,
    /// For Kafka clients, `HOST:PORT`, where they are answered: the first listener.
    kafka: Option<SocketAddr>,
    /// For Kafka clients by security protocol, `HOST:PORT` under `SASL_SSL` and the like.
    kafka_listeners: BTreeMap<&'static str, SocketAddr>,
    /// `HOST:PORT` for AWS clients.
    address: SocketAddr,
    /// The server's process: tells a file left by a killed server from a live one.
    pid: u32,
    version: &'static str,
}

impl Endpoints {
    pub(super) fn at(address: SocketAddr, kafka: &[(Protocol, SocketAddr)]) -> Endpoints {
        let reachable = |at: SocketAddr| SocketAddr::new(reachable(at.ip()), at.port());
        let by_protocol = kafka.iter().map(|(one, at)| (one.name(), reachable(*at)));
        let kafka_listeners = by_protocol.collect();
        let kafka = kafka.first().map(|(_, at)| reachable(*at));
        let reachable = reachable(address);
        Endpoints {
            aws: format!("http://{reachable}"),
            aws_tls: format!("https://{reachable}"),
            kafka,
            kafka_listeners,
            address,
            pid: std::process::id(),
            version: VERSION,
        }
    }

    /// Writes the file, whole or not at all: in the place of another server's, where volatile stores share the directory.
    pub(super) fn publish(&self, data: &Path) -> io::Result<()> {
        let unfinished = data.join(format!("{FILE}.{}", self.pid));
        let written = fs::write(&unfinished, self.text()?)
            .and_then(|()| fs::rename(&unfinished, data.join(FILE)));
        if written.is_err() {
            let _ = fs::remove_file(unfinished);
        }
        written
    }

    /// Removes the file, unless another server has put its own there since.
    pub(super) fn withdraw(&self, data: &Path) {
        let found = fs::read(data.join(FILE));
        if let (Ok(found), Ok(ours)) = (found, self.text())
            && found == ours
        {
            clear(data);
        }
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec_pretty(self)?)
    }
}

/// Removes a file that a server left.
pub(super) fn clear(data: &Path) {
    let path = data.join(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "a file is left that names a stopped server");
        }
        _ => {}
    }
}

/// An address a client on this machine can use where the server listens on all of them.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => ip,
    }
}

/// Tells people.
pub(super) fn say(endpoints: &Endpoints, config: &Config) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let data = config.data.value.display();
    let Endpoints { aws, aws_tls, .. } = endpoints;
    writeln!(
        out,
        "Headwater {VERSION} is ready: Kinesis, SQS, S3, DynamoDB, CloudWatch, Kafka"
    )?;
    writeln!(out, "  AWS clients        {aws}  ({aws_tls})")?;
    for listener in &config.kafka.listen.value {
        let name = listener.protocol.name();
        let Some(at) = endpoints.kafka_listeners.get(name) else {
            continue;
        };
        match listener.protocol {
            Protocol::Plaintext => writeln!(out, "  Kafka clients      {at}")?,
            _ => writeln!(out, "  Kafka clients      {at}  ({name})")?,
        }
    }
    match config.store.value {
        StoreKind::Embedded => writeln!(out, "  data               {data}")?,
        StoreKind::Memory => writeln!(
            out,
            "  data               IN MEMORY: gone when this process ends"
        )?,
        StoreKind::Discard => writeln!(
            out,
            "  data               DISCARDED: records are acknowledged and dropped"
        )?,
    }
    if config.durability.value == Durability::Os && config.store.value == StoreKind::Embedded {
        writeln!(
            out,
            "  WARNING   --durability os: a power cut loses acknowledged records"
        )?;
    }
    if config.auth.value == Auth::Off && !config.listen.value.ip().is_loopback() {
        writeln!(
            out,
            "  WARNING   --insecure: whoever reaches this port may do everything"
        )?;
    }
    let program = "headwater";
    let elsewhere = if aws == "http://127.0.0.1:4566" {
        String::new()
    } else {
        format!(" --endpoint {aws}")
    };
    writeln!(out, "Try: {program} stream create orders{elsewhere}")?;
    writeln!(out, "     {program} queue create jobs{elsewhere}")?;
    out.flush()?;
    Ok(())
}
