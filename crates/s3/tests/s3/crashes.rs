//! What is there after a crash, and after a commit that failed or may have.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use model::{LogId, Offset, Timestamp};
use s3::OpenError;
use store::producers::ProducerSeen;
use store::{
    Answer, Append, Appended, Bounds, Catalog, Committed, Document, Key, Lease, Leases, Log,
    Memory, Piece, Rewriter, Rewritten, Scan, Store, StoreError, StoredBatch, Txn, Watch, Write,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::objects::off;
use crate::server::{Server, State};

const WELL: u8 = 0;
/// Commits are refused.
const REFUSES: u8 = 1;
/// Commits are done, and nobody can tell.
const DOES_UNTOLD: u8 = 2;
/// Commits are not done, and nobody can tell.
const LOSES_UNTOLD: u8 = 3;

/// A store that can fail, and that checks that bodies are on disk before a document names them.
struct Faulty {
    inner: Arc<Memory>,
    fault: AtomicU8,
    directory: std::path::PathBuf,
    named_what_was_not_there: AtomicBool,
}

impl Faulty {
    fn over(state: &State) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner: Arc::clone(&state.store),
            fault: AtomicU8::new(WELL),
            directory: state.directory.objects(),
            named_what_was_not_there: AtomicBool::new(false),
        })
    }

    fn fails(&self, fault: u8) {
        self.fault.store(fault, Ordering::SeqCst);
    }

    /// Every body named in what is written is there, as long as it is said to be.
    fn check(&self, txn: &Txn) {
        for write in &txn.writes {
            let Write::Put { value, .. } = write else {
                continue;
            };
            let document: serde_json::Value = serde_json::from_slice(value).unwrap();
            let pieces = document["pieces"].as_array().cloned();
            for piece in pieces.unwrap_or_else(|| vec![document]) {
                let Some(body) = piece["body"].as_str() else {
                    continue;
                };
                let length = std::fs::metadata(self.directory.join(body)).map(|file| file.len());
                if length.ok() != piece["size"].as_u64() {
                    self.named_what_was_not_there.store(true, Ordering::SeqCst);
                }
            }
        }
    }
}

impl Catalog for Faulty {
    fn get(&self, key: &Key) -> Answer<'_, Result<Option<Document>, StoreError>> {
        self.inner.get(key)
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Result<Vec<(Key, Document)>, StoreError>> {
        self.inner.scan(scan)
    }

    fn commit(&self, txn: Txn) -> Answer<'_, Result<Committed, StoreError>> {
        self.check(&txn);
        let unknown = || StoreError::Unknown {
            during: "a test".to_owned(),
        };
        match self.fault.load(Ordering::SeqCst) {
            WELL => self.inner.commit(txn),
            REFUSES => Box::pin(async { Err(StoreError::Full) }),
            DOES_UNTOLD => Box::pin(async move {
                self.inner.commit(txn).await?;
                Err(unknown())
            }),
            _ => Box::pin(async move { Err(unknown()) }),
        }
    }
}

impl Log for Faulty {
    fn append(&self, appends: Vec<Append>) -> Answer<'_, Vec<Result<Appended, StoreError>>> {
        self.inner.append(appends)
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        max_bytes: usize,
    ) -> Answer<'_, Result<Vec<StoredBatch>, StoreError>> {
        self.inner.read(log, from, max_bytes)
    }

    fn bounds(&self, log: LogId) -> Answer<'_, Result<Bounds, StoreError>> {
        self.inner.bounds(log)
    }

    fn producers(&self, log: LogId) -> Answer<'_, Result<Vec<ProducerSeen>, StoreError>> {
        self.inner.producers(log)
    }

    fn offset_for_time(
        &self,
        log: LogId,
        time: Timestamp,
    ) -> Answer<'_, Result<Offset, StoreError>> {
        self.inner.offset_for_time(log, time)
    }

    fn offset_for_size(&self, log: LogId, bytes: u64) -> Answer<'_, Result<Offset, StoreError>> {
        self.inner.offset_for_size(log, bytes)
    }

    fn watch(&self, log: LogId) -> Result<Watch, StoreError> {
        self.inner.watch(log)
    }

    fn pieces(&self, log: LogId) -> Answer<'_, Result<Vec<Piece>, StoreError>> {
        self.inner.pieces(log)
    }

    fn rewrite(
        &self,
        log: LogId,
        span: Range<Offset>,
        rewriter: Rewriter,
    ) -> Answer<'_, Result<Rewritten, StoreError>> {
        self.inner.rewrite(log, span, rewriter)
    }
}

impl Leases for Faulty {
    fn acquire(
        &self,
        name: &Key,
        owner: &str,
        duration: Duration,
    ) -> Answer<'_, Result<Lease, StoreError>> {
        self.inner.acquire(name, owner, duration)
    }

    fn release(&self, lease: &Lease) -> Answer<'_, Result<(), StoreError>> {
        self.inner.release(lease)
    }
}

/// A server with the object `key` that says `before`, on a store that can fail.
async fn with_object() -> (State, Arc<Faulty>, Server) {
    let state = State::new();
    let store = Faulty::over(&state);
    let s3 = state
        .open_over(Arc::clone(&store) as Arc<dyn Store>, off())
        .await;
    let server = Server::of(s3).await;
    server.put("/bucket", "").await.is(200);
    server.put("/bucket/key", "before").await.is(200);
    (state, store, server)
}

/// What `key` says after the server is gone and another has started.
async fn after_restart(state: &State, server: Server) -> String {
    drop(server);
    let server = state.serve(off()).await;
    let listed = server.get("/bucket?list-type=2").await.is(200);
    assert_eq!(
        listed.element("KeyCount"),
        state.directory.bodies().to_string()
    );
    server.get("/bucket/key").await.is(200).text()
}

#[tokio::test]
async fn a_refused_overwrite_changes_nothing() {
    let (state, store, server) = with_object().await;
    store.fails(REFUSES);
    server
        .put("/bucket/key", "after")
        .await
        .refused(503, "ServiceUnavailable");
    server
        .delete("/bucket/key")
        .await
        .refused(503, "ServiceUnavailable");
    assert_eq!(server.get("/bucket/key").await.is(200).body, "before");
    assert_eq!(state.directory.bodies(), 1);
    store.fails(WELL);
    server.put("/bucket/key", "after").await.is(200);
    assert_eq!(after_restart(&state, server).await, "after");
}

#[tokio::test]
async fn an_overwrite_of_unknown_outcome_is_one_or_the_other() {
    for (fault, expected) in [(DOES_UNTOLD, "after"), (LOSES_UNTOLD, "before")] {
        let (state, store, server) = with_object().await;
        store.fails(fault);
        server
            .put("/bucket/key", "after")
            .await
            .refused(500, "InternalError");
        assert_eq!(state.directory.bodies(), 2, "both may be named");
        assert_eq!(after_restart(&state, server).await, expected);
    }
}

#[tokio::test]
async fn bodies_are_whole_before_they_are_named() {
    let (_state, store, server) = with_object().await;
    for size in [0, 1, 300_000, 1_000_001] {
        server.put("/bucket/key", vec![1; size]).await.is(200);
    }
    let upload = server
        .post("/bucket/key?uploads", "")
        .await
        .is(200)
        .element("UploadId");
    let target = format!("/bucket/key?partNumber=1&uploadId={upload}");
    let part = server.put(&target, vec![2; 400_000]).await.is(200);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag")
    );
    server
        .post(&format!("/bucket/key?uploadId={upload}"), body)
        .await
        .is(200);
    assert!(!store.named_what_was_not_there.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_a_kill_leaves_is_swept_at_the_next_start() {
    let (state, _store, server) = with_object().await;
    let objects = state.directory.objects();
    // A body that was being written, or whose object was just deleted.
    std::fs::write(objects.join("0123456789abcdef0123456789abcdef"), "half").unwrap();
    std::fs::write(objects.join("not-ours"), "kept").unwrap();
    let upload = server
        .post("/bucket/part?uploads", "")
        .await
        .is(200)
        .element("UploadId");
    let target = format!("/bucket/part?partNumber=1&uploadId={upload}");
    server.put(&target, "a part").await.is(200);
    drop(server);
    let server = state.serve(off()).await;
    assert_eq!(
        state.directory.bodies(),
        3,
        "the object, the part, and what is not ours"
    );
    assert!(objects.join("not-ours").exists());
    assert_eq!(server.get("/bucket/key").await.is(200).body, "before");
    let parts = server
        .get(&format!("/bucket/part?uploadId={upload}"))
        .await
        .is(200);
    assert_eq!(parts.element("Size"), "6");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let (state, _store, server) = with_object().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "PUT /bucket/key HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&[7; 600_000]).await.unwrap();
    let until = |count| {
        let directory = &state.directory;
        async move {
            while directory.bodies() != count {
                tokio::task::yield_now().await;
            }
        }
    };
    let in_time = |what| tokio::time::timeout(Duration::from_secs(20), what);
    in_time(until(2)).await.expect("the upload has begun");
    drop(stream);
    in_time(until(1)).await.expect("what it wrote is removed");
    assert_eq!(after_restart(&state, server).await, "before");
}

#[tokio::test]
async fn bodies_of_another_store_are_not_swept() {
    let (state, _store, server) = with_object().await;
    drop(server);
    let empty: Arc<dyn Store> = Arc::new(Memory::new(state.clock.clone()));
    let opened = state.try_open(Arc::clone(&empty), off()).await;
    assert!(matches!(opened, Err(OpenError::Foreign)), "{opened:?}");
    let aside = state.directory.path().join("aside");
    std::fs::rename(state.directory.objects(), &aside).unwrap();
    let own = Arc::clone(&state.store) as Arc<dyn Store>;
    let opened = state.try_open(own, off()).await;
    assert!(matches!(opened, Err(OpenError::Missing)), "{opened:?}");
    // The empty directory that was just made will do for a new store.
    state.try_open(empty, off()).await.unwrap();
    std::fs::remove_dir_all(state.directory.objects()).unwrap();
    std::fs::rename(&aside, state.directory.objects()).unwrap();
    let server = state.serve(off()).await;
    assert_eq!(server.get("/bucket/key").await.is(200).body, "before");
}
