//! A classic group with clients that do what Kafka's do, in a time of the test's own.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);
const PARTITIONS: u8 = 7;

fn limits() -> Limits {
    Limits {
        initial_delay: Duration::from_secs(3),
        members_max: 100,
    }
}

fn join(member: &str, new_member: &str, instance: Option<&str>) -> Join {
    let protocol = |name: &str| Protocol {
        name: name.into(),
        metadata: Bytes::copy_from_slice(name.as_bytes()),
    };
    Join {
        member: member.into(),
        new_member: new_member.into(),
        instance: instance.map(str::to_owned),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: CONSUMER.into(),
        protocols: vec![protocol("range"), protocol("roundrobin")],
        must_know_member: true,
        can_skip_assignment: true,
        reason: String::new(),
    }
}

fn sync(member: &str, generation: i32, assignments: &[(&str, &'static [u8])]) -> Sync {
    let owned =
        |(member, share): &(&str, &'static [u8])| ((*member).to_owned(), Bytes::from_static(share));
    Sync {
        member: member.into(),
        instance: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: assignments.iter().map(owned).collect(),
    }
}

/// A group, and the time.
struct Room {
    group: Group,
    now: Instant,
    out: Vec<Effect>,
}

impl Room {
    fn new() -> Room {
        Room {
            group: Group::new(limits()),
            now: Instant::now(),
            out: Vec::new(),
        }
    }

    /// Lets whole seconds pass.
    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now += Duration::from_secs(1);
            self.group.on_timer(self.now, &mut self.out);
        }
    }

    fn join(&mut self, ticket: Ticket, join: Join) {
        self.group.on_join(ticket, join, self.now, &mut self.out);
    }

    fn sync(&mut self, ticket: Ticket, sync: Sync) {
        self.group.on_sync(ticket, sync, &mut self.out);
    }

    fn stored(&mut self) {
        let revision = self.group.revision();
        self.group
            .on_stored(revision, Ok(()), self.now, &mut self.out);
    }

    fn joined(&self, ticket: Ticket) -> JoinAnswer {
        let found = self.out.iter().find_map(|effect| match effect {
            Effect::Joined(at, answer) if *at == ticket => Some(answer.clone()),
            _ => None,
        });
        found.expect("the join is answered")
    }

    fn synced(&self, ticket: Ticket) -> Option<SyncAnswer> {
        self.out.iter().find_map(|effect| match effect {
            Effect::Synced(at, answer) if *at == ticket => Some(answer.clone()),
            _ => None,
        })
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        self.group.on_heartbeat(member, None, generation, self.now)
    }

    /// Two static members, a and b, settled at generation 1; a leads.
    fn of_two_statics() -> Room {
        let mut room = Room::new();
        room.join(1, join("", "a-1", Some("a")));
        room.join(2, join("", "b-1", Some("b")));
        room.pass(Duration::from_secs(6));
        assert_eq!(room.joined(1).generation, 1);
        room.sync(
            3,
            Sync {
                instance: Some("a".into()),
                ..sync("a-1", 1, &[("a-1", b"x"), ("b-1", b"y")])
            },
        );
        room.sync(
            4,
            Sync {
                instance: Some("b".into()),
                ..sync("b-1", 1, &[])
            },
        );
        room.stored();
        room.out.clear();
        room
    }
}

#[test]
fn somebody_new_learns_their_name_first() {
    let mut room = Room::new();
    room.join(1, join("", "m-1", None));
    assert_eq!(room.joined(1).code, ErrorCode::MemberIdRequired);
    let member = room.joined(1).member;
    room.join(2, join(&member, "unused", None));
    room.pass(Duration::from_secs(3));
    let answer = room.joined(2);
    assert_eq!((answer.code, answer.generation), (ErrorCode::None, 1));
    assert_eq!(
        (answer.leader.as_str(), answer.protocol.as_deref()),
        ("m-1", Some("range"))
    );
    assert_eq!(answer.members.len(), 1);
}

#[test]
fn a_name_that_is_not_used_in_time_is_forgotten() {
    let mut room = Room::new();
    room.join(1, join("", "m-1", None));
    room.pass(SESSION);
    room.join(2, join("m-1", "unused", None));
    assert_eq!(room.joined(2).code, ErrorCode::UnknownMemberId);
    assert!(room.group.is_deserted());
}

#[test]
fn a_static_member_that_died_waiting_for_its_share_does_not_hold_the_group() {
    let mut room = Room::new();
    room.join(1, join("", "a-1", Some("a")));
    room.join(2, join("", "b-1", Some("b")));
    room.pass(Duration::from_secs(6));
    room.sync(3, sync("b-1", 1, &[]));
    // Longer than its session: it is excused, as long as the leader owes it its share.
    for _ in 0..20 {
        room.pass(Duration::from_secs(1));
        let leading = room.group.on_heartbeat("a-1", Some("a"), 1, room.now);
        assert_eq!(leading, Ok(()));
    }
    let mut out = Vec::new();
    let gone = [(String::new(), Some("a".to_owned()))];
    let left = room.group.on_leave(&gone, room.now, &mut out);
    assert_eq!(left, [Ok(())]);
    room.pass(SESSION + Duration::from_secs(1));
    assert!(room.group.members().next().is_none());
    room.pass(REBALANCE);
    assert_eq!(room.group.state(), State::Empty);
}

#[test]
fn who_leaves_before_having_joined_disturbs_nobody() {
    let mut room = Room::of_two_statics();
    room.join(9, join("", "c-1", None));
    assert_eq!(room.joined(9).code, ErrorCode::MemberIdRequired);
    let mut out = Vec::new();
    let gone = [("c-1".to_owned(), None)];
    let left = room.group.on_leave(&gone, room.now, &mut out);
    assert_eq!(left, [Ok(())]);
    assert_eq!(room.heartbeat("a-1", 1), Ok(()));
}

#[test]
fn nobody_learns_their_share_before_it_is_durable() {
    let mut room = Room::new();
    room.join(
        1,
        Join {
            must_know_member: false,
            ..join("", "m-1", None)
        },
    );
    room.pass(Duration::from_secs(3));
    room.sync(2, sync("m-1", 1, &[("m-1", b"all")]));
    assert!(room.out.contains(&Effect::Store));
    assert_eq!(room.synced(2), None);
    room.stored();
    assert_eq!(room.synced(2).unwrap().assignment, "all");
    assert_eq!(room.group.state(), State::Stable);
}

#[test]
fn a_share_that_is_not_durable_makes_all_join_again() {
    let mut room = Room::new();
    room.join(
        1,
        Join {
            must_know_member: false,
            ..join("", "m-1", None)
        },
    );
    room.pass(Duration::from_secs(3));
    room.sync(2, sync("m-1", 1, &[]));
    let revision = room.group.revision();
    let refused = Err(ErrorCode::CoordinatorNotAvailable);
    room.group
        .on_stored(revision, refused, room.now, &mut room.out);
    assert_eq!(
        room.synced(2).unwrap().code,
        ErrorCode::CoordinatorNotAvailable
    );
    assert_eq!(
        room.heartbeat("m-1", 1),
        Err(ErrorCode::RebalanceInProgress)
    );
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut room = Room::of_two_statics();
    room.join(5, join("", "b-2", Some("b")));
    let answer = room.joined(5);
    assert_eq!((answer.code, answer.generation), (ErrorCode::None, 1));
    assert_eq!(answer.leader, "a-1");
    assert_eq!(room.group.state(), State::Stable);
    room.sync(
        6,
        Sync {
            instance: Some("b".into()),
            ..sync("b-2", 1, &[])
        },
    );
    assert_eq!(room.synced(6).unwrap().assignment, "y");
    let fenced = room.group.on_heartbeat("b-1", Some("b"), 1, room.now);
    assert_eq!(fenced, Err(ErrorCode::FencedInstanceId));
}

#[test]
fn a_static_leader_comes_back_and_need_not_divide_anew() {
    for (can_skip_assignment, leader) in [(true, "a-2"), (false, "a-1")] {
        let mut room = Room::of_two_statics();
        room.join(
            5,
            Join {
                can_skip_assignment,
                ..join("", "a-2", Some("a"))
            },
        );
        let answer = room.joined(5);
        assert_eq!(
            (answer.leader.as_str(), answer.skip_assignment),
            (leader, can_skip_assignment)
        );
        assert_eq!(
            answer.members.len(),
            if can_skip_assignment { 2 } else { 0 }
        );
    }
}

#[test]
fn an_administrator_takes_a_static_member_out_by_its_instance() {
    let mut room = Room::of_two_statics();
    let who = [
        (String::new(), Some("b".to_owned())),
        (String::new(), Some("c".to_owned())),
    ];
    let outcomes = room.group.on_leave(&who, room.now, &mut room.out);
    assert_eq!(outcomes, [Ok(()), Err(ErrorCode::UnknownMemberId)]);
    assert_eq!(room.group.state(), State::Preparing);
}

#[test]
fn the_division_most_members_like_best_is_taken() {
    let mut room = Room::new();
    for (ticket, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let mut joining = Join {
            must_know_member: false,
            ..join("", name, None)
        };
        if ticket > 1 {
            joining.protocols.reverse();
        }
        room.join(ticket, joining);
    }
    room.join(
        4,
        Join {
            protocols: vec![Protocol {
                name: "odd".into(),
                metadata: Bytes::new(),
            }],
            ..join("", "d", None)
        },
    );
    assert_eq!(room.joined(4).code, ErrorCode::InconsistentGroupProtocol);
    room.pass(Duration::from_secs(6));
    assert_eq!(room.joined(1).protocol.as_deref(), Some("roundrobin"));
}

#[test]
fn the_initial_delay_grows_with_each_member_but_not_for_ever() {
    let mut room = Room::new();
    let new = |name: &str| Join {
        must_know_member: false,
        ..join("", name, None)
    };
    room.join(1, new("a"));
    room.pass(Duration::from_secs(2));
    room.join(2, new("b"));
    room.pass(Duration::from_secs(1));
    assert_eq!(room.group.state(), State::Preparing);
    room.pass(Duration::from_secs(3));
    assert_eq!(room.joined(2).generation, 1);
}

#[test]
fn commits_are_taken_from_members_of_this_generation_and_from_outside_while_empty() {
    let mut room = Room::new();
    let commit = |room: &mut Room, kind, generation, member: &str| {
        room.group
            .on_commit(kind, generation, member, None, room.now)
    };
    assert_eq!(commit(&mut room, Commit::Plain, -1, ""), Ok(()));
    let mut room = Room::of_two_statics();
    assert_eq!(
        commit(&mut room, Commit::Plain, -1, ""),
        Err(ErrorCode::UnknownMemberId)
    );
    assert_eq!(commit(&mut room, Commit::Transactional, -1, ""), Ok(()));
    assert_eq!(commit(&mut room, Commit::Plain, 1, "a-1"), Ok(()));
    assert_eq!(
        commit(&mut room, Commit::Plain, 0, "a-1"),
        Err(ErrorCode::IllegalGeneration)
    );
    assert_eq!(
        commit(&mut room, Commit::Plain, 1, "z"),
        Err(ErrorCode::UnknownMemberId)
    );
}

#[test]
fn a_member_that_does_not_ask_for_its_share_is_out() {
    let mut room = Room::new();
    for (ticket, name) in [(1, "a"), (2, "b")] {
        room.join(
            ticket,
            Join {
                must_know_member: false,
                session_timeout: REBALANCE * 9,
                ..join("", name, None)
            },
        );
    }
    room.pass(Duration::from_secs(3));
    room.pass(Duration::from_secs(3));
    room.sync(3, sync("a", 1, &[]));
    room.stored();
    room.pass(REBALANCE);
    assert_eq!(room.group.members().count(), 1);
    assert_eq!(room.heartbeat("a", 1), Err(ErrorCode::RebalanceInProgress));
}

/// What a client is at.
#[derive(Clone, PartialEq, Debug)]
enum At {
    Out,
    Joining,
    Syncing,
    Reading(BTreeSet<u8>),
}

/// A consumer.
#[derive(Debug)]
struct Client {
    member: String,
    instance: Option<String>,
    generation: i32,
    at: At,
    is_alive: bool,
}

/// A group, its clients and what is between them.
struct World {
    room: Room,
    clients: Vec<Client>,
    tickets: HashMap<Ticket, usize>,
    last_ticket: Ticket,
    last_name: u32,
    stores: Vec<u64>,
    last_generation: i32,
}

impl World {
    fn new() -> World {
        World {
            room: Room::new(),
            clients: Vec::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            last_name: 0,
            stores: Vec::new(),
            last_generation: 0,
        }
    }

    fn ticket(&mut self, client: usize) -> Ticket {
        self.last_ticket += 1;
        self.tickets.insert(self.last_ticket, client);
        self.last_ticket
    }

    fn start(&mut self, is_static: bool) {
        let instance = is_static.then(|| format!("i{}", self.clients.len()));
        self.clients.push(Client {
            member: String::new(),
            instance,
            generation: -1,
            at: At::Out,
            is_alive: true,
        });
    }

    fn act(&mut self, client: usize) {
        let Some(one) = self.clients.get(client).filter(|one| one.is_alive) else {
            return;
        };
        let (member, instance) = (one.member.clone(), one.instance.clone());
        match &one.at {
            At::Out => {
                self.last_name += 1;
                let name = format!("m{}", self.last_name);
                self.clients[client].at = At::Joining;
                let ticket = self.ticket(client);
                self.room
                    .join(ticket, join(&member, &name, instance.as_deref()));
            }
            At::Joining | At::Syncing => {}
            At::Reading(_) => {
                let generation = one.generation;
                let now = self.room.now;
                let beat =
                    self.room
                        .group
                        .on_heartbeat(&member, instance.as_deref(), generation, now);
                self.refused(client, beat.err());
            }
        }
        self.settle();
    }

    fn refused(&mut self, client: usize, code: Option<ErrorCode>) {
        let one = &mut self.clients[client];
        match code {
            None => {}
            Some(ErrorCode::RebalanceInProgress) => one.at = At::Out,
            Some(
                ErrorCode::UnknownMemberId
                | ErrorCode::IllegalGeneration
                | ErrorCode::FencedInstanceId,
            ) => {
                one.at = At::Out;
                one.member.clear();
            }
            Some(other) => panic!("{other:?} to {one:?}"),
        }
    }

    /// Hands out answers until there are none.
    fn settle(&mut self) {
        while !self.room.out.is_empty() {
            for effect in std::mem::take(&mut self.room.out) {
                match effect {
                    Effect::Store => self.stores.push(self.room.group.revision()),
                    Effect::Joined(ticket, answer) => self.on_joined(ticket, &answer),
                    Effect::Synced(ticket, answer) => self.on_synced(ticket, &answer),
                }
            }
        }
        assert!(self.room.group.generation() >= self.last_generation);
        self.last_generation = self.room.group.generation();
        self.check_owners();
    }

    fn on_joined(&mut self, ticket: Ticket, answer: &JoinAnswer) {
        let client = self
            .tickets
            .remove(&ticket)
            .expect("a request is answered once");
        let one = &mut self.clients[client];
        if one.at != At::Joining || !one.is_alive {
            return;
        }
        match answer.code {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                one.member.clone_from(&answer.member);
                one.at = At::Out;
                return;
            }
            code => return self.refused(client, Some(code)),
        }
        assert!(answer.generation >= one.generation, "generations only grow");
        one.generation = answer.generation;
        one.member.clone_from(&answer.member);
        one.at = At::Syncing;
        let members: Vec<&String> = answer.members.iter().map(|(member, ..)| member).collect();
        let is_leader = answer.leader == answer.member && !answer.skip_assignment;
        let shares = members
            .iter()
            .enumerate()
            .filter(|_| is_leader)
            .map(|(at, member)| {
                let share = (0..PARTITIONS).filter(|index| *index as usize % members.len() == at);
                ((*member).clone(), share.collect::<Vec<u8>>().into())
            });
        let sync = Sync {
            instance: one.instance.clone(),
            assignments: shares.collect(),
            ..sync(&answer.member, answer.generation, &[])
        };
        let ticket = self.ticket(client);
        self.room.sync(ticket, sync);
    }

    fn on_synced(&mut self, ticket: Ticket, answer: &SyncAnswer) {
        let client = self
            .tickets
            .remove(&ticket)
            .expect("a request is answered once");
        let one = &mut self.clients[client];
        if one.at != At::Syncing || !one.is_alive {
            return;
        }
        match answer.code {
            ErrorCode::None => one.at = At::Reading(answer.assignment.iter().copied().collect()),
            code => self.refused(client, Some(code)),
        }
    }

    /// No partition has two readers in one generation.
    fn check_owners(&self) {
        let mut owned = BTreeSet::new();
        for one in self.clients.iter().filter(|one| one.is_alive) {
            if let At::Reading(share) = &one.at {
                for index in share {
                    assert!(
                        owned.insert((one.generation, *index)),
                        "{index} has two readers: {:?}",
                        self.clients
                    );
                }
            }
        }
    }

    fn store(&mut self) {
        if !self.stores.is_empty() {
            let revision = self.stores.remove(0);
            self.room
                .group
                .on_stored(revision, Ok(()), self.room.now, &mut self.room.out);
            self.settle();
        }
    }

    /// Lets things go on undisturbed.
    fn calm(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.room.pass(Duration::from_secs(1));
            self.settle();
            for client in 0..self.clients.len() {
                self.act(client);
            }
            self.store();
        }
    }

    fn restart(&mut self) {
        let (settled, group) = (self.room.group.settled(), &self.room.group);
        let protocol = group.protocol().unwrap_or_default();
        let members = settled.into_iter().map(|(member, assignment)| {
            let name = protocol.to_owned();
            let metadata = member.metadata(protocol);
            Member::settled(
                (member.id.clone(), member.instance.clone()),
                (member.client_id.clone(), member.client_host.clone()),
                (member.session_timeout, member.rebalance_timeout),
                vec![Protocol { name, metadata }],
                assignment,
            )
        });
        let protocols = (
            group.protocol_type().map(str::to_owned),
            Some(protocol.to_owned()),
        );
        let leader = group.leader().map(str::to_owned);
        let members = members.collect();
        let restored = Group::restored(
            limits(),
            group.generation(),
            protocols,
            leader,
            members,
            self.room.now,
        );
        self.room.group = restored;
        self.stores.clear();
        // Connections are gone, and what waited on them.
        self.tickets.clear();
        for one in &mut self.clients {
            if matches!(one.at, At::Joining | At::Syncing) {
                one.at = At::Out;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start(bool),
    Act(usize),
    Kill(usize),
    /// A static member is started again, an ordinary one comes as somebody new.
    Replace(usize),
    Leave(usize),
    Store,
    Pass(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<bool>().prop_map(Step::Start),
        8 => (0_usize..6).prop_map(Step::Act),
        1 => (0_usize..6).prop_map(Step::Kill),
        1 => (0_usize..6).prop_map(Step::Replace),
        1 => (0_usize..6).prop_map(Step::Leave),
        4 => Just(Step::Store),
        4 => (0_u64..8).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_members_do_each_partition_ends_with_one_reader(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Start(is_static) if world.clients.len() < 6 => world.start(is_static),
                Step::Start(_) => {}
                Step::Act(client) => world.act(client),
                Step::Kill(client) => {
                    if let Some(one) = world.clients.get_mut(client) {
                        one.is_alive = false;
                    }
                }
                Step::Replace(client) => {
                    if let Some(one) = world.clients.get_mut(client) {
                        one.member.clear();
                        (one.at, one.is_alive, one.generation) = (At::Out, true, -1);
                    }
                }
                Step::Leave(client) => {
                    if let Some(one) = world.clients.get_mut(client) {
                        let who = [(std::mem::take(&mut one.member), one.instance.clone())];
                        one.is_alive = false;
                        let now = world.room.now;
                        world.room.group.on_leave(&who, now, &mut world.room.out);
                        world.settle();
                    }
                }
                Step::Store => world.store(),
                Step::Pass(seconds) => {
                    world.room.pass(Duration::from_secs(seconds));
                    world.settle();
                }
                Step::Restart => world.restart(),
            }
        }
        world.calm(400);
        let is_alive = world.clients.iter().any(|one| one.is_alive);
        let mut read: BTreeSet<u8> = BTreeSet::new();
        for one in world.clients.iter().filter(|one| one.is_alive) {
            let At::Reading(share) = &one.at else {
                panic!("{one:?} reads nothing in {:?}", world.room.group.state());
            };
            prop_assert_eq!(one.generation, world.room.group.generation());
            read.extend(share);
        }
        prop_assert_eq!(read.len(), if is_alive { PARTITIONS as usize } else { 0 });
        let state = world.room.group.state();
        prop_assert_eq!(state, if is_alive { State::Stable } else { State::Empty });
    }
}
