//! A server to test against: the endpoint behind a real listener, over a store and a directory that outlive it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use model::{Clock, Rng};
use s3::{Auth, OpenError, S3};
use store::{Memory, Store};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A directory of the test's own, removed at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("headwater-s3-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the bodies are.
    pub(crate) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// How many bodies are on disk.
    pub(crate) fn bodies(&self) -> usize {
        let entries = std::fs::read_dir(self.objects()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.filter(|name| name != "mark").count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What survives a server: its store and its directory.
pub(crate) struct State {
    pub(crate) store: Arc<Memory>,
    pub(crate) directory: Directory,
    pub(crate) clock: Clock,
}

impl State {
    pub(crate) fn new() -> State {
        let clock = Clock::system();
        State {
            store: Arc::new(Memory::new(clock.clone())),
            directory: Directory::new(),
            clock,
        }
    }

    /// Waits until no bodies are left.
    pub(crate) async fn all_bodies_gone(&self) {
        let gone = async {
            while self.directory.bodies() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), gone).await;
        in_time.expect("bodies were left");
    }

    pub(crate) async fn open(&self, auth: Auth) -> S3 {
        self.open_over(Arc::clone(&self.store) as Arc<dyn Store>, auth)
            .await
    }

    pub(crate) async fn open_over(&self, store: Arc<dyn Store>, auth: Auth) -> S3 {
        self.try_open(store, auth).await.unwrap()
    }

    pub(crate) async fn try_open(
        &self,
        store: Arc<dyn Store>,
        auth: Auth,
    ) -> Result<S3, OpenError> {
        let directory = self.directory.objects();
        S3::open(store, &directory, self.clock.clone(), Rng::system(), auth).await
    }

    /// Serves until what is returned is dropped.
    pub(crate) async fn serve(&self, auth: Auth) -> Server {
        Server::of(self.open(auth).await).await
    }
}

impl Server {
    pub(crate) async fn of(s3: S3) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, s3));
        Server {
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _tasks: tasks,
        }
    }
}

async fn accept(listener: TcpListener, s3: S3) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let s3 = s3.clone();
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let s3 = s3.clone();
            async move { Ok::<_, Infallible>(s3.answer(request).await) }
        });
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no failure of the server.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _tasks: JoinSet<()>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of this name in the body.
    pub(crate) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    /// The texts of all elements of this name in the body.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let text = self.text();
        let after = text.split(&open).skip(1);
        after
            .filter_map(|rest| rest.split(&close).next())
            .map(|text| text.replace("&quot;", "\"").replace("&amp;", "&"))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.element("Code")
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.code(), code, "{}", self.text());
    }
}

impl Server {
    /// An answer whose body is not read yet.
    pub(crate) async fn begin(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<hyper::body::Incoming> {
        let uri = format!("http://{}{target}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.client.request(request).await.unwrap()
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.begin(method, target, headers, body).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, &[], "").await
    }

    pub(crate) async fn put(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::PUT, target, &[], body).await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::POST, target, &[], body).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.ask(Method::DELETE, target, &[], "").await
    }
}
