//! What can be set of the Kafka broker: where it listens, how clients say who they are, and who may do what. Names are those
//! of Kafka's own broker settings where it has them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kafka::{Mechanism, Principal, PrincipalRules, Protocol, User};
use toml::{Table, Value};

use super::layers::{Layers, Origin, Setting};
use super::settings::{address, host_and_port, one_of, path, tables};
use crate::Failure;

/// The port of every Kafka broker.
const PORT_DEFAULT: u16 = 9092;

/// Kafka's default for `sasl.oauthbearer.jwks.endpoint.refresh.ms`.
const JWKS_REFRESH_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// More often an issuer's keys are not read anew.
const JWKS_REFRESH_MIN: Duration = Duration::from_secs(1);

/// What may stand in the file, beside those of [`super::settings`].
pub(crate) const KEYS: &[&str] = &[
    "kafka_listen",
    "kafka_advertise",
    "kafka_client_auth",
    "kafka_client_ca",
    "kafka_principal_rules",
    "kafka_sasl_mechanisms",
    "kafka_oauth_jwks",
    "kafka_oauth_jwks_ca",
    "kafka_oauth_jwks_refresh_ms",
    "kafka_oauth_issuer",
    "kafka_oauth_audience",
    "kafka_oauth_scope",
    "kafka_oauth_principal_claim",
    "kafka_oauth_unsecured",
    "kafka_max_reauth_ms",
    "kafka_acls",
    "kafka_super_users",
    "kafka_allow_everyone_if_no_acl_found",
    "kafka_max_connections",
    "kafka_max_connections_per_ip",
    "kafka_users",
];

/// How the broker was asked to be.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// Where clients are answered, if anywhere. Port 0 takes any free one.
    pub listen: Setting<Vec<KafkaListener>>,
    /// What clients are told to connect to.
    pub advertise: Setting<Vec<Advertised>>,
    /// Whether clients are to show certificates.
    pub client_auth: Setting<ClientAuth>,
    /// Who has signed them, in PEM.
    pub client_ca: Setting<Option<PathBuf>>,
    /// What their subjects are made into.
    pub principal_rules: Setting<String>,
    /// The ways to log in; all that can be, where nothing is said.
    pub sasl_mechanisms: Setting<Option<Vec<Mechanism>>>,
    /// The issuer's public keys, a JSON Web Key Set.
    pub oauth_jwks: Setting<Option<KeysAt>>,
    /// Who may have signed the certificate of the server that publishes them, in PEM; those that the machine trusts, where
    /// nothing is said.
    pub oauth_jwks_ca: Setting<Option<PathBuf>>,
    /// How often they are read anew.
    pub oauth_jwks_refresh: Setting<Duration>,
    /// What `iss` must be.
    pub oauth_issuer: Setting<Option<String>>,
    /// What `aud` must be or hold.
    pub oauth_audience: Setting<Option<String>>,
    /// What `scope` must hold.
    pub oauth_scope: Setting<Vec<String>>,
    /// Which claim is the user's name.
    pub oauth_principal_claim: Setting<String>,
    /// Whether tokens hold that nobody has signed.
    pub oauth_unsecured: Setting<bool>,
    /// Longest session before a client must log in again.
    pub max_reauth: Setting<Option<Duration>>,
    /// Whether ACLs decide; where nothing is said, they do if any listener asks clients who they are.
    pub acls: Setting<Option<bool>>,
    /// Who may do everything.
    pub super_users: Setting<Vec<Principal>>,
    /// Whether everybody may do everything to what no ACL is about.
    pub allow_everyone_if_no_acl_found: Setting<bool>,
    /// Connections at one time.
    pub max_connections: Setting<usize>,
    /// Connections at one time from one address.
    pub max_connections_per_ip: Setting<usize>,
    /// Who can log in from the start.
    pub users: Setting<Vec<User>>,
}

/// One address, and what is spoken there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KafkaListener {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where.
    pub address: SocketAddr,
}

/// What clients of one protocol, or of all, are told to connect to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advertised {
    /// Whose clients; those of all listeners where there is none.
    pub protocol: Option<Protocol>,
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Where an issuer's public keys are published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeysAt {
    /// In a file.
    File(PathBuf),
    /// On a server, by HTTP: Kafka's `sasl.oauthbearer.jwks.endpoint.url`.
    Url(String),
}

impl fmt::Display for KeysAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeysAt::File(path) => path.display().fmt(f),
            KeysAt::Url(url) => f.write_str(url),
        }
    }
}

/// Whether clients are to show certificates: Kafka's `ssl.client.auth`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// No.
    None,
    /// They may.
    Requested,
    /// They must.
    Required,
}

impl KafkaConfig {
    /// Reads every setting.
    pub(super) fn read(layers: &Layers) -> Result<KafkaConfig, Failure> {
        let listen = KafkaListener {
            protocol: Protocol::Plaintext,
            address: SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT)),
        };
        let client_auth = &[
            ("none", ClientAuth::None),
            ("requested", ClientAuth::Requested),
            ("required", ClientAuth::Required),
        ];
        let switch = &[
            ("on", true),
            ("off", false),
            ("true", true),
            ("false", false),
        ];
        let file = |text: &str| path(text).map(Some);
        let text = |text: &str| word(text).map(Some);
        Ok(KafkaConfig {
            listen: layers.setting("kafka_listen", vec![listen], listeners)?,
            advertise: layers.setting("kafka_advertise", Vec::new(), advertised)?,
            client_auth: layers.setting("kafka_client_auth", ClientAuth::None, |text| {
                one_of(text, client_auth)
            })?,
            client_ca: layers.setting("kafka_client_ca", None, file)?,
            principal_rules: layers.setting("kafka_principal_rules", "DEFAULT".into(), rules)?,
            sasl_mechanisms: layers.setting("kafka_sasl_mechanisms", None, mechanisms)?,
            oauth_jwks: layers.setting("kafka_oauth_jwks", None, keys_at)?,
            oauth_jwks_ca: layers.setting("kafka_oauth_jwks_ca", None, file)?,
            oauth_jwks_refresh: layers.setting(
                "kafka_oauth_jwks_refresh_ms",
                JWKS_REFRESH_DEFAULT,
                refresh,
            )?,
            oauth_issuer: layers.setting("kafka_oauth_issuer", None, text)?,
            oauth_audience: layers.setting("kafka_oauth_audience", None, text)?,
            oauth_scope: layers.setting("kafka_oauth_scope", Vec::new(), |text| {
                Ok(text.split_whitespace().map(str::to_owned).collect())
            })?,
            oauth_principal_claim: layers.setting(
                "kafka_oauth_principal_claim",
                "sub".into(),
                word,
            )?,
            oauth_unsecured: layers
                .setting("kafka_oauth_unsecured", false, |text| one_of(text, switch))?,
            max_reauth: layers.setting("kafka_max_reauth_ms", None, milliseconds)?,
            acls: layers.setting("kafka_acls", None, |text| one_of(text, switch).map(Some))?,
            super_users: layers.setting("kafka_super_users", Vec::new(), principals)?,
            allow_everyone_if_no_acl_found: layers.setting(
                "kafka_allow_everyone_if_no_acl_found",
                false,
                |text| one_of(text, switch),
            )?,
            max_connections: layers.setting("kafka_max_connections", 10_000, count)?,
            max_connections_per_ip: layers.setting(
                "kafka_max_connections_per_ip",
                usize::MAX,
                count,
            )?,
            users: users(layers)?,
        })
    }

    /// Whether ACLs decide.
    #[must_use]
    pub fn acls_decide(&self) -> bool {
        let asks = |listener: &KafkaListener| match listener.protocol {
            Protocol::Plaintext => false,
            Protocol::Ssl => self.client_auth.value != ClientAuth::None,
            Protocol::SaslPlaintext | Protocol::SaslSsl => true,
        };
        self.acls
            .value
            .unwrap_or_else(|| self.listen.value.iter().any(asks))
    }

    /// The ways to log in that are offered, with `has_keys` where signatures of AWS can be verified.
    #[must_use]
    pub fn mechanisms(&self, has_keys: bool) -> Vec<Mechanism> {
        if let Some(chosen) = &self.sasl_mechanisms.value {
            return chosen.clone();
        }
        let mut all = Vec::new();
        if !self.users.value.is_empty() {
            all.push(Mechanism::Plain);
        }
        all.extend([Mechanism::ScramSha256, Mechanism::ScramSha512]);
        if self.takes_tokens() || has_keys {
            all.push(Mechanism::OAuthBearer);
        }
        if has_keys {
            all.push(Mechanism::AwsMskIam);
        }
        all
    }

    /// Whether any token can hold.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.oauth_jwks.value.is_some() || self.oauth_unsecured.value
    }
}

fn word(text: &str) -> Result<String, String> {
    match text {
        "" => Err("text, or not set at all".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|one| one.name() == name)
}

fn listeners(text: &str) -> Result<Vec<KafkaListener>, String> {
    if text == "off" {
        return Ok(Vec::new());
    }
    let must_be = || {
        "an address and a port such as 127.0.0.1:9092, several with their protocols such as \
         PLAINTEXT://127.0.0.1:9092,SASL_SSL://0.0.0.0:9094 (PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, each once), or off"
            .to_owned()
    };
    let mut found: Vec<KafkaListener> = Vec::new();
    for part in text.split(',') {
        let (protocol, at) = match part.trim().split_once("://") {
            Some((name, at)) => (protocol(name).ok_or_else(must_be)?, at),
            None => (Protocol::Plaintext, part.trim()),
        };
        if found.iter().any(|other| other.protocol == protocol) {
            return Err(must_be());
        }
        found.push(KafkaListener {
            protocol,
            address: address(at).map_err(|_| must_be())?,
        });
    }
    Ok(found)
}

fn advertised(text: &str) -> Result<Vec<Advertised>, String> {
    let must_be = || {
        "a host and a port such as kafka.example.org:9092, several with their protocols such as \
         SASL_SSL://kafka.example.org:9094"
            .to_owned()
    };
    let one = |part: &str| {
        let (protocol, at) = match part.split_once("://") {
            Some((name, at)) => (Some(protocol(name)?), at),
            None => (None, part),
        };
        let (host, port) = host_and_port(at).ok()?;
        Some(Advertised {
            protocol,
            host,
            port,
        })
    };
    let all = text.split(',').map(|part| one(part.trim()));
    all.collect::<Option<Vec<_>>>().ok_or_else(must_be)
}

fn rules(text: &str) -> Result<String, String> {
    PrincipalRules::parse(text).map(|_| text.to_owned())
}

fn mechanisms(text: &str) -> Result<Option<Vec<Mechanism>>, String> {
    let names = text.split(',').map(|name| Mechanism::parse(name.trim()));
    names.collect::<Option<Vec<_>>>().map(Some).ok_or_else(|| {
        let names = Mechanism::ALL.map(Mechanism::name);
        format!("some of {}, divided by commas", names.join(", "))
    })
}

/// Divided by `;` as Kafka's are: names from certificates hold commas.
fn principals(text: &str) -> Result<Vec<Principal>, String> {
    let parts = text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            Principal::parse(part)
                .ok_or_else(|| "principals such as User:admin;User:ops".to_owned())
        })
        .collect()
}

fn milliseconds(text: &str) -> Result<Option<Duration>, String> {
    let number = text.parse().map(Duration::from_millis);
    let number = number.map_err(|_| "a number of milliseconds, 0 for no limit".to_owned())?;
    Ok((!number.is_zero()).then_some(number))
}

fn keys_at(text: &str) -> Result<Option<KeysAt>, String> {
    let at = if text.starts_with("http://") || text.starts_with("https://") {
        let url = text.parse::<http::Uri>().ok();
        let url = url.filter(|url| url.host().is_some_and(|host| !host.is_empty()));
        let must_be = || "a file, or a URL such as https://issuer.example.org/keys".to_owned();
        KeysAt::Url(url.ok_or_else(must_be)?.to_string())
    } else {
        KeysAt::File(path(text.strip_prefix("file://").unwrap_or(text))?)
    };
    Ok(Some(at))
}

fn refresh(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().map(Duration::from_millis);
    let time = time.filter(|time| *time >= JWKS_REFRESH_MIN);
    time.ok_or_else(|| format!("{} milliseconds or more", JWKS_REFRESH_MIN.as_millis()))
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

fn users(layers: &Layers) -> Result<Setting<Vec<User>>, Failure> {
    tables(layers, "kafka_users", user, |user| &user.name)
}

fn user(table: &Table) -> Result<User, String> {
    let known = ["name", "password"];
    if let Some(other) = table.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "there is no {other:?}; there are {}",
            known.join(", ")
        ));
    }
    let needed = |name: &str| {
        let given = table.get(name).and_then(Value::as_str);
        let given = given.filter(|text| !text.is_empty() && !text.contains('\0'));
        given.ok_or_else(|| format!("{name} must be text"))
    };
    Ok(User {
        name: needed("name")?.to_owned(),
        password: needed("password")?.to_owned(),
    })
}

/// What `headwater config` shows of it.
impl KafkaConfig {
    #[allow(clippy::too_many_lines, reason = "a table: a line for each setting")]
    pub(crate) fn rows(&self) -> Vec<(&'static str, String, &Origin)> {
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        let list = |parts: Vec<String>, divider: &str, none: &str| match parts.is_empty() {
            true => none.to_owned(),
            false => parts.join(divider),
        };
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let file = |path: &Option<PathBuf>| {
            path.as_ref()
                .map_or_else(String::new, |path| path.display().to_string())
        };
        let listeners = self.listen.value.iter().map(|one| match one.protocol {
            Protocol::Plaintext if self.listen.value.len() == 1 => one.address.to_string(),
            protocol => format!("{}://{}", protocol.name(), one.address),
        });
        let advertised = self.advertise.value.iter().map(|one| {
            let protocol = one.protocol.map(|one| format!("{}://", one.name()));
            format!("{}{}:{}", protocol.unwrap_or_default(), one.host, one.port)
        });
        let client_auth = match self.client_auth.value {
            ClientAuth::None => "none",
            ClientAuth::Requested => "requested",
            ClientAuth::Required => "required",
        };
        let mechanisms = match &self.sasl_mechanisms.value {
            None => "all that can be".to_owned(),
            Some(chosen) => {
                let names: Vec<&str> = chosen.iter().map(|one| one.name()).collect();
                names.join(",")
            }
        };
        let max_reauth = self.max_reauth.value.map_or(0, |most| most.as_millis());
        let super_users = self.super_users.value.iter().map(Principal::to_string);
        let users = self.users.value.iter().map(|user| user.name.clone());
        let most = |most: usize| match most {
            usize::MAX => "any".to_owned(),
            most => most.to_string(),
        };
        vec![
            (
                "kafka_listen",
                list(listeners.collect(), ",", "off"),
                &self.listen.origin,
            ),
            (
                "kafka_advertise",
                list(advertised.collect(), ",", ""),
                &self.advertise.origin,
            ),
            (
                "kafka_client_auth",
                client_auth.to_owned(),
                &self.client_auth.origin,
            ),
            (
                "kafka_client_ca",
                file(&self.client_ca.value),
                &self.client_ca.origin,
            ),
            (
                "kafka_principal_rules",
                self.principal_rules.value.clone(),
                &self.principal_rules.origin,
            ),
            (
                "kafka_sasl_mechanisms",
                mechanisms,
                &self.sasl_mechanisms.origin,
            ),
            (
                "kafka_oauth_jwks",
                self.oauth_jwks
                    .value
                    .as_ref()
                    .map_or_else(String::new, KeysAt::to_string),
                &self.oauth_jwks.origin,
            ),
            (
                "kafka_oauth_jwks_ca",
                file(&self.oauth_jwks_ca.value),
                &self.oauth_jwks_ca.origin,
            ),
            (
                "kafka_oauth_jwks_refresh_ms",
                self.oauth_jwks_refresh.value.as_millis().to_string(),
                &self.oauth_jwks_refresh.origin,
            ),
            (
                "kafka_oauth_issuer",
                shown(&self.oauth_issuer.value),
                &self.oauth_issuer.origin,
            ),
            (
                "kafka_oauth_audience",
                shown(&self.oauth_audience.value),
                &self.oauth_audience.origin,
            ),
            (
                "kafka_oauth_scope",
                self.oauth_scope.value.join(" "),
                &self.oauth_scope.origin,
            ),
            (
                "kafka_oauth_principal_claim",
                self.oauth_principal_claim.value.clone(),
                &self.oauth_principal_claim.origin,
            ),
            (
                "kafka_oauth_unsecured",
                switch(self.oauth_unsecured.value),
                &self.oauth_unsecured.origin,
            ),
            (
                "kafka_max_reauth_ms",
                max_reauth.to_string(),
                &self.max_reauth.origin,
            ),
            ("kafka_acls", switch(self.acls_decide()), &self.acls.origin),
            (
                "kafka_super_users",
                list(super_users.collect(), ";", "none"),
                &self.super_users.origin,
            ),
            (
                "kafka_allow_everyone_if_no_acl_found",
                switch(self.allow_everyone_if_no_acl_found.value),
                &self.allow_everyone_if_no_acl_found.origin,
            ),
            (
                "kafka_max_connections",
                most(self.max_connections.value),
                &self.max_connections.origin,
            ),
            (
                "kafka_max_connections_per_ip",
                most(self.max_connections_per_ip.value),
                &self.max_connections_per_ip.origin,
            ),
            (
                "kafka_users",
                list(users.collect(), ", ", "none"),
                &self.users.origin,
            ),
        ]
    }
}
