//! The Kafka brokers that are compared.

use super::{Peer, Source, headwater};

/// The version of Apache Kafka compared with, and whose tools are the load.
pub(crate) const KAFKA_VERSION: &str = "4.3.1";

/// All that can be compared. `{home}` is where the peer is installed; see `Recipe` for the rest.
pub(crate) const PEERS: &[Peer] = &[
    headwater::SYNCED,
    headwater::UNSYNCED,
    Peer {
        name: "kafka",
        version: KAFKA_VERSION,
        source: Source::Maven("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
        program: "sh",
        // Formats its directory at the first start, as its own quick start does; then the heap of its start script.
        arguments: &[
            "-c",
            "[ -d {data} ] || java -cp '{home}/lib/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c {file} \
             && exec java -Xmx1G -Xms1G -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -cp '{home}/lib/*' kafka.Kafka {file}",
        ],
        variables: &[],
        file: Some(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{port2}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port2}\n\
             controller.listener.names=CONTROLLER\nlog.dirs={data}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n",
        ),
        keeps: true,
        about: "KRaft, one node, default settings: acked once in the page cache, never synced",
    },
    Peer {
        name: "tansu",
        version: "0.6.0",
        // The feature is what holds its storage in memory.
        source: Source::CratesIo("tansu", "0.6.0", "dynostore"),
        program: "bin/tansu",
        arguments: &[
            "broker",
            "--listener-url",
            "tcp://127.0.0.1:{port}",
            "--advertised-listener-url",
            "tcp://127.0.0.1:{port}",
            "--storage-engine",
            "memory://tansu/",
        ],
        variables: &[],
        file: None,
        keeps: true,
        about: "in memory, nothing durable",
    },
];
