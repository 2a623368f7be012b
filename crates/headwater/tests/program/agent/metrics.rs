//! The agent's metrics in CloudWatch, under the AWS agent's names; and that nothing waits for them.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::Clock;
use serde_json::{Value, json};

use super::{Agent, Arrivals, Writer, config, set_up, wait_for};
use crate::process::Server;

/// Sum and unit of a metric since an hour ago; `None` where there is none.
fn sum(server: &Server, name: &str, dimensions: &Value) -> Option<(f64, String)> {
    let now = Clock::system().now().0 as f64 / 1000.0;
    let input = json!({
        "Namespace": "AWSKinesisAgent", "MetricName": name, "Dimensions": dimensions,
        "StartTime": now - 3600.0, "EndTime": now + 3600.0, "Period": 60, "Statistics": ["Sum"],
    });
    let head = "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: GraniteServiceVersion20100801.GetMetricStatistics";
    let (status, answer) = server.ask(head, &input.to_string());
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let points = answer["Datapoints"].as_array().unwrap();
    let unit = points.first()?["Unit"].as_str().unwrap().to_owned();
    let sums = points.iter().map(|point| point["Sum"].as_f64().unwrap());
    Some((sums.sum(), unit))
}

/// Sets members of a configuration.
fn set(config: &std::path::Path, members: &[(&str, Value)]) {
    let text = fs::read_to_string(config).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    for (name, value) in members {
        document[*name] = value.clone();
    }
    fs::write(config, document.to_string()).unwrap();
}

#[test]
fn the_agent_publishes_the_aws_agents_metrics() {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": "app.log", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    set(
        &config,
        &[
            ("cloudwatch.metricsBufferTimeMillis", json!(200)),
            ("cloudwatch.tagInstance", json!(true)),
        ],
    );
    let mut writer = Writer::of(&directory);
    writer.write("app.log", 700);
    let agent = Agent::start(&config);
    Arrivals::of(&server, "logs").all(&writer.lines);
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let dimensions = |destination: &str| {
        json!([
            {"Name": "Destination", "Value": destination},
            {"Name": "Instance", "Value": machine.trim()},
        ])
    };
    let bytes: usize = writer.lines.iter().map(String::len).sum();
    let expected = [
        ("BytesSent", bytes as f64, "Bytes"),
        ("RecordsSent", 700.0, "Count"),
        ("RecordSendAttempts", 700.0, "Count"),
        ("RecordSendErrors", 0.0, "Count"),
        ("ServiceErrors", 0.0, "Count"),
    ];
    for (name, value, unit) in expected {
        let expected = Some((value, unit.to_owned()));
        wait_for(|| {
            let found = sum(&server, name, &dimensions("KinesisStream:logs"));
            (found == expected).then_some(())
        });
    }
    let errors = sum(&server, "ConsecutiveProcessingErrors", &dimensions("logs"));
    assert_eq!(errors, Some((0.0, "Count".to_owned())));
    // What came since is published at the end.
    set(
        &config,
        &[("cloudwatch.metricsBufferTimeMillis", json!(3_600_000))],
    );
    agent.stop();
    let agent = Agent::start(&config);
    writer.write("app.log", 10);
    Arrivals::of(&server, "logs").all(&writer.lines);
    agent.stop();
    let sent = sum(&server, "RecordsSent", &dimensions("KinesisStream:logs"));
    assert_eq!(sent, Some((710.0, "Count".to_owned())));
    assert!(server.stop().code == Some(0));
}

#[test]
fn without_cloudwatch_records_arrive_and_one_warning_is_all() {
    let (directory, server) = set_up(&["logs"]);
    let flow = json!({"filePattern": "app.log", "kinesisStream": "logs", "initialPosition": "START_OF_FILE"});
    let config = config(&directory, &server, &[flow]);
    // Somebody who hangs up on everyone.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    std::thread::spawn(move || {
        while nobody.accept().is_ok() {
            counted.fetch_add(1, Ordering::AcqRel);
        }
    });
    set(
        &config,
        &[
            ("cloudwatch.metricsBufferTimeMillis", json!(20)),
            ("cloudwatch.endpoint", json!(format!("http://{address}"))),
        ],
    );
    let agent = Agent::start(&config);
    let mut writer = Writer::of(&directory);
    let mut arrivals = Arrivals::of(&server, "logs");
    for round in 1..4 {
        writer.write("app.log", 100);
        assert_eq!(arrivals.all(&writer.lines), 0);
        wait_for(|| (calls.load(Ordering::Acquire) > round).then_some(()));
    }
    let log = agent.log.clone();
    agent.stop();
    let log = fs::read_to_string(log).unwrap();
    let said = log
        .lines()
        .filter(|line| line.contains("metrics cannot be"));
    assert_eq!(said.count(), 1, "{log}");
    assert!(server.stop().code == Some(0));
}
