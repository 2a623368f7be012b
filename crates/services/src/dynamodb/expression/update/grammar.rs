//! The grammar of updates.
//!
//! ```text
//! update  = (SET set ("," set)* | REMOVE path ("," path)* | ADD path value ("," path value)* | DELETE path value ("," path value)*)+
//! set     = path "=" result
//! result  = operand | operand ("+" | "-") operand | "(" result ")"
//! ```
//!
//! There is one `+` or `-` at most in a result.

use crate::dynamodb::expression::parser::{Fault, Parser, RawPath, Term};

const KEYWORDS: &[&str] = &["SET", "REMOVE", "ADD", "DELETE"];

/// The four sections, as AWS's texts call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

impl Section {
    const ALL: [Section; 4] = [Section::Set, Section::Remove, Section::Add, Section::Delete];

    pub(super) fn keyword(self) -> &'static str {
        match self {
            Section::Set => "SET",
            Section::Remove => "REMOVE",
            Section::Add => "ADD",
            Section::Delete => "DELETE",
        }
    }
}

/// A path, and what is done with it; nothing where it is removed.
pub(super) type RawChange<'a> = (RawPath<'a>, Option<Term<'a>>);

/// The sections as written.
pub(super) fn parse(source: &str) -> Result<Vec<(Section, Vec<RawChange<'_>>)>, Fault> {
    let mut parser = Parser::new(source, KEYWORDS)?;
    let mut sections = Vec::new();
    while let Some(section) = Section::ALL
        .into_iter()
        .find(|one| parser.eat_word(one.keyword()))
    {
        let mut changes = vec![change(section, &mut parser)?];
        while parser.eat(",") {
            changes.push(change(section, &mut parser)?);
        }
        sections.push((section, changes));
    }
    parser.expect_end()?;
    parser.check_operators()?;
    Ok(sections)
}

fn change<'a>(section: Section, parser: &mut Parser<'a>) -> Result<RawChange<'a>, Fault> {
    let path = parser.path()?;
    let operand = match section {
        Section::Remove => None,
        Section::Add | Section::Delete => Some(Term::Value(parser.value()?)),
        Section::Set => {
            parser.expect("=")?;
            Some(result(parser)?)
        }
    };
    Ok((path, operand))
}

fn result<'a>(parser: &mut Parser<'a>) -> Result<Term<'a>, Fault> {
    let mut opened = parser.open();
    let left = parser.bare_operand()?;
    while opened > 0 && parser.eat(")") {
        opened -= 1;
    }
    let sign = ["+", "-"].into_iter().find(|sign| parser.eat(sign));
    let Some(sign) = sign else {
        parser.close(opened)?;
        return Ok(left);
    };
    parser.count_operator();
    let right = parser.operand()?;
    parser.close(opened)?;
    Ok(Term::Math(sign, Box::new([left, right])))
}
