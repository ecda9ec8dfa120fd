//! Filters in the source's names, then the rename: the same for statements and rows, however a statement is spelled.

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, connection, log, options, pair, stopped,
};
use tributary::{Options, Replicator, SqlState};
use tributary_rules::{Filter, FilterKind};
use tributary_sandbox::{Server, ServerOptions, open_all_tables, schema};

/// Options of `m1` with filter rules.
fn filtered(source: &Server, target: &Server, rules: &[(FilterKind, &str)]) -> Options {
    let mut filter = Filter::new();
    for (kind, value) in rules {
        filter.add(*kind, value).unwrap();
    }
    let mut options = options(source, target);
    options.connections[0].filter = filter;
    options
}

/// Every spelling of the same write, to `kept` and to `dropped`, in MyISAM and InnoDB.
fn spellings() -> String {
    let mut text = format!("CREATE DATABASE {SOURCE_DB}; CREATE DATABASE other; USE {SOURCE_DB};");
    for table in ["kept", "dropped"] {
        text.push_str(&format!(
            "CREATE TABLE {table} (a INT PRIMARY KEY, b VARCHAR(40)) ENGINE=MyISAM; CREATE TABLE {table}_i (a INT PRIMARY KEY, b VARCHAR(40)) ENGINE=InnoDB;"
        ));
    }
    for table in ["kept", "dropped", "kept_i", "dropped_i"] {
        text.push_str(&format!(
            "USE {SOURCE_DB}; INSERT INTO {table} VALUES (1,'plain'); INSERT INTO `{table}` VALUES (2,'quoted');\
             INSERT INTO asterisk.{table} VALUES (3,'qualified'); INSERT INTO `asterisk` . `{table}` VALUES (4,'spaced');\
             SET sql_mode='ANSI_QUOTES'; INSERT INTO \"asterisk\".\"{table}\" VALUES (5,'ansi'); SET sql_mode=DEFAULT;\
             INSERT /* INTO asterisk.nowhere */ INTO asterisk.{table} VALUES (6,'asterisk.{table}');\
             UPDATE asterisk.{table} AS t SET t.b=CONCAT(t.b,'!') WHERE t.a=1; DELETE FROM {table} WHERE a=2;\
             REPLACE INTO {table} SET a=7, b='set'; USE other;\
             INSERT INTO asterisk.{table} VALUES (8,'from other'); INSERT INTO /*!50000 asterisk.*/{table} VALUES (9,'versioned');\
             UPDATE asterisk.{table} SET b=UUID() WHERE a=3;"
        ));
    }
    text
}

/// The ignored tables are not there, everything else is equal.
async fn every_spelling_is_filtered(format: &str, rules: &[(FilterKind, &str)]) -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg(&format!("--binlog-format={format}"))).await?;
    if rules.iter().any(|(kind, _)| *kind == FilterKind::WildDoTable) {
        // As on a native replica: only a pattern for all of its tables lets a database itself through.
        target
            .run("CREATE DATABASE m1_asterisk CHARACTER SET latin1")
            .await?;
    }
    let engine = Replicator::start(filtered(&source, &target, rules)).await?;
    source.run(&spellings()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &["dropped", "dropped_i"]).await?;
    let tables = "SELECT GROUP_CONCAT(table_name ORDER BY 1) FROM information_schema.tables WHERE table_schema='m1_asterisk'";
    assert_eq!(
        target.value(tables).await?,
        "kept,kept_i",
        "an ignored table is not even created"
    );
    Ok(())
}

const IGNORE: [(FilterKind, &str); 2] = [
    (FilterKind::IgnoreTable, "asterisk.dropped"),
    (FilterKind::IgnoreTable, "asterisk.dropped_i"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignored_tables_in_statements() -> anyhow::Result<()> {
    every_spelling_is_filtered("MIXED", &IGNORE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignored_tables_in_rows() -> anyhow::Result<()> {
    every_spelling_is_filtered("ROW", &IGNORE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_tables_in_statements() -> anyhow::Result<()> {
    every_spelling_is_filtered(
        "MIXED",
        &[
            (FilterKind::DoTable, "asterisk.kept"),
            (FilterKind::DoTable, "asterisk.kept_i"),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_in_statements_and_rows() -> anyhow::Result<()> {
    every_spelling_is_filtered("MIXED", &[(FilterKind::WildIgnoreTable, "ast%.drop%")]).await?;
    every_spelling_is_filtered("ROW", &[(FilterKind::WildDoTable, "asterisk.kept%")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_are_judged_by_where_the_table_is_not_by_the_default() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(filtered(&source, &target, &[(FilterKind::DoDb, "asterisk")])).await?;
    source
        .run(
            "CREATE DATABASE asterisk; CREATE DATABASE other; CREATE TABLE asterisk.t (a INT); CREATE TABLE other.t (a INT);\
             USE other; INSERT INTO asterisk.t VALUES (1); INSERT INTO t VALUES (2); USE asterisk; INSERT INTO other.t VALUES (3);\
             INSERT INTO t VALUES (4)",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        target
            .value("SELECT GROUP_CONCAT(a ORDER BY a) FROM m1_asterisk.t")
            .await?,
        "1,4"
    );
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='other'")
            .await?,
        "0"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_are_renamed() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    source
        .run(
            "CREATE DATABASE asterisk CHARACTER SET latin1; CREATE DATABASE tools; USE asterisk;\
             CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(40) DEFAULT 'asterisk.t') COMMENT 'of asterisk.t';\
             CREATE TABLE asterisk.audit (what VARCHAR(60)); CREATE TABLE copy LIKE asterisk.t;\
             CREATE VIEW v AS SELECT t.a, asterisk.t.b FROM asterisk.t JOIN copy USING (a);\
             CREATE PROCEDURE asterisk.fill(n INT) BEGIN INSERT INTO asterisk.t (b) VALUES (CONCAT('asterisk.', n)); UPDATE t SET b=CONCAT(b,n) WHERE a=n; END;\
             CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO asterisk.audit VALUES (CONCAT('twice ',n)); RETURN n*2; END;\
             CREATE TRIGGER asterisk.after_t AFTER INSERT ON asterisk.t FOR EACH ROW INSERT INTO asterisk.audit VALUES (CONCAT('new ',NEW.b));\
             CALL fill(1); CALL asterisk.fill(2); USE tools; INSERT INTO asterisk.t (b) VALUES (asterisk.twice(21)); CALL asterisk.fill(3);\
             ALTER TABLE asterisk.copy ADD COLUMN c INT DEFAULT 3 AFTER a, RENAME TO asterisk.copied; RENAME TABLE asterisk.copied TO asterisk.copy2;\
             INSERT INTO asterisk.copy2 (a) SELECT a FROM asterisk.t; CREATE INDEX by_c ON asterisk.copy2 (c); DROP INDEX by_c ON asterisk.copy2;\
             UPDATE asterisk.t, asterisk.copy2 SET asterisk.t.b='joined', copy2.c=asterisk.t.a WHERE asterisk.t.a=copy2.a AND t.a=2;\
             DELETE asterisk.t FROM asterisk.t JOIN asterisk.copy2 USING (a) WHERE copy2.a=3; TRUNCATE TABLE asterisk.audit;\
             INSERT INTO asterisk.t (b) VALUES ('last'); CREATE OR REPLACE VIEW asterisk.v AS SELECT a FROM asterisk.copy2; DROP FUNCTION asterisk.twice;\
             CREATE TABLE asterisk.gone (a INT); DROP TABLE asterisk.gone",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    let kinds = "SELECT GROUP_CONCAT(routine_name) FROM information_schema.routines WHERE routine_schema='m1_asterisk'";
    assert_eq!(target.value(kinds).await?, "fill");
    assert_eq!(target.value("SELECT event_object_schema FROM information_schema.triggers WHERE trigger_schema='m1_asterisk'").await?, "m1_asterisk");
    assert_eq!(target.value("SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name='m1_asterisk'").await?, "latin1");
    source.run("DROP DATABASE asterisk").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE '%asterisk'")
            .await?,
        "0"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_source_empties_memory_tables_on_the_target() -> anyhow::Result<()> {
    log();
    let (mut source, target) = pair(ServerOptions::source(1)).await?;
    schema::create(&source, 1).await?;
    source
        .run("USE asterisk; CREATE TABLE lost (a INT) ENGINE=MEMORY; INSERT INTO lost VALUES (1),(2)")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.lost").await?, "2");
    source.shutdown().await;
    source.start_again().await?;
    open_all_tables(&source, SOURCE_DB).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.lost").await?, "0");
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_tables_loses_only_the_ignored_ones() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(filtered(
        &source,
        &target,
        &[(FilterKind::IgnoreTable, "asterisk.dropped")],
    ))
    .await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE a (n INT); CREATE TABLE dropped (n INT); CREATE TABLE b (n INT); CREATE TABLE c (n INT)")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    // The administrator may have put a table of this name there; it is none of ours.
    target.run("CREATE TABLE m1_asterisk.dropped (mine INT)").await?;
    source
        .run("DROP TABLE asterisk.a, asterisk.dropped, asterisk.b")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let tables = "SELECT GROUP_CONCAT(table_name ORDER BY 1) FROM information_schema.tables WHERE table_schema='m1_asterisk'";
    assert_eq!(target.value(tables).await?, "c,dropped");
    Ok(())
}

/// A connection stops at `statement`, another goes on.
async fn stops_alone_at(statement: &str, words: &[&str]) -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let other = Server::start(ServerOptions::source(2)).await?;
    let mut both = filtered(&source, &target, &[(FilterKind::IgnoreTable, "asterisk.dropped")]);
    both.connections
        .push(connection("m2", &other, "asterisk->m2_asterisk"));
    let engine = Replicator::start(both).await?;
    let tables = "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE kept (a INT, b INT); CREATE TABLE dropped (a INT, b INT);";
    source
        .run(&format!("{tables} INSERT INTO kept VALUES (1,1); {statement}"))
        .await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1593, "{}", error.message);
    for word in words {
        assert!(error.message.contains(word), "no {word} in: {}", error.message);
    }
    assert!(error.message.contains("mysql-bin.000001"), "{}", error.message);
    assert_eq!(
        target.value("SELECT COUNT(*) FROM m1_asterisk.kept").await?,
        "1",
        "everything before is applied"
    );
    other.run(tables).await?;
    caught_up(&engine, "m2", &other).await?;
    assert_equal(&other, &target, "m2_asterisk", &[]).await?;
    let status = crate::support::status(&engine, "m1");
    assert_eq!(status.sql_state, SqlState::Stopped);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_over_replicated_and_ignored_tables_stops_with_both_names() -> anyhow::Result<()> {
    let statement = "UPDATE kept, dropped SET kept.b=2, dropped.b=3 WHERE kept.a=dropped.a";
    stops_alone_at(statement, &["asterisk.kept", "asterisk.dropped"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_renamed_stops_with_the_token() -> anyhow::Result<()> {
    let statement = "CREATE PROCEDURE p(t VARCHAR(64)) BEGIN SET @s=CONCAT('DELETE FROM asterisk.', t); PREPARE s FROM @s; EXECUTE s; END";
    stops_alone_at(statement, &["PREPARE"]).await
}
