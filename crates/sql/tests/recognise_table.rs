//! Every statement in `testdata/sql/recognise.txt` is recognised as the table says, or not at all.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use tributary_sql::{Dialect, Name, RowStatement, Value, parse, recognise};

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
