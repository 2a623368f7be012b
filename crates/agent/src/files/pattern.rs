//! A file pattern, and the files it names: `*`, `?`, `[a-z]` and `{a,b}` in any component of an absolute or relative path.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Endings of compressed files, which are never tailed; the first three are the AWS agent's.
const COMPRESSED: &[&str] = &[".gz", ".bz2", ".zip", ".xz", ".zst", ".lz4"];
/// Most files of one pattern, each of which takes about a kilobyte.
const FILES_MAX: usize = 50_000;
/// Components with patterns in one path.
const DEPTH_MAX: usize = 32;

/// A file pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The directory that is looked in first: no pattern is in it.
    base: PathBuf,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    Name(String),
    Glob(GlobMatcher),
}

/// A file that a pattern names.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.is_empty() || path.ends_with('/') {
            return Err(format!("must end with the name of files, got {text:?}"));
        }
        let mut base = PathBuf::from(if path.starts_with('/') { "/" } else { "." });
        let mut components = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if part.contains("**") {
                return Err(format!(
                    "cannot go through all directories with **; write a * for each, got {text:?}"
                ));
            }
            let is_glob = part.contains(['*', '?', '[', '{', '\\']);
            if is_glob {
                let glob = GlobBuilder::new(part).backslash_escape(true).build();
                let glob = glob.map_err(|error| format!("is no pattern: {error}"))?;
                components.push(Component::Glob(glob.compile_matcher()));
            } else {
                components.push(Component::Name(part.to_owned()));
            }
        }
        if components.len() > DEPTH_MAX {
            return Err(format!("has more than {DEPTH_MAX} components"));
        }
        // What leads to the first pattern, or to the file, is the base.
        let is_name = |component: &Component| matches!(component, Component::Name(_));
        let names = components.iter().take_while(|one| is_name(one)).count();
        let plain = names.min(components.len().saturating_sub(1));
        for component in components.drain(..plain) {
            if let Component::Name(name) = component {
                base.push(name);
            }
        }
        Ok(Pattern { base, components })
    }

    /// The files there are, and the directories looked in. What cannot be read is told to `failed`.
    pub(crate) fn list(
        &self,
        failed: &mut dyn FnMut(&Path, io::Error),
    ) -> (Vec<Found>, Vec<PathBuf>) {
        let mut directories = vec![self.base.clone()];
        let mut looked_in = Vec::new();
        let mut found = Vec::new();
        for (at, component) in self.components.iter().enumerate() {
            let is_last = at + 1 == self.components.len();
            let mut next = Vec::new();
            for directory in directories {
                let paths = component.within(&directory, failed);
                looked_in.push(directory);
                next.extend(paths);
                if next.len() > FILES_MAX {
                    next.truncate(FILES_MAX);
                    let problem = format!(
                        "has more than {FILES_MAX} files that the pattern names; not all are read"
                    );
                    failed(&self.base, io::Error::other(problem));
                    break;
                }
            }
            if is_last {
                found = files(next, failed);
                break;
            }
            next.retain(|path| path.is_dir());
            directories = next;
        }
        (found, looked_in)
    }
}

impl Component {
    fn within(&self, directory: &Path, failed: &mut dyn FnMut(&Path, io::Error)) -> Vec<PathBuf> {
        let glob = match self {
            Component::Name(name) => return vec![directory.join(name)],
            Component::Glob(glob) => glob,
        };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    failed(directory, error);
                }
                return Vec::new();
            }
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|name| glob.is_match(Path::new(name)))
            .map(|name| directory.join(name))
            .collect()
    }
}

fn files(paths: Vec<PathBuf>, failed: &mut dyn FnMut(&Path, io::Error)) -> Vec<Found> {
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        if is_compressed(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => found.push(Found { path, metadata }),
            Ok(_) => {}
            // It was there a moment ago, or is yet to come.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed(&path, error),
        }
    }
    found
}

/// Whether a file's name says that it is compressed.
pub(crate) fn is_compressed(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    COMPRESSED.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Directory;

    #[test]
    fn patterns_name_files_in_any_component() {
        let directory = Directory::new();
        let root = directory.path();
        for path in [
            "a/x/app.log",
            "a/y/app.log.1",
            "a/y/app.log.2.gz",
            "a/z/other",
            "b/x/app.log",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let check = |pattern: &str, expected: &[&str]| {
            let pattern = Pattern::parse(&format!("{}/{pattern}", root.display())).unwrap();
            let mut failures = 0;
            let (found, _) = pattern.list(&mut |_, _| failures += 1);
            let mut found: Vec<String> = found
                .iter()
                .map(|one| one.path.strip_prefix(root).unwrap().display().to_string())
                .collect();
            found.sort();
            assert_eq!(
                (found.as_slice(), failures),
                (
                    &expected
                        .iter()
                        .map(|one| (*one).to_owned())
                        .collect::<Vec<_>>()[..],
                    0
                )
            );
        };
        check("a/x/app.log", &["a/x/app.log"]);
        check("a/*/app.log*", &["a/x/app.log", "a/y/app.log.1"]);
        check("{a,b}/x/*", &["a/x/app.log", "b/x/app.log"]);
        check("?/[xz]/*", &["a/x/app.log", "a/z/other", "b/x/app.log"]);
        check("a/none/*", &[]);
        check("a/none", &[]);
        check("a/x", &[]);
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (wrong, why) in [
            ("", "name of files"),
            ("/var/log/", "name of files"),
            ("/a/**/b", "**"),
            ("/a/[", "no pattern"),
        ] {
            let error = Pattern::parse(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
