#!/bin/sh
# Captures mysql-9.7.bin from a MySQL server; see README.md.
#   capture.sh BASE: the base directory of the server, as scripts/matrix-servers.sh makes it: SERVERS/sid/run
set -eu

base=${1:?usage: capture.sh BASE}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pid=
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

user=
[ "$(id -u)" != 0 ] || user=--user=root
# shellcheck disable=SC2086 # one word or none
"$base/sbin/mysqld" --no-defaults --basedir="$base" $user --initialize-insecure --datadir="$work/data" >"$work/install.log" 2>&1
# shellcheck disable=SC2086
"$base/sbin/mysqld" --no-defaults --basedir="$base" $user --datadir="$work/data" --socket="$work/socket" --skip-networking \
    --mysqlx=OFF --secure-file-priv= --log-error="$work/error.log" --log-bin=mysql-bin --server-id=101 --log-error-verbosity=1 &
pid=$!
deadline=$(($(date +%s) + 60))
until mariadb-admin --no-defaults --socket="$work/socket" -uroot ping >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge "$deadline" ] || ! kill -0 "$pid" 2>/dev/null; then
        cat "$work/error.log" >&2
        exit 1
    fi
    sleep 0.1
done
client() {
    mariadb --no-defaults --socket="$work/socket" -uroot --default-character-set=utf8mb4
}
echo 'RESET BINARY LOGS AND GTIDS' | client
client <"$here/capture.sql"
echo 'FLUSH BINARY LOGS' | client
install -m 644 "$work/data/mysql-bin.000001" "$here/mysql-9.7.bin"
ls -l "$here/mysql-9.7.bin"
