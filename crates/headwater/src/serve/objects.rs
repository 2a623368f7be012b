//! S3 at the front door: opened over the engine's store, and served as its guest.

use std::borrow::Cow;
use std::collections::HashMap;

use aws::{Guest, Incoming, Told};
use http::{Request, Response};
use model::{AccountId, Clock, Rng};
use s3::{Auth, S3, Secret};

use super::engine::Engine;
use crate::Failure;
use crate::config::{self, Config};

/// Opens the endpoint. Its bodies are in the data directory, where the engine says.
pub(super) async fn open(config: &Config, engine: &Engine) -> Result<S3, Failure> {
    let directory = engine.objects(&config.data.value);
    let opened = S3::open(
        engine.store(),
        &directory,
        Clock::system(),
        Rng::system(),
        auth(config),
    );
    opened.await.map_err(|error| {
        let place = directory.display();
        Failure::because(format!("could not open the objects in {place}"), error)
    })
}

fn auth(config: &Config) -> Auth {
    let keys = &config.keys.value;
    let account = |key: &config::AccessKey| key.account.clone();
    match config.auth.value {
        config::Auth::Off => {
            let named = keys
                .iter()
                .filter_map(|key| Some((key.access_key.clone(), account(key)?)));
            Auth::Off(named.collect())
        }
        config::Auth::On => {
            // As the front door has it for all other services.
            let of = |key: &config::AccessKey| {
                account(key)
                    .or_else(|| AccountId::parse(&key.access_key))
                    .unwrap_or_else(AccountId::unnamed)
            };
            let secret = |key: &config::AccessKey| Secret {
                secret: key.secret.clone(),
                account: of(key),
            };
            let secrets = keys
                .iter()
                .map(|key| (key.access_key.clone(), secret(key)))
                .collect::<HashMap<_, _>>();
            Auth::On(secrets)
        }
    }
}

/// The endpoint as a guest of the front door.
pub(super) fn guest(s3: S3) -> Guest {
    std::sync::Arc::new(move |request: Request<Incoming>| {
        let s3 = s3.clone();
        Box::pin(async move { told(s3.answer(request).await) })
    })
}

fn told(response: Response<s3::Body>) -> Response<aws::Body> {
    let outcome = response.extensions().get::<s3::Outcome>().cloned();
    let mut response = response.map(aws::Body::streaming);
    if let Some(outcome) = outcome {
        response.extensions_mut().insert(Told {
            operation: outcome.operation,
            error: outcome.error.map(Cow::Owned),
        });
    }
    response
}
