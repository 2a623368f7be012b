//! What does not go together. The important one: strangers are never served by accident.

use kafka::{Mechanism, Protocol};

use super::kafka::{ClientAuth, KeysAt};
use super::settings::{Auth, Config};
use crate::Failure;

/// Refuses configurations that contradict themselves or open the server to strangers without having been told to.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let listen = config.listen.value;
    let auth = config.auth.value;
    if !listen.ip().is_loopback() && auth == Auth::Off && !config.insecure.value {
        return Err(Failure::Usage(format!(
            "--listen {listen} can be reached from other machines and --auth is off: give --auth on with [[keys]] in \
             --config, or --insecure to serve everybody who can reach it"
        )));
    }
    kafka(config)?;
    if auth == Auth::On && config.keys.value.is_empty() {
        return Err(Failure::Usage(
            "--auth on needs at least one [[keys]] with access_key and secret in the file given by --config".to_owned(),
        ));
    }
    if config.tls_cert.value.is_some() != config.tls_key.value.is_some() {
        return Err(Failure::Usage(
            "--tls-cert and --tls-key must be given together".to_owned(),
        ));
    }
    Ok(())
}

/// The Kafka broker's part: strangers, passwords in the clear, and settings that need others.
fn kafka(config: &Config) -> Result<(), Failure> {
    let kafka = &config.kafka;
    let usage = |text: String| Err(Failure::Usage(text));
    let mechanisms = kafka.mechanisms(!config.keys.value.is_empty());
    for listener in &kafka.listen.value {
        let shown = format!("{}://{}", listener.protocol.name(), listener.address);
        if listener.address.ip().is_loopback() || config.insecure.value {
            continue;
        }
        let serves_strangers = match listener.protocol {
            Protocol::Plaintext => true,
            Protocol::Ssl => {
                kafka.client_auth.value != ClientAuth::Required && !kafka.acls_decide()
            }
            Protocol::SaslPlaintext | Protocol::SaslSsl => false,
        };
        if serves_strangers {
            return usage(format!(
                "--kafka-listen {shown} can be reached from other machines and Kafka clients are not asked who they are: \
                 give a listener SASL_SSL://, or SSL:// with --kafka-client-auth required, or --insecure to serve \
                 everybody who can reach it, or --kafka-listen off"
            ));
        }
        let believes_strangers =
            kafka.oauth_unsecured.value && mechanisms.contains(&Mechanism::OAuthBearer);
        if listener.protocol.asks_who() && believes_strangers {
            return usage(format!(
                "--kafka-listen {shown} can be reached from other machines and --kafka-oauth-unsecured on takes tokens that \
                 nobody has signed, so that clients are who they say: give --kafka-oauth-jwks and --kafka-oauth-unsecured \
                 off, or --insecure to serve everybody who can reach it"
            ));
        }
        let shown_secret = mechanisms.iter().find(|one| one.shows_the_secret());
        if let Some(mechanism) = shown_secret
            && listener.protocol == Protocol::SaslPlaintext
        {
            return usage(format!(
                "--kafka-listen {shown} can be reached from other machines and {mechanism} would show passwords or tokens \
                 to whoever listens on the way: give SASL_SSL://, or --kafka-sasl-mechanisms without PLAIN and \
                 OAUTHBEARER, or --insecure"
            ));
        }
    }
    what_kafka_needs(config, &mechanisms)?;
    let nobody_may =
        kafka.super_users.value.is_empty() && !kafka.allow_everyone_if_no_acl_found.value;
    if kafka.acls_decide() && nobody_may && !kafka.listen.value.is_empty() {
        return usage(
            "with ACLs nobody may do anything until somebody has made one: name who may do everything by \
             --kafka-super-users User:NAME, or give --kafka-acls off to let everybody who can log in do everything"
                .to_owned(),
        );
    }
    Ok(())
}

/// Settings that mean nothing without others.
fn what_kafka_needs(config: &Config, mechanisms: &[Mechanism]) -> Result<(), Failure> {
    let kafka = &config.kafka;
    let usage = |text: String| Err(Failure::Usage(text));
    if kafka.client_auth.value != ClientAuth::None && kafka.client_ca.value.is_none() {
        return usage(
            "--kafka-client-auth needs --kafka-client-ca with the authorities that sign clients' certificates".to_owned(),
        );
    }
    let mut listeners = kafka.listen.value.iter();
    if kafka.client_auth.value != ClientAuth::None
        && !kafka.listen.value.is_empty()
        && !listeners.any(|one| one.protocol == Protocol::Ssl)
    {
        return usage(
            "--kafka-client-auth is about listeners of SSL:// alone, and --kafka-listen has none; clients of SASL_SSL:// log in"
                .to_owned(),
        );
    }
    if let Some(other) = advertised_for_nobody(config) {
        return usage(format!(
            "--kafka-advertise names {other}://, and --kafka-listen has no such listener"
        ));
    }
    if mechanisms.contains(&Mechanism::Plain) && kafka.users.value.is_empty() {
        return usage(
            "PLAIN in --kafka-sasl-mechanisms needs [[kafka_users]] in the file given by --config"
                .to_owned(),
        );
    }
    let is_by_tls = |at: &KeysAt| matches!(at, KeysAt::Url(url) if url.starts_with("https://"));
    if kafka.oauth_jwks_ca.value.is_some()
        && !kafka.oauth_jwks.value.as_ref().is_some_and(is_by_tls)
    {
        return usage(
            "--kafka-oauth-jwks-ca needs --kafka-oauth-jwks with an https URL".to_owned(),
        );
    }
    let has_keys = !config.keys.value.is_empty();
    if mechanisms.contains(&Mechanism::AwsMskIam) && !has_keys {
        return usage(
            "AWS_MSK_IAM in --kafka-sasl-mechanisms needs [[keys]] in the file given by --config"
                .to_owned(),
        );
    }
    if mechanisms.contains(&Mechanism::OAuthBearer) && !has_keys && !kafka.takes_tokens() {
        return usage(
            "OAUTHBEARER in --kafka-sasl-mechanisms needs --kafka-oauth-jwks with the issuer's public keys".to_owned(),
        );
    }
    Ok(())
}

/// A protocol that is advertised and not spoken.
fn advertised_for_nobody(config: &Config) -> Option<&'static str> {
    let listen = &config.kafka.listen.value;
    let named = config.kafka.advertise.value.iter();
    let mut named = named.filter_map(|one| one.protocol);
    let other = named.find(|wanted| !listen.iter().any(|one| one.protocol == *wanted))?;
    (!listen.is_empty()).then(|| other.name())
}
