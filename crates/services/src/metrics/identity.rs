//! What tells one metric from another: whose it is, its namespace, its name, its dimensions in whatever order.

use std::fmt;

use aws::Caller;
use aws_lc_rs::digest::{SHA256, digest};
use model::{AccountId, Region};
use store::Key;

use super::packed::{Reader, Writer};

/// Whose metrics, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner {
    pub(super) account: AccountId,
    pub(super) region: Region,
}

impl Owner {
    pub(super) fn of(caller: &Caller) -> Owner {
        Owner {
            account: caller.account.clone(),
            region: caller.region.clone(),
        }
    }
}

/// One metric. Ordered by owner, namespace, name, dimensions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity {
    pub(super) owner: Owner,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Names and values, in the order of the names.
    pub(super) dimensions: Vec<(String, String)>,
}

impl Identity {
    pub(super) fn new(
        owner: Owner,
        namespace: String,
        name: String,
        mut dimensions: Vec<(String, String)>,
    ) -> Identity {
        dimensions.sort_unstable();
        Identity {
            owner,
            namespace,
            name,
            dimensions,
        }
    }

    /// Before all metrics of an owner.
    pub(super) fn first_of(owner: Owner) -> Identity {
        Identity::new(owner, String::new(), String::new(), Vec::new())
    }

    /// The key of the document kept of it. Names and dimensions are too long for one, so it is made of their digest.
    pub(super) fn key(&self) -> Key {
        let mut writer = Writer::default();
        self.write(&mut writer);
        let digest = digest(&SHA256, &writer.finish());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Key::of(&["metrics", "kept", &hex])
    }

    /// What all keys are below.
    pub(super) fn folder() -> Key {
        Key::of(&["metrics", "kept"])
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.text(self.owner.account.as_str());
        writer.text(self.owner.region.as_str());
        writer.text(&self.namespace);
        writer.text(&self.name);
        writer.whole(self.dimensions.len() as i64);
        for (name, value) in &self.dimensions {
            writer.text(name);
            writer.text(value);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Identity> {
        let owner = Owner {
            account: AccountId::parse(reader.text()?)?,
            region: Region::parse(reader.text()?)?,
        };
        let namespace = reader.text()?.to_owned();
        let name = reader.text()?.to_owned();
        let count = reader.count()?;
        let mut dimensions = Vec::with_capacity(count);
        for _ in 0..count {
            dimensions.push((reader.text()?.to_owned(), reader.text()?.to_owned()));
        }
        Some(Identity::new(owner, namespace, name, dimensions))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.namespace, self.name, self.dimensions)
    }
}
