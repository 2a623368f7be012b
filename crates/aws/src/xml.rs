//! XML, as much as answers need: elements, text, one namespace.
//!
//! Characters that XML 1.0 cannot hold at all become character references, as AWS writes them: a strict reader refuses the
//! answer, none reads something else. So does a carriage return, which readers would turn into a line feed.

use std::fmt::Write;

use bytes::Bytes;

/// Writes one document.
#[derive(Debug)]
pub(crate) struct Writer {
    out: String,
}

impl Writer {
    /// Begins a document.
    pub(crate) fn new() -> Self {
        Writer {
            out: "<?xml version=\"1.0\"?>".to_owned(),
        }
    }

    /// Opens an element within a namespace, if one is given.
    pub(crate) fn open_in(&mut self, name: &str, namespace: &str) {
        if namespace.is_empty() {
            return self.open(name);
        }
        self.tag("<", name, " xmlns=\"");
        escape_into(&mut self.out, namespace);
        self.out.push_str("\">");
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.tag("<", name, ">");
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.tag("</", name, ">");
    }

    pub(crate) fn empty(&mut self, name: &str) {
        self.tag("<", name, "/>");
    }

    /// An element that holds text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        escape_into(&mut self.out, text);
        self.close(name);
    }

    pub(crate) fn finish(self) -> Bytes {
        self.out.into()
    }

    fn tag(&mut self, before: &str, name: &str, after: &str) {
        self.out.push_str(before);
        self.out.push_str(name);
        self.out.push_str(after);
    }
}

/// Whether `text` can be the name of an element.
pub(crate) fn is_name(text: &str) -> bool {
    let mut letters = text.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Adds text, escaped for content and attributes alike.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, letter) in text.char_indices() {
        let reference = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\t' | '\n' => continue,
            '\0'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}' => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + letter.len_utf8();
        if reference.is_empty() {
            let _ = write!(out, "&#x{:X};", u32::from(letter));
        } else {
            out.push_str(reference);
        }
    }
    out.push_str(&text[plain_from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let check = |text: &str, expected: &str| {
            let mut out = String::new();
            escape_into(&mut out, text);
            assert_eq!(out, expected);
        };
        check("", "");
        check("plain ü \t\n'", "plain ü \t\n'");
        check(
            "<a href=\"x\">&amp;",
            "&lt;a href=&quot;x&quot;&gt;&amp;amp;",
        );
        check("a\r\nb", "a&#xD;\nb");
        check("\0\u{1b}\u{ffff}", "&#x0;&#x1B;&#xFFFF;");
    }

    #[test]
    fn names_are_told_from_keys() {
        for name in ["a", "_x", "QueueUrl", "MD5OfBody", "a-b.c9"] {
            assert!(is_name(name), "{name}");
        }
        for key in ["", "1", "a b", "a<b", "ü", "-a"] {
            assert!(!is_name(key), "{key}");
        }
    }

    #[test]
    fn elements_nest() {
        let mut out = Writer::new();
        out.open_in("A", "http://x/?a&b");
        out.leaf("B", "<");
        out.empty("C");
        out.close("A");
        let expected = "<?xml version=\"1.0\"?><A xmlns=\"http://x/?a&amp;b\"><B>&lt;</B><C/></A>";
        assert_eq!(out.finish(), expected);
    }
}
