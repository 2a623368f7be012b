//! What an update means, and what AWS objects to in it.
//!
//! The order of objections is that of dynalite, found against AWS: reserved words, unknown functions, sections, names, values, paths
//! that are not apart, operands of ADD and DELETE, operands of functions; each over the whole expression.

use super::grammar::{RawChange, Section};
use super::{Change, Source};
use crate::dynamodb::expression::parser::{Fault, RawPath, Term, no_path, wrong_count, wrong_type};
use crate::dynamodb::expression::path::{check_reserved, check_reserved_path};
use crate::dynamodb::expression::{Context, Path};
use crate::dynamodb::value::{Type, Value};

type Sections<'a> = [(Section, Vec<RawChange<'a>>)];

/// The changes that the sections say.
pub(super) fn check(
    sections: &Sections<'_>,
    context: &mut Context,
) -> Result<Vec<(Path, Change)>, Fault> {
    let changes = || sections.iter().flat_map(|(_, changes)| changes);
    for (path, operand) in changes() {
        check_reserved_path(path)?;
        operand.iter().try_for_each(check_reserved)?;
    }
    for (_, operand) in changes() {
        operand.iter().try_for_each(check_known)?;
    }
    check_sections(sections)?;
    for (path, operand) in changes() {
        check_path_named(path, context)?;
        operand
            .iter()
            .try_for_each(|term| check_named(term, context))?;
    }
    for (_, operand) in changes() {
        operand
            .iter()
            .try_for_each(|term| check_valued(term, context))?;
    }
    let paths = changes().map(|(path, _)| Path::resolve(path, context));
    let paths: Vec<Path> = paths.collect::<Result<_, _>>()?;
    Path::check_apart(&paths.iter().collect::<Vec<_>>())?;
    let of_sections = |wanted: fn(Section) -> bool| {
        let sections = sections.iter().filter(move |(section, _)| wanted(*section));
        sections.flat_map(|(section, changes)| changes.iter().map(|change| (*section, change)))
    };
    for (section, (_, operand)) in of_sections(|one| matches!(one, Section::Add | Section::Delete))
    {
        operand
            .iter()
            .try_for_each(|term| check_added(section, term, context))?;
    }
    let all = of_sections(|_| true);
    let resolved = all.map(|(section, (_, operand))| change(section, operand.as_ref(), context));
    let resolved: Vec<Change> = resolved.collect::<Result<_, _>>()?;
    Ok(paths.into_iter().zip(resolved).collect())
}

fn operands<'t, 'a>(term: &'t Term<'a>) -> &'t [Term<'a>] {
    match term {
        Term::Path(_) | Term::Value(_) => &[],
        Term::Call(_, operands) => operands,
        Term::Math(_, operands) => &**operands,
    }
}

fn check_known(term: &Term<'_>) -> Result<(), Fault> {
    operands(term).iter().try_for_each(check_known)?;
    match term {
        Term::Call(name, _) if !matches!(*name, "if_not_exists" | "list_append") => {
            Err(format!("Invalid function name; function: {name}"))
        }
        _ => Ok(()),
    }
}

fn check_sections(sections: &Sections<'_>) -> Result<(), Fault> {
    for (at, (section, _)) in sections.iter().enumerate() {
        if sections
            .iter()
            .take(at)
            .any(|(earlier, _)| earlier == section)
        {
            return Err(format!(
                "The \"{}\" section can only be used once in an update expression;",
                section.keyword()
            ));
        }
    }
    Ok(())
}

fn check_path_named(path: &RawPath<'_>, context: &mut Context) -> Result<(), Fault> {
    Path::resolve(path, context).map(|_| ())
}

fn check_named(term: &Term<'_>, context: &mut Context) -> Result<(), Fault> {
    if let Term::Path(path) = term {
        check_path_named(path, context)?;
    }
    operands(term)
        .iter()
        .try_for_each(|operand| check_named(operand, context))
}

fn check_valued(term: &Term<'_>, context: &mut Context) -> Result<(), Fault> {
    if let Term::Value(key) = term {
        context.value(key)?;
    }
    operands(term)
        .iter()
        .try_for_each(|operand| check_valued(operand, context))
}

/// ADD takes numbers and sets, DELETE takes sets.
fn check_added(section: Section, term: &Term<'_>, context: &mut Context) -> Result<(), Fault> {
    let Term::Value(key) = term else {
        return Ok(());
    };
    let kind = context.value(key)?.kind();
    if kind.is_set() || (section == Section::Add && kind == Type::N) {
        return Ok(());
    }
    Err(format!(
        "Incorrect operand type for operator or function; operator: {}, operand type: {}",
        section.keyword(),
        kind.word()
    ))
}

fn change(
    section: Section,
    operand: Option<&Term<'_>>,
    context: &mut Context,
) -> Result<Change, Fault> {
    let Some(term) = operand else {
        return Ok(Change::Remove);
    };
    match (section, source(term, context)?) {
        (Section::Add, Source::Value(value)) => Ok(Change::Add(value)),
        (Section::Delete, Source::Value(value)) => Ok(Change::Delete(value)),
        (_, source) => Ok(Change::Set(source)),
    }
}

fn source(term: &Term<'_>, context: &mut Context) -> Result<Source, Fault> {
    match term {
        Term::Path(path) => Path::resolve(path, context).map(Source::Path),
        Term::Value(key) => context.value(key).map(Source::Value),
        Term::Math(sign, operands) => {
            let [left, right] = &**operands;
            let operands = [source(left, context)?, source(right, context)?];
            check_literals(sign, Type::N, &operands)?;
            Ok(match *sign {
                "+" => Source::Plus(Box::new(operands)),
                _ => Source::Minus(Box::new(operands)),
            })
        }
        Term::Call(name, terms) => {
            let operands = terms.iter().map(|term| source(term, context));
            let operands: Vec<Source> = operands.collect::<Result<_, _>>()?;
            let operands = <[Source; 2]>::try_from(operands)
                .map_err(|operands| wrong_count(name, operands.len()))?;
            if *name == "list_append" {
                check_literals(name, Type::L, &operands)?;
                return Ok(Source::Append(Box::new(operands)));
            }
            match operands {
                [Source::Path(path), otherwise] => {
                    Ok(Source::IfNotExists(path, Box::new(otherwise)))
                }
                _ => Err(no_path(name)),
            }
        }
    }
}

/// Values given in the request must have the type that the function takes.
fn check_literals(function: &str, wanted: Type, operands: &[Source; 2]) -> Result<(), Fault> {
    let literals = operands.iter().filter_map(|operand| match operand {
        Source::Value(value) => Some(Value::kind(value)),
        _ => None,
    });
    match literals.into_iter().find(|kind| *kind != wanted) {
        None => Ok(()),
        Some(kind) => Err(wrong_type(function, kind.name())),
    }
}
