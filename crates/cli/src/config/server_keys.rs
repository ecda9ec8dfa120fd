//! Replication keys of the server's groups that the engine does not take: which of them deserve a word.

/// Why a key of the server is passed over, and with which values that changes nothing.
struct Passed {
    name: &'static str,
    /// Values with which the server does what the engine does anyway, compared without case.
    same: &'static [&'static str],
    reason: &'static str,
}

const fn passed(name: &'static str, same: &'static [&'static str], reason: &'static str) -> Passed {
    Passed { name, same, reason }
}

const OFF: &[&str] = &["0", "OFF", "FALSE", "NO"];
const ON: &[&str] = &["1", "ON", "TRUE", "YES"];

const PASSED: &[Passed] = &[
    passed(
        "slave_ddl_exec_mode",
        &["IDEMPOTENT"],
        "replayed DDL is always forgiven as in mode IDEMPOTENT",
    ),
    passed(
        "slave_run_triggers_for_rbr",
        &["NO"],
        "triggers do not run for row events",
    ),
    passed(
        "slave_type_conversions",
        &[""],
        "the target's own setting decides which conversions row events may need",
    ),
    passed(
        "slave_max_statement_time",
        &["0", "0.000000"],
        "statements of a source run without a time limit",
    ),
    passed(
        "slave_transaction_retry_errors",
        &[],
        "the engine has its own list of errors after which a group is tried again",
    ),
    passed(
        "slave_transaction_retry_interval",
        &["0"],
        "a group is tried again at once",
    ),
    passed("slave_sql_verify_checksum", ON, "checksums are always verified"),
    passed(
        "slave_domain_parallel_threads",
        &["0"],
        "domains share all workers",
    ),
    passed(
        "slave_parallel_max_queued",
        &["131072"],
        "relay_bytes_max bounds what is held in memory",
    ),
    passed(
        "replicate_events_marked_for_skip",
        &["REPLICATE"],
        "events marked for skip are replicated",
    ),
    passed(
        "replicate_same_server_id",
        OFF,
        "events with the engine's own server id are passed over",
    ),
    passed(
        "gtid_ignore_duplicates",
        OFF,
        "every connection applies every group it receives",
    ),
    passed(
        "gtid_strict_mode",
        OFF,
        "sequence numbers are not required to grow without gaps",
    ),
    passed("init_slave", &[""], "no statement runs at the start of a worker"),
    passed(
        "read_binlog_speed_limit",
        &["0"],
        "the stream is read as fast as it can be applied",
    ),
    passed(
        "rpl_semi_sync_slave_enabled",
        OFF,
        "the engine sends no semi-synchronous acknowledgement",
    ),
    passed(
        "log_slave_updates",
        OFF,
        "the target's own binary log settings decide",
    ),
];

/// Prefixes of keys that are about replication; one of these that nobody knows is likely misspelt.
const REPLICATION_PREFIXES: [&str; 5] = [
    "replicate_",
    "slave_",
    "replica_",
    "rpl_semi_sync_slave_",
    "master_",
];

/// Server keys under those prefixes that need no word: they are about files the engine does not have, or about the
/// server as a source.
const SILENT: [&str; 7] = [
    "master_info_file",
    "master_verify_checksum",
    "replicate_annotate_row_events",
    "rpl_semi_sync_slave_delay_master",
    "rpl_semi_sync_slave_kill_conn_timeout",
    "rpl_semi_sync_slave_trace_level",
    "slave_connections_needed_for_purge",
];

/// Whether the server has an option `name` that is known here, so that a name such as `skip_x` is not taken apart.
pub(crate) fn is_known(name: &str) -> bool {
    PASSED.iter().any(|passed| passed.name == name) || SILENT.contains(&name)
}

/// Whether there is nothing to say of the key `name`, whatever its value.
pub(crate) fn is_silent(name: &str) -> bool {
    SILENT.contains(&name)
}

/// What to say of the key `name` with this value in a group of the server; `None` for nothing.
pub(crate) fn remark(name: &str, value: Option<&str>) -> Option<String> {
    if let Some(passed) = PASSED.iter().find(|passed| passed.name == name) {
        // A bare key is a switch turned on.
        let value = value.unwrap_or("1");
        let is_same = passed.same.iter().any(|same| same.eq_ignore_ascii_case(value));
        return (!is_same).then(|| format!("{name} is not supported and passed over: {}", passed.reason));
    }
    if SILENT.contains(&name) || !REPLICATION_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    Some(match super::keys::suggest(name) {
        Some(key) => format!("{name} is no known replication key and passed over; did you mean {key}?"),
        None => format!("{name} is no known replication key and passed over"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_change_nothing_need_no_word() {
        assert_eq!(remark("gtid_strict_mode", Some("off")), None);
        assert_eq!(remark("slave_run_triggers_for_rbr", Some("no")), None);
        assert_eq!(remark("innodb_buffer_pool_size", Some("1G")), None);
    }

    #[test]
    fn values_that_would_change_something_are_named() {
        assert_eq!(
            remark("rpl_semi_sync_slave_enabled", None).as_deref(),
            Some(
                "rpl_semi_sync_slave_enabled is not supported and passed over: the engine sends no semi-synchronous acknowledgement"
            )
        );
        assert!(remark("slave_run_triggers_for_rbr", Some("YES")).is_some());
        assert_eq!(
            remark("replicate_ignore_tabel", Some("a.b")).as_deref(),
            Some(
                "replicate_ignore_tabel is no known replication key and passed over; did you mean replicate_ignore_table?"
            )
        );
        assert_eq!(
            remark("slave_xyzzy", None).as_deref(),
            Some("slave_xyzzy is no known replication key and passed over")
        );
    }
}
