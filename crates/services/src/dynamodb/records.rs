//! What DynamoDB keeps: keys and documents, in one place. How items and index entries lie is in [`super::rows`].
//!
//! | key | document |
//! |---|---|
//! | `dynamodb, account, region, name` | [`Table`] |
//! | `dynamodb-token, account, region, token` | a transaction carried out lately, see [`super::tokens`] |
//! | `dynamodb-item`, then bytes | an item or an entry of an index |
//!
//! Documents are JSON, but for items and entries. A member that is added later needs `#[serde(default)]`, so that older
//! documents are read still.

use std::collections::BTreeMap;

use model::{AccountId, Arn, Region, Timestamp};
use serde::{Deserialize, Serialize};
use store::Key;

use super::value::Type;

/// Whose table, where, and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TableName {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// 3 to 255 of `a-zA-Z0-9_.-`.
    pub name: String,
}

impl TableName {
    /// Its ARN.
    #[must_use]
    pub(super) fn arn(&self) -> Arn {
        let resource = format!("table/{}", self.name);
        Arn::new("dynamodb", &self.region, &self.account, &resource)
    }

    pub(super) fn key(&self) -> Key {
        let (account, region) = (self.account.as_str(), self.region.as_str());
        Key::of(&["dynamodb", account, region, &self.name])
    }

    /// The path above all tables.
    pub(super) fn top() -> Key {
        Key::of(&["dynamodb"])
    }

    /// The path above all tables of an account in a region.
    pub(super) fn folder(account: &AccountId, region: &Region) -> Key {
        Key::of(&["dynamodb", account.as_str(), region.as_str()])
    }

    pub(super) fn from_key(key: &Key) -> Option<TableName> {
        let text = std::str::from_utf8(key.as_bytes()).ok()?;
        let mut parts = text.split('\0').skip(1);
        let account = AccountId::parse(parts.next()?)?;
        let region = Region::parse(parts.next()?)?;
        Some(TableName {
            account,
            region,
            name: parts.next()?.into(),
        })
    }
}

/// What is kept of a table under its name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    /// Its UUID, which its items' keys have.
    pub id: u128,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is being deleted: its items are on their way out.
    pub is_deleting: bool,
    /// The key of its items.
    pub key: KeySchema,
    /// Local secondary indexes, by name.
    pub local: BTreeMap<String, Index>,
    /// Global secondary indexes, by name.
    pub global: BTreeMap<String, Index>,
    /// The number that the next index gets.
    pub next_index: u16,
    /// What it may be asked for in a second.
    pub billing: Billing,
    /// When it was first billed by request.
    pub on_demand_since: Option<Timestamp>,
    /// Tags, by key.
    pub tags: BTreeMap<String, String>,
    /// How it says that it is encrypted.
    pub encryption: Encryption,
    /// `STANDARD` or another, where it was given.
    pub class: Option<TableClass>,
    /// Whether DeleteTable is refused.
    pub is_protected: bool,
    /// Whose attribute says when items expire.
    pub expiry: Option<Expiry>,
    /// Whether point-in-time recovery is on, and for how many days.
    pub recovery: Option<Recovery>,
    /// The resource policy.
    pub policy: Option<Policy>,
}

/// An attribute that is part of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeyPart {
    /// Its name.
    pub name: String,
    /// Its type: text, number or bytes.
    pub kind: KeyKind,
}

/// Types that keys may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum KeyKind {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
}

impl KeyKind {
    /// The same among all types.
    #[must_use]
    pub(super) fn kind(self) -> Type {
        match self {
            KeyKind::S => Type::S,
            KeyKind::N => Type::N,
            KeyKind::B => Type::B,
        }
    }
}

/// The key of a table or an index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct KeySchema {
    /// The partition key.
    pub hash: KeyPart,
    /// The sort key.
    pub range: Option<KeyPart>,
}

impl KeySchema {
    /// Its parts, partition key first.
    pub(super) fn parts(&self) -> impl Iterator<Item = &KeyPart> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    /// Whether an attribute is part of it.
    #[must_use]
    pub(super) fn has(&self, name: &str) -> bool {
        self.parts().any(|part| part.name == name)
    }
}

/// A secondary index.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Index {
    /// Its number, which its entries' keys have. Never used again within the table.
    pub number: u16,
    /// The key of its entries.
    pub key: KeySchema,
    /// What they hold.
    pub projection: Projection,
    /// What a global one may be asked for in a second, where the table is provisioned.
    pub throughput: Option<Throughput>,
    /// How far it is made.
    pub state: IndexState,
}

/// What an index's entries hold beside the keys of index and table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
    /// The whole item.
    All,
}

/// How far an index is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum IndexState {
    /// Entries of items that were there before it are still to come.
    Filling,
    /// It can be read.
    Active,
    /// Its entries are on their way out.
    Deleting,
}

/// How a table is billed: what limits its use.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) enum Billing {
    /// So much a second.
    Provisioned(Throughput),
    /// By request, up to the caps given.
    OnDemand(Caps),
}

/// Capacity that is set.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Throughput {
    /// Read units a second.
    pub read: i64,
    /// Write units a second.
    pub write: i64,
    /// When one of them was raised.
    pub raised: Option<Timestamp>,
    /// When one of them was lowered.
    pub lowered: Option<Timestamp>,
    /// How often they were lowered on the day of `lowered`.
    pub lowerings: i64,
}

/// The most that a table on demand takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Caps {
    /// Read units a second.
    pub read: Option<i64>,
    /// Write units a second.
    pub write: Option<i64>,
}

/// How a table says that it is encrypted. Until there is a KMS, all documents lie alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Encryption {
    /// By a key of DynamoDB's own: nothing is said.
    Owned,
    /// By the key of this id.
    Kms(String),
}

/// Storage classes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct TableClass {
    /// `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
    pub name: String,
    /// When it was changed.
    pub changed: Option<Timestamp>,
}

/// When items expire.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Expiry {
    /// The attribute, in epoch seconds.
    pub attribute: String,
    /// The number of the index in which items lie by the time they expire.
    pub number: u16,
    /// How far that is made.
    pub state: IndexState,
}

/// The setting of point-in-time recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Recovery {
    /// When it was turned on.
    pub since: Timestamp,
    /// How far back, in days.
    pub days: i64,
}

/// A resource policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    /// As it was given.
    pub text: String,
    /// Its revision, which grows.
    pub revision: u64,
}

impl Table {
    /// All indexes, global and local, with their names.
    pub(super) fn indexes(&self) -> impl Iterator<Item = (&String, &Index)> {
        self.local.iter().chain(&self.global)
    }

    /// The index of that name.
    #[must_use]
    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.local.get(name).or_else(|| self.global.get(name))
    }

    /// Its id as AWS shows it.
    #[must_use]
    pub(super) fn uuid(&self) -> String {
        let id = self.id;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            id >> 80 & 0xffff,
            id >> 64 & 0xffff,
            id >> 48 & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}
