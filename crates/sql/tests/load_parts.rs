//! LOAD DATA as the binlog has it: where its table stands and which columns get values.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use tributary_sql::{Dialect, load_parts};

#[test]
fn the_table_and_the_columns_that_get_values() {
    for (text, expected) in [
        (
            "LOAD DATA LOCAL INFILE '/tmp/SQL_LOAD_MB-1-0' INTO TABLE `m` FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' \
             LINES TERMINATED BY '\\n' (`id`, `v`)",
            Some("`m` id v"),
        ),
        (
            "LOAD DATA CONCURRENT INFILE 'f' REPLACE INTO TABLE `d` . `m` CHARACTER SET utf8mb4 IGNORE 3 LINES (`id`, @`a`, @b) \
             SET `v`=concat(@a,if(1,2,3)), `ID`= (SELECT 1, 2), `w` = 'x, y'",
            Some("`d` . `m` id v w"),
        ),
        ("LOAD DATA INFILE 'f' INTO TABLE m (@x) SET a=@x", Some("m a")),
        ("LOAD DATA INFILE 'f' INTO TABLE m", None),
        ("LOAD DATA INFILE 'f' INTO TABLE m SET a=(1)", None),
        ("LOAD DATA INFILE 'f' INTO TABLE m PARTITION (p) (a)", None),
        ("LOAD DATA INFILE 'f' INTO TABLE m (a", None),
        ("LOAD DATA INFILE 'f' INTO TABLE m () SET a=1", None),
        ("LOAD DATA INFILE 'f' INTO TABLE m (a) SET", None),
        ("LOAD XML INFILE 'f' INTO TABLE m (a)", None),
        ("INSERT INTO m (a) VALUES (1)", None),
    ] {
        let parts = load_parts(text.as_bytes(), &Dialect::default());
        let found = parts.map(|parts| {
            let columns = String::from_utf8(parts.columns.join(&b' ')).unwrap();
            format!("{} {columns}", &text[parts.table])
        });
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}
