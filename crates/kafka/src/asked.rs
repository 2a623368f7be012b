//! Requests that come by another way than a Kafka connection, one by one, from somebody who is known already.
//!
//! They are what they are on a connection, without the length before them: header and body, and so is the answer. Logins are
//! refused, for there is nobody left to tell apart. A client over its quota has its answer held back for as long as its
//! connection would not be read, but no longer than it may wait for one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use kacrab_protocol::primitives::read_i16;
use kacrab_protocol::version::request_header_version;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::connection::Reply;
use crate::security::principal::Principal;
use crate::server::Listener;
use crate::session::{Call, Session};
use crate::wire::{ApiKey, ProtocolError, RequestHeaderData};

/// Bytes before an answer on a connection: its length.
const LENGTH_BYTES: usize = 4;
/// Longest that an answer is held back: clients ask again after some time, and what is done already must not be done twice.
const HELD_BACK_MAX: Duration = Duration::from_secs(5);

/// Why a request has no answer: on a connection, it would be closed.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It does not read as what it says it is.
    #[error("the request does not read as what it says it is: {0}")]
    Malformed(String),
    /// Not in the table of APIs.
    #[error("API {key} is not answered in version {version}")]
    Unsupported {
        /// The API's number.
        key: i16,
        /// The version asked in.
        version: i16,
    },
    /// The answer could not be written, or the request can have none.
    #[error("the request has no answer")]
    None,
}

impl From<ProtocolError> for Unanswered {
    fn from(error: ProtocolError) -> Unanswered {
        Unanswered::Malformed(error.to_string())
    }
}

impl Broker {
    /// Answers one request of `principal`, who is at `peer`. A request that wants no answer has an empty one.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn ask(
        self: &Arc<Broker>,
        principal: Principal,
        peer: SocketAddr,
        mut request: Bytes,
    ) -> Result<Bytes, Unanswered> {
        let mut peek = request.clone();
        let key = read_i16(&mut peek).map_err(ProtocolError::from)?;
        let version = read_i16(&mut peek).map_err(ProtocolError::from)?;
        let unsupported = || Unanswered::Unsupported { key, version };
        let api = self.apis.find(key).ok_or_else(unsupported)?;
        let is_login = matches!(api.key, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        if is_login || !api.versions.contains(&version) {
            return Err(unsupported());
        }
        let header = RequestHeaderData::read(&mut request, request_header_version(key, version))?;
        let client_id = header.client_id.as_ref().map_or("", |id| id.as_str());
        let listener = Arc::new(Listener::default());
        let session = Arc::new(Session::new(peer, peer, listener, Some(principal)));
        let call = Call {
            broker: Arc::clone(self),
            session: Arc::clone(&session),
            client_id: client_id.into(),
            version,
            bytes: request.len(),
        };
        let answer = match (api.serve)(call, request, header.correlation_id).await? {
            Reply::Now(answer) => answer,
            Reply::Later(answer) => answer.await,
            Reply::Silent(done) => return done.await.then(Bytes::new).ok_or(Unanswered::None),
        };
        if let Some(until) = session.mute.ends() {
            tokio::time::sleep_until(until.min(Instant::now() + HELD_BACK_MAX)).await;
        }
        let mut answer = answer.ok_or(Unanswered::None)?;
        answer.advance(LENGTH_BYTES.min(answer.remaining()));
        Ok(answer.copy_to_bytes(answer.remaining()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::{MetadataRequestData, MetadataResponseData};
    use crate::world::World;

    async fn ask(world: &World, key: i16, version: i16, body: &[u8]) -> Result<Bytes, Unanswered> {
        let header = RequestHeaderData {
            request_api_key: key,
            request_api_version: version,
            correlation_id: 7,
            ..RequestHeaderData::default()
        };
        let mut request = BytesMut::new();
        let header_version = request_header_version(key, version);
        header.write(&mut request, header_version).unwrap();
        request.extend_from_slice(body);
        let principal = Principal::user("alice");
        let peer = world.session.peer;
        world.broker.ask(principal, peer, request.freeze()).await
    }

    #[tokio::test]
    async fn a_request_is_answered_as_on_a_connection() {
        let world = World::new().await;
        world.topic("t", 3, &[]).await;
        let mut body = BytesMut::new();
        let request = MetadataRequestData::default();
        request.write(&mut body, 12).unwrap();
        let mut answer = ask(&world, ApiKey::Metadata as i16, 12, &body)
            .await
            .unwrap();
        assert_eq!((answer.get_i32(), answer.get_u8()), (7, 0));
        let answer = MetadataResponseData::read(&mut answer, 12).unwrap();
        assert_eq!(answer.topics.len(), 1);
        assert_eq!(answer.topics[0].partitions.len(), 3);
    }

    #[tokio::test]
    async fn what_has_no_answer_is_refused() {
        let world = World::new().await;
        let check = async |key, version, body: &[u8], expected: &str| {
            let refused = ask(&world, key, version, body).await.unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused}");
        };
        check(999, 0, b"", "API 999 is not answered in version 0").await;
        check(ApiKey::Metadata as i16, 99, b"", "in version 99").await;
        check(ApiKey::SaslHandshake as i16, 1, b"", "is not answered").await;
        check(ApiKey::Metadata as i16, 12, b"\xff", "does not read").await;
        let short = Bytes::from_static(b"\0");
        let refused = world
            .broker
            .ask(Principal::anonymous(), world.session.peer, short);
        assert!(matches!(refused.await, Err(Unanswered::Malformed(_))));
    }
}
