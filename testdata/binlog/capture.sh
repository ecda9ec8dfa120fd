#!/usr/bin/env bash
# Captures small binlogs of a real MariaDB server for the golden tests of crates/binlog.
#
# For every sql/NAME.sql it starts a fresh server with the options in the file's first line (`-- options: ...`), runs the
# statements, and copies the binlog to NAME.bin. Three more need two sessions, a key file or a second server: commit-id,
# encrypted, relay. Servers listen on sockets in a temporary directory only and are ended by their process id.
#
# Usage: capture.sh [NAME...]      then: UPDATE_GOLDEN=1 cargo test -p tributary-binlog --test golden
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()

finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

user=()
if [ "$(id -u)" = 0 ]; then
    user=(--user=root)
fi

mariadb-install-db --no-defaults "${user[@]}" --datadir="$work/template" --skip-test-db \
    --auth-root-authentication-method=normal >"$work/install.log" 2>&1

# start DIR OPTION...: a server on a copy of the template; its socket is DIR/socket.
start() {
    local dir=$1
    shift
    mkdir -p "$dir"
    cp -r "$work/template" "$dir/data"
    mariadbd --no-defaults "${user[@]}" --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" \
        --log-error="$dir/error.log" --skip-networking --log-bin=mysql-bin --innodb-buffer-pool-size=16M \
        --innodb-log-file-size=8M --secure-file-priv="" --local-infile=1 "$@" 2>"$dir/stderr.log" &
    pids+=($!)
    local deadline=$((SECONDS + 60))
    until mariadb-admin --no-defaults --socket="$dir/socket" -uroot ping >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ] || ! kill -0 "${pids[-1]}" 2>/dev/null; then
            echo "server did not start:" >&2
            tail -20 "$dir/error.log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# stop: ends the server started last.
stop() {
    kill "${pids[-1]}"
    wait "${pids[-1]}" || true
    unset 'pids[-1]'
}

# client DIR [OPTION...]: runs standard input as SQL.
client() {
    local dir=$1
    shift
    mariadb --no-defaults --socket="$dir/socket" -uroot --default-character-set=utf8mb4 --local-infile=1 "$@"
}

options_of() {
    sed -n '1s/^-- options: *//p' "$1"
}

wanted() {
    [ ${#names[@]} -eq 0 ] || [[ " ${names[*]} " == *" $1 "* ]]
}

names=("$@")

for sql in "$here"/sql/*.sql; do
    name=$(basename "$sql" .sql)
    wanted "$name" || continue
    dir=$work/$name
    # shellcheck disable=SC2046 # the options are words
    start "$dir" --server-id=101 $(options_of "$sql")
    printf '1,one\n2,two\n2,again\n3,three\n' >"$work/load.csv"
    for i in $(seq 4 1500); do printf '%d,row number %080d\n' "$i" "$i"; done >"$work/load-long.csv"
    echo 'RESET MASTER; CREATE DATABASE asterisk;' | client "$dir"
    # The placeholders: a directory both sides read, and a byte that is no UTF-8.
    LC_ALL=C sed -e "s|@DIR@|$work|g" -e 's|@LATIN1@|\xe4|g' "$sql" |
        client "$dir" --force asterisk >"$dir/client.out" 2>"$dir/client.log" || true
    expected=$(sed -n 's/^-- errors expected: \([0-9]*\).*/\1/p' "$sql")
    if [ "$(grep -c '^ERROR' "$dir/client.log")" != "${expected:-0}" ]; then
        echo "$name: ${expected:-0} errors expected, got:" >&2
        cat "$dir/client.log" >&2
        exit 1
    fi
    echo 'FLUSH BINARY LOGS;' | client "$dir"
    install -m 644 "$dir/data/mysql-bin.000001" "$here/$name.bin"
    stop
done

if wanted commit-id; then
    dir=$work/commit-id
    start "$dir" --server-id=101 --binlog-format=ROW
    client "$dir" <<<'RESET MASTER; CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY) ENGINE=InnoDB;
        SET GLOBAL binlog_commit_wait_count=2, binlog_commit_wait_usec=20000000;'
    client "$dir" asterisk <<<'INSERT INTO t VALUES (1);' &
    one=$!
    client "$dir" asterisk <<<'INSERT INTO t VALUES (2);'
    wait "$one"
    client "$dir" <<<'FLUSH BINARY LOGS;'
    install -m 644 "$dir/data/mysql-bin.000001" "$here/commit-id.bin"
    stop
fi

if wanted encrypted; then
    dir=$work/encrypted
    mkdir -p "$dir"
    echo '1;770a8a65da156d24ee2a093277530142' >"$dir/keys"
    start "$dir" --server-id=101 --plugin-load-add=file_key_management --plugin-maturity=unknown \
        --file-key-management-filename="$dir/keys" --encrypt-binlog=ON
    client "$dir" <<<'RESET MASTER; CREATE DATABASE asterisk; FLUSH BINARY LOGS;'
    install -m 644 "$dir/data/mysql-bin.000001" "$here/encrypted.bin"
    stop
fi

if wanted relay; then
    source_dir=$work/relay-source
    replica_dir=$work/relay-replica
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    start "$source_dir" --server-id=101 --binlog-format=MIXED --skip-networking=0 --bind-address=127.0.0.1 --port="$port"
    client "$source_dir" <<<"RESET MASTER; CREATE USER r@127.0.0.1 IDENTIFIED BY 'r';
        GRANT REPLICATION SLAVE ON *.* TO r@127.0.0.1;
        CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB;
        INSERT INTO asterisk.t VALUES (1, 'one'); INSERT INTO asterisk.t VALUES (2, UUID_SHORT() > 0);"
    start "$replica_dir" --server-id=202 --relay-log=relay-bin
    client "$replica_dir" <<<"STOP SLAVE; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=$port, MASTER_USER='r',
        MASTER_PASSWORD='r', MASTER_LOG_FILE='mysql-bin.000001', MASTER_LOG_POS=4; START SLAVE IO_THREAD;"
    end=$(client "$source_dir" -BN <<<'SHOW MASTER STATUS' | cut -f2)
    deadline=$((SECONDS + 60))
    until [ "$(client "$replica_dir" -e 'SHOW SLAVE STATUS\G' | awk '/Read_Master_Log_Pos/ {print $2}')" = "$end" ]; do
        [ $SECONDS -lt $deadline ] || { echo "replica did not catch up" >&2; exit 1; }
        sleep 0.1
    done
    client "$replica_dir" <<<'STOP SLAVE;'
    install -m 644 "$replica_dir/data/relay-bin.000002" "$here/relay.bin"
    stop
    stop
fi
ls -l "$here"/*.bin
