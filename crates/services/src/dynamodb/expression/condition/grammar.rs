//! The grammar of conditions.
//!
//! ```text
//! any     = all (OR all)*
//! all     = not (AND not)*
//! not     = NOT not | one
//! one     = operand (comparator operand | BETWEEN operand AND operand | IN "(" operands ")")
//!         | function | "(" any ")"
//! ```
//!
//! A parenthesis may begin a condition or an operand, which shows only behind it. So both are read alike, and whoever needs a condition
//! refuses an operand at the token where the comparator should have been. What is unfinished when a parenthesis opens waits in a list of
//! [`Level`]s and not on the stack, which clients could otherwise fill.

use super::Comparator;
use crate::dynamodb::expression::parser::{Fault, Parser, Term};

const KEYWORDS: &[&str] = &["BETWEEN", "IN", "AND", "OR", "NOT"];
/// Most operands of IN. Source: "Condition and filter expressions, operators, and functions".
const IN_MAX: usize = 100;

/// A condition as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Clause<'a> {
    All(Vec<Clause<'a>>),
    Any(Vec<Clause<'a>>),
    Not(Box<Clause<'a>>),
    Compare(Comparator, Box<[Term<'a>; 2]>),
    /// What is between the second and the third.
    Between(Box<[Term<'a>; 3]>),
    In(Box<Term<'a>>, Vec<Term<'a>>),
    /// A function; anything else only while parsing.
    Bare(Box<Term<'a>>),
}

/// A whole expression as written.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    pub(super) clause: Clause<'a>,
    pub(super) redundant_parentheses: bool,
}

/// A clause, and whether parentheses were around all of it.
struct Read<'a> {
    clause: Clause<'a>,
    wrapped: bool,
}

impl<'a> From<Clause<'a>> for Read<'a> {
    fn from(clause: Clause<'a>) -> Self {
        Read {
            clause,
            wrapped: false,
        }
    }
}

/// What waits for the rest, between two parentheses or over the whole expression.
#[derive(Default)]
struct Level<'a> {
    any: Vec<Clause<'a>>,
    all: Vec<Clause<'a>>,
    /// NOT was seen an odd number of times.
    negated: bool,
    /// NOT was seen.
    has_not: bool,
}

pub(super) fn parse(source: &str) -> Result<Parsed<'_>, Fault> {
    let mut parser = Parser::new(source, KEYWORDS)?;
    let read = any(&mut parser)?;
    let clause = condition(&parser, read)?;
    parser.expect_end()?;
    parser.check_operators()?;
    Ok(Parsed {
        clause,
        redundant_parentheses: parser.redundant_parentheses,
    })
}

/// What was read, if it is a condition and not an operand whose comparator is missing.
fn condition<'a>(parser: &Parser<'a>, read: Read<'a>) -> Result<Clause<'a>, Fault> {
    match read.clause {
        Clause::Bare(term) if !matches!(*term, Term::Call(..)) => Err(parser.fault()),
        clause => Ok(clause),
    }
}

fn any<'a>(parser: &mut Parser<'a>) -> Result<Read<'a>, Fault> {
    let mut outer: Vec<Level<'a>> = Vec::new();
    let mut level = Level::default();
    loop {
        while parser.eat_word("NOT") {
            level.has_not = true;
            level.negated = !level.negated;
        }
        if parser.eat("(") {
            parser.enter()?;
            outer.push(std::mem::take(&mut level));
            continue;
        }
        let term = parser.bare_operand()?;
        let mut read = compared(parser, Box::new(term), false)?;
        while let Some(whole) = level.goes_on(parser, read)? {
            let Some(before) = outer.pop() else {
                return Ok(whole);
            };
            level = before;
            read = closed(parser, whole)?;
        }
    }
}

/// What the parenthesis that must close here had in it, and what follows if that was an operand.
fn closed<'a>(parser: &mut Parser<'a>, inner: Read<'a>) -> Result<Read<'a>, Fault> {
    parser.expect(")")?;
    parser.leave();
    parser.redundant_parentheses |= inner.wrapped;
    let Clause::Bare(mut term) = inner.clause else {
        return Ok(Read {
            clause: inner.clause,
            wrapped: true,
        });
    };
    // A path in parentheses may go on behind them.
    if let Term::Path(path) = &mut *term {
        parser.more_path(path)?;
    }
    compared(parser, term, true)
}

impl<'a> Level<'a> {
    /// Takes in what was read. Nothing if an AND or an OR goes on, or else the whole level.
    fn goes_on(
        &mut self,
        parser: &mut Parser<'a>,
        read: Read<'a>,
    ) -> Result<Option<Read<'a>>, Fault> {
        let mut read = read;
        if std::mem::take(&mut self.has_not) {
            let clause = condition(parser, read)?;
            read = match std::mem::take(&mut self.negated) {
                true => Clause::Not(Box::new(clause)).into(),
                false => clause.into(),
            };
        }
        let word = parser.peek().text;
        let and_follows = word.eq_ignore_ascii_case("AND");
        if and_follows || !self.all.is_empty() {
            // What is within AND is flat, so that chains of conditions are not deep.
            match condition(parser, read)? {
                Clause::All(clauses) => self.all.extend(clauses),
                clause => self.all.push(clause),
            }
            if parser.eat_word("AND") {
                return Ok(None);
            }
            read = Clause::All(std::mem::take(&mut self.all)).into();
        }
        if word.eq_ignore_ascii_case("OR") || !self.any.is_empty() {
            match condition(parser, read)? {
                Clause::Any(clauses) => self.any.extend(clauses),
                clause => self.any.push(clause),
            }
            if parser.eat_word("OR") {
                return Ok(None);
            }
            read = Clause::Any(std::mem::take(&mut self.any)).into();
        }
        Ok(Some(read))
    }
}

/// What is compared with the operand, if anything is.
fn compared<'a>(
    parser: &mut Parser<'a>,
    left: Box<Term<'a>>,
    wrapped: bool,
) -> Result<Read<'a>, Fault> {
    for comparator in Comparator::ALL {
        if parser.eat(comparator.symbol()) {
            parser.count_operator();
            let right = parser.operand()?;
            return Ok(Clause::Compare(comparator, Box::new([*left, right])).into());
        }
    }
    if parser.eat_word("BETWEEN") {
        parser.count_operator();
        let low = parser.operand()?;
        if !parser.eat_word("AND") {
            return Err(parser.fault());
        }
        let high = parser.operand()?;
        return Ok(Clause::Between(Box::new([*left, low, high])).into());
    }
    if parser.eat_word("IN") {
        parser.count_operator();
        parser.expect("(")?;
        let among = parser.operands()?;
        parser.expect(")")?;
        if among.len() > IN_MAX {
            return Err(format!(
                "The IN operator is provided with too many operands; number of operands: {}",
                among.len()
            ));
        }
        return Ok(Clause::In(left, among).into());
    }
    Ok(Read {
        clause: Clause::Bare(left),
        wrapped,
    })
}
