//! JSON with comments, as the AWS agent takes it.

/// The text with its comments (`//`, `#` and `/* */`) made blank, so that places in what is left are places in `text`.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let length = string_length(rest);
                out.push_str(rest.get(..length).unwrap_or_default());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            '#' => line_length(rest),
            '/' if rest.starts_with("//") => line_length(rest),
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(at) => at + 2,
                None => rest.len(),
            },
            other => {
                out.push(other);
                rest = rest.get(other.len_utf8()..).unwrap_or_default();
                continue;
            }
        };
        let (comment, after) = rest.split_at(length);
        out.extend(comment.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Length of the string that `text` begins with, both quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blank_and_strings_stay() {
        let check = |text: &str, expected: &str| assert_eq!(without_comments(text), expected);
        check("{} // end", "{}       ");
        check("# all\n{}", "     \n{}");
        check("{/* a\nb */}", "{    \n    }");
        check(
            r#"{"a": "http://x#y /* */"}"#,
            r#"{"a": "http://x#y /* */"}"#,
        );
        check(r#"{"a\"//": 1} //b"#, r#"{"a\"//": 1}    "#);
        check("/* open", "       ");
        check("\"open // ", "\"open // ");
        check("{\"é\": 1}#é", "{\"é\": 1}   ");
    }
}
