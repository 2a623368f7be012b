//! A server that keeps each request and answers it as it is told.

use std::sync::{Arc, Mutex};

use aws::Value;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) target: String,
    pub(super) operation: String,
    pub(super) content_type: String,
    pub(super) authorization: String,
    pub(super) token: Option<String>,
    pub(super) body: Bytes,
}

pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Reply {
        Reply {
            status,
            content_type: JSON,
            body: body.to_string().into_bytes(),
        }
    }

    pub(super) fn cbor(status: u16, body: &serde_json::Value) -> Reply {
        let document = aws::to_value(body).unwrap();
        Reply {
            status,
            content_type: CBOR,
            body: aws::cbor::encode(&document).to_vec(),
        }
    }
}

impl Request {
    /// The records of PutRecords.
    pub(super) fn records(&self) -> Vec<Value> {
        assert_eq!(self.content_type, CBOR);
        let document = aws::cbor::decode(&self.body).unwrap();
        match member(&document, "Records") {
            Some(Value::List(records)) => records.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn member<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    match document {
        Value::Map(members) => {
            let mut members = members.iter();
            members.find_map(|(known, value)| (known == name).then_some(value))
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn text(record: &Value, name: &str) -> Option<String> {
    match member(record, name)? {
        Value::Text(text) => Some(text.clone()),
        other => panic!("{other:?}"),
    }
}

pub(super) fn blob(record: &Value, name: &str) -> Vec<u8> {
    match member(record, name) {
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

pub(super) struct Fake {
    pub(super) endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers by `answer`, which gets the number of the request among those of its operation, from 1.
    pub(super) async fn start(
        answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move { serve(socket, &kept, &*answer).await });
            }
        });
        Fake { endpoint, requests }
    }

    pub(super) fn requests(&self, operation: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let of = |request: &&Request| request.operation == operation;
        requests.iter().filter(of).cloned().collect()
    }
}

async fn serve(
    mut socket: TcpStream,
    kept: &Mutex<Vec<Request>>,
    answer: &(impl Fn(usize, &Request) -> Reply + Sync),
) {
    let mut bytes = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let header = |name: &str| {
            let mut lines = head.lines();
            lines.find_map(|line| {
                let (known, value) = line.split_once(": ")?;
                known.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let length: usize = header("content-length").unwrap().parse().unwrap();
        while bytes.len() < head_end + length {
            assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0);
        }
        let rest = bytes.split_off(head_end + length);
        let target = header("x-amz-target").unwrap();
        let request = Request {
            operation: target.split('.').next_back().unwrap().to_owned(),
            target,
            content_type: header("content-type").unwrap(),
            authorization: header("authorization").unwrap(),
            token: header("x-headwater-idempotency-token"),
            body: Bytes::copy_from_slice(&bytes[head_end..]),
        };
        bytes = rest;
        let number = {
            let mut kept = kept.lock().unwrap();
            kept.push(request.clone());
            kept.iter()
                .filter(|known| known.operation == request.operation)
                .count()
        };
        let reply = answer(number, &request);
        let head = format!(
            "HTTP/1.1 {} x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            reply.status,
            reply.content_type,
            reply.body.len()
        );
        let whole = [head.as_bytes(), &reply.body].concat();
        socket.write_all(&whole).await.unwrap();
    }
}
