//! What does not go together. The important one: strangers are never served by accident.

use super::settings::{Auth, Config};
use crate::Failure;

/// Refuses configurations that contradict themselves or open the server to strangers without having been told to.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let listen = config.listen.value;
    let auth = config.auth.value;
    if !listen.ip().is_loopback() && auth == Auth::Off && !config.insecure.value {
        return Err(Failure::Usage(format!(
            "--listen {listen} can be reached from other machines and --auth is off: give --auth on with [[keys]] in \
             --config, or --insecure to serve everybody who can reach it"
        )));
    }
    if auth == Auth::On && config.keys.value.is_empty() {
        return Err(Failure::Usage(
            "--auth on needs at least one [[keys]] with access_key and secret in the file given by --config".to_owned(),
        ));
    }
    if config.tls_cert.value.is_some() != config.tls_key.value.is_some() {
        return Err(Failure::Usage(
            "--tls-cert and --tls-key must be given together".to_owned(),
        ));
    }
    Ok(())
}
