#!/bin/sh
# Runs every fuzz target for SECONDS (default 10) each.
set -eu

cd "$(dirname "$0")/.."
seconds=${1:-10}
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz-smoke: cargo-fuzz is missing; install it with: cargo install cargo-fuzz" >&2
    exit 1
fi
targets=$(cargo +nightly fuzz list)
if [ -z "$targets" ]; then
    echo "fuzz-smoke: no targets in fuzz/" >&2
    exit 1
fi
for target in $targets; do
    echo "fuzz-smoke: $target"
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds"
done
