//! From text to an expression. From loose to tight: `OR ||`, `AND &&`, comparisons, `+ -`, `* /`, `-x`, `^`.

use super::{Expression, Fault, Operator, Parsed, Search};

/// Deepest nesting.
const DEPTH_MAX: usize = 48;

#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    Number(f64),
    Text(&'a str),
    Word(&'a str),
    Sign(&'a str),
}

/// Longest first, so that `<=` is not taken for `<`.
const SIGNS: [&str; 19] = [
    "<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",",
    "=",
];

/// Reads an expression.
pub(in super::super) fn parse(text: &str) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        ids: Vec::new(),
        searches: Vec::new(),
    };
    let root = parser.expression(0, DEPTH_MAX)?;
    match parser.tokens.next() {
        None => Ok(Parsed {
            root,
            ids: parser.ids,
            searches: parser.searches,
        }),
        Some(token) => Err(unexpected(Some(&token))),
    }
}

fn unexpected(token: Option<&Token<'_>>) -> Fault {
    Fault::of(match token {
        None => "Unexpected end of expression".to_owned(),
        Some(Token::Number(number)) => format!("Unexpected token: {number}"),
        Some(Token::Text(text) | Token::Word(text) | Token::Sign(text)) => {
            format!("Unexpected token: {text}")
        }
    })
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first)?;
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// The token at the front, and its length in bytes.
fn token(rest: &str, first: char) -> Result<(Token<'_>, usize), Fault> {
    let run = |is_part: fn(char) -> bool| {
        let length = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        (rest.get(..length).unwrap_or_default(), length)
    };
    if first.is_ascii_digit() || first == '.' {
        let (digits, length) = number_run(rest);
        let number = digits
            .parse()
            .map_err(|_| Fault::of(format!("Unexpected token: {digits}")))?;
        return Ok((Token::Number(number), length));
    }
    if first.is_ascii_alphabetic() {
        let (word, length) = run(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        return Ok((Token::Word(word), length));
    }
    if first == '"' || first == '\'' {
        let inside = rest.get(1..).unwrap_or_default();
        let end = inside
            .find(first)
            .ok_or_else(|| Fault::of("Unterminated string"))?;
        let text = inside.get(..end).unwrap_or_default();
        return Ok((Token::Text(text), end + 2));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(Fault::of(format!("Unexpected character: {first}"))),
    }
}

/// Digits, a point, and an exponent with its sign.
fn number_run(rest: &str) -> (&str, usize) {
    let bytes = rest.as_bytes();
    let length = bytes.iter().enumerate().position(|(at, byte)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let is_sign = matches!(byte, b'+' | b'-') && matches!(before, Some(b'e' | b'E'));
        !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E') || is_sign)
    });
    let length = length.unwrap_or(rest.len());
    (rest.get(..length).unwrap_or_default(), length)
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
    ids: Vec<String>,
    searches: Vec<Search>,
}

/// An operator, and how tightly it binds.
fn operator(token: &Token<'_>) -> Option<(Operator, u8)> {
    let name = match token {
        Token::Sign(name) | Token::Word(name) => *name,
        Token::Number(_) | Token::Text(_) => return None,
    };
    Some(match name {
        "||" | "OR" => (Operator::Or, 1),
        "&&" | "AND" => (Operator::And, 2),
        "<" => (Operator::Less, 3),
        "<=" => (Operator::LessOrEqual, 3),
        ">" => (Operator::Greater, 3),
        ">=" => (Operator::GreaterOrEqual, 3),
        "==" => (Operator::Equal, 3),
        "!=" => (Operator::NotEqual, 3),
        "+" => (Operator::Add, 4),
        "-" => (Operator::Subtract, 4),
        "*" => (Operator::Multiply, 5),
        "/" => (Operator::Divide, 5),
        "^" => (Operator::Power, 7),
        _ => return None,
    })
}

/// How tightly a sign before an operand binds.
const NEGATION: u8 = 6;

impl Parser<'_> {
    /// An operand, and all that binds more tightly than `above`.
    fn expression(&mut self, above: u8, depth: usize) -> Result<Expression, Fault> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| Fault::of("The expression is nested too deeply"))?;
        let mut left = self.operand(depth)?;
        while let Some((operator, tightness)) = self.tokens.peek().and_then(operator) {
            if tightness <= above {
                break;
            }
            self.tokens.next();
            let right = self.expression(tightness, depth)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, Fault> {
        match self.tokens.next() {
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Text(text)) => Ok(Expression::Text(text.to_owned())),
            Some(Token::Sign("-")) => {
                let operand = self.expression(NEGATION, depth)?;
                Ok(Expression::Negated(Box::new(operand)))
            }
            Some(Token::Sign("(")) => {
                let inside = self.expression(0, depth)?;
                self.must_be(")")?;
                Ok(inside)
            }
            Some(Token::Sign("[")) => Ok(Expression::List(self.arguments("]", depth)?)),
            Some(Token::Word(word)) if self.tokens.next_if_eq(&Token::Sign("(")).is_some() => {
                let arguments = self.arguments(")", depth)?;
                self.call(word, arguments)
            }
            Some(Token::Word(word)) => {
                // Ids begin with a small letter; words such as REPEAT don't.
                let is_id = word.starts_with(|letter: char| letter.is_ascii_lowercase());
                if is_id && !self.ids.iter().any(|id| id == word) {
                    self.ids.push(word.to_owned());
                }
                Ok(Expression::Word(word.to_owned()))
            }
            other => Err(unexpected(other.as_ref())),
        }
    }

    fn arguments(&mut self, end: &'static str, depth: usize) -> Result<Vec<Expression>, Fault> {
        let mut arguments = Vec::new();
        if self.tokens.next_if_eq(&Token::Sign(end)).is_some() {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0, depth)?);
            if self.tokens.next_if_eq(&Token::Sign(",")).is_none() {
                self.must_be(end)?;
                return Ok(arguments);
            }
        }
    }

    fn must_be(&mut self, sign: &'static str) -> Result<(), Fault> {
        match self.tokens.next() {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            other => Err(unexpected(other.as_ref())),
        }
    }

    fn call(&mut self, name: &str, arguments: Vec<Expression>) -> Result<Expression, Fault> {
        if name != "SEARCH" {
            return Ok(Expression::Call(name.to_owned(), arguments));
        }
        let search = match arguments.as_slice() {
            [Expression::Text(terms), Expression::Text(statistic)] => Search {
                terms: terms.clone(),
                statistic: statistic.clone(),
                period: None,
            },
            [
                Expression::Text(terms),
                Expression::Text(statistic),
                Expression::Number(period),
            ] => Search {
                terms: terms.clone(),
                statistic: statistic.clone(),
                period: Some(*period as i64),
            },
            _ => return Err(Fault::of("SEARCH takes terms, a statistic and a period")),
        };
        self.searches.push(search);
        Ok(Expression::Search(self.searches.len() - 1))
    }
}
