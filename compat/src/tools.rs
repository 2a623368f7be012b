//! Each client's packages, installed once under `target/compat/` and again only where what asks for them changes.
//!
//! Versions are pinned in the client's folder (requirements.txt, package-lock.json, go.sum, pom.xml). Fetching them may fail on
//! a machine without the tool or without its registry: that is [`Missing`], and the client is skipped. Compiling our own
//! program must not fail: that is a panic.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{self, Ended};
use crate::skip::Missing;
use crate::{folder, workplace};

/// How long one step of an installation may take.
const INSTALL: Duration = Duration::from_secs(900);

/// A place of one's own under `target/compat/`, locked while something is installed in it: tests are threads or processes.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _lock: File,
}

impl Place {
    fn of(client: &str) -> Place {
        let path = workplace().join(client);
        fs::create_dir_all(&path).expect("target/ can be written to");
        let lock = File::create(path.join("lock")).expect("target/ can be written to");
        lock.lock().expect("a file can be locked");
        Place { path, _lock: lock }
    }

    /// Runs `install` unless it has succeeded with the same `inputs` before, here: what was installed knows where it is, and a checkout
    /// may have been moved.
    fn once(
        &self,
        inputs: &[PathBuf],
        install: impl FnOnce() -> Result<(), Missing>,
    ) -> Result<(), Missing> {
        let mut hasher = DefaultHasher::new();
        self.path.hash(&mut hasher);
        for input in inputs {
            let bytes = fs::read(input);
            bytes
                .unwrap_or_else(|error| panic!("{}: {error}", input.display()))
                .hash(&mut hasher);
        }
        let wanted = format!("{:016x}", hasher.finish());
        let stamp = self.path.join("stamp");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        // Half an installation must not be taken for a whole one.
        let _ = fs::remove_file(&stamp);
        install()?;
        fs::write(&stamp, wanted).expect("target/ can be written to");
        Ok(())
    }
}

/// The `bin` folder of a Python environment with the packages of the client's requirements.txt.
///
/// # Errors
/// Where there is no Python 3 or a package cannot be installed.
pub fn python(client: &str) -> Result<PathBuf, Missing> {
    let place = Place::of(client);
    let requirements = folder(client).join("requirements.txt");
    let environment = place.path.join("venv");
    let bin = environment.join("bin");
    place.once(std::slice::from_ref(&requirements), || {
        let _ = fs::remove_dir_all(&environment);
        fetch(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
        let mut pip = Command::new(bin.join("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--requirement",
        ]);
        fetch(pip.arg(&requirements))
    })?;
    Ok(bin)
}

/// A folder with the client's JavaScript files and, beside them, its packages as package-lock.json has them.
///
/// # Errors
/// Where there is no npm or a package cannot be installed.
pub fn node(client: &str) -> Result<PathBuf, Missing> {
    require("node", "--version")?;
    let place = Place::of(client);
    let manifests = ["package.json", "package-lock.json"].map(|name| folder(client).join(name));
    place.once(&manifests, || {
        copy_into(&manifests, &place.path);
        let mut npm = Command::new("npm");
        fetch(
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&place.path),
        )
    })?;
    copy_into(&sources(&folder(client), "js"), &place.path);
    Ok(place.path)
}

/// The client's Go program, built.
///
/// # Errors
/// Where there is no Go or a module cannot be fetched.
///
/// # Panics
/// Where the program does not compile.
pub fn go(client: &str) -> Result<PathBuf, Missing> {
    require("go", "version")?;
    let place = Place::of(client);
    let modules = ["go.mod", "go.sum"].map(|name| folder(client).join(name));
    place.once(&modules, || {
        fetch(
            Command::new("go")
                .args(["mod", "download"])
                .current_dir(folder(client)),
        )
    })?;
    let program = place.path.join("program");
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-o"])
        .arg(&program)
        .current_dir(folder(client));
    build(&mut go);
    Ok(program)
}

/// The class path of the client's Java program, built: its classes and the packages of its pom.xml.
///
/// # Errors
/// Where there is no Java or Maven, or a package cannot be fetched.
///
/// # Panics
/// Where the program does not compile.
pub fn java(client: &str) -> Result<String, Missing> {
    require("java", "-version")?;
    let place = Place::of(client);
    let path_file = place.path.join("classpath");
    let maven = |goals: &[&str]| {
        let mut command = Command::new("mvn");
        command.args(["--quiet", "--batch-mode"]).args(goals);
        command.arg(format!("-Dbuild.dir={}", place.path.display()));
        command.arg(format!("-Dmdep.outputFile={}", path_file.display()));
        command.current_dir(folder(client));
        command
    };
    let pom = folder(client).join("pom.xml");
    let mut inputs = vec![pom];
    let src = folder(client).join("src");
    // Some are packages alone, which another language's program runs.
    if src.exists() {
        inputs.extend(sources(&src, "java"));
    }
    // Maven takes seconds to find that there is nothing to do, so the stamp covers compiling, too.
    place.once(&inputs, || {
        fetch(&mut maven(&[
            "dependency:build-classpath",
            "resources:resources",
        ]))?;
        build(&mut maven(&["compile"]));
        Ok(())
    })?;
    let packages = fs::read_to_string(&path_file).expect("Maven wrote the class path");
    Ok(format!(
        "{}:{packages}",
        place.path.join("classes").display()
    ))
}

/// That a program is installed at all.
fn require(program: &str, version: &str) -> Result<(), Missing> {
    fetch(Command::new(program).arg(version))
}

/// A step that depends on what the machine has and reaches.
fn fetch(command: &mut Command) -> Result<(), Missing> {
    match client::run(command, INSTALL) {
        Ok(ended) if ended.succeeded() => Ok(()),
        Ok(ended) => Err(Missing {
            reason: failure(command, &ended),
        }),
        Err(error) => Err(Missing {
            reason: format!("{command:?}: {error}"),
        }),
    }
}

/// A step that depends on our own files alone.
fn build(command: &mut Command) {
    match client::run(command, INSTALL) {
        Ok(ended) if ended.succeeded() => {}
        Ok(ended) => panic!("{}", failure(command, &ended)),
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn failure(command: &Command, ended: &Ended) -> String {
    let how = ended
        .status
        .map_or_else(|| "ran out of time".to_owned(), |status| status.to_string());
    format!("{command:?}: {how}\n{}", ended.tail(15))
}

/// All files under `folder` whose names end in `.EXTENSION`, in order of their paths.
fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder of ours can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn copy_into(files: &[PathBuf], folder: &Path) {
    for file in files {
        let name = file.file_name().expect("a file has a name");
        let copied = fs::copy(file, folder.join(name));
        copied.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
