use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::*;

const MIB: usize = 1 << 20;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What comes of a request of so many bytes over a line that holds little, and after how many seconds.
async fn exchange(
    body_bytes: usize,
    serve: impl AsyncFnOnce(&mut DuplexStream) + 'static,
) -> (Result<Bytes, String>, u64) {
    let (ours, mut theirs) = duplex(64 << 10);
    let mut connection = Connection::over(ours).await.unwrap();
    let request = Request::post("/").header(http::header::HOST, "localhost");
    let request = request.body(Full::from(vec![b'x'; body_bytes])).unwrap();
    let began = Instant::now();
    let server = async move {
        serve(&mut theirs).await;
        // The line stays up: a client that waits on is not told.
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = connection.exchange(request, ANSWER_BYTES_MAX) => answer,
        () = server => unreachable!(),
    };
    let answer = answer.map(Response::into_body);
    let answer = answer.map_err(|error| error.to_string());
    (answer, began.elapsed().as_secs())
}

/// Reads what comes until it is `bytes` or more, at 100 KiB a second.
async fn read(line: &mut DuplexStream, bytes: usize) {
    let mut piece = vec![0; 100 << 10];
    let mut read = 0;
    while read < bytes {
        let wanted = piece.len().min(bytes - read);
        line.read_exact(&mut piece[..wanted]).await.unwrap();
        read += wanted;
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_request_goes_over_a_slow_line() {
    let (answer, seconds) = exchange(10 * MIB, async |line| {
        read(line, 10 * MIB).await;
        line.write_all(ANSWER).await.unwrap();
    })
    .await;
    assert_eq!(answer.unwrap(), "ok");
    assert!(seconds > 100, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_full_answer_comes_over_a_slow_line() {
    let (answer, seconds) = exchange(10, async |line| {
        read(line, 10).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 10 * MIB);
        line.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..160 {
            line.write_all(&[b'x'; 64 << 10]).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(answer.unwrap().len(), 10 * MIB);
    assert!(seconds > 100, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_not_waited_for() {
    let (answer, seconds) = exchange(10 * MIB, async |_| {}).await;
    assert!(answer.unwrap_err().contains("elapsed"));
    assert!((30..33).contains(&seconds), "{seconds}");
    // Half of it went, which took 50 of the 30 + 80 seconds that it may take.
    let (answer, seconds) = exchange(10 * MIB, async |line| read(line, 5 * MIB).await).await;
    assert!(answer.unwrap_err().contains("elapsed"));
    assert!((110..115).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_is_not_waited_for() {
    let (answer, seconds) = exchange(10, async |line| {
        read(line, 10).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
        line.write_all(head).await.unwrap();
        for _ in 0..1000 {
            line.write_all(b"x").await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert!(answer.unwrap_err().contains("elapsed"));
    assert!((30..33).contains(&seconds), "{seconds}");
}
