//! Heartbeats of groups whose work is divided here: consumer groups', and what share groups' have in common with them.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::consumer::{self, Beat, BeatAnswer, Found};
use super::{Answer, Groups, Machine, State};
use crate::wire::ErrorCode;

impl Groups {
    /// A heartbeat of a consumer group's member. `found` has the topics, if they were looked at.
    pub(crate) fn beat(
        &self,
        group: &str,
        beat: &Beat,
        found: Option<&Found>,
    ) -> oneshot::Receiver<BeatAnswer> {
        let mut state = self.shared.state();
        let ready = self.ready_for(&mut state, group, beat, found);
        self.answer_beat(&mut state, group, ready, |machine, now| match machine {
            Machine::Consumer(machine) => Some(machine.on_beat(beat, found, now)),
            Machine::Classic(_) | Machine::Share(_) => None,
        })
    }

    /// Lets a group's machine answer a heartbeat, where it is `ready`, and carries out what comes of it.
    pub(super) fn answer_beat(
        &self,
        state: &mut State,
        group: &str,
        ready: Result<(), (ErrorCode, String)>,
        on_beat: impl FnOnce(&mut Machine, Instant) -> Option<BeatAnswer>,
    ) -> oneshot::Receiver<BeatAnswer> {
        let (sender, receiver) = oneshot::channel();
        if let Err((code, message)) = ready {
            drop(sender.send(BeatAnswer::refused(code, message)));
            return receiver;
        }
        if let Some(entry) = state.groups.get_mut(group)
            && let Some(answer) = on_beat(&mut entry.machine, Instant::now())
        {
            entry.answer_when_kept(Answer::Beat(sender, answer));
        }
        self.shared.after_change(state, group);
        receiver
    }

    /// Sees to it that there is a consumer group of that name, if somebody may join one.
    fn ready_for(
        &self,
        state: &mut State,
        group: &str,
        beat: &Beat,
        found: Option<&Found>,
    ) -> Result<(), (ErrorCode, String)> {
        let is_joining = beat.epoch == consumer::JOINING;
        match state.groups.get(group).map(|entry| &entry.machine) {
            Some(Machine::Consumer(_)) => return Ok(()),
            // One that is about to have its first member gives way.
            Some(Machine::Classic(classic)) if classic.members().next().is_some() && is_joining => {
                return self.shared.upgrade(state, group, beat, found);
            }
            Some(Machine::Classic(_)) if !is_joining => {
                let message = format!("Group {group} is not a consumer group.");
                return Err((ErrorCode::GroupIdNotFound, message));
            }
            None if !is_joining => {
                let message = format!("Consumer group {group} not found.");
                return Err((ErrorCode::GroupIdNotFound, message));
            }
            Some(Machine::Share(_)) => {
                let message = format!("Group {group} is not a consumer group.");
                return Err((ErrorCode::GroupIdNotFound, message));
            }
            Some(Machine::Classic(_)) | None => {}
        }
        let machine = Machine::Consumer(consumer::Group::default());
        let made = self.shared.make(state, group, machine);
        made.map_err(|code| (code, code.to_string()))
    }
}
