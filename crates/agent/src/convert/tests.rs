//! Each conversion against the examples of the AWS agent's documentation and of the formats' own.

use model::Timestamp;
use regex::bytes::Regex;
use serde_json::json;

use super::print::Layout;
use super::*;

fn run(step: Step, record: &str) -> Option<String> {
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    let chain = Chain::of(vec![step]);
    let now = Timestamp(1_795_827_723_004);
    match chain.convert(record.as_bytes(), now, &mut out, &mut spare) {
        Outcome::Converted => Some(String::from_utf8(out).unwrap()),
        Outcome::Skipped => None,
    }
}

fn log(format: LogFormat, record: &str) -> Option<String> {
    let log = Log::new(format, None, None, Layout::Compact).unwrap();
    run(Step::Log(log), record)
}

#[test]
fn several_lines_become_one() {
    let check = |trims, escapes, record, expected: &str| {
        let step = Step::SingleLine(SingleLine { trims, escapes });
        assert_eq!(run(step, record).unwrap(), expected, "{record:?}");
    };
    check(true, false, "  a \n\tb\r\n c\n", "abc\n");
    check(true, false, "one\n", "one\n");
    check(true, false, "none", "none\n");
    check(true, false, "\n\n", "\n");
    check(false, false, " a \n b\n", " a  b\n");
    check(true, true, "a\n\n b\n\n", "a\\\\n\\\\nb\n");
}

#[test]
fn columns_become_members() {
    let check = |delimiter: &str, record, expected: &str| {
        let delimiter = match delimiter.as_bytes() {
            [one] => Delimiter::Byte(*one),
            _ => Delimiter::Pattern(Regex::new(delimiter).unwrap()),
        };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let layout = Layout::Compact;
        let step = Step::Csv(Csv {
            names,
            delimiter,
            layout,
        });
        assert_eq!(run(step, record).unwrap(), expected, "{record:?}");
    };
    check(
        ",",
        "1,two,3.0\n",
        "{\"a\":\"1\",\"b\":\"two\",\"c\":\"3.0\"}\n",
    );
    check(",", "1,,3,4\n", "{\"a\":\"1\",\"b\":\"\",\"c\":\"3\"}\n");
    check(",", "1,,\n", "{\"a\":\"1\",\"b\":null,\"c\":null}\n");
    check(",", ",2\n", "{\"a\":\"\",\"b\":\"2\",\"c\":null}\n");
    check(",", "\n", "{\"a\":\"\",\"b\":null,\"c\":null}\n");
    check(
        "|",
        "x|\"y\"|z",
        "{\"a\":\"x\",\"b\":\"\\\"y\\\"\",\"c\":\"z\"}\n",
    );
    check("\\t", "x\ty\tz", "{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\"}\n");
    check(
        "\\s*;\\s*",
        "x ; y;z",
        "{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\"}\n",
    );
}

#[test]
fn apache_logs_become_objects() {
    let common = "64.242.88.10 - - [07/Mar/2004:16:10:02 -0800] \"GET /mailman/listinfo/hsdivision HTTP/1.1\" 200 6291";
    let expected = "{\"host\":\"64.242.88.10\",\"ident\":null,\"authuser\":null,\"datetime\":\"07/Mar/2004:16:10:02 -0800\",\
        \"request\":\"GET /mailman/listinfo/hsdivision HTTP/1.1\",\"response\":\"200\",\"bytes\":\"6291\"}\n";
    assert_eq!(log(LogFormat::CommonApache, common).unwrap(), expected);
    let with_newline = format!("{common}\n");
    assert_eq!(
        log(LogFormat::CommonApache, &with_newline).unwrap(),
        expected
    );
    let combined = format!("{common} \"http://a/\" \"Agent \\\"1\\\"\"\n");
    let object = log(LogFormat::CombinedApache, &combined).unwrap();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["referer"], "http://a/");
    assert_eq!(object["agent"], "Agent \\\"1\\\"");
    assert_eq!(log(LogFormat::CombinedApache, common), None);
    assert_eq!(log(LogFormat::CommonApache, "not a log\n"), None);
    let error = "[Mon Mar 08 05:24:29.123456 2004] [core:error] [pid 11:tid 42] [client 10.0.0.1:80] File does not exist";
    let object = log(LogFormat::ApacheError, error).unwrap();
    let expected = json!({
        "timestamp": "Mon Mar 08 05:24:29.123456 2004", "module": "core", "severity": "error", "processid": "11",
        "threadid": "42", "client": "10.0.0.1:80", "message": "File does not exist",
    });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&object).unwrap(),
        expected
    );
    let short = "[Mon Mar  8 05:24:29 2004] [error] [pid 11] restarted";
    let object = log(LogFormat::ApacheError, short).unwrap();
    assert!(
        object.contains("\"module\":null") && object.contains("\"client\":null"),
        "{object}"
    );
}

#[test]
fn system_logs_become_objects() {
    let check = |format, record, expected: &str| {
        assert_eq!(log(format, record).unwrap(), expected, "{record:?}");
    };
    check(
        LogFormat::Syslog,
        "Mar 12 12:00:08 server2 rcd[308]: Unable to download\n",
        "{\"timestamp\":\"Mar 12 12:00:08\",\"hostname\":\"server2\",\"program\":\"rcd\",\"processid\":\"308\",\"message\":\"Unable to download\"}\n",
    );
    check(
        LogFormat::Syslog,
        "Mar  7 04:22:00 server4 snort: a - b: c\n",
        "{\"timestamp\":\"Mar  7 04:22:00\",\"hostname\":\"server4\",\"program\":\"snort\",\"processid\":null,\"message\":\"a - b: c\"}\n",
    );
    check(
        LogFormat::Rfc3339Syslog,
        "2016-07-04T10:00:00.5+02:00 <3.6> host /usr/sbin/cron[6]: -\n",
        "{\"timestamp\":\"2016-07-04T10:00:00.5+02:00\",\"hostname\":\"host\",\"program\":\"/usr/sbin/cron\",\"processid\":\"6\",\"message\":\"-\"}\n",
    );
    assert_eq!(log(LogFormat::Syslog, "2016-07-04T10:00:00Z h p: m"), None);
}

#[test]
fn every_format_has_as_many_groups_as_fields() {
    for format in LogFormat::ALL {
        let made = Log::new(format, None, None, Layout::Compact);
        assert!(made.is_ok(), "{format:?}: {made:?}");
    }
}

#[test]
fn patterns_and_names_of_ones_own_take_the_place_of_the_formats() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let pattern = || Some(Regex::new(r"\A(?:(\d+)-(\w+)(x)?)\z").unwrap());
    let format = LogFormat::CommonApache;
    let made = Log::new(format, pattern(), names(&["n", "w", "x"]), Layout::Compact);
    let record = run(Step::Log(made.unwrap()), "7-abc\n").unwrap();
    assert_eq!(record, "{\"n\":\"7\",\"w\":\"abc\",\"x\":null}\n");
    let mismatch = Log::new(format, pattern(), names(&["n"]), Layout::Compact);
    assert_eq!(mismatch.unwrap_err(), (3, 1));
}

#[test]
fn metadata_stands_beside_the_record() {
    let step = |stamps, layout| {
        let metadata = json!({"key": "value", "foo": {"bar": 1}});
        Step::Metadata(Metadata {
            metadata,
            stamps,
            layout,
        })
    };
    assert_eq!(
        run(step(false, Layout::Compact), "a \"b\"\n").unwrap(),
        "{\"metadata\":{\"foo\":{\"bar\":1},\"key\":\"value\"},\"data\":\"a \\\"b\\\"\"}\n"
    );
    let stamped = run(step(true, Layout::Pretty), "a").unwrap();
    assert!(
        stamped.starts_with("{\n  \"ts\" : \"2026-11-2"),
        "{stamped}"
    );
    assert!(
        stamped.contains(".004Z\",\n  \"metadata\" : {"),
        "{stamped}"
    );
    assert!(stamped.ends_with("\n  \"data\" : \"a\"\n}\n"), "{stamped}");
}

#[test]
fn steps_follow_each_other_and_one_that_skips_is_the_last() {
    let single = || {
        Step::SingleLine(SingleLine {
            trims: true,
            escapes: false,
        })
    };
    let unknown = Log::new(LogFormat::Syslog, None, None, Layout::Compact).unwrap();
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    let chain = Chain::of(vec![single(), Step::Brackets]);
    let outcome = chain.convert(b"a\n b\n", Timestamp(0), &mut out, &mut spare);
    assert_eq!(
        (outcome, out.as_slice()),
        (Outcome::Converted, b"{ab\n}".as_slice())
    );
    let chain = Chain::of(vec![single(), Step::Log(unknown), Step::Brackets]);
    let outcome = chain.convert(b"a\n", Timestamp(0), &mut out, &mut spare);
    assert_eq!(outcome, Outcome::Skipped);
}

#[test]
fn bytes_that_are_no_text_are_replaced_in_json_alone() {
    let bytes = b"\xff,b\n";
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    let names = vec!["a".to_owned()];
    let csv = Csv {
        names,
        delimiter: Delimiter::Byte(b','),
        layout: Layout::Compact,
    };
    Chain::of(vec![Step::Csv(csv)]).convert(bytes, Timestamp(0), &mut out, &mut spare);
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        "{\"a\":\"\u{fffd}\"}\n"
    );
    Chain::of(vec![Step::Brackets]).convert(bytes, Timestamp(0), &mut out, &mut spare);
    assert_eq!(out, b"{\xff,b\n}");
}
