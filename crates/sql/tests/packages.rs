//! What stands before the dot of a call in Oracle mode: a database, or a package.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use tributary_sql::{Dialect, logged_call, parse, rename};

fn oracle() -> Dialect {
    Dialect {
        ansi_quotes: true,
        oracle: true,
        ..Dialect::default()
    }
}

fn renamed(text: &str, is_package: Option<bool>) -> Option<String> {
    let mut statement = parse(text.as_bytes(), &oracle()).unwrap();
    statement.settle_packages(&|name| is_package.filter(|_| name == b"asterisk"));
    let map = |name: &[u8]| (name == b"asterisk").then(|| b"m1".to_vec());
    let renamed = rename(text.as_bytes(), &statement, &map).ok()?;
    Some(String::from_utf8(renamed.into_owned()).unwrap())
}

#[test]
fn a_call_that_the_server_wrote_out_names_its_database() {
    for (text, expected) in [
        ("SELECT \"asterisk\".\"f\"(13)", Some("SELECT \"m1\".\"f\"(13)")),
        (
            "SELECT \"asterisk\".\"f\"(_latin1'asterisk.f(' COLLATE 'latin1_swedish_ci',NULL)",
            Some("SELECT \"m1\".\"f\"(_latin1'asterisk.f(' COLLATE 'latin1_swedish_ci',NULL)"),
        ),
        ("SELECT asterisk.f(13)", None),
        ("SELECT \"asterisk\" . \"f\"(13)", None),
        ("SELECT \"other\".\"f\"(asterisk.f(1))", None),
    ] {
        assert_eq!(renamed(text, None).as_deref(), expected, "{text}");
    }
}

#[test]
fn other_calls_go_by_what_is_known_of_packages() {
    for text in [
        "INSERT INTO t SELECT asterisk.f(1) FROM x asterisk",
        "UPDATE t SET a=1 WHERE asterisk.f(a)",
        "CREATE FUNCTION g RETURN INT AS BEGIN RETURN asterisk.f(1); END",
    ] {
        let other = text.replace("asterisk.f", "`m1`.f");
        assert_eq!(renamed(text, None), None, "{text}");
        assert_eq!(renamed(text, Some(false)), Some(other), "{text}");
        assert_eq!(renamed(text, Some(true)).as_deref(), Some(text), "{text}");
    }
    let text = "CREATE OR REPLACE PACKAGE BODY d.\"P\" AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END";
    assert_eq!(
        parse(text.as_bytes(), &oracle())
            .unwrap()
            .package
            .unwrap()
            .as_bytes(),
        b"P"
    );
}

#[test]
fn a_call_of_a_packages_function_is_written_so_that_it_can_be_run() {
    let fixed = |text: &str| {
        let call = logged_call(text.as_bytes(), &oracle())?;
        let fixed = call.of_package(text.as_bytes())?;
        Some((
            String::from_utf8(call.package()?.to_vec()).unwrap(),
            String::from_utf8(fixed).unwrap(),
        ))
    };
    assert_eq!(
        fixed("SELECT `d`.`p``q.f`(1,'x.y')"),
        Some(("p`q".to_owned(), "SELECT `d`.`p``q`.`f`(1,'x.y')".to_owned()))
    );
    for text in [
        "SELECT `d`.`f`(1)",
        "SELECT `d`.`a.b.c`(1)",
        "SELECT `d`.`.f`(1)",
        "SELECT `d`.`p.f`",
        "SELECT `d.f`(1)",
        "SELECT d.`p.f`(1)",
        "SELECT `d`.`p.f(1)",
        "SELECT",
        "SELECT ",
    ] {
        assert_eq!(fixed(text), None, "{text}");
    }
}
