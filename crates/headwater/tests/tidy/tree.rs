//! The files of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Longer than this, a file holds more than one idea.
const LINES_MAX: usize = 800;

/// Longer files, and why they may be.
const LONG: &[(&str, &str)] = &[];

/// Endings of files that hold text people wrote.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "py", "js", "go", "java", "xml", "json", "txt", "sh", "yml", "service",
    "run",
];

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

/// Every file that is tracked or could be, relative to the root.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is installed: the tidy test reads the list of files from it");
    assert!(listed.status.success(), "this is no git checkout");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<PathBuf> = listed
        .lines()
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn ending(file: &Path) -> &str {
    file.extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
}

#[test]
fn no_file_is_too_long() {
    let mut too_long = Vec::new();
    for file in files().iter().filter(|file| ending(file) == "rs") {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let lines = text.lines().count();
        let excused = LONG.iter().any(|(known, _)| Path::new(known) == file);
        if lines > LINES_MAX && !excused {
            too_long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(
        too_long.is_empty(),
        "more than {LINES_MAX} lines; split by what the parts hold, or list the file with a reason:\n{}",
        too_long.join("\n")
    );
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    // In two parts, so that this file may be tracked.
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for file in files().iter().filter(|file| TEXT.contains(&ending(file))) {
        let Ok(text) = std::fs::read_to_string(root().join(file)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                found.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
