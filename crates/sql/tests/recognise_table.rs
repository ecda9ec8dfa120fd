//! Every statement in `testdata/sql/recognise.txt` is recognised as the table says, or not at all.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use tributary_sql::{Dialect, LiteralValue, Name, RowStatement, Value, parse, recognise, recognise_literals};

fn value(value: &Value<'_>) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::String(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        Value::Null => "null".into(),
        Value::Default => "default".into(),
        Value::Other => "?".into(),
    }
}

fn names(names: &[Name<'_>]) -> String {
    format!(
        "({})",
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    )
}

fn equal(equal: &[(Name<'_>, Value<'_>)]) -> String {
    if equal.is_empty() {
        return String::new();
    }
    let parts: Vec<_> = equal
        .iter()
        .map(|(name, found)| format!("{name}={}", value(found)))
        .collect();
    format!(" where {}", parts.join(" "))
}

fn shown(found: Option<RowStatement<'_>>) -> String {
    let Some(found) = found else { return "-".into() };
    let limit = |limited: bool| if limited { " limited" } else { "" };
    match found {
        RowStatement::Insert {
            columns,
            rows,
            replace,
            ignore,
            on_duplicate,
        } => {
            let verb = if replace { "replace" } else { "insert" };
            let ignore = if ignore { " ignore" } else { "" };
            let columns = columns.map_or("*".into(), |columns| names(&columns));
            let rows: Vec<_> = rows
                .iter()
                .map(|row| format!(" ({})", row.iter().map(value).collect::<Vec<_>>().join(",")))
                .collect();
            let update = on_duplicate.map_or(String::new(), |cols| format!(" on duplicate {}", names(&cols)));
            format!("{verb}{ignore} {columns}{}{update}", rows.concat())
        }
        RowStatement::Update {
            assigned,
            equal: conditions,
            limited,
        } => {
            format!(
                "update {}{}{}",
                names(&assigned),
                equal(&conditions),
                limit(limited)
            )
        }
        RowStatement::Delete {
            equal: conditions,
            limited,
        } => {
            format!("delete{}{}", equal(&conditions), limit(limited))
        }
    }
}

#[test]
fn row_statements_are_recognised() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/sql/recognise.txt");
    let table = std::fs::read_to_string(path).unwrap();
    let dialect = Dialect {
        source_version: 101_119,
        ..Dialect::default()
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for block in table
        .split("\n\n")
        .skip(1)
        .filter(|block| !block.trim().is_empty())
    {
        let (text, expected) = block
            .trim()
            .split_once("\n=> ")
            .unwrap_or_else(|| panic!("no => in {block}"));
        let statement = parse(text.as_bytes(), &dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = shown(recognise(text.as_bytes(), &statement, &dialect));
        count += 1;
        if found != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(count > 50, "{count} statements");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The text with its literals taken out, and how they were read.
fn shape(text: &str) -> (String, Vec<String>, bool) {
    let dialect = Dialect::default();
    let statement = parse(text.as_bytes(), &dialect).unwrap();
    let (_, literals) = recognise_literals(text.as_bytes(), &statement, &dialect).unwrap();
    let mut shape = text.to_owned();
    for literal in literals.list.iter().rev() {
        shape.replace_range(literal.start..literal.end, "?");
    }
    let values = literals.list.iter().map(|literal| match &literal.value {
        LiteralValue::Int(number) => number.to_string(),
        LiteralValue::Decimal(text) => format!("decimal {}", String::from_utf8_lossy(text)),
        LiteralValue::Text(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::Default => "default".to_owned(),
    });
    (shape, values.collect(), literals.has_expressions)
}

#[test]
fn literals_that_are_whole_values_are_taken_out() {
    for (text, expected, values, has_expressions) in [
        (
            "INSERT INTO t (a,b,c,d) VALUES (- 5, 'it''s', NULL, 1.50)",
            "INSERT INTO t (a,b,c,d) VALUES (?, ?, ?, ?)",
            "-5|'it's'|null|decimal 1.50",
            false,
        ),
        (
            "INSERT INTO t SET a=7, b=NOW(), c=\"x\\n\", d=TRUE",
            "INSERT INTO t SET a=?, b=NOW(), c=?, d=TRUE",
            "7|'x\n'",
            true,
        ),
        (
            "INSERT INTO t (a,b,c) VALUES (0x41, _latin1'x', 'a' 'b'), (1e3, N'n', 1+2)",
            "INSERT INTO t (a,b,c) VALUES (0x41, _latin1'x', 'a' 'b'), (1e3, N'n', 1+2)",
            "",
            true,
        ),
        (
            "INSERT INTO t (a,b) VALUES (99999999999999999999, 1) ON DUPLICATE KEY UPDATE b=2, a=b+3",
            "INSERT INTO t (a,b) VALUES (99999999999999999999, ?) ON DUPLICATE KEY UPDATE b=?, a=b+3",
            "1|2",
            true,
        ),
        (
            "UPDATE t SET a='x', n=n+1, b=5 WHERE id=7 AND (c='y' AND 3=d)",
            "UPDATE t SET a=?, n=n+1, b=? WHERE id=? AND (c=? AND ?=d)",
            "'x'|5|7|'y'|3",
            true,
        ),
        (
            "UPDATE t SET a=1 WHERE id=7 OR id=8",
            "UPDATE t SET a=? WHERE id=7 OR id=8",
            "1",
            true,
        ),
        (
            "UPDATE t SET a=1 WHERE (id=7 AND n>2) AND k=3 LIMIT 4",
            "UPDATE t SET a=? WHERE (id=7 AND n>2) AND k=? LIMIT 4",
            "1|3",
            true,
        ),
        ("DELETE FROM t WHERE id=7", "DELETE FROM t WHERE id=?", "7", false),
        (
            "DELETE FROM t WHERE id=7-1",
            "DELETE FROM t WHERE id=7-1",
            "",
            true,
        ),
    ] {
        let found = shape(text);
        assert_eq!(
            (found.0.as_str(), found.1.join("|").as_str(), found.2),
            (expected, values, has_expressions),
            "{text}"
        );
    }
}
