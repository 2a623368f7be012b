//! What a condition means, and what AWS objects to in it.
//!
//! The order of objections is that of dynalite, found against AWS: parentheses, unknown functions, functions where they can't stand,
//! reserved words, each over the whole expression; then, condition by condition, names and values, numbers of operands, operands that
//! must differ, types.

use super::grammar::{Clause, Parsed};
use super::{Comparator, Operand, Test};
use crate::dynamodb::expression::parser::{Fault, Term, no_path, wrong_count, wrong_type};
use crate::dynamodb::expression::path::check_reserved;
use crate::dynamodb::expression::{Context, Path};
use crate::dynamodb::value::{Type, Value};

/// Functions and how many operands they have.
const FUNCTIONS: [(&str, usize); 6] = [
    ("attribute_exists", 1),
    ("attribute_not_exists", 1),
    ("attribute_type", 2),
    ("begins_with", 2),
    ("contains", 2),
    ("size", 1),
];

pub(super) fn check(parsed: &Parsed<'_>, context: &mut Context) -> Result<Test, Fault> {
    if parsed.redundant_parentheses {
        return Err("The expression has redundant parentheses;".to_owned());
    }
    let clause = &parsed.clause;
    each_term(clause, &mut |term, _| check_known(term))?;
    each_term(clause, &mut check_used_well)?;
    each_term(clause, &mut |term, _| check_reserved(term))?;
    resolve(clause, context)
}

/// Where a term stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Condition,
    Operand,
}

/// Calls `visit` on each operand and function that stands directly in the condition, as written.
fn each_term<'a>(
    clause: &Clause<'a>,
    visit: &mut dyn FnMut(&Term<'a>, Place) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match clause {
        Clause::All(clauses) | Clause::Any(clauses) => {
            for clause in clauses {
                each_term(clause, visit)?;
            }
            Ok(())
        }
        Clause::Not(clause) => each_term(clause, visit),
        Clause::Compare(_, terms) => terms
            .iter()
            .try_for_each(|term| visit(term, Place::Operand)),
        Clause::Between(terms) => terms
            .iter()
            .try_for_each(|term| visit(term, Place::Operand)),
        Clause::In(term, among) => {
            visit(term, Place::Operand)?;
            among
                .iter()
                .try_for_each(|term| visit(term, Place::Operand))
        }
        Clause::Bare(term) => visit(term, Place::Condition),
    }
}

fn check_known(term: &Term<'_>) -> Result<(), Fault> {
    let Term::Call(name, operands) = term else {
        return Ok(());
    };
    operands.iter().try_for_each(check_known)?;
    match FUNCTIONS.iter().any(|(known, _)| known == name) {
        true => Ok(()),
        false => Err(format!("Invalid function name; function: {name}")),
    }
}

/// `size` is an operand, all other functions are conditions.
fn check_used_well(term: &Term<'_>, place: Place) -> Result<(), Fault> {
    let Term::Call(name, operands) = term else {
        return Ok(());
    };
    let right = if *name == "size" {
        Place::Operand
    } else {
        Place::Condition
    };
    if place != right {
        return Err(format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        ));
    }
    operands
        .iter()
        .try_for_each(|operand| check_used_well(operand, Place::Operand))
}

/// The recursion is as deep as conditions are nested, so it holds little on the stack: loops, and no operands.
fn resolve(clause: &Clause<'_>, context: &mut Context) -> Result<Test, Fault> {
    match clause {
        Clause::All(clauses) => resolve_each(clauses, context).map(Test::All),
        Clause::Any(clauses) => resolve_each(clauses, context).map(Test::Any),
        Clause::Not(clause) => resolve(clause, context).map(|test| Test::Not(Box::new(test))),
        Clause::Compare(comparator, terms) => compare(*comparator, terms, context),
        Clause::Between(terms) => between(terms, context),
        Clause::In(term, among) => within(term, among, context),
        Clause::Bare(term) => match &**term {
            Term::Call(name, terms) => function(name, terms, context),
            _ => Err(no_path("AND")),
        },
    }
}

fn resolve_each(clauses: &[Clause<'_>], context: &mut Context) -> Result<Vec<Test>, Fault> {
    let mut tests = Vec::with_capacity(clauses.len());
    for clause in clauses {
        tests.push(resolve(clause, context)?);
    }
    Ok(tests)
}

fn within(term: &Term<'_>, among: &[Term<'_>], context: &mut Context) -> Result<Test, Fault> {
    let left = operand(term, context)?;
    let among = operands(among, context)?;
    check_distinct("IN", &left, &among)?;
    Ok(Test::In(left, among))
}

fn operands(terms: &[Term<'_>], context: &mut Context) -> Result<Vec<Operand>, Fault> {
    terms.iter().map(|term| operand(term, context)).collect()
}

fn operand(term: &Term<'_>, context: &mut Context) -> Result<Operand, Fault> {
    match term {
        Term::Path(path) => Path::resolve(path, context).map(Operand::Path),
        Term::Value(key) => context.value(key).map(Operand::Value),
        Term::Call(name, terms) => {
            let operands = operands(terms, context)?;
            let count = operands.len();
            let Ok([within]) = <[Operand; 1]>::try_from(operands) else {
                return Err(wrong_count(name, count));
            };
            if let Operand::Size(_) = within {
                return Err(wrong_type(name, Type::N.name()));
            }
            if let Some(kind @ (Type::N | Type::Bool | Type::Null)) = literal_type(&within) {
                return Err(wrong_type(name, kind.name()));
            }
            Ok(Operand::Size(Box::new(within)))
        }
        Term::Math(sign, _) => Err(format!("Invalid function name; function: {sign}")),
    }
}

fn literal(operand: &Operand) -> Option<&Value> {
    match operand {
        Operand::Value(value) => Some(&**value),
        _ => None,
    }
}

fn literal_type(operand: &Operand) -> Option<Type> {
    literal(operand).map(Value::kind)
}

/// A literal that has no order can't be less or more than anything.
fn check_ordered(operator: &str, operand: &Operand) -> Result<(), Fault> {
    match literal_type(operand) {
        Some(kind) if !kind.is_ordered() => Err(format!(
            "Incorrect operand type for operator or function; operator: {operator}, operand type: {}",
            kind.name()
        )),
        _ => Ok(()),
    }
}

fn check_distinct(operator: &str, first: &Operand, rest: &[Operand]) -> Result<(), Fault> {
    let Operand::Path(path) = first else {
        return Ok(());
    };
    match rest.contains(first) {
        false => Ok(()),
        true => Err(format!(
            "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {path}"
        )),
    }
}

fn compare(
    comparator: Comparator,
    terms: &[Term<'_>; 2],
    context: &mut Context,
) -> Result<Test, Fault> {
    let [left, right] = terms;
    let left = operand(left, context)?;
    let right = operand(right, context)?;
    let symbol = comparator.symbol();
    check_distinct(symbol, &left, std::slice::from_ref(&right))?;
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        check_ordered(symbol, &left)?;
        check_ordered(symbol, &right)?;
    }
    Ok(Test::Compare(left, comparator, right))
}

fn between(terms: &[Term<'_>; 3], context: &mut Context) -> Result<Test, Fault> {
    let [value, low, high] = terms;
    let value = operand(value, context)?;
    let low = operand(low, context)?;
    let high = operand(high, context)?;
    for operand in [&value, &low, &high] {
        check_ordered("BETWEEN", operand)?;
    }
    if let (Some(lower), Some(upper)) = (literal(&low), literal(&high)) {
        let fault = match lower.order(upper) {
            None => "requires same data type for lower and upper bounds",
            Some(std::cmp::Ordering::Greater) => {
                "requires upper bound to be greater than or equal to lower bound"
            }
            Some(_) => return Ok(Test::Between(value, low, high)),
        };
        return Err(format!(
            "The BETWEEN operator {fault}; lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
            shown(lower),
            shown(upper)
        ));
    }
    Ok(Test::Between(value, low, high))
}

/// As AWS shows a value that has an order: `{N:1}`.
fn shown(value: &Value) -> String {
    let kind = value.kind().name();
    match value {
        Value::S(text) => format!("{{{kind}:{text}}}"),
        Value::N(number) => format!("{{{kind}:{number}}}"),
        Value::B(data) => format!("{{{kind}:{}}}", aws::shapes::encode_base64(data)),
        _ => format!("{{{kind}}}"),
    }
}

fn function(name: &str, terms: &[Term<'_>], context: &mut Context) -> Result<Test, Fault> {
    let operands = operands(terms, context)?;
    let wanted = FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, count)| *count);
    if wanted != Some(operands.len()) {
        return Err(wrong_count(name, operands.len()));
    }
    let mut operands = operands.into_iter();
    let first = operands.next().ok_or_else(|| wrong_count(name, 0))?;
    let Some(second) = operands.next() else {
        let Operand::Path(path) = first else {
            return Err(no_path(name));
        };
        return Ok(match name {
            "attribute_not_exists" => Test::Missing(path),
            _ => Test::Exists(path),
        });
    };
    check_distinct(name, &first, std::slice::from_ref(&second))?;
    match name {
        "attribute_type" => Ok(Test::IsType(first, type_named(name, &second)?)),
        "begins_with" => {
            for operand in [&first, &second] {
                if let Some(kind) = known_type(operand)
                    && !matches!(kind, Type::S | Type::B)
                {
                    return Err(wrong_type(name, kind.name()));
                }
            }
            Ok(Test::BeginsWith(first, second))
        }
        _ => Ok(Test::Contains(first, second)),
    }
}

/// The type that an operand has in any item.
fn known_type(operand: &Operand) -> Option<Type> {
    match operand {
        Operand::Size(_) => Some(Type::N),
        _ => literal_type(operand),
    }
}

fn type_named(function: &str, operand: &Operand) -> Result<Type, Fault> {
    let Some(Value::S(name)) = literal(operand) else {
        let kind = known_type(operand).map_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}", Type::name);
        return Err(wrong_type(function, kind));
    };
    Type::named(name).ok_or_else(|| {
        format!(
            "Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
        )
    })
}
