//! How changes are applied: the keys that are not about one connection.

use std::str::FromStr;

use tributary::{ApplyOptions, ParallelMode};

use super::keys;
use super::reader::Reader;

/// Reads the options; `None` when one is wrong.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ApplyOptions> {
    let workers: Option<usize> = reader.number_as(keys::SLAVE_PARALLEL_THREADS);
    let mode = reader.value(keys::SLAVE_PARALLEL_MODE, |text| {
        ParallelMode::from_str(text).ok()
    });
    let transaction_retries = reader.number_as(keys::SLAVE_TRANSACTION_RETRIES);
    let batch_groups_max = reader.number_as(keys::BATCH_GROUPS_MAX);
    let batch_bytes_max = reader.number_as(keys::BATCH_BYTES_MAX);
    let stop_timeout = reader.seconds(keys::STOP_TIMEOUT);
    let merge_rows = reader.switch(keys::TRIBUTARY_MERGE_ROWS);
    let net_changes = reader.switch(keys::TRIBUTARY_NET_CHANGES);
    let set_rows = reader.number_as(keys::TRIBUTARY_SET_ROWS);
    let load_tmpdir = reader.path(keys::SLAVE_LOAD_TMPDIR);
    Some(ApplyOptions {
        // 0 turns parallel apply off on the server, which leaves one thread that applies.
        workers: workers?.max(1),
        mode: mode?,
        batch_groups_max: batch_groups_max?,
        batch_bytes_max: batch_bytes_max?,
        transaction_retries: transaction_retries?,
        merge_rows,
        net_changes,
        set_rows: set_rows?,
        stop_timeout: stop_timeout?,
        load_tmpdir: load_tmpdir.unwrap_or_else(std::env::temp_dir),
    })
}
