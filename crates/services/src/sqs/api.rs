//! Wire shapes, named as AWS names them, by theme. Members that AWS requires are optional here where the refusal of a missing one
//! is worded by us.

pub(super) mod messages;
pub(super) mod queues;
