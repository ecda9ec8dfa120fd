//! Every transaction updates one of 10 rows: nothing can be done beside anything else.

use super::random::Random;
use super::{Size, Traffic, Writer, scaled};

/// Rows that exist.
const ROWS: u64 = 10;

const TABLES: &[(&str, &str)] = &[(
    "hot",
    "id INT UNSIGNED NOT NULL PRIMARY KEY, n BIGINT UNSIGNED NOT NULL, note VARCHAR(40) NOT NULL",
)];

/// One statement per transaction, from 8 clients.
pub(crate) const HOT_ROW: Traffic = Traffic {
    tables: TABLES,
    size,
    preload,
    session: "",
    writer: Writer::Transactions(statements),
};

fn size(scale: f64) -> Size {
    let transactions = scaled(200_000.0, scale, 1);
    Size {
        clients: 8,
        units: transactions,
        transactions: transactions as u64,
        rows: transactions as u64,
    }
}

fn preload(_: &Size) -> Vec<String> {
    vec![format!("INSERT INTO hot SELECT seq, 0, '' FROM seq_1_to_{ROWS}")]
}

fn statements(unit: usize, _: &Size) -> Vec<String> {
    let id = 1 + Random::new(unit as u64).below(ROWS);
    // The note is what the last of a row's updates leaves: it tells their order.
    vec![format!("UPDATE hot SET n=n+1, note='by {unit}' WHERE id={id}")]
}
