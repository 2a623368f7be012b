//! Expressions cut into tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a function or a keyword: a letter, then letters, digits and underscores.
    Word,
    /// `#alias`.
    Alias,
    /// `:value`.
    Value,
    /// Digits.
    Digits,
    /// One of `( ) [ ] , . = <> < <= > >= + -`.
    Symbol,
    /// A character that has no place in expressions.
    Bad,
    /// The end of the expression.
    End,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens, the last of which is the end.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        at += rest.len() - trimmed.len();
        let (kind, length) = first(trimmed);
        let end = at + length;
        let text = match kind {
            Kind::End => "<EOF>",
            _ => trimmed.get(..length).unwrap_or_default(),
        };
        tokens.push(Token {
            kind,
            text,
            start: at,
            end,
        });
        if kind == Kind::End {
            return tokens;
        }
        at = end;
    }
}

/// Kind and length in bytes of the token that text without leading space begins with.
fn first(text: &str) -> (Kind, usize) {
    let Some(letter) = text.chars().next() else {
        return (Kind::End, 0);
    };
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let run =
        |text: &str, wanted: fn(char) -> bool| text.find(|c| !wanted(c)).unwrap_or(text.len());
    let body = text.get(letter.len_utf8()..).unwrap_or_default();
    match letter {
        'a'..='z' | 'A'..='Z' => (Kind::Word, run(text, in_word)),
        '0'..='9' => (Kind::Digits, run(text, |c| c.is_ascii_digit())),
        '#' | ':' if body.starts_with(in_word) => {
            let kind = if letter == '#' {
                Kind::Alias
            } else {
                Kind::Value
            };
            (kind, 1 + run(body, in_word))
        }
        '<' if body.starts_with(['>', '=']) => (Kind::Symbol, 2),
        '>' if body.starts_with('=') => (Kind::Symbol, 2),
        '(' | ')' | '[' | ']' | ',' | '.' | '=' | '<' | '>' | '+' | '-' => (Kind::Symbol, 1),
        _ => (Kind::Bad, letter.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_cut_into_tokens() {
        let source = " size(#a_1.b[12])>=:v_2 é";
        let texts: Vec<&str> = tokens(source).iter().map(|token| token.text).collect();
        let expected = [
            "size", "(", "#a_1", ".", "b", "[", "12", "]", ")", ">=", ":v_2", "é", "<EOF>",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn what_begins_no_token_is_bad() {
        for source in ["_a", "#", ": a", "!", "\"", "\u{a0}"] {
            assert_eq!(tokens(source)[0].kind, Kind::Bad, "{source}");
        }
    }

    proptest! {
        #[test]
        fn tokens_cover_any_text(source in ".*") {
            let mut at = 0;
            for token in tokens(&source) {
                prop_assert!(source[at..token.start].trim().is_empty());
                at = token.end;
            }
            prop_assert_eq!(at, source.len());
        }
    }
}
