//! The server is killed under load, again and again: what it said it had must be there, once and in order.

use std::process::Command;
use std::time::{Duration, Instant};

use bench::verify::{WriterPlan, Writers};
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
