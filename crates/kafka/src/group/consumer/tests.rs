//! A consumer group with members that do what Kafka's do, in a time of the test's own.

mod late;
mod mixed;

use proptest::prelude::*;

use super::member::{partitions, places};
use super::*;

const TOPIC: StreamId = StreamId(1);
const OTHER: StreamId = StreamId(2);

fn topics(partitions: u32) -> Found {
    let known = |stream, count| {
        Some(KnownTopic {
            stream,
            partitions: (0..count).collect(),
        })
    };
    Found::from([
        ("topic".to_owned(), known(TOPIC, partitions)),
        ("other".to_owned(), known(OTHER, 2)),
        ("gone".to_owned(), None),
    ])
}

fn joining(member: &str) -> Beat {
    Beat {
        member: member.into(),
        epoch: JOINING,
        instance: None,
        rack: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout: Some(Duration::from_secs(60)),
        names: Some(BTreeSet::from(["topic".to_owned()])),
        regex: None,
        matched: None,
        assignor: None,
        owned: Some(Partitions::new()),
        pace: Pace::default(),
    }
}

fn beating(member: &str, epoch: i32, owned: &[u32]) -> Beat {
    Beat {
        epoch,
        rebalance_timeout: None,
        names: None,
        owned: Some(of_topic(owned)),
        ..joining(member)
    }
}

fn of_topic(indexes: &[u32]) -> Partitions {
    partitions(indexes.iter().map(|index| (TOPIC, *index)))
}

struct Room {
    group: Group,
    now: Instant,
}

impl Room {
    fn new() -> Room {
        Room {
            group: Group::default(),
            now: Instant::now(),
        }
    }

    fn beat(&mut self, beat: &Beat) -> BeatAnswer {
        self.group.on_beat(beat, Some(&topics(4)), self.now)
    }

    /// What a member is told to have, and its epoch.
    fn assigned(&mut self, beat: &Beat) -> (i32, Vec<u32>) {
        let answer = self.beat(beat);
        assert_eq!(answer.code, ErrorCode::None, "{answer:?}");
        let assigned = answer.assignment.expect("the assignment is told");
        let indexes = places(&assigned).map(|(_, index)| index);
        (answer.epoch, indexes.collect())
    }

    fn refused(&mut self, beat: &Beat) -> ErrorCode {
        self.beat(beat).code
    }
}

#[test]
fn a_partition_is_given_once_its_former_owner_has_let_go() {
    let mut room = Room::new();
    assert_eq!(room.assigned(&joining("a")), (1, vec![0, 1, 2, 3]));
    assert_eq!(room.assigned(&joining("b")), (2, vec![]));
    assert_eq!(room.group.state(), State::Reconciling);
    assert_eq!(
        room.assigned(&beating("a", 1, &[0, 1, 2, 3])),
        (1, vec![0, 1])
    );
    assert_eq!(room.beat(&beating("b", 2, &[])).assignment, None);
    assert_eq!(room.beat(&beating("a", 1, &[0, 1])).epoch, 2);
    assert_eq!(room.assigned(&beating("b", 2, &[])), (2, vec![2, 3]));
    assert_eq!(room.group.state(), State::Stable);
}

#[test]
fn who_does_not_let_go_in_time_is_out() {
    let mut room = Room::new();
    room.beat(&joining("a"));
    room.beat(&joining("b"));
    room.beat(&beating("a", 1, &[0, 1, 2, 3]));
    for _ in 0..6 {
        room.now += Duration::from_secs(10);
        room.group.on_timer(room.now);
        room.beat(&beating("a", 1, &[0, 1, 2, 3]));
        room.beat(&beating("b", 2, &[]));
    }
    assert_eq!(
        room.refused(&beating("a", 1, &[0, 1])),
        ErrorCode::UnknownMemberId
    );
    let owned = room.group.member("b").map(|member| member.assigned.clone());
    assert_eq!(owned, Some(of_topic(&[0, 1, 2, 3])));
}

#[test]
fn a_lost_answer_is_given_again_but_an_old_epoch_is_fenced() {
    let mut room = Room::new();
    room.beat(&joining("a"));
    // The first answer was lost: the member joins once more.
    assert_eq!(room.assigned(&joining("a")), (1, vec![0, 1, 2, 3]));
    assert_eq!(
        room.refused(&beating("a", 7, &[])),
        ErrorCode::FencedMemberEpoch
    );
    assert_eq!(
        room.refused(&beating("z", 1, &[])),
        ErrorCode::UnknownMemberId
    );
    room.beat(&joining("b"));
    room.beat(&Beat {
        epoch: LEAVING,
        ..joining("b")
    });
    room.beat(&beating("a", 1, &[0, 1, 2, 3]));
    room.beat(&beating("a", 3, &[0, 1, 2, 3]));
    assert_eq!(
        room.refused(&beating("a", 2, &[3])),
        ErrorCode::FencedMemberEpoch
    );
    // Clients keep their names when they join anew.
    assert_eq!(room.assigned(&joining("a")), (3, vec![0, 1, 2, 3]));
}

#[test]
fn who_has_nothing_to_read_yet_is_in_a_group_all_the_same() {
    let mut room = Room::new();
    let nothing = Beat {
        names: Some(BTreeSet::new()),
        regex: Some("none.*".into()),
        matched: Some(BTreeSet::new()),
        ..joining("a")
    };
    assert_eq!(room.assigned(&nothing), (1, vec![]));
    assert_eq!(room.beat(&beating("a", 1, &[])).epoch, 1);
}

#[test]
fn each_members_pattern_is_looked_at_in_time() {
    let mut room = Room::new();
    let by_pattern = |member: &str, epoch, matched: &[&str]| Beat {
        epoch,
        names: None,
        regex: Some("o.*".into()),
        matched: Some(matched.iter().map(|name| (*name).to_owned()).collect()),
        ..joining(member)
    };
    let patience = Duration::from_secs(1);
    room.beat(&by_pattern("a", JOINING, &[]));
    room.beat(&by_pattern("b", JOINING, &[]));
    room.now += patience;
    // A third who reads by name has topics looked at, but no pattern.
    room.beat(&joining("c"));
    let should_look = |room: &Room, member| room.group.should_look(member, room.now, patience);
    assert!(!should_look(&room, "c") && should_look(&room, "b"));
    let epoch = room.group.epoch();
    let own = room.group.member("a").unwrap().epoch;
    room.beat(&by_pattern("a", own, &["other"]));
    assert!(!should_look(&room, "a") && should_look(&room, "b"));
    assert!(room.group.member("b").unwrap().matched.is_empty());
    assert_eq!(room.group.epoch(), epoch + 1);
}

#[test]
fn who_says_everything_is_told_everything() {
    let mut room = Room::new();
    room.beat(&Beat {
        names: None,
        regex: Some("o.*".into()),
        matched: Some(BTreeSet::from(["other".to_owned()])),
        ..joining("a")
    });
    let again = Beat {
        names: None,
        regex: Some("o.*".into()),
        ..beating("a", 1, &[])
    };
    let everything = Beat {
        rebalance_timeout: Some(Duration::from_secs(60)),
        ..again.clone()
    };
    let told = room.beat(&everything).assignment.unwrap();
    assert_eq!(told.keys().collect::<Vec<_>>(), [&OTHER]);
}

#[test]
fn a_static_member_has_after_its_return_what_it_had() {
    let mut room = Room::new();
    let instance = Some("i".to_owned());
    room.beat(&Beat {
        instance: instance.clone(),
        ..joining("a")
    });
    room.beat(&joining("b"));
    let come_back = Beat {
        instance: instance.clone(),
        ..joining("c")
    };
    assert_eq!(room.refused(&come_back), ErrorCode::UnreleasedInstanceId);
    let away = Beat {
        epoch: AWAY,
        instance: instance.clone(),
        ..joining("a")
    };
    assert_eq!(room.beat(&away).epoch, AWAY);
    let epoch = room.group.epoch();
    assert_eq!(room.assigned(&come_back), (epoch, vec![0, 1]));
    let fenced = Beat {
        instance,
        ..beating("a", 1, &[])
    };
    assert_eq!(room.refused(&fenced), ErrorCode::FencedInstanceId);
}

#[test]
fn a_topic_that_grows_or_comes_is_divided_at_the_next_heartbeat() {
    let mut room = Room::new();
    room.beat(&joining("a"));
    let more = room
        .group
        .on_beat(&beating("a", 1, &[0, 1, 2, 3]), Some(&topics(5)), room.now);
    assert_eq!(
        (more.epoch, more.assignment),
        (2, Some(of_topic(&[0, 1, 2, 3, 4])))
    );
    let names = Some(BTreeSet::from(["gone".to_owned()]));
    let other = Beat {
        names,
        ..beating("a", 2, &[])
    };
    assert_eq!(room.assigned(&other), (3, vec![]));
}

#[test]
fn a_pattern_reads_what_it_matches() {
    let mut room = Room::new();
    let regex = Beat {
        names: Some(BTreeSet::new()),
        regex: Some("o.*".into()),
        matched: Some(BTreeSet::from(["other".to_owned()])),
        ..joining("a")
    };
    let assigned = room.beat(&regex).assignment.unwrap();
    assert_eq!(assigned.keys().collect::<Vec<_>>(), [&OTHER]);
}

#[test]
fn only_members_of_this_epoch_commit() {
    let mut room = Room::new();
    assert_eq!(room.group.may_commit("", -1), Ok(()));
    room.beat(&joining("a"));
    assert_eq!(
        room.group.may_commit("", -1),
        Err(ErrorCode::UnknownMemberId)
    );
    assert_eq!(room.group.may_commit("a", 1), Ok(()));
    assert_eq!(
        room.group.may_commit("a", 0),
        Err(ErrorCode::StaleMemberEpoch)
    );
    assert_eq!(room.group.may_fetch_offsets(None, -1), Ok(()));
    assert_eq!(
        room.group.may_fetch_offsets(Some("a"), 9),
        Err(ErrorCode::StaleMemberEpoch)
    );
}

#[test]
fn a_heartbeat_with_nothing_new_changes_nothing_that_is_kept() {
    let mut room = Room::new();
    room.beat(&joining("a"));
    let changes = room.group.take_changes();
    assert!(changes.members.contains("a"));
    room.now += Duration::from_secs(5);
    room.beat(&beating("a", 1, &[0, 1, 2, 3]));
    assert!(!room.group.has_changes());
}

/// So long that no member is out for what it did not give up before it is for its silence, which is when nobody counts on it.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(600);

/// A consumer.
#[derive(Clone, Debug)]
struct Client {
    name: String,
    instance: Option<String>,
    epoch: i32,
    owned: Partitions,
    heard: Instant,
    is_alive: bool,
    /// Whether an answer is missing, after which a client says everything again.
    is_unsure: bool,
}

struct World {
    room: Room,
    clients: Vec<Client>,
    last_name: u32,
    partitions: u32,
}

impl World {
    fn name(&mut self) -> String {
        self.last_name += 1;
        format!("m{}", self.last_name)
    }

    fn start(&mut self, is_static: bool) {
        let name = self.name();
        self.clients.push(Client {
            instance: is_static.then(|| format!("i{}", self.clients.len())),
            name,
            epoch: JOINING,
            owned: Partitions::new(),
            heard: self.room.now,
            is_alive: true,
            is_unsure: false,
        });
    }

    fn send(&mut self, client: &Client, epoch: i32) -> BeatAnswer {
        let says_all = epoch == JOINING || client.is_unsure;
        let beat = Beat {
            epoch,
            instance: client.instance.clone(),
            owned: Some(client.owned.clone()),
            rebalance_timeout: says_all.then_some(REBALANCE_TIMEOUT),
            names: says_all.then(|| BTreeSet::from(["topic".to_owned(), "other".to_owned()])),
            ..joining(&client.name)
        };
        let before = self.room.group.epoch();
        let found = topics(self.partitions);
        let answer = self.room.group.on_beat(&beat, Some(&found), self.room.now);
        assert!(self.room.group.epoch() >= before, "epochs only grow");
        answer
    }

    fn beat(&mut self, at: usize, is_answer_lost: bool) {
        let Some(client) = self.clients.get(at).filter(|one| one.is_alive).cloned() else {
            return;
        };
        let answer = self.send(&client, client.epoch);
        self.clients[at].is_unsure = is_answer_lost;
        if is_answer_lost {
            return;
        }
        let (now, name) = (self.room.now, self.name());
        let one = &mut self.clients[at];
        match answer.code {
            ErrorCode::None => {
                assert!(answer.epoch >= one.epoch, "epochs only grow");
                one.epoch = answer.epoch;
                one.heard = now;
                one.owned = answer.assignment.unwrap_or(std::mem::take(&mut one.owned));
            }
            ErrorCode::UnreleasedInstanceId => {}
            ErrorCode::FencedMemberEpoch => {
                one.epoch = JOINING;
                one.owned.clear();
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                one.name = name;
                one.epoch = JOINING;
                one.owned.clear();
            }
            other => panic!("{other:?} to {one:?}"),
        }
        self.check_owners();
    }

    /// No partition is read by two who have been heard of in time.
    fn check_owners(&self) {
        let mut read = BTreeSet::new();
        let session = Pace::default().session_timeout;
        for one in self.clients.iter().filter(|one| one.is_alive) {
            if self.room.now < one.heard + session {
                for place in places(&one.owned) {
                    assert!(
                        read.insert(place),
                        "{place:?} has two readers: {:?}",
                        self.clients
                    );
                }
            }
        }
    }

    fn leave(&mut self, at: usize, epoch: i32) {
        let Some(client) = self.clients.get(at).cloned() else {
            return;
        };
        if epoch == LEAVING || client.instance.is_some() {
            self.send(&client, epoch);
            let one = &mut self.clients[at];
            one.is_alive = false;
            one.owned.clear();
        }
    }

    fn replace(&mut self, at: usize) {
        let (name, now) = (self.name(), self.room.now);
        if let Some(one) = self.clients.get_mut(at) {
            one.name = name;
            (one.epoch, one.heard, one.is_alive) = (JOINING, now, true);
            one.owned.clear();
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.room.now += Duration::from_secs(seconds);
        self.room.group.on_timer(self.room.now);
    }

    fn restart(&mut self) {
        let group = &self.room.group;
        let members = group.members().cloned().collect();
        let epochs = (group.epoch(), group.assignment_epoch());
        let topics = group.topics().clone();
        self.room.group = Group::restored(epochs, topics, members, self.room.now);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start(bool),
    Beat(usize, bool),
    Kill(usize),
    Replace(usize),
    Leave(usize),
    Away(usize),
    Pass(u64),
    Grow,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Start),
        12 => (0_usize..5, prop::bool::weighted(0.2)).prop_map(|(at, is_lost)| Step::Beat(at, is_lost)),
        1 => (0_usize..5).prop_map(Step::Kill),
        1 => (0_usize..5).prop_map(Step::Replace),
        1 => (0_usize..5).prop_map(Step::Leave),
        1 => (0_usize..5).prop_map(Step::Away),
        3 => (0_u64..20).prop_map(Step::Pass),
        1 => Just(Step::Grow),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_members_do_each_partition_ends_with_one_reader(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World { room: Room::new(), clients: Vec::new(), last_name: 0, partitions: 4 };
        for step in steps {
            match step {
                Step::Start(is_static) if world.clients.len() < 5 => world.start(is_static),
                Step::Start(_) => {}
                Step::Beat(at, is_answer_lost) => world.beat(at, is_answer_lost),
                Step::Kill(at) => {
                    if let Some(one) = world.clients.get_mut(at) {
                        one.is_alive = false;
                    }
                }
                Step::Replace(at) => world.replace(at),
                Step::Leave(at) => world.leave(at, LEAVING),
                Step::Away(at) => world.leave(at, AWAY),
                Step::Pass(seconds) => world.pass(seconds),
                Step::Grow => world.partitions += 1,
                Step::Restart => world.restart(),
            }
        }
        for _ in 0..40 {
            world.pass(3);
            for at in 0..world.clients.len() {
                world.beat(at, false);
            }
        }
        let alive: Vec<&Client> = world.clients.iter().filter(|one| one.is_alive).collect();
        let read: BTreeSet<(StreamId, u32)> = alive.iter().flat_map(|one| places(&one.owned)).collect();
        let expected = if alive.is_empty() { 0 } else { world.partitions as usize + 2 };
        prop_assert_eq!(read.len(), expected, "{:?}", world.clients);
        let state = world.room.group.state();
        prop_assert_eq!(state, if alive.is_empty() { State::Empty } else { State::Stable });
        let counts: Vec<usize> = alive.iter().map(|one| places(&one.owned).count()).collect();
        let spread = counts.iter().max().zip(counts.iter().min()).map(|(most, least)| most - least);
        prop_assert!(spread.unwrap_or(0) <= 1, "{:?}", counts);
    }
}
