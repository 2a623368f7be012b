//! Configuration, resolved one way: what was typed, the environment and the file are gathered as text ([`layers`]), then
//! each setting is read once, by one reader whatever its origin, into what the program needs ([`Config`]).
//!
//! A flag beats a variable, a variable beats the file, the file beats the default.
//!
//! Read [`settings`] and [`kafka`] for what can be set, [`layers`] for where it is looked up, [`bind`] for what is refused.

mod bind;
mod bytes;
mod kafka;
mod layers;
mod settings;

pub use bytes::ByteSize;
pub use kafka::{Advertised, ClientAuth, KafkaConfig, KafkaListener, KeysAt};
pub use layers::{Origin, Setting};
#[cfg(test)]
pub(crate) use settings::keys_known;
pub use settings::{AccessKey, Auth, Config, Durability, Limits, MetricsFor, StoreKind};

use crate::Failure;
use crate::cli::ServerFlags;

use layers::Layers;

/// Reads the configuration in force for `flags`, the process's environment and the file either names.
pub(crate) fn resolve(flags: &ServerFlags) -> Result<Config, Failure> {
    let layers = Layers::gather(flags.given(), std::env::vars_os(), flags.config.as_deref())?;
    let config = Config::read(&layers)?;
    bind::check(&config)?;
    Ok(config)
}
