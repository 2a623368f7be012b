//! All groups there are: each a machine, and here what gives the machines the time, keeps what must be durable, and carries
//! answers to those who wait for them.
//!
//! One lock holds all machines; nothing is awaited under it. A group is written by one task at a time, which writes what the
//! group is when it begins; an answer that depends on it goes out when that is durable.

pub(crate) mod classic;
pub(crate) mod consumer;
pub(crate) mod share;
pub(crate) mod stored;

mod admission;
mod beating;
mod embedded;
mod forgetting;
mod keeping;
mod lag;
pub(crate) mod limits;
mod loading;
mod migration;
pub(crate) mod retention;
mod sharing;
mod timers;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Clock, Rng, Timestamp};
use store::{Store, StoreError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub(crate) use admission::Wanted;
pub use lag::GroupLag;
pub(crate) use limits::check_name;
pub(crate) use view::{GroupView, Kind, MemberView, Subscribed};

use crate::wire::ErrorCode;

use classic::{Effect, Join, JoinAnswer, Sync, SyncAnswer, Ticket};
use consumer::{BeatAnswer, Found};

/// Groups at one time, those without members included.
const GROUPS_MAX: usize = 100_000;

/// All groups there are.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Clock,
    rng: Rng,
    limits: classic::Limits,
    groups: Mutex<State>,
    /// A deadline may have come nearer.
    wake: Arc<Notify>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Groups({})", self.state().groups.len())
    }
}

#[derive(Default)]
struct State {
    groups: HashMap<String, Entry>,
    deadlines: BTreeSet<(Instant, String)>,
    waiting: HashMap<Ticket, Waiting>,
    last_ticket: Ticket,
}

/// One group and what is under way for it.
struct Entry {
    machine: Machine,
    /// As [`stored::Document::since`].
    since: Timestamp,
    /// As it stands in the state's deadlines.
    deadline: Option<Instant>,
    is_being_stored: bool,
    must_be_stored: bool,
    /// Members kept of the consumer group that it was, to be removed when it is written.
    leftovers: BTreeSet<String>,
    /// Answers that go out when the group is durable up to a revision.
    held: Vec<(u64, Answer)>,
    /// Held alone by who writes the group, and by who writes its offsets together.
    turn: Arc<tokio::sync::RwLock<()>>,
}

enum Machine {
    Classic(classic::Group),
    Consumer(consumer::Group),
    Share(share::Group),
}

impl Entry {
    fn new(machine: Machine, since: Timestamp) -> Entry {
        Entry {
            machine,
            since,
            deadline: None,
            is_being_stored: false,
            must_be_stored: false,
            leftovers: BTreeSet::new(),
            held: Vec::new(),
            turn: Arc::default(),
        }
    }
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Machine::Classic(group) => group.deadline(),
            Machine::Consumer(group) => group.deadline(),
            Machine::Share(group) => group.deadline(),
        }
    }

    fn revision(&self) -> u64 {
        match self {
            Machine::Classic(group) => group.revision(),
            Machine::Consumer(group) => group.revision(),
            Machine::Share(group) => group.revision(),
        }
    }

    /// Counts changes on from those of the group that this one was.
    fn follow(&mut self, revision: u64) {
        match self {
            Machine::Classic(group) => group.follow(revision),
            Machine::Consumer(group) => group.follow(revision),
            Machine::Share(group) => group.follow(revision),
        }
    }

    /// Whether something of a group whose work is divided here is yet to be made durable.
    fn has_changes(&self) -> bool {
        match self {
            Machine::Classic(_) => false,
            Machine::Consumer(group) => group.has_changes(),
            Machine::Share(group) => group.has_changes(),
        }
    }

    /// As [`consumer::Group::changed_members`].
    fn changed_members(&self) -> impl Iterator<Item = &str> {
        let consumers = match self {
            Machine::Consumer(group) => Some(group),
            Machine::Classic(_) | Machine::Share(_) => None,
        };
        consumers
            .into_iter()
            .flat_map(consumer::Group::changed_members)
    }

    /// Whether nobody is there or about to come.
    fn is_deserted(&self) -> bool {
        match self {
            Machine::Classic(group) => group.is_deserted(),
            Machine::Consumer(group) => group.is_empty(),
            Machine::Share(group) => group.is_empty(),
        }
    }
}

/// Who waits for an answer of a classic group.
enum Waiting {
    Join(oneshot::Sender<JoinAnswer>),
    Sync(oneshot::Sender<SyncAnswer>),
}

/// An answer and who waits for it.
enum Answer {
    Join(oneshot::Sender<JoinAnswer>, JoinAnswer),
    Sync(oneshot::Sender<SyncAnswer>, SyncAnswer),
    Beat(oneshot::Sender<BeatAnswer>, BeatAnswer),
}

impl Answer {
    fn of(effect: Effect, to: Waiting) -> Option<Answer> {
        match (effect, to) {
            (Effect::Joined(_, answer), Waiting::Join(to)) => Some(Answer::Join(to, answer)),
            (Effect::Synced(_, answer), Waiting::Sync(to)) => Some(Answer::Sync(to, answer)),
            _ => None,
        }
    }

    /// Who has gone meanwhile asks again.
    fn send(self) {
        match self {
            Answer::Join(to, answer) => drop(to.send(answer)),
            Answer::Sync(to, answer) => drop(to.send(answer)),
            Answer::Beat(to, answer) => drop(to.send(answer)),
        }
    }

    /// Answers that what had to be durable is not.
    fn fail(self, code: ErrorCode) {
        match self {
            Answer::Join(to, answer) => {
                drop(to.send(JoinAnswer::refused(code, &answer.member)));
            }
            Answer::Sync(to, _) => drop(to.send(SyncAnswer::refused(code))),
            Answer::Beat(to, _) => drop(to.send(BeatAnswer::refused(code, code.to_string()))),
        }
    }
}

impl Groups {
    /// The groups in `store`, as they were when they were last made durable.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Clock,
        rng: Rng,
        limits: classic::Limits,
    ) -> Result<Groups, StoreError> {
        let shared = Arc::new(Shared {
            store,
            clock,
            rng,
            limits,
            groups: Mutex::default(),
            wake: Arc::default(),
        });
        shared.load().await?;
        timers::start(&shared);
        Ok(Groups { shared })
    }

    /// A name for a new member of a classic group, which nobody else has: what it calls itself, and what nobody does.
    pub(crate) fn new_member_id(&self, prefix: &str) -> String {
        let uuid = self.new_uuid();
        let prefix = limits::beginning(prefix, 1 + uuid.len());
        format!("{prefix}-{uuid}")
    }

    /// A name which nobody else has.
    pub(crate) fn new_uuid(&self) -> String {
        let (high, low) = (self.shared.rng.next_u64(), self.shared.rng.next_u64());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
        let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
    }

    /// Somebody joins a group by the classic protocol. It is made if there is none and they are new. `found` has the topics that
    /// [`Groups::wanted_by_join`] asked for.
    pub(crate) fn join(
        &self,
        group: &str,
        join: Join,
        found: Option<&Found>,
    ) -> oneshot::Receiver<JoinAnswer> {
        let (sender, receiver) = oneshot::channel();
        let shared = &self.shared;
        let mut state = shared.state();
        let is_new = join.member.is_empty();
        let ready = match state.groups.get(group).map(|entry| &entry.machine) {
            Some(Machine::Classic(_)) => Ok(()),
            Some(Machine::Consumer(machine)) if !machine.is_empty() => {
                self.join_consumers(&mut state, group, (&join, found), sender);
                return receiver;
            }
            // An empty one, too: what it knows of records would go with it.
            Some(Machine::Share(_)) => Err(ErrorCode::InconsistentGroupProtocol),
            Some(Machine::Consumer(_)) | None if !is_new => Err(ErrorCode::UnknownMemberId),
            Some(Machine::Consumer(_)) | None => {
                let machine = Machine::Classic(classic::Group::new(shared.limits));
                shared.make(&mut state, group, machine)
            }
        };
        match ready {
            Ok(()) => {
                let ticket = state.ticket(Waiting::Join(sender));
                shared.on_classic(&mut state, group, |machine, now, out| {
                    machine.on_join(ticket, join, now, out);
                });
            }
            Err(code) => drop(sender.send(JoinAnswer::refused(code, &join.member))),
        }
        receiver
    }

    /// Somebody asks for their share.
    pub(crate) fn sync(&self, group: &str, sync: Sync) -> oneshot::Receiver<SyncAnswer> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.shared.state();
        let Some(sender) = self.sync_consumers(&mut state, group, &sync, sender) else {
            return receiver;
        };
        let ticket = state.ticket(Waiting::Sync(sender));
        let known = self
            .shared
            .on_classic(&mut state, group, |machine, _, out| {
                machine.on_sync(ticket, sync, out);
            });
        if known.is_none()
            && let Some(Waiting::Sync(sender)) = state.waiting.remove(&ticket)
        {
            drop(sender.send(SyncAnswer::refused(ErrorCode::UnknownMemberId)));
        }
        receiver
    }

    /// Somebody is alive.
    ///
    /// # Errors
    /// What they have to know instead.
    pub(crate) fn heartbeat(
        &self,
        group: &str,
        generation: i32,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        let mut state = self.shared.state();
        // Most only put deadlines off, so that nothing need be looked at but the machine.
        match state.groups.get_mut(group).map(|entry| &mut entry.machine) {
            Some(Machine::Classic(machine)) => {
                machine.on_heartbeat(member, instance, generation, Instant::now())
            }
            Some(Machine::Consumer(machine)) => {
                let now = Instant::now();
                let outcome = machine.on_classic_heartbeat(member, instance, generation, now);
                if outcome == Err(ErrorCode::RebalanceInProgress) {
                    self.shared.schedule(&mut state, group);
                }
                outcome
            }
            Some(Machine::Share(_)) | None => Err(ErrorCode::UnknownMemberId),
        }
    }

    /// Members go. Tells of each whether it was one.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMemberId`] where there is no such group.
    pub(crate) fn leave(
        &self,
        group: &str,
        members: &[(String, Option<String>)],
    ) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
        let mut state = self.shared.state();
        if let Some(outcomes) = self.leave_consumers(&mut state, group, members) {
            return Ok(outcomes);
        }
        let outcome = self
            .shared
            .on_classic(&mut state, group, |machine, now, out| {
                machine.on_leave(members, now, out)
            });
        outcome.ok_or(ErrorCode::UnknownMemberId)
    }
}

impl State {
    fn ticket(&mut self, waiting: Waiting) -> Ticket {
        self.last_ticket += 1;
        self.waiting.insert(self.last_ticket, waiting);
        self.last_ticket
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a group, or makes an empty one another sort of group.
    fn make(&self, state: &mut State, group: &str, machine: Machine) -> Result<(), ErrorCode> {
        check_name(group)?;
        if let Some(entry) = state.groups.get_mut(group) {
            entry.become_other(machine);
            return Ok(());
        }
        if state.groups.len() >= GROUPS_MAX {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let entry = Entry::new(machine, self.clock.now());
        state.groups.insert(group.to_owned(), entry);
        Ok(())
    }

    /// Lets a classic group do something and carries out what comes of it. `None` where there is no such group.
    fn on_classic<R>(
        self: &Arc<Shared>,
        state: &mut State,
        group: &str,
        act: impl FnOnce(&mut classic::Group, Instant, &mut Vec<Effect>) -> R,
    ) -> Option<R> {
        let entry = state.groups.get_mut(group)?;
        let Machine::Classic(machine) = &mut entry.machine else {
            return None;
        };
        let mut effects = Vec::new();
        let result = act(machine, Instant::now(), &mut effects);
        self.carry_out(state, group, effects);
        self.schedule(state, group);
        Some(result)
    }

    fn carry_out(self: &Arc<Shared>, state: &mut State, group: &str, effects: Vec<Effect>) {
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        let must_be_stored = effects.contains(&Effect::Store);
        for effect in effects {
            let ticket = match &effect {
                Effect::Joined(ticket, _) | Effect::Synced(ticket, _) => ticket,
                Effect::Store => continue,
            };
            let to = state.waiting.remove(ticket);
            let Some(answer) = to.and_then(|to| Answer::of(effect, to)) else {
                continue;
            };
            if must_be_stored {
                entry.held.push((entry.machine.revision(), answer));
            } else {
                answer.send();
            }
        }
        if must_be_stored {
            self.store_soon(state, group);
        }
    }

    /// Has what is new of a group made durable whose work is divided here.
    fn store_changes(self: &Arc<Shared>, state: &mut State, group: &str) {
        let entry = state.groups.get(group);
        if entry.is_some_and(|entry| entry.machine.has_changes()) {
            self.store_soon(state, group);
        }
    }

    fn store_soon(self: &Arc<Shared>, state: &mut State, group: &str) {
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        entry.must_be_stored = true;
        if !entry.is_being_stored {
            entry.is_being_stored = true;
            tokio::spawn(keeping::keep(Arc::clone(self), group.to_owned()));
        }
    }

    /// Puts the group's next deadline where the timer looks.
    fn schedule(&self, state: &mut State, group: &str) {
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        let deadline = entry.machine.deadline();
        if deadline == entry.deadline {
            return;
        }
        if let Some(at) = entry.deadline.take() {
            state.deadlines.remove(&(at, group.to_owned()));
        }
        if let Some(at) = deadline {
            entry.deadline = Some(at);
            let first = state.deadlines.first();
            let is_first = first.is_none_or(|(first, _)| at < *first);
            state.deadlines.insert((at, group.to_owned()));
            if is_first {
                self.wake.notify_one();
            }
        }
    }
}
