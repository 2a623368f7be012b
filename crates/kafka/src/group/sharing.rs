//! Share groups among the others: their heartbeats.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::admission::{TOPICS_GOOD_FOR, Wanted};
use super::consumer::{BeatAnswer, Found, JOINING};
use super::share::ShareBeat;
use super::{Groups, Machine, State, share};
use crate::wire::ErrorCode;

impl Groups {
    /// Whether there is a share group of that name.
    pub(crate) fn is_share(&self, group: &str) -> bool {
        let state = self.shared.state();
        let machine = state.groups.get(group).map(|entry| &entry.machine);
        matches!(machine, Some(Machine::Share(_)))
    }

    /// What has to be known for a heartbeat of a share group; `None` where nothing new is needed.
    pub(crate) fn wanted_to_share(&self, group: &str, beat: &ShareBeat) -> Option<Wanted> {
        let state = self.shared.state();
        let mut wanted = Wanted {
            names: beat.names.clone().unwrap_or_default(),
            regex: None,
        };
        if let Some(Machine::Share(machine)) = state.groups.get(group).map(|one| &one.machine) {
            let is_news = beat.epoch == JOINING || beat.names.is_some();
            if !is_news && !machine.should_look(Instant::now(), TOPICS_GOOD_FOR) {
                return None;
            }
            let subscribed = machine.subscribed_topics().into_iter().map(str::to_owned);
            wanted.names.extend(subscribed);
        }
        Some(wanted)
    }

    /// A heartbeat of a share group's member. `found` has the topics, if they were looked at.
    pub(crate) fn beat_share(
        &self,
        group: &str,
        beat: &ShareBeat,
        found: Option<&Found>,
    ) -> oneshot::Receiver<BeatAnswer> {
        let mut state = self.shared.state();
        let ready = self.ready_to_share(&mut state, group, beat);
        self.answer_beat(&mut state, group, ready, |machine, now| match machine {
            Machine::Share(machine) => Some(machine.on_beat(beat, found, now)),
            Machine::Classic(_) | Machine::Consumer(_) => None,
        })
    }

    /// Makes a share group that nobody is in, for offsets that it is to begin at, if there is no group of that name. What is
    /// answered is for nobody.
    pub(crate) fn make_shared(&self, group: &str) -> oneshot::Receiver<BeatAnswer> {
        let mut state = self.shared.state();
        let is_new = !state.groups.contains_key(group);
        let made = if is_new {
            let machine = Machine::Share(share::Group::default());
            self.shared.make(&mut state, group, machine)
        } else {
            Ok(())
        };
        let made = made.map_err(|code| (code, code.to_string()));
        self.answer_beat(&mut state, group, made, |machine, _| match machine {
            Machine::Share(machine) if is_new => {
                machine.must_be_kept();
                Some(BeatAnswer {
                    message: None,
                    ..BeatAnswer::refused(ErrorCode::None, "")
                })
            }
            _ => None,
        })
    }

    /// Sees to it that there is a share group of that name, if somebody may join one.
    fn ready_to_share(
        &self,
        state: &mut State,
        group: &str,
        beat: &ShareBeat,
    ) -> Result<(), (ErrorCode, String)> {
        match state.groups.get(group).map(|entry| &entry.machine) {
            Some(Machine::Share(_)) => return Ok(()),
            Some(_) => {
                let message = format!("Group {group} is not a share group.");
                return Err((ErrorCode::GroupIdNotFound, message));
            }
            None if beat.epoch != JOINING => {
                let message = format!("Share group {group} not found.");
                return Err((ErrorCode::GroupIdNotFound, message));
            }
            None => {}
        }
        let made = self
            .shared
            .make(state, group, Machine::Share(share::Group::default()));
        made.map_err(|code| (code, code.to_string()))
    }
}
