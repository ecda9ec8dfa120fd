//! Every column type in row events: in every engine, with every row image and row metadata, with keys and without; and the
//! kinds of tables whose rows are more than their columns. The source is the yardstick, byte by byte.

use std::fmt::Write as _;

use crate::support::{SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair};
use anyhow::ensure;
use tributary::Replicator;
use tributary_sandbox::{Server, ServerOptions};

/// A column: its type, whether MEMORY tables may have it, and three values.
type Column = (&'static str, bool, [&'static str; 3]);

const COLUMNS: &[Column] = &[
    ("TINYINT", true, ["-128", "127", "0"]),
    ("TINYINT UNSIGNED", true, ["0", "255", "7"]),
    ("BOOL", true, ["TRUE", "FALSE", "TRUE"]),
    ("SMALLINT", true, ["-32768", "32767", "1"]),
    ("MEDIUMINT UNSIGNED", true, ["16777215", "0", "5"]),
    ("INT ZEROFILL", true, ["4294967295", "0", "5"]),
    ("BIGINT UNSIGNED", true, ["18446744073709551615", "0", "9"]),
    (
        "BIGINT",
        true,
        ["-9223372036854775808", "9223372036854775807", "-1"],
    ),
    ("FLOAT", true, ["-3.4e38", "1.17549e-38", "0.1"]),
    ("FLOAT(7,3)", true, ["-1234.567", "0", "9999.999"]),
    (
        "DOUBLE",
        true,
        ["1.7976931348623157e308", "-2.2250738585072014e-308", "0.1"],
    ),
    (
        "DECIMAL(65,30)",
        true,
        [
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0.000000000000000000000000000001",
            "12.5",
        ],
    ),
    ("DECIMAL(5,0) UNSIGNED", true, ["99999", "0", "1"]),
    ("BIT(1)", true, ["b'1'", "b'0'", "b'1'"]),
    ("BIT(9)", true, ["b'111111111'", "b'0'", "b'100000001'"]),
    ("BIT(64)", true, ["18446744073709551615", "0", "1"]),
    ("YEAR", true, ["1901", "2155", "0"]),
    ("DATE", true, ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'"]),
    ("TIME", true, ["'-838:59:59'", "'838:59:59'", "'00:00:00'"]),
    ("TIME(1)", true, ["'-00:00:00.1'", "'12:34:56.7'", "'00:00:00'"]),
    (
        "TIME(6)",
        true,
        ["'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.000001'"],
    ),
    (
        "DATETIME",
        true,
        [
            "'1000-01-01 00:00:00'",
            "'9999-12-31 23:59:59'",
            "'2024-02-29 12:34:56'",
        ],
    ),
    (
        "DATETIME(3)",
        true,
        [
            "'1000-01-01 00:00:00.001'",
            "'9999-12-31 23:59:59.999'",
            "'2024-02-29 12:34:56.789'",
        ],
    ),
    (
        "DATETIME(6)",
        true,
        [
            "'1000-01-01'",
            "'9999-12-31 23:59:59.999999'",
            "'2024-02-29 12:34:56.000001'",
        ],
    ),
    (
        "TIMESTAMP NULL DEFAULT NULL",
        true,
        [
            "'1970-01-02 00:00:00'",
            "'2038-01-18 00:00:00'",
            "'2024-02-29 12:34:56'",
        ],
    ),
    (
        "TIMESTAMP(5) NULL DEFAULT NULL",
        true,
        [
            "'1970-01-02 00:00:00.00001'",
            "'2038-01-18 00:00:00.99999'",
            "'2024-02-29 12:34:56'",
        ],
    ),
    (
        "CHAR(10) CHARACTER SET latin1",
        true,
        ["'end  '", "''", "_latin1 X'E9FC80'"],
    ),
    (
        "CHAR(255) CHARACTER SET utf8mb4",
        true,
        ["'\u{1f980}'", "REPEAT('\u{e4}', 255)", "' x '"],
    ),
    ("CHAR(0)", true, ["''", "NULL", "''"]),
    (
        "VARCHAR(20) CHARACTER SET cp1251",
        true,
        ["_cp1251 X'CFF0E8E2E5F2'", "''", "'end  '"],
    ),
    (
        "VARCHAR(30) CHARACTER SET gbk",
        true,
        ["_gbk X'C4E3BAC3'", "'x'", "_gbk X'815C'"],
    ),
    (
        "VARCHAR(30) CHARACTER SET sjis",
        true,
        ["_sjis X'955C'", "'x'", "''"],
    ),
    (
        "VARCHAR(300) CHARACTER SET ucs2",
        true,
        ["'\u{e4}\u{20ac}'", "REPEAT('y', 300)", "''"],
    ),
    (
        "VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        true,
        ["REPEAT('\u{1f980}', 400)", "''", "X'00'"],
    ),
    (
        "VARCHAR(1000) COMPRESSED",
        true,
        ["REPEAT('a', 900)", "'short'", "''"],
    ),
    ("BINARY(4)", true, ["X'00'", "X'61620000'", "X'FFFFFFFF'"]),
    ("BINARY(255)", true, ["REPEAT(X'00', 255)", "X'01'", "X'2020'"]),
    (
        "VARBINARY(400)",
        true,
        ["REPEAT(X'00FF', 200)", "X''", "X'2700275C'"],
    ),
    (
        "VARBINARY(500) COMPRESSED",
        true,
        ["REPEAT(X'00', 500)", "X''", "X'01'"],
    ),
    ("ENUM('a','b','it''s')", true, ["'a'", "'it''s'", "2"]),
    ("SET('a','b','c')", true, ["'a,c'", "''", "7"]),
    ("INET4", true, ["'255.255.255.255'", "'0.0.0.0'", "'10.0.0.1'"]),
    (
        "INET6",
        true,
        ["'::'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'"],
    ),
    (
        "UUID",
        true,
        [
            "'00000000-0000-0000-0000-000000000000'",
            "'6ccd780c-baba-1026-9564-5b8c656024db'",
            "'ffffffff-ffff-4fff-bfff-ffffffff0000'",
        ],
    ),
    ("TINYBLOB", false, ["X'00'", "REPEAT('x', 255)", "''"]),
    ("BLOB", false, ["REPEAT(X'00FF', 5000)", "X''", "X'01'"]),
    (
        "MEDIUMTEXT CHARACTER SET utf8mb4",
        false,
        ["REPEAT('\u{1f980}', 20000)", "''", "'x'"],
    ),
    (
        "LONGTEXT CHARACTER SET latin1",
        false,
        ["_latin1 X'E9'", "REPEAT('l', 70000)", "''"],
    ),
    ("TINYTEXT", false, ["'t'", "''", "REPEAT('t', 255)"]),
    ("TEXT COMPRESSED", false, ["REPEAT('c', 5000)", "'c'", "''"]),
    (
        "LONGBLOB COMPRESSED",
        false,
        ["REPEAT(X'00', 100000)", "X''", "X'FF'"],
    ),
    ("JSON", false, ["'{\"a\": [1, \"\u{e4}\"]}'", "'null'", "'[]'"]),
    (
        "POINT",
        false,
        [
            "POINT(1, -2.5)",
            "ST_GeomFromText('POINT(0 0)', 4326)",
            "POINT(0, 0)",
        ],
    ),
    (
        "GEOMETRY",
        false,
        [
            "ST_GeomFromText('LINESTRING(0 0,1 1,2 3)')",
            "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')",
            "POINT(3, 4)",
        ],
    ),
    (
        "POLYGON",
        false,
        [
            "ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0))')",
            "NULL",
            "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')",
        ],
    ),
    (
        "MULTIPOINT",
        false,
        [
            "ST_GeomFromText('MULTIPOINT(0 0,1 1)')",
            "NULL",
            "ST_GeomFromText('MULTIPOINT(5 5)')",
        ],
    ),
];

const ENGINES: [&str; 4] = ["InnoDB", "MyISAM", "Aria", "MEMORY"];

/// Names and definitions of an engine's columns, and the ones with two and eight bytes of members.
fn columns_of(engine: &str) -> Vec<(String, String, [String; 3])> {
    let has = |column: &&Column| column.1 || engine != "MEMORY";
    let mut columns: Vec<(String, String, [String; 3])> = COLUMNS
        .iter()
        .filter(has)
        .enumerate()
        .map(|(index, (kind, _, values))| {
            (format!("c{index}"), (*kind).to_owned(), values.map(str::to_owned))
        })
        .collect();
    let members = |count: usize| {
        (0..count)
            .map(|n| format!("'m{n}'"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let last = |count: usize| format!("'m{}'", count - 1);
    columns.push((
        "many".into(),
        format!("ENUM({})", members(300)),
        ["'m0'".into(), last(300), "'m255'".into()],
    ));
    columns.push((
        "most".into(),
        format!("SET({})", members(64)),
        [last(64), "''".into(), "'m0,m63'".into()],
    ));
    columns.push((
        "nine".into(),
        format!("SET({})", members(9)),
        [last(9), "''".into(), "'m0,m8'".into()],
    ));
    columns
}

/// Creates `ENGINE_keyed` and `ENGINE_plain`.
async fn create(source: &Server, engine: &str) -> anyhow::Result<()> {
    let mut list = String::new();
    for (name, kind, _) in columns_of(engine) {
        write!(list, ", {name} {kind}")?;
    }
    source
        .run(&format!(
            "USE asterisk; SET sql_mode=''; CREATE TABLE {engine}_keyed (id INT PRIMARY KEY {list}) ENGINE={engine}; \
             CREATE TABLE {engine}_plain (n INT {list}) ENGINE={engine}"
        ))
        .await
}

/// Inserts, updates and deletes rows of both tables; ids are from `first` on.
async fn change(source: &Server, engine: &str, first: usize, image: &str) -> anyhow::Result<()> {
    let columns = columns_of(engine);
    let mut text = format!("USE asterisk; SET sql_mode='', time_zone='+00:00', binlog_row_image={image};");
    let row = |turn: usize| {
        let values: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, (_, _, values))| values[(turn + index) % 3].clone())
            .collect();
        values.join(",")
    };
    for (place, turn) in [0, 1, 2, 0].into_iter().enumerate() {
        let values = row(turn);
        write!(
            text,
            "INSERT INTO {engine}_keyed VALUES ({},{values}); INSERT INTO {engine}_plain VALUES ({turn},{values});",
            first + place
        )?;
    }
    write!(
        text,
        "INSERT INTO {engine}_keyed (id) VALUES ({}); INSERT INTO {engine}_plain (n) VALUES (NULL),(NULL);",
        first + 4
    )?;
    let assigned = |turn: usize| {
        let list: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, (name, _, values))| format!("{name}={}", values[(turn + index) % 3]))
            .collect();
        list.join(",")
    };
    for (place, turn) in [(1, 0), (4, 2)] {
        write!(
            text,
            "UPDATE {engine}_keyed SET {} WHERE id={};",
            assigned(turn),
            first + place
        )?;
    }
    write!(
        text,
        "UPDATE {engine}_keyed SET id=-id, c0=NULL WHERE id={}; DELETE FROM {engine}_keyed WHERE id={};\
         UPDATE {engine}_plain SET {} WHERE n=1; DELETE FROM {engine}_plain WHERE n=0 LIMIT 1; DELETE FROM {engine}_plain WHERE n IS NULL LIMIT 1;\
         UPDATE {engine}_plain SET n=n+10 WHERE n<3",
        first + 2,
        first + 3,
        assigned(2)
    )?;
    source.run(&text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_arrives_in_every_engine() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    source.run("CREATE DATABASE asterisk").await?;
    for engine in ENGINES {
        create(&source, engine).await?;
    }
    let running = Replicator::start(options(&source, &target)).await?;
    for (round, (metadata, image)) in [
        ("NO_LOG", "FULL"),
        ("MINIMAL", "MINIMAL"),
        ("FULL", "NOBLOB"),
        ("NO_LOG", "NOBLOB"),
        ("FULL", "FULL"),
        ("MINIMAL", "FULL"),
        ("NO_LOG", "MINIMAL"),
        ("FULL", "MINIMAL"),
    ]
    .into_iter()
    .enumerate()
    {
        source
            .run(&format!("SET GLOBAL binlog_row_metadata={metadata}"))
            .await?;
        for engine in ENGINES {
            change(&source, engine, 10 * (round + 1), image).await?;
        }
    }
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    let lists = "SELECT COUNT(*) FROM tributary.source_columns WHERE columns IS NOT NULL";
    assert_eq!(target.value(lists).await?, "8");
    running.stop().await;
    Ok(())
}

/// Primary keys of every type that can be one: many small transactions on few rows, applied beside each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_every_type_keep_their_rows_in_order() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(
        ServerOptions::source(1)
            .arg("--binlog-format=ROW")
            .arg("--default-storage-engine=InnoDB"),
    )
    .await?;
    source.run("CREATE DATABASE asterisk").await?;
    // What rounds or has fewer than three values is no key.
    let is_key = |(_, kind, values): &(String, String, [String; 3])| {
        let is_left_out = [
            "COMPRESSED",
            "CHAR(0)",
            "BOOL",
            "FLOAT",
            "DOUBLE",
            "REPEAT",
            "VARCHAR(400)",
        ];
        !kind.starts_with("BINARY")
            && !is_left_out.iter().any(|part| kind.contains(part))
            && values[0] != values[2]
    };
    let columns: Vec<_> = columns_of("MEMORY").into_iter().filter(is_key).collect();
    let (mut create, mut work) = (
        String::from("USE asterisk; SET sql_mode='';"),
        String::from("USE asterisk; SET sql_mode='', time_zone='+00:00';"),
    );
    for (index, (_, kind, values)) in columns.iter().enumerate() {
        let kind = kind.replace("NULL DEFAULT NULL", "NOT NULL DEFAULT CURRENT_TIMESTAMP");
        let kind = if kind.starts_with("TIMESTAMP(") {
            kind.replace("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(5)")
        } else {
            kind
        };
        write!(
            create,
            "CREATE TABLE k{index} (k {kind}, u INT, n INT, PRIMARY KEY (k), UNIQUE KEY (u, k)) ENGINE=InnoDB;"
        )?;
        for value in values {
            write!(work, "INSERT INTO k{index} VALUES ({value}, 1, 0);")?;
        }
        for turn in 0..12 {
            let value = &values[turn % 3];
            write!(
                work,
                "UPDATE k{index} SET n=n+1 WHERE k={value}; UPDATE k{index} SET u=u+n;"
            )?;
            if turn % 4 == 0 {
                write!(
                    work,
                    "DELETE FROM k{index} WHERE k={value}; INSERT INTO k{index} VALUES ({value}, {turn}, 5);"
                )?;
            }
        }
    }
    source.run(&create).await?;
    source.run(&work).await?;
    let running = Replicator::start(options(&source, &target)).await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    running.stop().await;
    Ok(())
}

/// What `query` returns on both sides; `{}` stands for the database.
async fn same(source: &Server, target: &Server, query: &str) -> anyhow::Result<()> {
    let there = source.rows(&query.replace("{}", SOURCE_DB)).await?;
    let here = target.rows(&query.replace("{}", TARGET_DB)).await?;
    ensure!(!there.is_empty(), "{query}: nothing");
    ensure!(there == here, "{query}\nsource: {there:?}\ntarget: {here:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_invisible_versioned_and_partitioned_tables_arrive() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    source.run("CREATE DATABASE asterisk").await?;
    let running = Replicator::start(options(&source, &target)).await?;
    for (round, (metadata, image)) in [("NO_LOG", "FULL"), ("FULL", "MINIMAL"), ("MINIMAL", "NOBLOB")]
        .into_iter()
        .enumerate()
    {
        source
            .run(&format!("SET GLOBAL binlog_row_metadata={metadata}"))
            .await?;
        for engine in ["InnoDB", "MyISAM", "Aria"] {
            let name = |table: &str| format!("{table}_{engine}_{round}");
            // Aria has no unique keys beyond the length of an index.
            let blob = if engine == "Aria" { "VARCHAR(400)" } else { "BLOB" };
            source
                .run(&format!(
                    "USE asterisk; SET sql_mode='', default_storage_engine={engine}, binlog_row_image={image};\
                     CREATE TABLE {g} (a INT PRIMARY KEY, v INT AS (a + 1) VIRTUAL, p INT AS (a * 2) PERSISTENT, b BLOB, i INT INVISIBLE DEFAULT 5, \
                       l INT AS (LENGTH(b)) VIRTUAL, e INT DEFAULT (a + 7), j JSON, KEY (p){virtual_key}) ENGINE={engine};\
                     INSERT INTO {g} (a, b, j) VALUES (1,'x','{{}}'),(2,NULL,NULL),(3,REPEAT('y',300),'[1]'); INSERT INTO {g} (a,i) VALUES (9,NULL);\
                     UPDATE {g} SET a=a+10, b='changed' WHERE a<3; UPDATE {g} SET i=6 WHERE a=3; DELETE FROM {g} WHERE a=12;\
                     CREATE TABLE {c} (a INT CHECK (a < 100), b VARCHAR(10), CONSTRAINT c CHECK (b <> 'no'), d DATETIME(6) DEFAULT NOW(6) ON UPDATE NOW(6), \
                       u VARCHAR(40) DEFAULT (UUID())) ENGINE={engine};\
                     INSERT INTO {c} (a,b) VALUES (1,'x'),(1,'x'),(NULL,NULL); UPDATE {c} SET b='y' LIMIT 1; SET check_constraint_checks=0; INSERT INTO {c} (a,b) VALUES (500,'no'); SET check_constraint_checks=1;\
                     CREATE TABLE {f} (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT, g POINT NOT NULL, FULLTEXT (t), SPATIAL (g)) ENGINE={engine};\
                     INSERT INTO {f} (t,g) VALUES ('some words', POINT(1,2)),('other words', POINT(3,4)),(NULL, POINT(0,0)); UPDATE {f} SET t='new words', g=POINT(9,9) WHERE id=2; DELETE FROM {f} WHERE id=1;\
                     CREATE TABLE {h} (a INT, b {blob}, c VARCHAR({long}), UNIQUE (b), UNIQUE (c, a)) ENGINE={engine};\
                     INSERT INTO {h} VALUES (1,'x','l'),(2,NULL,REPEAT('l',{long})),(3,REPEAT('z',9000),NULL); UPDATE {h} SET b='w' WHERE a=1; UPDATE {h} SET c='k' WHERE a=2; DELETE FROM {h} WHERE a=3;\
                     CREATE TABLE {r} (a INT, b INT, PRIMARY KEY (a, b)) ENGINE={engine} PARTITION BY RANGE (b) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);\
                     INSERT INTO {r} VALUES (1,5),(2,15),(3,9); UPDATE {r} SET b=b+5; DELETE FROM {r} WHERE b=14; ALTER TABLE {r} REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (100), PARTITION p2 VALUES LESS THAN MAXVALUE); INSERT INTO {r} VALUES (7,200);\
                     CREATE TABLE {n} (a INT, b VARCHAR(20), c FLOAT) ENGINE={engine} PARTITION BY HASH (a) PARTITIONS 3;\
                     INSERT INTO {n} VALUES (1,'d',0.1),(1,'d',0.1),(1,'d',0.1),(NULL,NULL,NULL),(NULL,NULL,NULL),(2,NULL,1e30); DELETE FROM {n} LIMIT 2; UPDATE {n} SET b='u' WHERE a IS NULL LIMIT 1; DELETE FROM {n} WHERE a=1 LIMIT 1",
                    long = if engine == "Aria" { 500 } else { 3500 },
                    virtual_key = if engine == "Aria" { "" } else { ", KEY (v)" },
                    g = name("gen"), c = name("chk"), f = name("full"), h = name("hash"), r = name("part"), n = name("nokey")
                ))
                .await?;
            source
                .run(&format!(
                    "USE asterisk; SET sql_mode='', default_storage_engine={engine}, binlog_row_image={image};\
                     CREATE TABLE {v} (a INT PRIMARY KEY, b VARCHAR(20), w INT WITHOUT SYSTEM VERSIONING) ENGINE={engine} WITH SYSTEM VERSIONING;\
                     CREATE TABLE {x} (a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, b INT, PERIOD FOR SYSTEM_TIME (s, e)) ENGINE={engine} WITH SYSTEM VERSIONING;\
                     CREATE TABLE {y} (a INT PRIMARY KEY, b {blob}, UNIQUE (b)) ENGINE={engine} WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION p0 HISTORY, PARTITION p1 CURRENT);\
                     INSERT INTO {v} VALUES (1,'one',1),(2,'two',2),(3,NULL,3); UPDATE {v} SET b='uno' WHERE a=1; UPDATE {v} SET w=9; DELETE FROM {v} WHERE a=2; REPLACE INTO {v} VALUES (3,'three',3); INSERT INTO {v} VALUES (2,'again',1);\
                     INSERT INTO {x} (a,b) VALUES (1,1),(1,1),(2,NULL); UPDATE {x} SET b=b+1; DELETE FROM {x} WHERE a=1 LIMIT 1;\
                     INSERT INTO {y} VALUES (1,'x'),(2,'y'); UPDATE {y} SET b='z' WHERE a=1; DELETE FROM {y} WHERE a=2; DELETE HISTORY FROM {v} BEFORE SYSTEM_TIME NOW() - INTERVAL 1 DAY;\
                     CREATE SEQUENCE {q} ENGINE={engine}; INSERT INTO {v} VALUES (NEXTVAL({q})+100,'seq',0),(NEXTVAL({q})+100,'seq',0); ALTER SEQUENCE {q} INCREMENT 5; INSERT INTO {v} VALUES (NEXTVAL({q})+200,'seq',0);\
                     SET system_versioning_alter_history=KEEP; ALTER TABLE {v} ADD z INT DEFAULT 4 AFTER a; UPDATE {v} SET z=5 WHERE a=3; ALTER TABLE {x} DROP SYSTEM VERSIONING, DROP PERIOD FOR SYSTEM_TIME, DROP s, DROP e; INSERT INTO {x} VALUES (50,50)",
                    v = name("ver"), x = name("exp"), y = name("his"), q = name("seq")
                ))
                .await?;
            if engine == "InnoDB" {
                source
                    .run(&format!(
                        "USE asterisk; SET binlog_row_image={image}; CREATE TABLE {t} (a INT PRIMARY KEY, b INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, \
                           PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING ENGINE=InnoDB;\
                         INSERT INTO {t} (a,b) VALUES (1,1),(2,2); UPDATE {t} SET b=3 WHERE a=1; DELETE FROM {t} WHERE a=2",
                        t = name("trx")
                    ))
                    .await?;
            }
        }
    }
    caught_up(&running, "m1", &source).await?;
    for round in 0..3 {
        for engine in ["InnoDB", "MyISAM", "Aria"] {
            for (table, columns) in [
                ("ver", "a,z,b,w,row_start,row_end"),
                ("his", "a,b,row_start,row_end"),
            ] {
                same(&source, &target, &format!("SELECT {columns} FROM {{}}.{table}_{engine}_{round} FOR SYSTEM_TIME ALL ORDER BY a,row_end")).await?;
            }
        }
        same(
            &source,
            &target,
            &format!("SELECT a,b FROM {{}}.trx_InnoDB_{round} ORDER BY a"),
        )
        .await?;
        // Its periods are numbers of transactions, which each server has of its own.
        source
            .run(&format!("DROP TABLE asterisk.trx_InnoDB_{round}"))
            .await?;
    }
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM tributary.source_columns WHERE columns IS NULL")
            .await?,
        "0"
    );
    running.stop().await;
    Ok(())
}

/// As many columns as a server takes, and as long a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wide_rows_arrive() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    source.run("CREATE DATABASE asterisk").await?;
    let list = |count: usize, kind: &str| {
        (0..count)
            .map(|n| format!("c{n} {kind}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    source
        .run(&format!(
            "USE asterisk; CREATE TABLE wide_m (id INT PRIMARY KEY, {}) ENGINE=MyISAM; CREATE TABLE wide_i (id INT PRIMARY KEY, {}) ENGINE=InnoDB;\
             CREATE TABLE many_m ({}) ENGINE=MyISAM; CREATE TABLE long_m (a VARCHAR(65000) CHARACTER SET latin1) ENGINE=MyISAM; \
             CREATE TABLE long_i (a VARCHAR(32000) CHARACTER SET latin1, b VARCHAR(32000) CHARACTER SET latin1, id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
            list(1500, "TINYINT"),
            list(1000, "INT"),
            list(2500, "BIT")
        ))
        .await?;
    let running = Replicator::start(options(&source, &target)).await?;
    for image in ["FULL", "MINIMAL"] {
        let id = image.len();
        source
            .run(&format!(
                "USE asterisk; SET binlog_row_image={image}; INSERT INTO wide_m (id,c0,c1499) VALUES ({id},1,2); INSERT INTO wide_i (id,c0,c999) VALUES ({id},1,2); \
                 UPDATE wide_m SET c7=7, c1498=8 WHERE id={id}; UPDATE wide_i SET c8=NULL, c998=9; INSERT INTO many_m (c0,c2499) VALUES (b'1',b'0'); UPDATE many_m SET c2498=b'1'; \
                 INSERT INTO long_m VALUES (REPEAT('a',65000)),(''); UPDATE long_m SET a=CONCAT(LEFT(a,100),'x'); \
                 INSERT INTO long_i (a,b) VALUES (REPEAT('a',32000),REPEAT(X'E9',32000)),('',NULL); UPDATE long_i SET b=a"
            ))
            .await?;
    }
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    running.stop().await;
    Ok(())
}

/// Columns that only the target has, of every type, in front of the source's: what the engine says of their types in the table
/// map must be what the server says itself, or it refuses the rows (no type may be converted here).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_knows_the_type_of_every_column_of_the_target() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    let engines = ["InnoDB", "MyISAM", "Aria", "MEMORY"];
    source.run("CREATE DATABASE asterisk").await?;
    for engine in engines {
        source
            .run(&format!("CREATE TABLE asterisk.t_{engine} (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE={engine}; INSERT INTO asterisk.t_{engine} VALUES (0,'x')"))
            .await?;
    }
    source
        .run("CREATE TABLE asterisk.old (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE=InnoDB; CREATE TABLE asterisk.versioned LIKE asterisk.old")
        .await?;
    let options = options(&source, &target);
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    running.stop().await;
    for engine in engines {
        let mut text =
            format!("SET sql_mode=''; ALTER TABLE m1_asterisk.t_{engine} MODIFY v VARCHAR(10) FIRST");
        for (name, kind, _) in columns_of(engine) {
            write!(text, ", ADD {name} {kind} FIRST")?;
        }
        target.run(&text).await?;
    }
    target
        .run(
            "SET GLOBAL mysql56_temporal_format=OFF; ALTER TABLE m1_asterisk.old ADD a TIME(3) FIRST, ADD b DATETIME FIRST, ADD c TIMESTAMP(6) NULL FIRST, ADD d TIME FIRST;\
             SET GLOBAL mysql56_temporal_format=ON; ALTER TABLE m1_asterisk.versioned MODIFY v VARCHAR(10) FIRST, ADD b BLOB, ADD UNIQUE (b), ADD SYSTEM VERSIONING",
        )
        .await?;
    let running = Replicator::start(options).await?;
    let tables = engines
        .iter()
        .map(|engine| format!("t_{engine}"))
        .chain(["old".to_owned(), "versioned".to_owned()]);
    for table in tables.clone() {
        source
            .run(&format!(
                "USE asterisk; INSERT INTO {table} VALUES (1,'one'),(2,NULL),(3,'three'); UPDATE {table} SET v='uno' WHERE id=1; DELETE FROM {table} WHERE id=3"
            ))
            .await?;
    }
    caught_up(&running, "m1", &source).await?;
    for table in tables {
        same(
            &source,
            &target,
            &format!("SELECT id,v FROM {{}}.{table} ORDER BY id"),
        )
        .await?;
    }
    running.stop().await;
    Ok(())
}
