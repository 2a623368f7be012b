//! A guest's bodies stream, both ways, and break off where they break off.

use aws::{Body, Guest};
use http_body_util::StreamBody;
use hyper::Response;
use hyper::body::Frame;

use super::*;

/// Sends back what it gets as it gets it; breaks off after the word `break`.
fn echoing() -> Guest {
    Arc::new(|request| {
        Box::pin(async move {
            let frames = request
                .into_body()
                .into_data_stream()
                .map(|data| match data {
                    Ok(data) if data == "break" => Err("broken on purpose".into()),
                    other => other.map(Frame::data),
                });
            Response::new(Body::streaming(StreamBody::new(frames)))
        })
    })
}

async fn hosting(name: &str, limits: Limits) -> Running {
    Running::start_with(name, |router| router.limits(limits).guest("s3", echoing())).await
}

const PUT: &str = "PUT /bucket/key HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

async fn hear(stream: &mut TcpStream, expected: &str) {
    let mut heard = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&heard).contains(expected) {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
    };
    timeout(PATIENCE, read).await.unwrap();
}

#[tokio::test]
async fn bodies_stream_both_ways_beyond_the_limit_of_collected_ones() {
    let limits = Limits {
        body_bytes_max: 8,
        ..Limits::default()
    };
    let server = hosting("guest", limits).await;
    let mut stream = server.connect().await;
    stream.write_all(PUT.as_bytes()).await.unwrap();
    for word in ["first", "second", "third"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        // Each comes back before the next is sent: nothing is collected.
        hear(&mut stream, word).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    hear(&mut stream, "0\r\n\r\n").await;
    drop(stream);
    let mut client = http2(server.connect().await).await;
    let body = Bytes::from(vec![b'x'; 3 << 20]);
    let put = Request::put("http://a/bucket/key")
        .body(Full::new(body.clone()))
        .unwrap();
    let response = client.send_request(put).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        body
    );
    server.stop().await;
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_not_taken_for_whole() {
    let server = hosting("guest-breaks", Limits::default()).await;
    let mut stream = server.connect().await;
    let whole = format!("{PUT}4\r\ngood\r\n");
    stream.write_all(whole.as_bytes()).await.unwrap();
    hear(&mut stream, "good").await;
    stream.write_all(b"5\r\nbreak\r\n").await.unwrap();
    let heard = rest(&mut stream).await;
    assert!(!heard.contains("0\r\n\r\n"), "{heard}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_pauses_within_a_body_is_given_up() {
    let limits = Limits {
        body_pause_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = hosting("guest-pauses", limits).await;
    let mut stream = server.connect().await;
    let half = format!("{PUT}4\r\ngood\r\n");
    stream.write_all(half.as_bytes()).await.unwrap();
    let heard = rest(&mut stream).await;
    assert!(heard.contains("good"), "{heard}");
    assert!(!heard.contains("0\r\n\r\n"), "{heard}");
    server.stop().await;
}
