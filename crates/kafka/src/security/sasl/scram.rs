//! SASL SCRAM (RFC 5802, RFC 7677) as a server does it: the client proves that it knows the password without saying it, and the
//! server that it knows what the password was made into.
//!
//! Kept of a password is what can check a proof and not make one: [`Credential`]. A user who does not exist is led through the
//! whole exchange with a salt of their own and refused at the end, like one with a wrong password.
//!
//! Not offered: channel binding, delegation tokens.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use std::num::NonZeroU32;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64_simd::STANDARD;

use super::{Mechanism, Refused};

/// Iterations that a credential has at least: RFC 7677 and Kafka.
pub(crate) const ITERATIONS_MIN: u32 = 4096;
/// Iterations that a credential has at most: Kafka's.
pub(crate) const ITERATIONS_MAX: u32 = 16_384;
/// Bytes of the server's part of the nonce.
pub(super) const NONCE_BYTES: usize = 24;

/// Which hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Hash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Hash {
    fn mechanism(self) -> Mechanism {
        match self {
            Hash::Sha256 => Mechanism::ScramSha256,
            Hash::Sha512 => Mechanism::ScramSha512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }

    /// Bytes of one.
    pub(crate) fn bytes(self) -> usize {
        self.digest().output_len()
    }

    fn sign(self, key: &[u8], message: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hmac(), key), message)
    }
}

/// What is known of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) hash: Hash,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
    pub(crate) stored_key: Vec<u8>,
    pub(crate) server_key: Vec<u8>,
}

/// Without the keys.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({:?}, {})", self.hash, self.iterations)
    }
}

impl Credential {
    /// Of a password. Takes milliseconds, which is the point of it.
    pub(crate) fn of_password(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let algorithm = match hash {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; hash.bytes()];
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut salted);
        Credential::of_salted_password(hash, &salted, salt, iterations)
    }

    /// Of a password that a client has salted.
    pub(crate) fn of_salted_password(
        hash: Hash,
        salted: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Self {
        let client_key = hash.sign(salted, b"Client Key");
        Credential {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: digest::digest(hash.digest(), client_key.as_ref())
                .as_ref()
                .to_vec(),
            server_key: hash.sign(salted, b"Server Key").as_ref().to_vec(),
        }
    }

    /// Of nobody: no proof holds against it.
    pub(crate) fn of_nobody(hash: Hash, salt: &[u8]) -> Self {
        Credential {
            hash,
            salt: salt.to_vec(),
            iterations: ITERATIONS_MIN,
            stored_key: Vec::new(),
            server_key: Vec::new(),
        }
    }
}

/// The client's first message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct First {
    /// Who it says it is.
    pub(crate) user: String,
    /// The flags before the message proper, which the last message repeats.
    head: String,
    bare: String,
    nonce: String,
}

impl First {
    /// Reads `n,[a=authorization id],n=user,r=nonce[,extensions]`.
    pub(crate) fn parse(message: &[u8]) -> Result<First, Refused> {
        let malformed = || Refused::because("Invalid SCRAM client first message");
        let text = std::str::from_utf8(message).map_err(|_| malformed())?;
        let mut parts = text.splitn(3, ',');
        let (flag, acts_for, bare) = (parts.next(), parts.next(), parts.next());
        let (Some("n" | "y"), Some(acts_for), Some(bare)) = (flag, acts_for, bare) else {
            return Err(malformed());
        };
        let mut attributes = bare.split(',');
        let mut named = |name: &str| attributes.next().and_then(|part| part.strip_prefix(name));
        let user = named("n=").and_then(name_of).ok_or_else(malformed)?;
        let nonce = named("r=")
            .filter(|nonce| is_nonce(nonce))
            .ok_or_else(malformed)?;
        if attributes.any(|extension| extension == "tokenauth=true") {
            return Err(Refused::because(
                "Authentication failed: there are no delegation tokens on this broker",
            ));
        }
        let acts_for = match acts_for {
            "" => None,
            named => Some(
                named
                    .strip_prefix("a=")
                    .and_then(name_of)
                    .ok_or_else(malformed)?,
            ),
        };
        if acts_for.is_some_and(|other| other != user) {
            return Err(Refused::other_authorization_id());
        }
        Ok(First {
            head: text.strip_suffix(bare).unwrap_or_default().to_owned(),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
            user,
        })
    }

    /// Asks for the proof.
    pub(crate) fn challenge(self, credential: Credential, nonce: &[u8]) -> Challenge {
        let nonce = format!("{}{}", self.nonce, STANDARD.encode_to_string(nonce));
        let salt = STANDARD.encode_to_string(&credential.salt);
        let message = format!("r={nonce},s={salt},i={}", credential.iterations);
        Challenge {
            first: self,
            credential,
            nonce,
            message,
        }
    }
}

/// A name with `,` and `=` written `=2C` and `=3D`.
fn name_of(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('=');
    name.push_str(parts.next()?);
    for part in parts {
        let (character, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    (!name.is_empty()).then_some(name)
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// A challenge that waits for its proof.
#[derive(Debug)]
pub(crate) struct Challenge {
    first: First,
    credential: Credential,
    nonce: String,
    /// What the client is told.
    pub(crate) message: String,
}

impl Challenge {
    /// Whether a last message names this challenge's nonce. librdkafka before 2.6.1 puts its own part before it a second
    /// time. That is no less bound to this one challenge: a message from another exchange fits neither.
    fn is_answered_by(&self, nonce: &str) -> bool {
        nonce == self.nonce || nonce.strip_prefix(&self.first.nonce) == Some(&self.nonce)
    }

    /// Checks `c=flags,r=nonce[,extensions],p=proof`: who has proved what they said, and the server's own proof.
    pub(crate) fn finish(self, message: &[u8]) -> Result<(String, String), Refused> {
        let malformed = || Refused::because("Invalid SCRAM client final message");
        let text = std::str::from_utf8(message).map_err(|_| malformed())?;
        let (unproved, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut attributes = unproved.split(',');
        let flags = attributes.next().and_then(|part| part.strip_prefix("c="));
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r="));
        let are_same_flags =
            flags.is_some_and(|flags| flags == STANDARD.encode_to_string(&self.first.head));
        if !are_same_flags || !nonce.is_some_and(|nonce| self.is_answered_by(nonce)) {
            return Err(malformed());
        }
        let proof = STANDARD
            .decode_to_vec(proof.as_bytes())
            .map_err(|_| malformed())?;
        let signed = format!("{},{},{unproved}", self.first.bare, self.message);
        let Credential {
            hash,
            stored_key,
            server_key,
            ..
        } = &self.credential;
        let signature = hash.sign(stored_key, signed.as_bytes());
        let client_key: Vec<u8> = proof
            .iter()
            .zip(signature.as_ref())
            .map(|(left, right)| left ^ right)
            .collect();
        let found = digest::digest(hash.digest(), &client_key);
        let is_proof = proof.len() == hash.bytes()
            && verify_slices_are_equal(found.as_ref(), stored_key).is_ok();
        if !is_proof {
            return Err(Refused::invalid_credentials(hash.mechanism()));
        }
        let own = hash.sign(server_key, signed.as_bytes());
        Ok((
            self.first.user,
            format!("v={}", STANDARD.encode_to_string(own.as_ref())),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_published_exchange_holds() {
        let salt = STANDARD.decode_to_vec("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let credential = Credential::of_password(Hash::Sha256, "pencil", &salt, 4096);
        let first = First::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.user, "user");
        let mut challenge = first.challenge(credential, b"");
        challenge.nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        challenge.message = format!("r={},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", challenge.nonce);
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let (user, proof) = challenge.finish(last.as_bytes()).unwrap();
        assert_eq!(user, "user");
        assert_eq!(proof, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    /// What a client answers.
    fn proof_of(hash: Hash, password: &str, challenge: &Challenge) -> String {
        proof_with(hash, password, challenge, &challenge.nonce)
    }

    /// What a client answers that takes this for the nonce.
    fn proof_with(hash: Hash, password: &str, challenge: &Challenge, nonce: &str) -> String {
        let salt = &challenge.credential.salt;
        let mut salted = vec![0; hash.bytes()];
        let algorithm = match hash {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let rounds = NonZeroU32::new(challenge.credential.iterations).unwrap();
        pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut salted);
        let client_key = hash.sign(&salted, b"Client Key");
        let stored = digest::digest(hash.digest(), client_key.as_ref());
        let flags = STANDARD.encode_to_string(&challenge.first.head);
        let unproved = format!("c={flags},r={nonce}");
        let signed = format!("{},{},{unproved}", challenge.first.bare, challenge.message);
        let signature = hash.sign(stored.as_ref(), signed.as_bytes());
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(left, right)| left ^ right).collect();
        format!("{unproved},p={}", STANDARD.encode_to_string(proof))
    }

    fn challenged(hash: Hash, credential: Credential) -> Challenge {
        assert_eq!(credential.hash, hash);
        let first = First::parse(b"y,a=a=2Cb,n=a=2Cb,r=abc,ext=1").unwrap();
        assert_eq!(first.user, "a,b");
        first.challenge(credential, b"0123456789")
    }

    #[test]
    fn the_right_password_alone_gets_in() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let made = || Credential::of_password(hash, "right", b"salt", ITERATIONS_MIN);
            let challenge = challenged(hash, made());
            let answer = proof_of(hash, "right", &challenge);
            assert_eq!(challenge.finish(answer.as_bytes()).unwrap().0, "a,b");
            let challenge = challenged(hash, made());
            let answer = proof_of(hash, "wrong", &challenge);
            let refused = challenge.finish(answer.as_bytes()).unwrap_err();
            let mechanism = hash.mechanism();
            let expected = format!("due to invalid credentials with SASL mechanism {mechanism}");
            assert!(refused.message.ends_with(&expected), "{refused:?}");
            let challenge = challenged(hash, Credential::of_nobody(hash, b"salt"));
            let answer = proof_of(hash, "right", &challenge);
            challenge.finish(answer.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn a_proof_is_good_for_its_own_exchange() {
        let hash = Hash::Sha256;
        let made = || Credential::of_password(hash, "right", b"salt", ITERATIONS_MIN);
        let answer = proof_of(hash, "right", &challenged(hash, made()));
        let first = First::parse(b"n,,n=a=2Cb,r=abc").unwrap();
        let other = first.challenge(made(), b"0123456789");
        other.finish(answer.as_bytes()).unwrap_err();
        for damaged in [
            "",
            "c=biws",
            "c=biws,r=x,p=",
            "p=,p=,p=",
            &answer[..answer.len() - 3],
        ] {
            challenged(hash, made())
                .finish(damaged.as_bytes())
                .unwrap_err();
        }
    }

    /// librdkafka before 2.6.1, which Debian 12 and many applications have.
    #[test]
    fn the_clients_part_of_the_nonce_may_come_twice() {
        let hash = Hash::Sha512;
        let made = || Credential::of_password(hash, "right", b"salt", ITERATIONS_MIN);
        let twice = |challenge: &Challenge| format!("abc{}", challenge.nonce);
        let challenge = challenged(hash, made());
        let answer = proof_with(hash, "right", &challenge, &twice(&challenge));
        assert_eq!(challenge.finish(answer.as_bytes()).unwrap().0, "a,b");
        let challenge = challenged(hash, made());
        let answer = proof_with(hash, "wrong", &challenge, &twice(&challenge));
        challenge.finish(answer.as_bytes()).unwrap_err();
        // What was seen of one exchange is of no use in another, whose nonce is another one.
        let challenge = challenged(hash, made());
        let seen = proof_with(hash, "right", &challenge, &twice(&challenge));
        let first = First::parse(b"y,a=a=2Cb,n=a=2Cb,r=abc,ext=1").unwrap();
        let later = first.challenge(made(), b"9876543210");
        later.finish(seen.as_bytes()).unwrap_err();
        // Nor is anything else let in before it.
        let challenge = challenged(hash, made());
        for other in ["abcabc", "abd", ","] {
            let nonce = format!("{other}{}", challenge.nonce);
            let answer = proof_with(hash, "right", &challenge, &nonce);
            challenged(hash, made())
                .finish(answer.as_bytes())
                .unwrap_err();
        }
    }

    #[test]
    fn first_messages_that_are_none_are_refused() {
        for wrong in [
            "",
            "n",
            "n,,",
            "n,,n=,r=a",
            "n,,n=a",
            "n,,n=a,r=",
            "p=tls-unique,,n=a,r=b",
            "n,,n=a=2,r=b",
            "n,a=b,n=a,r=c",
            "n,x,n=a,r=c",
            "n,,r=c,n=a",
            "n,,n=a,r=c,tokenauth=true",
            "n,,n=a,r=\u{e4}",
        ] {
            First::parse(wrong.as_bytes()).unwrap_err();
        }
        First::parse(&[0xff, b',', b',']).unwrap_err();
    }
}
