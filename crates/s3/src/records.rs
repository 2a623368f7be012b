//! What is kept in the catalog, and under which keys. JSON; fields are only ever added, with a default.
//!
//! | key, parts divided by a zero byte | document |
//! |---|---|
//! | `s3` `home` | [`Home`] |
//! | `s3` `bucket` bucket | [`Bucket`] |
//! | `s3` `object` bucket key | [`Object`] |
//! | `s3` `upload` bucket key upload | [`Upload`] |
//! | `s3` `part` upload number | [`Part`] |
//!
//! A bucket's name holds no zero byte by S3's rules and a key none by ours, so listings are in the byte order of keys, which
//! is S3's, and those of uploads are by key, then by the time they began, with which an upload's id starts.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::Key;

use crate::bodies::BodyId;
use crate::checksums::{Algorithm, Checksum, Kind};

/// Which directory holds the bodies: the one with this mark in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Home {
    pub(crate) mark: String,
}

/// A bucket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// The account that made it, twelve digits.
    pub(crate) owner: String,
    /// Where it is said to lie.
    pub(crate) region: String,
    pub(crate) created: Timestamp,
}

/// An object: everything but its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Object {
    /// The bodies that hold its bytes, in order: one, or one for each part of a multipart upload.
    pub(crate) pieces: Vec<Piece>,
    /// Without quotes: MD5 in hex, or MD5 of the parts' MD5s, `-` and their number.
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    /// The upload it came from, so that completing it again finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
    #[serde(flatten)]
    pub(crate) about: About,
}

/// What a client says of an object when it makes it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(default, skip_serializing_if = "Headers::is_none")]
    pub(crate) headers: Headers,
    /// Names without `x-amz-meta-`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    /// A label: all classes are stored alike. `None` for `STANDARD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
}

/// Headers that come back as they were given.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// As an HTTP date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) website_redirect_location: Option<String>,
}

impl Headers {
    fn is_none(&self) -> bool {
        *self == Headers::default()
    }
}

/// A body, or what is known of it without opening it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) body: BodyId,
    /// In bytes.
    pub(crate) size: u64,
}

/// A multipart upload under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) began: Timestamp,
    /// Which checksum its parts carry, and what the object's will be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<(Algorithm, Kind)>,
    #[serde(flatten)]
    pub(crate) about: About,
}

/// A part of one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    #[serde(flatten)]
    pub(crate) piece: Piece,
    /// MD5 in hex.
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
}

impl Object {
    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.size).sum()
    }

    /// How many parts it was uploaded in, if in parts.
    pub(crate) fn parts(&self) -> Option<i32> {
        self.etag
            .rsplit_once('-')
            .and_then(|(_, parts)| parts.parse().ok())
    }

    /// The bodies it needs.
    pub(crate) fn bodies(&self) -> Vec<BodyId> {
        self.pieces.iter().map(|piece| piece.body).collect()
    }
}

/// A key of these parts. What clients look for may hold zero bytes, what is stored never does.
fn joined(parts: &[&str]) -> Key {
    Key::from_bytes(parts.join("\0").into())
}

pub(crate) fn home() -> Key {
    joined(&["s3", "home"])
}

/// Where all buckets are.
pub(crate) fn buckets() -> Key {
    joined(&["s3", "bucket"])
}

pub(crate) fn bucket(name: &str) -> Key {
    joined(&["s3", "bucket", name])
}

/// Where all objects of all buckets are.
pub(crate) fn all_objects() -> Key {
    joined(&["s3", "object"])
}

/// Where all objects of `bucket` are.
pub(crate) fn objects(bucket: &str) -> Key {
    joined(&["s3", "object", bucket])
}

pub(crate) fn object(bucket: &str, key: &str) -> Key {
    joined(&["s3", "object", bucket, key])
}

/// Where all uploads to `bucket` are.
pub(crate) fn uploads(bucket: &str) -> Key {
    joined(&["s3", "upload", bucket])
}

pub(crate) fn upload(bucket: &str, key: &str, id: &str) -> Key {
    joined(&["s3", "upload", bucket, key, id])
}

/// Where all parts of all uploads are.
pub(crate) fn all_parts() -> Key {
    joined(&["s3", "part"])
}

/// Where all parts of one upload are.
pub(crate) fn parts(upload: &str) -> Key {
    joined(&["s3", "part", upload])
}

pub(crate) fn part(upload: &str, number: i32) -> Key {
    joined(&["s3", "part", upload, &format!("{number:05}")])
}

/// The key a part's document was found under gives its number.
pub(crate) fn part_number(key: &Key) -> Option<i32> {
    key.last_part()?.parse().ok()
}

/// What follows `base` in `key`; `None` where it is not below.
pub(crate) fn below<'a>(key: &'a Key, base: &Key) -> Option<&'a str> {
    let rest = key.as_bytes().strip_prefix(base.children().as_bytes())?;
    std::str::from_utf8(rest).ok()
}

/// A key that sorts after every key that starts with `start`, and before all others that sort after it: no text holds the
/// byte 0xff.
pub(crate) fn past(start: &[u8]) -> Key {
    Key::from_bytes(Bytes::from([start, &[0xff]].concat()))
}
