//! JSON objects as the AWS agent prints them: members in order, on one line or one a line.

use serde::Serialize;

/// `jsonFormat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// COMPACT: one line.
    #[default]
    Compact,
    /// PRETTYPRINT: one member a line, as Jackson does it.
    Pretty,
}

/// An object being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    layout: Layout,
    is_first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, layout: Layout) -> Object<'a> {
        out.push(b'{');
        Object {
            out,
            layout,
            is_first: true,
        }
    }

    /// A member whose value is text, or null. Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn text(&mut self, name: &str, value: Option<&[u8]>) {
        match value {
            None => self.member(name, &()),
            Some(text) => self.member(name, &String::from_utf8_lossy(text)),
        }
    }

    /// A member of any value.
    pub(super) fn member<T: Serialize>(&mut self, name: &str, value: &T) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        if self.layout == Layout::Pretty {
            self.out.extend_from_slice(b"\n  ");
        }
        write(self.out, name);
        let colon: &[u8] = match self.layout {
            Layout::Compact => b":",
            Layout::Pretty => b" : ",
        };
        self.out.extend_from_slice(colon);
        write(self.out, value);
    }

    /// The end of the object and of the record.
    pub(super) fn end(self) {
        if self.layout == Layout::Pretty && !self.is_first {
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"}\n");
    }
}

fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Texts and documents that came from JSON can be written as JSON, and a Vec takes every byte.
    serde_json::to_writer(out, value).expect("text is JSON");
}
