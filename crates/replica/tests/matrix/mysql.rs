//! MySQL as a source.

use anyhow::{Context, ensure};
use tributary::{Replicator, SqlState};
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_sandbox::{Server, ServerOptions, create_replication_user};

use crate::support::{TARGET_DB, assert_equal, options, stopped, until};
use crate::{mysql, targets};

/// Indexes on expressions, which MariaDB does not have.
const EXPRESSION_KEYS: &str =
    "KEY ((CAST(JSON_LENGTH(j) AS UNSIGNED))), KEY ((CAST(j->'$.tags' AS CHAR(20) ARRAY))), ";

/// What the captured binlog was made from.
const CAPTURE: &str = include_str!("../../../../testdata/mysql/capture.sql");

async fn start() -> anyhow::Result<Server> {
    Server::start(ServerOptions::mysql_source(5, &mysql())).await
}

/// Runs a script on one session, as a client would.
async fn run_script(source: &Server, script: &str) -> anyhow::Result<()> {
    let text: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    source.run(&text.join("\n")).await
}

async fn caught_up(engine: &Replicator, source: &Server) -> anyhow::Result<()> {
    let end = source.as_ref().end_of_log().await?;
    until("m1 to catch up", || {
        let status = engine.status();
        let state = &status.connections[0];
        ensure!(
            state.last_error.is_none() || state.sql_state == SqlState::Running,
            "{:?}",
            state.last_error
        );
        Ok((state.executed.file.as_str(), state.executed.offset) >= (end.file.as_str(), end.offset))
    })
    .await
    .with_context(|| format!("{:#?}", engine.status()))
}

/// Every kind of event that MySQL alone writes ends in the same rows, on both targets; the account logs in by caching_sha2_password
/// over TCP without TLS.
#[tokio::test]
async fn everything_of_the_capture_is_applied() -> anyhow::Result<()> {
    let source = start().await?;
    let targets = targets().await?;
    let account = create_replication_user(&source).await?;
    ensure!(CAPTURE.contains(EXPRESSION_KEYS));
    run_script(&source, &CAPTURE.replace(EXPRESSION_KEYS, "")).await?;
    for target in &targets {
        let mut options = options(&source, target);
        options.connections[0].source = ConnectOptions::new(
            Address::Tcp {
                host: "127.0.0.1".to_owned(),
                port: source.port(),
            },
            &account.user,
            Secret::new(account.password.clone()),
        );
        let engine = Replicator::start(options).await?;
        caught_up(&engine, &source).await?;
        ensure!(
            engine.status().connections[0].gtid.is_empty(),
            "a stand-in is shown as a GTID"
        );
        engine.stop().await;
        assert_equal(&source, target, TARGET_DB, &[]).await?;
    }
    Ok(())
}

/// Groups without MariaDB's GTIDs are counted once through restarts of the engine, killed in the middle of its work.
#[tokio::test]
async fn a_stopped_engine_resumes_where_it_was() -> anyhow::Result<()> {
    let source = start().await?;
    let [target, _] = targets().await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.log (n INT) ENGINE=InnoDB; CREATE TABLE asterisk.wide (n INT, t LONGTEXT) ENGINE=InnoDB")
        .await?;
    for round in 0..6 {
        let statements = (0..200).map(|n| {
            let table = if n % 7 == 0 { "wide (n)" } else { "log (n)" };
            format!("INSERT INTO asterisk.{table} VALUES ({})", round * 1000 + n)
        });
        source.run(&statements.collect::<Vec<_>>().join(";")).await?;
        if round % 2 == 0 {
            source.run("FLUSH BINARY LOGS").await?;
        }
        let engine = Replicator::start(options(&source, &target)).await?;
        let applied = || {
            Ok(engine.status().connections[0].statements_applied
                + engine.status().connections[0].rows_applied
                > 20)
        };
        until(&format!("some groups of round {round}"), applied).await?;
        // Dropped as a killed one: nothing is waited for.
        drop(engine);
    }
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, &source).await?;
    engine.stop().await;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// What has no counterpart stops the connection with a message that names it.
#[tokio::test]
async fn what_cannot_be_told_in_mariadb_stops_by_name() -> anyhow::Result<()> {
    let [target, _] = targets().await?;
    let source = start().await?;
    source.run("CREATE DATABASE asterisk").await?;
    for (sql, words) in [
        (
            "CREATE TABLE asterisk.ja (a VARCHAR(9) COLLATE utf8mb4_ja_0900_as_cs)",
            "utf8mb4_ja_0900_as_cs",
        ),
        (
            "SET NAMES utf8mb4 COLLATE utf8mb4_zh_0900_as_cs; CREATE TABLE asterisk.zh (a INT)",
            "collation with id 308",
        ),
        (
            "CREATE TABLE asterisk.part (a INT PRIMARY KEY, j JSON); INSERT INTO asterisk.part VALUES (1, '{\"a\": [1,2,3,4,5,6,7,8,9]}'); \
             SET binlog_row_value_options=PARTIAL_JSON, binlog_row_image=MINIMAL; UPDATE asterisk.part SET j=JSON_SET(j, '$.a', 2)",
            "binlog_row_value_options",
        ),
    ] {
        target.run("DROP DATABASE IF EXISTS tributary; DROP DATABASE IF EXISTS m1_asterisk; CREATE DATABASE m1_asterisk").await?;
        let start = source.as_ref().end_of_log().await?;
        source.run(sql).await?;
        let mut options = options(&source, &target);
        options.connections[0].start = Some(tributary::StartPosition::Coordinates(
            tributary_binlog::Coordinates::new(start.file.as_str(), start.offset),
        ));
        let engine = Replicator::start(options).await?;
        let error = stopped(&engine, "m1").await?;
        ensure!(error.message.contains(words), "{}", error.message);
        engine.stop().await;
    }
    Ok(())
}
