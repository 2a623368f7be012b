//! Long polls: dropped when there is nobody left to answer.

use super::*;

const POLL: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.1\r\n\
                    x-amz-target: Probe_1.Poll\r\ncontent-length: 2\r\n\r\n{}";

async fn notified(notify: &Notify) {
    timeout(PATIENCE, notify.notified()).await.unwrap();
}

#[tokio::test]
async fn a_poll_ends_when_its_client_goes_away() {
    let server = Running::start("polls", Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(POLL.as_bytes()).await.unwrap();
    notified(&server.probe.begun).await;
    drop(stream);
    notified(&server.probe.dropped).await;

    let mut in_tls = in_tls(&server, b"http/1.1").await;
    in_tls.write_all(POLL.as_bytes()).await.unwrap();
    notified(&server.probe.begun).await;
    drop(in_tls);
    notified(&server.probe.dropped).await;

    // One of many requests on a connection that stays.
    let mut client = http2(server.connect().await).await;
    let mut same = client.clone();
    let sent =
        tokio::spawn(async move { same.send_request(request("Poll", "{}")).await.map(|_| ()) });
    notified(&server.probe.begun).await;
    sent.abort();
    let _ = sent.await;
    notified(&server.probe.dropped).await;
    let response = client.send_request(request("Echo", "{}")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.probe.finished.load(Ordering::SeqCst), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_poll_whose_client_stays_is_answered() {
    let server = Running::start("patient", Limits::default()).await;
    let mut client = http1(server.connect().await).await;
    let under_way = tokio::spawn(client.send_request(request("Poll", "{}")));
    notified(&server.probe.begun).await;
    server.probe.go.notify_one();
    let response = timeout(PATIENCE, under_way)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.probe.finished.load(Ordering::SeqCst), 1);
    server.stop().await;
}

/// A poll of 20 s must not hold up a server that has 10 s to stop; clients ask again elsewhere.
#[tokio::test]
async fn a_poll_ends_when_the_server_is_to_stop() {
    let mut server = Running::start("polls-stop", Limits::default()).await;
    let mut client = http1(server.connect().await).await;
    let under_way = tokio::spawn(client.send_request(request("Poll", "{}")));
    notified(&server.probe.begun).await;
    server.ask_to_stop();
    let response = timeout(PATIENCE, under_way)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    notified(&server.probe.dropped).await;
    server.stop().await;
}
