#!/bin/sh
# Puts the clients that `make clients` runs through the control port into a folder: drivers of Python and Node in the versions named here, from
# the registries that pip and npm are set up for; sysbench, the Percona toolkit and mysqld_exporter of this Debian release. Nothing is installed on
# the machine, and no root is needed. A folder that is complete is left as it is.
set -eu

directory=${1:?usage: clients.sh DIRECTORY}

PYTHON_PACKAGES='PyMySQL==1.1.1 mysql-connector-python==9.1.0'
NODE_PACKAGES='mysql2@3.11.5 mariadb@3.4.0'
DEBIAN_PACKAGES='sysbench libluajit-5.1-2 libluajit-5.1-common libaio1 libmariadb3 libpq5
    percona-toolkit libdbi-perl libdbd-mysql-perl libterm-readkey-perl
    prometheus-mysqld-exporter'

fail() {
    echo "clients: $*" >&2
    exit 1
}

for tool in python3 npm node apt-get dpkg-deb; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing"
done

wanted=$(echo "$PYTHON_PACKAGES $NODE_PACKAGES $DEBIAN_PACKAGES" | tr -s ' \n' ' ')
if [ "$(cat "$directory/complete" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$directory"
mkdir -p "$directory/debian/packages" "$directory/node" "$directory/bin"
cd "$directory"
directory=$(pwd)

echo "clients: drivers for Python: $PYTHON_PACKAGES"
python3 -m venv python || fail "python3 has no venv: install python3-venv"
# shellcheck disable=SC2086 # a list of names
python/bin/pip install --quiet --disable-pip-version-check --only-binary :all: $PYTHON_PACKAGES \
    || fail "pip cannot install $PYTHON_PACKAGES: is the package index reachable?"

echo "clients: drivers for Node: $NODE_PACKAGES"
echo '{"private": true, "type": "module"}' >node/package.json
# shellcheck disable=SC2086 # a list of names
npm install --prefix node --silent --no-audit --no-fund --ignore-scripts --save-exact $NODE_PACKAGES \
    || fail "npm cannot install $NODE_PACKAGES: is the registry reachable?"

echo "clients: programs of Debian"
# shellcheck disable=SC2086 # a list of names
(cd debian/packages && apt-get download -q $DEBIAN_PACKAGES >../log 2>&1) || {
    cat debian/log >&2
    fail "apt-get cannot download these: is the archive reachable, and has 'apt-get update' run?"
}
for package in debian/packages/*.deb; do
    dpkg-deb -x "$package" debian/files
done
rm -r debian/packages

libraries=$(find "$directory/debian/files/usr/lib" -maxdepth 2 -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
perl=$(find "$directory/debian/files/usr" -type d -regex '.*/perl5\(/5\.[0-9.]*\)?' | sort | paste -sd:)
wrap() {
    {
        echo '#!/bin/sh'
        echo "export LD_LIBRARY_PATH='$libraries' PERL5LIB='$perl'"
        echo "exec '$directory/debian/files/usr/$1' \"\$@\""
    } >"bin/$2"
    chmod +x "bin/$2"
}
wrap bin/sysbench sysbench
for tool in pt-heartbeat pt-slave-restart pt-table-checksum; do
    wrap "bin/$tool" "$tool"
done
wrap bin/prometheus-mysqld-exporter mysqld_exporter
for tool in sysbench pt-heartbeat pt-table-checksum mysqld_exporter; do
    "bin/$tool" --version >/dev/null 2>debian/log || {
        cat debian/log >&2
        fail "$tool does not run"
    }
done
echo "$wanted" >complete
