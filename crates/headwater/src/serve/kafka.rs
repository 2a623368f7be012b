//! The Kafka broker beside the front door: its sockets, its start and its end, and what it is told of security.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aws::sigv4::{Keys, Verifier};
use aws::tls::{ClientCertificates, Identity};
use kafka::{
    Broker, ConnectionLimits, DiskSpace, IamVerifier, Listener, OAuth, Options, PrincipalRules,
    Protocol, SecurityOptions, Server, SignedConnect, Space,
};
use model::{AccountId, Rng, Timestamp};
use tokio::sync::oneshot;

use super::kafka_numbers::KafkaNumbers;
use super::{Services, bind, descriptors, issuer};
use crate::Failure;
use crate::config::{AccessKey, ClientAuth, Config, KafkaConfig, StoreKind};

/// What clients of MSK sign for.
const SERVICE: &str = "kafka-cluster";

/// A broker that listens already.
pub(super) struct Kafka {
    /// Where, and what is spoken there.
    pub(super) addresses: Vec<(Protocol, SocketAddr)>,
    server: Server,
}

/// Of the disk that records lie on.
fn disk_space(config: &Config) -> DiskSpace {
    if config.store.value != StoreKind::Embedded {
        return DiskSpace::default();
    }
    let path = config.data.value.clone();
    DiskSpace::told_by(move || {
        let found = rustix::fs::statvfs(&path).ok()?;
        Some(Space {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            usable: found.f_bavail.saturating_mul(found.f_frsize),
        })
    })
}

/// Opens the broker: without a listener too, for it alone knows of open transactions, and people's verbs talk to it.
pub(super) async fn open(config: &Config, services: &Services) -> Result<Arc<Broker>, Failure> {
    let options = Options {
        security: security(config)?,
        log_dir: absolute(&config.data.value),
        disk_space: disk_space(config),
        ..Options::default()
    };
    let streams = Arc::clone(&services.kinesis.streams);
    Broker::open(streams, &Rng::system(), options)
        .await
        .map_err(|error| Failure::because("could not open the Kafka broker", error))
}

/// A directory as clients see it who don't know where the server was started: Kafka's tools take no other.
fn absolute(directory: &Path) -> String {
    let whole = std::path::absolute(directory);
    let whole = whole.unwrap_or_else(|_| directory.to_owned());
    whole.display().to_string()
}

impl Kafka {
    /// Opens the broker's sockets; none, where no Kafka clients are to be answered.
    pub(super) async fn listen(
        config: &Config,
        broker: Arc<Broker>,
        descriptors: u64,
    ) -> Result<Kafka, Failure> {
        let settings = &config.kafka;
        let mut server = Server::new(broker).limits(ConnectionLimits {
            all: descriptors::kafka_connections(descriptors, settings.max_connections.value),
            per_address: settings.max_connections_per_ip.value,
        });
        let mut addresses = Vec::new();
        for listener in &settings.listen.value {
            let socket = bind("--kafka-listen", listener.address).await?;
            let address = socket.local_addr().map_err(|error| {
                Failure::because("could not tell the address listened on", error)
            })?;
            addresses.push((listener.protocol, address));
            let listener = Listener {
                advertised: advertised(settings, listener.protocol),
                protocol: listener.protocol,
                tls: match listener.protocol.is_sealed() {
                    true => Some(tls(config, listener.protocol)?),
                    false => None,
                },
            };
            server = server.on(socket, listener);
        }
        Ok(Kafka { addresses, server })
    }

    /// Serves until `stop` is dropped or sent.
    pub(super) async fn run(self, numbers: KafkaNumbers, stop: oneshot::Receiver<()>) {
        let serving = self.server.run(async {
            let _ = stop.await;
        });
        tokio::select! {
            () = serving => {}
            () = numbers.keep_measuring() => {}
        }
    }
}

/// What clients of a protocol are told: what is said for it, else what is said for all.
fn advertised(settings: &KafkaConfig, protocol: Protocol) -> Option<(String, u16)> {
    let said = |wanted: Option<Protocol>| {
        let mut said = settings.advertise.value.iter();
        said.find(|one| one.protocol == wanted)
    };
    let one = said(Some(protocol)).or_else(|| said(None))?;
    Some((one.host.clone(), one.port))
}

/// Who logs in shows no certificate: as in Kafka, `ssl.client.auth` is about listeners of `SSL` alone (KIP-684).
fn tls(config: &Config, protocol: Protocol) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let identity = match (&config.tls_cert.value, &config.tls_key.value) {
        (Some(certificate), Some(key)) => Identity::from_files(certificate, key),
        _ => Identity::self_signed(&config.data.value.join("tls")),
    };
    let authorities = config.kafka.client_ca.value.as_deref();
    let authorities = authorities.filter(|_| !protocol.asks_who());
    let clients = match (config.kafka.client_auth.value, authorities) {
        (ClientAuth::Requested, Some(path)) => ClientCertificates::Requested(path),
        (ClientAuth::Required, Some(path)) => ClientCertificates::Required(path),
        _ => ClientCertificates::Ignored,
    };
    identity
        .and_then(|identity| identity.server(clients, &[]))
        .map_err(|error| Failure::because("could not set up TLS for Kafka", error))
}

fn security(config: &Config) -> Result<SecurityOptions, Failure> {
    let settings = &config.kafka;
    let keys = &config.keys.value;
    let rules = PrincipalRules::parse(&settings.principal_rules.value).map_err(Failure::Usage)?;
    let keys_of_issuer = issuer::key_set(settings)?;
    let oauth = settings.takes_tokens().then(|| OAuth {
        jwks: keys_of_issuer,
        issuer: settings.oauth_issuer.value.clone(),
        audience: settings.oauth_audience.value.clone(),
        scopes: settings.oauth_scope.value.clone(),
        principal_claim: settings.oauth_principal_claim.value.clone(),
        unsecured: settings.oauth_unsecured.value,
    });
    let iam: Option<Arc<dyn IamVerifier>> = match keys.is_empty() {
        true => None,
        false => Some(Arc::new(Iam::of(keys))),
    };
    Ok(SecurityOptions {
        mechanisms: settings.mechanisms(!keys.is_empty()),
        users: settings.users.value.clone(),
        oauth,
        iam,
        principal_rules: rules,
        session_max: settings.max_reauth.value,
        acls: settings.acls_decide(),
        super_users: settings.super_users.value.clone(),
        allow_everyone_if_no_acl_found: settings.allow_everyone_if_no_acl_found.value,
        ..SecurityOptions::default()
    })
}

/// Who has each access key, as ACLs name them.
pub(super) fn arns(keys: &[AccessKey]) -> HashMap<String, String> {
    let arn = |key: &AccessKey| {
        let named = || AccountId::parse(&key.access_key);
        let account = key.account.clone().or_else(named);
        let account = account.unwrap_or_else(AccountId::unnamed);
        format!("arn:aws:iam::{}:user/{}", account.as_str(), key.access_key)
    };
    keys.iter()
        .map(|key| (key.access_key.clone(), arn(key)))
        .collect()
}

/// The keys of the configuration, for clients that log in by signing.
#[derive(Debug)]
struct Iam {
    verifier: Verifier,
    arns: HashMap<String, String>,
}

impl Iam {
    fn of(keys: &[AccessKey]) -> Iam {
        let pairs = keys
            .iter()
            .map(|key| (key.access_key.clone(), key.secret.clone()));
        Iam {
            verifier: Verifier::new(pairs.collect::<Keys>()),
            arns: arns(keys),
        }
    }
}

impl IamVerifier for Iam {
    fn verify(&self, request: &SignedConnect, now: Timestamp) -> Result<String, String> {
        let parts = http::Request::get(format!("/?{}", request.query))
            .header(http::header::HOST, &request.host)
            .body(())
            .map_err(|_| "the request signed is none".to_owned())?
            .into_parts()
            .0;
        // Its message may show the string that was to be signed, which is nobody's business here.
        let signer = self
            .verifier
            .signer(&parts, now)
            .map_err(|error| format!("Access denied: {}", error.code))?;
        if signer.service != SERVICE {
            return Err(format!("Access denied: signed for {}", signer.service));
        }
        let arn = self.arns.get(&signer.access_key);
        arn.cloned()
            .ok_or_else(|| "Access denied: an unknown key".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_whole_path_of_the_data() {
        let here = std::env::current_dir().unwrap();
        let data = here.join("data").display().to_string();
        assert_eq!(absolute(Path::new("data")), data);
        assert_eq!(absolute(Path::new("/srv/data")), "/srv/data");
    }
}
