//! ACLs: rules of who may do what to what, from where.
//!
//! A rule allows or denies. Denying beats allowing, and what no rule allows is denied, unless the broker is told to allow what
//! no rule is about. Reading, writing, deleting and altering allow describing; altering a configuration allows describing it.
//!
//! Read [`decide`] (the decision), [`store`] (where rules are kept), [`apis`].
//! Sources: KIP-11, KIP-290 (prefixes), Kafka's `StandardAuthorizer`.

pub(crate) mod apis;
mod decide;
#[cfg(test)]
pub(super) mod every_api;
mod store;

use serde::{Deserialize, Serialize};

pub(crate) use decide::Standing;
pub(crate) use store::{Acls, keep_refreshed};

/// What a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum SubjectOf {
    Topic,
    Group,
    Cluster,
    TransactionalId,
    DelegationToken,
    User,
}

impl SubjectOf {
    pub(super) const ALL: &[SubjectOf] = &[
        SubjectOf::Topic,
        SubjectOf::Group,
        SubjectOf::Cluster,
        SubjectOf::TransactionalId,
        SubjectOf::DelegationToken,
        SubjectOf::User,
    ];

    /// Its number in requests.
    pub(crate) fn code(self) -> i8 {
        match self {
            SubjectOf::Topic => 2,
            SubjectOf::Group => 3,
            SubjectOf::Cluster => 4,
            SubjectOf::TransactionalId => 5,
            SubjectOf::DelegationToken => 6,
            SubjectOf::User => 7,
        }
    }

    pub(crate) fn of(code: i8) -> Option<SubjectOf> {
        SubjectOf::ALL
            .iter()
            .copied()
            .find(|one| one.code() == code)
    }
}

/// How a rule's name is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Pattern {
    /// That name; `*` is every name.
    Literal,
    /// Every name that begins so.
    Prefixed,
}

impl Pattern {
    pub(crate) fn code(self) -> i8 {
        match self {
            Pattern::Literal => 3,
            Pattern::Prefixed => 4,
        }
    }

    pub(crate) fn of(code: i8) -> Option<Pattern> {
        [Pattern::Literal, Pattern::Prefixed]
            .into_iter()
            .find(|one| one.code() == code)
    }
}

/// What a rule allows or denies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
    CreateTokens,
    DescribeTokens,
    TwoPhaseCommit,
}

impl Operation {
    pub(super) const ALL: &[Operation] = &[
        Operation::All,
        Operation::Read,
        Operation::Write,
        Operation::Create,
        Operation::Delete,
        Operation::Alter,
        Operation::Describe,
        Operation::ClusterAction,
        Operation::DescribeConfigs,
        Operation::AlterConfigs,
        Operation::IdempotentWrite,
        Operation::CreateTokens,
        Operation::DescribeTokens,
        Operation::TwoPhaseCommit,
    ];

    /// Its number in requests: they are numbered without a gap from 2.
    pub(crate) fn code(self) -> i8 {
        self as i8 + 2
    }

    pub(crate) fn of(code: i8) -> Option<Operation> {
        let at = usize::try_from(code.checked_sub(2)?).ok()?;
        Operation::ALL.get(at).copied()
    }

    /// Whether a rule that allows this allows `asked`, too.
    pub(super) fn allows(self, asked: Operation) -> bool {
        let implies = match asked {
            Operation::Describe => matches!(
                self,
                Operation::Read | Operation::Write | Operation::Delete | Operation::Alter
            ),
            Operation::DescribeConfigs => self == Operation::AlterConfigs,
            _ => false,
        };
        self.denies(asked) || implies
    }

    /// Whether a rule that denies this denies `asked`: nothing is implied.
    pub(super) fn denies(self, asked: Operation) -> bool {
        self == Operation::All || self == asked
    }
}

impl From<crate::access::Operation> for Operation {
    fn from(operation: crate::access::Operation) -> Operation {
        use crate::access::Operation as Asked;
        match operation {
            Asked::Read => Operation::Read,
            Asked::Write => Operation::Write,
            Asked::Create => Operation::Create,
            Asked::Delete => Operation::Delete,
            Asked::Alter => Operation::Alter,
            Asked::Describe => Operation::Describe,
            Asked::ClusterAction => Operation::ClusterAction,
            Asked::DescribeConfigs => Operation::DescribeConfigs,
            Asked::AlterConfigs => Operation::AlterConfigs,
            Asked::IdempotentWrite => Operation::IdempotentWrite,
        }
    }
}

/// Which of the two a rule does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Permission {
    Deny,
    Allow,
}

impl Permission {
    pub(crate) fn code(self) -> i8 {
        match self {
            Permission::Deny => 2,
            Permission::Allow => 3,
        }
    }

    pub(crate) fn of(code: i8) -> Option<Permission> {
        [Permission::Deny, Permission::Allow]
            .into_iter()
            .find(|one| one.code() == code)
    }
}

/// One rule, as it is kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) of: SubjectOf,
    pub(crate) pattern: Pattern,
    /// Of the resource, or its beginning.
    pub(crate) name: String,
    /// As [`Principal`](super::principal::Principal) writes itself; `User:*` is everybody.
    pub(crate) principal: String,
    /// An address; `*` is any.
    pub(crate) host: String,
    pub(crate) operation: Operation,
    pub(crate) permission: Permission,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back() {
        for one in SubjectOf::ALL {
            assert_eq!(SubjectOf::of(one.code()), Some(*one));
        }
        for one in Operation::ALL {
            assert_eq!(Operation::of(one.code()), Some(*one));
        }
        assert_eq!(Operation::Read.code(), 3);
        assert_eq!(Operation::IdempotentWrite.code(), 12);
        assert_eq!(Operation::TwoPhaseCommit.code(), 15);
        for unknown in [i8::MIN, -1, 0, 1, 16, i8::MAX] {
            assert_eq!(Operation::of(unknown), None);
        }
    }
}
