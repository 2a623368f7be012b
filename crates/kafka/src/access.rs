//! Who may do what to what: the question every handler asks. [`security::acl`](crate::security::acl) has the answer.
//!
//! Sources: <https://kafka.apache.org/documentation/#operations_resources_and_protocols>.

use std::sync::Arc;

use crate::security::acl::{Standing, SubjectOf};
use crate::session::Call;

/// What somebody does, by the names ACLs have for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Operation {
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
}

/// To what it is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    Cluster,
    TransactionalId(&'a str),
}

/// What the cluster is called in ACLs.
pub(crate) const CLUSTER: &str = "kafka-cluster";

impl Resource<'_> {
    fn parts(&self) -> (SubjectOf, &str) {
        match self {
            Resource::Topic(name) => (SubjectOf::Topic, name),
            Resource::Group(name) => (SubjectOf::Group, name),
            Resource::Cluster => (SubjectOf::Cluster, CLUSTER),
            Resource::TransactionalId(name) => (SubjectOf::TransactionalId, name),
        }
    }

    /// What can be done to such a thing.
    fn operations(&self) -> &'static [Operation] {
        match self {
            Resource::Topic(_) => &[
                Operation::Read,
                Operation::Write,
                Operation::Create,
                Operation::Delete,
                Operation::Alter,
                Operation::Describe,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
            ],
            Resource::Group(_) => &[
                Operation::Read,
                Operation::Delete,
                Operation::Describe,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
            ],
            Resource::Cluster => &[
                Operation::Create,
                Operation::Alter,
                Operation::Describe,
                Operation::ClusterAction,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
                Operation::IdempotentWrite,
            ],
            Resource::TransactionalId(_) => &[Operation::Write, Operation::Describe],
        }
    }
}

impl Call {
    /// Whether whoever sent this may do that.
    pub(crate) fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let Some(standing) = self.standing() else {
            return true;
        };
        let (of, name) = resource.parts();
        standing.allows(operation.into(), of, name)
    }

    /// Whether whoever sent this may do that to anything of a kind at all (KIP-679).
    pub(crate) fn may_to_any(&self, operation: Operation, of: SubjectOf) -> bool {
        self.standing()
            .is_none_or(|standing| standing.allows_any(operation.into(), of))
    }

    /// All that whoever sent this may do to that, a bit for each operation by its number (KIP-430).
    pub(crate) fn authorized_operations(&self, resource: Resource<'_>) -> i32 {
        let allowed = resource
            .operations()
            .iter()
            .filter(|operation| self.may(**operation, resource));
        allowed.fold(0, |bits, operation| {
            bits | 1 << crate::security::acl::Operation::from(*operation).code()
        })
    }

    /// What the ACLs say of whoever sent this; nothing where they do not decide.
    fn standing(&self) -> Option<Arc<Standing>> {
        let acls = self.broker.security.acls.as_ref()?;
        let known = self.session.standing();
        if let Some(standing) = known.filter(|standing| acls.is_current(standing)) {
            return Some(standing);
        }
        let standing = acls.standing(&self.session.principal(), self.session.peer.ip());
        self.session.set_standing(&standing);
        Some(standing)
    }
}
