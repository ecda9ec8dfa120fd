//! Temporary tables of the sources: one session of the target holds those of all threads of all sources.

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, connection, log, options, pair, root, status, stopped,
    until,
};
use anyhow::{Context as _, ensure};
use tributary::Replicator;
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

async fn run(session: &mut Client, statements: &[&str]) -> anyhow::Result<()> {
    for statement in statements {
        session
            .query(statement.as_bytes())
            .await
            .with_context(|| (*statement).to_owned())?;
    }
    Ok(())
}

/// A session of the source with this number; one with another number gives its place up.
async fn session_numbered(source: &Server, number: u32) -> anyhow::Result<Client> {
    for _ in 0..200 {
        let mut session = Client::connect(&root(source)).await?;
        if session.server().connection_id == number {
            run(&mut session, &["USE asterisk"]).await?;
            return Ok(session);
        }
        ensure!(
            session.server().connection_id < number,
            "the number {number} is gone"
        );
        session.quit().await;
    }
    anyhow::bail!("no session got the number {number}")
}

const REAL: &str = "CREATE DATABASE asterisk; CREATE TABLE asterisk.w (a INT) ENGINE=InnoDB; CREATE TABLE asterisk.t (a INT) ENGINE=InnoDB";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_source_takes_its_temporary_tables_with_it() -> anyhow::Result<()> {
    log();
    let (mut source, target) = pair(ServerOptions::source(1)).await?;
    source.run(REAL).await?;
    let mut settings = options(&source, &target);
    settings.apply.workers = 1;
    let engine = Replicator::start(settings).await?;
    let number = 60;
    let mut session = session_numbered(&source, number).await?;
    run(
        &mut session,
        &[
            "CREATE TEMPORARY TABLE w (a INT)",
            "CREATE TEMPORARY TABLE x (a INT)",
            "INSERT INTO w VALUES (1)",
            "RENAME TABLE x TO y",
            "ALTER TABLE y RENAME z",
            "INSERT INTO z VALUES (2)",
            "INSERT INTO t SELECT a FROM z",
        ],
    )
    .await?;
    caught_up(&engine, "m1", &source).await?;
    let open = "SELECT GROUP_CONCAT(table_name ORDER BY 1) FROM tributary.temporary_table";
    assert_eq!(target.value(open).await?, "w,z");
    drop(session);
    source.kill().await;
    source.start_again().await?;
    // The same thread number again, and no temporary table behind it.
    let mut session = session_numbered(&source, number).await?;
    run(
        &mut session,
        &[
            "INSERT INTO w VALUES (3)",
            "CREATE TEMPORARY TABLE z (a INT)",
            "INSERT INTO z VALUES (4)",
            "INSERT INTO t SELECT a FROM z",
        ],
    )
    .await?;
    session.quit().await;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM tributary.temporary_table")
            .await?,
        "0"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_of_two_sources_with_equal_numbers_are_two() -> anyhow::Result<()> {
    log();
    let ((one, target), two) = tokio::try_join!(
        pair(ServerOptions::source(1)),
        Server::start(ServerOptions::source(1))
    )?;
    let mut settings = options(&one, &target);
    settings.apply.workers = 1;
    settings.connections = vec![
        connection("m1", &one, &format!("{SOURCE_DB}->{TARGET_DB}")),
        connection("m2", &two, &format!("{SOURCE_DB}->{TARGET_DB}")),
    ];
    one.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t1 (a INT) ENGINE=InnoDB")
        .await?;
    let engine = Replicator::start(settings).await?;
    caught_up(&engine, "m1", &one).await?;
    two.run("CREATE DATABASE IF NOT EXISTS asterisk; CREATE TABLE asterisk.t2 (a INT) ENGINE=InnoDB")
        .await?;
    let mut sessions = Vec::new();
    for server in [&one, &two] {
        sessions.push(session_numbered(server, 60).await?);
    }
    for (index, name, server) in [(0, "m1", &one), (1, "m2", &two)] {
        let insert = format!("INSERT INTO w VALUES ({index})");
        run(
            &mut sessions[index],
            &["CREATE TEMPORARY TABLE w (a INT) ENGINE=MyISAM", &insert],
        )
        .await?;
        caught_up(&engine, name, server).await?;
    }
    for (index, name, server) in [(0, "m1", &one), (1, "m2", &two)] {
        let copy = format!("INSERT INTO t{} SELECT a FROM w", index + 1);
        run(&mut sessions[index], &[&copy, "DROP TEMPORARY TABLE w"]).await?;
        caught_up(&engine, name, server).await?;
    }
    for (table, expected) in [("t1", "0"), ("t2", "1")] {
        let found = target
            .value(&format!("SELECT GROUP_CONCAT(a) FROM {TARGET_DB}.{table}"))
            .await?;
        assert_eq!(found, expected, "{table}");
    }
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stop_of_the_engine_takes_away_is_missed_by_name() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(REAL).await?;
    let mut session = session_numbered(&source, 60).await?;
    run(
        &mut session,
        &["CREATE TEMPORARY TABLE w (a INT)", "INSERT INTO w VALUES (1)"],
    )
    .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    // It must not go into the table of the same name.
    run(&mut session, &["INSERT INTO w VALUES (2)"]).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1146, "{error:?}");
    assert!(error.message.contains("temporary table asterisk.w"), "{error:?}");
    engine.stop().await;
    let statement = error
        .message
        .split("run on the target ")
        .nth(1)
        .and_then(|rest| rest.split(", and start").next())
        .context("a way forward")?;
    target.run(statement).await?;
    // Made anew it is there again; a real table of that name is reached once the temporary one is dropped.
    run(
        &mut session,
        &[
            "INSERT INTO t VALUES (7)",
            "CREATE OR REPLACE TEMPORARY TABLE w (a INT)",
            "INSERT INTO w VALUES (8)",
            "INSERT INTO t SELECT a FROM w",
            "DROP TABLE w",
            "INSERT INTO w VALUES (9)",
        ],
    )
    .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM tributary.temporary_table")
            .await?,
        "0"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// A transaction with a temporary table meets a lock on the target: it is tried again, and other sources do not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_wait_beside_a_temporary_table_concerns_its_own_source_only() -> anyhow::Result<()> {
    log();
    let ((one, target), two) = tokio::try_join!(
        pair(ServerOptions::source(1)),
        Server::start(ServerOptions::source(2))
    )?;
    target.run("SET GLOBAL innodb_lock_wait_timeout=1").await?;
    let mut settings = options(&one, &target);
    settings.connections = vec![
        connection("m1", &one, &format!("{SOURCE_DB}->{TARGET_DB}")),
        connection("m2", &two, &format!("{SOURCE_DB}->m2_asterisk")),
    ];
    let create = "CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY) ENGINE=InnoDB";
    one.run(create).await?;
    two.run(create).await?;
    let engine = Replicator::start(settings).await?;
    caught_up(&engine, "m1", &one).await?;
    caught_up(&engine, "m2", &two).await?;
    let mut holder = Client::connect(&root(&target)).await?;
    run(&mut holder, &["BEGIN", "INSERT INTO m1_asterisk.t VALUES (1)"]).await?;
    one.run(
        "USE asterisk; BEGIN; CREATE TEMPORARY TABLE w (a INT) ENGINE=InnoDB; INSERT INTO w VALUES (1); INSERT INTO t SELECT a FROM w;\
         COMMIT",
    )
    .await?;
    until("the lock to be met", || Ok(status(&engine, "m1").retried > 0)).await?;
    two.run("INSERT INTO asterisk.t VALUES (2)").await?;
    caught_up(&engine, "m2", &two).await?;
    run(&mut holder, &["ROLLBACK"]).await?;
    caught_up(&engine, "m1", &one).await?;
    assert_equal(&one, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}
