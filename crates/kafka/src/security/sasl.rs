//! SaslHandshake 0–1 and SaslAuthenticate 0–2 (KIP-43, KIP-152, KIP-368): how a client says who it is.
//!
//! A client picks a mechanism, then exchanges messages of it until it is known or refused. Who is refused is answered after a
//! delay, which makes guessing slow, and hung up on. After handshake 0 the messages travel bare, in frames without a header.

mod msk_iam;
mod oauthbearer;
mod plain;
pub(super) mod scram;

use std::fmt;

use bytes::{BufMut, Bytes};
use model::Timestamp;

use super::Security;
use super::principal::Principal;
use crate::broker::Broker;
use crate::connection::{Chunks, Reply};
use crate::session::{Call, Session};
use crate::wire::{
    ErrorCode, SaslAuthenticateRequestData, SaslAuthenticateResponseData, SaslHandshakeRequestData,
    SaslHandshakeResponseData, text,
};

pub use msk_iam::{IamVerifier, SignedConnect};
pub use oauthbearer::OAuth;
pub(super) use oauthbearer::Tokens;
pub(super) use oauthbearer::keys::key_set;
pub use oauthbearer::keys::{KeyFile, KeySet, KeySource, Reading};
use scram::Hash;

/// Longest message of any mechanism taken: Kafka's `sasl.server.max.receive.size`.
pub(crate) const MESSAGE_BYTES_MAX: usize = 512 << 10;

/// A way to say who one is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mechanism {
    /// Name and password in the clear.
    Plain,
    /// A proof of knowing the password, by SHA-256.
    ScramSha256,
    /// A proof of knowing the password, by SHA-512.
    ScramSha512,
    /// A token.
    OAuthBearer,
    /// A request signed as AWS does.
    AwsMskIam,
}

impl Mechanism {
    /// All there are.
    pub const ALL: [Mechanism; 5] = [
        Mechanism::Plain,
        Mechanism::ScramSha256,
        Mechanism::ScramSha512,
        Mechanism::OAuthBearer,
        Mechanism::AwsMskIam,
    ];

    /// As clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::OAuthBearer => "OAUTHBEARER",
            Mechanism::AwsMskIam => "AWS_MSK_IAM",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether whoever listens learns what is needed to log in.
    #[must_use]
    pub fn shows_the_secret(self) -> bool {
        matches!(self, Mechanism::Plain | Mechanism::OAuthBearer)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who a client has shown to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    /// Their name.
    pub(crate) name: String,
    /// Until when what they have shown holds.
    pub(crate) until: Option<Timestamp>,
}

impl Identity {
    fn lasting(name: impl Into<String>) -> Identity {
        Identity {
            name: name.into(),
            until: None,
        }
    }
}

/// Why a client is not who it says, in words it may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) message: String,
}

impl Refused {
    fn because(message: impl Into<String>) -> Refused {
        Refused {
            message: message.into(),
        }
    }

    /// In Apache Kafka's words: clients show them.
    fn invalid_credentials(mechanism: Mechanism) -> Refused {
        Refused::because(format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
        ))
    }

    fn other_authorization_id() -> Refused {
        Refused::because(
            "Authentication failed: Client requested an authorization id that is different from username",
        )
    }
}

/// Where an exchange stands.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// The mechanism's first message is to come.
    Begun(Mechanism),
    /// A proof is to come.
    Challenged(Box<scram::Challenge>),
    /// A token did not hold, and the client has been told.
    InvalidToken,
}

/// What a message led to.
#[derive(Debug)]
enum Step {
    /// The client is to answer this.
    Challenge(String, Exchange),
    /// The client is known.
    Known(Identity, String),
}

impl Exchange {
    /// Takes the client's next message.
    async fn step(self, broker: &Broker, message: &[u8]) -> Result<Step, Refused> {
        let security = &broker.security;
        match self {
            Exchange::Begun(Mechanism::Plain) => {
                let who = plain::verify(message, &security.users)?;
                Ok(Step::Known(who, String::new()))
            }
            Exchange::Begun(Mechanism::ScramSha256) => {
                challenge(broker, Hash::Sha256, message).await
            }
            Exchange::Begun(Mechanism::ScramSha512) => {
                challenge(broker, Hash::Sha512, message).await
            }
            Exchange::Challenged(challenge) => {
                let (name, proof) = challenge.finish(message)?;
                Ok(Step::Known(Identity::lasting(name), proof))
            }
            Exchange::Begun(Mechanism::OAuthBearer) => {
                bearer(security, broker.clock.now(), message).await
            }
            Exchange::InvalidToken => Err(Refused::because(oauthbearer::INVALID_TOKEN)),
            Exchange::Begun(Mechanism::AwsMskIam) => {
                let verifier = security.iam.as_deref();
                let verifier =
                    verifier.ok_or_else(|| Refused::invalid_credentials(Mechanism::AwsMskIam))?;
                let now = broker.clock.now();
                let (who, answer) = msk_iam::verify(message, verifier, &security.rng, now)?;
                Ok(Step::Known(who, answer))
            }
        }
    }
}

async fn challenge(broker: &Broker, hash: Hash, message: &[u8]) -> Result<Step, Refused> {
    let first = scram::First::parse(message)?;
    let security = &broker.security;
    let store = broker.streams.store();
    let credential = security
        .users
        .credential(&**store, &first.user, hash)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "could not look up a Kafka user");
            Refused::because("Authentication failed: Credentials could not be obtained")
        })?;
    let mut nonce = [0; scram::NONCE_BYTES];
    security.rng.fill(&mut nonce);
    let challenge = first.challenge(credential, &nonce);
    let message = challenge.message.clone();
    Ok(Step::Challenge(
        message,
        Exchange::Challenged(Box::new(challenge)),
    ))
}

async fn bearer(security: &Security, now: Timestamp, message: &[u8]) -> Result<Step, Refused> {
    let bearer = oauthbearer::Bearer::parse(message)?;
    let url = security
        .iam
        .as_deref()
        .zip(msk_iam::signed_url(&bearer.token));
    let shown = match (url, &security.tokens) {
        (Some((verifier, signed)), _) => {
            let arn = verifier.verify(&signed?, now);
            arn.map(Identity::lasting)
        }
        (None, Some(tokens)) => tokens.verify(&bearer.token, now).await,
        (None, None) => Err("no token holds here".to_owned()),
    };
    match shown {
        Ok(who)
            if bearer
                .acts_for
                .as_ref()
                .is_some_and(|other| *other != who.name) =>
        {
            Err(Refused::other_authorization_id())
        }
        Ok(who) => Ok(Step::Known(who, String::new())),
        Err(why) => {
            tracing::info!(%why, "refused a token of a Kafka client");
            let told = oauthbearer::INVALID_TOKEN.to_owned();
            Ok(Step::Challenge(told, Exchange::InvalidToken))
        }
    }
}

pub(crate) async fn sasl_handshake(
    call: Call,
    request: SaslHandshakeRequestData,
) -> Reply<SaslHandshakeResponseData> {
    let mechanisms = match call.session.listener.protocol.asks_who() {
        true => call.broker.security.mechanisms.as_slice(),
        false => &[],
    };
    let picked = Mechanism::parse(request.mechanism.as_str());
    let picked = picked.filter(|picked| mechanisms.contains(picked));
    let code = match picked {
        _ if !call.session.listener.protocol.asks_who() => ErrorCode::IllegalSaslState,
        None => {
            call.session.end();
            ErrorCode::UnsupportedSaslMechanism
        }
        Some(mechanism) => call.session.begin_login(mechanism, call.version == 0),
    };
    SaslHandshakeResponseData {
        error_code: code.code(),
        mechanisms: mechanisms.iter().map(|one| text(one.name())).collect(),
        ..SaslHandshakeResponseData::default()
    }
    .into()
}

pub(crate) async fn sasl_authenticate(
    call: Call,
    request: SaslAuthenticateRequestData,
) -> Reply<SaslAuthenticateResponseData> {
    let refusal = |code: ErrorCode, message: &str| SaslAuthenticateResponseData {
        error_code: code.code(),
        error_message: Some(text(message)),
        ..SaslAuthenticateResponseData::default()
    };
    let Some(exchange) = call.session.exchange() else {
        if call.session.listener.protocol.asks_who() {
            call.session.end();
        }
        let message = "SaslAuthenticate request received without a SaslHandshake before it";
        return refusal(ErrorCode::IllegalSaslState, message).into();
    };
    match advance(&call.broker, &call.session, exchange, &request.auth_bytes).await {
        Ok((answer, lifetime_ms)) => SaslAuthenticateResponseData {
            auth_bytes: answer,
            session_lifetime_ms: if call.version >= 1 { lifetime_ms } else { 0 },
            ..SaslAuthenticateResponseData::default()
        }
        .into(),
        Err(refused) => {
            let delay = call.broker.security.failure_delay;
            Reply::later(async move {
                tokio::time::sleep(delay).await;
                refusal(ErrorCode::SaslAuthenticationFailed, &refused.message)
            })
        }
    }
}

/// A message without a request around it, as clients send it after handshake 0. Refusing has no form: the client is hung up on.
pub(crate) async fn bare_message(
    broker: &Broker,
    session: &Session,
    message: &[u8],
) -> Reply<Option<Chunks>> {
    let Some(exchange) = session.exchange() else {
        return Reply::Now(None);
    };
    match advance(broker, session, exchange, message).await {
        Ok((answer, _)) => {
            let mut chunks = Chunks::default();
            chunks.tail().put_u32(answer.len() as u32);
            chunks.tail().put_slice(&answer);
            Reply::Now(Some(chunks))
        }
        Err(_) => {
            let delay = broker.security.failure_delay;
            Reply::later(async move {
                tokio::time::sleep(delay).await;
                None
            })
        }
    }
}

/// One step of an exchange, with what it means for the session: the answer and for how long the session holds, in
/// milliseconds, 0 for without end.
async fn advance(
    broker: &Broker,
    session: &Session,
    exchange: Exchange,
    message: &[u8],
) -> Result<(Bytes, i64), Refused> {
    let refused = match exchange.step(broker, message).await {
        Ok(Step::Challenge(answer, next)) => {
            session.go_on(next);
            return Ok((answer.into(), 0));
        }
        Ok(Step::Known(who, answer)) => {
            let now = broker.clock.now();
            let most = broker.security.session_max.map(|most| now.plus(most));
            let until = [most, who.until].into_iter().flatten().min();
            let lifetime = until.map_or(0, |until| until.0.saturating_sub(now.0).max(1));
            match session.log_in(Principal::user(who.name), until) {
                Ok(()) => return Ok((answer.into(), lifetime)),
                Err(message) => Refused::because(message),
            }
        }
        Err(refused) => refused,
    };
    session.end();
    tracing::info!(peer = %session.peer, why = %refused.message, "refused a Kafka client's login");
    Err(refused)
}
