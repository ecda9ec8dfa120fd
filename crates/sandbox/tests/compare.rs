//! The comparison finds every kind of difference, and none where there is none.
//!
//! One pair of servers; each case makes the same tables on both, then changes one side and reads what is reported.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use tributary_sandbox::{Comparison, Server, ServerOptions, compare, compare_code, open_all_tables};

/// Every value here is one that a careless comparison takes for another.
const TABLES: &str = "
    CREATE TABLE keyed (id INT PRIMARY KEY, name VARCHAR(20), note TEXT, f FLOAT, d DOUBLE, ts TIMESTAMP(6) NULL)
        ENGINE=MyISAM DEFAULT CHARSET=latin1;
    INSERT INTO keyed VALUES (1, 'a', '', 16777216, 0.1, '2026-11-22 10:00:00.000001'),
        (2, 'B', NULL, 1e30, 1e300, NULL), (3, 'c ', 'x', -0.5, 2, '2026-11-22 10:00:00'), (9, X'E9', X'FF00', 1, 1, NULL);
    CREATE TABLE keyless (a INT, b VARCHAR(10)) ENGINE=MyISAM;
    INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (2, NULL), (2, '');
    CREATE TABLE own (id INT AUTO_INCREMENT PRIMARY KEY, v BLOB, b BIT(3), e ENUM('p','q'), j DECIMAL(20,10)) ENGINE=InnoDB;
    INSERT INTO own (v, b, e, j) VALUES (X'00', b'101', 'p', 1.5), (X'0000', b'1', 'q', 0);
    CREATE TABLE empty_one (a INT) ENGINE=MEMORY;
    CREATE VIEW seen AS SELECT id FROM keyed;
    CREATE TABLE volatile (a INT); INSERT INTO volatile VALUES (1);";

/// Makes the tables anew in one database.
async fn fresh(server: &Server, database: &str) {
    let sql = format!(
        "DROP DATABASE IF EXISTS {database};
         CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
         USE {database}; SET time_zone = '+00:00'; {TABLES}"
    );
    server.run(&sql).await.unwrap();
}

async fn fresh_target(target: &Server) {
    fresh(target, "master1_asterisk").await;
    target.run("DROP TABLE master1_asterisk.volatile").await.unwrap();
}

async fn compared(source: &Server, target: &Server) -> Comparison {
    compare(source, "asterisk", target, "master1_asterisk", &["volatile"])
        .await
        .unwrap()
}

#[tokio::test]
async fn every_kind_of_difference_is_found() {
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    let target = Server::start(ServerOptions::target()).await.unwrap();
    fresh(&source, "asterisk").await;
    fresh_target(&target).await;
    // The order of rows, the counter and the time zone of the server are no differences.
    target
        .run(
            "USE master1_asterisk; DELETE FROM keyless WHERE a = 1; INSERT INTO keyless VALUES (1, 'x'), (1, 'x');
              ALTER TABLE own AUTO_INCREMENT = 77; SET GLOBAL time_zone = '+05:00'",
        )
        .await
        .unwrap();
    let equal = compared(&source, &target).await;
    assert!(equal.is_equal(), "{equal}");
    assert_eq!(equal.tables.len(), 6);
    assert_eq!(equal.replicated_rows(), 4 + 4 + 2);

    // Statement on the target; the table it changes; what the report says of it.
    let cases = [
        (
            "UPDATE keyed SET note = NULL WHERE id = 1",
            "keyed",
            "row id=1: note is '' on the source, NULL on the target",
        ),
        (
            "UPDATE keyed SET name = 'b' WHERE id = 2",
            "keyed",
            "name is 'B' on the source, 'b' on the target",
        ),
        (
            "UPDATE keyed SET name = 'c' WHERE id = 3",
            "keyed",
            "name is 'c ' on the source, 'c' on the target",
        ),
        (
            "UPDATE keyed SET name = 'e' WHERE id = 9",
            "keyed",
            r"name is '\xe9' on the source, 'e' on the target",
        ),
        ("UPDATE keyed SET f = 16777218 WHERE id = 1", "keyed", "f is "),
        (
            "UPDATE keyed SET d = 0.1 + 1e-17 * 2 WHERE id = 1",
            "keyed",
            "d is ",
        ),
        (
            "UPDATE keyed SET ts = ts + INTERVAL 1 MICROSECOND WHERE id = 1",
            "keyed",
            "ts is ",
        ),
        (
            "DELETE FROM keyed WHERE id = 3",
            "keyed",
            "1 rows only on the source, 0 only on the target; only on the source: id=3",
        ),
        (
            "INSERT INTO keyed (id) VALUES (4)",
            "keyed",
            "only on the target: id=4",
        ),
        (
            "DELETE FROM keyless WHERE a = 1 LIMIT 1",
            "keyless",
            "1 rows only on the source",
        ),
        (
            "INSERT INTO keyless VALUES (2, '')",
            "keyless",
            "1 only on the target",
        ),
        (
            "UPDATE keyless SET b = '' WHERE b IS NULL",
            "keyless",
            "only on the source: a=2, b=NULL",
        ),
        (
            "UPDATE own SET v = X'' WHERE id = 1",
            "own",
            r"v is '\x00' on the source, '' on the target",
        ),
        ("UPDATE own SET b = b'100' WHERE id = 1", "own", "b is "),
        (
            "UPDATE own SET e = 'q' WHERE id = 1",
            "own",
            "e is 'p' on the source",
        ),
        ("UPDATE own SET j = j + 0.0000000001 WHERE id = 2", "own", "j is "),
        (
            "INSERT INTO empty_one VALUES (NULL)",
            "empty_one",
            "only on the target: a=NULL",
        ),
        ("ALTER TABLE keyless ADD INDEX (a)", "keyless", "definition: "),
        (
            "ALTER TABLE keyless MODIFY b VARCHAR(11)",
            "keyless",
            "definition: ",
        ),
        (
            "ALTER TABLE keyless ADD COLUMN c INT INVISIBLE",
            "keyless",
            "definition: ",
        ),
        ("ALTER TABLE empty_one ENGINE=MyISAM", "empty_one", "definition: "),
        (
            "CREATE OR REPLACE VIEW seen AS SELECT name AS id FROM keyed",
            "seen",
            "definition: ",
        ),
        ("DROP TABLE keyless", "keyless", "not on the target"),
        ("CREATE TABLE extra (a INT)", "extra", "not on the source"),
        (
            "CREATE TABLE volatile (a INT); INSERT INTO volatile VALUES (1)",
            "volatile",
            "ignored, but 1 rows",
        ),
    ];
    for (sql, table, difference) in cases {
        fresh_target(&target).await;
        target.run(&format!("USE master1_asterisk; {sql}")).await.unwrap();
        let found = compared(&source, &target).await;
        assert!(!found.is_equal(), "{sql}");
        for report in &found.tables {
            assert_eq!(report.equal, report.table != table, "{sql}: {report:?}");
        }
        assert!(found.to_string().contains(difference), "{sql}: {found}");
    }

    // An ignored table that is there but empty is as good as absent.
    fresh_target(&target).await;
    target
        .run("CREATE TABLE master1_asterisk.volatile (a INT)")
        .await
        .unwrap();
    assert!(compared(&source, &target).await.is_equal());
    assert!(
        !compare(&source, "nowhere", &target, "nowhere", &[])
            .await
            .unwrap()
            .is_equal()
    );
}

#[tokio::test]
async fn opening_a_memory_table_after_a_restart_is_logged() {
    let mut source = Server::start(ServerOptions::source(1)).await.unwrap();
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.m (a INT) ENGINE=MEMORY; INSERT INTO asterisk.m VALUES (1)")
        .await
        .unwrap();
    source.shutdown().await;
    source.start_again().await.unwrap();
    open_all_tables(&source, "asterisk").await.unwrap();
    let file = source.rows("SHOW MASTER STATUS").await.unwrap()[0][0]
        .clone()
        .unwrap();
    let events = source
        .rows(&format!("SHOW BINLOG EVENTS IN '{file}'"))
        .await
        .unwrap();
    let texts: Vec<String> = events.iter().filter_map(|event| event[5].clone()).collect();
    assert!(texts.iter().any(|text| text.contains("TRUNCATE")), "{texts:#?}");
}

#[tokio::test]
async fn a_large_table_is_compared_as_a_stream() {
    let server = Server::start(ServerOptions::plain(1)).await.unwrap();
    server
        .run(
            "CREATE DATABASE a; CREATE DATABASE b; USE a; CREATE TABLE a.t (id INT, c CHAR(60) DEFAULT 'x');
              INSERT INTO a.t (id) SELECT seq FROM seq_1_to_200000;
              CREATE TABLE b.t LIKE a.t; INSERT INTO b.t SELECT * FROM a.t",
        )
        .await
        .unwrap();
    let equal = compare(&server, "a", &server, "b", &[]).await.unwrap();
    assert!(equal.is_equal(), "{equal}");
    assert_eq!(equal.tables[0].target_rows, 200_000);
    server
        .run("UPDATE b.t SET c = 'y' WHERE id = 150000")
        .await
        .unwrap();
    assert!(!compare(&server, "a", &server, "b", &[]).await.unwrap().is_equal());
}

#[tokio::test]
async fn stored_code_is_compared_property_by_property() {
    let server = Server::start(ServerOptions::plain(1)).await.unwrap();
    for (database, other, quote) in [("asterisk", "crm", ""), ("m1_asterisk", "m1_crm", "`")] {
        server
            .run(&format!(
                "CREATE DATABASE {database}; CREATE DATABASE {other}; USE {database}; \
                 CREATE TABLE t (a INT); CREATE TABLE volatile (a INT); CREATE VIEW v AS SELECT a FROM t; \
                 CREATE PROCEDURE p (IN x INT) COMMENT 'asterisk.t' INSERT INTO {quote}{other}{quote}.t VALUES (x); \
                 CREATE FUNCTION f () RETURNS INT DETERMINISTIC RETURN 1; \
                 CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = {quote}{database}{quote}.f(); \
                 CREATE EVENT e ON SCHEDULE AT '2035-01-01 00:00:00' DO DELETE FROM t"
            ))
            .await
            .unwrap();
    }
    server
        .run("CREATE TRIGGER asterisk.other BEFORE INSERT ON asterisk.volatile FOR EACH ROW SET NEW.a = 1")
        .await
        .unwrap();
    let databases = [("asterisk", "m1_asterisk"), ("crm", "m1_crm")];
    let find = || compare_code(&server, &server, &databases, &["volatile"]);
    let equal = find().await.unwrap();
    assert_eq!(
        (equal.objects, equal.to_string()),
        (5, "all 5 stored objects are equal".to_owned())
    );

    for (change, difference) in [
        ("ALTER EVENT e DISABLE ON SLAVE", ""),
        (
            "ALTER EVENT e DISABLE",
            "asterisk: event e: its status is `ENABLED` on the source, `DISABLED` on the target",
        ),
        ("ALTER EVENT e ENABLE", ""),
        (
            "ALTER PROCEDURE p SQL SECURITY INVOKER",
            "asterisk: procedure p: its security is `DEFINER` on the source, `INVOKER` on the target",
        ),
        ("ALTER PROCEDURE p SQL SECURITY DEFINER", ""),
        (
            "CREATE OR REPLACE FUNCTION f () RETURNS INT DETERMINISTIC RETURN 2",
            "asterisk: function f: its body is `RETURN 1` on the source, `RETURN 2` on the target",
        ),
        (
            "SET sql_mode = ''; CREATE OR REPLACE FUNCTION f () RETURNS INT DETERMINISTIC RETURN 1",
            "asterisk: function f: its sql_mode is",
        ),
        ("DROP FUNCTION f", "asterisk: function f: not on the target"),
        (
            "CREATE FUNCTION f () RETURNS INT DETERMINISTIC RETURN 1; \
             CREATE OR REPLACE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = asterisk.g()",
            "asterisk: trigger tr: its body is `SET NEW.a = asterisk.f()` on the source, `SET NEW.a = asterisk.g()` on the target",
        ),
        (
            "DROP TRIGGER tr; CREATE TRIGGER more BEFORE DELETE ON t FOR EACH ROW SET @a = 1",
            "trigger more: not on the source",
        ),
        (
            "DROP TRIGGER more; CREATE OR REPLACE SQL SECURITY INVOKER VIEW v AS SELECT a FROM t",
            "asterisk: view v: its security",
        ),
    ] {
        server.run(&format!("USE m1_asterisk; {change}")).await.unwrap();
        let found = find().await.unwrap();
        assert_eq!(found.is_equal(), difference.is_empty(), "{change}: {found}");
        assert!(
            found.is_equal() || found.to_string().contains(difference),
            "{change}: {found}"
        );
    }
}
