//! Every limit in force, its number and its source. "AWS" is the S3 user guide's and API reference's figure; "ours" bounds
//! what a hostile client can make the server hold.

use std::time::Duration;

/// Largest body of one PutObject, UploadPart, or copy. AWS: 5 GiB.
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;
/// Smallest part of a multipart upload but the last. AWS: 5 MiB.
pub(crate) const PART_BYTES_MIN: u64 = 5 << 20;
/// Greatest part number, and so most parts of an object. AWS.
pub(crate) const PARTS_MAX: i32 = 10_000;
/// Longest object key in bytes. AWS.
pub(crate) const KEY_BYTES_MAX: usize = 1024;
/// User metadata, names and values together. AWS: 2 KB.
pub(crate) const METADATA_BYTES_MAX: usize = 2048;
/// Most entries of one listing. AWS.
pub(crate) const LIST_MAX: i32 = 1000;
/// Most buckets of one listing. AWS.
pub(crate) const BUCKETS_LIST_MAX: i32 = 10_000;
/// Most keys of one DeleteObjects. AWS.
pub(crate) const DELETE_MAX: usize = 1000;
/// Most tags of an object. AWS.
pub(crate) const TAGS_MAX: usize = 10;
/// Longest key of a tag, in characters. AWS.
pub(crate) const TAG_KEY_MAX: usize = 128;
/// Longest value of a tag, in characters. AWS.
pub(crate) const TAG_VALUE_MAX: usize = 256;

/// Largest XML body, which is held in memory: 10,000 parts with a checksum each take about 2.5 MB. Ours.
pub(crate) const XML_BYTES_MAX: usize = 4 << 20;
/// How many requests may hold an XML body at one time. Ours.
pub(crate) const XML_BODIES_MAX: usize = 32;
/// Longest request headers in bytes, names and values. AWS allows 8 KB; ours leaves room for signatures.
pub(crate) const HEADER_BYTES_MAX: usize = 16 << 10;
/// Longest path and query. Ours: a key of 1,024 bytes takes 3,072 when percent-encoded, and a listing may name three.
pub(crate) const URI_BYTES_MAX: usize = 16 << 10;
/// Largest chunk of a chunk-signed body. s3s holds a whole chunk to check its signature; clients send 64 KiB to 1 MiB. Ours.
pub(crate) const CHUNK_BYTES_MAX: u64 = 16 << 20;
/// Longest line of chunk framing, and all trailers together. Ours.
pub(crate) const CHUNK_LINE_BYTES_MAX: usize = 4 << 10;
/// How long a client may pause within a body. Ours; AWS answers RequestTimeout after about 20 seconds.
pub(crate) const BODY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How much of a body is gathered before it is hashed and written. Ours.
pub(crate) const WRITE_BYTES: usize = 256 << 10;
/// How much of a body is read at once. Ours.
pub(crate) const READ_BYTES: usize = 256 << 10;
/// How many documents are read from the catalog at once. Ours.
pub(crate) const SCAN_PAGE: usize = 1000;
