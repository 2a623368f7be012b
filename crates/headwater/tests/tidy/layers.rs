//! Who may use whom. Arrows only point down: an edge that is not here is a decision somebody has to make.

use std::process::Command;

use serde_json::Value;

use crate::tree::root;

/// A crate, the crates of ours it may use, and why it exists.
const LAYERS: &[(&str, &[&str], &str)] = &[
    ("model", &[], "words of the field, without I/O"),
    (
        "store",
        &["model"],
        "the contract: knows no file and no wire",
    ),
    (
        "aws",
        &["model"],
        "AWS's wire: knows no service and no store",
    ),
    (
        "engines",
        &["store", "model"],
        "how records are kept: knows no shard and no queue",
    ),
    (
        "streams",
        &["store", "model"],
        "what every protocol means by a stream: no wire, no engine",
    ),
    (
        "formats",
        &["model"],
        "what data becomes: no wire, no store",
    ),
    (
        "client",
        &["aws", "formats", "model"],
        "sees a server as any client does",
    ),
    (
        "agent",
        &["client", "aws", "model"],
        "tails files into a server: keeps watching and patterns out of other builds",
    ),
    (
        "services",
        &["streams", "store", "aws", "model"],
        "what users know: no engine, no socket",
    ),
    (
        "s3",
        &["store", "model"],
        "S3's API: keeps s3s out of other builds",
    ),
    (
        "kafka",
        &["streams", "store", "model"],
        "the Kafka broker: no service of AWS's, no engine",
    ),
    (
        "headwater",
        &[
            "services", "kafka", "s3", "agent", "client", "streams", "engines", "aws", "store",
            "model",
        ],
        "the only crate that sees an engine and a service at once",
    ),
    ("bench", &["headwater"], "load against the real program"),
    (
        "compat",
        &["bench", "client", "headwater", "model"],
        "real clients, our consumer beside AWS's among them, and real kills under load, against the real program",
    ),
    (
        "compat-rust-sdk",
        &["compat", "headwater"],
        "AWS's SDK for Rust, kept out of other builds",
    ),
];

/// Tests may also use these: conformance suites and engines to test against. What a queue promises after a crash is shown on the
/// engine that crashes, on its simulated disk, so `streams` needs one too.
const IN_TESTS: &[(&str, &[&str])] = &[
    ("engines", &["store"]),
    ("streams", &["engines"]),
    ("services", &["engines", "client"]),
    ("store", &["store"]),
    ("headwater", &["formats"]),
    ("compat", &["client", "model", "aws"]),
];

struct Edge {
    from: String,
    to: String,
    is_for_tests: bool,
}

fn edges() -> Vec<Edge> {
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&metadata.stderr).into_owned();
    assert!(metadata.status.success(), "cargo metadata: {error}");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mut edges = Vec::new();
    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            // Ours are known by having a path.
            if dependency["path"].is_null() {
                continue;
            }
            edges.push(Edge {
                from: package["name"].as_str().unwrap().to_owned(),
                to: dependency["name"].as_str().unwrap().to_owned(),
                is_for_tests: dependency["kind"] == "dev",
            });
        }
    }
    assert!(!edges.is_empty());
    edges
}

#[test]
fn arrows_only_point_down() {
    for edge in edges() {
        let Edge {
            from,
            to,
            is_for_tests,
        } = edge;
        let layer = LAYERS.iter().find(|(name, ..)| *name == from);
        let (_, may_use, why) =
            layer.unwrap_or_else(|| panic!("{from} is not in the table of layers"));
        let in_tests = IN_TESTS
            .iter()
            .any(|(name, more)| *name == from && more.contains(&to.as_str()));
        assert!(
            may_use.contains(&to.as_str()) || is_for_tests && in_tests,
            "{from} may not use {to} ({from}: {why})"
        );
    }
}

#[test]
fn the_table_of_layers_has_no_cycle() {
    for (at, (name, may_use, _)) in LAYERS.iter().enumerate() {
        for used in *may_use {
            let below = LAYERS[..at].iter().any(|(known, ..)| known == used);
            assert!(
                below,
                "{name} uses {used}, which stands at its height or above it"
            );
        }
    }
}
