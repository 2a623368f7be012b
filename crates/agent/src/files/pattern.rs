//! A file pattern, and the files it names: `*`, `?`, `[a-z]` and `{a,b}` in any component of an absolute or relative path.

use std::collections::HashSet;
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

/// What a pattern names.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) found: Vec<Found>,
    /// The directories looked in.
    pub(crate) looked_in: Vec<PathBuf>,
    /// What could not be read.
    pub(crate) unread: Vec<(PathBuf, io::Error)>,
    /// The directory with more files than are taken, where there is one.
    pub(crate) excess: Option<(PathBuf, io::Error)>,
}

/// What could not be read: what is not found in there may be there all the same.
#[derive(Debug, Default)]
pub(crate) struct Unread(HashSet<PathBuf>);

impl Unread {
    pub(crate) fn add(&mut self, path: PathBuf) {
        self.0.insert(path);
    }

    /// Whether a file of this name would not have been found.
    pub(crate) fn hides(&self, path: &Path) -> bool {
        !self.0.is_empty() && path.ancestors().any(|one| self.0.contains(one))
    }
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

    /// The files there are.
    pub(crate) fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let mut directories = vec![self.base.clone()];
        for (at, component) in self.components.iter().enumerate() {
            let is_last = at + 1 == self.components.len();
            let mut next = Vec::new();
            for directory in directories {
                let paths = component.within(&directory, &mut listing);
                listing.looked_in.push(directory);
                next.extend(paths);
                if next.len() > FILES_MAX {
                    next.truncate(FILES_MAX);
                    let problem = format!(
                        "has more than {FILES_MAX} files that the pattern names; not all are read"
                    );
                    listing.excess = Some((self.base.clone(), io::Error::other(problem)));
                    break;
                }
            }
            if is_last {
                listing.add(next);
                break;
            }
            next.retain(|path| listing.look(path).is_some_and(|one| one.is_dir()));
            directories = next;
        }
        listing
    }
}

impl Component {
    fn within(&self, directory: &Path, listing: &mut Listing) -> Vec<PathBuf> {
        let glob = match self {
            Component::Name(name) => return vec![directory.join(name)],
            Component::Glob(glob) => glob,
        };
        let mut paths = Vec::new();
        let listed = fs::read_dir(directory).and_then(|entries| {
            for entry in entries {
                let name = entry?.file_name();
                if glob.is_match(Path::new(&name)) {
                    paths.push(directory.join(name));
                }
            }
            Ok(())
        });
        if let Err(error) = listed {
            listing.fail(directory, error);
        }
        paths
    }
}

impl Listing {
    fn add(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            if is_compressed(&path) {
                continue;
            }
            match self.look(&path) {
                Some(metadata) if metadata.is_file() => self.found.push(Found { path, metadata }),
                _ => {}
            }
        }
    }

    fn look(&mut self, path: &Path) -> Option<Metadata> {
        match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                self.fail(path, error);
                None
            }
        }
    }

    fn fail(&mut self, path: &Path, error: io::Error) {
        // It was there a moment ago, or is yet to come.
        if error.kind() != io::ErrorKind::NotFound {
            self.unread.push((path.to_owned(), error));
        }
    }
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
            let listing = pattern.list();
            let mut found: Vec<String> = listing
                .found
                .iter()
                .map(|one| one.path.strip_prefix(root).unwrap().display().to_string())
                .collect();
            found.sort();
            assert_eq!(
                (found.as_slice(), listing.unread.len()),
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
