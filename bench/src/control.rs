//! A plain blocking client for everything that is not measured: making streams, listing shards, checking what was written.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http1::{Answer, Incoming, Progress};
use crate::request::{self, Service};

/// How long a stream may take to change its state.
const CHANGE_MAX: Duration = Duration::from_secs(60);
/// How often a changing state is asked for.
const POLL: Duration = Duration::from_millis(2);

/// Why a call did not succeed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server answered with an error.
    Refused {
        status: u16,
        code: String,
        body: String,
    },
    /// No answer came; the call may or may not have been carried out.
    NoAnswer(anyhow::Error),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, body, .. } => write!(f, "refused with status {status}: {body}"),
            Self::NoAnswer(error) => write!(f, "no answer: {error:#}"),
        }
    }
}

impl std::error::Error for CallError {}

/// One connection, made when first needed and again when lost.
#[derive(Debug)]
pub(crate) struct Control {
    service: Service,
    server: SocketAddr,
    patience: Duration,
    stream: Option<TcpStream>,
    incoming: Incoming,
    request: Vec<u8>,
}

impl Control {
    /// For Kinesis. Calls wait `patience` for their answer.
    pub(crate) fn new(server: SocketAddr, patience: Duration) -> Self {
        Self::of(Service::Kinesis, server, patience)
    }

    /// For any service. Calls wait `patience` for their answer.
    pub(crate) fn of(service: Service, server: SocketAddr, patience: Duration) -> Self {
        Self {
            service,
            server,
            patience,
            stream: None,
            incoming: Incoming::default(),
            request: Vec::new(),
        }
    }

    /// One call. It is never sent twice.
    pub(crate) fn call(&mut self, operation: &str, input: &Value) -> Result<Value, CallError> {
        let body = input.to_string();
        request::write_json_request(
            &mut self.request,
            self.service,
            &self.server.to_string(),
            operation,
            body.as_bytes(),
        );
        self.incoming.clear();
        let exchanged = self.exchange().with_context(|| operation.to_owned());
        if let Err(error) = exchanged {
            self.stream = None;
            return Err(CallError::NoAnswer(error));
        }
        let Some(answer) = self.incoming.answer() else {
            return Err(CallError::NoAnswer(anyhow::anyhow!("answer not whole")));
        };
        if answer.closes {
            self.stream = None;
        }
        if answer.status == 200 {
            let body = if answer.body.is_empty() {
                b"null"
            } else {
                answer.body
            };
            let parsed = serde_json::from_slice(body).context("answer is not JSON");
            return parsed.map_err(CallError::NoAnswer);
        }
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).into_owned();
        let parsed: Value = serde_json::from_slice(answer.body).unwrap_or_default();
        let code = parsed["__type"].as_str().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        Err(CallError::Refused {
            status: answer.status,
            code,
            body,
        })
    }

    /// One request of the caller's making, sent once.
    ///
    /// # Errors
    /// Where no answer comes; the request may or may not have been carried out.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.request.clear();
        self.request.extend_from_slice(request);
        self.incoming.clear();
        if let Err(error) = self.exchange() {
            self.stream = None;
            return Err(error);
        }
        let answer = self.incoming.answer().context("answer not whole")?;
        if answer.closes {
            self.stream = None;
        }
        Ok(answer)
    }

    fn exchange(&mut self) -> Result<()> {
        use std::io::Write as _;
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.server, self.patience)?,
        };
        stream.write_all(&self.request).context("send")?;
        match self.incoming.read_from(&mut stream)? {
            Progress::Whole => {}
            Progress::Partial => bail!("no answer within {:?}", self.patience),
            Progress::Closed => bail!("connection closed"),
        }
        self.stream = Some(stream);
        Ok(())
    }

    /// A new stream under this name, `shards` wide and ACTIVE; an old one of that name is deleted.
    pub(crate) fn fresh_stream(&mut self, name: &str, shards: usize) -> Result<()> {
        match self.call(
            "DeleteStream",
            &json!({ "StreamName": name, "EnforceConsumerDeletion": true }),
        ) {
            Ok(_) => self.await_gone(name)?,
            Err(CallError::Refused { code, .. }) if code == "ResourceNotFoundException" => {}
            Err(error) => return Err(error).context("delete the old stream"),
        }
        let input = json!({ "StreamName": name, "ShardCount": shards });
        self.call("CreateStream", &input).context("CreateStream")?;
        self.await_active(name, shards)
    }

    fn await_gone(&mut self, name: &str) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < CHANGE_MAX {
            match self.call("DescribeStreamSummary", &json!({ "StreamName": name })) {
                Err(CallError::Refused { code, .. }) if code == "ResourceNotFoundException" => {
                    return Ok(());
                }
                Err(error) => return Err(error).context("wait for the old stream to go"),
                Ok(_) => std::thread::sleep(POLL),
            }
        }
        bail!("stream {name} is still there {CHANGE_MAX:?} after DeleteStream")
    }

    /// Waits until the stream is ACTIVE with this many open shards.
    pub(crate) fn await_active(&mut self, name: &str, shards: usize) -> Result<()> {
        let start = Instant::now();
        let mut last = Value::Null;
        while start.elapsed() < CHANGE_MAX {
            last = self.call("DescribeStreamSummary", &json!({ "StreamName": name }))?;
            let summary = &last["StreamDescriptionSummary"];
            if summary["StreamStatus"] == "ACTIVE" && summary["OpenShardCount"] == shards {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        bail!(
            "stream {name} did not become ACTIVE with {shards} shards within {CHANGE_MAX:?}: {last}"
        )
    }

    /// The ids of all shards, closed ones included.
    pub(crate) fn shards(&mut self, name: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut input = json!({ "StreamName": name });
        loop {
            let page = self.call("ListShards", &input)?;
            let shards = page["Shards"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            ids.extend(
                shards
                    .iter()
                    .filter_map(|shard| shard["ShardId"].as_str())
                    .map(str::to_owned),
            );
            let Some(token) = page["NextToken"].as_str() else {
                return Ok(ids);
            };
            ensure!(
                !shards.is_empty(),
                "an empty page of shards with a NextToken"
            );
            input = json!({ "NextToken": token });
        }
    }

    /// An iterator at the oldest record of a shard.
    pub(crate) fn oldest(&mut self, stream: &str, shard: &str) -> Result<String> {
        let input =
            json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let output = self.call("GetShardIterator", &input)?;
        Ok(output["ShardIterator"]
            .as_str()
            .context("no ShardIterator in the answer")?
            .to_owned())
    }

    /// The stream's ARN.
    pub(crate) fn arn(&mut self, stream: &str) -> Result<String> {
        let output = self.call("DescribeStreamSummary", &json!({ "StreamName": stream }))?;
        let arn = output["StreamDescriptionSummary"]["StreamARN"].as_str();
        Ok(arn.context("no StreamARN in the answer")?.to_owned())
    }
}

fn connect(server: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, patience)
        .with_context(|| format!("connect to {server}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}
