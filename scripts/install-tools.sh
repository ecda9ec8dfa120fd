#!/bin/sh
# Installs what tests and demo run: the MariaDB server and client programs of this distribution, nothing that starts
# by itself. Does nothing, and needs no network, when all of it is there.
set -eu

# Servers lie in sbin folders, which are not on every user's path.
PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin"

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        echo "install-tools: not root, and no sudo: run as root: $*" >&2
        exit 1
    fi
}

update_once() {
    if [ -z "${updated:-}" ]; then
        as_root apt-get update -q >"$log" 2>&1
        updated=yes
    fi
}

log=$(mktemp)
work=$(mktemp -d)
finish() {
    status=$?
    if [ "$status" != 0 ] && [ -s "$log" ]; then
        cat "$log" >&2
    fi
    rm -rf "$log" "$work"
    exit "$status"
}
trap finish EXIT

packages=
if ! has mariadbd || ! has mariadb-install-db; then
    packages="$packages mariadb-server-core"
fi
if ! has mariadb || ! has mariadb-binlog || ! has my_print_defaults; then
    packages="$packages mariadb-client"
fi
if ! has cc; then
    packages="$packages gcc libc6-dev"
fi
if [ -n "$packages" ]; then
    if ! has apt-get; then
        echo "install-tools: install these yourself, there is no apt-get here:$packages" >&2
        exit 1
    fi
    echo "install-tools: installing$packages"
    update_once
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages >"$log" 2>&1
fi

# The ed25519 login plugin is packed with the service. It alone is taken out of that package: no service, no account.
plugins=$(mariadbd --no-defaults --verbose --help 2>/dev/null | sed -n 's/^plugin-dir  *//p')
if [ -n "$plugins" ] && [ ! -e "$plugins/auth_ed25519.so" ]; then
    if ! has apt-get; then
        echo "install-tools: $plugins/auth_ed25519.so is missing, and there is no apt-get to fetch it with" >&2
        exit 1
    fi
    echo "install-tools: installing the server's ed25519 login plugin"
    update_once
    (cd "$work" && apt-get download -q mariadb-server >"$log" 2>&1 && dpkg-deb -x mariadb-server_*.deb files)
    as_root install -D -m 644 "$work/files/usr/lib/mysql/plugin/auth_ed25519.so" "$plugins/auth_ed25519.so"
fi
