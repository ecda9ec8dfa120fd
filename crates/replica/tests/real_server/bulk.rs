//! Statements of one shape, executed together: what comes out is what the source has, also where one of them fails.

use std::collections::BTreeSet;

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, root, status, stopped, until};
use tributary::{Options, Replicator, SkipErrors};
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

/// How often each shape comes.
const TIMES: u32 = 40;

const TABLES: &str = "CREATE DATABASE asterisk; USE asterisk; \
    CREATE TABLE calls (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, caller VARCHAR(30) CHARACTER SET utf8mb4, n INT, \
        price DECIMAL(10,3), at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), \
        state ENUM('new','done') DEFAULT 'new', note TEXT) ENGINE={engine}; \
    CREATE TABLE plain (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1, b BIGINT, c DOUBLE, d DATE) ENGINE={engine}; \
    CREATE TABLE log (what VARCHAR(20), n INT) ENGINE={engine}; \
    CREATE TABLE pair (a INT, b VARCHAR(10), n INT, PRIMARY KEY (a, b)) ENGINE={engine}";

/// Starts with tables on both sides, and stops the engine again.
async fn start(engine: &str, skip: SkipErrors) -> anyhow::Result<(Server, Server, Options)> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(&TABLES.replace("{engine}", engine)).await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = skip;
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    assert!(running.stop().await.is_clean);
    Ok((source, target, options))
}

/// How many statements the engine keeps prepared on the target.
async fn prepared(target: &Server) -> anyhow::Result<u32> {
    let rows = target
        .rows("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")
        .await?;
    Ok(rows[0][1].as_deref().unwrap_or_default().parse()?)
}

/// Statements of many shapes, mixed, that build on each other.
fn mixture() -> String {
    let mut sql = String::from("USE asterisk; SET NAMES utf8mb4;");
    for i in 1..=TIMES {
        sql.push_str(&format!(
            "INSERT INTO calls (caller, n, price) VALUES ('it''s \\\\ \u{e9}\u{1f600} {i}', -{i}, {i}.125);\
             SET timestamp = 1700000000 + {i} DIV 10; INSERT INTO calls (id, caller) VALUES (NULL, 'now');\
             UPDATE calls SET state = 'done', note = NULL WHERE id = {i};\
             UPDATE calls SET n = n + 1, price = -{i}.5 WHERE id = {i} AND state = 'done';\
             SET timestamp = DEFAULT;\
             INSERT INTO plain SET id = {i}, a = \"b'{i}\", b = {i}00000000000, c = 0.5, d = '2024-02-29';\
             INSERT INTO plain (id, a) VALUES ({i}, 'again') ON DUPLICATE KEY UPDATE b = {i}, a = CONCAT(a, '!');\
             REPLACE INTO pair (a, b, n) VALUES ({}, 'k', {i});\
             INSERT INTO log (what, n) VALUES ('k{i}', {i}), ('second', 0);\
             INSERT INTO log (what, n) VALUES ('one', {i});\
             UPDATE pair SET n = 7 WHERE a = {} AND b = 'k';\
             DELETE FROM plain WHERE id = {};\
             DELETE FROM pair WHERE b = 'k' AND a = {} LIMIT 1;",
            i % 7,
            i % 5,
            i / 3,
            i % 6,
        ));
        if i % 10 == 0 {
            sql.push_str("UPDATE log SET n = n + 1; SET NAMES latin1;");
        }
    }
    sql
}

async fn mixed_shapes(engine: &str) -> anyhow::Result<()> {
    let (source, target, options) = start(engine, SkipErrors::None).await?;
    source.run(&mixture()).await?;
    // What comes while the tables are locked makes long runs.
    let mut reader = Client::connect(&root(&target)).await?;
    let locks = ["calls", "plain", "log", "pair"].map(|table| format!("{TARGET_DB}.{table} READ"));
    reader
        .execute(format!("LOCK TABLES {}", locks.join(",")).as_bytes())
        .await?;
    let running = Replicator::start(options).await?;
    let end = source.value("SELECT @@gtid_binlog_pos").await?;
    let sequence: u64 = end.rsplit('-').next().unwrap_or_default().parse()?;
    until("all has been received", || {
        Ok(status(&running, "m1").queue_groups as u64 + 100 >= sequence)
    })
    .await?;
    reader.execute(b"UNLOCK TABLES").await?;
    caught_up(&running, "m1", &source).await?;
    assert!(prepared(&target).await? > 0, "executed in bulk");
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(status(&running, "m1").retried, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_shapes_over_innodb_tables() -> anyhow::Result<()> {
    mixed_shapes("InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_shapes_over_myisam_tables() -> anyhow::Result<()> {
    mixed_shapes("MyISAM").await
}

/// Rows that are there already, at the beginning, in the middle and at the end: each costs its own statement and no other, also
/// where an earlier row of the same bulk execute cannot be taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_does_not_take_the_others_along() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let skip = SkipErrors::List(BTreeSet::from([1062]));
        let (source, target, options) = start(engine, skip).await?;
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            sql.push_str(&format!(
                "INSERT INTO plain (id, a) VALUES ({id}, 'source'); INSERT INTO log VALUES ('l', {id}); \
                 INSERT INTO log (n) VALUES ({id}); UPDATE plain SET b = {id} WHERE id = {id};"
            ));
        }
        source.run(&sql).await?;
        target
            .run(&format!(
                "INSERT INTO {TARGET_DB}.plain (id, a) VALUES (1,'target'),(17,'target'),(18,'target'),({TIMES},'target')"
            ))
            .await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_eq!(status(&running, "m1").skipped, 4, "{engine}");
        let skipped = "SELECT GROUP_CONCAT(statement ORDER BY id SEPARATOR '|') FROM tributary.skipped";
        let statements = target.value(skipped).await?;
        for id in [1, 17, 18, TIMES] {
            assert!(
                statements.contains(&format!("VALUES ({id}, 'source')")),
                "{statements}"
            );
        }
        target
            .run(&format!("UPDATE {TARGET_DB}.plain SET a = 'source'"))
            .await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// More shapes in one run than a login keeps prepared: the rest goes as text, and nothing is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_shapes_than_are_kept() -> anyhow::Result<()> {
    let (source, target, options) = start("InnoDB", SkipErrors::None).await?;
    let mut sql = String::from("USE asterisk; BEGIN;");
    for id in 0..600 {
        sql.push_str(&format!("INSERT INTO plain (id, b) VALUES ({id}, 0);"));
    }
    for shape in 0..150 {
        for id in 0..4 {
            sql.push_str(&format!(
                "UPDATE plain SET b = b + {shape} WHERE id = {};",
                shape * 4 + id
            ));
        }
    }
    source
        .run(&(sql + "COMMIT; INSERT INTO plain (id) VALUES (1000)"))
        .await?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(prepared(&target).await?, 128);
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// NULL for a TIMESTAMP that cannot be NULL is the time of the statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_as_the_time() -> anyhow::Result<()> {
    let (source, target, options) = start("InnoDB", SkipErrors::None).await?;
    let table = "CREATE TABLE asterisk.seen (id INT PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT '2001-01-01 00:00:00')";
    source.run(table).await?;
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    assert!(running.stop().await.is_clean);
    let mut sql = String::from("USE asterisk;");
    for id in 1..=TIMES {
        sql.push_str(&format!(
            "SET timestamp = 1700000000 + {id} DIV 5; INSERT INTO seen VALUES ({id}, DEFAULT);"
        ));
        sql.push_str(&format!(
            "INSERT INTO seen (id, at) VALUES (100 + {id}, NULL); UPDATE seen SET at = NULL WHERE id = {id};"
        ));
    }
    source.run(&sql).await?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// Warnings about rows in front of the one that fails do not make it another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_row_behind_warnings() -> anyhow::Result<()> {
    let skip = SkipErrors::List(BTreeSet::from([1062]));
    let (source, target, options) = start("MyISAM", skip).await?;
    let mut sql = String::from("USE asterisk; SET sql_mode = '';");
    for id in 1..=TIMES {
        sql.push_str(&format!("INSERT INTO calls (id, price) VALUES ({id}, 1.23456);"));
    }
    source.run(&sql).await?;
    target
        .run(&format!(
            "INSERT INTO {TARGET_DB}.calls (id, caller) VALUES (30, 'target')"
        ))
        .await?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        status(&running, "m1").skipped,
        1,
        "its own rows are not in its way"
    );
    let price = format!("SELECT COUNT(*), SUM(price) FROM {TARGET_DB}.calls WHERE id <> 30");
    let rows = target.rows(&price).await?;
    assert_eq!(rows[0][0].as_deref(), Some("39"));
    Ok(())
}

/// A run that stops in the middle says what of it is done, in whatever order it was done: nothing is doubled afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_ahead_of_a_stop_is_not_done_again() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let (source, target, options) = start(engine, SkipErrors::None).await?;
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            // All of one table: one lane where tables are locked as a whole.
            sql.push_str(&format!("INSERT INTO pair (a, b, n) VALUES ({id}, 'x', 1);"));
            if id % 4 == 0 {
                sql.push_str(&format!(
                    "INSERT INTO pair (a, b) VALUES ({id}, 'y'); UPDATE pair SET n = n + 1 WHERE a = {id} AND b = 'x';"
                ));
            }
        }
        source.run(&sql).await?;
        let conflict = format!("INSERT INTO {TARGET_DB}.pair VALUES (20,'y',0)");
        target.run(&conflict).await?;
        let running = Replicator::start(options.clone()).await?;
        let error = stopped(&running, "m1").await?;
        assert_eq!(error.number, 1062, "{engine}: {}", error.message);
        assert!(error.message.contains("(20, 'y')"), "{engine}: {}", error.message);
        running.stop().await;
        target
            .run(&format!("DELETE FROM {TARGET_DB}.pair WHERE a = 20 AND b = 'y'"))
            .await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// A table whose definition changes on the way: what was prepared before is not executed in the old form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_change_between_statements_of_one_shape() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let (source, target, options) = start(engine, SkipErrors::None).await?;
        let mut sql = String::from("USE asterisk;");
        for (round, change) in [
            "ALTER TABLE calls ADD COLUMN extra INT DEFAULT 5 FIRST",
            "ALTER TABLE calls MODIFY id INT UNSIGNED NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id, caller), ADD COLUMN own INT \
                 AUTO_INCREMENT UNIQUE",
            "CREATE TRIGGER tr BEFORE INSERT ON calls FOR EACH ROW SET NEW.note = CONCAT('by trigger ', IFNULL(NEW.own, 'none'))",
            "DROP TRIGGER tr",
        ]
        .into_iter()
        .enumerate()
        {
            for i in 0..TIMES {
                sql.push_str(&format!(
                    "INSERT INTO calls (caller, n{0}) VALUES ('r{round}', {i}{1});",
                    if round > 1 { ", id" } else { "" },
                    if round > 1 { format!(", {}", 1000 * round as u32 + i) } else { String::new() },
                ));
            }
            sql.push_str(change);
            sql.push(';');
        }
        source.run(&sql).await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}
