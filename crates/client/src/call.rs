//! One operation: written as JSON, signed, sent, retried while that may help, and its answer read.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws::sigv4::{self, Credentials};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use model::{Clock, Region, Rng};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::connection::Connections;
use crate::error::ClientError;

/// Requests at one time; further ones wait their turn.
const REQUESTS_MAX: usize = 64;
/// Longest pause before a retry, which is a random part of it: first this much, each time twice that.
const PAUSE: Duration = Duration::from_millis(100);
/// Largest refusal read.
const REFUSAL_BYTES_MAX: usize = 1 << 20;
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

const CBOR: &str = "application/x-amz-cbor-1.1";

/// A service, as requests name it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// In the signature's scope: `kinesis`.
    pub signing_name: &'static str,
    /// Before the operation in `X-Amz-Target`: `Kinesis_20131202`.
    pub prefix: &'static str,
    /// The service's version of AWS JSON.
    pub json: Json,
}

/// A version of AWS JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// 1.0: SQS, DynamoDB.
    V1_0,
    /// 1.1: most others.
    V1_1,
}

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The service's version of AWS JSON.
    Json,
    /// CBOR, as Kinesis takes it.
    Cbor,
}

/// One request for an operation.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) target: Target,
    pub(crate) operation: &'static str,
    pub(crate) format: Format,
    pub(crate) body: &'a Bytes,
    /// Headwater does a request once that comes again with the same token.
    pub(crate) token: Option<&'a str>,
}

/// A request's body as it goes over the wire.
#[derive(Debug, Clone)]
pub enum Body {
    /// AWS JSON, in the target's version.
    Json(Bytes),
    /// CBOR, which Kinesis takes: data without base64.
    Cbor(Bytes),
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// `http://HOST:PORT`, or `https://`.
    pub endpoint: String,
    /// The region requests are signed for.
    pub region: Region,
    /// Who signs.
    pub credentials: Credentials,
    /// PEM file with the certificates that an `https` endpoint's may be signed by; `None`: those that the machine trusts.
    pub authorities: Option<PathBuf>,
    /// Times a call is tried in all, at least 1.
    pub attempts: u32,
}

/// A client of one endpoint. Share it: its connections are kept and its requests are bounded.
pub struct Client {
    options: Options,
    endpoint: Uri,
    connections: Connections,
    room: Semaphore,
    clock: Clock,
    rng: Rng,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.endpoint)
    }
}

impl Client {
    /// A client by these options. Connects with the first call.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the endpoint or the authorities are unusable.
    pub fn new(options: Options) -> Result<Client, ClientError> {
        let wrong = || {
            ClientError::Setup(format!(
                "endpoint must be like http://127.0.0.1:4566, got {:?}",
                options.endpoint
            ))
        };
        let endpoint: Uri = options.endpoint.parse().map_err(|_| wrong())?;
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        let key_fits = |text: &str| HeaderValue::from_str(text).is_ok();
        let token = options.credentials.session_token.as_deref();
        if !key_fits(&options.credentials.access_key) || !token.is_none_or(key_fits) {
            return Err(ClientError::Setup(
                "access key and session token must be printable ASCII".to_owned(),
            ));
        }
        let connections = Connections::to(&endpoint, options.authorities.as_deref())?;
        Ok(Client {
            options,
            endpoint,
            connections,
            room: Semaphore::new(REQUESTS_MAX),
            clock: Clock::system(),
            rng: Rng::system(),
        })
    }

    /// Calls an operation. Throttles, the server's faults and lost connections are retried with growing random pauses.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn call<I: Serialize, O: DeserializeOwned>(
        &self,
        target: Target,
        operation: &'static str,
        input: &I,
    ) -> Result<O, ClientError> {
        let answer = self.call_bytes(target, operation, input).await?;
        read(operation, &answer)
    }

    /// As [`Client::call`], for who reads the answer in place.
    pub(crate) async fn call_bytes<I: Serialize>(
        &self,
        target: Target,
        operation: &'static str,
        input: &I,
    ) -> Result<Bytes, ClientError> {
        let body = write(operation, input)?;
        let mut attempt = 1;
        loop {
            let prepared = Prepared {
                target,
                operation,
                format: Format::Json,
                body: &body,
                token: None,
            };
            let error = match self.attempt(&prepared).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt >= self.options.attempts || !error.is_passing() {
                return Err(error);
            }
            self.pause(attempt).await;
            attempt += 1;
        }
    }

    /// Calls an operation once whose answer goes on, over a connection of its own.
    pub(crate) async fn open<I: Serialize>(
        &self,
        target: Target,
        operation: &'static str,
        input: &I,
    ) -> Result<Response<Incoming>, ClientError> {
        let body = write(operation, input)?;
        let prepared = Prepared {
            target,
            operation,
            format: Format::Json,
            body: &body,
            token: None,
        };
        let opened = self.connections.open(self.request(&prepared)).await;
        let response = opened.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, REFUSAL_BYTES_MAX).collect().await;
        let body = body.map_err(|source| self.unreachable(source))?.to_bytes();
        Err(refusal(operation, &Response::from_parts(parts, body)))
    }

    /// Where calls go.
    pub(crate) fn endpoint(&self) -> &str {
        &self.options.endpoint
    }

    fn unreachable(&self, source: Box<dyn Error + Send + Sync>) -> ClientError {
        ClientError::Unreachable {
            endpoint: self.options.endpoint.clone(),
            source,
        }
    }

    /// Waits before attempt `attempt` + 1: a random time, at most twice as long with each attempt.
    pub(crate) async fn pause(&self, attempt: u32) {
        let longest = PAUSE
            .saturating_mul(1 << attempt.clamp(1, 10).saturating_sub(1))
            .min(PAUSE_MAX);
        let millis = self.rng.below(longest.as_millis() as u64 + 1);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Sends a body once and answers with the server's, in the same form. Headwater does once what comes again with the same
    /// token, which is 1 to 128 visible ASCII characters; AWS does not look at it.
    ///
    /// # Errors
    /// This one attempt's: whether another may help is for the caller.
    pub async fn send(
        &self,
        target: Target,
        operation: &'static str,
        body: &Body,
        token: Option<&str>,
    ) -> Result<Bytes, ClientError> {
        let (format, body) = match body {
            Body::Json(body) => (Format::Json, body),
            Body::Cbor(body) => (Format::Cbor, body),
        };
        let prepared = Prepared {
            target,
            operation,
            format,
            body,
            token,
        };
        self.attempt(&prepared).await
    }

    /// Sends a request once and gives the body of its answer.
    pub(crate) async fn attempt(&self, prepared: &Prepared<'_>) -> Result<Bytes, ClientError> {
        let unreachable = |source| self.unreachable(source);
        let _turn = self
            .room
            .acquire()
            .await
            .map_err(|error| unreachable(error.into()))?;
        let exchange = self.connections.exchange(self.request(prepared));
        let response = exchange.await.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(refusal(prepared.operation, &response))
    }

    fn request(&self, prepared: &Prepared<'_>) -> Request<Full<Bytes>> {
        let Prepared {
            target,
            operation,
            body,
            ..
        } = prepared;
        let header = |text: &str| {
            HeaderValue::from_str(text).expect("names of operations and hosts fit in headers")
        };
        let mut request = Request::new(Full::new(Bytes::clone(body)));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        if let Some(authority) = self.endpoint.authority() {
            headers.insert(http::header::HOST, header(authority.as_str()));
        }
        let format = HeaderValue::from_static(match (prepared.format, target.json) {
            (Format::Cbor, _) => CBOR,
            (Format::Json, Json::V1_0) => "application/x-amz-json-1.0",
            (Format::Json, Json::V1_1) => "application/x-amz-json-1.1",
        });
        headers.insert(CONTENT_TYPE, format);
        let name = format!("{}.{operation}", target.prefix);
        headers.insert("x-amz-target", header(&name));
        if let Some(token) = prepared.token {
            headers.insert("x-headwater-idempotency-token", header(token));
        }
        let (mut parts, content) = request.into_parts();
        sigv4::sign(
            &mut parts,
            body,
            &self.options.credentials,
            &self.options.region,
            target.signing_name,
            self.clock.now(),
        );
        Request::from_parts(parts, content)
    }
}

fn write<I: Serialize>(operation: &'static str, input: &I) -> Result<Bytes, ClientError> {
    let body = serde_json::to_vec(input);
    body.map(Bytes::from)
        .map_err(|source| ClientError::Garbled { operation, source })
}

/// An operation without output answers with no byte, which reads as an empty structure.
fn read<O: DeserializeOwned>(operation: &'static str, answer: &[u8]) -> Result<O, ClientError> {
    let answer = if answer.is_empty() { b"{}" } else { answer };
    serde_json::from_slice(answer).map_err(|source| ClientError::Garbled { operation, source })
}

fn refusal(operation: &'static str, response: &Response<Bytes>) -> ClientError {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "__type")]
        code: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let status = response.status().as_u16();
    let is_cbor = response.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static(CBOR));
    let body: Option<Body> = if is_cbor {
        aws::cbor::decode(response.body()).and_then(|document| aws::from_value(document).ok())
    } else {
        serde_json::from_slice(response.body()).ok()
    };
    let (code, message) = body.map_or((None, None), |body| (body.code, body.message));
    let code = code.unwrap_or_else(|| format!("HTTP {status}"));
    ClientError::Refused {
        operation,
        // Some services put the shape's namespace before its name.
        code: code.rsplit('#').next().unwrap_or_default().to_owned(),
        message: message.unwrap_or_default(),
        status,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Those of a client that asks a server of a test's once.
    pub(crate) fn options(endpoint: &str) -> Options {
        Options {
            endpoint: endpoint.to_owned(),
            region: Region::unnamed(),
            credentials: Credentials {
                access_key: "a".to_owned(),
                secret_key: "s".to_owned(),
                session_token: None,
            },
            authorities: None,
            attempts: 1,
        }
    }

    #[test]
    fn endpoints_are_urls() {
        for wrong in ["", "localhost:4566", "ftp://localhost", "http://"] {
            assert!(Client::new(options(wrong)).is_err(), "{wrong}");
        }
        assert!(Client::new(options("http://127.0.0.1:4566")).is_ok());
        let untrusted = Client::new(Options {
            authorities: Some("/no/such/file".into()),
            ..options("https://127.0.0.1:4566")
        });
        let untrusted = untrusted.unwrap_err().to_string();
        assert!(untrusted.contains("/no/such/file"), "{untrusted}");
    }

    /// Answers each connection's one request with the next of `answers`; gives the endpoint and, in the end, the requests.
    async fn server(
        answers: &'static [(u16, &'static str)],
    ) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"{\"A\":1}") {
                    assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
                }
                requests.push(String::from_utf8(request).unwrap());
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        (endpoint, served)
    }

    async fn call(endpoint: &str, attempts: u32) -> Result<serde_json::Value, ClientError> {
        let client = Client::new(Options {
            attempts,
            ..options(endpoint)
        });
        let target = Target {
            signing_name: "kinesis",
            prefix: "Kinesis_20131202",
            json: Json::V1_1,
        };
        let input = serde_json::json!({"A": 1});
        client.unwrap().call(target, "Op", &input).await
    }

    const BUSY: (u16, &str) = (503, r#"{"__type":"ServiceUnavailable"}"#);

    #[tokio::test]
    async fn what_passes_is_tried_again_and_signed_each_time() {
        let (endpoint, served) = server(&[BUSY, BUSY, (200, r#"{"B":2}"#)]).await;
        let answer = call(&endpoint, 3).await.unwrap();
        assert_eq!(answer, serde_json::json!({"B": 2}));
        let requests = served.await.unwrap();
        for request in &requests {
            let request = request.to_ascii_lowercase();
            assert!(request.contains("x-amz-target: kinesis_20131202.op\r\n"));
            assert!(request.contains("authorization: aws4-hmac-sha256 credential=a/"));
        }
        assert_eq!(requests.len(), 3);
    }

    #[tokio::test]
    async fn no_more_attempts_are_made_than_asked_for() {
        let (endpoint, served) = server(&[BUSY, BUSY]).await;
        let error = call(&endpoint, 2).await.unwrap_err();
        assert_eq!(error.code(), Some("ServiceUnavailable"));
        assert_eq!(served.await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_stays_is_not_tried_again() {
        let (endpoint, served) =
            server(&[(400, r#"{"__type":"ValidationException","message":"no"}"#)]).await;
        let error = call(&endpoint, 5).await.unwrap_err();
        assert_eq!(error.to_string(), "Op: ValidationException: no");
        assert_eq!(served.await.unwrap().len(), 1);
    }

    #[test]
    fn refusals_are_read_in_every_form() {
        let check = |body: &'static str, expected: &str| {
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            assert_eq!(refusal("PutRecord", &response).to_string(), expected);
        };
        check(
            r#"{"__type":"ResourceNotFoundException","message":"no such stream"}"#,
            "PutRecord: ResourceNotFoundException: no such stream",
        );
        check(
            r#"{"__type":"com.amazon#SerializationException","Message":"bad"}"#,
            "PutRecord: SerializationException: bad",
        );
        check("<html>", "PutRecord: HTTP 400: ");
    }
}
