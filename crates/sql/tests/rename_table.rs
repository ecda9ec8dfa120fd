//! Every statement in `testdata/sql` gets its database names renamed at exactly the marked places, or is refused with the
//! token named; its tables, databases and calls are those the table says.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod table;

use table::{Case, TARGET};
use tributary_sql::{Access, Statement, parse, rename};

fn map(db: &[u8]) -> Option<Vec<u8>> {
    (db == b"asterisk").then(|| TARGET.as_bytes().to_vec())
}

fn show(text: &[u8]) -> String {
    text.escape_ascii().to_string()
}

fn full(db: Option<&[u8]>, name: &[u8]) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    db.map_or_else(|| text(name), |db| format!("{}.{}", text(db), text(name)))
}

fn tables(statement: &Statement<'_>) -> String {
    let name = |access| match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Define => "define",
    };
    let tables = statement.tables.iter();
    let shown = tables.map(|t| format!("{}:{}", full(t.db.as_deref(), &t.table), name(t.access)));
    shown.collect::<Vec<_>>().join(" ")
}

/// What the table says about the statement's parts, against what was found.
fn check_parts(case: &Case, statement: &Statement<'_>, wrong: &mut Vec<String>) {
    let databases: Vec<String> = statement.databases.iter().map(|db| db.name.to_string()).collect();
    let calls: Vec<String> = statement
        .calls
        .iter()
        .map(|c| full(c.db.as_deref(), &c.name))
        .collect();
    let object = statement.object_database().map(ToString::to_string);
    let found = [
        ("tables", &case.tables, tables(statement)),
        (
            "databases",
            &case.databases,
            if databases.is_empty() {
                "-".into()
            } else {
                databases.join(" ")
            },
        ),
        ("calls", &case.calls, calls.join(" ")),
        ("object", &case.object, object.unwrap_or_default()),
        ("kind", &case.kind, format!("{:?}", statement.kind)),
    ];
    for (what, expected, found) in found {
        if expected.as_ref().is_some_and(|expected| *expected != found) {
            wrong.push(format!("{}: {what}: {found}", case.title));
        }
    }
}

#[test]
fn statements_are_renamed_at_the_marked_places() {
    let cases = table::renamed();
    assert!(cases.len() >= 150, "{} statements", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let statement = match parse(&case.text, &case.dialect()) {
            Ok(statement) => statement,
            Err(error) => {
                wrong.push(format!("{}: {error}", case.title));
                continue;
            }
        };
        check_parts(case, &statement, &mut wrong);
        match rename(&case.text, &statement, &map) {
            Ok(renamed) if renamed.as_ref() == case.renamed => {}
            Ok(renamed) => wrong.push(format!(
                "{}:\n  {}\n  {}",
                case.title,
                show(&case.renamed),
                show(&renamed)
            )),
            Err(error) => wrong.push(format!("{}: {error}", case.title)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_renamed_statement_names_the_same_places() {
    for case in table::renamed() {
        let before = parse(&case.text, &case.dialect()).unwrap();
        let after = parse(&case.renamed, &case.dialect()).unwrap();
        assert_eq!(before.kind, after.kind, "{}", case.title);
        assert_eq!(
            tables(&before).replace("asterisk.", "m1_asterisk."),
            tables(&after),
            "{}",
            case.title
        );
        let nothing = rename(&case.renamed, &after, &map).unwrap_or_else(|e| panic!("{}: {e}", case.title));
        assert_eq!(nothing.as_ref(), case.renamed, "{}: renamed twice", case.title);
    }
}

#[test]
fn statements_are_refused_with_the_token_in_doubt() {
    for case in table::read("refused.txt") {
        let token = case
            .refused
            .as_ref()
            .unwrap_or_else(|| panic!("{}: no @refused", case.title));
        let statement = parse(&case.text, &case.dialect()).unwrap_or_else(|e| panic!("{}: {e}", case.title));
        let error = match rename(&case.text, &statement, &map) {
            Err(error) => error,
            Ok(renamed) => panic!("{}: renamed to {}", case.title, show(&renamed)),
        };
        assert!(
            error.to_string().contains(token.as_str()),
            "{}: {error}",
            case.title
        );
        assert!(
            case.text[error.offset..].len() < case.text.len() || error.offset == 0,
            "{}",
            case.title
        );
    }
}

#[test]
fn without_a_rule_nothing_is_refused_or_changed() {
    let nothing = |_: &[u8]| None;
    for case in table::renamed() {
        let statement = parse(&case.text, &case.dialect()).unwrap();
        let same = rename(&case.text, &statement, &nothing).unwrap_or_else(|e| panic!("{}: {e}", case.title));
        assert_eq!(same.as_ref(), case.text, "{}", case.title);
    }
}
