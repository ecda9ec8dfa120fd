//! Statements and rows larger than one packet of 16 MiB arrive, or stop the connection with a message; never in a loop.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, until};
use tributary::{Replicator, SqlState};
use tributary_sandbox::ServerOptions;

const MIB: usize = 1 << 20;

fn source() -> ServerOptions {
    ServerOptions::source(1)
        .arg("--max-allowed-packet=64M")
        .arg("--log-bin-compress=OFF")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_beyond_one_packet_arrive_in_two_halves() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, big LONGBLOB) ENGINE=InnoDB").await?;
    source
        .run("CREATE TABLE asterisk.m (id INT PRIMARY KEY, big LONGBLOB) ENGINE=MyISAM")
        .await?;
    for table in ["t", "m"] {
        // 13 MiB are 17 MiB in base64, more than the target's 16 MiB.
        source
            .run(&format!(
                "SET SESSION binlog_format=ROW; INSERT INTO asterisk.{table} VALUES (1, 'small'), (2, REPEAT('x', {})), (3, 'after')",
                13 * MIB
            ))
            .await?;
    }
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_the_target_cannot_take_stops_until_it_can() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, big LONGBLOB) ENGINE=MyISAM").await?;
    source
        .run(&format!(
            "INSERT INTO asterisk.t VALUES (1, '{}')",
            "y".repeat(20 * MIB)
        ))
        .await?;
    source.run("INSERT INTO asterisk.t VALUES (2, 'after')").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    until("the connection to stop", || {
        Ok(engine.status().connections[0].sql_state == SqlState::Stopped)
    })
    .await?;
    let error = engine.status().connections[0].last_error.clone().unwrap();
    assert_eq!(error.number, 1153, "{}", error.message);
    assert!(error.message.contains("max_allowed_packet"), "{}", error.message);
    engine.stop().await;
    target.run("SET GLOBAL max_allowed_packet=64*1024*1024").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}
