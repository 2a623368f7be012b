//! SINGLELINE: a record of several lines becomes one line.

/// SINGLELINE with its `parseOptions`.
#[derive(Debug)]
pub struct SingleLine {
    /// Spaces around each line go, which NO_TRIM forbids.
    pub trims: bool,
    /// Newlines become `\\n`, two backslashes and an n, which ESCAPE_NEW_LINE asks for; else they go.
    pub escapes: bool,
}

impl SingleLine {
    pub(super) fn convert(&self, record: &[u8], out: &mut Vec<u8>) {
        let mut end = record.len();
        while end > 0 && record.get(end - 1) == Some(&b'\n') {
            end -= 1;
        }
        let record = record.get(..end).unwrap_or_default();
        for (at, line) in record.split(|byte| *byte == b'\n').enumerate() {
            if at > 0 && self.escapes {
                out.extend_from_slice(br"\\n");
            }
            out.extend_from_slice(if self.trims { trim(line) } else { line });
        }
        out.push(b'\n');
    }
}

/// As Java's `trim`: space and all control characters.
fn trim(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte <= b' ';
    let start = line.iter().position(|byte| !is_blank(byte));
    let end = line.iter().rposition(|byte| !is_blank(byte));
    match (start, end) {
        (Some(start), Some(end)) => line.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}
