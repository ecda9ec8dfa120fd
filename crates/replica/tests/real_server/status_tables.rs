//! The tables that tell the engine's state to whoever can select: true, in time, never in the way, and not alive when the engine is not.

use std::time::Duration;

use anyhow::ensure;
use tributary::{ConnectionOptions, Options, Replicator, SkipErrors, SqlState, Threads};
use tributary_client::{Client, ConnectOptions};
use tributary_sandbox::{Server, ServerOptions};

use crate::support::{caught_up, connection, log, options, pair, root, status, until};

/// Longest wait for a report.
const REPORTED: Duration = Duration::from_secs(30);

/// What the source holds before anything is replicated.
const TABLE: &str = "CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY) ENGINE=InnoDB";

/// Waits until a query gives this value.
async fn shows(target: &Server, sql: &str, wanted: &str) -> anyhow::Result<()> {
    becomes(target, sql, wanted, |value| value == wanted).await
}

/// Waits until so many connections are reported.
async fn reported(target: &Server, connections: u32) -> anyhow::Result<()> {
    let count = "SELECT COUNT(*) FROM tributary.status WHERE is_reported";
    shows(target, count, &connections.to_string()).await
}

/// Waits until what a query gives is as it should be.
async fn becomes(
    target: &Server,
    sql: &str,
    wanted: &str,
    is_it: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + REPORTED;
    loop {
        let value = target.value(sql).await;
        if value.as_deref().is_ok_and(&is_it) {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "{sql}: {value:?} instead of {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn two(source: &Server, target: &Server) -> Options {
    let mut options = options(source, target);
    let other = ConnectionOptions {
        server_id: Some(78),
        ..connection("m'2", source, "asterisk->m2_asterisk")
    };
    options.connections.push(other);
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reported_is_what_the_engine_says() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let mut options = two(&source, &target);
    // Heartbeats are counted: each is a change.
    options.connections[0].heartbeat_period = Duration::from_secs(3600);
    options.connections[0].net_timeout = Duration::from_secs(7200);
    options.connections[0].skip_errors = SkipErrors::List([1062].into());
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    target.run("INSERT INTO m1_asterisk.t VALUES (7)").await?;
    source
        .run("INSERT INTO asterisk.t VALUES (1),(2); INSERT INTO asterisk.t VALUES (7)")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    caught_up(&engine, "m'2", &source).await?;

    let of = |column: &str| format!("SELECT {column} FROM tributary.status WHERE connection_name='m1'");
    let now = status(&engine, "m1");
    shows(&target, &of("executed_offset"), &now.executed.offset.to_string()).await?;
    shows(&target, &of("executed_file"), &now.executed.file).await?;
    shows(&target, &of("executed_gtid_pos"), &now.gtid).await?;
    shows(
        &target,
        &of("CONCAT_WS(' ',io_state,sql_state,seconds_behind,is_reported)"),
        "running running 0 1",
    )
    .await?;
    shows(
        &target,
        &of("CONCAT_WS(' ',skipped,source_id,sql_error_number,groups_applied)"),
        &format!("1 1 0 {}", now.groups_applied),
    )
    .await?;
    shows(
        &target,
        "SELECT GROUP_CONCAT(CONCAT_WS(' ',connection_name,kind,table_name,error_number,times)) FROM tributary.record_count",
        "m1 skipped m1_asterisk.t 1062 1",
    )
    .await?;
    shows(
        &target,
        "SELECT CONCAT_WS(' ',state,workers,server_id) FROM tributary.engine_status",
        "running 4 77",
    )
    .await?;

    // An error comes into the tables, and away again.
    target.run("INSERT INTO m2_asterisk.t VALUES (8)").await?;
    source.run("INSERT INTO asterisk.t VALUES (8)").await?;
    let of_2 = |column: &str| format!("SELECT {column} FROM tributary.status WHERE connection_name='m\\'2'");
    shows(
        &target,
        &of_2("CONCAT_WS(' ',sql_state,sql_error_number)"),
        "stopped 1062",
    )
    .await?;
    ensure!(
        target
            .value(&of_2("sql_error"))
            .await?
            .contains("Duplicate entry '8'")
    );
    shows(&target, &of("sql_state"), "running").await?;
    target.run("DELETE FROM m2_asterisk.t WHERE a=8").await?;
    let controller = engine.controller();
    controller.start("m'2", Threads::BOTH, None).await?;
    shows(
        &target,
        &of_2("CONCAT_WS(' ',sql_state,sql_error_number,sql_error)"),
        "running 0 ",
    )
    .await?;

    // A connection that is removed is in no table.
    controller.stop("m'2", Threads::BOTH).await?;
    shows(
        &target,
        &of_2("CONCAT_WS(' ',io_state,sql_state)"),
        "stopped stopped",
    )
    .await?;
    controller.remove("m'2").await?;
    shows(
        &target,
        "SELECT GROUP_CONCAT(connection_name) FROM tributary.connection_status",
        "m1",
    )
    .await?;

    // Whoever may select needs nothing else.
    target
        .run("CREATE USER reader@localhost; GRANT SELECT ON tributary.* TO reader@localhost")
        .await?;
    let reader = ConnectOptions {
        user: "reader".to_owned(),
        ..root(&target)
    };
    let mut reader = Client::connect(&reader).await?;
    let seen = reader.query(of("is_reported").as_bytes()).await?;
    assert_eq!(seen.first_text().as_deref(), Some("1"));

    // Once nothing happens, nothing but the sign of life is written.
    let deadline = tokio::time::Instant::now() + REPORTED;
    loop {
        let written = "SELECT reported_at FROM tributary.connection_status";
        let before = target.value(written).await?;
        let sign = target
            .value("SELECT reported_at FROM tributary.engine_status")
            .await?;
        let later = format!("SELECT COUNT(*) FROM tributary.engine_status WHERE reported_at>'{sign}'");
        shows(&target, &later, "1").await?;
        if target.value(written).await? == before {
            break;
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "a quiet connection is written again and again"
        );
    }

    assert!(engine.stop().await.is_clean);
    let ended = target
        .value(&of(
            "CONCAT_WS(' ',io_state,sql_state,IFNULL(seconds_behind,'NULL'),is_reported)",
        ))
        .await?;
    assert_eq!(ended, "stopped stopped NULL 0", "at once");
    assert_eq!(
        target.value("SELECT state FROM tributary.engine_status").await?,
        "stopped"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_died_does_not_look_alive_and_the_next_one_takes_over() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let engine = Replicator::start(two(&source, &target)).await?;
    reported(&target, 2).await?;
    drop(engine);
    // The clock of the session stands in for the wait.
    let later = |seconds: u32| {
        format!(
            "SET STATEMENT timestamp=UNIX_TIMESTAMP()+{seconds} FOR \
         SELECT CONCAT_WS(' ',io_state,sql_state,IFNULL(seconds_behind,'NULL'),is_reported) FROM tributary.status WHERE connection_name='m1'"
        )
    };
    assert_eq!(target.value(&later(60)).await?, "unknown unknown NULL 0");
    // What the tables hold is the work of whoever came last, be it that positions began anew.
    target
        .run("UPDATE tributary.engine_status SET epoch=1000")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    shows(
        &target,
        "SELECT GROUP_CONCAT(CONCAT(connection_name,' ',is_reported)) FROM tributary.status",
        "m1 1",
    )
    .await?;
    // An engine that is no more the last one writes nothing.
    target
        .run("UPDATE tributary.engine_status SET epoch=1001, version='other'")
        .await?;
    source.run("INSERT INTO asterisk.t VALUES (1)").await?;
    caught_up(&engine, "m1", &source).await?;
    // It looks, and takes back what it has begun.
    let looks =
        "SELECT variable_value FROM information_schema.global_status WHERE variable_name='Com_rollback'";
    let before: u64 = target.value(looks).await?.parse()?;
    let has_looked = |value: &str| value.parse().is_ok_and(|now: u64| now >= before + 2);
    becomes(&target, looks, "two more", has_looked).await?;
    assert_eq!(
        target
            .value("SELECT CONCAT_WS(' ',epoch,version) FROM tributary.engine_status")
            .await?,
        "1001 other"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_cannot_be_written_hold_nothing_up() -> anyhow::Result<()> {
    log();
    let target_options = ServerOptions::target()
        .arg("--log-bin=target")
        .arg("--binlog-format=MIXED");
    let (source, target) = tokio::join!(
        Server::start(ServerOptions::source(1)),
        Server::start(target_options)
    );
    let (source, target) = (source?, target?);
    source.run(TABLE).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    reported(&target, 1).await?;

    let mut holder = Client::connect(&root(&target)).await?;
    let lock = "LOCK TABLES tributary.engine_status WRITE, tributary.connection_status WRITE";
    holder.execute(lock.as_bytes()).await?;
    source.run("INSERT INTO asterisk.t VALUES (1)").await?;
    caught_up(&engine, "m1", &source).await?;
    let executed = status(&engine, "m1").executed;
    holder.execute(b"UNLOCK TABLES").await?;
    drop(holder);
    shows(
        &target,
        "SELECT executed_offset FROM tributary.status",
        &executed.offset.to_string(),
    )
    .await?;

    target.run("DROP TABLE tributary.connection_status").await?;
    source.run("INSERT INTO asterisk.t VALUES (2)").await?;
    caught_up(&engine, "m1", &source).await?;
    until("the engine to go on", || {
        Ok(status(&engine, "m1").sql_state == SqlState::Running)
    })
    .await?;
    let logged = target.rows("SHOW BINLOG EVENTS").await?;
    ensure!(
        !logged
            .iter()
            .flatten()
            .flatten()
            .any(|text| text.contains("INTO `tributary`.connection_status")),
        "reports are no business of the target's replicas: {logged:?}"
    );
    assert!(engine.stop().await.is_clean);

    // The next start makes what is missing.
    let engine = Replicator::start(options(&source, &target)).await?;
    reported(&target, 1).await?;
    assert!(engine.stop().await.is_clean);
    let mut silent = options(&source, &target);
    silent.target.status_interval = Duration::ZERO;
    let before = target.value("SELECT epoch FROM tributary.engine_status").await?;
    let engine = Replicator::start(silent).await?;
    source.run("INSERT INTO asterisk.t VALUES (3)").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        target.value("SELECT epoch FROM tributary.engine_status").await?,
        before,
        "turned off"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}
