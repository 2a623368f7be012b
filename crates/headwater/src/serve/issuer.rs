//! Where the keys are read that sign Kafka clients' tokens: a file, or a page of the issuer's server.

use std::fmt;
use std::sync::Arc;

use client::Page;
use kafka::{KeyFile, KeySet, KeySource, Reading};

use crate::Failure;
use crate::config::{KafkaConfig, KeysAt};

/// Largest key set read.
const BYTES_MAX: usize = 1 << 20;

/// The key set as configured, if any is. A file must be one; a server may be away for now, as logins with other mechanisms
/// must not wait for it.
pub(super) fn key_set(settings: &KafkaConfig) -> Result<Option<KeySet>, Failure> {
    let Some(at) = &settings.oauth_jwks.value else {
        return Ok(None);
    };
    let named = |why: String| Failure::Usage(format!("--kafka-oauth-jwks {at}: {why}"));
    let source: Arc<dyn KeySource> = match at {
        KeysAt::File(path) => {
            let text = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            kafka::check_key_set(&text).map_err(named)?;
            Arc::new(KeyFile(path.clone()))
        }
        KeysAt::Url(url) => {
            let authorities = settings.oauth_jwks_ca.value.as_deref();
            let page = Page::at(url, authorities).map_err(|error| named(error.to_string()))?;
            Arc::new(KeyPage(page))
        }
    };
    Ok(Some(KeySet {
        source,
        refresh: settings.oauth_jwks_refresh.value,
    }))
}

/// A page with a JSON Web Key Set.
#[derive(Debug)]
struct KeyPage(Page);

impl fmt::Display for KeyPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl KeySource for KeyPage {
    fn read(&self) -> Reading<'_> {
        Box::pin(self.0.read(BYTES_MAX))
    }
}
