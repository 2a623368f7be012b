//! Clients of HTTP/2 that take no more of a reply than they please: window is granted for each stream, and can be withheld.

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};

use super::*;

const PAUSE_MAX: Duration = Duration::from_millis(300);
const BODY: usize = 64 << 10;

/// A client that grants each stream so much window before it reads, and what becomes of its connection.
async fn granting(
    server: &Running,
    window: u32,
) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = TokioIo::new(server.connect().await);
    let mut builder = Builder::new(TokioExecutor::new());
    let builder = builder
        .initial_stream_window_size(window)
        .initial_connection_window_size(8 << 20);
    let (client, connection) = builder.handshake(stream).await.unwrap();
    (client, tokio::spawn(connection))
}

async fn ask(client: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Incoming {
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

/// Waits until nothing is held: a body that takes all the room there is gets in.
async fn all_is_given_back(server: &Running, room: usize) {
    let mut client = http2(server.connect().await).await;
    let given_back = async {
        loop {
            let request = request("Echo", vec![b'x'; room]);
            let response = client.send_request(request).await.unwrap();
            if response.status() == StatusCode::OK {
                return;
            }
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    timeout(PATIENCE, given_back).await.unwrap();
}

fn limits(room: usize) -> Limits {
    Limits {
        reply_pause_max: PAUSE_MAX,
        buffered_bytes_max: room,
        ..Limits::default()
    }
}

#[tokio::test]
async fn replies_that_get_no_window_end_and_their_connection_does_not() {
    let room = 4 * BODY;
    let server = Running::start("no-window", limits(room)).await;
    let (mut client, connection) = granting(&server, 0).await;
    // hyper has its first event in hand.
    let mut unread = vec![ask(&mut client, request("Endless", "{}")).await];
    for _ in 0..4 {
        unread.push(ask(&mut client, request("Echo", vec![b'x'; BODY])).await);
    }
    for mut body in unread {
        let frame = timeout(PATIENCE, body.frame()).await.unwrap();
        assert!(frame.unwrap().is_err(), "it was sent without window");
    }
    all_is_given_back(&server, room).await;
    server.probe.go.notify_one();
    drop(ask(&mut client, request("Wait", "{}")).await);
    assert!(!connection.is_finished());
    drop(client);
    server.stop().await;
}

/// With window for its first byte, h2 takes a reply off hyper's hands.
#[tokio::test]
async fn a_connection_whose_replies_are_taken_in_part_is_hung_up_on() {
    let room = 8 * BODY;
    let server = Running::start("small-window", limits(room)).await;
    let (mut client, connection) = granting(&server, 1).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(ask(&mut client, request("Echo", vec![b'x'; BODY])).await);
    }
    // Others that are read do not help them.
    let busy = async {
        loop {
            server.probe.go.notify_one();
            let asked = client.send_request(request("Wait", "{}"));
            if asked.await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, busy).await.unwrap();
    // Whether it ends in order is of no interest.
    let _ = timeout(PATIENCE, connection).await.unwrap();
    all_is_given_back(&server, room).await;
    drop(unread);
    server.stop().await;
}

#[tokio::test]
async fn a_reply_that_is_read_slowly_is_read_to_its_end() {
    let limits = Limits {
        reply_pause_max: Duration::from_millis(1_500),
        ..Limits::default()
    };
    let window = 16 << 10;
    let server = Running::start("slow-reader", limits.clone()).await;
    let (mut client, _connection) = granting(&server, window).await;
    let length = 30 * window as usize;
    let begun = tokio::time::Instant::now();
    let mut body = ask(&mut client, request("Echo", vec![b'x'; length])).await;
    let mut read = 0;
    while let Some(frame) = timeout(PATIENCE, body.frame()).await.unwrap() {
        read += frame.unwrap().into_data().unwrap().len();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(read, length);
    assert!(begun.elapsed() > limits.reply_pause_max);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_reply_that_has_nothing_to_say_is_not_ended() {
    let server = Running::start("quiet", limits(1 << 20)).await;
    let (mut client, _connection) = granting(&server, 1 << 20).await;
    let mut events = ask(&mut client, request("Endless", "{}")).await;
    for _ in 0..2 {
        let event = timeout(PATIENCE, events.frame()).await.unwrap();
        event.unwrap().unwrap();
    }
    let more = timeout(4 * PAUSE_MAX, events.frame()).await;
    assert!(more.is_err(), "{more:?}");
    drop((events, client));
    server.stop().await;
}
