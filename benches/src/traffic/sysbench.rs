//! Transactions like those of sysbench's write-only test: two updates, a delete, and the insert of the deleted row.

use super::random::Random;
use super::{Size, Traffic, Writer, scaled};

/// Tables, each with the same number of rows.
const TABLES: &[(&str, &str)] = &[
    ("sbtest1", COLUMNS),
    ("sbtest2", COLUMNS),
    ("sbtest3", COLUMNS),
    ("sbtest4", COLUMNS),
];

const COLUMNS: &str = "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, \
     c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k)";

/// Rows of one table.
const TABLE_ROWS: u64 = 10_000;

const CLIENTS: usize = 16;

/// 16 clients with transactions of four statements.
pub(crate) const SYSBENCH: Traffic = Traffic {
    tables: TABLES,
    size,
    preload,
    session: "",
    writer: Writer::Transactions(statements),
};

fn size(scale: f64) -> Size {
    let transactions = scaled(50_000.0, scale, 1);
    Size {
        clients: CLIENTS,
        units: transactions,
        transactions: transactions as u64,
        rows: 4 * transactions as u64,
    }
}

fn preload(_: &Size) -> Vec<String> {
    let fill = |(table, _): &(&str, &str)| {
        format!(
            "INSERT INTO {table} SELECT seq, CRC32(seq) MOD {TABLE_ROWS}, REPEAT(MD5(seq), 3), MD5(seq + 1) \
             FROM seq_1_to_{TABLE_ROWS}"
        )
    };
    TABLES.iter().map(fill).collect()
}

fn statements(unit: usize, _: &Size) -> Vec<String> {
    let mut random = Random::new(unit as u64);
    let (table, _) = TABLES[random.below(TABLES.len() as u64) as usize];
    let mut id = || 1 + random.below(TABLE_ROWS);
    let (indexed, plain, replaced, k) = (id(), id(), id(), id());
    let text = |part: u64| {
        format!(
            "{:011}-{:011}-{:011}-{:011}",
            part * 7919,
            unit * 31,
            part * 104_729,
            unit
        )
    };
    vec![
        "BEGIN".to_owned(),
        format!("UPDATE {table} SET k=k+1 WHERE id={indexed}"),
        format!("UPDATE {table} SET c='{}' WHERE id={plain}", text(plain)),
        format!("DELETE FROM {table} WHERE id={replaced}"),
        format!(
            "INSERT INTO {table} (id, k, c, pad) VALUES ({replaced}, {k}, '{}', '{}')",
            text(k),
            text(id())
        ),
        "COMMIT".to_owned(),
    ]
}
