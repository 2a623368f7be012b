//! The README's tour: every command works as pasted.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process::{Directory, Server};

/// The commands of the section `heading`: its indented lines.
fn commands(heading: &str) -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with(heading));
    let lines = section.unwrap().lines();
    let indented = lines.filter_map(|line| line.strip_prefix("    "));
    indented.map(str::to_owned).collect()
}

/// The server that the tour starts in the background, as far as the directory tells.
fn pid(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("endpoints.json")).ok()?;
    let endpoints: Value = serde_json::from_str(&text).ok()?;
    Pid::from_raw(i32::try_from(endpoints["pid"].as_i64()?).ok()?)
}

#[test]
fn every_command_of_the_tour_works_as_pasted() {
    let directory = Directory::new();
    let data = directory.path().join("headwater-data");
    let server = Server::start(&data, &[]);
    // Cargo builds and starts the program, which is done; the AWS CLI has its tests in compat.
    let needed_elsewhere = |line: &&String| line.starts_with("cargo ") || line.starts_with("aws ");
    let all = commands("A minute's tour");
    let script: Vec<&str> = all
        .iter()
        .filter(|line| !needed_elsewhere(line))
        .map(String::as_str)
        .collect();
    assert!(script.len() > 8 && script.len() < all.len(), "{all:?}");
    let binaries = Path::new(env!("CARGO_BIN_EXE_headwater")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let output = directory.path().join("server.log");
    let kafka = server.endpoints["kafka"].as_str().unwrap();
    let script = script.join("\n").replace("127.0.0.1:9092", kafka);
    // The one thing that is different here: the ports are such as are free.
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(directory.path())
        .env("PATH", path)
        .env("HEADWATER_ENDPOINT", server.endpoint())
        .env(
            "HEADWATER_LISTEN",
            server.endpoints["address"].as_str().unwrap(),
        )
        .env("HEADWATER_KAFKA_LISTEN", kafka)
        .stdout(fs::File::create(&output).unwrap())
        .status()
        .unwrap();
    if let Some(pid) = pid(&data) {
        // Where the script failed early this is the first server, and gone.
        let _ = kill_process(pid, Signal::KILL);
    }
    let output = fs::read_to_string(output).unwrap();
    assert!(ran.success(), "{output}");
    let tailed = output
        .lines()
        .filter(|line| ["one", "two", "three"].contains(line));
    assert_eq!(tailed.count(), 6, "{output}");
}
