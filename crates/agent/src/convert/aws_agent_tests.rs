//! What AWS's agent makes of records, by the data of its own tests (awslabs/amazon-kinesis-agent at aa0d908: `DataConverterTest`,
//! `apache_test_log`, `syslog_test`), through the configuration that it takes.

use model::Timestamp;
use serde_json::{Value, json};

use super::Outcome;
use crate::config::Config;

/// What the options make of a record; `None` where it is left out.
fn convert(options: &Value, record: &str) -> Option<String> {
    let flow =
        json!({"filePattern": "/x", "kinesisStream": "s", "dataProcessingOptions": [options]});
    let text = json!({ "flows": [flow] }).to_string();
    let config = Config::parse(&text, &[]).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    let chain = &config.flows[0].chain;
    match chain.convert(record.as_bytes(), Timestamp(0), &mut out, &mut spare) {
        Outcome::Converted => Some(String::from_utf8(out).unwrap()),
        Outcome::Skipped => None,
    }
}

fn check(options: &Value, record: &str, expected: &str) {
    let expected = Some(format!("{expected}\n"));
    assert_eq!(convert(options, record), expected, "{record:?}");
}

fn log(format: &str) -> Value {
    json!({"optionName": "LOGTOJSON", "logFormat": format})
}

const COMMON: &str = r#"123.45.67.89 - - [27/Oct/2000:09:27:09 -0400] "GET /java/javaResources.html HTTP/1.0" 200 10450"#;
const AGENT: &str = r#""-" "Mozilla/4.6 [en] (X11; U; OpenBSD 2.8 i386; Nav)""#;
const COMMON_JSON: &str = r#"{"host":"123.45.67.89","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /java/javaResources.html HTTP/1.0","response":"200","bytes":"10450""#;

#[test]
fn access_logs() {
    let common = log("COMMONAPACHELOG");
    check(&common, COMMON, &format!("{COMMON_JSON}}}"));
    check(
        &common,
        &format!("{COMMON} {AGENT}"),
        &format!("{COMMON_JSON}}}"),
    );
    check(
        &common,
        &COMMON.replace("123.45.67.89", "lj1036.inktomisearch.com"),
        &format!(
            "{}}}",
            COMMON_JSON.replace("123.45.67.89", "lj1036.inktomisearch.com")
        ),
    );
    let combined = format!(
        r#"{COMMON_JSON},"referer":null,"agent":"Mozilla/4.6 [en] (X11; U; OpenBSD 2.8 i386; Nav)"}}"#
    );
    check(
        &log("COMBINEDAPACHELOG"),
        &format!("{COMMON} {AGENT} \"ANY_RANDOM_DATA\""),
        &combined,
    );
    // Without its last field, and without its last two.
    let short = COMMON.strip_suffix(" 10450").unwrap();
    assert_eq!(convert(&common, short), None);
    let shorter = r#"64.242.88.10 - - [07/Mar/2004:16:24:16 -0800] "GET /twiki/bin/view/Main/PeterThoeny HTTP/1.1""#;
    assert_eq!(convert(&common, shorter), None);
}

#[test]
fn access_logs_with_names_and_patterns_of_ones_own() {
    let columns =
        |count: usize| -> Vec<String> { (1..=count).map(|at| format!("column{at}")).collect() };
    let mut options = log("COMMONAPACHELOG");
    options["customFieldNames"] = json!(columns(7));
    check(
        &options,
        COMMON,
        r#"{"column1":"123.45.67.89","column2":null,"column3":null,"column4":"27/Oct/2000:09:27:09 -0400","column5":"GET /java/javaResources.html HTTP/1.0","column6":"200","column7":"10450"}"#,
    );
    let pattern = r#"^([\d.]+) (\S+) (\S+) \[([\w:/]+\s[+\-]\d{4})\] "(.+?)" (\d{3})"#;
    let short = COMMON.strip_suffix(" 10450").unwrap();
    let expected = r#"{"column1":"123.45.67.89","column2":null,"column3":null,"column4":"27/Oct/2000:09:27:09 -0400","column5":"GET /java/javaResources.html HTTP/1.0","column6":"200"}"#;
    options["matchPattern"] = json!(pattern);
    options["customFieldNames"] = json!(columns(6));
    // A pattern takes the place of the format's own, whichever that is; only what a dash means is the format's.
    for format in ["COMMONAPACHELOG", "COMBINEDAPACHELOG", "APACHEERRORLOG"] {
        options["logFormat"] = json!(format);
        check(&options, short, expected);
        assert_eq!(convert(&options, COMMON), None, "more than the pattern");
    }
    for format in ["SYSLOG", "RFC3339SYSLOG"] {
        options["logFormat"] = json!(format);
        check(&options, short, &expected.replace("null", "\"-\""));
    }
}

#[test]
fn error_logs() {
    let message = "File does not exist: /usr/local/apache2/htdocs/favicon.ico";
    let options = log("APACHEERRORLOG");
    let case = |head: &str, members: &str| {
        let expected = format!("{{{members},\"message\":\"{message}\"}}");
        check(&options, &format!("{head} {message}"), &expected);
    };
    case(
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187]",
        r#""timestamp":"Fri Sep 09 10:42:29.902022 2011","module":"core","severity":"error","processid":"35708","threadid":"4328636416","client":"72.15.99.187""#,
    );
    case(
        "[Fri Sep 09 10:42:29 2011] [core:error] [pid 35708] [client 72.15.99.187]",
        r#""timestamp":"Fri Sep 09 10:42:29 2011","module":"core","severity":"error","processid":"35708","threadid":null,"client":"72.15.99.187""#,
    );
    case(
        "[Fri Sep 09 10:42:29.902022 2011] [error] [pid 35708:tid 4328636416] [client 72.15.99.187:12345]",
        r#""timestamp":"Fri Sep 09 10:42:29.902022 2011","module":null,"severity":"error","processid":"35708","threadid":"4328636416","client":"72.15.99.187:12345""#,
    );
}

#[test]
fn system_logs() {
    let cases = [
        (
            "Mar 12 12:00:08 server2 rcd[308]: Loaded 12 packages in 'ximian-red-carpet|351' (0.01878 seconds) ",
            r#"{"timestamp":"Mar 12 12:00:08","hostname":"server2","program":"rcd","processid":"308","message":"Loaded 12 packages in 'ximian-red-carpet|351' (0.01878 seconds) "}"#,
        ),
        (
            "Mar 12 12:01:02 server4 snort: Ports to decode telnet on: 21 23 25 119",
            r#"{"timestamp":"Mar 12 12:01:02","hostname":"server4","program":"snort","processid":null,"message":"Ports to decode telnet on: 21 23 25 119"}"#,
        ),
        (
            "Mar 12 12:10:00 server2 /USR/SBIN/CRON[6808]: (root) CMD ( /usr/lib/sa/sa1 )",
            r#"{"timestamp":"Mar 12 12:10:00","hostname":"server2","program":"/USR/SBIN/CRON","processid":"6808","message":"(root) CMD ( /usr/lib/sa/sa1 )"}"#,
        ),
        (
            "Mar 7 04:22:00 avas anacron[11464]: Updated timestamp for job `cron.weekly' to 2004-03-07",
            r#"{"timestamp":"Mar 7 04:22:00","hostname":"avas","program":"anacron","processid":"11464","message":"Updated timestamp for job `cron.weekly' to 2004-03-07"}"#,
        ),
    ];
    for (record, expected) in cases {
        check(&log("SYSLOG"), record, expected);
        let (record, expected) = (rfc3339(record), rfc3339(expected));
        check(&log("RFC3339SYSLOG"), &record, &expected);
        assert_eq!(convert(&log("SYSLOG"), &record), None);
    }
}

/// The same with the other format's time.
fn rfc3339(text: &str) -> String {
    let time = "2004-03-12T12:00:08.5Z";
    [
        "Mar 12 12:00:08",
        "Mar 12 12:01:02",
        "Mar 12 12:10:00",
        "Mar 7 04:22:00",
    ]
    .iter()
    .fold(text.to_owned(), |text, old| text.replace(old, time))
}

#[test]
fn columns() {
    let names = ["column1", "column2", "column3", "column4"];
    let mut options = json!({"optionName": "CSVTOJSON", "customFieldNames": names});
    check(
        &options,
        "value1, value2,valu\ne3,    value4\n",
        r#"{"column1":"value1","column2":" value2","column3":"valu\ne3","column4":"    value4"}"#,
    );
    check(
        &options,
        "value1, value2,value3\n",
        r#"{"column1":"value1","column2":" value2","column3":"value3","column4":null}"#,
    );
    check(
        &options,
        "value1,value2,value3,value4,value5\n",
        r#"{"column1":"value1","column2":"value2","column3":"value3","column4":"value4"}"#,
    );
    options["delimiter"] = json!("\\t");
    check(
        &options,
        "value1\t value2\tvalue3\t    value4\n",
        r#"{"column1":"value1","column2":" value2","column3":"value3","column4":"    value4"}"#,
    );
}

#[test]
fn single_lines_and_metadata() {
    let record = "{\n   \"a\": {\n           \"b\": 1,\n           \"c\": null,\n           \"d\": true\n    },\n   \"e\": \"f\",\n   \"g\": 2\n     }\n";
    let mut options = json!({"optionName": "SINGLELINE"});
    let expected = r#"{"a": {"b": 1,"c": null,"d": true},"e": "f","g": 2}"#;
    check(&options, record, expected);
    options["parseOptions"] = json!(["ESCAPE_NEW_LINE"]);
    check(
        &options,
        record,
        r#"{\\n"a": {\\n"b": 1,\\n"c": null,\\n"d": true\\n},\\n"e": "f",\\n"g": 2\\n}"#,
    );
    let metadata = json!({"key": "value", "foo": {"bar": "bas"}});
    check(
        &json!({"optionName": "ADDMETADATA", "metadata": metadata}),
        "This is the data",
        r#"{"metadata":{"foo":{"bar":"bas"},"key":"value"},"data":"This is the data"}"#,
    );
}
