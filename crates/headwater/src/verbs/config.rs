//! `headwater config`: what is in force, and who said so.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::table::Table;
use crate::Failure;
use crate::config::{
    AccessKey, Auth, Config, Durability, Limits, MetricsFor, Origin, Setting, StoreKind,
};
use crate::failure::complain;

/// Prints every setting, its value and its origin. Secrets are not shown.
pub(crate) fn print(config: &Config) -> Result<(), Failure> {
    let mut table = Table::new(&["setting", "value", "from"]);
    let mut row = |name: &str, value: String, origin: &Origin| {
        table.row([name.to_owned(), value, origin.to_string()]);
    };
    let auth = match config.auth.value {
        Auth::On => "on",
        Auth::Off => "off",
    };
    let limits = match config.limits.value {
        Limits::Aws => "aws",
        Limits::None => "none",
    };
    let durability = match config.durability.value {
        Durability::Sync => "sync",
        Durability::Os => "os",
    };
    let store = match config.store.value {
        StoreKind::Embedded => "embedded",
        StoreKind::Memory => "memory",
        StoreKind::Discard => "discard",
    };
    let metrics = match config.metrics.value {
        MetricsFor::Loopback => "loopback",
        MetricsFor::All => "all",
    };
    let insecure = if config.insecure.value { "on" } else { "off" };
    let data = config.data.value.display().to_string();
    row("data", data, &config.data.origin);
    row(
        "listen",
        config.listen.value.to_string(),
        &config.listen.origin,
    );
    for (name, value, origin) in config.kafka.rows() {
        row(name, value, origin);
    }
    row("auth", auth.to_owned(), &config.auth.origin);
    row("insecure", insecure.to_owned(), &config.insecure.origin);
    row("limits", limits.to_owned(), &config.limits.origin);
    row(
        "durability",
        durability.to_owned(),
        &config.durability.origin,
    );
    row("store", store.to_owned(), &config.store.origin);
    row(
        "cache",
        config.cache.value.to_string(),
        &config.cache.origin,
    );
    row("metrics", metrics.to_owned(), &config.metrics.origin);
    row("tls_cert", file(&config.tls_cert), &config.tls_cert.origin);
    row("tls_key", file(&config.tls_key), &config.tls_key.origin);
    row("log", config.log.value.clone(), &config.log.origin);
    row("keys", keys(&config.keys.value), &config.keys.origin);
    write!(io::stdout(), "{table}")?;
    for name in &config.variables_unknown {
        complain(&format!("{name} is no setting and has no effect"));
    }
    Ok(())
}

fn file(setting: &Setting<Option<PathBuf>>) -> String {
    match &setting.value {
        Some(path) => path.display().to_string(),
        None => "made by the server".to_owned(),
    }
}

fn keys(keys: &[AccessKey]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = keys.iter().map(|key| key.access_key.as_str()).collect();
    names.join(", ")
}
