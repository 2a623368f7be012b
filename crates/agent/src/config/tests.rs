//! What the configuration may say.

use super::*;
use crate::config::flow::{InitialPosition, PartitionKey};

fn error(text: &str) -> String {
    Config::parse(text, &[]).unwrap_err().to_string()
}

/// A configuration of one flow with these members besides.
fn with(members: &str) -> String {
    format!(r#"{{"flows": [{{"filePattern": "/x/a.log", "kinesisStream": "s", {members}}}]}}"#)
}

#[test]
fn the_agents_own_example_is_understood() {
    let text = r#"{
      # a comment of one kind
      "cloudwatch.emitMetrics": true, // and of another
      "kinesis.endpoint": "",
      "firehose.endpoint": "firehose.us-east-1.amazonaws.com",
      "flows": [
        { "filePattern": "/tmp/app.log*", "kinesisStream": "yourkinesisstream", "partitionKeyOption": "RANDOM" },
        { "filePattern": "/tmp/app.log*", "deliveryStream": "yourdeliverystream" }
      ]
    }"#;
    let config = Config::parse(text, &[]).unwrap();
    assert_eq!(config.kinesis_endpoint, None);
    assert_eq!(
        config.firehose_endpoint.as_deref(),
        Some("https://firehose.us-east-1.amazonaws.com")
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let metrics = config.metrics.unwrap();
    assert_eq!(metrics.namespace, "AWSKinesisAgent");
    assert_eq!(metrics.period, Duration::from_secs(30));
    assert_eq!((metrics.endpoint, metrics.tags_instance), (None, false));
    let [stream, delivery] = config.flows.as_slice() else {
        panic!("{:?}", config.flows);
    };
    assert_eq!(stream.id, "kinesis:yourkinesisstream:/tmp/app.log*");
    assert_eq!(delivery.id, "firehose:yourdeliverystream:/tmp/app.log*");
    assert_eq!(stream.initial, InitialPosition::End);
    assert_eq!(stream.age_max, Duration::from_secs(60));
    assert_eq!((stream.batch_bytes, stream.batch_records), (5 << 20, 500));
    assert_eq!(delivery.batch_bytes, 4 << 20);
    assert_eq!(stream.terminator, b"\n");
}

#[test]
fn every_option_of_a_flow_is_read() {
    let text = r#"{
      "checkpointFile": "/tmp/checkpoints", "awsAccessKeyId": "a", "awsSecretAccessKey": "b", "maxSendingThreads": 1,
      "shutdownTimeoutMillis": "2000", "checkpointTimeToLiveDays": 1, "log.statusReportingPeriodSeconds": 5,
      "flows": [{
        "filePattern": ["/x/a*", "/y/b"], "kinesisStream": "s", "partitionKeyOption": "deterministic",
        "initialPosition": "START_OF_FILE", "maxBufferAgeMillis": 1000, "maxBufferSizeBytes": "1000",
        "maxBufferSizeRecords": 10, "minTimeBetweenFilePollsMillis": 50, "multiLineStartPattern": "\\d",
        "skipHeaderLines": 2, "truncatedRecordTerminator": "|", "retryMaxBackoffMillis": 500,
        "dataProcessingOptions": [
          {"optionName": "SINGLELINE", "parseOptions": ["NO_TRIM"]},
          {"optionName": "CSVTOJSON", "customFieldNames": ["a"], "delimiter": "\\t", "jsonFormat": "PRETTYPRINT"},
          {"optionName": "ADDMETADATA", "timestamp": "true", "metadata": {"a": 1}}
        ]
      }]
    }"#;
    let config = Config::parse(text, &[]).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.credentials, Some(("a".to_owned(), "b".to_owned())));
    assert_eq!(config.shutdown, Duration::from_secs(2));
    assert_eq!(config.in_flight, 1);
    let flow = &config.flows[0];
    assert_eq!(flow.patterns.len(), 2);
    assert_eq!(flow.partition_key, PartitionKey::Deterministic);
    assert_eq!(flow.initial, InitialPosition::Start);
    assert_eq!((flow.batch_bytes, flow.batch_records), (1000, 10));
    assert_eq!(flow.poll, Duration::from_millis(50));
    assert!(flow.record_start.as_ref().unwrap().is_match(b"1 a"));
    assert!(!flow.record_start.as_ref().unwrap().is_match(b"a 1"));
    assert_eq!(flow.skip_header_lines, 2);
    assert_eq!(flow.terminator, b"|");
    assert_eq!(flow.backoff.1, Duration::from_millis(500));
    assert!(!flow.chain.is_empty());
}

#[test]
fn what_is_unknown_or_without_effect_is_warned_of() {
    let text = r#"{"flowz": 1, "useHttpGzip": true, "flows": [{"filePattern": "/x/a", "kinesisStream": "s", "hue": 1,
        "publishQueueCapacity": 7, "dataProcessingOptions": [{"optionName": "SINGLELINE", "trim": 1}]}]}"#;
    let warnings = Config::parse(text, &[]).unwrap().warnings.join("\n");
    for name in [
        "flowz: unknown",
        "useHttpGzip: has no effect",
        "flows[0].hue: unknown",
        "flows[0].publishQueueCapacity: has no effect",
        "flows[0].dataProcessingOptions[0].trim: unknown",
    ] {
        assert!(warnings.contains(name), "{name} in {warnings}");
    }
}

/// The text is refused for this field, and told this fix.
fn check(text: &str, field: &str, fix: &str) {
    let error = error(text);
    assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
    assert!(error.contains(fix), "{text}: {error}");
}

#[test]
fn errors_name_the_field_and_the_fix() {
    check("{", "the file", "not JSON");
    check("[]", "the file", "an object");
    check("{}", "flows", "1 to 256");
    check(r#"{"flows": {}}"#, "flows", "must be a list");
    check(r#"{"flows": [1]}"#, "flows[0]", "an object");
    check(r#"{"flows": [{}]}"#, "flows[0].filePattern", "is missing");
    check(
        r#"{"flows": [{"filePattern": "/a"}]}"#,
        "flows[0].kinesisStream",
        "name a stream",
    );
    check(
        r#"{"flows": [{"filePattern": 1}]}"#,
        "flows[0].filePattern",
        "text",
    );
    check(
        r#"{"flows": [{"filePattern": "/a/"}]}"#,
        "flows[0].filePattern",
        "name of files",
    );
    check(
        &with(r#""deliveryStream": "d""#),
        "flows[0].deliveryStream",
        "two flows",
    );
    check(
        &with(r#""initialPosition": "MIDDLE""#),
        "flows[0].initialPosition",
        "START_OF_FILE, END_OF_FILE",
    );
    check(
        &with(r#""maxBufferAgeMillis": 1"#),
        "flows[0].maxBufferAgeMillis",
        "10 to 900000",
    );
    check(
        &with(r#""maxBufferSizeRecords": 501"#),
        "flows[0].maxBufferSizeRecords",
        "1 to 500",
    );
    check(
        &with(r#""skipHeaderLines": -1"#),
        "flows[0].skipHeaderLines",
        "whole number",
    );
    check(
        &with(r#""multiLineStartPattern": "(""#),
        "flows[0].multiLineStartPattern",
        "unclosed group",
    );
    check(
        &with(r#""multiLineStartPattern": "(?=a)""#),
        "flows[0].multiLineStartPattern",
        "look-around",
    );
}

#[test]
fn errors_of_processing_name_the_field_and_the_fix() {
    let option = |option: &str| with(&format!(r#""dataProcessingOptions": [{{{option}}}]"#));
    let place = "flows[0].dataProcessingOptions[0]";
    let name = format!("{place}.optionName");
    check(&option(""), &name, "is missing");
    check(&option(r#""optionName": "X""#), &name, "SINGLELINE");
    check(
        &option(r#""optionName": "ADDEC2METADATA""#),
        &name,
        "not supported",
    );
    check(
        &option(r#""optionName": "USINGPLUGGIN""#),
        &name,
        "not supported",
    );
    check(
        &option(r#""optionName": "CSVTOJSON""#),
        &format!("{place}.customFieldNames"),
        "is missing",
    );
    let log = |rest: &str| option(&format!(r#""optionName": "LOGTOJSON", {rest}"#));
    check(
        &log(r#""logFormat": "GROK""#),
        &format!("{place}.logFormat"),
        "COMMONAPACHELOG",
    );
    check(
        &log(r#""logFormat": "SYSLOG", "matchPattern": "(a)(b)", "customFieldNames": ["a"]"#),
        &format!("{place}.customFieldNames"),
        "must name 2 fields",
    );
    check(
        &log(r#""logFormat": "SYSLOG", "matchPattern": "(a)""#),
        &format!("{place}.customFieldNames"),
        "is missing beside matchPattern",
    );
}

#[test]
fn errors_of_the_whole_name_the_field_and_the_fix() {
    check(
        &with(r#""aggregatedRecordSizeBytes": 9, "multiLineStartPattern": "a""#),
        "flows[0].aggregatedRecordSizeBytes",
        "remove multiLineStartPattern",
    );
    let top = |member: &str| format!(r#"{{{member}, "flows": []}}"#);
    check(
        &top(r#""assumeRoleARN": "arn:aws:iam::1:role/x""#),
        "assumeRoleARN",
        "not supported",
    );
    check(
        &top(r#""awsAccessKeyId": "a""#),
        "awsSecretAccessKey",
        "both or neither",
    );
    let same = r#"{"filePattern": "/a", "kinesisStream": "s"}"#;
    check(
        &format!(r#"{{"flows": [{same}, {same}]}}"#),
        "flows[1]",
        "remove one",
    );
}

/// All that the AWS agent's source reads (awslabs/amazon-kinesis-agent at aa0d908), each with a value it takes.
const TOP: &[(&str, &str)] = &[
    ("awsAccessKeyId", r#""a""#),
    ("awsSecretAccessKey", r#""b""#),
    ("checkpointFile", r#""/x""#),
    ("checkpointTimeToLiveDays", "7"),
    ("checkpoints.connectionTimeoutSeconds", "5"),
    ("checkpoints.queryTimeoutSeconds", "30"),
    ("cloudwatch.emitMetrics", "true"),
    (
        "cloudwatch.endpoint",
        r#""https://monitoring.us-west-2.amazonaws.com""#,
    ),
    ("cloudwatch.metricsBufferTimeMillis", "30000"),
    ("cloudwatch.metricsQueueSize", "10000"),
    ("cloudwatch.namespace", r#""N""#),
    ("cloudwatch.tagInstance", "true"),
    ("connectionTTLMillis", "1"),
    ("connectionTimeoutMillis", "1"),
    ("firehose.endpoint", r#""""#),
    ("kinesis.endpoint", r#""""#),
    ("kinesis.region", r#""eu-west-1""#),
    ("log.emitInternalMetrics", "true"),
    ("log.emitMetrics", "true"),
    ("log.statusReportingPeriodSeconds", "30"),
    ("maxConnections", "1"),
    ("maxSendingThreads", "24"),
    ("maxSendingThreadsPerCore", "12"),
    ("sendingThreadsKeepAliveMillis", "1"),
    ("sendingThreadsMaxQueueSize", "100"),
    ("shutdownTimeoutMillis", "10000"),
    ("socketTimeoutMillis", "1"),
    ("sts.endpoint", r#""""#),
    ("useHttpGzip", "false"),
    ("useTcpKeepAlive", "false"),
    ("userAgent", r#""x""#),
    ("userAgentOverride", r#""x""#),
];

/// The same of a flow.
const FLOW: &[(&str, &str)] = &[
    ("dataProcessingOptions", "[]"),
    ("fileFooterPattern", r#""END""#),
    ("initialPosition", r#""END_OF_FILE""#),
    ("log.emitInternalMetrics", "true"),
    ("maxBufferAgeMillis", "60000"),
    ("maxBufferSizeBytes", "1000"),
    ("maxBufferSizeRecords", "500"),
    ("maxTimeBetweenFileTrackerRefreshMillis", "10000"),
    ("minTimeBetweenFilePollsMillis", "100"),
    ("multiLineStartPattern", r#""a""#),
    ("partitionKeyOption", r#""RANDOM""#),
    ("publishQueueCapacity", "100"),
    ("retryInitialBackoffMillis", "100"),
    ("retryMaxBackoffMillis", "10000"),
    ("skipHeaderLines", "1"),
    ("truncatedRecordTerminator", r#""x""#),
    ("waitOnEmptyPublishQueueMillis", "1000"),
    ("waitOnFullPublishQueueMillis", "1000"),
    ("waitOnFullRetryQueueMillis", "1000"),
];

fn members(all: &[(&str, &str)]) -> String {
    let members = all.iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    members.join(", ")
}

#[test]
fn every_name_of_the_aws_agent_is_known() {
    let flow = r#"{"filePattern": "/x", "kinesisStream": "s"}"#;
    let text = format!("{{{}, \"flows\": [{flow}]}}", members(TOP));
    let of_all = Config::parse(&text, &[]).unwrap().warnings;
    let of_flow = Config::parse(&with(&members(FLOW)), &[]).unwrap().warnings;
    for warning in of_all.iter().chain(&of_flow) {
        assert!(warning.ends_with("has no effect here"), "{warning}");
    }
    assert_eq!(
        (of_all.len(), of_flow.len()),
        (17, 6),
        "{of_all:?} {of_flow:?}"
    );
}

#[test]
fn values_of_wrong_types_are_refused_by_name_or_have_no_effect() {
    const WRONG: [&str; 8] = [
        "{}",
        "[[]]",
        "[1]",
        "-1",
        "1e99",
        "0.5",
        r#""\\q(""#,
        "true",
    ];
    let flow = r#"{"filePattern": "/x", "kinesisStream": "s"}"#;
    let mut refused = 0;
    let mut check = |text: &str, place: &str| match Config::parse(text, &[]) {
        Ok(_) => {}
        Err(error) => {
            refused += 1;
            let is_named = error.field.starts_with(place)
                // The one is missing where the other was empty.
                || error.field.starts_with("aws");
            assert!(is_named, "{text}: {error}");
        }
    };
    for wrong in WRONG {
        for (name, _) in TOP {
            let text = format!("{{\"{name}\": {wrong}, \"flows\": [{flow}]}}");
            check(&text, name);
        }
        for (name, _) in FLOW {
            check(
                &with(&format!("\"{name}\": {wrong}")),
                &format!("flows[0].{name}"),
            );
        }
        let option = [
            "logFormat",
            "matchPattern",
            "customFieldNames",
            "jsonFormat",
        ];
        for name in option {
            let members = format!(
                r#""dataProcessingOptions": [{{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "{name}": {wrong}}}]"#
            );
            check(&with(&members), "flows[0].dataProcessingOptions[0].");
        }
    }
    assert!(refused > 150, "{refused}");
}

#[test]
fn metrics_can_be_named_and_left_out() {
    let flow = r#""flows": [{"filePattern": "/x", "kinesisStream": "s"}]"#;
    let text = format!(
        r#"{{"cloudwatch.endpoint": "monitoring.us-east-1.amazonaws.com", "cloudwatch.namespace": "N",
            "cloudwatch.metricsBufferTimeMillis": 500, "cloudwatch.tagInstance": "true", {flow}}}"#
    );
    let metrics = Metrics {
        endpoint: Some("https://monitoring.us-east-1.amazonaws.com".to_owned()),
        namespace: "N".to_owned(),
        period: Duration::from_millis(500),
        tags_instance: true,
    };
    assert_eq!(Config::parse(&text, &[]).unwrap().metrics, Some(metrics));
    let text = format!(r#"{{"cloudwatch.emitMetrics": false, {flow}}}"#);
    assert_eq!(Config::parse(&text, &[]).unwrap().metrics, None);
    check(
        &format!(r#"{{"cloudwatch.namespace": "AWS/Mine", {flow}}}"#),
        "cloudwatch.namespace",
        "AWS/",
    );
}

#[test]
fn files_beside_it_hold_further_flows() {
    let flow = |name: &str| {
        format!(r#"{{"flows": [{{"filePattern": "/x", "kinesisStream": "{name}"}}]}}"#)
    };
    let other = |name: &str, text: String| (name.to_owned(), text);
    let others = [
        other("1", flow("b")),
        other("2", r#"{"maxConnections": 1} # none"#.to_owned()),
        other("3", flow("c")),
    ];
    let config = Config::parse(r#"{"flows": []}"#, &others).unwrap();
    let names: Vec<&str> = config
        .flows
        .iter()
        .map(|flow| flow.destination.name())
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(
        config.warnings,
        ["2: maxConnections: unknown, and so without effect"]
    );
    let check = |text: &str, expected: &str| {
        let error = Config::parse(&flow("a"), &[other("d/x", text.to_owned())]);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("{", "d/x: the file: is not JSON");
    check(&flow("a"), "d/x: flows[0]: sends the same files");
    check(
        r#"{"flows": [{}]}"#,
        "d/x: flows[0].filePattern: is missing",
    );
}
