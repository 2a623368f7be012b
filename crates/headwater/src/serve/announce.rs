//! Where the server can be reached: a few lines for people, `endpoints.json` in the data directory for scripts.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

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
    /// `HOST:PORT` of both.
    address: SocketAddr,
    /// The server's process: tells a file left by a killed server from a live one.
    pid: u32,
    version: &'static str,
}

impl Endpoints {
    pub(super) fn at(address: SocketAddr) -> Endpoints {
        let reachable = SocketAddr::new(reachable(address.ip()), address.port());
        Endpoints {
            aws: format!("http://{reachable}"),
            aws_tls: format!("https://{reachable}"),
            address,
            pid: std::process::id(),
            version: VERSION,
        }
    }

    /// Writes the file, whole or not at all.
    pub(super) fn publish(&self, data: &Path) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec_pretty(self)?;
            let unfinished = data.join("endpoints.json.unfinished");
            fs::write(&unfinished, text)?;
            fs::rename(unfinished, data.join(FILE))
        };
        write().map_err(|error| {
            let path = data.join(FILE);
            Failure::because(format!("could not write {}", path.display()), error)
        })
    }
}

/// Removes the file.
pub(super) fn withdraw(data: &Path) {
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
    writeln!(out, "Headwater {VERSION} is ready")?;
    writeln!(out, "  Kinesis, SQS, S3   {aws}  ({aws_tls})")?;
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
