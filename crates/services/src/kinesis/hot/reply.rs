//! Replies of the operations that carry records, each written into one buffer. JSON needs care for partition keys and error
//! texts alone: everything else is digits, names or base64.

use std::borrow::Cow;

use aws::cbor::Writer;
use aws::{Format, Timestamp};
use model::{HashKey, SequenceNumber};

use crate::kinesis::naming::shard_id_digits;

/// Bytes of a record in a reply besides its key and data, about.
const PER_RECORD: usize = 192;
/// Bytes of a reply besides its records, about.
const PER_REPLY: usize = 512;

/// What PutRecord answers.
pub(in crate::kinesis) struct PutReply {
    /// The record's; it names the shard too.
    pub(in crate::kinesis) number: SequenceNumber,
    pub(in crate::kinesis) encrypted: bool,
}

/// What became of one record of PutRecords.
pub(in crate::kinesis) enum EntryReply {
    /// It is there. The number names its shard too.
    Put(SequenceNumber),
    /// It is not.
    Failed {
        code: &'static str,
        message: Cow<'static, str>,
    },
}

/// A record as GetRecords gives it.
#[derive(Clone, Copy, Debug)]
pub(in crate::kinesis) struct RecordReply<'a> {
    pub(in crate::kinesis) number: &'a [u8],
    pub(in crate::kinesis) arrival: Option<Timestamp>,
    pub(in crate::kinesis) key: Option<&'a str>,
    pub(in crate::kinesis) data: &'a [u8],
    pub(in crate::kinesis) encrypted: bool,
}

/// A shard that was made of the one read.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::kinesis) struct ChildShard {
    pub(in crate::kinesis) shard_id: String,
    pub(in crate::kinesis) parents: Vec<String>,
    pub(in crate::kinesis) first: HashKey,
    pub(in crate::kinesis) last: HashKey,
}

/// What GetRecords answers besides records.
pub(in crate::kinesis) struct PageReply<'a> {
    pub(in crate::kinesis) next_iterator: Option<&'a str>,
    pub(in crate::kinesis) millis_behind: i64,
    pub(in crate::kinesis) children: &'a [ChildShard],
}

/// Writes the answer to PutRecord.
pub(in crate::kinesis) fn put_record(format: Format, reply: &PutReply) -> Vec<u8> {
    let (id, digits) = (shard_id_digits(reply.number.shard), reply.number.digits());
    match format {
        Format::Json => {
            let mut out = Json::with_capacity(PER_RECORD);
            out.open('{');
            out.plain("ShardId", &id);
            out.plain("SequenceNumber", &digits);
            if reply.encrypted {
                out.plain("EncryptionType", b"KMS");
            }
            out.close('}');
            out.0
        }
        Format::Cbor => {
            let mut out = Writer::with_capacity(PER_RECORD);
            out.map(if reply.encrypted { 3 } else { 2 });
            cbor_ascii(&mut out, "ShardId", &id);
            cbor_ascii(&mut out, "SequenceNumber", &digits);
            if reply.encrypted {
                cbor_text(&mut out, "EncryptionType", "KMS");
            }
            out.into_bytes()
        }
    }
}

/// Writes the answer to PutRecords: one entry for each record, in order.
pub(in crate::kinesis) fn put_records(
    format: Format,
    entries: impl ExactSizeIterator<Item = EntryReply>,
    failed: usize,
    encrypted: bool,
) -> Vec<u8> {
    let capacity = PER_REPLY + PER_RECORD * entries.len();
    match format {
        Format::Json => {
            let mut out = Json::with_capacity(capacity);
            out.open('{');
            out.number("FailedRecordCount", failed as i64);
            out.name("Records");
            out.open('[');
            for entry in entries {
                json_entry(&mut out, &entry);
            }
            out.close(']');
            if encrypted {
                out.plain("EncryptionType", b"KMS");
            }
            out.close('}');
            out.0
        }
        Format::Cbor => {
            let mut out = Writer::with_capacity(capacity);
            out.map(if encrypted { 3 } else { 2 });
            out.text("FailedRecordCount");
            out.int(failed as i64);
            out.text("Records");
            out.list(entries.len());
            for entry in entries {
                cbor_entry(&mut out, &entry);
            }
            if encrypted {
                cbor_text(&mut out, "EncryptionType", "KMS");
            }
            out.into_bytes()
        }
    }
}

fn json_entry(out: &mut Json, entry: &EntryReply) {
    out.comma();
    out.open('{');
    match entry {
        EntryReply::Put(number) => {
            out.plain("SequenceNumber", &number.digits());
            out.plain("ShardId", &shard_id_digits(number.shard));
        }
        EntryReply::Failed { code, message } => {
            out.plain("ErrorCode", code.as_bytes());
            out.text("ErrorMessage", message);
        }
    }
    out.close('}');
}

fn cbor_entry(out: &mut Writer, entry: &EntryReply) {
    out.map(2);
    match entry {
        EntryReply::Put(number) => {
            cbor_ascii(out, "SequenceNumber", &number.digits());
            cbor_ascii(out, "ShardId", &shard_id_digits(number.shard));
        }
        EntryReply::Failed { code, message } => {
            cbor_text(out, "ErrorCode", code);
            cbor_text(out, "ErrorMessage", message);
        }
    }
}

/// Writes the answer to GetRecords, record by record.
pub(in crate::kinesis) enum RecordsWriter {
    /// In JSON.
    Json(Json),
    /// In CBOR: the list's length is given before its elements.
    Cbor(Writer),
}

impl RecordsWriter {
    /// Begins a page of `count` records that have `bytes` of keys and data.
    pub(in crate::kinesis) fn new(
        format: Format,
        page: &PageReply<'_>,
        count: usize,
        bytes: usize,
    ) -> RecordsWriter {
        let fixed = PER_REPLY + PER_RECORD * (count + page.children.len());
        match format {
            Format::Json => {
                let mut out = Json::with_capacity(fixed + bytes / 3 * 4);
                out.open('{');
                json_page(&mut out, page);
                out.name("Records");
                out.open('[');
                RecordsWriter::Json(out)
            }
            Format::Cbor => {
                let mut out = Writer::with_capacity(fixed + bytes);
                cbor_page(&mut out, page);
                out.text("Records");
                out.list(count);
                RecordsWriter::Cbor(out)
            }
        }
    }

    /// Adds a record.
    pub(in crate::kinesis) fn record(&mut self, record: &RecordReply<'_>) {
        match self {
            RecordsWriter::Json(out) => json_record(out, record),
            RecordsWriter::Cbor(out) => cbor_record(out, record),
        }
    }

    /// The reply, when all records are in it.
    pub(in crate::kinesis) fn finish(self) -> Vec<u8> {
        match self {
            RecordsWriter::Json(mut out) => {
                out.close(']');
                out.close('}');
                out.0
            }
            RecordsWriter::Cbor(out) => out.into_bytes(),
        }
    }
}

fn json_record(out: &mut Json, record: &RecordReply<'_>) {
    out.comma();
    out.open('{');
    out.plain("SequenceNumber", record.number);
    if let Some(arrival) = record.arrival {
        out.name("ApproximateArrivalTimestamp");
        out.seconds(arrival);
    }
    out.base64("Data", record.data);
    if let Some(key) = record.key {
        out.text("PartitionKey", key);
    }
    if record.encrypted {
        out.plain("EncryptionType", b"KMS");
    }
    out.close('}');
}

fn cbor_record(out: &mut Writer, record: &RecordReply<'_>) {
    let may_be = [
        record.arrival.is_some(),
        record.key.is_some(),
        record.encrypted,
    ];
    out.map(2 + may_be.iter().filter(|is| **is).count());
    cbor_ascii(out, "SequenceNumber", record.number);
    if let Some(arrival) = record.arrival {
        out.text("ApproximateArrivalTimestamp");
        out.timestamp(arrival);
    }
    out.text("Data");
    out.bytes(record.data);
    if let Some(key) = record.key {
        cbor_text(out, "PartitionKey", key);
    }
    if record.encrypted {
        cbor_text(out, "EncryptionType", "KMS");
    }
}

fn json_page(out: &mut Json, page: &PageReply<'_>) {
    if let Some(iterator) = page.next_iterator {
        out.plain("NextShardIterator", iterator.as_bytes());
    }
    out.number("MillisBehindLatest", page.millis_behind);
    if page.children.is_empty() {
        return;
    }
    out.name("ChildShards");
    out.open('[');
    for child in page.children {
        out.comma();
        out.open('{');
        out.plain("ShardId", child.shard_id.as_bytes());
        out.name("ParentShards");
        out.open('[');
        for parent in &child.parents {
            out.comma();
            out.quoted(parent.as_bytes());
        }
        out.close(']');
        out.name("HashKeyRange");
        out.open('{');
        out.plain("StartingHashKey", child.first.to_string().as_bytes());
        out.plain("EndingHashKey", child.last.to_string().as_bytes());
        out.close('}');
        out.close('}');
    }
    out.close(']');
}

/// Opens the reply's map, for `Records` to follow.
fn cbor_page(out: &mut Writer, page: &PageReply<'_>) {
    let iterators = usize::from(page.next_iterator.is_some());
    out.map(2 + iterators + usize::from(!page.children.is_empty()));
    if let Some(iterator) = page.next_iterator {
        cbor_text(out, "NextShardIterator", iterator);
    }
    out.text("MillisBehindLatest");
    out.int(page.millis_behind);
    if page.children.is_empty() {
        return;
    }
    out.text("ChildShards");
    out.list(page.children.len());
    for child in page.children {
        out.map(3);
        cbor_text(out, "ShardId", &child.shard_id);
        out.text("ParentShards");
        out.list(child.parents.len());
        for parent in &child.parents {
            out.text(parent);
        }
        out.text("HashKeyRange");
        out.map(2);
        cbor_text(out, "StartingHashKey", &child.first.to_string());
        cbor_text(out, "EndingHashKey", &child.last.to_string());
    }
}

fn cbor_text(out: &mut Writer, name: &str, text: &str) {
    out.text(name);
    out.text(text);
}

fn cbor_ascii(out: &mut Writer, name: &str, ascii: &[u8]) {
    let text = std::str::from_utf8(ascii).expect("ids and digits are ASCII");
    cbor_text(out, name, text);
}

/// JSON as it grows. Commas are set by what stands before: every name and every element asks for one.
pub(in crate::kinesis) struct Json(Vec<u8>);

impl Json {
    fn with_capacity(capacity: usize) -> Json {
        Json(Vec::with_capacity(capacity))
    }

    fn open(&mut self, bracket: char) {
        self.0.push(bracket as u8);
    }

    fn close(&mut self, bracket: char) {
        self.0.push(bracket as u8);
    }

    /// A comma, unless a list or structure has just been opened.
    fn comma(&mut self) {
        if !matches!(self.0.last(), Some(b'{' | b'[' | b':') | None) {
            self.0.push(b',');
        }
    }

    /// A member's name; its value must follow.
    fn name(&mut self, name: &str) {
        self.comma();
        self.quoted(name.as_bytes());
        self.0.push(b':');
    }

    /// Text that needs no escapes.
    fn quoted(&mut self, text: &[u8]) {
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }

    fn plain(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.quoted(text);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.0, text).expect("text is JSON, and memory is no I/O");
    }

    fn base64(&mut self, name: &str, data: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        base64_simd::STANDARD.encode_append(data, &mut self.0);
        self.0.push(b'"');
    }

    fn number(&mut self, name: &str, number: i64) {
        self.name(name);
        self.0.extend_from_slice(number.to_string().as_bytes());
    }

    /// Epoch seconds with three decimals.
    fn seconds(&mut self, moment: Timestamp) {
        let millis = moment.millis();
        let sign = if millis < 0 { "-" } else { "" };
        let magnitude = millis.unsigned_abs();
        let text = format!("{sign}{}.{:03}", magnitude / 1000, magnitude % 1000);
        self.0.extend_from_slice(text.as_bytes());
    }
}
