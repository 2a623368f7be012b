#![allow(
    clippy::indexing_slicing,
    reason = "tests end where something is missing"
)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({"iss": "issuer", "aud": ["kafka", "x"], "sub": "alice", "scope": "a b",
        "exp": 1_700_000_600, "iat": 1_700_000_000});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

pub(super) struct Issuer(EcdsaKeyPair);

impl Issuer {
    pub(super) fn new() -> Issuer {
        Issuer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(super) fn keys(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256",
            "x": base64(&point[1..33]), "y": base64(&point[33..])}]})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            base64(header.to_string()),
            base64(claims.to_string())
        );
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", base64(signature))
    }
}

fn options() -> OAuth {
    OAuth {
        issuer: Some("issuer".to_owned()),
        audience: Some("kafka".to_owned()),
        scopes: vec!["b".to_owned()],
        ..OAuth::default()
    }
}

fn knowing(options: OAuth, issuer: &Issuer) -> Tokens {
    let nowhere = Arc::new(keys::KeyFile("/nowhere".into()));
    let tokens = Tokens::new(OAuth {
        jwks: Some(KeySet::of(nowhere)),
        ..options
    });
    let known = keys::key_set(issuer.keys().to_string().as_bytes()).unwrap();
    tokens.keys.as_ref().unwrap().know(known);
    tokens
}

#[tokio::test]
async fn a_signed_token_holds_for_what_it_says() {
    let issuer = Issuer::new();
    let tokens = knowing(options(), &issuer);
    let header = json!({"alg": "ES256", "kid": "k"});
    let who = tokens
        .verify(&issuer.token(&header, &claims(&json!({}))), NOW)
        .await
        .unwrap();
    assert_eq!(who.name, "alice");
    assert_eq!(who.until, Some(Timestamp(1_700_000_600_000)));
    let anonymous = json!({"alg": "ES256"});
    tokens
        .verify(&issuer.token(&anonymous, &claims(&json!({}))), NOW)
        .await
        .unwrap();
    for changes in [
        json!({"exp": 1_699_999_000}),
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"nbf": 1_700_000_100}),
        json!({"iat": 1_700_000_100}),
        json!({"iss": "other"}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"scope": "a"}),
        json!({"scope": null}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": 7}),
    ] {
        let token = issuer.token(&header, &claims(&changes));
        assert!(tokens.verify(&token, NOW).await.is_err(), "{changes}");
    }
    let scp = json!({"scope": null, "scp": ["b"], "exp": 1_699_999_990});
    tokens
        .verify(&issuer.token(&header, &claims(&scp)), NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_that_is_not_the_issuers_is_refused() {
    let issuer = Issuer::new();
    let tokens = knowing(options(), &issuer);
    let header = json!({"alg": "ES256", "kid": "k"});
    let claims = claims(&json!({}));
    let forged = Issuer::new().token(&header, &claims);
    tokens.verify(&forged, NOW).await.unwrap_err();
    let good = issuer.token(&header, &claims);
    let mut other = claims.clone();
    other["sub"] = json!("mallory");
    let parts: Vec<&str> = good.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], base64(other.to_string()), parts[2]);
    tokens.verify(&changed, NOW).await.unwrap_err();
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "k"}),
        json!({"alg": "RS256", "kid": "k"}),
        json!({"alg": "ES256", "kid": "other"}),
        json!({"kid": "k"}),
        json!({}),
    ] {
        let token = issuer.token(&header, &claims);
        assert!(tokens.verify(&token, NOW).await.is_err(), "{header}");
    }
    for garbage in ["", ".", "..", "a.b.c", &good[1..], &good[..good.len() - 2]] {
        tokens.verify(garbage, NOW).await.unwrap_err();
    }
}

#[tokio::test]
async fn unsigned_tokens_hold_where_they_may() {
    let unsigned = format!(
        "{}.{}.",
        base64(r#"{"alg":"none"}"#),
        base64(claims(&json!({})).to_string())
    );
    Tokens::new(options())
        .verify(&unsigned, NOW)
        .await
        .unwrap_err();
    let lenient = Tokens::new(OAuth {
        unsecured: true,
        ..options()
    });
    assert_eq!(lenient.verify(&unsigned, NOW).await.unwrap().name, "alice");
    lenient
        .verify(&format!("{unsigned}x"), NOW)
        .await
        .unwrap_err();
}

#[test]
fn first_messages_are_read() {
    let bearer = Bearer::parse(b"n,,\x01auth=Bearer a.b-c\x01\x01").unwrap();
    assert_eq!(bearer.token, "a.b-c");
    let bearer = Bearer::parse(b"n,a=alice,\x01x=y\x01auth=bearer  t\x01\x01").unwrap();
    assert_eq!(
        (bearer.acts_for.as_deref(), bearer.token.as_str()),
        (Some("alice"), "t")
    );
    for wrong in [
        &b""[..],
        b"n,,",
        b"n,,\x01\x01",
        b"n,,\x01auth=Basic x\x01\x01",
        b"n,,\x01auth=Bearer \x01\x01",
        b"n,x,\x01auth=Bearer t\x01\x01",
        b"y,,\x01auth=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"\xff\x01",
    ] {
        Bearer::parse(wrong).unwrap_err();
    }
}
