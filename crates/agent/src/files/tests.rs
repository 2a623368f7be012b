//! The files of a flow through every kind of rotation, and through restarts of the agent.

use std::fs;
use std::time::Duration;

use model::Clock;

use super::testing::{FROM_START, Flow, OPEN_MAX, lines, records, tail};
use crate::tail::{Tail, read_one};

#[test]
fn lines_are_sent_once_they_end() {
    let mut flow = Flow::new("app.log*", FROM_START);
    flow.append("app.log", "one\ntw");
    flow.append("other.log", "no\n");
    flow.scan();
    assert_eq!(flow.sent(), "one\n");
    flow.append("app.log", "o\nthree");
    flow.look(Duration::from_millis(10), false);
    assert_eq!(flow.sent(), "two\n");
    flow.look(Duration::from_secs(9_999), false);
    assert_eq!(flow.sent(), "");
    flow.restart();
    flow.append("app.log", "\n");
    flow.scan();
    assert_eq!(flow.sent(), "three\n");
}

#[test]
fn a_first_run_can_begin_at_the_end() {
    let mut flow = Flow::new("app.log*", r#""initialPosition": "END_OF_FILE""#);
    flow.append("app.log", "old\nlast without its e");
    flow.scan();
    assert_eq!(flow.sent(), "");
    // A restart is no first run, whether or not something was sent.
    flow.restart();
    flow.append("app.log", "nd\nnew\n");
    flow.append("app.log.new", "all of it\n");
    flow.scan();
    assert_eq!(flow.sent(), "last without its end\nnew\nall of it\n");
    let mut none = Flow::new("app.log*", r#""initialPosition": "END_OF_FILE""#);
    none.scan();
    none.append("app.log", "later\n");
    none.scan();
    assert_eq!(none.sent(), "later\n");
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    // In one pattern, and out of it.
    for pattern in ["app.log*", "app.log"] {
        let mut flow = Flow::new(pattern, FROM_START);
        flow.append("app.log", &lines("old", 0, 20));
        flow.scan();
        assert_eq!(flow.sent(), lines("old", 0, 20));
        flow.append("app.log", &lines("old", 20, 30));
        flow.rename("app.log", "app.log.1");
        flow.append("app.log", &lines("new", 0, 20));
        // The writer closes it late.
        flow.append("app.log.1", &lines("old", 30, 31));
        flow.scan();
        assert_eq!(
            flow.sent(),
            lines("old", 20, 31) + &lines("new", 0, 20),
            "{pattern}"
        );
        flow.append("app.log.1", &lines("old", 31, 32));
        flow.append("app.log", &lines("new", 20, 21));
        flow.scan();
        let sent = flow.sent();
        assert!(
            sent.contains(&lines("old", 31, 32)) && sent.contains(&lines("new", 20, 21)),
            "{sent}"
        );
    }
}

#[test]
fn a_file_renamed_while_the_agent_was_away_is_found_by_what_it_is() {
    for pattern in ["app.log*", "app.log"] {
        let mut flow = Flow::new(pattern, FROM_START);
        flow.append("app.log", &lines("old", 0, 20));
        flow.scan();
        flow.sent();
        flow.append("app.log", &lines("old", 20, 30));
        flow.rename("app.log", "app.log.1");
        flow.append("app.log", &lines("new", 0, 20));
        flow.restart();
        flow.scan();
        assert_eq!(
            flow.sent(),
            lines("old", 20, 30) + &lines("new", 0, 20),
            "{pattern}"
        );
    }
}

#[test]
fn a_file_emptied_and_filled_beyond_the_place_is_noticed() {
    let mut flow = Flow::new("app.log", FROM_START);
    flow.append("app.log", &lines("old", 0, 20));
    flow.scan();
    flow.sent();
    flow.empty("app.log");
    flow.append("app.log", &lines("new", 0, 60));
    flow.look(Duration::from_millis(10), false);
    assert_eq!(flow.sent(), lines("new", 0, 60));
    // The same while the agent is away.
    flow.empty("app.log");
    flow.append("app.log", &lines("third", 0, 99));
    flow.restart();
    flow.scan();
    flow.look(Duration::from_secs(6), true);
    assert_eq!(flow.sent(), lines("third", 0, 99));
}

#[test]
fn new_names_are_new_files_and_gone_ones_are_let_go() {
    let mut flow = Flow::new("app-*.log", FROM_START);
    flow.append("app-1.log", &lines("one", 0, 20));
    flow.scan();
    flow.append("app-1.log", "rest without its end");
    flow.append("app-2.log", &lines("two", 0, 20));
    flow.scan();
    fs::remove_file(flow.path("app-1.log")).unwrap();
    flow.scan();
    assert_eq!(flow.sent(), lines("one", 0, 20) + &lines("two", 0, 20));
    assert_eq!(flow.tail.follower.files.len(), 2);
    flow.look(Duration::from_secs(61), true);
    assert_eq!(flow.sent(), "rest without its end");
    assert_eq!(flow.tail.follower.files.len(), 1);
    flow.scan();
    assert_eq!(flow.places.as_ref().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_over_stays_while_reading_is_interrupted() {
    let mut flow = Flow::new("app.log", FROM_START);
    flow.append("app.log", "a\n");
    flow.scan();
    flow.append("app.log", "b\nc\nrest");
    flow.scan();
    flow.append("app.log", "d\ne\nrest");
    fs::remove_file(flow.path("app.log")).unwrap();
    flow.clock.advance(Duration::from_secs(61));
    let now = flow.clock.now();
    flow.tail.follower.scan(now);
    // The agent is told to end just then, as it would be if there were no room.
    flow.tail.wake.end();
    let Tail {
        follower, reader, ..
    } = &mut flow.tail;
    let file = &mut follower.files[0];
    assert!(!read_one(reader, file, true, true).unwrap());
    assert_eq!(file.offset, "a\nb\nc\n".len() as u64);
    flow.take();
    assert_eq!(flow.sent(), "a\nb\nc\n");
}

#[test]
fn header_lines_are_passed_over_in_every_file() {
    let options = format!(r#"{FROM_START}, "skipHeaderLines": 2"#);
    let mut flow = Flow::new("app*", &options);
    flow.append("app.1", "# version");
    flow.scan();
    flow.restart();
    flow.append("app.1", " 1\n# columns\na\nb\n");
    flow.append("app.2", "x\ny\nz\n");
    flow.scan();
    flow.restart();
    flow.append("app.1", "c\n");
    flow.scan();
    assert_eq!(flow.sent(), "a\nb\nz\nc\n");
}

#[test]
fn records_of_several_lines_end_with_the_next_or_after_a_while() {
    let options = format!(r#"{FROM_START}, "multiLineStartPattern": "\\d+:"#);
    let mut flow = Flow::new("app.log", &format!("{options}\""));
    flow.append("app.log", "1: a\n  b\n2: c\n");
    flow.scan();
    assert_eq!(std::mem::take(&mut flow.records), ["1: a\n  b\n"]);
    flow.append("app.log", "  d\n");
    flow.scan();
    assert!(flow.records.is_empty());
    flow.look(Duration::from_secs(2), false);
    assert_eq!(flow.records, ["2: c\n  d\n"]);
}

#[test]
fn long_lines_are_cut_at_the_limit_and_reading_goes_on_after_them() {
    let options = format!(r#"{FROM_START}, "truncatedRecordTerminator": "<cut>""#);
    let mut flow = Flow::new("app.log", &options);
    // One that the buffer holds, one that it does not.
    flow.append(
        "app.log",
        &format!("a\n{}\nb\n{}", "x".repeat(2 << 20), "y".repeat(11 << 20)),
    );
    flow.scan();
    // Killed in the middle of it, the line is sent again, not its rest alone.
    flow.restart();
    flow.append("app.log", "yyy\nc\n");
    flow.scan();
    let records = std::mem::take(&mut flow.records);
    let shape: Vec<(usize, &str)> = records.iter().map(|one| (one.len(), &one[..1])).collect();
    let cut = (1 << 20) - 12;
    assert_eq!(
        shape,
        [
            (2, "a"),
            (cut, "x"),
            (2, "b"),
            (cut, "y"),
            (cut, "y"),
            (2, "c")
        ]
    );
    assert!(records[1].ends_with("x<cut>") && records[3].ends_with("y<cut>"));
}

#[test]
fn batches_keep_their_limits() {
    let options = format!(r#"{FROM_START}, "maxBufferSizeBytes": 100, "maxBufferSizeRecords": 3"#);
    let mut flow = Flow::new("app.log", &options);
    flow.append(
        "app.log",
        &format!("1\n2\n3\n4\n{}\n{}\n", "5".repeat(60), "6".repeat(200)),
    );
    flow.clock.advance(Duration::from_secs(1));
    flow.tail.look(true).unwrap();
    flow.tail.reader.close().unwrap();
    let mut sizes = Vec::new();
    while let Ok(parcel) = flow.parcels.try_recv() {
        if parcel.records() > 0 {
            sizes.push(parcel.records());
        }
    }
    assert_eq!(sizes, [3, 2, 1]);
}

#[test]
fn lines_are_combined_where_asked_for() {
    let options = format!(r#"{FROM_START}, "aggregatedRecordSizeBytes": 10"#);
    let mut flow = Flow::new("app.log", &options);
    flow.append("app.log", "123\n456\n789\nlonger than ten\nend\n");
    flow.scan();
    assert_eq!(
        flow.records,
        ["123\n456\n", "789\n", "longer than ten\n", "end\n"]
    );
}

#[test]
fn places_in_files_that_are_long_gone_are_forgotten() {
    let mut flow = Flow::new("app.log", FROM_START);
    flow.append("app.log", "a\n");
    flow.scan();
    fs::remove_file(flow.path("app.log")).unwrap();
    flow.restart();
    flow.scan();
    assert_eq!(flow.places.as_ref().unwrap().len(), 1);
    flow.clock.advance(Duration::from_secs(8 * 24 * 3600));
    flow.restart();
    flow.scan();
    assert!(flow.places.as_ref().unwrap().is_empty());
}

#[test]
fn files_are_followed_while_nobody_takes_what_was_read() {
    let options = format!(r#"{FROM_START}, "maxBufferSizeRecords": 1"#);
    let mut flow = Flow::new("app.log", &options);
    // Waiting for room takes real time.
    flow.clock = Clock::system();
    (flow.tail, flow.parcels) = tail(&flow.options, &flow.clock, None, 1);
    for round in 0..3 {
        flow.append("app.log", &format!("{round} a\n{round} b\n"));
        flow.tail.look(true).unwrap();
        flow.rename("app.log", &format!("old.{round}"));
    }
    assert_eq!(flow.tail.follower.files.len(), 3);
    while flow.records.len() < 6 {
        while let Ok(parcel) = flow.parcels.try_recv() {
            flow.records.extend(records(&parcel));
        }
        flow.tail.look(true).unwrap();
    }
    assert_eq!(flow.sent(), "0 a\n0 b\n1 a\n1 b\n2 a\n2 b\n");
}

#[test]
fn a_footer_ends_its_file_and_is_not_sent() {
    let options = format!(r#"{FROM_START}, "fileFooterPattern": "END( \\d+)?""#);
    let mut flow = Flow::new("app*", &options);
    flow.append("app.1", "a\nthe END\n END 1 \nb\n");
    flow.append("app.2", "c\n");
    flow.scan();
    assert_eq!(flow.sent(), "a\nthe END\nc\n");
    // Nor what is added, also after a restart; others go on.
    flow.append("app.1", "d\n");
    flow.append("app.2", "e\n");
    flow.scan();
    flow.restart();
    flow.append("app.1", "f\n");
    flow.append("app.2", "g\n");
    flow.scan();
    assert_eq!(flow.sent(), "e\ng\n");
    // A file that was emptied begins anew, also one that was nothing but its footer.
    flow.append("app.3", "END\n");
    flow.look(Duration::from_secs(6), true);
    for name in ["app.1", "app.3"] {
        flow.empty(name);
        flow.append(name, "h\n");
    }
    flow.scan();
    flow.scan();
    assert_eq!(flow.sent(), "h\nh\n");
}

#[test]
fn a_footer_without_its_newline_is_not_sent_either() {
    let options = format!(r#"{FROM_START}, "fileFooterPattern": "END""#);
    let mut flow = Flow::new("app.log", &options);
    flow.append("app.log", "a\nEND");
    flow.scan();
    fs::remove_file(flow.path("app.log")).unwrap();
    flow.scan();
    flow.look(Duration::from_secs(61), true);
    assert_eq!(flow.sent(), "a\n");
    assert!(flow.tail.follower.files.is_empty());
}

#[test]
fn a_footer_is_found_among_lines_that_are_combined() {
    let options =
        format!(r#"{FROM_START}, "fileFooterPattern": "END", "aggregatedRecordSizeBytes": 100"#);
    let mut flow = Flow::new("app.log", &options);
    flow.append("app.log", "a\nb\nEND\nc\n");
    flow.scan();
    assert_eq!(flow.records, ["a\nb\n"]);
    flow.append("app.log", "d\n");
    flow.scan();
    assert_eq!(flow.records.len(), 1);
}

#[test]
fn few_files_are_open_and_all_are_read() {
    let mut flow = Flow::new("app*", FROM_START);
    let count = 5 * OPEN_MAX;
    let open = |flow: &Flow| {
        let files = flow.tail.follower.files.iter();
        files.filter(|file| file.file.is_some()).count()
    };
    let mut expected = Vec::new();
    for round in 0..3 {
        for at in 0..count {
            let line = format!("file {at:03} line {round}\n");
            // Some have a last line without its end, which keeps nobody from being read.
            flow.append(&format!("app.{at}"), &format!("{line}tail"));
            expected.push(if round == 0 {
                line
            } else {
                format!("tail{line}")
            });
        }
        for _ in 0..30 {
            flow.look(Duration::from_secs(2), true);
            assert!(open(&flow) <= OPEN_MAX, "{} are open", open(&flow));
        }
    }
    // Renamed out of the pattern while closed, after more was written.
    for at in 0..count {
        flow.append(&format!("app.{at}"), "last\n");
        flow.rename(&format!("app.{at}"), &format!("old.{at}"));
        expected.push("taillast\n".to_owned());
    }
    for _ in 0..60 {
        flow.look(Duration::from_secs(2), true);
    }
    flow.records.sort();
    expected.sort();
    assert_eq!(flow.records, expected);
}

#[test]
fn what_is_no_file_is_passed_over_and_what_cannot_be_read_is_said() {
    let mut flow = Flow::new("app*", FROM_START);
    fs::create_dir(flow.path("app.dir")).unwrap();
    std::os::unix::fs::symlink(flow.path("app.loop"), flow.path("app.loop")).unwrap();
    std::os::unix::fs::symlink(flow.path("nowhere"), flow.path("app.dangling")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(flow.path("app.sock")).unwrap());
    flow.append("app.log", "a\n");
    fs::write(flow.path("app.bytes"), b"\xff\xfe\0\n").unwrap();
    flow.scan();
    flow.records.sort();
    assert_eq!(flow.sent(), "a\n\u{fffd}\u{fffd}\0\n");
    assert_eq!(flow.tail.follower.files.len(), 2);
    let error = flow.tail.follower.last_error.take().unwrap();
    assert!(error.contains("app.loop"), "{error}");
    assert_eq!(flow.tail.follower.failures, 1);
}

#[test]
fn ten_thousand_files_are_read_with_few_of_them_open() {
    let mut flow = Flow::new("app*", FROM_START);
    flow.tail.follower.open_max = 400;
    // Those of a first run, and as many that come later and begin alike.
    for at in 0..5_000 {
        flow.append(&format!("app.{at}"), &format!("the beginning\n{at}\n"));
    }
    flow.scan();
    for at in 5_000..10_000 {
        flow.append(&format!("app.{at}"), &format!("the beginning\n{at}\n"));
    }
    for _ in 0..300 {
        if flow.records.len() >= 20_000 {
            break;
        }
        flow.look(Duration::from_secs(1), true);
    }
    assert_eq!(flow.records.len(), 20_000);
}
