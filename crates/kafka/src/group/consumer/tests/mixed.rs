//! Members of both protocols in one group, and what a group keeps when it goes over from one to the other.

use bytes::Bytes;

use super::*;
use crate::group::classic::{self, Effect, Join, JoinAnswer, Limits, Protocol, Sync, SyncAnswer};
use crate::group::embedded::{self, NamedPartitions};

/// A subscription to both topics in version 1, with what the member has of them.
fn subscription(owned: &NamedPartitions) -> Bytes {
    // Its topics are written as an assignment writes them.
    let said = embedded::put_assignment(1, owned);
    let names: &[u8] = &[
        0, 1, 0, 0, 0, 2, 0, 5, b't', b'o', b'p', b'i', b'c', 0, 5, b'o', b't', b'h', b'e', b'r',
    ];
    // After the version: without the leader's data at its end, which comes before it here.
    let owned = &said[2..said.len() - 4];
    [names, &[0xff; 4], owned].concat().into()
}

fn join(member: &str, owned: &NamedPartitions) -> Join {
    Join {
        member: member.into(),
        new_member: String::new(),
        instance: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(30),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "cooperative-sticky".into(),
            metadata: subscription(owned),
        }],
        must_know_member: true,
        can_skip_assignment: true,
        reason: "a test".into(),
    }
}

fn sync(member: &str, generation: i32) -> Sync {
    Sync {
        member: member.into(),
        instance: None,
        generation,
        protocol_type: Some("consumer".into()),
        protocol: Some("cooperative-sticky".into()),
        assignments: Vec::new(),
    }
}

fn of(topic: &str, indexes: &[u32]) -> NamedPartitions {
    NamedPartitions::from([(topic.to_owned(), indexes.iter().copied().collect())])
}

impl Room {
    fn join(&mut self, member: &str, owned: &NamedPartitions) -> JoinAnswer {
        let found = topics(4);
        self.group
            .on_classic_join(&join(member, owned), Some(&found), self.now)
    }

    fn sync(&mut self, member: &str, generation: i32) -> SyncAnswer {
        self.group
            .on_classic_sync(&sync(member, generation), self.now)
    }

    /// What a member of the classic protocol is given.
    fn share(&mut self, member: &str, generation: i32) -> Option<NamedPartitions> {
        let answer = self.sync(member, generation);
        assert_eq!(answer.code, ErrorCode::None, "{answer:?}");
        embedded::assignment(answer.assignment)
    }

    fn classic_beat(&mut self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        self.group
            .on_classic_heartbeat(member, None, generation, self.now)
    }
}

/// A classic group of two, the first of which has all of `topic` and the other `other`.
fn classic_group(now: Instant) -> classic::Group {
    let member = |id: &str, share: &NamedPartitions| {
        classic::Member::settled(
            (id.to_owned(), None),
            ("client".into(), "/127.0.0.1".into()),
            (Duration::from_secs(30), Duration::from_secs(60)),
            join(id, share).protocols,
            embedded::put_assignment(1, share),
        )
    };
    let members = vec![
        member("a", &of("topic", &[0, 1, 2, 3])),
        member("b", &of("other", &[0, 1])),
    ];
    let protocols = (
        Some("consumer".to_owned()),
        Some("cooperative-sticky".to_owned()),
    );
    classic::Group::restored(
        Limits::default(),
        7,
        protocols,
        Some("a".into()),
        members,
        now,
    )
}

fn upgraded() -> Room {
    let now = Instant::now();
    let group = Group::upgraded(&classic_group(now), &topics(4), now).unwrap();
    Room { group, now }
}

#[test]
fn a_classic_group_goes_on_as_a_consumer_group_where_it_was() {
    let mut room = upgraded();
    assert_eq!(room.group.epoch(), 7);
    assert_eq!(room.group.state(), State::Stable);
    assert_eq!(room.classic_beat("a", 7), Ok(()));
    // Somebody of the new protocol comes: the one who has too much is called back, and only that one has to give up something.
    let both = Beat {
        names: Some(BTreeSet::from(["topic".to_owned(), "other".to_owned()])),
        ..joining("c")
    };
    assert_eq!(room.assigned(&both), (8, vec![]));
    assert_eq!(
        room.classic_beat("a", 7),
        Err(ErrorCode::RebalanceInProgress)
    );
    let all = of("topic", &[0, 1, 2, 3]);
    let joined = room.join("a", &all);
    assert_eq!((joined.code, joined.generation), (ErrorCode::None, 7));
    assert!(joined.leader.is_empty() && joined.members.is_empty());
    let kept = room.share("a", 7).unwrap();
    assert_eq!(kept["topic"].len(), 2, "{kept:?}");
    assert_eq!(room.beat(&beating("c", 8, &[])).assignment, None);
    // It has given up the rest, and joins again to say so.
    assert_eq!(
        room.classic_beat("a", 7),
        Err(ErrorCode::RebalanceInProgress)
    );
    assert_eq!(room.join("a", &kept).generation, 8);
    assert_eq!(room.share("a", 8), Some(kept));
    assert_eq!(room.assigned(&beating("c", 8, &[])).1.len(), 2);
    // The other one has nothing to give up, and learns of the new generation all the same.
    assert_eq!(
        room.classic_beat("b", 7),
        Err(ErrorCode::RebalanceInProgress)
    );
    assert_eq!(room.join("b", &of("other", &[0, 1])).generation, 8);
    assert_eq!(room.share("b", 8), Some(of("other", &[0, 1])));
    assert_eq!(room.group.state(), State::Stable);
    assert_eq!(room.classic_beat("a", 8), Ok(()));
}

#[test]
fn what_cannot_be_told_is_not_upgraded() {
    let now = Instant::now();
    let member = |metadata: Bytes, assignment: Bytes| {
        classic::Member::settled(
            ("a".into(), None),
            (String::new(), String::new()),
            (Duration::from_secs(30), Duration::from_secs(60)),
            vec![Protocol {
                name: "own".into(),
                metadata,
            }],
            assignment,
        )
    };
    let protocols = || (Some("consumer".to_owned()), Some("own".to_owned()));
    let upgraded = |member| {
        let limits = Limits::default();
        let group = classic::Group::restored(limits, 1, protocols(), None, vec![member], now);
        Group::upgraded(&group, &topics(4), now).map(drop)
    };
    let said = subscription(&NamedPartitions::new());
    assert_eq!(upgraded(member(said.clone(), Bytes::new())), Ok(()));
    let own_data = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
    let (code, refused) = upgraded(member(said, own_data)).unwrap_err();
    assert_eq!(code, ErrorCode::GroupIdNotFound);
    assert!(refused.contains("its own assignor"), "{refused}");
    let (_, refused) = upgraded(member(Bytes::new(), Bytes::new())).unwrap_err();
    assert!(refused.contains("what member a reads"), "{refused}");
}

#[test]
fn between_two_generations_a_member_has_what_it_said() {
    let now = Instant::now();
    let mut group = classic_group(now);
    let mut effects = Vec::new();
    // All join again, and the work is to be divided: then somebody comes, and what was given is void.
    let all = of("topic", &[0, 1, 2, 3]);
    group.on_join(1, join("a", &all), now, &mut effects);
    group.on_join(2, join("b", &of("other", &[0, 1])), now, &mut effects);
    assert_eq!(group.state(), classic::State::Completing);
    group.on_join(3, join("c", &NamedPartitions::new()), now, &mut effects);
    let stranger = Join {
        must_know_member: false,
        new_member: "c".into(),
        ..join("", &NamedPartitions::new())
    };
    group.on_join(4, stranger, now, &mut effects);
    assert_eq!(group.state(), classic::State::Preparing);
    let mut room = Room {
        group: Group::upgraded(&group, &topics(4), now).unwrap(),
        now,
    };
    assert_eq!(
        room.group.member("a").unwrap().assigned,
        of_topic(&[0, 1, 2, 3])
    );
    assert_eq!(
        room.assigned(&joining("n")).1,
        [0; 0],
        "all of it is being read"
    );
}

#[test]
fn a_topic_that_was_not_looked_at_puts_the_upgrade_off() {
    let now = Instant::now();
    let mut found = topics(4);
    found.remove("topic");
    let (code, why) = Group::upgraded(&classic_group(now), &found, now).unwrap_err();
    assert_eq!(code, ErrorCode::CoordinatorNotAvailable);
    assert!(why.contains("topic topic"), "{why}");
    assert!(classic_group(now).topics_of_consumers().contains("topic"));
}

#[test]
fn who_says_too_much_of_itself_is_not_let_in() {
    let mut room = upgraded();
    room.beat(&joining("c"));
    let mut large = join("d", &NamedPartitions::new());
    large.protocols.push(Protocol {
        name: "own".into(),
        metadata: vec![0; 2 << 20].into(),
    });
    let refused = room.group.on_classic_join(&large, None, room.now);
    assert_eq!(refused.code, ErrorCode::GroupMaxSizeReached);
    assert!(room.group.member("d").is_none());
}

#[test]
fn a_new_member_of_the_classic_protocol_learns_its_name_first() {
    let mut room = upgraded();
    room.beat(&joining("c"));
    let stranger = Join {
        new_member: "d".into(),
        ..join("", &NamedPartitions::new())
    };
    let refused = room.group.on_classic_join(&stranger, None, room.now);
    assert_eq!(
        (refused.code, refused.member.as_str()),
        (ErrorCode::MemberIdRequired, "d")
    );
    assert!(room.group.member("d").is_none());
    let joined = room.join("d", &NamedPartitions::new());
    assert_eq!((joined.code, joined.generation), (ErrorCode::None, 9));
    let nobodys = Join {
        protocol_type: "connect".into(),
        ..join("e", &NamedPartitions::new())
    };
    let refused = room.group.on_classic_join(&nobodys, None, room.now);
    assert_eq!(refused.code, ErrorCode::InconsistentGroupProtocol);
    // They may have to divide the work among themselves again.
    let mut other = join("e", &NamedPartitions::new());
    other.protocols[0].name = "range".into();
    let refused = room.group.on_classic_join(&other, None, room.now);
    assert_eq!(refused.code, ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_static_member_is_taken_over_by_its_next_process() {
    let mut room = upgraded();
    room.beat(&joining("c"));
    let process = |member: &str, new_member: &str| Join {
        instance: Some("i".into()),
        new_member: new_member.into(),
        ..join(member, &NamedPartitions::new())
    };
    let joined = |room: &mut Room, join: &Join| {
        let found = topics(4);
        let answer = room.group.on_classic_join(join, Some(&found), room.now);
        (answer.code, answer.member)
    };
    assert_eq!(
        joined(&mut room, &process("", "d")),
        (ErrorCode::None, "d".into())
    );
    assert_eq!(
        joined(&mut room, &process("", "e")),
        (ErrorCode::None, "e".into())
    );
    let former = joined(&mut room, &process("d", ""));
    assert_eq!(former.0, ErrorCode::FencedInstanceId);
    // The next one is of the new protocol: it need not wait until the former has timed out.
    let next = Beat {
        instance: Some("i".into()),
        ..joining("f")
    };
    assert_eq!(room.beat(&next).code, ErrorCode::None);
    assert!(
        room.group
            .member("f")
            .is_some_and(|one| one.classic.is_none())
    );
    let left = room.group.on_classic_leave(&[
        ("e".into(), None),
        ("c".into(), None),
        (String::new(), Some("i".into())),
        (String::new(), Some("j".into())),
    ]);
    let unknown = Err(ErrorCode::UnknownMemberId);
    // An administrator takes out those of the new protocol, too.
    assert_eq!(left, [unknown, Ok(()), Ok(()), unknown]);
    assert!(room.group.member("c").is_none());
    assert!(room.group.member("f").is_none());
}

#[test]
fn who_does_not_come_back_in_time_is_out() {
    for is_asked in [false, true] {
        let mut room = upgraded();
        let joined = room.beat(&joining("c"));
        let generation = if is_asked {
            // Joins, and then does not ask for its share.
            room.join("a", &of("topic", &[0, 1, 2, 3])).generation
        } else {
            7
        };
        for _ in 0..7 {
            room.now += Duration::from_secs(10);
            room.group.on_timer(room.now);
            let _told = room.classic_beat("a", generation);
            room.beat(&beating("c", joined.epoch, &[]));
        }
        assert!(room.group.member("a").is_none(), "asked: {is_asked}");
        assert_eq!(
            room.classic_beat("a", generation),
            Err(ErrorCode::UnknownMemberId)
        );
    }
}

#[test]
fn who_is_of_another_generation_neither_syncs_nor_commits() {
    let mut room = upgraded();
    room.beat(&joining("c"));
    assert_eq!(room.sync("a", 8).code, ErrorCode::IllegalGeneration);
    assert_eq!(room.sync("c", 8).code, ErrorCode::UnknownMemberId);
    // Its group is further than it is.
    assert_eq!(room.sync("a", 7).code, ErrorCode::RebalanceInProgress);
    assert_eq!(room.group.may_commit("a", 7), Ok(()));
    assert_eq!(
        room.group.may_commit("a", 6),
        Err(ErrorCode::IllegalGeneration)
    );
    let other = Sync {
        protocol: Some("own".into()),
        ..sync("a", 7)
    };
    let refused = room.group.on_classic_sync(&other, room.now);
    assert_eq!(refused.code, ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn the_last_of_the_new_protocol_leaves_a_classic_group_behind() {
    let mut room = upgraded();
    room.beat(&joining("c"));
    assert!(room.group.downgraded_members().is_none());
    let leaving = Beat {
        epoch: LEAVING,
        ..joining("c")
    };
    room.beat(&leaving);
    let members = room.group.downgraded_members().unwrap();
    let mut effects = Vec::new();
    let (limits, epoch) = (Limits::default(), room.group.epoch());
    let mut group = classic::Group::downgraded(limits, epoch, members, room.now, &mut effects);
    assert_eq!(group.state(), classic::State::Preparing);
    assert_eq!(group.protocol(), Some("cooperative-sticky"));
    for member in ["a", "b"] {
        let has = group.members().find(|one| one.id == member);
        let has = has.and_then(|one| embedded::assignment(one.assignment.clone()));
        let expected = match member {
            "a" => of("topic", &[0, 1, 2, 3]),
            _ => of("other", &[0, 1]),
        };
        assert_eq!(
            has,
            Some(expected),
            "what it has it keeps until all have joined"
        );
        // Neither has heard of the one who came and went.
        let told = group.on_heartbeat(member, None, 7, room.now);
        assert_eq!(told, Err(ErrorCode::RebalanceInProgress));
    }
    let nothing = NamedPartitions::new();
    group.on_join(1, join("a", &nothing), room.now, &mut effects);
    group.on_join(2, join("b", &nothing), room.now, &mut effects);
    let generations = effects.iter().filter_map(|effect| match effect {
        Effect::Joined(_, answer) => Some(answer.generation),
        Effect::Synced(..) | Effect::Store => None,
    });
    assert_eq!(generations.collect::<Vec<_>>(), [epoch + 1; 2]);
}

/// A consumer of the classic protocol.
#[derive(Clone, Debug)]
struct Old {
    name: String,
    generation: i32,
    owned: NamedPartitions,
    heard: Instant,
    is_alive: bool,
    /// Whether it goes on with what it has while the group rebalances.
    is_cooperative: bool,
    must_join: bool,
}

struct Both {
    world: World,
    old: Vec<Old>,
}

impl Both {
    fn start(&mut self, is_cooperative: bool) {
        let name = self.world.name();
        self.old.push(Old {
            name,
            generation: -1,
            owned: NamedPartitions::new(),
            heard: self.world.room.now,
            is_alive: true,
            is_cooperative,
            must_join: true,
        });
    }

    /// What such a client does next: joins and asks for its share, or says that it is alive.
    fn act(&mut self, at: usize, is_answer_lost: bool) {
        let Some(mut one) = self.old.get(at).filter(|one| one.is_alive).cloned() else {
            return;
        };
        if one.must_join {
            if !one.is_cooperative {
                one.owned.clear();
            }
            self.old[at] = one.clone();
            self.rejoin(at, one, is_answer_lost);
        } else {
            let now = self.world.room.now;
            let group = &mut self.world.room.group;
            let told = group.on_classic_heartbeat(&one.name, None, one.generation, now);
            if !is_answer_lost {
                self.take(at, one, told);
            }
        }
        self.check_owners();
    }

    fn rejoin(&mut self, at: usize, mut one: Old, is_answer_lost: bool) {
        let now = self.world.room.now;
        let found = topics(self.world.partitions);
        let asked = Join {
            rebalance_timeout: REBALANCE_TIMEOUT,
            ..join(&one.name, &one.owned)
        };
        let group = &mut self.world.room.group;
        let joined = group.on_classic_join(&asked, Some(&found), now);
        assert_eq!(joined.code, ErrorCode::None, "{joined:?}");
        if is_answer_lost {
            return;
        }
        one.generation = joined.generation;
        let given = group.on_classic_sync(&sync(&one.name, one.generation), now);
        if given.code != ErrorCode::None {
            return self.take(at, one, Err(given.code));
        }
        let given = embedded::assignment(given.assignment).unwrap();
        // Who goes on with what it has gives up the rest, and joins again to say so.
        one.must_join = one.is_cooperative && !is_within(&one.owned, &given);
        one.owned = given;
        self.take(at, one, Ok(()));
    }

    fn take(&mut self, at: usize, mut one: Old, told: Result<(), ErrorCode>) {
        match told {
            Ok(()) => one.heard = self.world.room.now,
            Err(ErrorCode::RebalanceInProgress) => one.must_join = true,
            Err(ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId) => {
                one.owned.clear();
                one.must_join = true;
                one.name = self.world.name();
            }
            Err(other) => panic!("{other:?} to {one:?}"),
        }
        self.old[at] = one;
    }

    /// No partition is read by two who have been heard of in time, of whatever protocol.
    fn check_owners(&self) {
        self.world.check_owners();
        let now = self.world.room.now;
        let session = Pace::default().session_timeout;
        let new = self.world.clients.iter();
        let new = new.filter(|one| one.is_alive && now < one.heard + session);
        let mut read: BTreeSet<(StreamId, u32)> = new.flat_map(|one| places(&one.owned)).collect();
        for one in &self.old {
            if one.is_alive && now < one.heard + Duration::from_secs(30) {
                for place in old_places(&one.owned) {
                    assert!(read.insert(place), "{place:?} has two readers: {self:?}");
                }
            }
        }
    }

    fn leave(&mut self, at: usize) {
        if let Some(one) = self.old.get_mut(at).filter(|one| one.is_alive) {
            let _gone = self
                .world
                .room
                .group
                .on_classic_leave(&[(one.name.clone(), None)]);
            one.is_alive = false;
            one.owned.clear();
        }
    }

    /// As if the last one of the new protocol had gone and another had come at once.
    fn go_over_and_back(&mut self) {
        let room = &mut self.world.room;
        let Some(members) = room.group.downgraded_members() else {
            return;
        };
        let mut effects = Vec::new();
        let (limits, epoch) = (Limits::default(), room.group.epoch());
        let classic = classic::Group::downgraded(limits, epoch, members, room.now, &mut effects);
        let found = topics(self.world.partitions);
        room.group = Group::upgraded(&classic, &found, room.now).unwrap();
    }
}

impl std::fmt::Debug for Both {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.world.clients, self.old)
    }
}

fn is_within(small: &NamedPartitions, large: &NamedPartitions) -> bool {
    small.iter().all(|(topic, indexes)| {
        indexes.is_empty()
            || large
                .get(topic)
                .is_some_and(|large| indexes.is_subset(large))
    })
}

fn old_places(named: &NamedPartitions) -> impl Iterator<Item = (StreamId, u32)> {
    named.iter().flat_map(|(topic, indexes)| {
        let stream = if topic == "topic" { TOPIC } else { OTHER };
        indexes.iter().map(move |index| (stream, *index))
    })
}

#[derive(Clone, Debug)]
enum Mixed {
    Start(bool),
    StartNew,
    Act(usize, bool),
    Beat(usize, bool),
    Kill(usize),
    Leave(usize),
    LeaveNew(usize),
    Pass(u64),
    Grow,
    Restart,
    GoOverAndBack,
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let rarely = || prop::bool::weighted(0.2);
    prop_oneof![
        2 => any::<bool>().prop_map(Mixed::Start),
        2 => Just(Mixed::StartNew),
        10 => (0_usize..4, rarely()).prop_map(|(at, is_lost)| Mixed::Act(at, is_lost)),
        8 => (0_usize..4, rarely()).prop_map(|(at, is_lost)| Mixed::Beat(at, is_lost)),
        1 => (0_usize..4).prop_map(Mixed::Kill),
        1 => (0_usize..4).prop_map(Mixed::Leave),
        1 => (0_usize..4).prop_map(Mixed::LeaveNew),
        3 => (0_u64..20).prop_map(Mixed::Pass),
        1 => Just(Mixed::Grow),
        1 => Just(Mixed::Restart),
        1 => Just(Mixed::GoOverAndBack),
    ]
}

proptest! {
    #[test]
    fn members_of_both_protocols_end_with_one_reader_for_each_partition(
        steps in prop::collection::vec(mixed(), 0..100),
    ) {
        let world = World { room: Room::new(), clients: Vec::new(), last_name: 0, partitions: 4 };
        let mut both = Both { world, old: Vec::new() };
        for step in steps {
            match step {
                Mixed::Start(is_cooperative) if both.old.len() < 4 => both.start(is_cooperative),
                Mixed::StartNew if both.world.clients.len() < 4 => both.world.start(false),
                Mixed::Start(_) | Mixed::StartNew => {}
                Mixed::Act(at, is_answer_lost) => both.act(at, is_answer_lost),
                Mixed::Beat(at, is_answer_lost) => both.world.beat(at, is_answer_lost),
                Mixed::Kill(at) => {
                    if let Some(one) = both.old.get_mut(at) {
                        one.is_alive = false;
                    }
                }
                Mixed::Leave(at) => both.leave(at),
                Mixed::LeaveNew(at) => both.world.leave(at, LEAVING),
                Mixed::Pass(seconds) => both.world.pass(seconds),
                Mixed::Grow => both.world.partitions += 1,
                Mixed::Restart => both.world.restart(),
                Mixed::GoOverAndBack => both.go_over_and_back(),
            }
            both.check_owners();
        }
        // Topics are looked at with the new protocol's heartbeats, as a group of classic members alone is no consumer group.
        if !both.world.clients.iter().any(|one| one.is_alive) {
            both.world.start(false);
        }
        for _ in 0..60 {
            both.world.pass(3);
            for at in 0..both.world.clients.len() {
                both.world.beat(at, false);
            }
            for at in 0..both.old.len() {
                both.act(at, false);
            }
        }
        let new = both.world.clients.iter().filter(|one| one.is_alive);
        let old = both.old.iter().filter(|one| one.is_alive);
        let read: BTreeSet<(StreamId, u32)> = new
            .flat_map(|one| places(&one.owned))
            .chain(old.flat_map(|one| old_places(&one.owned)))
            .collect();
        prop_assert_eq!(read.len(), both.world.partitions as usize + 2, "{:?}", both);
        prop_assert_eq!(both.world.room.group.state(), State::Stable, "{:?}", both);
    }
}
