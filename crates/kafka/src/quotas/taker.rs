//! Who takes from a bucket, in bounded memory: buckets are many, and a client's name for itself may have 32 KiB.

use aws_lc_rs::digest;

/// Longest name that is kept as it is, in bytes.
const SHORT_BYTES_MAX: usize = 64;

/// Who takes from one bucket, and of what: a user or an address, and a client.
pub(super) type Taker = (&'static str, Option<Name>, Option<Name>);

/// A name, or the SHA-256 of a longer one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Name {
    Short(Box<str>),
    Long(Box<[u8]>),
}

impl Name {
    pub(super) fn of(name: &str) -> Name {
        if name.len() <= SHORT_BYTES_MAX {
            return Name::Short(name.into());
        }
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        Name::Long(digest.as_ref().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_takes_little_and_is_its_own() {
        let long = "x".repeat(32_767);
        let Name::Long(bytes) = Name::of(&long) else {
            panic!("it is kept as it is");
        };
        assert_eq!(bytes.len(), 32);
        assert_eq!(Name::of(&long), Name::of(&long.clone()));
        assert_ne!(Name::of(&long), Name::of(&long[1..]));
        assert_eq!(Name::of("app"), Name::Short("app".into()));
    }
}
