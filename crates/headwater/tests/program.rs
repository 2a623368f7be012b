//! The program as people and scripts meet it: started, asked, stopped.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

#[path = "program/agent.rs"]
mod agent;
#[path = "program/cloudwatch.rs"]
mod cloudwatch;
#[path = "program/config.rs"]
mod config;
#[path = "program/consumer.rs"]
mod consumer;
#[path = "program/groups.rs"]
mod groups;
#[path = "program/kafka.rs"]
mod kafka;
#[path = "program/process.rs"]
mod process;
#[path = "program/producer.rs"]
mod producer;
#[path = "program/queues.rs"]
mod queues;
#[path = "program/serving.rs"]
mod serving;
#[path = "program/topics.rs"]
mod topics;
#[path = "program/tour.rs"]
mod tour;
#[path = "program/verbs.rs"]
mod verbs;
