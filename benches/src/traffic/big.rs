//! One transaction of a million rows.

use super::{Size, Traffic, Writer, no_preload, scaled};

/// Statements of the transaction.
const STATEMENTS: usize = 10;

const TABLES: &[(&str, &str)] = &[(
    "big",
    "id INT UNSIGNED NOT NULL PRIMARY KEY, list_id BIGINT UNSIGNED NOT NULL, phone_number VARCHAR(18), \
     status VARCHAR(6), comments VARCHAR(255), modified DATETIME, KEY list_id (list_id)",
)];

/// One client, one transaction.
pub(crate) const BIG: Traffic = Traffic {
    tables: TABLES,
    size,
    preload: no_preload,
    session: "",
    writer: Writer::Transactions(statements),
};

fn size(scale: f64) -> Size {
    // Whole statements, all of one size.
    let rows = scaled(1_000_000.0 / STATEMENTS as f64, scale, 1) * STATEMENTS;
    Size {
        clients: 1,
        units: 1,
        transactions: 1,
        rows: rows as u64,
    }
}

fn statements(_: usize, size: &Size) -> Vec<String> {
    let share = size.rows / STATEMENTS as u64;
    let insert = |number: u64| {
        let (first, last) = (number * share + 1, (number + 1) * share);
        format!(
            "INSERT INTO big SELECT seq, 1000 + seq MOD 97, CONCAT('3120', seq), 'NEW', MD5(seq), \
             '2025-01-01' + INTERVAL seq SECOND FROM seq_{first}_to_{last}"
        )
    };
    let mut statements = vec!["BEGIN".to_owned()];
    statements.extend((0..STATEMENTS as u64).map(insert));
    statements.push("COMMIT".to_owned());
    statements
}
