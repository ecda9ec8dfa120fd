//! Statements that take 10 ms each without using the CPU, over 4 MyISAM tables.
//!
//! What they measure is how many run beside each other: one after the other they need 4 s, table by table 1 s.

use super::{Size, Traffic, Writer, no_preload, scaled};

/// Tables written in turn.
const TABLES: &[(&str, &str)] = &[
    ("slow_0", COLUMNS),
    ("slow_1", COLUMNS),
    ("slow_2", COLUMNS),
    ("slow_3", COLUMNS),
];

const COLUMNS: &str = "id INT UNSIGNED NOT NULL PRIMARY KEY, note VARCHAR(40), slept INT";

/// One statement per transaction.
pub(crate) const SLOW: Traffic = Traffic {
    tables: TABLES,
    size,
    preload: no_preload,
    // In MIXED the server would log a row event, since SLEEP may return something else elsewhere, and the row is quick.
    session: "SET binlog_format=STATEMENT",
    writer: Writer::Transactions(statements),
};

fn size(scale: f64) -> Size {
    let statements = scaled(400.0, scale, TABLES.len());
    Size {
        clients: TABLES.len(),
        units: statements,
        transactions: statements as u64,
        rows: statements as u64,
    }
}

fn statements(unit: usize, _: &Size) -> Vec<String> {
    let (table, _) = TABLES[unit % TABLES.len()];
    vec![format!(
        "INSERT INTO {table} VALUES ({unit}, 'statement {unit}', SLEEP(0.01))"
    )]
}
