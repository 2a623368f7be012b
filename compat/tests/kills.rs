//! The server is killed under load, again and again: what it said it had must be there, once and in order.

use std::process::Command;
use std::time::{Duration, Instant};

use bench::verify::{WriterPlan, Writers};
use bench::verify_queue::{QueueClients, QueuePlan};
use compat::client::check;
use compat::server::Server;
use model::Rng;

const PROGRAM: &str = env!("CARGO_BIN_EXE_headwater-under-test");
const KILLS: usize = 20;
const STREAM: &str = "killed";

/// Waits until `writers` have `more` records acked than before.
fn let_in(writers: &Writers, more: u64) {
    let goal = writers.acked() + more;
    let deadline = Instant::now() + Duration::from_secs(60);
    while writers.acked() < goal {
        assert!(
            Instant::now() < deadline,
            "the writers got no further than {} records",
            writers.acked()
        );
        std::thread::yield_now();
    }
}

#[test]
fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let mut server = Server::start(PROGRAM, "kills", &[]);
    if !server.is_own() {
        return;
    }
    let verb = |server: &Server, words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .arg("--endpoint")
            .arg(format!("http://{}", server.address()));
        check(&mut command);
    };
    verb(&server, &["stream", "create", STREAM, "--shards", "4"]);
    let plan = WriterPlan {
        stream: STREAM.into(),
        writers: 8,
        records: 20,
        size: 300,
    };
    let writers = Writers::start(server.address(), &plan);
    // The seed only varies how far the load comes before each kill; the kill itself falls where it falls.
    let rng = Rng::seeded(20);
    for kill in 0..KILLS {
        let_in(&writers, 200 + rng.below(2_000));
        server.kill();
        server.start_again();
        if kill == KILLS / 2 {
            verb(&server, &["stream", "scale", STREAM, "7"]);
        }
    }
    let_in(&writers, 1_000);
    let history = writers.stop().expect("the writers end");
    let verdict = history
        .check(server.address(), STREAM)
        .expect("the stream is read");
    assert!(verdict.acked >= KILLS as u64 * 200, "{verdict:?}");
    assert!(
        verdict.failures >= KILLS as u64,
        "the kills were felt: {verdict:?}"
    );
    assert_eq!(verdict.violations, 0, "{verdict:#?}");
    server.stop();
}

/// Waits until on each queue `more` messages have been acknowledged and as many deleted.
fn let_through(clients: &[QueueClients], more: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    for one in clients {
        let (acked, deleted) = (one.acked() + more, one.deleted() + more);
        while one.acked() < acked || one.deleted() < deleted {
            assert!(
                Instant::now() < deadline,
                "no further than {} sent, {} deleted",
                one.acked(),
                one.deleted()
            );
            std::thread::yield_now();
        }
    }
}

#[test]
fn twenty_kills_lose_no_message_and_bring_none_back() {
    let mut server = Server::start(PROGRAM, "queue-kills", &[]);
    if !server.is_own() {
        return;
    }
    let plan = |name: &str| QueuePlan {
        name: name.into(),
        senders: 4,
        receivers: 3,
        batch: 10,
        size: 200,
        visibility: 3,
        seed: 20,
    };
    let plans = [plan("killed"), plan("killed.fifo")];
    let clients: Vec<QueueClients> = plans
        .iter()
        .map(|plan| QueueClients::start(server.address(), plan).expect("the queue is made"))
        .collect();
    let rng = Rng::seeded(21);
    for _ in 0..KILLS {
        let_through(&clients, 20 + rng.below(300));
        server.kill();
        server.start_again();
    }
    let_through(&clients, 100);
    for one in clients {
        let verdict = one.finish().expect("the queue is emptied");
        assert!(verdict.deleted >= KILLS as u64 * 20, "{verdict:?}");
        assert!(
            verdict.failures >= KILLS as u64,
            "the kills were felt: {verdict:?}"
        );
        assert_eq!(verdict.violations, 0, "{verdict:#?}");
    }
    server.stop();
}
