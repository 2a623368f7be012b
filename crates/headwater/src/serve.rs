//! The server: opens the store, ties the services to the front door, and stops in order.
//!
//! Start: log, store, services, listener, then the announcement: whoever reads an endpoint can use it at once. A signal until
//! then ends the process at once. Stop, on the first SIGTERM or SIGINT: no new connections, requests under way finish, the store is flushed and closed. A second signal
//! ends the process at once, which is safe: what was acknowledged is durable already. A store that can no longer promise
//! durability ends the process with an error rather than serve on.

mod announce;
mod descriptors;
mod engine;
mod issuer;
mod kafka;
mod kafka_numbers;
mod kafka_requests;
mod lags;
pub(crate) mod logging;
mod master_key;
mod metrics;
mod objects;
mod pages;
mod publishing;
mod shared;
mod signals;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws::router::{Auth, Router};
use aws::server::Server;
use aws::sigv4::{Keys, Verifier};
use model::{AccountId, Clock, Rng};
use rustls::ServerConfig;
use s3::S3;
use services::dynamodb::{self, Dynamo};
use services::kinesis::{self, Kinesis};
use services::metrics as cloudwatch;
use services::sqs::{self, Sqs};
use streams::{Keyring, Streams};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::Failure;
use crate::config::{self, Config};

use announce::Endpoints;
pub(crate) use descriptors::raise_limit as raise_descriptor_limit;
use engine::Engine;
use kafka::Kafka;
use kafka_numbers::KafkaNumbers;
use kafka_requests::KafkaRequests;
use metrics::Metrics;
use publishing::Publishing;
pub(crate) use signals::Signals;

/// How often old records are looked for.
const RETENTION_PERIOD: Duration = Duration::from_secs(60);

/// How often logs are looked at for whether they are to be compacted. Kafka's `log.cleaner.backoff.ms` is 15 seconds.
const COMPACTION_PERIOD: Duration = Duration::from_secs(5);

/// How often on-demand streams are looked at: load is averaged over a minute.
const SCALING_PERIOD: Duration = Duration::from_secs(10);

/// How often the queues' messages are counted for the metrics. AWS's are of a minute.
const MEASURING_PERIOD: Duration = Duration::from_secs(10);

/// How often CloudWatch's roll-ups are written down. What was put is in its journal until then.
const SETTLING_PERIOD: Duration = Duration::from_secs(300);

/// Serves until told to stop.
pub(crate) fn run(config: &Config) -> Result<(), Failure> {
    logging::start(&config.log.value)?;
    for name in &config.variables_unknown {
        tracing::warn!("{name} is no setting and has no effect: `headwater --help` names them all");
    }
    let descriptors = descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start the threads", error))?;
    let served = runtime.block_on(serve(config, descriptors));
    // Whatever is still blocked had its time in the drain.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serve(config: &Config, descriptors: u64) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let starting = tokio::spawn(Signals::catch()?.exit_before_serving());
    let data = &config.data.value;
    make_private(data)?;
    let engine = Engine::open(config)?;
    // Ours from here on: the store's lock is held. A file left by a server that was killed would mislead.
    announce::clear(data);
    // A first start waits for the disk again and again: what can wait at one time does.
    let tls = make_tls(config);
    let services = Services::over(config, &engine).await?;
    let opened = tokio::try_join!(
        objects::open(config, &engine),
        kafka::open(config, &services)
    );
    let (s3, broker) = opened?;
    let tls = tls
        .await
        .map_err(|error| Failure::because("could not set up TLS", error))??;
    let numbers = KafkaNumbers::of(Arc::clone(&broker));
    let fronts = Fronts {
        requests: KafkaRequests::of(config, Arc::clone(&broker)),
        s3,
        numbers: numbers.clone(),
    };
    let server = listen(config, &engine, &services, fronts, (tls, descriptors)).await?;
    let address = server
        .local_addr()
        .map_err(|error| Failure::because("could not tell the address listened on", error))?;
    let kafka = Kafka::listen(config, broker, descriptors).await?;
    let endpoints = Endpoints::at(address, &kafka.addresses);
    starting.abort();
    if let Err(error) = endpoints.publish(data) {
        // The disk may be full, and what is on it can be read.
        let path = data.display();
        tracing::warn!(%error, "could not write endpoints.json in {path}: scripts do not find this server by it");
    }
    if announce::say(&endpoints, config).is_err() {
        // Nobody reads it: no reason not to serve.
        tracing::info!("standard output is closed");
    }
    tracing::info!(%address, version = crate::VERSION, "serving");

    let mut upkeep = upkeep(&services);
    upkeep.spawn(services.publishing(numbers.clone()).keep_publishing());
    let (stopper, stop) = tokio::sync::oneshot::channel::<()>();
    let kafka = tokio::spawn(kafka.run(numbers, stop));
    let mut poisoned = None;
    server
        .run(async {
            tokio::select! {
                () = signals.next() => tracing::info!("asked to stop"),
                why = engine.poisoned() => poisoned = Some(why),
            }
            tokio::spawn(signals.exit_on_next());
            // Both drain at once.
            drop(stopper);
        })
        .await;
    let _ = kafka.await;
    drop(upkeep);
    services.sqs.close().await;
    services.kinesis.close().await;
    services.cloudwatch.close().await;
    endpoints.withdraw(data);
    if let Some(why) = poisoned {
        return Err(Failure::running(format!(
            "the store can no longer make writes durable and stopped: {why}; nothing acknowledged is lost; check the \
             disk under {}, then start again",
            data.display()
        )));
    }
    engine.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Makes the data directory, for its owner alone. One that is there keeps its mode.
fn make_private(directory: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        let hint = match directory.is_file() {
            true => ": it is a file, give a directory",
            false => "",
        };
        let shown = directory.display();
        Failure::because(format!("could not make --data {shown}{hint}"), error)
    })
}

/// What is served.
struct Services {
    kinesis: Arc<Kinesis>,
    sqs: Arc<Sqs>,
    dynamo: Arc<Dynamo>,
    cloudwatch: Arc<cloudwatch::Metrics>,
}

impl Services {
    /// All of them over the engine's store.
    async fn over(config: &Config, engine: &Engine) -> Result<Services, Failure> {
        let rng = Rng::system();
        let master = if engine.outlives_the_process() {
            let is_new = engine.has_sealed_nothing().await?;
            master_key::load_or_make(&config.data.value, is_new, &rng)?
        } else {
            master_key::make(&rng)
        };
        let keyring = Keyring::new(&master, rng.clone());
        let clock = Clock::system();
        let limits = match config.limits.value {
            config::Limits::Aws => kinesis::Limits::Aws,
            config::Limits::None => kinesis::Limits::None,
        };
        let streams = Streams::new(engine.store(), clock.clone(), keyring.clone());
        let dynamo = Dynamo::new(engine.store(), clock.clone(), rng.clone(), limits);
        let cloudwatch = cloudwatch::Metrics::open(engine.store(), clock.clone())
            .await
            .map_err(|error| Failure::because("could not read CloudWatch's metrics", error))?;
        let sqs = Sqs::new(engine.store(), clock, rng, keyring, limits);
        Ok(Services {
            kinesis: Arc::new(Kinesis::new(Arc::new(streams), limits)),
            sqs: Arc::new(sqs),
            dynamo: Arc::new(dynamo),
            cloudwatch: Arc::new(cloudwatch),
        })
    }

    /// What counts all of them for CloudWatch.
    fn publishing(&self, kafka: KafkaNumbers) -> Publishing {
        Publishing {
            kinesis: Arc::clone(&self.kinesis),
            sqs: Arc::clone(&self.sqs),
            dynamo: Arc::clone(&self.dynamo),
            kafka,
            cloudwatch: Arc::clone(&self.cloudwatch),
        }
    }
}

/// What goes on beside the requests, until the set is dropped.
fn upkeep(services: &Services) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let streams = Arc::clone(&services.kinesis.streams);
    tasks.spawn(async move { streams::retention::run(&streams, RETENTION_PERIOD).await });
    let streams = Arc::clone(&services.kinesis.streams);
    tasks.spawn(async move { streams::compaction::run(&streams, COMPACTION_PERIOD).await });
    let kinesis = Arc::clone(&services.kinesis);
    tasks.spawn(async move { kinesis.keep_scaling(SCALING_PERIOD).await });
    let kinesis = Arc::clone(&services.kinesis);
    tasks.spawn(async move { kinesis.keep_queues_tidy(RETENTION_PERIOD).await });
    let sqs = Arc::clone(&services.sqs);
    tasks.spawn(async move { sqs.keep_expiring(RETENTION_PERIOD).await });
    let sqs = Arc::clone(&services.sqs);
    tasks.spawn(async move { sqs.resume_moves().await });
    let sqs = Arc::clone(&services.sqs);
    tasks.spawn(async move { sqs.keep_measuring(MEASURING_PERIOD).await });
    let dynamo = Arc::clone(&services.dynamo);
    tasks.spawn(async move { dynamo.resume().await });
    let dynamo = Arc::clone(&services.dynamo);
    tasks.spawn(async move { dynamo.keep_expiring(RETENTION_PERIOD).await });
    let metrics = Arc::clone(&services.cloudwatch);
    tasks.spawn(async move { metrics.keep_settling(SETTLING_PERIOD).await });
    tasks
}

/// What answers on AWS's port beside the services.
struct Fronts {
    requests: Arc<KafkaRequests>,
    s3: S3,
    numbers: KafkaNumbers,
}

/// Everything between the socket and the streams.
async fn listen(
    config: &Config,
    engine: &Engine,
    services: &Services,
    fronts: Fronts,
    (tls, descriptors): (Arc<ServerConfig>, u64),
) -> Result<Server, Failure> {
    let Services {
        kinesis,
        sqs,
        dynamo,
        cloudwatch,
    } = services;
    let Fronts {
        requests,
        s3,
        numbers,
    } = fronts;
    let metrics = Arc::new(Metrics::new(engine, kinesis, sqs, &numbers));
    let endpoints = [
        kinesis::operations().serve(Arc::clone(kinesis)),
        sqs::operations().serve(Arc::clone(sqs)),
        sqs::beyond().serve(Arc::clone(sqs)),
        kafka_requests::operations().serve(requests),
        dynamodb::operations().serve(Arc::clone(dynamo)),
        cloudwatch::operations().serve(Arc::clone(cloudwatch)),
    ];
    let router = Router::new(endpoints)
        .auth(auth(config))
        .limits(descriptors::limits(descriptors))
        .accounts(accounts(config))
        .observe(metrics.observer())
        .guest("s3", objects::guest(s3))
        .own_pages(pages::own_pages(metrics, engine.clone(), config));
    let listener = bind("--listen", config.listen.value).await?;
    Ok(Server::new(listener, Arc::new(router), Some(tls)))
}

/// What the front door seals connections with: made meanwhile at a first start.
fn make_tls(config: &Config) -> JoinHandle<Result<Arc<ServerConfig>, Failure>> {
    let files = (config.tls_cert.value.clone(), config.tls_key.value.clone());
    let directory = config.data.value.join("tls");
    tokio::task::spawn_blocking(move || {
        let tls = match files {
            (Some(certificate), Some(key)) => aws::tls::from_files(&certificate, &key),
            _ => aws::tls::self_signed(&directory),
        };
        tls.map_err(|error| Failure::because("could not set up TLS", error))
    })
}

fn auth(config: &Config) -> Auth {
    let keys = &config.keys.value;
    let pairs = keys
        .iter()
        .map(|key| (key.access_key.clone(), key.secret.clone()));
    match config.auth.value {
        config::Auth::Off => Auth::Off,
        config::Auth::On => Auth::On(Verifier::new(pairs.collect::<Keys>())),
    }
}

/// Whose resources each key reaches, where the configuration says.
fn accounts(config: &Config) -> HashMap<String, AccountId> {
    let keys = config.keys.value.iter();
    keys.filter_map(|key| Some((key.access_key.clone(), key.account.clone()?)))
        .collect()
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; is a server running already? another port or port 0 will do"
            }
            _ => "",
        };
        Failure::because(format!("could not listen on {flag} {address}{hint}"), error)
    })
}
