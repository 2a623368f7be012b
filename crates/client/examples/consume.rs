//! Reads a stream with the consumer library and prints records a second.
//!
//!     cargo run --release -p client --example consume -- STREAM [--endpoint URL] [--region NAME]
//!         [--access-key KEY] [--application NAME] [--worker NAME] [--fan-out] [--records N]
//!
//! `--records N` ends after that many records, with the time they took from the first on.

#![allow(clippy::print_stdout)] // what it is for

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{
    Config, Failure, Handle, InitialPosition, LeaseTable, Retrieval, Worker, each,
};
use client::dynamodb::DynamoDb;
use client::{Client, Credentials, Kinesis, Options};
use tokio::time::{Instant, interval};

struct Arguments {
    stream: String,
    endpoint: String,
    region: model::Region,
    access_key: String,
    application: String,
    worker: String,
    is_fan_out: bool,
    records: u64,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut given = std::env::args().skip(1);
    let mut arguments = Arguments {
        stream: given.next().ok_or("the stream's name must be given")?,
        endpoint: "http://127.0.0.1:4566".to_owned(),
        region: model::Region::unnamed(),
        access_key: "any".to_owned(),
        application: "consume".to_owned(),
        worker: format!("worker-{}", std::process::id()),
        is_fan_out: false,
        records: u64::MAX,
    };
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--endpoint" => arguments.endpoint = value()?,
            "--access-key" => arguments.access_key = value()?,
            "--region" => {
                let name = value()?;
                let region = model::Region::parse(&name);
                arguments.region = region.ok_or_else(|| format!("{name} names no region"))?;
            }
            "--application" => arguments.application = value()?,
            "--worker" => arguments.worker = value()?,
            "--records" => arguments.records = value()?.parse()?,
            "--fan-out" => arguments.is_fan_out = true,
            _ => return Err(format!("no such argument: {flag}").into()),
        }
    }
    Ok(arguments)
}

fn client_of(arguments: &Arguments) -> Result<Client, client::ClientError> {
    Client::new(Options {
        endpoint: arguments.endpoint.clone(),
        region: arguments.region.clone(),
        credentials: Credentials {
            access_key: arguments.access_key.clone(),
            secret_key: "example".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 10,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    let retrieval = if arguments.is_fan_out {
        Retrieval::FanOut {
            consumer: arguments.application.clone(),
        }
    } else {
        Retrieval::Polling {
            records_max: 10_000,
            idle: Duration::from_millis(200),
        }
    };
    let config = Config {
        start: InitialPosition::TrimHorizon,
        retrieval,
        ..Config::new(&arguments.stream, &arguments.worker)
    };
    let dynamodb = DynamoDb::new(client_of(&arguments)?);
    let leases = LeaseTable::new(dynamodb, &arguments.application);
    let kinesis = Kinesis::new(client_of(&arguments)?);
    let worker = Worker::new(config, kinesis, Arc::new(leases));
    let handle = worker.handle();
    let counting = tokio::spawn(count(handle.clone(), arguments.records));
    let interrupt = handle.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.stop();
        }
    });
    worker
        .run(|_shard| each(|_batch| async { Ok::<(), Failure>(()) }))
        .await?;
    counting.abort();
    Ok(())
}

/// Prints what was read each second, and stops the worker when it was enough.
async fn count(handle: Handle, enough: u64) {
    let mut ticks = interval(Duration::from_millis(20));
    let mut begun: Option<(Instant, u64)> = None;
    let (mut printed, mut before) = (Instant::now(), 0);
    loop {
        ticks.tick().await;
        let now = handle.metrics();
        if now.records > 0 && begun.is_none() {
            begun = Some((Instant::now(), now.records));
        }
        if printed.elapsed() >= Duration::from_secs(1) {
            let rate = (now.records - before) as f64 / printed.elapsed().as_secs_f64();
            let behind = now
                .millis_behind
                .values()
                .max()
                .copied()
                .unwrap_or_default();
            println!(
                "{rate:.0} records/s, {} in all, {:.1} MiB, {behind} ms behind, {} of {} leases",
                now.records,
                now.bytes as f64 / f64::from(1 << 20),
                now.leases_held,
                now.leases_total,
            );
            (printed, before) = (Instant::now(), now.records);
        }
        if let Some((since, first)) = begun
            && now.records >= enough
        {
            let seconds = since.elapsed().as_secs_f64();
            println!(
                "{} records, {:.0} records/s",
                now.records,
                (now.records - first) as f64 / seconds
            );
            return handle.stop();
        }
    }
}
