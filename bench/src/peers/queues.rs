//! The servers of SQS queues that are compared. All of them speak AWS JSON 1.0.

use super::{Peer, Source, headwater};

/// All that can be compared. `{home}` is where the peer is installed; see `Recipe` for the rest.
pub(crate) const PEERS: &[Peer] = &[
    headwater::SYNCED,
    headwater::UNSYNCED,
    Peer {
        name: "elasticmq",
        version: "1.7.1",
        source: Source::Maven("org.elasticmq", "elasticmq-server_2.13", "1.7.1"),
        program: "java",
        arguments: &[
            "-Dnode-address.port={port}",
            "-Drest-sqs.bind-port={port}",
            "-Drest-sqs.bind-hostname=127.0.0.1",
            "-Drest-stats.enabled=false",
            "-cp",
            "{home}/lib/*",
            "org.elasticmq.server.Main",
        ],
        variables: &[],
        file: None,
        keeps: true,
        about: "in memory (its default, and its fastest), nothing durable",
    },
    Peer {
        name: "goaws",
        version: "0.5.4",
        source: Source::ByHand,
        program: "goaws",
        arguments: &["-config", "{file}", "-loglevel", "error", "Local"],
        variables: &[],
        file: Some(
            "Local:\n  Host: 127.0.0.1\n  Port: {port}\n  Region: us-east-1\n  AccountId: \"000000000000\"\n",
        ),
        keeps: true,
        about: "in memory, nothing durable",
    },
    Peer {
        name: "moto",
        version: "5.2.1",
        source: Source::PyPi("moto[server]==5.2.1"),
        program: "bin/moto_server",
        arguments: &["-H", "127.0.0.1", "-p", "{port}"],
        variables: &[],
        file: None,
        keeps: true,
        about: "in memory, nothing durable; closes the connection after each answer",
    },
    Peer {
        name: "ministack",
        version: "1.5.33",
        source: Source::PyPi("ministack==1.5.33"),
        program: "bin/ministack",
        arguments: &[],
        variables: &[
            ("GATEWAY_PORT", "{port}"),
            ("BIND_HOST", "127.0.0.1"),
            ("SERVICES", "sqs"),
            ("LOG_LEVEL", "ERROR"),
            ("S3_DATA_DIR", "{data}"),
        ],
        file: None,
        keeps: true,
        about: "in memory, nothing durable, SQS alone enabled, logging errors alone",
    },
];
