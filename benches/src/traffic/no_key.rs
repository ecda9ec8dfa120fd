//! Row events of updates and deletes in tables without any key: what a replica must find by looking at the rows.
//!
//! Both tables begin with the same number of rows. Every statement touches a twentieth of one of them, spread over the
//! whole table, until each row of the one is updated and each of the other deleted.

use super::{Size, Traffic, Writer, scaled};

/// Statements per table.
const STATEMENTS: usize = 20;

const TABLES: &[(&str, &str)] = &[("no_key_updated", COLUMNS), ("no_key_deleted", COLUMNS)];

const COLUMNS: &str = "event_time DATETIME NOT NULL, caller VARCHAR(20), number INT UNSIGNED NOT NULL, \
     part INT UNSIGNED NOT NULL, status VARCHAR(10), comments VARCHAR(100)";

/// One statement per transaction.
pub(crate) const NO_KEY: Traffic = Traffic {
    tables: TABLES,
    size,
    preload,
    session: "",
    writer: Writer::Transactions(statements),
};

fn size(scale: f64) -> Size {
    let rows = scaled(20_000.0, scale, STATEMENTS);
    Size {
        clients: 1,
        units: 2 * STATEMENTS,
        transactions: 2 * STATEMENTS as u64,
        rows: 2 * rows as u64,
    }
}

fn preload(size: &Size) -> Vec<String> {
    let rows = size.rows / 2;
    let fill = |(table, _): &(&str, &str)| {
        format!(
            "INSERT INTO {table} SELECT '2025-01-01' + INTERVAL seq SECOND, CONCAT('+3120', seq), seq, \
             seq MOD {STATEMENTS}, 'NEW', REPEAT(MD5(seq), 2) FROM seq_1_to_{rows}"
        )
    };
    TABLES.iter().map(fill).collect()
}

fn statements(unit: usize, _: &Size) -> Vec<String> {
    let part = unit / 2;
    vec![match unit % 2 {
        0 => format!("UPDATE no_key_updated SET status='DONE', comments=MD5(number) WHERE part={part}"),
        _ => format!("DELETE FROM no_key_deleted WHERE part={part}"),
    }]
}
