//! Changed rows of tables without an index, which are found together: what comes out is what row events one by one give.

use std::collections::BTreeSet;

use crate::support::{SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair, status, stopped};
use tributary::{Options, Replicator, SkipErrors};
use tributary_sandbox::{Server, ServerOptions, compare};

const ENGINES: [&str; 3] = ["InnoDB", "MyISAM", "Aria"];

/// Columns and some of their values: equal under a collation and yet different, NULL, zero, first and last.
const COLUMNS: [(&str, &[&str]); 25] = [
    ("n INT", &["1", "2", "3", "4", "5", "6", "7", "8", "NULL"]),
    ("tiny TINYINT NOT NULL", &["-128", "0", "127"]),
    ("small SMALLINT(5) UNSIGNED ZEROFILL", &["0", "65535"]),
    ("medium MEDIUMINT", &["-8388608", "8388607"]),
    ("big BIGINT UNSIGNED", &["0", "18446744073709551615", "NULL"]),
    ("price DECIMAL(20,10)", &["0", "-1.5", "9999999999.0000000001"]),
    ("f FLOAT", &["0", "0.1", "-3.402823466E+38", "1e-40"]),
    ("d DOUBLE", &["0", "0.1", "-1.7976931348623157e308"]),
    ("born DATE", &["'0000-00-00'", "'2024-02-29'", "'2024-00-00'"]),
    (
        "took TIME(3)",
        &["'-838:59:59.000'", "'00:00:00.001'", "'-00:00:00.500'"],
    ),
    (
        "at DATETIME(6)",
        &["'0000-00-00'", "'9999-12-31 23:59:59.999999'", "NULL"],
    ),
    (
        "seen TIMESTAMP(2) NULL",
        // Two moments that have the same name where summer time ends.
        &[
            "FROM_UNIXTIME(1729987200.25)",
            "FROM_UNIXTIME(1729990800.25)",
            "0",
            "NULL",
        ],
    ),
    (
        "made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP",
        &["FROM_UNIXTIME(1)", "FROM_UNIXTIME(2147483647)"],
    ),
    ("y YEAR", &["0000", "1901", "2155"]),
    (
        "code CHAR(5) CHARACTER SET latin1",
        &["''", "'a'", "'A'", "0xE4", "0xC4"],
    ),
    (
        "name VARCHAR(20) CHARACTER SET utf8mb4",
        &["'a'", "'A'", "'a '", "'ä'", "'😀'", "''", "NULL"],
    ),
    ("wide VARCHAR(10) CHARACTER SET ucs2", &["'a'", "'ä '", "''"]),
    ("bytes BINARY(4)", &["0x00", "0x6100", "0x61"]),
    ("more VARBINARY(8)", &["0x61", "0x6100", "''"]),
    (
        "note TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        &["'x'", "'X'", "REPEAT('y', 300)", "NULL"],
    ),
    ("data MEDIUMBLOB", &["0x00FF27", "''", "REPEAT(0xFE, 70000)"]),
    ("kind ENUM('a', 'b', 'ä')", &["'a'", "'ä'", "NULL"]),
    ("flags SET('x', 'y', 'z')", &["''", "'x,z'", "'y'"]),
    ("bits BIT(10)", &["0", "1023", "b'0110'"]),
    ("unit DOUBLE UNSIGNED", &["1", "2.5"]),
];

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn value(&mut self, column: usize) -> &'static str {
        let values = COLUMNS[column].1;
        values[self.below(values.len())]
    }

    /// Most columns have one value in most rows, so that equal rows are frequent.
    fn row(&mut self) -> String {
        let values: Vec<&str> = (0..COLUMNS.len())
            .map(|column| match column == 0 || self.below(12) == 0 {
                true => self.value(column),
                false => COLUMNS[column].1[0],
            })
            .collect();
        format!("({})", values.join(","))
    }

    fn change(&mut self, table: &str) -> String {
        match self.below(10) {
            0..=2 => {
                let rows: Vec<String> = (0..1 + self.below(6)).map(|_| self.row()).collect();
                format!("INSERT INTO {table} VALUES {};", rows.join(","))
            }
            3..=7 => {
                let column = self.below(COLUMNS.len());
                let name = COLUMNS[column].0.split(' ').next().unwrap_or_default();
                let value = self.value(column);
                let (n, limit) = (self.below(9), 1 + self.below(9));
                format!("UPDATE {table} SET {name} = {value} WHERE n = {n} LIMIT {limit};")
            }
            _ => {
                let (n, limit) = (self.below(9), 1 + self.below(4));
                format!("DELETE FROM {table} WHERE n <=> NULLIF({n}, 0) LIMIT {limit};")
            }
        }
    }

    /// Transactions of one change and of several, on all tables.
    fn mixture(&mut self, count: usize) -> String {
        let mut sql = format!("USE {SOURCE_DB}; SET sql_mode='', time_zone='+02:00';");
        for _ in 0..count {
            let is_long = self.below(4) == 0;
            sql.push_str(if is_long { "BEGIN;" } else { "" });
            for _ in 0..if is_long { 6 } else { 1 } {
                let table = format!("t_{}", ENGINES[self.below(ENGINES.len())]);
                sql.push_str(&self.change(&table));
            }
            sql.push_str(if is_long { "COMMIT;" } else { "" });
        }
        sql
    }
}

fn tables() -> String {
    let columns: Vec<&str> = COLUMNS.iter().map(|(definition, _)| *definition).collect();
    let tables =
        ENGINES.map(|engine| format!("CREATE TABLE t_{engine} ({}) ENGINE={engine};", columns.join(",")));
    format!(
        "SET sql_mode=''; CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; {}",
        tables.concat()
    )
}

fn row_source() -> ServerOptions {
    ServerOptions::source(1).arg("--binlog-format=ROW")
}

/// Statements that only sets send.
async fn joins(target: &Server) -> anyhow::Result<u64> {
    let rows = target
        .rows(
            "SELECT SUM(VARIABLE_VALUE) FROM information_schema.global_status \
               WHERE VARIABLE_NAME IN ('Com_update_multi', 'Com_delete_multi')",
        )
        .await?;
    Ok(rows[0][0].as_deref().unwrap_or_default().parse()?)
}

async fn apply(options: &Options, source: &Server) -> anyhow::Result<u64> {
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", source).await?;
    let skipped = status(&running, "m1").skipped;
    assert!(running.stop().await.is_clean);
    Ok(skipped)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_found_together_are_those_found_one_by_one() -> anyhow::Result<()> {
    log();
    let (source, together) = pair(row_source().arg("--default-time-zone=+00:00")).await?;
    let alone = Server::start(ServerOptions::target()).await?;
    let skip = SkipErrors::List(BTreeSet::from([1032]));
    let both = [(&together, true), (&alone, false)].map(|(target, sets)| {
        let mut options = options(&source, target);
        options.connections[0].skip_errors = skip.clone();
        options.apply.set_rows = usize::from(sets);
        (target, options)
    });
    source.run(&tables()).await?;
    for (_, options) in &both {
        apply(options, &source).await?;
    }
    let mut random = Random(11);
    for round in 0..3 {
        source.run(&random.mixture(250)).await?;
        for (target, options) in &both {
            let before = joins(target).await?;
            assert_eq!(apply(options, &source).await?, 0, "round {round}");
            assert_eq!(
                joins(target).await? > before,
                options.apply.set_rows > 0,
                "round {round}"
            );
            assert_equal(&source, target, TARGET_DB, &[]).await?;
        }
    }
    // The targets lose some rows and have others more often.
    for engine in ENGINES {
        let lose = format!(
            "DELETE FROM {TARGET_DB}.t_{engine} WHERE n IN (3, 4) AND tiny = 0; \
             CREATE TEMPORARY TABLE again SELECT * FROM {TARGET_DB}.t_{engine} WHERE n IN (6, 7); \
             INSERT INTO {TARGET_DB}.t_{engine} SELECT * FROM again; DROP TEMPORARY TABLE again"
        );
        let lose = format!("USE {TARGET_DB}; SET sql_mode='', SESSION time_zone='+00:00'; {lose}");
        together.run(&lose).await?;
        alone.run(&lose).await?;
    }
    source.run(&random.mixture(400)).await?;
    let mut skipped = Vec::new();
    for (target, options) in &both {
        let count = apply(options, &source).await?;
        assert!(count > 0, "rows are missing");
        let ledger = "SELECT COUNT(*), MD5(GROUP_CONCAT(CONCAT_WS(' ', error_number, table_name, gtid, statement) ORDER BY gtid, id)) \
             FROM tributary.skipped";
        let ledger = format!("SET SESSION group_concat_max_len=100000000; {ledger}");
        skipped.push((count, target.rows(&ledger).await?));
    }
    assert_eq!(skipped[0], skipped[1]);
    let comparison = compare(&together, TARGET_DB, &alone, TARGET_DB, &[]).await?;
    assert!(comparison.is_equal(), "{comparison}");
    Ok(())
}

/// Where the statements cannot be used, or a value cannot be written in one, the row events go as they came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_statements_cannot_find_goes_as_row_events() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    let mut sql = format!("CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB};");
    for engine in ENGINES {
        sql.push_str(&format!(
            "CREATE TABLE wide_{engine} (n INT, text VARCHAR(10000) CHARACTER SET utf8mb4) ENGINE={engine};\
             CREATE TABLE zero_{engine} (n INT, d DOUBLE) ENGINE={engine};\
             CREATE TABLE made_{engine} (n INT, twice INT AS (n * 2)) ENGINE={engine};\
             CREATE TABLE checked_{engine} (n INT, CHECK (n >= 0)) ENGINE={engine};\
             CREATE TABLE updated_{engine} (n INT, at TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE={engine};\
             CREATE TABLE shown_{engine} (n INT, address INET6) ENGINE={engine};\
             CREATE TABLE packed_{engine} (n INT, text VARCHAR(100) COMPRESSED) ENGINE={engine};\
             INSERT INTO wide_{engine} SELECT seq, REPEAT('x', 100) FROM seq_1_to_60;\
             INSERT INTO zero_{engine} SELECT seq, -0e0 FROM seq_1_to_60; UPDATE zero_{engine} SET d = -d WHERE d = 0 AND n < 30;\
             INSERT INTO made_{engine} (n) SELECT seq FROM seq_1_to_60; INSERT INTO checked_{engine} SELECT seq FROM seq_1_to_60;\
             INSERT INTO updated_{engine} (n) SELECT seq FROM seq_1_to_60;\
             INSERT INTO shown_{engine} SELECT seq, '::1' FROM seq_1_to_60; INSERT INTO packed_{engine} SELECT seq, 'y' FROM seq_1_to_60;"
        ));
        for table in ["wide", "zero", "made", "checked", "updated", "shown", "packed"] {
            sql.push_str(&format!(
                "UPDATE {table}_{engine} SET n = n + 1; DELETE FROM {table}_{engine} WHERE n < 20; UPDATE {table}_{engine} SET n = n + 1;"
            ));
        }
    }
    source.run(&sql).await?;
    apply(&options(&source, &target), &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    Ok(())
}

/// A run with a row that is missing stops at it, with all before it done, and goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_row_stops_at_its_change() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    let options = options(&source, &target);
    for engine in ENGINES {
        source
            .run(&format!(
                "CREATE DATABASE IF NOT EXISTS {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE t_{engine} (n INT, done INT) ENGINE={engine};\
                 INSERT INTO t_{engine} SELECT seq, 0 FROM seq_1_to_100"
            ))
            .await?;
        apply(&options, &source).await?;
        let lost = format!("{TARGET_DB}.t_{engine}");
        target.run(&format!("DELETE FROM {lost} WHERE n = 70")).await?;
        let updates = (1..=100).map(|n| format!("UPDATE t_{engine} SET done = 1 WHERE n = {n};"));
        source
            .run(&format!("USE {SOURCE_DB}; {}", updates.collect::<String>()))
            .await?;
        let running = Replicator::start(options.clone()).await?;
        let error = stopped(&running, "m1").await?;
        assert_eq!(error.number, 1032, "{engine}: {}", error.message);
        running.stop().await;
        let done = format!("SELECT CONCAT(COUNT(*), ' to ', MAX(n)) FROM {lost} WHERE done = 1");
        assert_eq!(target.value(&done).await?, "69 to 69", "{engine}");
        target.run(&format!("INSERT INTO {lost} VALUES (70, 0)")).await?;
        apply(&options, &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// Rows that a statement has inserted are changed behind it, also where both came in one batch with earlier changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_not_looked_for_before_they_are_inserted() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    let mut options = options(&source, &target);
    options.apply.set_rows = 1;
    let mut sql = format!("CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB};");
    for engine in ENGINES {
        sql.push_str(&format!(
            "CREATE TABLE t_{engine} (n INT, done INT) ENGINE={engine}; INSERT INTO t_{engine} VALUES (0, 0), (1, 0);"
        ));
    }
    source.run(&sql).await?;
    apply(&options, &source).await?;
    let mut sql = format!("USE {SOURCE_DB};");
    for engine in ENGINES {
        sql.push_str(&format!(
            "UPDATE t_{engine} SET done = 1 WHERE n = 0; SET binlog_format=STATEMENT;"
        ));
        for n in 10..20 {
            sql.push_str(&format!("INSERT INTO t_{engine} (n, done) VALUES ({n}, 0);"));
        }
        sql.push_str(&format!(
            "SET binlog_format=ROW; DELETE FROM t_{engine} WHERE n = 15; UPDATE t_{engine} SET done = 2 WHERE n = 16;"
        ));
    }
    source.run(&sql).await?;
    apply(&options, &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// A run that fails in front of rows that are found together leaves nothing behind when it is applied again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_front_of_a_set_is_not_committed() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    let mut options = options(&source, &target);
    options.apply.set_rows = 1;
    options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1032]));
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE counted (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; \
             CREATE TABLE lost LIKE counted; CREATE TABLE bare (n INT) ENGINE=InnoDB; INSERT INTO counted VALUES (1, 0); \
             INSERT INTO lost VALUES (1, 1); INSERT INTO bare SELECT seq FROM seq_1_to_100"
        ))
        .await?;
    apply(&options, &source).await?;
    target.run(&format!("DELETE FROM {TARGET_DB}.lost")).await?;
    let mut sql = format!("USE {SOURCE_DB};");
    for n in 1..=60 {
        sql.push_str(&format!(
            "SET binlog_format=STATEMENT; UPDATE counted SET n = n + 1 WHERE id = 1; SET binlog_format=ROW; DELETE FROM bare WHERE n = {n};"
        ));
        if n == 30 {
            sql.push_str("DELETE FROM lost;");
        }
    }
    source.run(&sql).await?;
    assert_eq!(apply(&options, &source).await?, 1);
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
