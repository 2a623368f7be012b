//! Groups as they were before the last stop.

use store::{Scan, StoreError};
use tokio::time::Instant;

use super::{Entry, Groups, Machine, Shared, classic, share, stored};
use crate::offsets;

/// Offsets looked at at once when groups are looked for.
const SCAN_MAX: usize = 10_000;

impl Groups {
    /// There is such a group: transactions are about to commit offsets of it.
    pub(crate) fn know(&self, group: String) {
        self.shared.know(group);
    }
}

impl Shared {
    fn know(&self, group: String) {
        let machine = || Machine::Classic(classic::Group::new(self.limits));
        let entry = || Entry::new(machine(), self.clock.now());
        self.state().groups.entry(group).or_insert_with(entry);
    }

    /// Reads all groups. Those that only have offsets are groups, too.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let now = Instant::now();
        for (key, document) in self.store.scan(Scan::below(&stored::folder())).await? {
            let Some(name) = stored::group(&key) else {
                continue;
            };
            let stored::Document { since, kind } = document.decode()?;
            let machine = match kind {
                stored::Kind::Classic(group) => Machine::Classic(group.restored(self.limits, now)),
                stored::Kind::Consumer(group) => {
                    let members = self.members(&name).await?;
                    Machine::Consumer(group.restored(members, now))
                }
                stored::Kind::Share(group) => Machine::Share(share::Group::restored(group.epoch)),
            };
            let mut state = self.state();
            let entry = Entry::new(machine, since);
            state.groups.insert(name.clone(), entry);
            self.schedule(&mut state, &name);
        }
        self.load_groups_of_offsets().await
    }

    async fn members(&self, group: &str) -> Result<Vec<stored::ConsumerMember>, StoreError> {
        let scan = Scan::below(&stored::member_folder(group));
        let found = self.store.scan(scan).await?;
        let members = found.iter().map(|(_, member)| member.decode());
        members.collect()
    }

    async fn load_groups_of_offsets(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let scan = Scan {
                after,
                limit: SCAN_MAX,
                ..Scan::below(&offsets::all())
            };
            let found = self.store.scan(scan).await?;
            for name in found.iter().filter_map(|(key, _)| offsets::group(key)) {
                self.know(name);
            }
            after = match found.into_iter().next_back() {
                Some((last, _)) => Some(last),
                None => return Ok(()),
            };
        }
    }
}
