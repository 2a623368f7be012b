//! Query as its clients send it: botocore 1.29, curl, a browser.

use super::*;

async fn ask(server: &Running, head: &str, body: &str) -> String {
    let mut stream = server.connect().await;
    let length = body.len();
    let address = &server.address;
    let whole = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nUser-Agent: Boto3/1.26.0\r\n\r\n{body}"
    );
    stream.write_all(whole.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn forms_are_answered_in_xml() {
    let server = Running::start("query", Limits::default()).await;
    let body = "QueueUrl=http%3A%2F%2F127.0.0.1%2F000000000000%2Fq&Item.1.Body=a+b%26c&Item.2.Body=d\
                &Action=Mirror&Version=2026-11-23";
    let heard = ask(&server, "POST /000000000000/q", body).await;
    let (head, answer) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/xml\r\n"), "{head}");
    let result = format!(
        "<MirrorResponse xmlns=\"http://probe/doc/\"><MirrorResult><Item><Body>a b&amp;c</Body></Item>\
         <Item><Body>d</Body></Item><QueueUrl>http://127.0.0.1/000000000000/q</QueueUrl>\
         <Url>http://{}/000000000000/q</Url></MirrorResult>",
        server.address
    );
    assert!(answer.contains(&result), "{answer}");

    let heard = ask(&server, "GET /?Action=Mirror&Count=7", "").await;
    assert!(
        heard.contains("<MirrorResult><Count>7</Count></MirrorResult>"),
        "{heard}"
    );
    let heard = ask(&server, "POST /", "Action=Fly").await;
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
    assert!(heard.contains("<Code>InvalidAction</Code>"), "{heard}");
    server.stop().await;
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_in_xml() {
    let limits = Limits {
        body_bytes_max: 100,
        ..Limits::default()
    };
    let server = Running::start("query-large", limits).await;
    let heard = ask(
        &server,
        "POST /",
        &format!("Action=Mirror&A={}", "x".repeat(100)),
    )
    .await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(
        heard.contains("<Code>RequestEntityTooLarge</Code>"),
        "{heard}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_poll_in_query_ends_with_its_client() {
    let server = Running::start("query-polls", Limits::default()).await;
    let mut stream = server.connect().await;
    let get = "GET /?Action=Poll&Version=2026-11-23 HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(get.as_bytes()).await.unwrap();
    timeout(PATIENCE, server.probe.begun.notified())
        .await
        .unwrap();
    drop(stream);
    timeout(PATIENCE, server.probe.dropped.notified())
        .await
        .unwrap();
    server.stop().await;
}
