//! ADDMETADATA: the record as the member `data`, beside what the configuration says.

use model::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::print::{Layout, Object};
use super::without_newline;

/// `2026-11-28T01:02:03.004Z`.
const STAMP: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// ADDMETADATA.
#[derive(Debug)]
pub struct Metadata {
    /// The member `metadata`.
    pub metadata: Value,
    /// Whether the time goes into a member `ts`.
    pub stamps: bool,
    /// How the object is printed.
    pub layout: Layout,
}

impl Metadata {
    pub(super) fn convert(&self, record: &[u8], now: Timestamp, out: &mut Vec<u8>) {
        let mut object = Object::begin(out, self.layout);
        if self.stamps {
            object.member("ts", &stamp(now));
        }
        object.member("metadata", &self.metadata);
        object.text("data", Some(without_newline(record)));
        object.end();
    }
}

fn stamp(now: Timestamp) -> String {
    let nanos = i128::from(now.0) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(STAMP).unwrap_or_default()
}
