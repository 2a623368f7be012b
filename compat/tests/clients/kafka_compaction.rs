//! Compacted topics, and a server that is killed while it compacts them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use compat::client::check;
use compat::server::Server;

use crate::{PROGRAM, empty_folder, python};

const KILLS: usize = 6;

/// Files of segments, whole and half written.
fn segments(data: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(data.join("segments")).into_iter().flatten();
    files
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Waits until the server has begun or finished as many files of segments: its compaction is under way.
fn let_compact(server: &Server, files: usize) {
    let mut seen = segments(server.data());
    let goal = seen.len() + files;
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen.len() < goal {
        assert!(Instant::now() < deadline, "nothing is compacted");
        std::thread::yield_now();
        seen.extend(segments(server.data()));
    }
}

#[test]
fn compacted_topics_keep_the_latest_of_each_key_through_kills() {
    let state = empty_folder("python-kafka-compaction", "state").join("state.json");
    let mut server = Server::start(PROGRAM, "kafka-compaction", &[]);
    let run = |server: &Server, action: &str| {
        let Some(mut command) = python("python-kafka-compaction", "run.py") else {
            return false;
        };
        check(server.known_to(&mut command).arg(&state).arg(action));
        true
    };
    if !run(&server, "create") {
        return;
    }
    for kill in 0..KILLS {
        run(&server, "write");
        if server.is_own() {
            // A part that is moved out of the journal, then what it is rewritten to, of one topic and of the other.
            let_compact(&server, 1 + kill);
            server.kill();
            server.start_again();
        }
    }
    run(&server, "write");
    run(&server, "check");
    server.stop();
}
