# One command each; CI runs `make test`.

CARGO ?= cargo
SHELL := /bin/sh
BINARIES := $(or $(CARGO_TARGET_DIR),target)/release

.PHONY: help demo matrix test lint fuzz-seeds unit bench bench-page suite soak chaos clients fuzz-smoke tools

help:
	@echo "make demo        three sources with live traffic into one target, compared row by row (DEMO_SECONDS=30, DEMO_KEEP=1)"
	@echo "make test        format, lints, dependencies, all tests, real servers included"
	@echo "make bench       Tributary and the native replica on the same binlogs (BENCH_SCALE=1, BENCH_ONLY=mixed-myisam,idle)"
	@echo "make bench-page  the last results as tables and a chart in docs/bench"
	@echo "make soak        random statements of every kind on three sources, compared in rounds (SOAK_SECONDS=600, SOAK_SEED=n, SOAK_KEEP=1)"
	@echo "make chaos       kills, stops, cuts, damage, purges and full disks under traffic, compared after each (CHAOS_ROUNDS=30, CHAOS_SEED=1, CHAOS_ONLY=flip)"
	@echo "make suite       MariaDB's own replication tests, read from the package mariadb-test-data (SUITE=rpl.rpl_insert,mix)"
	@echo "make matrix      sources and targets of all supported versions, each pair compared (fetches servers with debootstrap, as root, once)"
	@echo "make clients     drivers of Python and Node, sysbench, the Percona toolkit and mysqld_exporter through the control port (fetches them)"
	@echo "make fuzz-smoke  every fuzz target for a short while (needs a nightly toolchain; FUZZ_SECONDS=10)"

demo: tools
	$(CARGO) build --release --locked -p tributary-cli -p tributary-sandbox
	@$(BINARIES)/tributary-demo

test: tools lint fuzz-seeds unit

lint:
	$(CARGO) fmt --all --check
	scripts/check-dependencies.sh
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# nextest leaves out the examples in documentation; cargo test has them.
unit:
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -ex; $(CARGO) test --locked --workspace --doc --quiet; $(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else \
		set -ex; $(CARGO) test --locked --workspace --no-fail-fast; \
	fi

# Servers of other versions, in folders that stay.
MATRIX_DIR ?= $(or $(CARGO_TARGET_DIR),target)/matrix-servers
matrix: tools
	scripts/matrix-servers.sh $(MATRIX_DIR)
	$(CARGO) build --release --locked -p tributary-cli -p tributary-sandbox
	MATRIX_DIR=$(abspath $(MATRIX_DIR)) $(CARGO) test --locked -p tributary --test matrix
	@scripts/matrix.sh $(abspath $(MATRIX_DIR)) $(BINARIES)

bench: tools
	$(CARGO) build --release --locked -p tributary-cli -p tributary-benches
	@$(BINARIES)/tributary-benches

# What the last bench has left in target/bench.
bench-page:
	$(CARGO) build --release --locked -p tributary-benches
	@$(BINARIES)/tributary-benches publish docs/bench

soak: tools
	$(CARGO) build --release --locked -p tributary-cli -p tributary-sandbox
	@$(BINARIES)/tributary-soak

chaos: tools
	$(CARGO) build --release --locked -p tributary-cli -p tributary-sandbox
	@$(BINARIES)/tributary-chaos

# Drivers and programs of others, in a folder that stays.
CLIENTS_DIR ?= $(or $(CARGO_TARGET_DIR),target)/clients
clients: tools
	scripts/clients.sh $(CLIENTS_DIR)
	CLIENTS_DIR=$(abspath $(CLIENTS_DIR)) $(CARGO) test --locked -p tributary-cli --test clients

# What the masters of these tests write goes through Tributary and a native replica. Takes a file of names: SUITE='--list FILE'.
SUITE ?= rpl.rpl_insert,mix rpl.rpl_ddl,mix rpl.rpl_loaddata,stmt
suite: tools
	$(CARGO) build --release --locked -p tributary-cli -p tributary-sandbox
	@$(BINARIES)/tributary-suite $(SUITE)

# The bodies of the fuzz targets over their seeds, on the stable toolchain.
fuzz-seeds:
	$(CARGO) test --locked --quiet --manifest-path fuzz/Cargo.toml --no-default-features --lib --tests

FUZZ_SECONDS ?= 10
fuzz-smoke:
	scripts/fuzz-smoke.sh $(FUZZ_SECONDS)

tools:
	@scripts/install-tools.sh
