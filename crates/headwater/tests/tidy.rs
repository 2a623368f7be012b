//! What no compiler checks: the layers, the lengths of files, that documents say what the code does. Generated documents are
//! written anew with `BLESS=1 cargo test -p headwater --test tidy`.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/tree.rs"]
mod tree;
