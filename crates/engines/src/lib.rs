//! (to come)

pub mod disk;
