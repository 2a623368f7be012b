//! Headwater itself, the same in every comparison.

use super::{Peer, Source};
use crate::request::Protocol;

/// As it is meant to be used.
pub(super) const SYNCED: Peer = with("headwater", &[], "synced to disk before each ack");
/// What syncing costs.
pub(super) const UNSYNCED: Peer = with(
    "headwater-os",
    &["--durability", "os"],
    "Headwater without syncing: acked once written to the page cache",
);
/// What the front door alone can do.
pub(super) const DISCARDING: Peer = Peer {
    keeps: false,
    ..with(
        "headwater-discard",
        &["--store", "discard"],
        "Headwater's front door alone: records are acked and dropped",
    )
};

const fn with(name: &'static str, arguments: &'static [&'static str], about: &'static str) -> Peer {
    Peer {
        name,
        version: "this tree",
        source: Source::Workspace,
        program: "headwater",
        arguments,
        variables: &[],
        file: None,
        keeps: true,
        about,
    }
}

/// How the program is told to serve `protocol` at `{port}`: the words before those of each of the above.
pub(super) fn words(protocol: Protocol) -> [&'static str; 7] {
    let (aws, kafka) = match protocol {
        Protocol::Aws(_) => ("127.0.0.1:{port}", "off"),
        Protocol::Kafka => ("127.0.0.1:{port2}", "127.0.0.1:{port}"),
    };
    [
        "serve",
        "--data",
        "{data}",
        "--listen",
        aws,
        "--kafka-listen",
        kafka,
    ]
}
