//! (to come)

pub mod disk;

pub mod sim;

pub mod segments;
