//! Wire shapes, named as AWS names them, by theme. `StreamId` is "not implemented, reserved for future use": its form is
//! checked by the rules, and no shape has it.

pub(super) mod capacity;
pub(super) mod consumers;
pub(super) mod queues;
pub(super) mod shards;
pub(super) mod streams;
pub(super) mod tags;
