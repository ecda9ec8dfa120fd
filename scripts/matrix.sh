#!/bin/sh
# Runs the demo, which ends in a comparison of every row, with each supported source towards each supported target, and prints
# a table. Expects the programs to be built. Ends with exit code 0 only if every pair was equal.
#   matrix.sh SERVERS PROGRAMS: the folder of scripts/matrix-servers.sh, and the folder with tributary and tributary-demo
# MATRIX_SECONDS (10) is how long traffic flows in each pair, MATRIX_RATE (300) statements per second on each of its sources.
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
printf '| source | target | tables | rows compared | result |\n| --- | --- | --- | --- | --- |\n' >"$table"
status=0

pair() {
    kind=$1 source=$2 target=$3
    name="$kind $(version "$source")"
    log="$logs/$(echo "$name" | tr ' ' '-')-to-$(version "$target").log"
    echo "matrix: $name to MariaDB $(version "$target")"
    start=$(date +%s)
    if DEMO_SOURCE_SERVER=$source DEMO_TARGET_SERVER=$target DEMO_SECONDS=${MATRIX_SECONDS:-10} \
        DEMO_RATE=${MATRIX_RATE:-300} "$programs/tributary-demo" >"$log" 2>&1; then
        result="equal, $(($(date +%s) - start)) s"
    else
        result="**different or stopped**"
        status=1
        tail -n 8 "$log" | cut -c 1-600 >&2
    fi
    # Lines of the demo's table: connection, table, rows on the source, rows on the target, verdict.
    counts=$(awk '$1 ~ /^master[0-9]+$/ && $5 == "equal" { tables++; rows += $3 } END { printf "%d | %d", tables, rows }' "$log")
    echo "| $name | MariaDB $(version "$target") | $counts | $result |" >>"$table"
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
