//! The load on SQS queues. Read `messages` (what is sent, and what became of it), `wire` (the bytes), then the workloads:
//! `cycle` (send, receive, delete), `send` (at a rate), `poll` (a waiting receiver), `backlog` (millions waiting),
//! `compare` (all of it on every peer) and `crash` (what `verify_queue` proves, with kills).

pub(crate) mod args;
mod backlog;
mod compare;
mod crash;
mod cycle;
mod messages;
mod poll;
mod send;
mod wire;
pub(crate) mod workloads;
