//! Rows of many transactions, written together: what comes out is what the source has, also where one of them fails.

use std::collections::BTreeSet;

use crate::support::{SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair, status, stopped};
use tributary::{Options, Replicator, SkipErrors};
use tributary_sandbox::{Server, ServerOptions};

/// How often each kind of change comes.
const TIMES: u32 = 60;

const TABLES: &str = "CREATE DATABASE asterisk; USE asterisk; \
    CREATE TABLE calls (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, code VARCHAR(30) CHARACTER SET utf8mb4, n INT, note TEXT, \
        at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), UNIQUE KEY (code)) ENGINE={engine}; \
    CREATE TABLE plain (id INT PRIMARY KEY, b BIGINT) ENGINE={engine}; \
    CREATE TABLE parent (id INT PRIMARY KEY, n INT) ENGINE={engine}; \
    CREATE TABLE child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE) ENGINE={engine}; \
    CREATE TABLE versioned (id INT PRIMARY KEY, n INT) ENGINE={engine} WITH SYSTEM VERSIONING";

/// Starts with tables on both sides, and stops the engine again.
async fn start(engine: &str, image: &str, skip: SkipErrors) -> anyhow::Result<(Server, Server, Options)> {
    log();
    let source = ServerOptions::source(1)
        .arg("--binlog-format=ROW")
        .arg(&format!("--binlog-row-image={image}"));
    let (source, target) = pair(source).await?;
    source.run(&TABLES.replace("{engine}", engine)).await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = skip;
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    assert!(running.stop().await.is_clean);
    Ok((source, target, options))
}

/// Transactions of one row and of several, that build on each other.
fn mixture() -> String {
    let mut sql = String::from("USE asterisk;");
    for i in 1..=TIMES {
        let (before, third) = (i.saturating_sub(1), i / 3);
        sql.push_str(&format!(
            "INSERT INTO calls (code, n) VALUES ('c{i}', {i}), ('d{i}', NULL);\
             UPDATE calls SET n = n + 1 WHERE code = 'c{i}';\
             UPDATE calls SET note = REPEAT('x', {i}) WHERE code IN ('c{i}', 'd{before}');\
             UPDATE calls SET code = 'moved{i}' WHERE code = 'd{i}';\
             UPDATE calls SET code = 'd{i}' WHERE code = 'c{third}';\
             INSERT INTO plain VALUES ({i}, 0);\
             UPDATE plain SET b = b + 1 WHERE id = {i}; UPDATE plain SET b = b - 1 WHERE id = {i};\
             UPDATE plain SET b = b * 2 + 1 WHERE id <= 3;\
             DELETE FROM plain WHERE id = {third}; INSERT INTO plain VALUES ({third}, {i});\
             INSERT INTO parent VALUES ({i}, 0); INSERT INTO child VALUES ({i}, {i});\
             UPDATE parent SET n = 1 WHERE id = {i}; DELETE FROM parent WHERE id = {third};\
             REPLACE INTO calls (id, code) VALUES ({third}, 'replaced{third}');\
             BEGIN; INSERT INTO versioned VALUES ({i}, 0); UPDATE versioned SET n = 1 WHERE id = {i}; COMMIT;\
             UPDATE versioned SET n = n + 1 WHERE id = {third};",
        ));
    }
    sql
}

/// How many rows the target's engine was told to write, change and remove.
async fn written(target: &Server) -> anyhow::Result<u64> {
    let rows = target
        .rows(
            "SELECT SUM(VARIABLE_VALUE) FROM information_schema.global_status \
               WHERE VARIABLE_NAME IN ('Handler_write', 'Handler_update', 'Handler_delete')",
        )
        .await?;
    Ok(rows[0][0].as_deref().unwrap_or_default().parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_written_together_are_those_of_the_source() -> anyhow::Result<()> {
    for (image, engine) in [("FULL", "InnoDB"), ("MINIMAL", "InnoDB"), ("FULL", "MyISAM")] {
        let (source, target, mut options) = start(engine, image, SkipErrors::None).await?;
        // Two could meet in a row lock; then one of them begins again, as it does when a row fails.
        options.apply.workers = 1;
        source.run(&mixture()).await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
        let now = status(&running, "m1");
        assert_eq!((now.retried, now.skipped), (0, 0), "{engine}, {image}");
    }
    Ok(())
}

/// The same binlog with and without: rows that are changed again are written once, and both come to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_again_is_written_once() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        changed_again(engine).await?;
    }
    Ok(())
}

async fn changed_again(engine: &str) -> anyhow::Result<()> {
    let (source, target, mut options) = start(engine, "FULL", SkipErrors::None).await?;
    let mut counts = Vec::new();
    for (merges, nets) in [(true, true), (true, false), (false, false)] {
        (options.apply.merge_rows, options.apply.net_changes) = (merges, nets);
        let mut sql = String::from("USE asterisk; DELETE FROM plain;");
        for id in 1..=TIMES {
            sql.push_str(&format!(
                "INSERT INTO plain VALUES ({id}, 0); UPDATE plain SET b = 1 WHERE id = {id}; UPDATE plain SET b = 2 WHERE id = {id};"
            ));
        }
        source.run(&sql).await?;
        let before = written(&target).await?;
        let running = Replicator::start(options.clone()).await?;
        caught_up(&running, "m1", &source).await?;
        assert!(running.stop().await.is_clean);
        counts.push(written(&target).await? - before);
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    let saved = u64::from(2 * TIMES) - 20;
    assert!(counts[0] + saved < counts[1], "{engine}: {counts:?}");
    assert!(counts[0] + saved < counts[2], "{engine}: {counts:?}");
    Ok(())
}

/// A row in the way in the middle, and one that is missing: each costs its own transaction and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_does_not_take_the_others_along() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let skip = SkipErrors::List(BTreeSet::from([1062, 1032]));
        let (source, target, options) = start(engine, "FULL", skip).await?;
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            sql.push_str(&format!(
                "INSERT INTO plain VALUES ({id}, 5); UPDATE plain SET b = 6 WHERE id = {id}; \
                 INSERT INTO calls (id, code) VALUES ({id}, 'c{id}'); DELETE FROM calls WHERE id = {id};"
            ));
        }
        source.run(&sql).await?;
        // Two rows that the source inserts, and one whose unique code it uses, are there: 17 is updated like its own.
        target
            .run(&format!(
                "INSERT INTO {TARGET_DB}.plain VALUES (17, 1), (18, 1); INSERT INTO {TARGET_DB}.calls (id, code) VALUES (900, 'c30')"
            ))
            .await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        let errors = "SELECT GROUP_CONCAT(CONCAT_WS(' ', error_number, table_name, statement) ORDER BY id SEPARATOR '|') \
            FROM tributary.skipped";
        let errors = target.value(errors).await?;
        assert_eq!(status(&running, "m1").skipped, 4, "{engine}: {errors}");
        for part in [
            "1062 plain Write after (17, 5)",
            "1062 plain Write after (18, 5)",
            "1062 calls",
            "1032 calls",
        ] {
            assert!(errors.contains(part), "{engine}: {part} in {errors}");
        }
        target
            .run(&format!("DELETE FROM {TARGET_DB}.calls WHERE id = 900"))
            .await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// A run that stops in the middle has done everything in front of the failing transaction, and nothing is doubled afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_and_a_new_start() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let (source, target, options) = start(engine, "FULL", SkipErrors::None).await?;
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            sql.push_str(&format!(
                "INSERT INTO plain VALUES ({id}, 5); UPDATE plain SET b = b + 1 WHERE id = {id};"
            ));
        }
        source.run(&sql).await?;
        target
            .run(&format!("INSERT INTO {TARGET_DB}.plain VALUES (20, 1)"))
            .await?;
        let running = Replicator::start(options.clone()).await?;
        let error = stopped(&running, "m1").await?;
        assert_eq!(error.number, 1062, "{engine}: {}", error.message);
        running.stop().await;
        let done = format!("SELECT COUNT(*) FROM {TARGET_DB}.plain WHERE id < 20 AND b = 6");
        assert_eq!(target.value(&done).await?, "19", "{engine}");
        target
            .run(&format!("DELETE FROM {TARGET_DB}.plain WHERE id = 20"))
            .await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// Rows that the target has lost: each costs its own change and no other, in the middle of an event and at its ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_missing_do_not_take_the_others_along() -> anyhow::Result<()> {
    for engine in ["InnoDB", "MyISAM"] {
        let skip = SkipErrors::List(BTreeSet::from([1032]));
        let (source, target, options) = start(engine, "FULL", skip).await?;
        for id in 1..=TIMES {
            source
                .run(&format!("INSERT INTO asterisk.plain VALUES ({id}, 0)"))
                .await?;
        }
        let running = Replicator::start(options.clone()).await?;
        caught_up(&running, "m1", &source).await?;
        assert!(running.stop().await.is_clean);
        let lost = [1, 31, 32, TIMES];
        for id in lost {
            target
                .run(&format!("DELETE FROM {TARGET_DB}.plain WHERE id = {id}"))
                .await?;
        }
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            sql.push_str(&format!("UPDATE plain SET b = {id} WHERE id = {id};"));
        }
        source.run(&sql).await?;
        let running = Replicator::start(options.clone()).await?;
        caught_up(&running, "m1", &source).await?;
        assert_eq!(status(&running, "m1").skipped, 4, "{engine}");
        assert!(running.stop().await.is_clean);
        let changed = format!("SELECT COUNT(*) FROM {TARGET_DB}.plain WHERE b = id");
        assert_eq!(target.value(&changed).await?, (TIMES - 4).to_string(), "{engine}");
        let mut sql = String::from("USE asterisk;");
        for id in 1..=TIMES {
            sql.push_str(&format!("DELETE FROM plain WHERE id = {id};"));
        }
        source.run(&sql).await?;
        let running = Replicator::start(options).await?;
        caught_up(&running, "m1", &source).await?;
        assert_eq!(status(&running, "m1").skipped, 4, "{engine}");
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
        let rows = "SELECT GROUP_CONCAT(REGEXP_SUBSTR(statement, '(?<=before [(])[0-9]+') ORDER BY id) FROM tributary.skipped";
        assert_eq!(target.value(rows).await?, "1,31,32,60,1,31,32,60", "{engine}");
    }
    Ok(())
}

/// Partitions count each row a second time: what one row does must not be taken for what two do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_of_a_partitioned_table_is_left_out_behind_an_error() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1032, 1062]));
    let create = |engine: &str| {
        format!(
            "CREATE TABLE t_{engine} (id INT PRIMARY KEY, n INT) ENGINE={engine} PARTITION BY HASH (id) PARTITIONS 3;"
        )
    };
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; {} {}",
            create("MyISAM"),
            create("InnoDB")
        ))
        .await?;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    engine.stop().await;
    let mut sql = format!("USE {SOURCE_DB};");
    for table in ["t_MyISAM", "t_InnoDB"] {
        target
            .run(&format!("INSERT INTO {TARGET_DB}.{table} VALUES (7, 0)"))
            .await?;
        for id in 1..=60 {
            sql.push_str(&format!("INSERT INTO {table} VALUES ({id}, 0);"));
        }
    }
    source.run(&sql).await?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(status(&engine, "m1").skipped, 2);
    engine.stop().await;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
