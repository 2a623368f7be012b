//! The wire's shapes, named as AWS names them.

pub(super) mod items;
pub(super) mod tables;
