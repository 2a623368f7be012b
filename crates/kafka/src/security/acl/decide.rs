//! The decision: what rules say of somebody, without I/O.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::super::principal::Principal;
use super::{Operation, Pattern, Permission, Rule, SubjectOf};

/// Every name, in a literal rule; every address.
pub(super) const ANY: &str = "*";
/// Everybody.
const EVERYBODY: &str = "User:*";
/// A name that nobody makes a rule for: what is allowed to it is allowed by default.
const UNNAMED: &str = "\u{0}unnamed";

/// Rules, found by what they are about.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_subject: HashMap<SubjectOf, Patterns>,
}

#[derive(Debug, Default)]
struct Patterns {
    literal: HashMap<String, Vec<Entry>>,
    prefixed: HashMap<String, Vec<Entry>>,
    /// How long the prefixes are: only these lengths are looked up.
    lengths: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    operation: Operation,
    permission: Permission,
}

impl Index {
    pub(super) fn of<'a>(rules: impl Iterator<Item = &'a Rule>) -> Index {
        let mut index = Index::default();
        for rule in rules {
            let patterns = index.by_subject.entry(rule.of).or_default();
            let by_name = match rule.pattern {
                Pattern::Literal => &mut patterns.literal,
                Pattern::Prefixed => {
                    patterns.lengths.insert(rule.name.len());
                    &mut patterns.prefixed
                }
            };
            by_name.entry(rule.name.clone()).or_default().push(Entry {
                operation: rule.operation,
                permission: rule.permission,
            });
        }
        index
    }

    /// All rules about a thing.
    fn about(&self, of: SubjectOf, name: &str) -> impl Iterator<Item = Entry> {
        let patterns = self.by_subject.get(&of);
        patterns
            .into_iter()
            .flat_map(move |patterns| patterns.about(name))
    }
}

impl Patterns {
    fn about(&self, name: &str) -> impl Iterator<Item = Entry> {
        let literal = [self.literal.get(name), self.literal.get(ANY)];
        // A thing that is itself called `*` is found once.
        let literal = literal.into_iter().take(if name == ANY { 1 } else { 2 });
        let prefixed = self
            .lengths
            .range(..=name.len())
            .filter_map(move |length| self.prefixed.get(name.get(..*length)?));
        let found = literal.flatten().chain(prefixed);
        found.flatten().copied()
    }

    /// Whether some name is allowed by a rule that no other rule takes back whole.
    fn allows_any(&self, asked: Operation) -> bool {
        let denies = |entries: Option<&Vec<Entry>>| {
            entries.is_some_and(|entries| entries.iter().any(|entry| entry.denies(asked)))
        };
        let allows = |entries: &Vec<Entry>| entries.iter().any(|entry| entry.allows(asked));
        if denies(self.literal.get(ANY)) {
            return false;
        }
        let is_prefix_denied = |name: &str| {
            self.lengths
                .range(..=name.len())
                .filter_map(|length| name.get(..*length))
                .any(|prefix| denies(self.prefixed.get(prefix)))
        };
        let is_literal_left = |(name, entries): (&String, &Vec<Entry>)| {
            allows(entries) && (name == ANY || !denies(Some(entries)) && !is_prefix_denied(name))
        };
        let is_prefix_left =
            |(name, entries): (&String, &Vec<Entry>)| allows(entries) && !is_prefix_denied(name);
        self.literal.iter().any(is_literal_left) || self.prefixed.iter().any(is_prefix_left)
    }
}

impl Entry {
    fn denies(self, asked: Operation) -> bool {
        self.permission == Permission::Deny && self.operation.denies(asked)
    }

    fn allows(self, asked: Operation) -> bool {
        self.permission == Permission::Allow && self.operation.allows(asked)
    }
}

/// What the rules say of one principal at one address.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Of which state of the rules.
    pub(super) generation: u64,
    may_everything: bool,
    /// The rules that are about them.
    own: Index,
    /// All rules, where what no rule is about is allowed.
    all: Option<Arc<Index>>,
}

impl Standing {
    /// Of somebody who may do everything.
    pub(super) fn unbounded(generation: u64) -> Standing {
        Standing {
            generation,
            may_everything: true,
            own: Index::default(),
            all: None,
        }
    }

    /// Of `principal` at `address`. With `all`, what no rule is about is allowed.
    pub(super) fn of(
        rules: &[Rule],
        generation: u64,
        principal: &Principal,
        address: IpAddr,
        all: Option<Arc<Index>>,
    ) -> Standing {
        let name = principal.to_string();
        let address = address.to_canonical();
        let is_own = |rule: &&Rule| {
            let is_for = rule.principal == name || rule.principal == EVERYBODY;
            let host = rule.host.as_str();
            let is_here = || {
                host.parse()
                    .is_ok_and(|host: IpAddr| host.to_canonical() == address)
            };
            is_for && (host == ANY || is_here())
        };
        Standing {
            generation,
            may_everything: false,
            own: Index::of(rules.iter().filter(is_own)),
            all,
        }
    }

    /// Whether they may do that to the thing of that name.
    pub(crate) fn allows(&self, asked: Operation, of: SubjectOf, name: &str) -> bool {
        if self.may_everything {
            return true;
        }
        let mut is_allowed = false;
        for entry in self.own.about(of, name) {
            if entry.denies(asked) {
                return false;
            }
            is_allowed |= entry.allows(asked);
        }
        let is_unlisted = |all: &Arc<Index>| all.about(of, name).next().is_none();
        is_allowed || self.all.as_ref().is_some_and(is_unlisted)
    }

    /// Whether they may do that to anything of a kind.
    pub(crate) fn allows_any(&self, asked: Operation, of: SubjectOf) -> bool {
        let own = self.own.by_subject.get(&of);
        self.allows(asked, of, UNNAMED) || own.is_some_and(|own| own.allows_any(asked))
    }
}

#[cfg(test)]
mod tests;
