//! Who is calling: what a handler may know of a request besides its input.

use std::fmt;
use std::net::SocketAddr;

use model::{AccountId, Region};

/// Names one request, in the reply and in logs. Shown as a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// An id from random bits; six of them are overwritten to mark a version 4 UUID.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        let version = 0x4_u128 << 76;
        let variant = 0x2_u128 << 62;
        RequestId(bits & !(0xf_u128 << 76) & !(0x3_u128 << 62) | version | variant)
    }

    pub(crate) fn low_bits(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

/// Who is calling, and how.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller's account.
    pub account: AccountId,
    /// The region the request is signed for; `us-east-1` where it does not say.
    pub region: Region,
    /// The access key the request is signed with.
    pub access_key: Option<String>,
    /// This request's name.
    pub request_id: RequestId,
    /// The host and port the client asked, for URLs in answers.
    pub host: String,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// Where the client is.
    pub peer: SocketAddr,
}

impl Caller {
    /// A caller for tests: default account, us-east-1, from this machine.
    #[must_use]
    pub fn local() -> Self {
        Caller {
            account: AccountId::unnamed(),
            region: Region::unnamed(),
            access_key: None,
            request_id: RequestId::from_bits(0),
            host: "127.0.0.1:4566".to_owned(),
            secure: false,
            peer: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_shows_as_a_uuid() {
        assert_eq!(
            RequestId::from_bits(0).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
        assert_eq!(
            RequestId::from_bits(u128::MAX).to_string(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }
}
