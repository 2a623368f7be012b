//! What is known of one connection, and of one request on it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Timestamp;

use crate::broker::Broker;
use crate::quotas::Mute;
use crate::security::acl::Standing;
use crate::security::principal::Principal;
use crate::security::sasl::{Exchange, Mechanism};
use crate::server::Listener;
use crate::wire::{ApiKey, ErrorCode};

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// The address it came to, which is told to clients as the broker's unless another is configured.
    pub(crate) local: SocketAddr,
    /// The listener it came by.
    pub(crate) listener: Arc<Listener>,
    /// Until when nothing more is read from it.
    pub(crate) mute: Mute,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    principal: Arc<Principal>,
    phase: Phase,
    /// The last login that held.
    login: Option<Login>,
    /// What the ACLs say of this principal and address, as they were when last asked.
    standing: Option<Arc<Standing>>,
}

/// How far a client has come.
#[derive(Debug)]
enum Phase {
    /// It may ask.
    Open,
    /// It must say who it is.
    Silent,
    /// It has picked a mechanism. The exchange is away while a message of it is looked at.
    LoggingIn {
        mechanism: Mechanism,
        exchange: Option<Exchange>,
        /// Whether messages come without requests around them.
        is_bare: bool,
    },
    /// Answers under way are its last.
    Over,
}

/// A login that held.
#[derive(Debug)]
struct Login {
    mechanism: Mechanism,
    until: Option<Timestamp>,
}

impl Session {
    /// A connection that was just accepted, from whoever its certificate names.
    pub(crate) fn new(
        peer: SocketAddr,
        local: SocketAddr,
        listener: Arc<Listener>,
        certified: Option<Principal>,
    ) -> Session {
        let phase = if listener.protocol.asks_who() {
            Phase::Silent
        } else {
            Phase::Open
        };
        Session {
            peer,
            local,
            listener,
            mute: Mute::default(),
            state: Mutex::new(State {
                principal: Arc::new(certified.unwrap_or_else(Principal::anonymous)),
                phase,
                login: None,
                standing: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this may be asked before, or now that, the client has said who it is. Once a login's time is over, the next
    /// must be begun (KIP-368).
    pub(crate) fn admits(&self, key: ApiKey, now: Timestamp) -> bool {
        let state = self.state();
        let is_login = matches!(key, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        match &state.phase {
            Phase::Open => {
                let until = state.login.as_ref().and_then(|login| login.until);
                key == ApiKey::SaslHandshake || until.is_none_or(|until| now < until)
            }
            Phase::Silent => is_login || key == ApiKey::ApiVersions,
            Phase::LoggingIn { .. } => key == ApiKey::SaslAuthenticate,
            Phase::Over => false,
        }
    }

    /// Whether the client has yet to say who it is.
    pub(crate) fn is_unknown(&self) -> bool {
        let state = self.state();
        state.login.is_none() && !matches!(state.phase, Phase::Open)
    }

    /// Whether nothing more is to be answered than what is under way.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state().phase, Phase::Over)
    }

    /// Whether the next message is one of a login without a request around it.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.state().phase, Phase::LoggingIn { is_bare: true, .. })
    }

    /// Nothing more is to be answered than what is under way.
    pub(crate) fn end(&self) {
        self.state().phase = Phase::Over;
    }

    /// A mechanism was picked. A client that logs in again must pick the same.
    pub(crate) fn begin_login(&self, mechanism: Mechanism, is_bare: bool) -> ErrorCode {
        let mut state = self.state();
        let is_another = state
            .login
            .as_ref()
            .is_some_and(|login| login.mechanism != mechanism);
        let code = match state.phase {
            Phase::LoggingIn { .. } | Phase::Over => ErrorCode::IllegalSaslState,
            _ if is_another => ErrorCode::UnsupportedSaslMechanism,
            Phase::Open | Phase::Silent => {
                state.phase = Phase::LoggingIn {
                    mechanism,
                    exchange: Some(Exchange::Begun(mechanism)),
                    is_bare,
                };
                return ErrorCode::None;
            }
        };
        state.phase = Phase::Over;
        code
    }

    /// The exchange under way, to be given back by [`Session::go_on`].
    pub(crate) fn exchange(&self) -> Option<Exchange> {
        match &mut self.state().phase {
            Phase::LoggingIn { exchange, .. } => exchange.take(),
            _ => None,
        }
    }

    /// The exchange waits for the client's next message.
    pub(crate) fn go_on(&self, next: Exchange) {
        if let Phase::LoggingIn { exchange, .. } = &mut self.state().phase {
            *exchange = Some(next);
        }
    }

    /// The client is known.
    ///
    /// # Errors
    /// Where it was somebody else before, in words for the client.
    pub(crate) fn log_in(
        &self,
        principal: Principal,
        until: Option<Timestamp>,
    ) -> Result<(), String> {
        let mut state = self.state();
        let Phase::LoggingIn { mechanism, .. } = state.phase else {
            return Err("Authentication failed: no exchange is under way".to_owned());
        };
        if state.login.is_some() && *state.principal != principal {
            return Err(format!(
                "Cannot change principals during re-authentication from {}: {principal}",
                state.principal
            ));
        }
        state.principal = Arc::new(principal);
        state.login = Some(Login { mechanism, until });
        state.standing = None;
        state.phase = Phase::Open;
        Ok(())
    }

    /// Who is on the other side.
    pub(crate) fn principal(&self) -> Arc<Principal> {
        Arc::clone(&self.state().principal)
    }

    /// What the ACLs say of this principal and address, if that was found out already.
    pub(crate) fn standing(&self) -> Option<Arc<Standing>> {
        self.state().standing.clone()
    }

    /// Remembers what the ACLs say.
    pub(crate) fn set_standing(&self, standing: &Arc<Standing>) {
        self.state().standing = Some(Arc::clone(standing));
    }
}

/// One request: where it came from and how.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who serves it.
    pub(crate) broker: Arc<Broker>,
    /// The connection.
    pub(crate) session: Arc<Session>,
    /// What the client calls itself; empty where it does not.
    pub(crate) client_id: Arc<str>,
    /// The request's version, which is the answer's too.
    pub(crate) version: i16,
    /// The request's bytes, which whatever is kept of it keeps in memory.
    pub(crate) bytes: usize,
}
