//! Which files a flow has, and how far each is read.
//!
//! - `pattern`: the files that a pattern names. `fingerprint`: what tells a file's content from another's.
//! - `names`: files by what they are, wherever in a directory. `tracked`: one file. `copies`: which one is another's copy.
//! - `follow`: all of them, through rotations. `watch`: being told of changes.

pub(crate) mod copies;
pub(crate) mod fingerprint;
pub(crate) mod follow;
pub(crate) mod names;
pub(crate) mod pattern;
pub(crate) mod tracked;
pub(crate) mod watch;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
