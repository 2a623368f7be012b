//! What gives the groups the time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{Machine, Shared};

/// Longest without a look at whether there are groups at all any more.
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Lets time pass for all groups, for as long as there are any.
pub(super) fn start(shared: &Arc<Shared>) {
    tokio::spawn(run(Arc::downgrade(shared)));
}

async fn run(groups: Weak<Shared>) {
    loop {
        let (next, wake) = match groups.upgrade() {
            Some(shared) => (shared.next_deadline(), Arc::clone(&shared.wake)),
            None => return,
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = wake.notified() => {}
        }
        if let Some(shared) = groups.upgrade() {
            shared.let_time_pass();
        }
    }
}

impl Shared {
    fn next_deadline(&self) -> Instant {
        let state = self.state();
        let latest = Instant::now() + LOOK_MAX;
        let first = state.deadlines.first();
        first.map_or(latest, |(at, _)| latest.min(*at))
    }

    fn let_time_pass(self: &Arc<Shared>) {
        let now = Instant::now();
        loop {
            let mut state = self.state();
            let due = state.deadlines.first().filter(|(at, _)| *at <= now);
            let Some((_, group)) = due.cloned() else {
                return;
            };
            match state.groups.get_mut(&group).map(|one| &mut one.machine) {
                Some(Machine::Consumer(machine)) => {
                    machine.on_timer(now);
                    self.after_change(&mut state, &group);
                }
                Some(Machine::Share(machine)) => {
                    machine.on_timer(now);
                    self.after_change(&mut state, &group);
                }
                _ => {
                    self.on_classic(&mut state, &group, |machine, _, out| {
                        machine.on_timer(now, out);
                    });
                }
            }
        }
    }
}
