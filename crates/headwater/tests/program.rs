//! The program as people and scripts meet it: started, asked, stopped.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

#[path = "program/config.rs"]
mod config;
#[path = "program/process.rs"]
mod process;
#[path = "program/queues.rs"]
mod queues;
#[path = "program/serving.rs"]
mod serving;
#[path = "program/tour.rs"]
mod tour;
#[path = "program/verbs.rs"]
mod verbs;
