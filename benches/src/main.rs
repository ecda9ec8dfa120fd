//! Throughput benches.

fn main() {}
