//! What one connection does with errors, accounts, housekeeping and storage engines.

use tributary::{ExecMode, IgnoredReads, Policies};
use tributary_rules::{EngineRules, TableSkips};

use super::keys;
use super::reader::Reader;
use super::rules::{read_key, read_lines};

/// Reads the policies of `connection`; `None` when one is wrong.
pub(crate) fn read(reader: &mut Reader<'_>, connection: &str) -> Option<Policies> {
    let mut table_skips = TableSkips::new();
    read_lines(reader, connection, keys::TRIBUTARY_SKIP_ERRORS, |rule| {
        table_skips.allow(rule)
    });
    read_key(reader, connection, keys::TRIBUTARY_NEVER_SKIP, |table| {
        table_skips.forbid(table)
    });
    let mut engines = EngineRules::new();
    read_key(reader, connection, keys::TRIBUTARY_REWRITE_ENGINE, |rule| {
        engines.map(rule)
    });
    read_key(reader, connection, keys::TRIBUTARY_KEEP_ENGINE, |table| {
        engines.keep(table)
    });
    let exec_mode = reader.value(keys::SLAVE_EXEC_MODE, |text| {
        match text.to_ascii_uppercase().as_str() {
            "STRICT" => Some(ExecMode::Strict),
            "IDEMPOTENT" => Some(ExecMode::Idempotent),
            _ => None,
        }
    });
    let ignored_reads = reader.value(keys::TRIBUTARY_IGNORED_READS, |text| {
        match text.to_ascii_lowercase().as_str() {
            "warn" => Some(IgnoredReads::Warn),
            "stop" => Some(IgnoredReads::Stop),
            _ => None,
        }
    });
    let applies_accounts = reader.switch(keys::TRIBUTARY_APPLY_ACCOUNTS);
    let applies_housekeeping = reader.switch(keys::TRIBUTARY_APPLY_HOUSEKEEPING);
    let sends_text = !reader.switch(keys::TRIBUTARY_BULK);
    Some(Policies {
        table_skips,
        exec_mode: exec_mode?,
        ignored_reads: ignored_reads?,
        applies_accounts,
        applies_housekeeping,
        sends_text,
        engines,
    })
}
