//! Tables in another storage engine than on the source.

use crate::context::run;
use crate::support::{TARGET_DB, caught_up, log, options, pair, root, status, stopped};
use tributary::{ConnectionOptions, RecordKind, Replicator};
use tributary_client::Client;
use tributary_rules::FilterKind;
use tributary_sandbox::{Server, ServerOptions};

/// Engine and row format of every table of the target, as far as the tests name them.
async fn engines(target: &Server) -> anyhow::Result<Vec<String>> {
    let rows = target
        .rows("SELECT CONCAT(table_name,' ',engine) FROM information_schema.tables WHERE table_schema='m1_asterisk' AND table_type<>'VIEW' ORDER BY 1")
        .await?;
    Ok(rows
        .into_iter()
        .map(|mut row| row.remove(0).unwrap_or_default())
        .collect())
}

/// Source and target hold the same rows of these tables.
async fn assert_same_rows(source: &Server, target: &Server, tables: &[&str]) -> anyhow::Result<()> {
    for table in tables {
        let here = source
            .rows(&format!("SELECT * FROM asterisk.{table} ORDER BY 1,2"))
            .await?;
        let there = target
            .rows(&format!("SELECT * FROM {TARGET_DB}.{table} ORDER BY 1,2"))
            .await?;
        assert_eq!(here, there, "{table}");
        assert!(!here.is_empty(), "{table}");
    }
    Ok(())
}

async fn start(format: &str) -> anyhow::Result<(Server, Server, Replicator)> {
    start_with(format, |_| Ok(())).await
}

async fn start_with(
    format: &str,
    change: impl Fn(&mut ConnectionOptions) -> anyhow::Result<()>,
) -> anyhow::Result<(Server, Server, Replicator)> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg(&format!("--binlog-format={format}"))).await?;
    let mut options = options(&source, &target);
    change(&mut options.connections[0])?;
    let rules = &mut options.connections[0].policies.engines;
    rules.map("MyISAM->InnoDB")?;
    rules.map("MEMORY->InnoDB")?;
    rules.keep("asterisk.kept%")?;
    let engine = Replicator::start(options).await?;
    source.run("CREATE DATABASE asterisk").await?;
    Ok((source, target, engine))
}

/// What is mapped, what is kept, and what the new engine refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_in_the_engine_of_the_rules_or_keep_theirs() -> anyhow::Result<()> {
    let (source, target, engine) = start("MIXED").await?;
    let long = "a".repeat(40);
    caught_up(&engine, "m1", &source).await?;
    target.run("CREATE TABLE m1_asterisk.again (x INT)").await?;
    source
        .run(&format!(
            "USE asterisk; CREATE TABLE plain (a INT PRIMARY KEY, engine VARCHAR(20) DEFAULT 'ENGINE=MyISAM') ENGINE=MyISAM COMMENT 'MyISAM';\
             CREATE TABLE memory (a INT, b INT, KEY USING HASH (a)) ENGINE=HEAP; CREATE TABLE kept_1 (a INT, b INT) ENGINE=MyISAM;\
             CREATE TABLE likewise LIKE plain; CREATE TABLE selected ENGINE=MyISAM SELECT 1 AS a, 2 AS b;\
             CREATE TABLE parts (a INT PRIMARY KEY, b INT) ENGINE=MyISAM PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (5) ENGINE=MyISAM, PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE=MyISAM);\
             CREATE SEQUENCE numbers START WITH 5 ENGINE=MyISAM; CREATE SEQUENCE kept_numbers ENGINE=MyISAM; DO NEXTVAL(numbers);\
             CREATE TABLE again (g INT, n INT AUTO_INCREMENT, PRIMARY KEY (g, n)) ENGINE=MyISAM; INSERT INTO again (g) VALUES (1),(1);\
             CREATE TABLE second (g INT, n INT AUTO_INCREMENT, PRIMARY KEY (g, n)) ENGINE=MyISAM;\
             CREATE TABLE fixed (a INT, b CHAR(9)) ENGINE=MyISAM ROW_FORMAT=FIXED; CREATE TABLE words (a INT PRIMARY KEY, b TEXT, FULLTEXT KEY (b)) ENGINE=MyISAM;\
             CREATE TABLE other (a INT, b INT) ENGINE=Aria; CREATE TABLE moved (a INT, b INT) ENGINE=InnoDB; ALTER TABLE moved ENGINE=MyISAM, ADD c INT;\
             CREATE TABLE wide (a INT, b VARCHAR(300) CHARACTER SET latin1) ENGINE=MyISAM; CREATE TEMPORARY TABLE scratch (a INT, b INT) ENGINE=MyISAM;\
             INSERT INTO scratch VALUES (1,1),(2,2);\
             INSERT INTO plain VALUES (1,'x'),(2,DEFAULT); INSERT INTO memory SELECT * FROM scratch; INSERT INTO kept_1 VALUES (1,1); INSERT INTO likewise SELECT * FROM plain;\
             INSERT INTO parts VALUES (1,1),(7,7); INSERT INTO second (g) VALUES (1),(1),(2),(1); INSERT INTO fixed VALUES (1,'a'); INSERT INTO words VALUES (1,'{long} words');\
             INSERT INTO other VALUES (1,1); INSERT INTO moved VALUES (1,1,1); INSERT INTO wide VALUES (1,'b')"
        ))
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        engines(&target).await?,
        [
            "again MyISAM",
            "fixed InnoDB",
            "kept_1 MyISAM",
            "kept_numbers MyISAM",
            "likewise InnoDB",
            "memory InnoDB",
            "moved InnoDB",
            "numbers InnoDB",
            "other Aria",
            "parts InnoDB",
            "plain InnoDB",
            "second MyISAM",
            "selected InnoDB",
            "wide InnoDB",
            "words InnoDB",
        ]
    );
    let tables = [
        "again", "fixed", "kept_1", "likewise", "memory", "moved", "numbers", "other", "parts", "plain",
        "second", "selected", "wide", "words",
    ];
    assert_same_rows(&source, &target, &tables).await?;
    let records: Vec<String> = status(&engine, "m1")
        .records
        .iter()
        .filter(|record| record.kind == RecordKind::Engine)
        .map(|record| format!("{} {}", record.table, record.error))
        .collect();
    assert_eq!(
        records,
        [
            "m1_asterisk.again 1075",
            "m1_asterisk.fixed 1005",
            "m1_asterisk.second 1075"
        ]
    );
    let ledger = target
        .value("SELECT GROUP_CONCAT(error_message ORDER BY id SEPARATOR '; ') FROM tributary.skipped WHERE kind='engine'")
        .await?;
    assert!(
        ledger.contains("keeps the source's engine") && ledger.contains("without options"),
        "{ledger}"
    );
    // The automatic id is no longer first in its key: MyISAM takes it, InnoDB does not.
    source
        .run("ALTER TABLE asterisk.plain DROP PRIMARY KEY, ADD n INT NOT NULL AUTO_INCREMENT, ADD PRIMARY KEY (a, n)")
        .await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1075, "{}", error.message);
    assert!(
        error.message.contains("tributary_keep_engine"),
        "{}",
        error.message
    );
    Ok(())
}

/// Stops at `statements` with these words, and nothing of them is on the target.
async fn stops_at(statements: &str, words: &[&str]) -> anyhow::Result<()> {
    let (source, target, engine) = start("STATEMENT").await?;
    source
        .run("USE asterisk; CREATE TABLE m (a INT PRIMARY KEY) ENGINE=MyISAM; CREATE TABLE i (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO m VALUES (3)")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    // The client sees the error, too.
    let _ = source.run(&format!("USE asterisk; {statements}")).await;
    let error = stopped(&engine, "m1").await?;
    for word in words {
        assert!(error.message.contains(word), "no {word} in: {}", error.message);
    }
    let rows =
        "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM m1_asterisk.m), (SELECT COUNT(*) FROM m1_asterisk.i))";
    assert_eq!(target.value(rows).await?, "1 0");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_stayed_half_done_on_the_source_stops() -> anyhow::Result<()> {
    let words = [
        "error 1062",
        "half way",
        "tributary_rewrite_engine",
        "UPDATE `tributary`.position",
    ];
    stops_at("INSERT INTO m VALUES (1),(2),(3),(4)", &words).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolled_back_transaction_that_left_rows_on_the_source_stops() -> anyhow::Result<()> {
    let words = ["rolled back what it could", "tributary_rewrite_engine"];
    stops_at(
        "BEGIN; INSERT INTO i VALUES (1); INSERT INTO m VALUES (1); ROLLBACK",
        &words,
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_table_over_mapped_tables_stops() -> anyhow::Result<()> {
    let words = ["MERGE", "asterisk.m", "tributary_keep_engine"];
    stops_at(
        "CREATE TABLE whole (a INT PRIMARY KEY) ENGINE=MERGE UNION=(m)",
        &words,
    )
    .await
}

/// A transaction that was rolled back on the source and wrote more than the target sees, values that only a MyISAM table
/// takes, and a statement that failed half way and may be passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_certain_of_a_rollback_is_not_guessed() -> anyhow::Result<()> {
    let (source, target, engine) = start_with("STATEMENT", |options| {
        options.filter.add(FilterKind::IgnoreTable, "asterisk.left_out")?;
        options.policies.table_skips.allow("asterisk.lenient:1062")?;
        Ok(())
    })
    .await?;
    let mut session = Client::connect(&root(&source)).await?;
    run(
        &mut session,
        &[
            "USE asterisk",
            "CREATE TABLE kept_i (a INT, b INT) ENGINE=InnoDB",
            "CREATE TABLE i (a INT, b INT) ENGINE=InnoDB",
            "CREATE TABLE narrow (a INT, b VARCHAR(2)) ENGINE=MyISAM",
            "CREATE TABLE left_out (a INT) ENGINE=MyISAM",
            "CREATE TABLE lenient (a INT PRIMARY KEY) ENGINE=MyISAM",
            "INSERT INTO kept_i VALUES (1, 1)",
            // Known to have the source's engine: what is undone there is undone here.
            "BEGIN",
            "INSERT INTO kept_i VALUES (2, 2)",
            "CREATE TEMPORARY TABLE scratch (a INT) ENGINE=InnoDB",
            "INSERT INTO scratch VALUES (1)",
            "ROLLBACK",
            "SET sql_mode='STRICT_TRANS_TABLES'",
            "INSERT INTO narrow VALUES (1, 'a'), (2, 'abc')",
        ],
    )
    .await?;
    let failing = session.query(b"INSERT INTO lenient VALUES (1),(2),(1)").await;
    assert_eq!(failing.unwrap_err().server_code(), Some(1062));
    caught_up(&engine, "m1", &source).await?;
    assert_same_rows(&source, &target, &["kept_i", "narrow"]).await?;
    let ledger = target
        .value("SELECT GROUP_CONCAT(CONCAT_WS(' ', kind, error_number, table_name, error_message)) FROM tributary.skipped")
        .await?;
    assert!(
        ledger.starts_with("skipped 1062 lenient the statement failed half way"),
        "{ledger}"
    );
    assert_eq!(status(&engine, "m1").skipped, 1);

    run(
        &mut session,
        &[
            "BEGIN",
            "INSERT INTO i VALUES (1, 1)",
            "INSERT INTO left_out VALUES (1)",
            "ROLLBACK",
        ],
    )
    .await?;
    let error = stopped(&engine, "m1").await?;
    assert!(error.message.contains("rolled back what it could"), "{error:?}");
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.i").await?, "0");
    Ok(())
}
