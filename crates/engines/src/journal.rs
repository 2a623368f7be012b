//! The journal: the files that frames are written to, one after the other.
//!
//! A file's life. It is made or taken from the free ones as `journal/free-<number>`, given its whole length, a new first
//! sector ([`file`]) and a sync; then it is renamed to `journal/<number>.log`, which makes it the next to be written. Frames
//! fill it from byte 4096. When segments hold its batches and a checkpoint covers its decisions, it is renamed to a free file
//! again; unless it was made a segment itself, and so has something behind its end: then it only loses its name here. After a
//! crash: a free file is free whatever it holds; a numbered file has a whole first sector, since that was synced before it got
//! the name; numbered files before the checkpoint's anchor are let go of likewise.

pub mod file;
pub mod pool;
pub mod recovery;

/// Where journal files lie.
pub const FOLDER: &str = "journal";
