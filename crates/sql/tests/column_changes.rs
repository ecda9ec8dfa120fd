//! What ALTER TABLE does to the list of columns: the parts that name columns, among those that do not.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use tributary_sql::{
    Dialect, apply_column_changes, column_changes, created_columns, parse, renames_table, with_columns,
};

fn after(columns: &str, text: &str) -> Option<String> {
    let columns: Vec<Vec<u8>> = columns.split(' ').map(|name| name.as_bytes().to_vec()).collect();
    let changes = column_changes(text.as_bytes(), &Dialect::from_event(0, 8, 101_100))?;
    let list = apply_column_changes(&columns, &changes)?;
    let names: Vec<String> = list
        .into_iter()
        .map(|name| String::from_utf8(name).unwrap())
        .collect();
    Some(names.join(" "))
}

#[test]
fn columns_come_go_move_and_are_renamed() {
    for (text, expected) in [
        ("ALTER TABLE t ADD d INT", "a b c d"),
        (
            "ALTER TABLE db.t ADD COLUMN d INT NOT NULL DEFAULT 3 COMMENT 'x, FIRST' FIRST",
            "d a b c",
        ),
        (
            "alter ignore table t add d decimal(10,2) after `a`, add e int",
            "a d b c e",
        ),
        ("ALTER TABLE t ADD d INT AFTER a, ADD e INT AFTER d", "a d e b c"),
        (
            "ALTER TABLE t ADD (d INT, e ENUM('x,y',')'), INDEX (d))",
            "a b c d e",
        ),
        (
            "ALTER ONLINE TABLE IF EXISTS t WAIT 5 ADD IF NOT EXISTS b INT, ADD COLUMN IF NOT EXISTS d INT",
            "a b c d",
        ),
        ("ALTER TABLE t DROP b, DROP COLUMN c", "a"),
        ("ALTER TABLE t DROP COLUMN IF EXISTS zz, DROP INDEX b", "a b c"),
        ("ALTER TABLE t CHANGE b x INT", "a x c"),
        ("ALTER TABLE t CHANGE COLUMN B b BIGINT FIRST", "b a c"),
        ("ALTER TABLE t MODIFY a INT AFTER c", "b c a"),
        (
            "ALTER TABLE t MODIFY c INT FIRST, CHANGE b x INT AFTER c",
            "c x a",
        ),
        ("ALTER TABLE t CHANGE a b INT, CHANGE b a INT", "b a c"),
        ("ALTER TABLE t RENAME COLUMN a TO q, RENAME INDEX b TO k", "q b c"),
        ("ALTER TABLE t DROP a, ADD a INT", "b c a"),
        (
            "ALTER TABLE t ADD `index` INT, ADD UNIQUE KEY k (a, b), ADD CONSTRAINT c CHECK (a > 1)",
            "a b c index",
        ),
        ("ALTER TABLE t /*!40101 ADD d INT */", "a b c d"),
        (
            "ALTER TABLE t ENGINE=InnoDB, COMMENT='ADD z INT', RENAME TO u",
            "a b c",
        ),
        (
            "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (7)), ALGORITHM=INPLACE",
            "a b c",
        ),
        (
            "ALTER TABLE t ADD PERIOD FOR p (a, b), ADD period INT",
            "a b c period",
        ),
        ("ALTER TABLE t ORDER BY a, b", "a b c"),
        (
            "ALTER TABLE t ALTER b SET DEFAULT 5, ADD FOREIGN KEY (a) REFERENCES u (x) ON DELETE CASCADE",
            "a b c",
        ),
        (
            "ALTER TABLE t ADD d INT GENERATED ALWAYS AS (IF(a, b, c)) VIRTUAL AFTER b",
            "a b d c",
        ),
    ] {
        assert_eq!(after("a b c", text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_told_or_done_is_not_guessed() {
    for text in [
        "ALTER TABLE t ADD SYSTEM VERSIONING",
        "ALTER TABLE t DROP SYSTEM VERSIONING",
        "ALTER TABLE t ADD caf\u{e9} INT",
        "ALTER TABLE t ADD d INT AFTER zz",
        "ALTER TABLE t ADD b INT",
        "ALTER TABLE t CHANGE a b INT",
        "ALTER VIEW t AS SELECT 1",
        "CREATE TABLE t (a INT)",
        "ALTER TABLE t ADD (d INT",
    ] {
        assert_eq!(after("a b c", text), None, "{text}");
    }
}

#[test]
fn a_new_table_names_its_columns() {
    let dialect = Dialect::from_event(0, 8, 101_100);
    for (text, expected) in [
        ("CREATE TABLE t (a INT)", Some("a")),
        (
            "create or replace temporary table if not exists d.`t` (a int not null default (1+2), B decimal(10,2) comment 'x, y', \
             `key` enum('(',')','a,b'), index (a), unique key k (b), constraint c check (a > 1), check (b in (1,2)), primary key (a)) \
             engine=MyISAM partition by hash (a) partitions 3",
            Some("a B key"),
        ),
        (
            "CREATE TABLE t (x INT, c INT GENERATED ALWAYS AS (IF(x, 1, 2)) STORED, period INT, PERIOD FOR p (a, b), \
             r INT REFERENCES u (x) ON DELETE SET NULL, FULLTEXT (c), s TIMESTAMP(6) GENERATED ALWAYS AS ROW START) WITH SYSTEM VERSIONING",
            Some("x c period r s"),
        ),
        ("CREATE TABLE t /*!40101 (a INT, b INT) */", Some("a b")),
        ("CREATE TABLE t (a INT) SELECT 1 b", Some("a")),
        ("CREATE TABLE t (caf\u{e9} INT)", Some("caf\u{e9}")),
        ("CREATE TABLE t (LIKE u)", None),
        ("CREATE TABLE t LIKE u", None),
        ("CREATE TABLE t SELECT 1 a", None),
        ("CREATE TABLE t (SELECT 1 a)", None),
        ("CREATE TABLE t (a INT", None),
        ("CREATE TABLE t (a INT, 'b)", None),
        ("CREATE VIEW t (a) AS SELECT 1", None),
        ("ALTER TABLE t ADD (a INT)", None),
    ] {
        let found = created_columns(text.as_bytes(), &dialect);
        let found = found.map(|names| String::from_utf8(names.join(&b' ')).unwrap());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_table_is_renamed_by_the_word_at_the_start_of_a_part() {
    let renames = |text: &str| renames_table(text.as_bytes(), &Dialect::default());
    assert!(renames("ALTER TABLE t RENAME u"));
    assert!(renames(
        "ALTER TABLE t NOWAIT ADD a INT COMMENT 'x', RENAME TO db.u"
    ));
    assert!(!renames("ALTER TABLE t RENAME COLUMN a TO b, RENAME KEY a TO b"));
    assert!(!renames("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE rename"));
}

#[test]
fn statements_that_go_by_place_get_a_list() {
    let dialect = Dialect::from_event(0, 8, 101_100);
    for (text, with) in [
        (
            "INSERT INTO t VALUES (1)",
            Some("INSERT INTO t (`a`,`b``c`) VALUES (1)"),
        ),
        (
            "REPLACE t /* x */ VALUE (1)",
            Some("REPLACE t (`a`,`b``c`) /* x */ VALUE (1)"),
        ),
        (
            "INSERT IGNORE INTO `d`.t PARTITION (p) SELECT * FROM u",
            Some("INSERT IGNORE INTO `d`.t PARTITION (p) (`a`,`b``c`) SELECT * FROM u"),
        ),
        ("INSERT t (SELECT 1)", Some("INSERT t (`a`,`b``c`) (SELECT 1)")),
        ("INSERT INTO t (a) VALUES (1)", None),
        ("INSERT INTO t () VALUES ()", None),
        ("INSERT INTO t SET a=1", None),
        ("UPDATE t SET a=1", None),
    ] {
        let found = with_columns(text.as_bytes(), &dialect, &[b"a", b"b`c"]);
        assert_eq!(
            found.map(|text| String::from_utf8(text).unwrap()).as_deref(),
            with,
            "{text}"
        );
        let statement = parse(text.as_bytes(), &dialect).unwrap();
        assert_eq!(statement.is_positional, with.is_some(), "{text}");
    }
    for (text, is_positional) in [
        ("LOAD DATA INFILE 'f' INTO TABLE t", true),
        (
            "LOAD DATA INFILE 'f' INTO TABLE t FIELDS TERMINATED BY ')' IGNORE 1 LINES SET a=(1)",
            true,
        ),
        ("LOAD DATA INFILE 'f' INTO TABLE t (a, @b) SET c=@b", false),
        (
            "LOAD DATA INFILE 'f' INTO TABLE t LINES STARTING BY 'x' (a, b)",
            false,
        ),
    ] {
        assert_eq!(
            parse(text.as_bytes(), &dialect).unwrap().is_positional,
            is_positional,
            "{text}"
        );
    }
}
