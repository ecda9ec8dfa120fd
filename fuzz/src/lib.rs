//! The bodies of the fuzz targets: each takes any bytes and returns, and checks what must hold whatever they are.
//!
//! `fuzz_targets/` hands them to libFuzzer; `tests/smoke.rs` runs them on a stable toolchain over [`seeds`] and their
//! mutations.

pub mod binlog;
pub mod mysql;
pub mod optfile;
pub mod seeds;
pub mod sql;
pub mod wire;

/// A target: its name, its body and where its corpus begins.
pub struct Target {
    /// The name under `fuzz_targets/` and `corpus/`.
    pub name: &'static str,
    /// Takes any bytes and returns.
    pub run: fn(&[u8]),
    /// Inputs of the right shape.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target {
        name: "binlog_event",
        run: binlog::event,
        seeds: seeds::events,
    },
    Target {
        name: "binlog_file",
        run: binlog::file,
        seeds: seeds::captures,
    },
    Target {
        name: "binlog_group",
        run: binlog::group,
        seeds: seeds::groups,
    },
    Target {
        name: "binlog_mysql",
        run: mysql::stream,
        seeds: seeds::mysql_groups,
    },
    Target {
        name: "binlog_mysql_json",
        run: mysql::json,
        seeds: seeds::mysql_documents,
    },
    Target {
        name: "binlog_optional_metadata",
        run: binlog::optional_metadata,
        seeds: seeds::table_maps,
    },
    Target {
        name: "binlog_rows",
        run: binlog::rows,
        seeds: seeds::maps_and_rows,
    },
    Target {
        name: "binlog_status_vars",
        run: binlog::status_vars,
        seeds: seeds::status_vars,
    },
    Target {
        name: "gtid_text",
        run: binlog::gtid_text,
        seeds: seeds::gtid_texts,
    },
    Target {
        name: "optfile_load",
        run: optfile::load,
        seeds: seeds::option_files,
    },
    Target {
        name: "sql_parse",
        run: sql::parse,
        seeds: seeds::statements,
    },
    Target {
        name: "sql_scan",
        run: sql::scan,
        seeds: seeds::statements,
    },
    Target {
        name: "wire_compressed_frames",
        run: wire::compressed_frames,
        seeds: seeds::compressed_frames,
    },
    Target {
        name: "wire_handshake",
        run: wire::handshake,
        seeds: seeds::handshakes,
    },
    Target {
        name: "wire_packets",
        run: wire::packets,
        seeds: seeds::packets,
    },
    Target {
        name: "wire_replies",
        run: wire::replies,
        seeds: seeds::replies,
    },
];
