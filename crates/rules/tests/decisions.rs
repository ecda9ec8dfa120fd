//! What filters say about tables, databases and whole statements. The cases are those in which the native server's answer
//! depends on the binlog format, the default database or the spelling; here it must not.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use tributary_rules::{Decision, Filter, FilterKind, RuleError};
use tributary_sql::{Dialect, keep_tables, parse};

/// A filter from words like `ignore_table=src.t1`.
fn filter(rules: &str) -> Filter {
    let mut filter = Filter::new();
    for rule in rules.split_whitespace() {
        let (key, value) = rule.split_once('=').unwrap();
        let kind = FilterKind::ALL
            .into_iter()
            .find(|kind| kind.setting() == format!("replicate_{key}"))
            .unwrap();
        filter.add(kind, value).unwrap();
    }
    filter
}

fn decide(rules: &str, default_db: &str, text: &str) -> String {
    let statement = parse(text.as_bytes(), &Dialect::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
    match filter(rules).decide(default_db.as_bytes(), &statement) {
        Decision::Apply => "apply".into(),
        Decision::Ignore { rule } => format!("ignore {rule}"),
        Decision::Subset => "subset".into(),
        Decision::Mixed { applied, ignored } => format!("mixed {applied} / {ignored}"),
    }
}

/// Rules, default database, statement, decision.
fn check(cases: &[(&str, &str, &str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(rules, db, text, expected)| {
            let found = decide(rules, db, text);
            (found != *expected)
                .then(|| format!("{rules} | {db} | {text}\n  expected {expected}\n  found    {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_database_counts_not_the_default_one() {
    check(&[
        ("do_db=src", "other", "INSERT INTO src.t1 VALUES (1)", "apply"),
        (
            "do_db=src",
            "src",
            "INSERT INTO other.t1 VALUES (1)",
            "ignore replicate_do_db (not listed)",
        ),
        ("do_db=src", "src", "INSERT INTO t1 VALUES (1)", "apply"),
        (
            "do_db=src",
            "",
            "INSERT INTO t1 VALUES (1)",
            "ignore replicate_do_db (not listed)",
        ),
        ("ignore_db=src", "", "INSERT INTO other.t1 VALUES (1)", "apply"),
        (
            "ignore_db=src",
            "other",
            "INSERT INTO src.t1 VALUES (1)",
            "ignore replicate_ignore_db=src",
        ),
        ("ignore_db=src", "src", "INSERT INTO other.t1 VALUES (1)", "apply"),
        (
            "ignore_table=src.t1",
            "other",
            "INSERT INTO src.t1 VALUES (1)",
            "ignore replicate_ignore_table=src.t1",
        ),
        (
            "ignore_table=src.t1",
            "src",
            "INSERT INTO t1 VALUES (1)",
            "ignore replicate_ignore_table=src.t1",
        ),
        (
            "ignore_table=src.t1",
            "src",
            "INSERT INTO `src` . `t1` VALUES (1)",
            "ignore replicate_ignore_table=src.t1",
        ),
        (
            "ignore_table=src.t1",
            "other",
            "INSERT INTO t1 VALUES (1)",
            "apply",
        ),
        ("ignore_table=src.t1", "src", "INSERT INTO T1 VALUES (1)", "apply"),
    ]);
}

#[test]
fn rules_are_asked_in_order() {
    check(&[
        ("do_db=a ignore_db=a", "a", "DELETE FROM t", "apply"),
        (
            "do_db=a do_table=b.t",
            "b",
            "DELETE FROM t",
            "ignore replicate_do_db (not listed)",
        ),
        ("do_table=a.t ignore_table=a.t", "a", "DELETE FROM t", "apply"),
        (
            "ignore_table=a.t wild_do_table=a.%",
            "a",
            "DELETE FROM t",
            "ignore replicate_ignore_table=a.t",
        ),
        (
            "wild_do_table=a.t% wild_ignore_table=a.%",
            "a",
            "DELETE FROM t1",
            "apply",
        ),
        (
            "wild_do_table=a.t% wild_ignore_table=a.%",
            "a",
            "DELETE FROM u1",
            "ignore replicate_wild_ignore_table=a.%",
        ),
        (
            "do_table=a.t",
            "a",
            "DELETE FROM u",
            "ignore replicate_do_table (not listed)",
        ),
        (
            "wild_do_table=a.t%",
            "a",
            "DELETE FROM u",
            "ignore replicate_wild_do_table (not listed)",
        ),
        ("ignore_table=a.t", "a", "DELETE FROM u", "apply"),
        (
            "do_table=a.t ignore_table=a.u",
            "a",
            "DELETE FROM u",
            "ignore replicate_ignore_table=a.u",
        ),
    ]);
}

#[test]
fn statements_with_several_tables() {
    let both = "UPDATE t1 LEFT JOIN t2 ON t1.a = t2.a SET t1.b = 1, t2.b = 1";
    check(&[
        (
            "ignore_table=src.t2",
            "src",
            both,
            "mixed src.t1 / src.t2 (ignored by replicate_ignore_table=src.t2)",
        ),
        (
            "ignore_table=src.t1 ignore_table=src.t2",
            "src",
            both,
            "ignore replicate_ignore_table=src.t1",
        ),
        (
            "ignore_table=src.t2",
            "src",
            "UPDATE t1 JOIN t2 ON t1.a = t2.a SET t1.b = 1",
            "apply",
        ),
        (
            "ignore_table=src.t2",
            "src",
            "DELETE t2 FROM t1 JOIN t2 ON t1.a = t2.a",
            "ignore replicate_ignore_table=src.t2",
        ),
        (
            "ignore_table=src.t2",
            "src",
            "INSERT INTO t1 SELECT * FROM t2",
            "apply",
        ),
        (
            "ignore_table=src.t1",
            "src",
            "INSERT INTO t1 SELECT * FROM t2",
            "ignore replicate_ignore_table=src.t1",
        ),
        ("ignore_table=src.t1", "src", "DROP TABLE t1, t2", "subset"),
        ("do_table=src.t1", "src", "DROP TABLE t2, t1", "subset"),
        (
            "do_table=src.t1",
            "src",
            "DROP TABLE t2, t3",
            "ignore replicate_do_table (not listed)",
        ),
        ("ignore_table=src.t1", "src", "DROP VIEW t1, t2", "subset"),
        ("ignore_table=src.t1", "src", "OPTIMIZE TABLE t1, t2", "subset"),
        (
            "ignore_table=src.t1",
            "src",
            "RENAME TABLE t1 TO src.t1, t2 TO t3",
            "subset",
        ),
        (
            "ignore_table=src.t1",
            "src",
            "RENAME TABLE t1 TO t9, t2 TO t3",
            "mixed src.t9 / src.t1 (ignored by replicate_ignore_table=src.t1)",
        ),
        (
            "ignore_table=src.t1",
            "src",
            "ALTER TABLE t1 RENAME TO other.t1",
            "mixed other.t1 / src.t1 (ignored by replicate_ignore_table=src.t1)",
        ),
        (
            "ignore_db=other",
            "src",
            "ALTER TABLE t1 EXCHANGE PARTITION p WITH TABLE other.t2",
            "mixed src.t1 / other.t2 (ignored by replicate_ignore_db=other)",
        ),
    ]);
}

#[test]
fn the_same_answer_as_for_a_row_event() {
    for rules in [
        "do_db=src",
        "ignore_db=src",
        "do_table=src.t1",
        "ignore_table=src.t1",
        "wild_ignore_table=src.t%",
    ] {
        let filter = filter(rules);
        for (db, table) in [("src", "t1"), ("src", "u1"), ("other", "t1")] {
            let accepted = filter.accepts_table(db.as_bytes(), table.as_bytes()).accepted;
            for (default_db, name) in [
                (db, table.to_owned()),
                ("x", format!("{db}.{table}")),
                ("", format!("`{db}`.{table}")),
            ] {
                let found = decide(rules, default_db, &format!("INSERT INTO {name} VALUES (1)"));
                assert_eq!(found == "apply", accepted, "{rules} {default_db} {name}: {found}");
            }
        }
    }
}

#[test]
fn databases() {
    check(&[
        ("do_table=src.t1", "", "DROP DATABASE src", "apply"),
        ("ignore_table=src.t1", "", "DROP DATABASE src", "apply"),
        (
            "wild_ignore_table=src.%",
            "",
            "DROP DATABASE src",
            "ignore replicate_wild_ignore_table=src.%",
        ),
        (
            "wild_do_table=src.%",
            "",
            "ALTER DATABASE src CHARACTER SET latin1",
            "apply",
        ),
        (
            "wild_do_table=src.%",
            "src",
            "ALTER DATABASE CHARACTER SET latin1",
            "apply",
        ),
        (
            "wild_do_table=src.%",
            "",
            "CREATE DATABASE zz",
            "ignore replicate_wild_do_table (not listed)",
        ),
        (
            "wild_do_table=src.%",
            "",
            "CREATE DATABASE src_z",
            "ignore replicate_wild_do_table (not listed)",
        ),
        (
            "wild_do_table=src.%",
            "",
            "CREATE DATABASE srcq",
            "ignore replicate_wild_do_table (not listed)",
        ),
        ("do_db=src", "other", "CREATE DATABASE src", "apply"),
        (
            "do_db=src",
            "src",
            "CREATE DATABASE other",
            "ignore replicate_do_db (not listed)",
        ),
        ("ignore_db=src", "src", "USE other", "apply"),
    ]);
}

#[test]
fn statements_without_tables() {
    check(&[
        ("do_db=src", "other", "BEGIN", "apply"),
        ("do_db=src", "other", "COMMIT", "apply"),
        ("do_db=src", "other", "SAVEPOINT a", "apply"),
        ("do_db=src", "other", "XA START 'x'", "apply"),
        ("do_db=src", "other", "/* nothing */", "apply"),
        (
            "do_db=src",
            "other",
            "CREATE PROCEDURE src.p() DELETE FROM other.t",
            "apply",
        ),
        (
            "do_db=src",
            "src",
            "CREATE PROCEDURE other.p() DELETE FROM src.t",
            "ignore replicate_do_db (not listed)",
        ),
        (
            "ignore_db=src",
            "src",
            "DROP EVENT e",
            "ignore replicate_ignore_db=src",
        ),
        (
            "ignore_db=src",
            "other",
            "DROP TRIGGER src.tr",
            "ignore replicate_ignore_db=src",
        ),
        (
            "ignore_db=src",
            "other",
            "SELECT src.f(1)",
            "ignore replicate_ignore_db=src",
        ),
        ("ignore_db=src", "src", "SELECT other.f(1)", "apply"),
        (
            "ignore_db=src",
            "src",
            "DO f(1)",
            "ignore replicate_ignore_db=src",
        ),
        (
            "ignore_table=src.t",
            "src",
            "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW DO 1",
            "ignore replicate_ignore_table=src.t",
        ),
        (
            "ignore_table=src.v",
            "src",
            "CREATE VIEW v AS SELECT * FROM t",
            "ignore replicate_ignore_table=src.v",
        ),
    ]);
}

#[test]
fn account_statements_count_as_changes_to_mysql() {
    let (create, grant) = ("CREATE USER u", "GRANT SELECT ON src.t TO u");
    for text in [create, grant] {
        check(&[
            (
                "do_table=src.t",
                "src",
                text,
                "ignore replicate_do_table (not listed)",
            ),
            (
                "wild_do_table=src.%",
                "src",
                text,
                "ignore replicate_wild_do_table (not listed)",
            ),
            ("wild_do_table=mysql.%", "src", text, "apply"),
            ("ignore_table=src.t", "src", text, "apply"),
            (
                "wild_ignore_table=mysql.%",
                "src",
                text,
                "ignore replicate_wild_ignore_table=mysql.%",
            ),
        ]);
    }
}

#[test]
fn a_subset_keeps_the_tables_that_are_replicated() {
    let text = b"DROP TABLE IF EXISTS `a`, src.`b` , /* x */ other.a /* generated by server */";
    let statement = parse(text, &Dialect::default()).unwrap();
    let filter = filter("ignore_table=src.b ignore_db=other");
    assert_eq!(filter.decide(b"src", &statement), Decision::Subset);
    let kept = keep_tables(text, &statement, &|table| {
        filter
            .accepts_table(table.db.as_deref().unwrap_or(b"src"), &table.table)
            .accepted
    });
    assert_eq!(
        kept.unwrap().unwrap().as_ref(),
        b"DROP TABLE IF EXISTS `a` /* generated by server */"
    );
}

#[test]
fn the_sources_list_of_updated_tables_settles_what_the_text_leaves_open() {
    let text = b"UPDATE t1 JOIN t2 USING (a) SET b = 1";
    let mut statement = parse(text, &Dialect::default()).unwrap();
    let filter = filter("ignore_table=src.t2");
    assert!(matches!(
        filter.decide(b"src", &statement),
        Decision::Mixed { .. }
    ));
    statement.note_updated_tables(0b01);
    assert_eq!(filter.decide(b"src", &statement), Decision::Apply);
}

#[test]
fn case_counts_unless_told_otherwise() {
    let mut filter = filter("ignore_table=Src.Tä");
    assert!(filter.accepts_table(b"src", "tÄ".as_bytes()).accepted);
    filter.set_lower_case(true);
    assert!(!filter.accepts_table(b"src", "tÄ".as_bytes()).accepted);
}

#[test]
fn rules_are_checked_and_listed() {
    let mut filter = Filter::new();
    for (kind, value) in [
        (FilterKind::IgnoreTable, "live_channels"),
        (FilterKind::IgnoreTable, ".t"),
        (FilterKind::WildDoTable, "src."),
    ] {
        let error = filter.add(kind, value).unwrap_err();
        assert!(matches!(error, RuleError::NotATable { .. }), "{error}");
        assert!(error.to_string().contains("database.table"), "{error}");
    }
    assert!(matches!(
        filter.add(FilterKind::DoDb, "  "),
        Err(RuleError::Empty { .. })
    ));
    assert!(matches!(
        filter.add(FilterKind::DoDb, &"x".repeat(65)),
        Err(RuleError::TooLong { .. })
    ));
    assert!(filter.is_empty());
    filter.add(FilterKind::IgnoreTable, " src.b ").unwrap();
    filter.add(FilterKind::DoDb, "src").unwrap();
    filter.add(FilterKind::IgnoreTable, "src.a").unwrap();
    filter.add(FilterKind::IgnoreTable, "src.b").unwrap();
    let rules: Vec<_> = filter.rules().collect();
    let expected = [
        (FilterKind::DoDb, "src"),
        (FilterKind::IgnoreTable, "src.b"),
        (FilterKind::IgnoreTable, "src.a"),
    ];
    assert_eq!(rules, expected);
}
