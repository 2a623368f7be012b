//! Every setting: its name, its values, its default.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use model::AccountId;
use toml::{Table, Value};
use tracing_subscriber::filter::LevelFilter;

use super::bytes::ByteSize;
use super::kafka::KafkaConfig;
use super::layers::{Layers, Origin, Setting};
use crate::Failure;

/// What may stand in the file, beside those of [`super::kafka`]. A flag is `--` and the name with dashes, a variable `HEADWATER_` and the name in capitals.
const KEYS: &[&str] = &[
    "data",
    "listen",
    "auth",
    "insecure",
    "limits",
    "durability",
    "store",
    "cache",
    "metrics",
    "tls_cert",
    "tls_key",
    "log",
    "keys",
];

/// All that may stand in the file.
pub(crate) fn keys_known() -> impl Iterator<Item = &'static str> {
    KEYS.iter().chain(super::kafka::KEYS).copied()
}

/// The port AWS emulators use, so that endpoints already configured work.
const PORT_DEFAULT: u16 = 4566;
/// Enough for a few seconds of a fast producer, small enough for any machine.
const CACHE_DEFAULT: ByteSize = ByteSize(80 << 20);

/// What the program was asked to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept. Made where it is missing.
    pub data: Setting<PathBuf>,
    /// Where AWS clients, health and metrics are answered. Port 0 takes any free one.
    pub listen: Setting<SocketAddr>,
    /// The Kafka broker.
    pub kafka: KafkaConfig,
    /// Whether signatures are verified.
    pub auth: Setting<Auth>,
    /// Whether strangers may be served without [`Auth::On`].
    pub insecure: Setting<bool>,
    /// Whose limits hold.
    pub limits: Setting<Limits>,
    /// When a write is acknowledged.
    pub durability: Setting<Durability>,
    /// What keeps the data.
    pub store: Setting<StoreKind>,
    /// Memory for recent records.
    pub cache: Setting<ByteSize>,
    /// Who may read `/metrics`, which names accounts and streams.
    pub metrics: Setting<MetricsFor>,
    /// The certificate shown to TLS clients, with its chain, in PEM; one is made where there is none.
    pub tls_cert: Setting<Option<PathBuf>>,
    /// The certificate's private key, in PEM.
    pub tls_key: Setting<Option<PathBuf>>,
    /// What is logged: a level, or directives such as `info,services=debug`.
    pub log: Setting<String>,
    /// Who may sign requests.
    pub keys: Setting<Vec<AccessKey>>,
    /// Variables of the environment that look like settings and are none.
    pub variables_unknown: Vec<String>,
}

/// Whether signatures are verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Every request must be signed by a known key.
    On,
    /// Nobody is asked who they are.
    Off,
}

/// Whose limits hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limits {
    /// Those AWS publishes, per shard, per stream and per call.
    Aws,
    /// None but what protects the server.
    None,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// Once it is on the disk.
    Sync,
    /// Once the operating system has it: a power cut loses it.
    Os,
}

/// Who may read `/metrics` while signatures are verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricsFor {
    /// This machine.
    Loopback,
    /// Whoever reaches the port.
    All,
}

/// What keeps the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// The journal and segments in the data directory.
    Embedded,
    /// This process's memory: gone when it ends.
    Memory,
    /// Nothing: records are acknowledged and dropped. For measuring.
    Discard,
}

/// Somebody who may sign requests.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Names the key.
    pub access_key: String,
    /// The key.
    pub secret: String,
    /// Whose streams it reaches; the account that the access key names, else 000000000000, where nothing is said.
    pub account: Option<AccountId>,
}

/// Without the secret: configuration ends in logs.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({})", self.access_key)
    }
}

impl Config {
    /// Reads every setting.
    pub(crate) fn read(layers: &Layers) -> Result<Config, Failure> {
        let listen = SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT));
        let auth = &[("on", Auth::On), ("off", Auth::Off)];
        let switch = &[
            ("on", true),
            ("off", false),
            ("true", true),
            ("false", false),
        ];
        let limits = &[("aws", Limits::Aws), ("none", Limits::None)];
        let durability = &[("sync", Durability::Sync), ("os", Durability::Os)];
        let metrics = &[("loopback", MetricsFor::Loopback), ("all", MetricsFor::All)];
        let store = &[
            ("embedded", StoreKind::Embedded),
            ("memory", StoreKind::Memory),
            ("discard", StoreKind::Discard),
        ];
        Ok(Config {
            data: layers.setting("data", "headwater-data".into(), path)?,
            listen: layers.setting("listen", listen, address)?,
            kafka: KafkaConfig::read(layers)?,
            auth: layers.setting("auth", Auth::Off, |text| one_of(text, auth))?,
            insecure: layers.setting("insecure", false, |text| one_of(text, switch))?,
            limits: layers.setting("limits", Limits::None, |text| one_of(text, limits))?,
            durability: layers.setting("durability", Durability::Sync, |text| {
                one_of(text, durability)
            })?,
            store: layers.setting("store", StoreKind::Embedded, |text| one_of(text, store))?,
            cache: layers.setting("cache", CACHE_DEFAULT, size)?,
            metrics: layers.setting("metrics", MetricsFor::Loopback, |text| {
                one_of(text, metrics)
            })?,
            tls_cert: layers.setting("tls_cert", None, |text| path(text).map(Some))?,
            tls_key: layers.setting("tls_key", None, |text| path(text).map(Some))?,
            log: layers.setting("log", "info".to_owned(), directives)?,
            keys: keys(layers)?,
            variables_unknown: layers.variables_unknown(),
        })
    }
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let must_be = "an address and a port such as 127.0.0.1:4566";
    text.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| must_be.to_owned())
}

pub(super) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let must_be = "a host and a port such as kafka.example.org:9092";
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .map(|(host, port)| (host.trim_matches(['[', ']']).to_owned(), port))
        .ok_or_else(|| must_be.to_owned())
}

fn size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).ok_or_else(|| "a size such as 256MiB".to_owned())
}

/// A bare word that is no level would be taken for a target: with `--log inof` nothing would be logged at all.
fn directives(text: &str) -> Result<String, String> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let says_a_level = |part: &str| part.contains(['=', '[']) || is_level(part.trim());
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) if text.split(',').all(says_a_level) => Ok(text.to_owned()),
        _ => Err("error, warn, info, debug, trace or directives such as info,aws=debug".to_owned()),
    }
}

pub(super) fn one_of<T: Copy>(text: &str, values: &[(&str, T)]) -> Result<T, String> {
    let found = values.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        names.join(" or ")
    })
}

fn keys(layers: &Layers) -> Result<Setting<Vec<AccessKey>>, Failure> {
    tables(layers, "keys", key, |key| &key.access_key)
}

/// The tables of the array `array`, each read by `read`, whose error says what is wrong; no two with the same `name`.
pub(super) fn tables<T>(
    layers: &Layers,
    array: &str,
    read: impl Fn(&Table) -> Result<T, String>,
    name: impl Fn(&T) -> &str,
) -> Result<Setting<Vec<T>>, Failure> {
    let Some((path, tables)) = layers.tables(array)? else {
        return Ok(Setting {
            value: Vec::new(),
            origin: Origin::Default,
        });
    };
    let mut value: Vec<T> = Vec::with_capacity(tables.len());
    for (number, table) in tables.into_iter().enumerate() {
        let one = read(table).map_err(|wrong| {
            Failure::Usage(format!(
                "[[{array}]] number {} in {}: {wrong}",
                number + 1,
                path.display()
            ))
        })?;
        if value.iter().any(|known| name(known) == name(&one)) {
            return Err(Failure::Usage(format!(
                "[[{array}]] in {}: {:?} is there twice",
                path.display(),
                name(&one)
            )));
        }
        value.push(one);
    }
    Ok(Setting {
        value,
        origin: Origin::File(path.to_owned()),
    })
}

fn key(table: &Table) -> Result<AccessKey, String> {
    let known = ["access_key", "secret", "account"];
    if let Some(other) = table.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "there is no {other:?}; there are {}",
            known.join(", ")
        ));
    }
    let text = |name: &str| table.get(name).and_then(Value::as_str);
    let needed = |name: &str| {
        let given = text(name).filter(|text| !text.is_empty());
        given.ok_or_else(|| format!("{name} must be text"))
    };
    let account = match table.get("account") {
        None => None,
        Some(given) => {
            let parsed = given.as_str().and_then(AccountId::parse);
            Some(parsed.ok_or("account must be twelve digits in quotes")?)
        }
    };
    Ok(AccessKey {
        access_key: needed("access_key")?.to_owned(),
        secret: needed("secret")?.to_owned(),
        account,
    })
}
