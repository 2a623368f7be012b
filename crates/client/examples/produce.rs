//! Puts records as fast as they go and says how fast that was.
//!
//!     produce [--endpoint URL] [--stream NAME] [--shards N] [--size BYTES] [--seconds N] [--tasks N] [--receipts]
//!
//! Makes the stream if it is not there. With `--receipts` each record's outcome is awaited, as programs do that must know.

#![allow(clippy::print_stdout)] // what it is for

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use client::producer::{Options, PutError};
use client::{Client, Credentials, Kinesis, Producer};
use tokio::time::Instant;

/// What the command line says, with what it does not say.
struct Arguments(HashMap<String, String>);

impl Arguments {
    fn read() -> Arguments {
        let mut found = HashMap::new();
        let mut arguments = std::env::args().skip(1).peekable();
        while let Some(name) = arguments.next() {
            let value = arguments.next_if(|value| !value.starts_with("--"));
            found.insert(name, value.unwrap_or_default());
        }
        Arguments(found)
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or(default, String::as_str).to_owned()
    }

    fn number(&self, name: &str, default: u32) -> Result<u32, Box<dyn Error>> {
        let Some(text) = self.0.get(name) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|_| format!("{name} must be a number, got {text:?}").into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read();
    let connection = client::Options {
        endpoint: arguments.text("--endpoint", "http://127.0.0.1:4566"),
        region: model::Region::unnamed(),
        credentials: Credentials {
            access_key: "any".to_owned(),
            secret_key: "any".to_owned(),
            session_token: None,
        },
        authorities: None,
        attempts: 5,
    };
    let stream = arguments.text("--stream", "produced");
    let kinesis = Kinesis::new(Client::new(connection.clone())?);
    let created = kinesis
        .create(&stream, Some(arguments.number("--shards", 4)?))
        .await;
    match created {
        Err(error) if error.code() != Some("ResourceInUseException") => return Err(error.into()),
        _ => kinesis.wait_until_active(&stream).await?,
    };

    let producer = Producer::new(Options {
        rate_limit: None,
        ..Options::new(connection)
    })?;
    let size = arguments.number("--size", 100)? as usize;
    let seconds = arguments.number("--seconds", 10)?;
    let wants_receipts = arguments.0.contains_key("--receipts");
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds.into());
    let mut tasks = Vec::new();
    for task in 0..arguments.number("--tasks", 2)? {
        let (producer, stream) = (producer.clone(), stream.clone());
        tasks.push(tokio::spawn(async move {
            if wants_receipts {
                put_and_ask(&producer, &stream, task, size, end).await
            } else {
                put(&producer, &stream, task, size, end).await
            }
        }));
    }
    for task in tasks {
        task.await??;
    }
    producer.close().await;
    let took = begun.elapsed().as_secs_f64();
    let metrics = producer.metrics();
    let rate = metrics.user_records_put as f64 / took;
    println!("{rate:.0} records/s of {size} bytes for {took:.1} s, all acknowledged");
    println!("{metrics:#?}");
    Ok(())
}

/// Puts until the time is over, each record under a key of its own.
async fn put(
    producer: &Producer,
    stream: &str,
    task: u32,
    size: usize,
    end: Instant,
) -> Result<(), PutError> {
    let data = vec![b'x'; size];
    for number in 0_u64.. {
        let key = format!("{task}-{number}");
        producer.send(stream, &key, None, &data).await?;
        if number % 256 == 0 && Instant::now() >= end {
            break;
        }
    }
    Ok(())
}

/// As [`put`], awaiting outcomes some time later.
async fn put_and_ask(
    producer: &Producer,
    stream: &str,
    task: u32,
    size: usize,
    end: Instant,
) -> Result<(), PutError> {
    let data = vec![b'x'; size];
    let mut receipts = Vec::new();
    for number in 0_u64.. {
        let key = format!("{task}-{number}");
        receipts.push(producer.put(stream, &key, None, &data).await?);
        if number % 256 == 0 && Instant::now() >= end {
            break;
        }
        if receipts.len() >= 200_000 {
            for receipt in receipts.drain(..100_000) {
                receipt.await?;
            }
        }
    }
    for receipt in receipts {
        receipt.await?;
    }
    Ok(())
}
