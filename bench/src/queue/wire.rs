//! The bytes of SQS requests and answers in AWS JSON 1.0. Sends are built once and patched; answers are searched for the few
//! members that count, not parsed. Whatever is not found counts as absent, so a server that answers otherwise shows as
//! failing rather than as fast.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use memchr::{memchr, memchr2, memmem};
use serde_json::json;

use super::messages::{self, Bodies, NUMBER_LEN, Order};
use crate::control::Control;
use crate::request::{Service, write_json_request};

/// How long a call that is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of a message group's name.
const GROUP_LEN: usize = 4;

/// One queue on one server.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) host: String,
    pub(crate) url: String,
    pub(crate) order: Order,
}

impl Queue {
    /// A whole request about this queue: `members` follow its URL in the body, with a comma each before them.
    pub(crate) fn write(&self, request: &mut Vec<u8>, operation: &str, members: &str) {
        let body = format!("{{\"QueueUrl\":\"{}\"{members}}}", self.url);
        write_json_request(
            request,
            Service::Sqs,
            &self.host,
            operation,
            body.as_bytes(),
        );
    }

    /// Makes a queue. Visibility is long enough that no message comes back before it is deleted, however slow the server.
    pub(crate) fn create(server: SocketAddr, name: &str, order: Order) -> Result<Self> {
        let mut control = Control::of(Service::Sqs, server, PATIENCE);
        let mut attributes = json!({ "VisibilityTimeout": "300" });
        let mut name = name.to_owned();
        if order == Order::PerLane {
            name.push_str(".fifo");
            attributes["FifoQueue"] = "true".into();
        }
        let input = json!({ "QueueName": name, "Attributes": attributes });
        let output = control.call("CreateQueue", &input).context("CreateQueue")?;
        let url = output["QueueUrl"]
            .as_str()
            .context("no QueueUrl in the answer")?;
        Ok(Self {
            host: server.to_string(),
            url: url.to_owned(),
            order,
        })
    }

    /// Deletes the queue and all that is in it.
    pub(crate) fn delete(&self, server: SocketAddr) -> Result<()> {
        let mut control = Control::of(Service::Sqs, server, PATIENCE);
        let deleted = control.call("DeleteQueue", &json!({ "QueueUrl": self.url }));
        deleted.context("DeleteQueue").map(drop)
    }

    /// ReceiveMessage of up to `max` messages, waiting `wait` seconds for the first.
    pub(crate) fn receive(&self, max: usize, wait: u32) -> Vec<u8> {
        let mut request = Vec::new();
        let members = format!(",\"MaxNumberOfMessages\":{max},\"WaitTimeSeconds\":{wait}");
        self.write(&mut request, "ReceiveMessage", &members);
        request
    }

    /// DeleteMessageBatch of these receipt handles, as they stood in a JSON answer.
    pub(crate) fn write_delete(&self, request: &mut Vec<u8>, handles: &[&str]) {
        let mut members = String::from(",\"Entries\":[");
        for (at, handle) in handles.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            members.push_str(&format!(
                "{comma}{{\"Id\":\"{at}\",\"ReceiptHandle\":\"{handle}\"}}"
            ));
        }
        members.push(']');
        self.write(request, "DeleteMessageBatch", &members);
    }
}

/// Where one message's changing bytes lie in a request.
#[derive(Debug, Clone, Copy)]
struct Slot {
    body_at: usize,
    /// Group and de-duplication id, in a FIFO queue.
    fifo_at: Option<(usize, usize)>,
}

/// A SendMessage or SendMessageBatch, ready to be patched and sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct SendRequest {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl SendRequest {
    /// `batch` messages of `size` characters each; `None` for SendMessage.
    pub(crate) fn new(queue: &Queue, batch: Option<usize>, size: usize) -> Self {
        let mut members = String::from(",");
        let mut slots = Vec::new();
        if batch.is_some() {
            members.push_str("\"Entries\":[");
        }
        for at in 0..batch.unwrap_or(1) {
            if batch.is_some() {
                members.push_str(if at == 0 { "{" } else { ",{" });
                members.push_str(&format!("\"Id\":\"{at}\","));
            }
            slots.push(push_message(&mut members, queue.order, size));
            if batch.is_some() {
                members.push('}');
            }
        }
        if batch.is_some() {
            members.push(']');
        }
        let operation = match batch {
            Some(_) => "SendMessageBatch",
            None => "SendMessage",
        };
        let mut bytes = Vec::new();
        queue.write(&mut bytes, operation, &members);
        // The members are the last of the request but for one brace.
        let members_at = bytes.len() - 1 - members.len();
        for slot in &mut slots {
            slot.body_at += members_at;
            if let Some((group_at, id_at)) = &mut slot.fifo_at {
                *group_at += members_at;
                *id_at += members_at;
            }
        }
        Self { bytes, slots }
    }

    /// Makes these the messages of the request, all of one lane.
    pub(crate) fn patch(
        &mut self,
        bodies: &Bodies,
        lane: usize,
        numbers: impl Iterator<Item = u64>,
    ) {
        for (slot, number) in self.slots.iter().zip(numbers) {
            let body = &mut self.bytes[slot.body_at..slot.body_at + bodies.size()];
            bodies.write(number, body);
            if let Some((group_at, id_at)) = slot.fifo_at {
                self.bytes[group_at..group_at + GROUP_LEN].copy_from_slice(&group(lane));
                self.bytes[id_at..id_at + NUMBER_LEN].copy_from_slice(&messages::hex(number));
            }
        }
    }

    /// The request as it goes out.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn push_message(members: &mut String, order: Order, size: usize) -> Slot {
    members.push_str("\"MessageBody\":\"");
    let body_at = members.len();
    members.push_str(&"0".repeat(size));
    members.push('"');
    let fifo_at = (order == Order::PerLane).then(|| {
        members.push_str(",\"MessageGroupId\":\"");
        let group_at = members.len();
        members.push_str(&"0".repeat(GROUP_LEN));
        members.push_str("\",\"MessageDeduplicationId\":\"");
        let id_at = members.len();
        members.push_str(&"0".repeat(NUMBER_LEN));
        members.push('"');
        (group_at, id_at)
    });
    Slot { body_at, fifo_at }
}

fn group(lane: usize) -> [u8; GROUP_LEN] {
    let digits = messages::hex(lane as u64);
    std::array::from_fn(|at| digits[NUMBER_LEN - GROUP_LEN + at])
}

/// Messages accepted, in the answer to a send of one or many: each has a `MessageId`.
pub(crate) fn sent(body: &[u8]) -> usize {
    Values::new(body, "\"MessageId\"").count()
}

/// Entries that succeeded, in the answer to a DeleteMessageBatch of `count`. Failed ones have a `Code`.
pub(crate) fn deleted(body: &[u8], count: usize) -> usize {
    let ids = Values::new(body, "\"Id\"").count();
    let failed = Values::new(body, "\"Code\"").count();
    ids.saturating_sub(failed).min(count)
}

/// Bodies and receipt handles of a ReceiveMessage answer, as they stand in the JSON.
pub(crate) fn received(body: &[u8]) -> impl Iterator<Item = (&[u8], &str)> {
    // Both are members of every message, so the n-th of one belongs to the n-th of the other.
    let handles = Values::new(body, "\"ReceiptHandle\"");
    let handles = handles.filter_map(|handle| std::str::from_utf8(handle).ok());
    Values::new(body, "\"Body\"").zip(handles)
}

/// The string values of all members of one name.
struct Values<'a> {
    rest: &'a [u8],
    name: memmem::Finder<'static>,
}

impl<'a> Values<'a> {
    /// `quoted` is the name in its quotes.
    fn new(body: &'a [u8], quoted: &'static str) -> Self {
        Self {
            rest: body,
            name: memmem::Finder::new(quoted),
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let at = self.name.find(self.rest)? + self.name.needle().len();
            self.rest = &self.rest[at..];
            // Some servers write a space after the colon.
            let value = self.rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
            let Some(text) = value.and_then(|value| value.strip_prefix(b"\"")) else {
                continue;
            };
            let Some(end) = string_end(text) else {
                continue;
            };
            self.rest = &text[end..];
            return Some(&text[..end]);
        }
    }
}

/// Where the quote is that ends a JSON string whose first is gone.
fn string_end(text: &[u8]) -> Option<usize> {
    let first = memchr(b'"', text)?;
    if memchr(b'\\', &text[..first]).is_none() {
        return Some(first);
    }
    let mut at = 0;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn queue(order: Order) -> Queue {
        Queue {
            host: "127.0.0.1:4566".into(),
            url: "http://127.0.0.1:4566/000000000000/q".into(),
            order,
        }
    }

    fn body(request: &[u8]) -> Value {
        let at = memmem::find(request, b"\r\n\r\n").unwrap() + 4;
        let head = std::str::from_utf8(&request[..at]).unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", request.len() - at)));
        serde_json::from_slice(&request[at..]).unwrap()
    }

    #[test]
    fn a_patched_batch_is_json_and_carries_what_was_asked() {
        let bodies = Bodies::new(40, 1);
        let mut request = SendRequest::new(&queue(Order::PerLane), Some(3), 40);
        request.patch(&bodies, 17, [5, 6, 7].into_iter());
        let value = body(request.bytes());
        assert_eq!(value["QueueUrl"], "http://127.0.0.1:4566/000000000000/q");
        let entries = value["Entries"].as_array().unwrap();
        for (at, number) in [5, 6, 7].into_iter().enumerate() {
            assert_eq!(entries[at]["Id"], at.to_string());
            assert_eq!(entries[at]["MessageGroupId"], "0011");
            assert_eq!(
                entries[at]["MessageDeduplicationId"],
                format!("{number:016x}")
            );
            let text = entries[at]["MessageBody"].as_str().unwrap();
            assert_eq!(bodies.read(text.as_bytes()), Some(number));
        }
    }

    #[test]
    fn a_single_message_has_no_entries() {
        let bodies = Bodies::new(16, 1);
        let mut request = SendRequest::new(&queue(Order::Any), None, 16);
        request.patch(&bodies, 0, [9].into_iter());
        let value = body(request.bytes());
        assert_eq!(value.as_object().unwrap().len(), 2);
        let text = value["MessageBody"].as_str().unwrap();
        assert_eq!(bodies.read(text.as_bytes()), Some(9));
    }

    #[test]
    fn what_was_received_is_deleted_as_it_stood() {
        let answer = br#"{"Messages": [{"MessageId": "m", "ReceiptHandle": "a\"b\\", "MD5OfBody": "0", "Body": "x"},
            {"Body":"y","ReceiptHandle":"c/=","Attributes":{}}]}"#;
        let all: Vec<_> = received(answer).collect();
        assert_eq!(all, [(&b"x"[..], "a\\\"b\\\\"), (b"y", "c/=")]);
        assert_eq!(received(br#"{"Messages":[]}"#).count(), 0);
        let handles: Vec<&str> = all.iter().map(|(_, handle)| *handle).collect();
        let mut request = Vec::new();
        queue(Order::Any).write_delete(&mut request, &handles);
        let value = body(&request);
        assert_eq!(value["Entries"][0]["ReceiptHandle"], "a\"b\\");
        assert_eq!(value["Entries"][1]["Id"], "1");
    }

    #[test]
    fn successes_are_counted_and_failures_are_not() {
        assert_eq!(
            sent(br#"{"Successful":[{"Id":"0","MessageId":"a"},{"Id":"1","MessageId":"b"}],"Failed":[]}"#),
            2
        );
        assert_eq!(sent(br#"{"Failed":[{"Id":"0","Code":"X"}]}"#), 0);
        assert_eq!(
            deleted(
                br#"{"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "X"}]}"#,
                2
            ),
            1
        );
        assert_eq!(deleted(br#"{"Successful":[{"Id":"0"},{"Id":"1"}]}"#, 2), 2);
        assert_eq!(deleted(b"{}", 2), 0);
    }
}
