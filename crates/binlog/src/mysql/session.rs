//! Session settings of MySQL in MariaDB's numbers.

use crate::events::{QueryEvent, StatusVars};

/// Bits of `sql_mode` that MariaDB has other meanings for: MySQL up to 5.7 had names of other databases there, which in
/// MariaDB change the grammar; bit 4 was never used.
const SQL_MODE_OTHER: u64 = 0x0003_ff10;
/// MySQL's `TIME_TRUNCATE_FRACTIONAL`; MariaDB has `EMPTY_STRING_IS_NULL` in its place.
const TRUNCATES_FRACTIONS: u64 = 1 << 32;
/// MariaDB's `TIME_ROUND_FRACTIONAL`: it truncates unless told to round, and MySQL rounds unless told to truncate.
const ROUNDS_FRACTIONS: u64 = 1 << 34;
/// `explicit_defaults_for_timestamp` among MariaDB's option bits.
const EXPLICIT_DEFAULTS: u32 = 0x0100_0000;
/// Option bits that MySQL writes: `sql_auto_is_null`, `foreign_key_checks`, `unique_checks`.
const FLAGS2: u32 = 0x0000_4000 | 0x0400_0000 | 0x0800_0000;

pub(super) fn to_mariadb(status: &mut StatusVars) {
    if let Some(mode) = status.sql_mode {
        let rounds = if mode & TRUNCATES_FRACTIONS == 0 {
            ROUNDS_FRACTIONS
        } else {
            0
        };
        status.sql_mode = Some((mode & 0xffff_ffff & !SQL_MODE_OTHER) | rounds);
    }
    if let Some(flags) = status.flags2 {
        let explicit = status.explicit_defaults.unwrap_or(true);
        status.flags2 = Some((flags & FLAGS2) | if explicit { EXPLICIT_DEFAULTS } else { 0 });
    }
}

/// Takes `START TRANSACTION` out of a definition that the server itself has written for CREATE TABLE ... SELECT; tells whether it was
/// there. Such a definition has a line per column; the words stand behind the parenthesis that closes them.
pub(super) fn take_start_transaction(query: &mut QueryEvent) -> bool {
    const WORDS: &[u8] = b"\n) START TRANSACTION";
    let text = &query.query;
    let is_definition = text
        .get(..12)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"CREATE TABLE"));
    if !is_definition {
        return false;
    }
    let Some(at) = text.windows(WORDS.len()).rposition(|part| part == WORDS) else {
        return false;
    };
    // Under sql_mode=ANSI the definition is without its engine; the only one whose definitions are part of transactions is InnoDB.
    let options = &text[at + WORDS.len()..];
    let engine: &[u8] = if options.starts_with(b" ENGINE=") {
        b""
    } else {
        b" ENGINE=InnoDB"
    };
    // The parenthesis stays.
    let kept = [&text[..at + 2], engine, options].concat();
    query.query = kept.into();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_begins_a_transaction_is_one_without() {
        let query = |text: &'static str| QueryEvent {
            thread_id: 1,
            exec_time: 0,
            error_code: 0,
            status: StatusVars::default(),
            raw_status: bytes::Bytes::new(),
            db: bytes::Bytes::new(),
            query: bytes::Bytes::from_static(text.as_bytes()),
            was_compressed: false,
        };
        let mut taken =
            query("CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) START TRANSACTION ENGINE=InnoDB");
        assert!(take_start_transaction(&mut taken));
        assert_eq!(
            taken.query.as_ref(),
            b"CREATE TABLE `t` (\n  `a` int DEFAULT NULL\n) ENGINE=InnoDB"
        );
        assert!(!take_start_transaction(&mut taken));
        let mut ansi = query("CREATE TABLE \"t\" (\n  \"a\" int DEFAULT NULL\n) START TRANSACTION");
        assert!(take_start_transaction(&mut ansi));
        assert!(ansi.query.ends_with(b"\n) ENGINE=InnoDB"));
        assert!(!take_start_transaction(&mut query(
            "INSERT INTO t VALUES ('\n) START TRANSACTION')"
        )));
    }

    #[test]
    fn modes_and_flags_get_mariadbs_numbers() {
        let mut status = StatusVars {
            sql_mode: Some(0x45a0_0020),
            flags2: Some(0x0400_0000 | 0x0008_0000),
            explicit_defaults: Some(false),
            ..StatusVars::default()
        };
        to_mariadb(&mut status);
        assert_eq!(status.sql_mode, Some(0x45a0_0020 | ROUNDS_FRACTIONS));
        assert_eq!(status.flags2, Some(0x0400_0000));
        let mut truncating = StatusVars {
            sql_mode: Some(TRUNCATES_FRACTIONS | 0x200 | 0x10 | 0x4),
            flags2: Some(0),
            ..StatusVars::default()
        };
        to_mariadb(&mut truncating);
        assert_eq!(
            (truncating.sql_mode, truncating.flags2),
            (Some(4), Some(EXPLICIT_DEFAULTS))
        );
    }
}
