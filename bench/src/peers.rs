//! The servers that are compared: which version, how it is installed, how it is started so that it does its best.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Recipe;

/// Where a peer comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The npm registry: package and version.
    Npm(&'static str),
    /// PyPI, in a virtual environment of its own: requirement.
    PyPi(&'static str),
    /// crates.io, compiled with one job at low priority: crate and version.
    CratesIo(&'static str, &'static str),
    /// This workspace; built by `cargo build --release -p headwater`.
    Workspace,
}

/// One server to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    source: Source,
    /// Relative to where the peer is installed.
    program: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// Whether what was put can be read.
    pub(crate) keeps: bool,
    /// What a reader must know to judge its figures.
    pub(crate) about: &'static str,
}

/// All that can be compared. `{home}` is where the peer is installed; see [`Recipe`] for the rest.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "headwater",
        version: "this tree",
        source: Source::Workspace,
        program: "headwater",
        arguments: &["serve", "--data", "{data}", "--listen", "127.0.0.1:{port}"],
        variables: &[],
        keeps: true,
        about: "synced to disk before each ack",
    },
    Peer {
        name: "headwater-os",
        version: "this tree",
        source: Source::Workspace,
        program: "headwater",
        arguments: &[
            "serve",
            "--data",
            "{data}",
            "--listen",
            "127.0.0.1:{port}",
            "--durability",
            "os",
        ],
        variables: &[],
        keeps: true,
        about: "Headwater without syncing: acked once written to the page cache",
    },
    Peer {
        name: "headwater-discard",
        version: "this tree",
        source: Source::Workspace,
        program: "headwater",
        arguments: &[
            "serve",
            "--data",
            "{data}",
            "--listen",
            "127.0.0.1:{port}",
            "--store",
            "discard",
        ],
        variables: &[],
        keeps: false,
        about: "Headwater's front door alone: records are acked and dropped",
    },
    Peer {
        name: "kinesalite",
        version: "3.3.3",
        source: Source::Npm("kinesalite@3.3.3"),
        program: "node",
        arguments: &[
            "{home}/node_modules/kinesalite/cli.js",
            "--port={port}",
            "--shardLimit=100000",
            "--createStreamMs=0",
            "--deleteStreamMs=0",
            "--updateStreamMs=0",
        ],
        variables: &[("NODE_ENV", "production")],
        keeps: true,
        about: "in memory (its default, and its fastest), nothing durable; it enforces no throughput limits",
    },
    Peer {
        name: "kinesis-local",
        version: "0.6.2",
        source: Source::Npm("kinesis-local@0.6.2"),
        program: "node",
        arguments: &["{home}/node_modules/kinesis-local/main.js"],
        variables: &[
            ("KINESIS_MOCK_PLAIN_PORT", "{port}"),
            ("KINESIS_MOCK_TLS_PORT", "{port2}"),
            (
                "KINESIS_MOCK_CERT_PATH",
                "{home}/node_modules/kinesis-local/server.json",
            ),
            ("SHARD_LIMIT", "100000"),
            ("LOG_LEVEL", "ERROR"),
            ("CREATE_STREAM_DURATION", "1ms"),
            ("DELETE_STREAM_DURATION", "1ms"),
            ("REGISTER_STREAM_CONSUMER_DURATION", "1ms"),
            ("UPDATE_SHARD_COUNT_DURATION", "1ms"),
        ],
        keeps: true,
        about: "kinesis-mock; in memory, nothing durable, logging errors alone",
    },
    Peer {
        name: "moto",
        version: "5.2.1",
        source: Source::PyPi("moto[server]==5.2.1"),
        program: "bin/moto_server",
        arguments: &["-H", "127.0.0.1", "-p", "{port}"],
        variables: &[],
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
            ("SERVICES", "kinesis"),
            ("LOG_LEVEL", "ERROR"),
            ("S3_DATA_DIR", "{data}"),
        ],
        keeps: true,
        about: "in memory, nothing durable, Kinesis alone enabled, logging errors alone",
    },
    Peer {
        name: "fakecloud",
        version: "0.51.0",
        source: Source::CratesIo("fakecloud", "0.51.0"),
        program: "bin/fakecloud",
        arguments: &["--addr", "127.0.0.1:{port}"],
        variables: &[],
        keeps: true,
        about: "in memory, nothing durable",
    },
];

/// The peer of this name.
pub(crate) fn find(name: &str) -> Result<Peer> {
    let found = PEERS.iter().find(|peer| peer.name == name);
    let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
    Ok(*found.with_context(|| format!("no peer {name:?}; there are {}", names.join(", ")))?)
}

impl Peer {
    /// Installs the peer under `root`/peers if it is not there yet; returns how to start it.
    pub(crate) fn prepare(&self, root: &Path) -> Result<Recipe> {
        let home = match self.source {
            Source::Workspace => release_directory(),
            _ => root.join("peers").join(self.name),
        };
        self.install(&home)?;
        let program = if self.program == "node" {
            PathBuf::from("node")
        } else {
            home.join(self.program)
        };
        let home = home.display().to_string();
        let mut words = vec![program.display().to_string()];
        words.extend(
            self.arguments
                .iter()
                .map(|word| word.replace("{home}", &home)),
        );
        let variables = self.variables.iter();
        let variables =
            variables.map(|(name, value)| ((*name).to_owned(), value.replace("{home}", &home)));
        Ok(Recipe {
            words,
            variables: variables.collect(),
        })
    }

    fn install(&self, home: &Path) -> Result<()> {
        let prefix = home.display().to_string();
        match self.source {
            Source::Workspace => {
                let program = home.join(self.program);
                ensure!(
                    program.exists(),
                    "{} is not there: cargo build --release -p headwater",
                    program.display()
                );
                Ok(())
            }
            Source::Npm(package) => {
                if home.join("node_modules").join(self.name).exists() {
                    return Ok(());
                }
                std::fs::create_dir_all(home)?;
                run(&[
                    "npm",
                    "install",
                    "--no-audit",
                    "--no-fund",
                    "--prefix",
                    &prefix,
                    package,
                ])
            }
            Source::PyPi(requirement) => {
                if home.join(self.program).exists() {
                    return Ok(());
                }
                run(&["python3", "-m", "venv", &prefix])?;
                run(&[
                    &format!("{prefix}/bin/pip"),
                    "install",
                    "--quiet",
                    requirement,
                ])
            }
            Source::CratesIo(name, version) => {
                if home.join(self.program).exists() {
                    return Ok(());
                }
                let built_in = format!("{prefix}/target");
                let install = [
                    "nice",
                    "cargo",
                    "install",
                    name,
                    "--version",
                    version,
                    "--locked",
                    "--jobs",
                    "1",
                ];
                run(&[
                    &install[..],
                    &["--root", &prefix, "--target-dir", &built_in],
                ]
                .concat())
            }
        }
    }
}

fn release_directory() -> PathBuf {
    workspace().join("target/release")
}

/// The workspace this program was built in.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(words: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = words else {
        bail!("an empty command")
    };
    eprintln!("$ {}", words.join(" "));
    // Installers' own progress goes to standard error; the report alone is on standard output.
    let mut command = Command::new(program);
    let status = command
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("run {program}"))?;
    ensure!(status.success(), "{} ended with {status}", words.join(" "));
    Ok(())
}
