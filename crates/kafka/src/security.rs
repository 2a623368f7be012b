//! Who is on the other side of a connection, and what they may do.
//!
//! Read [`principal`] and [`sasl`] (logging in), [`users`] (who can), [`certificate`] and [`mapping`] (names from client
//! certificates), then [`acl`].
//!
//! Left out: Kerberos, and delegation tokens, which are not in the table of APIs.

pub(crate) mod acl;
mod certificate;
mod mapping;
pub(crate) mod principal;
pub(crate) mod sasl;
pub(crate) mod scram_users;
mod users;

use std::sync::Arc;
use std::time::Duration;

use model::Rng;

use acl::Acls;
use principal::Principal;
use sasl::{IamVerifier, Mechanism, OAuth, Tokens};
use users::Users;

pub use mapping::PrincipalRules;
pub use users::User;

/// How a broker tells who its clients are, and who may do what.
#[derive(Clone, Debug)]
pub struct SecurityOptions {
    /// The ways to log in that are offered: Kafka's `sasl.enabled.mechanisms`.
    pub mechanisms: Vec<Mechanism>,
    /// Who can log in from the start.
    pub users: Vec<User>,
    /// Which tokens hold, where OAUTHBEARER is offered.
    pub oauth: Option<OAuth>,
    /// Who knows the keys that AWS_MSK_IAM is signed with.
    pub iam: Option<Arc<dyn IamVerifier>>,
    /// How certificates are named: Kafka's `ssl.principal.mapping.rules`.
    pub principal_rules: PrincipalRules,
    /// Longest session before a client must log in again: Kafka's `connections.max.reauth.ms`.
    pub session_max: Option<Duration>,
    /// How long a failed login goes unanswered: Kafka's `connection.failed.authentication.delay.ms`.
    pub failure_delay: Duration,
    /// Whether ACLs decide. Without them everybody may do everything.
    pub acls: bool,
    /// Who may do everything whatever the ACLs say: Kafka's `super.users`.
    pub super_users: Vec<Principal>,
    /// Whether everybody may do everything to what no ACL is about: Kafka's `allow.everyone.if.no.acl.found`.
    pub allow_everyone_if_no_acl_found: bool,
}

impl Default for SecurityOptions {
    fn default() -> Self {
        SecurityOptions {
            mechanisms: Vec::new(),
            users: Vec::new(),
            oauth: None,
            iam: None,
            principal_rules: PrincipalRules::default(),
            session_max: None,
            failure_delay: Duration::from_millis(100),
            acls: false,
            super_users: Vec::new(),
            allow_everyone_if_no_acl_found: false,
        }
    }
}

/// What all connections share of it.
#[derive(Debug)]
pub(crate) struct Security {
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) users: Users,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) iam: Option<Arc<dyn IamVerifier>>,
    pub(crate) session_max: Option<Duration>,
    pub(crate) failure_delay: Duration,
    pub(crate) rng: Rng,
    /// Where they decide.
    pub(crate) acls: Option<Acls>,
    principal_rules: PrincipalRules,
}

impl Security {
    pub(crate) fn new(options: SecurityOptions, rng: &Rng) -> Security {
        Security {
            users: Users::new(&options.users, rng),
            mechanisms: options.mechanisms,
            tokens: options.oauth.map(Tokens::new),
            iam: options.iam,
            session_max: options.session_max,
            failure_delay: options.failure_delay,
            rng: rng.clone(),
            acls: options
                .acls
                .then(|| Acls::new(options.super_users, options.allow_everyone_if_no_acl_found)),
            principal_rules: options.principal_rules,
        }
    }

    /// Who has this certificate, in DER; `None` where it names nobody, and the client must be refused.
    pub(crate) fn certified(&self, certificate: &[u8]) -> Option<Principal> {
        let subject = certificate::subject(certificate)?;
        self.principal_rules.name(&subject).map(Principal::user)
    }
}

/// Whether a text is a JSON Web Key Set, for a configuration to be refused early.
///
/// # Errors
/// What is wrong with it.
pub fn check_key_set(text: &[u8]) -> Result<(), String> {
    sasl::key_set(text).map(drop)
}

#[cfg(test)]
mod tests;
