//! A Kafka broker in memory, one connection at a time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kafka::{
    Broker, IamVerifier, Listener, Mechanism, OAuth, Options, Protocol, SecurityOptions, SignedConnect,
    User, serve_stream,
};
use model::{Clock, Rng, Timestamp};
use store::Memory;
use streams::{Keyring, Streams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// More than any input makes.
const BYTES_MAX: usize = 64 << 20;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of this thread");
}

static BROKER: LazyLock<Arc<Broker>> = LazyLock::new(|| RUNTIME.with(|runtime| runtime.block_on(broker())));

/// No signature holds.
#[derive(Debug)]
struct NoKeys;

impl IamVerifier for NoKeys {
    fn verify(&self, _: &SignedConnect, _: Timestamp) -> Result<String, String> {
        Err("no key".to_owned())
    }
}

async fn broker() -> Arc<Broker> {
    let clock = Clock::manual(Timestamp(1_700_000_000_000));
    let rng = Rng::seeded(1);
    let keyring = Keyring::new(&[7; 32], rng.clone());
    let store = Arc::new(Memory::new(clock.clone()));
    let streams = Arc::new(Streams::new(store, clock, keyring));
    let options = Options {
        auto_create: false,
        security: SecurityOptions {
            mechanisms: Mechanism::ALL.to_vec(),
            users: vec![User {
                name: "alice".to_owned(),
                password: "a password that no fuzzer guesses".to_owned(),
            }],
            oauth: Some(OAuth::default()),
            iam: Some(Arc::new(NoKeys)),
            failure_delay: Duration::ZERO,
            // Every API is read and none changes anything.
            acls: true,
            ..SecurityOptions::default()
        },
        ..Options::default()
    };
    Broker::open(streams, &rng, options)
        .await
        .expect("a store in memory opens")
}

/// A request with its length and head.
#[must_use]
pub fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(14 + body.len());
    bytes.extend((10 + body.len() as u32).to_be_bytes());
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(1i32.to_be_bytes());
    bytes.extend((-1i16).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Sends all of `bytes` over a connection of its own; what came back until both sides were done.
///
/// # Panics
/// Where the broker does.
#[must_use]
pub fn send(protocol: Protocol, bytes: &[u8]) -> Vec<u8> {
    let broker = Arc::clone(&BROKER);
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (mut ours, theirs) = tokio::io::duplex(BYTES_MAX);
            let listener = Arc::new(Listener {
                protocol,
                ..Listener::default()
            });
            let serving = tokio::spawn(serve_stream(broker, listener, theirs));
            let _ = ours.write_all(bytes).await;
            let _ = ours.shutdown().await;
            serving.await.expect("the broker does not panic");
            let mut answers = Vec::new();
            let _ = ours.read_to_end(&mut answers).await;
            answers
        })
    })
}
