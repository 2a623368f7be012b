//! What is searched for: read from text, and held against metrics.

use crate::metrics::identity::Identity;

/// Deepest nesting.
const DEPTH_MAX: usize = 32;

/// A condition on a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Terms {
    /// A namespace, if one is named, and all names of dimensions.
    Schema(Option<String>, Vec<String>),
    /// In any property or in one; a part of it or all.
    Word {
        property: Option<String>,
        text: String,
        is_exact: bool,
    },
    All(Vec<Terms>),
    Any(Vec<Terms>),
    Not(Box<Terms>),
}

impl Terms {
    pub(super) fn fit(&self, metric: &Identity) -> bool {
        match self {
            Terms::All(all) => all.iter().all(|terms| terms.fit(metric)),
            Terms::Any(any) => any.iter().any(|terms| terms.fit(metric)),
            Terms::Not(terms) => !terms.fit(metric),
            Terms::Schema(namespace, dimensions) => {
                let has = |name: &String| metric.dimensions.iter().any(|(known, _)| known == name);
                namespace
                    .as_ref()
                    .is_none_or(|namespace| *namespace == metric.namespace)
                    && metric.dimensions.len() == dimensions.len()
                    && dimensions.iter().all(has)
            }
            Terms::Word {
                property,
                text,
                is_exact,
            } => {
                let is_in = |found: &str| {
                    if *is_exact {
                        return found == text;
                    }
                    found
                        .to_ascii_lowercase()
                        .contains(&text.to_ascii_lowercase())
                };
                match property.as_deref() {
                    Some("Namespace") => is_in(&metric.namespace),
                    Some("MetricName") => is_in(&metric.name),
                    Some(dimension) => metric
                        .dimensions
                        .iter()
                        .any(|(name, value)| name == dimension && is_in(value)),
                    None => {
                        let mut dimensions = metric.dimensions.iter();
                        is_in(&metric.namespace)
                            || is_in(&metric.name)
                            || dimensions.any(|(name, value)| is_in(name) || is_in(value))
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(char),
}

pub(super) fn parse(text: &str) -> Result<Terms, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let terms = any(&mut tokens, DEPTH_MAX)?;
    match tokens.next() {
        None => Ok(terms),
        Some(token) => Err(unexpected(Some(token))),
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

fn unexpected(token: Option<Token>) -> String {
    match token {
        None => "unexpected end".to_owned(),
        Some(Token::Word(text) | Token::Quoted(text)) => format!("unexpected {text}"),
        Some(Token::Sign(sign)) => format!("unexpected {sign}"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => {}
            '{' | '}' | '(' | ')' | ',' | '=' | ':' => tokens.push(Token::Sign(letter)),
            '"' => {
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some(letter) => quoted.push(letter),
                        None => return Err("a quotation is not closed".to_owned()),
                    }
                }
                tokens.push(Token::Quoted(quoted));
            }
            letter => {
                let mut word = String::from(letter);
                let is_part =
                    |letter: &char| !letter.is_whitespace() && !"{}(),=\"".contains(*letter);
                while let Some(letter) = letters.next_if(is_part) {
                    word.push(letter);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(found)) if found == word)
}

/// Terms between `OR`.
fn any(tokens: &mut Tokens, depth: usize) -> Result<Terms, String> {
    let depth = depth.checked_sub(1).ok_or("nested too deeply")?;
    let mut parts = vec![all(tokens, depth)?];
    while is_word(tokens.peek(), "OR") {
        tokens.next();
        parts.push(all(tokens, depth)?);
    }
    Ok(if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        Terms::Any(parts)
    })
}

/// Terms beside each other, or between `AND`.
fn all(tokens: &mut Tokens, depth: usize) -> Result<Terms, String> {
    let mut parts = vec![one(tokens, depth)?];
    loop {
        match tokens.peek() {
            Some(token) if is_word(Some(token), "AND") => {
                tokens.next();
            }
            None | Some(Token::Sign(')')) => break,
            token if is_word(token, "OR") => break,
            Some(_) => {}
        }
        parts.push(one(tokens, depth)?);
    }
    Ok(if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        Terms::All(parts)
    })
}

fn one(tokens: &mut Tokens, depth: usize) -> Result<Terms, String> {
    match tokens.next() {
        Some(Token::Sign('{')) => schema(tokens),
        Some(Token::Sign('(')) => {
            let inside = any(tokens, depth)?;
            match tokens.next() {
                Some(Token::Sign(')')) => Ok(inside),
                other => Err(unexpected(other)),
            }
        }
        Some(Token::Word(word)) if word == "NOT" => {
            let depth = depth.checked_sub(1).ok_or("nested too deeply")?;
            Ok(Terms::Not(Box::new(one(tokens, depth)?)))
        }
        Some(Token::Word(name) | Token::Quoted(name))
            if tokens.next_if_eq(&Token::Sign('=')).is_some() =>
        {
            let (text, is_exact) = match tokens.next() {
                Some(Token::Word(text)) => (text, false),
                Some(Token::Quoted(text)) => (text, true),
                other => return Err(unexpected(other)),
            };
            Ok(Terms::Word {
                property: Some(name),
                text,
                is_exact,
            })
        }
        Some(Token::Word(word)) if word == "OR" || word == "AND" => {
            Err(unexpected(Some(Token::Word(word))))
        }
        Some(Token::Word(text)) => Ok(Terms::Word {
            property: None,
            text,
            is_exact: false,
        }),
        Some(Token::Quoted(text)) => Ok(Terms::Word {
            property: None,
            text,
            is_exact: true,
        }),
        other => Err(unexpected(other)),
    }
}

/// `{Namespace, Dimension, ...}`, its first brace read already.
fn schema(tokens: &mut Tokens) -> Result<Terms, String> {
    let mut names = Vec::new();
    loop {
        match tokens.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => names.push(name),
            Some(Token::Sign('}')) if names.is_empty() => {
                return Err(unexpected(Some(Token::Sign('}'))));
            }
            other => return Err(unexpected(other)),
        }
        match tokens.next() {
            Some(Token::Sign(',')) => {}
            Some(Token::Sign('}')) => break,
            other => return Err(unexpected(other)),
        }
    }
    let namespace = names.remove(0);
    Ok(Terms::Schema(Some(namespace), names))
}

#[cfg(test)]
mod tests {
    use model::{AccountId, Region};

    use super::*;
    use crate::metrics::identity::Owner;

    fn metric() -> Identity {
        let owner = Owner {
            account: AccountId::unnamed(),
            region: Region::unnamed(),
        };
        let dimensions = [("InstanceId", "i-123"), ("Zone", "eu 1")];
        let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Identity::new(
            owner,
            "AWS/EC2".into(),
            "CPUUtilization".into(),
            dimensions.to_vec(),
        )
    }

    #[test]
    fn what_fits() {
        for text in [
            "{AWS/EC2,InstanceId,Zone}",
            "{\"AWS/EC2\", Zone, InstanceId} MetricName=\"CPUUtilization\"",
            "cpu",
            "CPU i-1",
            "\"eu 1\"",
            "Namespace=EC2 NOT disk",
            "disk OR (cpu AND zone)",
            "InstanceId=I-12",
            "NOT (disk OR net)",
        ] {
            assert!(parse(text).unwrap().fit(&metric()), "{text}");
        }
    }

    #[test]
    fn what_does_not() {
        for text in [
            "{AWS/EC2,InstanceId}",
            "{AWS/S3,InstanceId,Zone}",
            "MetricName=\"CPU\"",
            "cpu disk",
            "\"cpu\"",
            "Zone=i-123",
            "NOT cpu",
        ] {
            assert!(!parse(text).unwrap().fit(&metric()), "{text}");
        }
    }

    #[test]
    fn what_is_no_search() {
        for text in [
            "", "{", "{}", "{a,}", "(cpu", "cpu)", "a=", "OR", "\"x", "NOT",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(1_000)).is_err());
    }
}
