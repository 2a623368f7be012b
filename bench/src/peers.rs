//! The servers that are compared: which version, how it is installed, how it is started so that it does its best. Those of
//! streams are listed in `streams`, those of queues in `queues`, Kafka brokers in `kafka`; `headwater` is in all three.

mod headwater;
pub(crate) mod kafka;
pub(crate) mod queues;
pub(crate) mod streams;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Recipe;
use crate::request::Protocol;

/// Where a peer comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The npm registry: package and version.
    Npm(&'static str),
    /// PyPI, in a virtual environment of its own: requirement.
    PyPi(&'static str),
    /// crates.io, compiled with one job at low priority: crate, version and features.
    CratesIo(&'static str, &'static str, &'static str),
    /// Maven Central: a library's group, artifact and version, with all it needs to run.
    Maven(&'static str, &'static str, &'static str),
    /// Nowhere: measured if its program is where it would be installed, put there by hand.
    ByHand,
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
    /// What its configuration file says, if it needs one.
    file: Option<&'static str>,
    /// Whether what was put can be read.
    pub(crate) keeps: bool,
    /// What a reader must know to judge its figures.
    pub(crate) about: &'static str,
}

/// The peer of this name among `peers`.
pub(crate) fn find(peers: &[Peer], name: &str) -> Result<Peer> {
    let found = peers.iter().find(|peer| peer.name == name);
    let names: Vec<&str> = peers.iter().map(|peer| peer.name).collect();
    Ok(*found.with_context(|| format!("no peer {name:?}; there are {}", names.join(", ")))?)
}

impl Peer {
    /// Installs the peer under `root`/peers if it is not there yet; returns how to start it for `protocol`.
    pub(crate) fn prepare(&self, root: &Path, protocol: Protocol) -> Result<Recipe> {
        let home = match self.source {
            Source::Workspace => release_directory(),
            _ => root.join("peers").join(self.name),
        };
        self.install(&home)?;
        let program = match self.program {
            interpreter @ ("node" | "java" | "sh") => PathBuf::from(interpreter),
            own => home.join(own),
        };
        let home = home.display().to_string();
        let mut words = vec![program.display().to_string()];
        if matches!(self.source, Source::Workspace) {
            words.extend(headwater::words(protocol).map(str::to_owned));
        }
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
            file: self.file.map(str::to_owned),
            protocol,
        })
    }

    fn install(&self, home: &Path) -> Result<()> {
        let program = home.join(self.program);
        match self.source {
            Source::Workspace => {
                ensure!(
                    program.exists(),
                    "{} is not there: cargo build --release -p headwater",
                    program.display()
                );
                Ok(())
            }
            Source::ByHand => {
                ensure!(
                    program.exists(),
                    "no registry in use here serves it; a program put at {} is measured",
                    program.display()
                );
                Ok(())
            }
            Source::Npm(_) if home.join("node_modules").join(self.name).exists() => Ok(()),
            Source::Npm(package) => npm(home, package),
            Source::Maven(group, artifact, version) => maven(home, group, artifact, version),
            _ if program.exists() => Ok(()),
            Source::PyPi(requirement) => pypi(home, requirement),
            Source::CratesIo(name, version, features) => crates_io(home, name, version, features),
        }
    }
}

fn npm(home: &Path, package: &str) -> Result<()> {
    std::fs::create_dir_all(home)?;
    let prefix = home.display().to_string();
    let quiet = ["npm", "install", "--no-audit", "--no-fund"];
    run(&[&quiet[..], &["--prefix", &prefix, package]].concat())
}

fn pypi(home: &Path, requirement: &str) -> Result<()> {
    let prefix = home.display().to_string();
    run(&["python3", "-m", "venv", &prefix])?;
    let pip = format!("{prefix}/bin/pip");
    run(&[&pip, "install", "--quiet", requirement])
}

fn crates_io(home: &Path, name: &str, version: &str, features: &str) -> Result<()> {
    let prefix = home.display().to_string();
    let built_in = format!("{prefix}/target");
    let gently = ["nice", "cargo", "install", "--locked", "--jobs", "1"];
    let what = [
        name,
        "--version",
        version,
        "--features",
        features,
        "--root",
        &prefix,
        "--target-dir",
        &built_in,
    ];
    run(&[&gently[..], &what].concat())
}

/// Copies the library and what it needs to `home`/lib.
pub(crate) fn maven(home: &Path, group: &str, artifact: &str, version: &str) -> Result<()> {
    if home.join(format!("lib/{artifact}-{version}.jar")).exists() {
        return Ok(());
    }
    std::fs::create_dir_all(home)?;
    let project = format!(
        "<project><modelVersion>4.0.0</modelVersion>\n\
         <groupId>peer</groupId><artifactId>peer</artifactId><version>1</version>\n\
         <dependencies><dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
         <version>{version}</version></dependency></dependencies></project>\n"
    );
    let file = home.join("pom.xml");
    std::fs::write(&file, project)?;
    let (file, into) = (
        file.display().to_string(),
        home.join("lib").display().to_string(),
    );
    let into = format!("-DoutputDirectory={into}");
    let copy = [
        "mvn",
        "-B",
        "-q",
        "-f",
        &file,
        "dependency:copy-dependencies",
    ];
    run(&[&copy[..], &["-DincludeScope=runtime", &into]].concat())
}

fn release_directory() -> PathBuf {
    workspace().join("target/release")
}

/// The workspace this program was built in.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs an installer, or says which failed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
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
