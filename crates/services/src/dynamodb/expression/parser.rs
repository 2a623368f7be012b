//! What the grammars of all expressions share: paths, values, functions, and what AWS says of an error in the syntax.
//!
//! Parsing makes trees of names as written ([`Term`]). What they mean is looked up afterwards, because AWS tells errors in this order:
//! syntax, then functions and words, then names and values, then types.

use super::token::{Kind, Token, tokens};

/// Most bytes of an expression. Source: "Constraints in Amazon DynamoDB", expression parameters.
const EXPRESSION_BYTES_MAX: usize = 4096;
/// Most operators and functions of an expression. Source: as above; AWS counts no AND, OR and NOT.
const OPERATORS_MAX: usize = 300;
/// Deepest nesting of parentheses. AWS has no such limit, but 300 conditions within each other are as many as it takes.
const NESTING_MAX: usize = 301;
/// Deepest nesting of functions, for the stack's sake. AWS takes as many as fit in an expression; here more are answered as too many
/// operators.
const CALLS_MAX: usize = 64;

/// The text of what is wrong, without "Invalid ...Expression: ".
pub(super) type Fault = String;

/// A name as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    Plain(&'a str),
    /// With its `#`.
    Alias(&'a str),
}

/// A step of a path as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawStep<'a> {
    Name(Name<'a>),
    /// Digits.
    Index(&'a str),
}

/// A path as written; the first step is a name.
pub(super) type RawPath<'a> = Vec<RawStep<'a>>;

/// An operand as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term<'a> {
    Path(RawPath<'a>),
    /// With its `:`.
    Value(&'a str),
    Call(&'a str, Vec<Term<'a>>),
    /// `+` or `-`, and its operands.
    Math(&'a str, Box<[Term<'a>; 2]>),
}

/// A place in an expression, and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    keywords: &'static [&'static str],
    nesting: usize,
    calls: usize,
    operators: usize,
    /// Parentheses right within parentheses were seen.
    pub(super) redundant_parentheses: bool,
}

impl<'a> Parser<'a> {
    /// At the beginning of an expression whose grammar has these keywords.
    pub(super) fn new(
        source: &'a str,
        keywords: &'static [&'static str],
    ) -> Result<Parser<'a>, Fault> {
        if source.len() > EXPRESSION_BYTES_MAX {
            return Err(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                source.len()
            ));
        }
        let tokens = tokens(source);
        if tokens.len() == 1 {
            return Err("The expression can not be empty;".to_owned());
        }
        Ok(Parser {
            source,
            tokens,
            at: 0,
            keywords,
            nesting: 0,
            calls: 0,
            operators: 0,
            redundant_parentheses: false,
        })
    }

    /// The token at the place. The last token is the end, which no parser passes.
    pub(super) fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token {
            kind: Kind::End,
            text: "<EOF>",
            start: self.source.len(),
            end: self.source.len(),
        })
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Passes the symbol if it is next.
    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = self.sees(symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn sees(&self, symbol: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Symbol && token.text == symbol
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Fault> {
        match self.eat(symbol) {
            true => Ok(()),
            false => Err(self.fault()),
        }
    }

    /// Passes the keyword, in whatever case, if it is next.
    pub(super) fn eat_word(&mut self, keyword: &str) -> bool {
        let token = self.peek();
        let found = token.kind == Kind::Word && token.text.eq_ignore_ascii_case(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Nothing may follow.
    pub(super) fn expect_end(&self) -> Result<(), Fault> {
        match self.peek().kind {
            Kind::End => Ok(()),
            _ => Err(self.fault()),
        }
    }

    /// The error at this place: the token, and the text from the token before to the token after.
    pub(super) fn fault(&self) -> Fault {
        let token = self.peek();
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let after = self.tokens.get(self.at + 1);
        let start = before.map_or(token.start, |before| before.start);
        let end = match (token.kind, before, after) {
            (Kind::End, Some(before), _) => before.end,
            (_, _, Some(after)) if after.kind != Kind::End => after.end,
            _ => token.end,
        };
        let near = self.source.get(start..end).unwrap_or_default();
        format!("Syntax error; token: \"{}\", near: \"{near}\"", token.text)
    }

    /// Into parentheses; `leave` comes out again. An expression that fails needs no leaving.
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        self.nesting += 1;
        match self.nesting > NESTING_MAX {
            true => Err(too_many_operators(self.nesting)),
            false => Ok(()),
        }
    }

    pub(super) fn leave(&mut self) {
        self.nesting -= 1;
    }

    /// Counts an operator or a function.
    pub(super) fn count_operator(&mut self) {
        self.operators += 1;
    }

    /// To be called at the end, as AWS counts all before it says that there are too many.
    pub(super) fn check_operators(&self) -> Result<(), Fault> {
        match self.operators > OPERATORS_MAX {
            true => Err(too_many_operators(self.operators)),
            false => Ok(()),
        }
    }

    /// A path: `a.#b[3]`.
    pub(super) fn path(&mut self) -> Result<RawPath<'a>, Fault> {
        let head = self.name()?;
        let mut path = vec![RawStep::Name(head)];
        self.more_path(&mut path)?;
        Ok(path)
    }

    /// The steps that follow, if any do.
    pub(super) fn more_path(&mut self, path: &mut RawPath<'a>) -> Result<(), Fault> {
        loop {
            if self.eat(".") {
                path.push(RawStep::Name(self.name()?));
            } else if self.eat("[") {
                let token = self.peek();
                if token.kind != Kind::Digits {
                    return Err(self.fault());
                }
                self.advance();
                self.expect("]")?;
                path.push(RawStep::Index(token.text));
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self) -> Result<Name<'a>, Fault> {
        let token = self.peek();
        let name = match token.kind {
            Kind::Word if !self.is_keyword(token.text) => Name::Plain(token.text),
            Kind::Alias => Name::Alias(token.text),
            _ => return Err(self.fault()),
        };
        self.advance();
        Ok(name)
    }

    fn is_keyword(&self, word: &str) -> bool {
        self.keywords
            .iter()
            .any(|keyword| word.eq_ignore_ascii_case(keyword))
    }

    /// A value, and nothing else.
    pub(super) fn value(&mut self) -> Result<&'a str, Fault> {
        let token = self.peek();
        if token.kind != Kind::Value {
            return Err(self.fault());
        }
        self.advance();
        Ok(token.text)
    }

    /// An operand in parentheses or not.
    pub(super) fn operand(&mut self) -> Result<Term<'a>, Fault> {
        let opened = self.open();
        let term = self.bare_operand()?;
        self.close(opened)?;
        Ok(term)
    }

    /// Passes parentheses that open, and counts them.
    pub(super) fn open(&mut self) -> usize {
        let mut opened = 0;
        while self.eat("(") {
            opened += 1;
        }
        self.redundant_parentheses |= opened > 1;
        opened
    }

    /// Passes as many parentheses that close.
    pub(super) fn close(&mut self, opened: usize) -> Result<(), Fault> {
        (0..opened).try_for_each(|_| self.expect(")"))
    }

    /// A value, a function of operands, or a path.
    pub(super) fn bare_operand(&mut self) -> Result<Term<'a>, Fault> {
        let token = self.peek();
        let next = self.tokens.get(self.at + 1);
        let is_call = next.is_some_and(|next| next.kind == Kind::Symbol && next.text == "(");
        match token.kind {
            Kind::Value => self.value().map(Term::Value),
            Kind::Word if is_call && !self.is_keyword(token.text) => self.call(token.text),
            _ => self.path().map(Term::Path),
        }
    }

    fn call(&mut self, name: &'a str) -> Result<Term<'a>, Fault> {
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return Err(too_many_operators(self.calls));
        }
        self.count_operator();
        self.advance();
        self.expect("(")?;
        let operands = self.operands()?;
        self.expect(")")?;
        self.calls -= 1;
        Ok(Term::Call(name, operands))
    }

    /// Operands with commas between, at least one.
    pub(super) fn operands(&mut self) -> Result<Vec<Term<'a>>, Fault> {
        let mut operands = vec![self.operand()?];
        while self.eat(",") {
            operands.push(self.operand()?);
        }
        Ok(operands)
    }
}

fn too_many_operators(count: usize) -> Fault {
    format!("The expression contains too many operators; operator count: {count}")
}

/// AWS's text for the wrong number of a function's operands.
pub(super) fn wrong_count(function: &str, operands: usize) -> Fault {
    format!(
        "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: {operands}"
    )
}

/// AWS's text for an operand that a function can't have.
pub(super) fn wrong_type(function: &str, kind: impl std::fmt::Display) -> Fault {
    format!(
        "Incorrect operand type for operator or function; operator or function: {function}, operand type: {kind}"
    )
}

/// AWS's text for an operand that must be a path.
pub(super) fn no_path(function: &str) -> Fault {
    format!("Operator or function requires a document path; operator or function: {function}")
}
