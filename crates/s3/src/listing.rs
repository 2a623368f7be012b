//! One page of a listing: names in byte order below a prefix, those that share a stretch up to a delimiter rolled up into one.
//!
//! Source: "Organizing objects using prefixes" in the S3 user guide. The work is bounded by what is shown: a group that is
//! rolled up is stepped over, however much is in it.

use store::{Document, Key, Scan, Store};

use crate::error::Result;
use crate::limits::SCAN_PAGE;
use crate::records::{below, past};

/// What to list.
pub(crate) struct Wanted<'a> {
    /// Below this.
    pub(crate) base: Key,
    pub(crate) prefix: &'a str,
    /// An empty one is none.
    pub(crate) delimiter: &'a str,
    /// Only what comes after this.
    pub(crate) after: Option<After>,
    /// Entries and groups together.
    pub(crate) max: usize,
}

/// Where a page begins.
pub(crate) enum After {
    /// After this name; after all of its group, if it is the name of one.
    Name(String),
    /// After the entry of this name and suffix.
    Entry(String, String),
    /// After all entries of this name.
    AllOf(String),
}

/// One page.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// Names up to and with the delimiter.
    pub(crate) groups: Vec<String>,
    pub(crate) is_truncated: bool,
    /// The last name shown, of an entry or a group.
    pub(crate) last: Option<String>,
}

/// What was found under a name.
pub(crate) struct Entry {
    pub(crate) name: String,
    /// What follows the name in its key, if there can be several of one name.
    pub(crate) suffix: Option<String>,
    pub(crate) document: Document,
}

impl Page {
    fn len(&self) -> usize {
        self.entries.len() + self.groups.len()
    }
}

impl Wanted<'_> {
    fn key(&self, rest: &str) -> Vec<u8> {
        [self.base.children().as_bytes(), rest.as_bytes()].concat()
    }

    /// The group that `name` is rolled up into.
    fn group<'n>(&self, name: &'n str) -> Option<&'n str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = name.strip_prefix(self.prefix)?;
        let at = rest.find(self.delimiter)?;
        name.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// The last key that is not wanted any more.
    fn start(&self) -> Option<Key> {
        Some(match self.after.as_ref()? {
            // Only a whole group is over: a name inside one leaves the rest of it to come.
            After::Name(name) if self.group(name) == Some(name) => past(&self.key(name)),
            After::Name(name) => Key::from_bytes(self.key(name).into()),
            After::Entry(name, suffix) => {
                Key::from_bytes(self.key(&format!("{name}\0{suffix}")).into())
            }
            After::AllOf(name) => past(&self.key(&format!("{name}\0"))),
        })
    }
}

/// Reads one page.
pub(crate) async fn page(store: &dyn Store, wanted: &Wanted<'_>) -> Result<Page> {
    let mut page = Page::default();
    if wanted.max == 0 {
        return Ok(page);
    }
    let mut after = wanted.start();
    loop {
        let scan = Scan {
            prefix: Key::from_bytes(wanted.key(wanted.prefix).into()),
            after: after.take(),
            // One more than fits shows whether the page is the last.
            limit: SCAN_PAGE.min(wanted.max - page.len() + 1),
        };
        let limit = scan.limit;
        let found = store.scan(scan).await?;
        let is_last = found.len() < limit;
        for (key, document) in found {
            after = Some(add(&mut page, wanted, &key, document));
            if page.is_truncated {
                return Ok(page);
            }
        }
        if is_last {
            return Ok(page);
        }
    }
}

/// Adds what was found under `key`, and says after which key to go on. A page that is full becomes truncated instead.
fn add(page: &mut Page, wanted: &Wanted<'_>, key: &Key, document: Document) -> Key {
    let rest = below(key, &wanted.base).unwrap_or_default();
    let (name, suffix) = match rest.split_once('\0') {
        Some((name, suffix)) => (name, Some(suffix.to_owned())),
        None => (rest, None),
    };
    let group = wanted.group(name);
    if let Some(group) = group
        && page.groups.last().is_some_and(|last| last == group)
    {
        return past(&wanted.key(group));
    }
    if page.len() == wanted.max {
        page.is_truncated = true;
        return key.clone();
    }
    page.last = Some(group.unwrap_or(name).to_owned());
    let Some(group) = group else {
        page.entries.push(Entry {
            name: name.to_owned(),
            suffix,
            document,
        });
        return key.clone();
    };
    page.groups.push(group.to_owned());
    past(&wanted.key(group))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::Clock;
    use store::{Catalog as _, Memory, Txn, Write};

    use super::*;
    use crate::records;

    async fn of(names: &[&str]) -> Memory {
        let store = Memory::new(Clock::system());
        let put = |name: &&str| Write::Put {
            key: records::object("b", name),
            value: Bytes::new(),
        };
        let txn = Txn {
            writes: names.iter().map(put).collect(),
            ..Txn::default()
        };
        store.commit(txn).await.unwrap();
        store
    }

    /// All pages of `max`, each going on after the last name of the one before: entries as they are, groups with `+`.
    async fn listed(store: &Memory, prefix: &str, delimiter: &str, max: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let wanted = Wanted {
                base: records::objects("b"),
                prefix,
                delimiter,
                after: after.map(After::Name),
                max,
            };
            let page = page(store, &wanted).await.unwrap();
            assert!(page.len() <= max);
            let groups = page.groups.iter().map(|group| format!("{group}+"));
            let mut shown: Vec<_> = page
                .entries
                .iter()
                .map(|entry| entry.name.clone())
                .collect();
            shown.extend(groups);
            shown.sort();
            all.extend(shown);
            if !page.is_truncated {
                return all;
            }
            after = page.last;
        }
    }

    #[tokio::test]
    async fn names_roll_up_at_delimiters_in_pages_of_any_size() {
        let names = [
            "a", "a/1", "a/2", "a/b/3", "a0", "b/", "b/x", "c", "é/1", "é/2", "z//", "z//a",
        ];
        let store = of(&names).await;
        for max in 1..=names.len() + 1 {
            let check = async |prefix: &str, delimiter: &str, expected: &[&str]| {
                let listed = listed(&store, prefix, delimiter, max).await;
                assert_eq!(listed, expected, "{prefix:?} {delimiter:?} by {max}");
            };
            check(
                "",
                "",
                &names[..8]
                    .iter()
                    .chain(&["z//", "z//a", "é/1", "é/2"])
                    .copied()
                    .collect::<Vec<_>>(),
            )
            .await;
            check("", "/", &["a", "a/+", "a0", "b/+", "c", "z/+", "é/+"]).await;
            check("a/", "/", &["a/1", "a/2", "a/b/+"]).await;
            check("b/", "/", &["b/", "b/x"]).await;
            check("z/", "/", &["z//+"]).await;
            check("é", "/", &["é/+"]).await;
            check("none", "/", &[]).await;
        }
    }

    #[tokio::test]
    async fn a_large_group_is_stepped_over() {
        let names: Vec<String> = (0..3000).map(|n| format!("big/{n:04}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("last");
        let store = of(&names).await;
        assert_eq!(listed(&store, "", "/", 1).await, ["big/+", "last"]);
    }

    #[tokio::test]
    async fn a_page_can_begin_inside_a_group() {
        let store = of(&["a/1", "a/2", "b"]).await;
        let wanted = Wanted {
            base: records::objects("b"),
            prefix: "",
            delimiter: "/",
            after: Some(After::Name("a/1".to_owned())),
            max: 10,
        };
        let page = page(&store, &wanted).await.unwrap();
        assert_eq!(page.groups, ["a/"]);
        assert_eq!(page.entries.len(), 1);
    }
}
