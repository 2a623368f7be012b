//! Logins as they go over a connection, and what no client that means well would send.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::acl::every_api::open;
use super::*;
use crate::broker::Broker;
use crate::server::{Listener, Protocol, serve_stream};
use crate::wire::{
    ApiKey, ErrorCode, SaslAuthenticateRequestData, SaslAuthenticateResponseData,
    SaslHandshakeRequestData, SaslHandshakeResponseData, text,
};

fn options() -> SecurityOptions {
    SecurityOptions {
        mechanisms: vec![Mechanism::Plain, Mechanism::ScramSha256],
        users: ["alice", "bob"]
            .map(|name| User {
                name: name.to_owned(),
                password: "hush".to_owned(),
            })
            .to_vec(),
        failure_delay: Duration::ZERO,
        ..SecurityOptions::default()
    }
}

/// A connection from the client's side.
struct Client(DuplexStream);

impl Client {
    fn new(broker: &Arc<Broker>, protocol: Protocol) -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let listener = Listener {
            protocol,
            ..Listener::default()
        };
        tokio::spawn(serve_stream(Arc::clone(broker), Arc::new(listener), theirs));
        Client(ours)
    }

    /// Sends a frame; what comes back in one, or nothing where the broker hung up.
    async fn frame(&mut self, bytes: &[u8]) -> Option<Bytes> {
        self.0.write_u32(bytes.len() as u32).await.ok()?;
        self.0.write_all(bytes).await.ok()?;
        let mut answer = vec![0; self.0.read_u32().await.ok()? as usize];
        self.0.read_exact(&mut answer).await.ok()?;
        Some(answer.into())
    }

    async fn request(&mut self, key: ApiKey, version: i16, body: &[u8]) -> Option<Bytes> {
        let mut frame = BytesMut::new();
        frame.put_i16(key as i16);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.put_slice(body);
        let mut answer = self.frame(&frame).await?;
        answer.advance(4);
        Some(answer)
    }

    async fn handshake(&mut self, mechanism: &str, version: i16) -> Option<i16> {
        let mut body = BytesMut::new();
        let request = SaslHandshakeRequestData {
            mechanism: text(mechanism),
            ..SaslHandshakeRequestData::default()
        };
        request.write(&mut body, version).unwrap();
        let mut answer = self.request(ApiKey::SaslHandshake, version, &body).await?;
        let answer = SaslHandshakeResponseData::read(&mut answer, version).unwrap();
        Some(answer.error_code)
    }

    async fn authenticate(&mut self, message: &[u8]) -> Option<SaslAuthenticateResponseData> {
        let mut body = BytesMut::new();
        let request = SaslAuthenticateRequestData {
            auth_bytes: Bytes::copy_from_slice(message),
            ..SaslAuthenticateRequestData::default()
        };
        request.write(&mut body, 1).unwrap();
        let mut answer = self.request(ApiKey::SaslAuthenticate, 1, &body).await?;
        Some(SaslAuthenticateResponseData::read(&mut answer, 1).unwrap())
    }

    /// The code that a login by PLAIN ends with.
    async fn log_in(&mut self, message: &[u8]) -> i16 {
        assert_eq!(self.handshake("PLAIN", 1).await, Some(0));
        self.authenticate(message).await.unwrap().error_code
    }

    /// Whether a request that is for those who are known is answered.
    async fn is_served(&mut self) -> bool {
        let wants_no_topics = [0, 0, 0, 0];
        let answer = self.request(ApiKey::Metadata, 1, &wants_no_topics).await;
        answer.is_some()
    }
}

fn refused() -> i16 {
    ErrorCode::SaslAuthenticationFailed.code()
}

#[tokio::test]
async fn nothing_is_answered_before_a_login() {
    let broker = open(options()).await;
    assert!(Client::new(&broker, Protocol::Plaintext).is_served().await);
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert!(client.request(ApiKey::ApiVersions, 0, &[]).await.is_some());
    assert!(!client.is_served().await);
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.log_in(b"\0alice\0hush").await, 0);
    assert!(client.is_served().await);
}

#[tokio::test]
async fn whoever_is_refused_is_told_and_hung_up_on() {
    let broker = open(options()).await;
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.log_in(b"\0alice\0wrong").await, refused());
    assert!(client.handshake("PLAIN", 1).await.is_none());
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    let unsupported = ErrorCode::UnsupportedSaslMechanism.code();
    assert_eq!(client.handshake("GSSAPI", 1).await, Some(unsupported));
    assert!(client.handshake("PLAIN", 1).await.is_none());
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    let answer = client.authenticate(b"\0alice\0hush").await.unwrap();
    assert_eq!(answer.error_code, ErrorCode::IllegalSaslState.code());
    assert!(!client.is_served().await);
}

#[tokio::test]
async fn a_login_on_a_listener_without_logins_changes_nothing() {
    let broker = open(options()).await;
    let mut client = Client::new(&broker, Protocol::Plaintext);
    let illegal = ErrorCode::IllegalSaslState.code();
    assert_eq!(client.handshake("PLAIN", 1).await, Some(illegal));
    assert_eq!(client.authenticate(b"x").await.unwrap().error_code, illegal);
    assert!(client.is_served().await);
}

#[tokio::test]
async fn after_handshake_0_messages_travel_bare() {
    let broker = open(options()).await;
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.handshake("PLAIN", 0).await, Some(0));
    assert_eq!(client.frame(b"\0bob\0hush").await, Some(Bytes::new()));
    assert!(client.is_served().await);
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.handshake("PLAIN", 0).await, Some(0));
    assert_eq!(client.frame(b"\0bob\0wrong").await, None);
}

#[tokio::test]
async fn a_session_ends_unless_the_same_client_logs_in_again() {
    let most = Duration::from_secs(60);
    let limited = SecurityOptions {
        session_max: Some(most),
        ..options()
    };
    let broker = open(limited).await;
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    client.handshake("PLAIN", 1).await;
    let answer = client.authenticate(b"\0alice\0hush").await.unwrap();
    assert_eq!(answer.session_lifetime_ms, 60_000);
    broker.clock.advance(most - Duration::from_millis(1));
    assert!(client.is_served().await);
    assert_eq!(client.log_in(b"\0alice\0hush").await, 0);
    broker.clock.advance(most - Duration::from_millis(1));
    assert!(client.is_served().await);
    broker.clock.advance(Duration::from_millis(1));
    assert_eq!(client.log_in(b"\0alice\0hush").await, 0);
    assert!(client.is_served().await);
    assert_eq!(client.log_in(b"\0bob\0hush").await, refused());
    assert!(!client.is_served().await);

    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.log_in(b"\0alice\0hush").await, 0);
    broker.clock.advance(most);
    assert!(!client.is_served().await);
}

#[tokio::test]
async fn who_is_unknown_has_nothing_large_to_say() {
    let broker = open(options()).await;
    let large = vec![0; (512 << 10) + 1];
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.frame(&large).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_hung_up_on() {
    let broker = open(options()).await;
    let begun = tokio::time::Instant::now();
    let mut client = Client::new(&broker, Protocol::SaslPlaintext);
    assert_eq!(client.0.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
}

/// Whatever is sent, the broker must get over it.
fn survives(protocol: Protocol, bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let broker = open(options()).await;
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let listener = Arc::new(Listener {
            protocol,
            ..Listener::default()
        });
        let serving = tokio::spawn(serve_stream(broker, listener, theirs));
        ours.write_all(bytes).await.unwrap();
        ours.shutdown().await.unwrap();
        serving.await.unwrap();
    });
}

/// A request with a sound head and anything behind it.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (0i16..95, 0i16..19, body).prop_map(|(key, version, body)| {
        let mut frame = BytesMut::new();
        frame.put_u32(10 + body.len() as u32);
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.put_slice(&body);
        frame.to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000), asks: bool) {
        survives(if asks { Protocol::SaslPlaintext } else { Protocol::Plaintext }, &bytes);
    }

    #[test]
    fn requests_of_noise_do_no_harm(frame in any_request(), asks: bool) {
        survives(if asks { Protocol::SaslPlaintext } else { Protocol::Plaintext }, &frame);
    }
}
