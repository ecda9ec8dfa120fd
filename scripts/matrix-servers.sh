#!/bin/sh
# Puts the servers of other Debian releases into folders of their own: DIRECTORY/SUITE, about 300 MB and half a minute each.
# `DIRECTORY/SUITE/run` is then a base directory whose programs run on this machine, with the folder's own libraries.
# Folders that are complete are left as they are. Filling one needs root and `debootstrap`; running the servers does not.
set -eu

directory=${1:?usage: matrix-servers.sh DIRECTORY}
PATH="$PATH:/usr/sbin:/sbin"

fail() {
    echo "matrix-servers: $*" >&2
    exit 1
}

# The loader of the folder: its link may be absolute, which means the folder's own root.
loader_of() {
    loader=$(find "$1/lib64/" "$1/lib/" -maxdepth 1 -name 'ld-linux*.so*' 2>/dev/null | head -n 1)
    [ -n "$loader" ] || return 1
    while [ -L "$loader" ]; do
        link=$(readlink "$loader")
        case $link in
            /*) loader=$1$link ;;
            *) loader=$(dirname "$loader")/$link ;;
        esac
    done
    echo "$loader"
}

# A program of the folder as a program of this machine.
wrap() {
    tree=$1 program=$2
    libraries=$(find "$tree/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu*' | head -n 1)
    target=$tree/run/${program#usr/}
    mkdir -p "$(dirname "$target")"
    printf '#!/bin/sh\nexec "%s" --library-path "%s:%s" "%s" "$@"\n' \
        "$(loader_of "$tree")" "$libraries" "$tree/usr/lib/mysql/private" "$tree/$program" >"$target"
    chmod 755 "$target"
}

# SUITE PACKAGES PROGRAM...: PROGRAM as in the folder, without the leading slash.
server() {
    suite=$1 packages=$2
    shift 2
    tree=$directory/$suite
    [ -e "$tree/run/complete" ] && return
    if [ ! -e "$tree/usr/bin" ]; then
        [ "$(id -u)" = 0 ] || fail "filling $tree needs root (debootstrap): run as root: scripts/matrix-servers.sh $directory"
        if ! command -v debootstrap >/dev/null; then
            command -v apt-get >/dev/null || fail "debootstrap is missing, and there is no apt-get to install it with"
            apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends debootstrap >/dev/null ||
                fail "installing debootstrap failed"
        fi
        echo "matrix-servers: filling $tree"
        rm -rf "$tree.unfinished"
        debootstrap --variant=minbase --include="$packages" "$suite" "$tree.unfinished" >"$tree.log" 2>&1 || {
            tail -n 20 "$tree.log" >&2
            fail "debootstrap of $suite failed; the whole log is $tree.log"
        }
        mv "$tree.unfinished" "$tree"
    fi
    rm -rf "$tree/run"
    for program in "$@"; do
        [ -x "$tree/$program" ] || fail "$tree has no $program: remove the folder, it will be filled again"
        wrap "$tree" "$program"
    done
    ln -s ../usr/share "$tree/run/share"
    ln -s ../usr/lib "$tree/run/lib"
    if [ -e "$tree/usr/bin/mariadb-install-db" ]; then
        ln -s ../../usr/bin/mariadb-install-db "$tree/run/bin/mariadb-install-db"
    fi
    : >"$tree/run/complete"
}

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
server bullseye mariadb-server-core-10.5,mariadb-client-core-10.5 usr/sbin/mariadbd usr/sbin/mysqld usr/bin/my_print_defaults usr/bin/resolveip
server trixie mariadb-server-core,mariadb-client-core usr/sbin/mariadbd usr/bin/my_print_defaults usr/bin/resolveip
server sid mysql-server-core,mysql-client-core usr/sbin/mysqld
