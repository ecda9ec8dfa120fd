#!/bin/sh
# Fails when a package that must exist once is there twice: two copies of mysql_common do not understand each other's
# types, two of rustls or of the zlib backend double the code that handles secrets and foreign bytes.
set -eu

cd "$(dirname "$0")/.."

failed=
for package in mysql_common rustls flate2 zlib-rs libz-rs-sys; do
    count=$(grep -c "^name = \"$package\"\$" Cargo.lock || true)
    if [ "$count" -gt 1 ]; then
        echo "check-dependencies: Cargo.lock holds $count versions of $package; see: cargo tree -d -i $package" >&2
        failed=yes
    fi
done
# Other zlib implementations must not come in beside zlib-rs.
for package in miniz_oxide libz-sys libz-ng-sys cloudflare-zlib-sys; do
    if cargo tree --locked --workspace --edges normal,build --invert "$package" --prefix none 2>/dev/null | grep -q .; then
        echo "check-dependencies: $package is a second zlib; see: cargo tree --workspace -i $package" >&2
        failed=yes
    fi
done
[ -z "$failed" ]
