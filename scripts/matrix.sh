#!/bin/sh
# Runs the demo and the random workload, which both end in a comparison of every row, with each supported source towards each
# supported target, and prints a table. Expects the programs to be built. Ends with exit code 0 only if every pair was equal.
#   matrix.sh SERVERS PROGRAMS: the folder of scripts/matrix-servers.sh, and the folder with tributary, tributary-demo, tributary-soak
# MATRIX_SECONDS (10) is how long the demo's traffic flows in each pair, MATRIX_RATE (300) statements per second on each of its
# sources; MATRIX_SOAK_SECONDS (20) how long random statements are run, as fast as they go, and MATRIX_SEED (1) what they follow from.
set -eu

servers=${1:?usage: matrix.sh SERVERS PROGRAMS} programs=${2:?usage: matrix.sh SERVERS PROGRAMS}
PATH="$PATH:/usr/sbin:/usr/local/sbin"

version() {
    "$1" --no-defaults --version | sed -n 's/.* Ver \([0-9.]*\).*/\1/p'
}

installed=$(command -v mariadbd) || {
    echo "matrix: mariadbd is not installed: run scripts/install-tools.sh" >&2
    exit 1
}
old=$servers/bullseye/run/sbin/mariadbd
new=$servers/trixie/run/sbin/mariadbd
mysql=$servers/sid/run/sbin/mysqld
case $(version "$installed") in
    10.11.*) ;;
    *) echo "matrix: the installed server is $(version "$installed"); its rows of the table are that version's" >&2 ;;
esac

logs=$programs/matrix-logs
mkdir -p "$logs"
table=$logs/table.md
{
    echo '| source | target | demo: tables | rows | random: statements | tables | rows | result |'
    echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
} >"$table"
status=0

# Says why a program did not end well.
failed() {
    status=1
    tail -n 8 "$1" | cut -c 1-600 >&2
}

pair() {
    kind=$1 source=$2 target=$3
    name="$kind $(version "$source")"
    log="$logs/$(echo "$name" | tr ' ' '-')-to-$(version "$target")"
    echo "matrix: $name to MariaDB $(version "$target")"
    start=$(date +%s)
    result=equal
    DEMO_SOURCE_SERVER=$source DEMO_TARGET_SERVER=$target DEMO_SECONDS=${MATRIX_SECONDS:-10} \
        DEMO_RATE=${MATRIX_RATE:-300} "$programs/tributary-demo" >"$log-demo.log" 2>&1 || {
        result="**demo different or stopped**"
        failed "$log-demo.log"
    }
    soak_seconds=${MATRIX_SOAK_SECONDS:-20}
    SOAK_SOURCE_SERVER=$source SOAK_TARGET_SERVER=$target SOAK_SECONDS=$soak_seconds SOAK_ROUND_SECONDS=$soak_seconds \
        SOAK_SEED=${MATRIX_SEED:-1} "$programs/tributary-soak" >"$log-random.log" 2>&1 || {
        result="**random workload different or stopped**"
        failed "$log-random.log"
    }
    # Lines of the demo's table: connection, table, rows on the source, rows on the target, verdict.
    demo=$(awk '$1 ~ /^master[0-9]+$/ && $5 == "equal" { tables++; rows += $3 } END { printf "%d | %d", tables, rows }' "$log-demo.log")
    # "on sources:  N statements executed, ..." and "compared: ...; N tables with N rows".
    random=$(awk '/^on sources:/ { statements = $3 }
        /^compared:/ { sub(/.*; /, ""); tables = $1; rows = $4 }
        END { printf "%d | %d | %d", statements, tables, rows }' "$log-random.log")
    echo "| $name | MariaDB $(version "$target") | $demo | $random | $result, $(($(date +%s) - start)) s |" >>"$table"
}

for target in "$installed" "$new"; do
    for source in "$old" "$installed" "$new"; do
        pair MariaDB "$source" "$target"
    done
    pair MySQL "$mysql" "$target"
done
echo
cat "$table"
exit $status
