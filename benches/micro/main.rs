//! What single parts of the engine cost, so that a regression can be placed: `cargo bench -p tributary-benches`.
//!
//! Criterion compares with the last run; on a machine that does other work as well its changes mean little.
#![allow(missing_docs)] // of what the macros make

mod decoder;
mod scheduler;
mod statements;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    micro,
    statements::scanner,
    statements::parser,
    statements::renamer,
    decoder::decoder,
    scheduler::scheduler
);
criterion_main!(micro);
