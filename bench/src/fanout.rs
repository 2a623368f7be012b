//! From put to fan-out consumer: records are put one by one at a given rate while one consumer is subscribed to every shard
//! over one HTTP/2 connection. Each record carries the time it was meant to be put; its latency ends when the event that
//! holds it has been taken apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::sync::{Mutex, oneshot};

use crate::control::{CallError, Control};
use crate::event_stream::{Message, Messages};
use crate::put::{self, PutOutcome, PutPlan};
use crate::report::{self, Row};
use crate::request::{AMZ_DATE, AUTHORIZATION, Format, STAMP_LEN, TARGET_PREFIX};
use crate::scan;

const CONSUMER: &str = "bench-consumer";
/// How long subscriptions may take to start, and the last records to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug)]
pub(crate) struct FanoutOutcome {
    pub(crate) put: PutOutcome,
    /// From intended put to arrival, after the warm-up.
    pub(crate) latencies: Histogram<u64>,
    /// Records that arrived, warm-up included.
    pub(crate) received: u64,
}

impl FanoutOutcome {
    /// Adds the figures to a row.
    pub(crate) fn describe(&self, row: &mut Row) {
        row.add(
            "records",
            self.put.records as f64 / self.put.elapsed.as_secs_f64().max(1e-9),
            "/s",
        );
        row.add_latencies(&self.latencies);
        if self.received != self.put.records_all {
            row.note(format!(
                "{} records were acked, {} arrived",
                self.put.records_all, self.received
            ));
        }
        if let Some(failure) = &self.put.first_failure {
            row.note(format!(
                "{} puts failed, the first with: {failure}",
                self.put.failed
            ));
        }
    }
}

/// Subscribes to every shard of the plan's stream, which must exist, and puts as planned.
pub(crate) fn run(server: SocketAddr, plan: &PutPlan) -> Result<FanoutOutcome> {
    let mut control = Control::new(server, PATIENCE);
    let shards = control.shards(&plan.shape.stream)?;
    let consumer_arn = register(&mut control, &plan.shape.stream)?;
    let measured_from = plan.epoch.elapsed() + plan.warm_up;
    let received = Arc::new(AtomicU64::new(0));
    let sink = Sink {
        epoch: plan.epoch,
        measured_from,
        received: Arc::clone(&received),
        latencies: report::latencies(),
    };
    let consumer = Consumer::start(server, consumer_arn, &shards, sink)?;

    let put = put::run(server, plan)?;
    let waiting = Instant::now();
    while received.load(Ordering::Relaxed) < put.records_all && waiting.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    let latencies = consumer.stop()?;
    Ok(FanoutOutcome {
        put,
        latencies,
        received: received.load(Ordering::Relaxed),
    })
}

fn register(control: &mut Control, stream: &str) -> Result<String> {
    let arn = control.arn(stream)?;
    let output = control.call(
        "RegisterStreamConsumer",
        &json!({ "StreamARN": arn, "ConsumerName": CONSUMER }),
    );
    let output = output.context("RegisterStreamConsumer")?;
    let consumer_arn = output["Consumer"]["ConsumerARN"]
        .as_str()
        .context("no ConsumerARN in the answer")?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let description = control.call(
            "DescribeStreamConsumer",
            &json!({ "ConsumerARN": consumer_arn }),
        );
        match description {
            Ok(answer) if answer["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE" => {
                return Ok(consumer_arn.to_owned());
            }
            Ok(_) => std::thread::sleep(Duration::from_millis(2)),
            Err(error @ CallError::Refused { .. }) => {
                return Err(error).context("DescribeStreamConsumer");
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the consumer did not become ACTIVE within {PATIENCE:?}")
}

/// Where records end.
#[derive(Debug)]
struct Sink {
    epoch: Instant,
    /// Records meant to be put before this, counted from `epoch`, are warm-up.
    measured_from: Duration,
    received: Arc<AtomicU64>,
    latencies: Histogram<u64>,
}

impl Sink {
    fn take(&mut self, payload: &[u8]) {
        let now = self.epoch.elapsed();
        scan::each_data(Format::Json, payload, |data| {
            self.received.fetch_add(1, Ordering::Relaxed);
            let Some(stamp) = decode_stamp(data) else {
                return;
            };
            if stamp >= self.measured_from {
                report::record(&mut self.latencies, now.saturating_sub(stamp));
            }
        });
    }
}

fn decode_stamp(data: &[u8]) -> Option<Duration> {
    let text = data.get(..STAMP_LEN / 3 * 4)?;
    let raw = base64_simd::STANDARD.decode_to_vec(text).ok()?;
    Some(Duration::from_nanos(u64::from_be_bytes(
        *raw.first_chunk::<8>()?,
    )))
}

/// The subscriptions, on a thread of their own.
struct Consumer {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Histogram<u64>>>,
}

impl Consumer {
    /// Returns once every subscription has had its initial response.
    fn start(
        server: SocketAddr,
        consumer_arn: String,
        shards: &[String],
        sink: Sink,
    ) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready_tx, ready_rx) = mpsc::channel();
        let owned_shards = shards.to_vec();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(consume(
                server,
                consumer_arn,
                owned_shards,
                sink,
                ready_tx,
                stopped,
            ))
        });
        for _ in shards {
            if ready_rx.recv_timeout(PATIENCE).is_err() {
                if thread.is_finished() {
                    let ended = thread
                        .join()
                        .map_err(|_| anyhow!("the consumer panicked"))?;
                    ended.context("SubscribeToShard over HTTP/2")?;
                }
                bail!("no initial response to SubscribeToShard within {PATIENCE:?}");
            }
        }
        Ok(Self { stop, thread })
    }

    fn stop(self) -> Result<Histogram<u64>> {
        // A consumer that has ended already tells why through its result.
        let _ = self.stop.send(());
        self.thread
            .join()
            .map_err(|_| anyhow!("the consumer panicked"))?
    }
}

async fn consume(
    server: SocketAddr,
    consumer_arn: String,
    shards: Vec<String>,
    sink: Sink,
    ready: mpsc::Sender<()>,
    stopped: oneshot::Receiver<()>,
) -> Result<Histogram<u64>> {
    let tcp = tokio::net::TcpStream::connect(server)
        .await
        .context("connect")?;
    tcp.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
        .await
        .context("handshake")?;
    let connection = tokio::spawn(connection);
    let sink = Arc::new(Mutex::new(sink));
    let mut subscriptions = tokio::task::JoinSet::new();
    for shard in shards {
        let input = json!({ "ConsumerARN": consumer_arn, "ShardId": shard, "StartingPosition": { "Type": "LATEST" } });
        subscriptions.spawn(subscribe(
            sender.clone(),
            server,
            input.to_string(),
            Arc::clone(&sink),
            ready.clone(),
        ));
    }
    drop(ready);
    tokio::select! {
        _ = stopped => {}
        Some(ended) = subscriptions.join_next() => {
            ended.context("subscription")??;
            bail!("a subscription ended early");
        }
    }
    subscriptions.shutdown().await;
    connection.abort();
    let sink = sink.lock().await;
    Ok(sink.latencies.clone())
}

async fn subscribe(
    mut sender: SendRequest<Full<Bytes>>,
    server: SocketAddr,
    input: String,
    sink: Arc<Mutex<Sink>>,
    ready: mpsc::Sender<()>,
) -> Result<()> {
    let request = http::Request::post(format!("http://{server}/"))
        .header("x-amz-target", format!("{TARGET_PREFIX}SubscribeToShard"))
        .header("content-type", Format::Json.content_type())
        .header("x-amz-date", AMZ_DATE)
        .header("authorization", AUTHORIZATION)
        .body(Full::new(Bytes::from(input)))?;
    sender.ready().await?;
    let response = sender.send_request(request).await.context("send")?;
    let status = response.status();
    let mut body: Incoming = response.into_body();
    if status != 200 {
        let text = body.collect().await?.to_bytes();
        bail!("status {status}: {}", String::from_utf8_lossy(&text));
    }
    let mut messages = Messages::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        messages.push(&data);
        while let Some(message) = messages.pop()? {
            let Message {
                kind,
                is_exception,
                payload,
            } = message;
            ensure!(
                !is_exception,
                "exception {kind}: {}",
                String::from_utf8_lossy(&payload)
            );
            match kind.as_str() {
                // The receiver is gone only when the run has been given up.
                "initial-response" => drop(ready.send(())),
                "SubscribeToShardEvent" => sink.lock().await.take(&payload),
                _ => {}
            }
        }
    }
    Ok(())
}
