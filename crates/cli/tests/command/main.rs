//! The command as its users have it: a child process with arguments, files, output and an exit code.
#![allow(clippy::unwrap_used, missing_docs)] // A test may stop at the first surprise.

mod chain;
mod check;
mod check_config;
mod clients;
mod commands;
mod control_tls;
mod decode;
mod failpoints;
mod fencing;
mod help;
mod lint;
mod metrics;
mod pipelining;
mod processes;
mod relay_events;
mod relay_log;
mod run;
mod site;
mod status;
mod stopping;
mod support;
mod tutorial;
