//! Requests as bytes, built once. A put's partition keys and the first bytes of its data are patched in place before each
//! sending, so that the generator neither encodes nor allocates while it measures.
//!
//! The first [`STAMP_LEN`] bytes of each record's data are the stamp: a big-endian number of the caller's choice and a zero.
//! Nine, because nine bytes are twelve base64 characters without padding and can be replaced alone.

use clap::ValueEnum;

use crate::cbor;
use crate::random::Random;

/// Bytes of the stamp at the start of each record's data.
pub(crate) const STAMP_LEN: usize = 9;
/// Characters of a partition key: the hexadecimal form of a random number.
const KEY_LEN: usize = 16;

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `application/x-amz-json-1.1`, what most SDKs send.
    Json,
    /// `application/x-amz-cbor-1.1`, what the Java SDK sends.
    Cbor,
}

impl Format {
    /// The media type of a request's and its answer's body.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }
}

/// Which service a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Kinesis Data Streams.
    Kinesis,
    /// SQS, over AWS JSON 1.0 as today's SDKs speak it.
    Sqs,
}

/// What a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A service of AWS's.
    Aws(Service),
    /// Kafka's own, which nothing here but a ping speaks: the load comes from Kafka's tools.
    Kafka,
}

impl Service {
    fn target_prefix(self) -> &'static str {
        match self {
            Self::Kinesis => TARGET_PREFIX,
            Self::Sqs => "AmazonSQS.",
        }
    }

    fn authorization(self) -> &'static str {
        match self {
            Self::Kinesis => AUTHORIZATION,
            Self::Sqs => SQS_AUTHORIZATION,
        }
    }

    fn json(self) -> &'static str {
        match self {
            Self::Kinesis => Format::Json.content_type(),
            Self::Sqs => "application/x-amz-json-1.0",
        }
    }
}

/// The `Authorization` header: well formed and unsigned. Servers without authentication want its credential scope to
/// route by; a server that verifies signatures refuses it.
pub(crate) const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/kinesis/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=0000000000000000000000000000000000000000000000000000000000000000";
const SQS_AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/sqs/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=0000000000000000000000000000000000000000000000000000000000000000";
/// The value of `X-Amz-Date`; its day is that of the credential scope.
pub(crate) const AMZ_DATE: &str = "20261122T120000Z";
/// What `X-Amz-Target` starts with.
pub(crate) const TARGET_PREFIX: &str = "Kinesis_20131202.";

/// A whole HTTP/1.1 request for a Kinesis `operation`, replacing what `request` held.
pub(crate) fn write_request(
    request: &mut Vec<u8>,
    host: &str,
    operation: &str,
    format: Format,
    body: &[u8],
) {
    let content_type = format.content_type();
    write_head(
        request,
        Service::Kinesis,
        host,
        operation,
        content_type,
        body.len(),
    );
    request.extend_from_slice(body);
}

/// A whole HTTP/1.1 request with a JSON body, replacing what `request` held.
pub(crate) fn write_json_request(
    request: &mut Vec<u8>,
    service: Service,
    host: &str,
    operation: &str,
    body: &[u8],
) {
    write_head(
        request,
        service,
        host,
        operation,
        service.json(),
        body.len(),
    );
    request.extend_from_slice(body);
}

fn write_head(
    request: &mut Vec<u8>,
    service: Service,
    host: &str,
    operation: &str,
    content_type: &str,
    length: usize,
) {
    request.clear();
    let (target_prefix, authorization) = (service.target_prefix(), service.authorization());
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: {target_prefix}{operation}\r\n\
         Content-Type: {content_type}\r\nX-Amz-Date: {AMZ_DATE}\r\nAuthorization: {authorization}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    request.extend_from_slice(head.as_bytes());
}

/// The body of a GetRecords.
pub(crate) fn write_get_records(body: &mut Vec<u8>, format: Format, iterator: &str, limit: usize) {
    body.clear();
    match format {
        Format::Json => {
            let input = serde_json::json!({ "ShardIterator": iterator, "Limit": limit });
            body.extend_from_slice(input.to_string().as_bytes());
        }
        Format::Cbor => {
            cbor::write_head(body, cbor::MAP, 2);
            cbor::write_text(body, "ShardIterator");
            cbor::write_text(body, iterator);
            cbor::write_text(body, "Limit");
            cbor::write_head(body, cbor::UINT, limit);
        }
    }
}

/// What a put request is made of.
#[derive(Debug, Clone)]
pub(crate) struct PutShape {
    pub(crate) host: String,
    pub(crate) stream: String,
    pub(crate) format: Format,
    /// `None` for PutRecord; the records in each PutRecords otherwise, 1 to 500.
    pub(crate) batch: Option<usize>,
    /// Bytes of data in each record, at least [`STAMP_LEN`].
    pub(crate) size: usize,
}

impl PutShape {
    /// Records in each request.
    pub(crate) fn records(&self) -> usize {
        self.batch.unwrap_or(1)
    }
}

/// Where one record's changing bytes lie in the request.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key_at: usize,
    data_at: usize,
}

/// A PutRecord or PutRecords request, ready to be patched and sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct PutRequest {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    format: Format,
}

impl PutRequest {
    /// Data beyond the stamp is noise from `random`, so that compression wins nobody anything.
    pub(crate) fn new(shape: &PutShape, random: &mut Random) -> Self {
        let mut body = Body {
            bytes: Vec::new(),
            slots: Vec::new(),
        };
        match shape.format {
            Format::Json => body.write_json(shape, random),
            Format::Cbor => body.write_cbor(shape, random),
        }
        let operation = if shape.batch.is_some() {
            "PutRecords"
        } else {
            "PutRecord"
        };
        let mut bytes = Vec::new();
        write_request(
            &mut bytes,
            &shape.host,
            operation,
            shape.format,
            &body.bytes,
        );
        let head_len = bytes.len() - body.bytes.len();
        for slot in &mut body.slots {
            slot.key_at += head_len;
            slot.data_at += head_len;
        }
        Self {
            bytes,
            slots: body.slots,
            format: shape.format,
        }
    }

    /// Gives every record a fresh random key, and `stamp` as the start of its data.
    pub(crate) fn patch(&mut self, stamp: u64, random: &mut Random) {
        let mut raw = [0; STAMP_LEN];
        raw[..8].copy_from_slice(&stamp.to_be_bytes());
        for slot in &self.slots {
            self.bytes[slot.key_at..slot.key_at + KEY_LEN].copy_from_slice(&hex(random.next()));
            match self.format {
                Format::Json => {
                    let text = &mut self.bytes[slot.data_at..slot.data_at + STAMP_LEN / 3 * 4];
                    let _ = base64_simd::STANDARD.encode(&raw, base64_simd::Out::from_slice(text));
                }
                Format::Cbor => {
                    self.bytes[slot.data_at..slot.data_at + STAMP_LEN].copy_from_slice(&raw)
                }
            }
        }
    }

    /// The request as it goes out.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn hex(number: u64) -> [u8; KEY_LEN] {
    let digits = b"0123456789abcdef";
    std::array::from_fn(|at| digits[(number >> (60 - 4 * at)) as usize & 15])
}

struct Body {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Body {
    fn write_json(&mut self, shape: &PutShape, random: &mut Random) {
        self.text(&format!("{{\"StreamName\":\"{}\",", shape.stream));
        match shape.batch {
            None => self.json_record(shape.size, random),
            Some(count) => {
                self.text("\"Records\":[");
                for at in 0..count {
                    self.text(if at == 0 { "{" } else { ",{" });
                    self.json_record(shape.size, random);
                    self.text("}");
                }
                self.text("]");
            }
        }
        self.text("}");
    }

    fn json_record(&mut self, size: usize, random: &mut Random) {
        self.text("\"Data\":\"");
        let data_at = self.bytes.len();
        let data = base64_simd::STANDARD.encode_to_string(random.noise(size));
        self.text(&data);
        self.text("\",\"PartitionKey\":\"");
        self.slots.push(Slot {
            key_at: self.bytes.len(),
            data_at,
        });
        self.bytes.extend_from_slice(&[b'0'; KEY_LEN]);
        self.text("\"");
    }

    fn write_cbor(&mut self, shape: &PutShape, random: &mut Random) {
        match shape.batch {
            None => {
                cbor::write_head(&mut self.bytes, cbor::MAP, 3);
                self.cbor_record(shape.size, random);
            }
            Some(count) => {
                cbor::write_head(&mut self.bytes, cbor::MAP, 2);
                cbor::write_text(&mut self.bytes, "Records");
                cbor::write_head(&mut self.bytes, cbor::ARRAY, count);
                for _ in 0..count {
                    cbor::write_head(&mut self.bytes, cbor::MAP, 2);
                    self.cbor_record(shape.size, random);
                }
            }
        }
        cbor::write_text(&mut self.bytes, "StreamName");
        cbor::write_text(&mut self.bytes, &shape.stream);
    }

    fn cbor_record(&mut self, size: usize, random: &mut Random) {
        cbor::write_text(&mut self.bytes, "Data");
        cbor::write_head(&mut self.bytes, cbor::BYTES, size);
        let data_at = self.bytes.len();
        self.bytes.extend_from_slice(&random.noise(size));
        cbor::write_text(&mut self.bytes, "PartitionKey");
        cbor::write_head(&mut self.bytes, cbor::TEXT, KEY_LEN);
        self.slots.push(Slot {
            key_at: self.bytes.len(),
            data_at,
        });
        self.bytes.extend_from_slice(&[b'0'; KEY_LEN]);
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(format: Format, batch: Option<usize>) -> PutShape {
        PutShape {
            host: "127.0.0.1:4566".into(),
            stream: "s".into(),
            format,
            batch,
            size: 100,
        }
    }

    fn body(request: &PutRequest) -> &[u8] {
        let at = memchr::memmem::find(request.bytes(), b"\r\n\r\n").unwrap() + 4;
        &request.bytes()[at..]
    }

    #[test]
    fn a_patched_json_request_is_still_json_and_carries_key_and_stamp() {
        let mut random = Random::new(1);
        let mut request = PutRequest::new(&shape(Format::Json, Some(3)), &mut random);
        request.patch(0x0102_0304_0506_0708, &mut random);
        let value: serde_json::Value = serde_json::from_slice(body(&request)).unwrap();
        let records = value["Records"].as_array().unwrap();
        assert_eq!(records.len(), 3);
        for record in records {
            let data = base64_simd::STANDARD
                .decode_to_vec(record["Data"].as_str().unwrap())
                .unwrap();
            assert_eq!(data.len(), 100);
            assert_eq!(data[..STAMP_LEN], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
        }
        assert_ne!(records[0]["PartitionKey"], records[1]["PartitionKey"]);
    }

    #[test]
    fn a_cbor_request_has_the_bytes_of_the_format() {
        let mut random = Random::new(1);
        let mut request = PutRequest::new(&shape(Format::Cbor, None), &mut random);
        request.patch(7, &mut random);
        let body = body(&request);
        assert_eq!(body[..7], *b"\xa3\x64Data\x58");
        assert_eq!(body[7], 100);
        assert_eq!(body[8..8 + STAMP_LEN], [0, 0, 0, 0, 0, 0, 0, 7, 0]);
        assert_eq!(body[108..122], *b"\x6cPartitionKey\x70");
        assert_eq!(body[138..], *b"\x6aStreamName\x61s");
    }

    #[test]
    fn the_content_length_is_the_bodys() {
        let request = PutRequest::new(&shape(Format::Json, None), &mut Random::new(1));
        let text = String::from_utf8(request.bytes().to_vec()).unwrap();
        let expected = format!("Content-Length: {}\r\n", body(&request).len());
        assert!(text.contains(&expected));
    }
}
