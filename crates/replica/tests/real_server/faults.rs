//! Whatever happens to a source, to the target or to the line between, the engine goes on exactly, or stops with the reason.

use std::time::{Duration, Instant};

use crate::support::{
    CATCH_UP, SOURCE_DB, TARGET_DB, assert_equal, caught_up, connection, create_innodb, keeps_trying, log,
    open_tcp, options, pair, status, stopped, tcp, until,
};
use anyhow::{Context as _, ensure};
use tributary::{IoState, Options, Replicator};
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_sandbox::{Server, ServerOptions, TcpRelay, Traffic, TrafficPlan, schema};

/// One table, so that a fault is about nothing else.
const TABLE: &str = "CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT AUTO_INCREMENT PRIMARY KEY, b LONGTEXT) ENGINE=InnoDB";

/// A pair whose connection `m1` runs through a relay.
pub async fn relayed(source: ServerOptions) -> anyhow::Result<(Server, Server, TcpRelay, Options)> {
    log();
    let (source, target) = pair(source).await?;
    open_tcp(&source).await?;
    let relay = TcpRelay::start(source.port()).await?;
    let mut options = options(&source, &target);
    options.connections[0].source = tcp(relay.port());
    Ok((source, target, relay, options))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_anywhere_goes_on_behind_the_last_whole_group() -> anyhow::Result<()> {
    cut_anywhere(true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_relay_log_goes_on_behind_the_last_whole_group() -> anyhow::Result<()> {
    cut_anywhere(false).await
}

async fn cut_anywhere(has_relay_log: bool) -> anyhow::Result<()> {
    let (source, target, relay, mut options) = relayed(ServerOptions::source(1)).await?;
    options.connections[0].relay_log.take_if(|_| !has_relay_log);
    schema::create(&source, 1).await?;
    let engine = Replicator::start(options).await?;
    let plan = TrafficPlan {
        statements_max: Some(4000),
        statements_per_second_max: Some(800),
        ..TrafficPlan::new(21)
    };
    let traffic = Traffic::start(&source, plan)?;
    for cut in 0..12 {
        let before = (relay.connections_ever(), status(&engine, "m1").groups_applied);
        // Odd numbers: inside headers, bodies and checksums, in the middle of groups.
        relay.cut_after_bytes(4001 + 1777 * cut);
        until("the cut", || Ok(relay.connections_ever() > before.0)).await?;
        until("work behind the cut", || {
            Ok(status(&engine, "m1").groups_applied > before.1)
        })
        .await?;
    }
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transaction_cut_in_its_middle_arrives_once() -> anyhow::Result<()> {
    let (source, target, relay, options) = relayed(
        ServerOptions::source(1)
            .arg("--binlog-format=ROW")
            .arg("--log-bin-compress=OFF"),
    )
    .await?;
    source.run(TABLE).await?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    relay.cut_after_bytes(150_000);
    let before = relay.connections_ever();
    source.run("USE asterisk; BEGIN; INSERT INTO t (b) SELECT REPEAT('x', 1000) FROM seq_1_to_200; UPDATE t SET b=CONCAT(b, 'y'); COMMIT").await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(relay.connections_ever() > before, "the stream was cut");
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_line_is_noticed_after_net_timeout() -> anyhow::Result<()> {
    let (source, target, relay, mut options) = relayed(ServerOptions::source(1)).await?;
    options.connections[0].net_timeout = Duration::from_secs(2);
    options.connections[0].heartbeat_period = Duration::from_millis(500);
    source.run(TABLE).await?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    let heartbeats = status(&engine, "m1").heartbeats;
    until("heartbeats on an idle line", || {
        Ok(status(&engine, "m1").heartbeats > heartbeats + 4)
    })
    .await?;
    assert_eq!(relay.connections_ever(), 1, "an idle line is no broken one");
    relay.stall(true);
    source
        .run("INSERT INTO asterisk.t (b) VALUES ('while nothing passes')")
        .await?;
    keeps_trying(&engine, "m1", 2013).await?;
    assert_eq!(
        status(&engine, "m1").seconds_behind,
        None,
        "nobody knows what the source has written"
    );
    relay.stall(false);
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(status(&engine, "m1").last_error, None);
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// The source goes away under traffic and comes back.
async fn source_comes_back(killed: bool) -> anyhow::Result<()> {
    log();
    let (mut source, target) = pair(
        ServerOptions::source(1)
            .arg("--sync-binlog=1")
            .arg("--default-storage-engine=InnoDB"),
    )
    .await?;
    target.run("SET GLOBAL default_storage_engine=InnoDB").await?;
    create_innodb(&source, 1).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let plan = TrafficPlan {
        ddl: false,
        statements_max: Some(4000),
        statements_per_second_max: Some(600),
        ..TrafficPlan::new(22)
    };
    let traffic = Traffic::start(&source, plan)?;
    for round in 1..=2 {
        let due = status(&engine, "m1").groups_applied + 150;
        until("traffic", || Ok(status(&engine, "m1").groups_applied >= due)).await?;
        if killed {
            source.kill().await
        } else {
            source.shutdown().await
        }
        keeps_trying(&engine, "m1", 2003)
            .await
            .with_context(|| format!("round {round}"))?;
        source.start_again().await?;
    }
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_restarted_is_followed() -> anyhow::Result<()> {
    source_comes_back(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_killed_is_followed() -> anyhow::Result<()> {
    source_comes_back(true).await
}

/// The target goes away under traffic and comes back.
async fn target_comes_back(killed: bool) -> anyhow::Result<()> {
    log();
    let (source, mut target) = pair(ServerOptions::source(1).arg("--default-storage-engine=InnoDB")).await?;
    target
        .options_mut()
        .args
        .push("--default-storage-engine=InnoDB".to_owned());
    target.run("SET GLOBAL default_storage_engine=InnoDB").await?;
    create_innodb(&source, 1).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let plan = TrafficPlan {
        ddl: false,
        statements_max: Some(4000),
        statements_per_second_max: Some(600),
        ..TrafficPlan::new(23)
    };
    let traffic = Traffic::start(&source, plan)?;
    for _ in 0..2 {
        let due = status(&engine, "m1").groups_applied + 150;
        until("traffic", || Ok(status(&engine, "m1").groups_applied >= due)).await?;
        if killed {
            target.kill().await
        } else {
            target.shutdown().await
        }
        until("the loss", || Ok(engine.status().target.state == "connecting")).await?;
        assert!(engine.status().target.last_error.is_some());
        target.start_again().await?;
        until("the target", || Ok(engine.status().target.state == "running")).await?;
    }
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_restarted_is_written_again() -> anyhow::Result<()> {
    target_comes_back(false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_killed_is_written_again() -> anyhow::Result<()> {
    target_comes_back(true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_tables_that_a_restart_has_emptied_are_named_once() -> anyhow::Result<()> {
    log();
    let (source, mut target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    source
        .run("CREATE TABLE asterisk.live (id INT PRIMARY KEY) ENGINE=MEMORY; INSERT INTO asterisk.live VALUES (1)")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let named = "SELECT IFNULL(GROUP_CONCAT(kind, ' ', connection, ' ', database_name, '.', table_name), '') FROM tributary.skipped";
    assert_eq!(target.value(named).await?, "");
    target.kill().await;
    until("the loss", || Ok(engine.status().target.state == "connecting")).await?;
    target.start_again().await?;
    source.run("INSERT INTO asterisk.t (b) VALUES ('later')").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(target.value(named).await?, "emptied m1 m1_asterisk.live");
    assert_eq!(status(&engine, "m1").records[0].count, 1);
    assert!(engine.stop().await.is_clean);
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(target.value(named).await?, "emptied m1 m1_asterisk.live");
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_the_target_is_away_is_not_called_clean() -> anyhow::Result<()> {
    log();
    let (source, mut target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    target.kill().await;
    until("the loss", || Ok(engine.status().target.state == "connecting")).await?;
    assert!(!engine.stop().await.is_clean, "its position may not be saved");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_binlog_is_followed() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    for round in 0..5 {
        source
            .run(&format!(
                "INSERT INTO asterisk.t (b) VALUES ('{round}'); FLUSH BINARY LOGS; FLUSH BINARY LOGS"
            ))
            .await?;
    }
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(status(&engine, "m1").executed.file, "mysql-bin.000011");
    // What has been applied may go: the saved position does not hold on to an old file.
    assert!(engine.stop().await.is_clean);
    purge(&source, "mysql-bin.000011").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    source.run("INSERT INTO asterisk.t (b) VALUES ('last')").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// Deletes every file before `file`. A source keeps a file until it has noticed that its reader is gone.
async fn purge(source: &Server, file: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    while source.value("SHOW BINARY LOGS").await? != file {
        ensure!(
            Instant::now() < deadline,
            "the source does not purge up to {file}"
        );
        source.run(&format!("PURGE BINARY LOGS TO '{file}'")).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_binlog_stops_its_connection_and_no_other() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let other = Server::start(ServerOptions::source(2)).await?;
    source.run(TABLE).await?;
    other.run(TABLE).await?;
    let mut both = options(&source, &target);
    both.connections
        .push(connection("m2", &other, "asterisk->m2_asterisk"));
    let engine = Replicator::start(both.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    caught_up(&engine, "m2", &other).await?;
    assert!(engine.stop().await.is_clean);
    source
        .run("INSERT INTO asterisk.t (b) VALUES ('gone'); FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        .await?;
    purge(&source, "mysql-bin.000003").await?;
    let engine = Replicator::start(both).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1236, "{}", error.message);
    assert!(
        error.message.contains("purged") && error.message.contains("mysql-bin.000001"),
        "{}",
        error.message
    );
    assert_eq!(status(&engine, "m1").io_state, IoState::Stopped);
    other.run("INSERT INTO asterisk.t (b) VALUES ('goes on')").await?;
    caught_up(&engine, "m2", &other).await?;
    assert_equal(&other, &target, "m2_asterisk", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_cannot_be_reached_are_tried_again() -> anyhow::Result<()> {
    log();
    let (mut source, target) = pair(ServerOptions::source(1)).await?;
    open_tcp(&source).await?;
    source.run(TABLE).await?;
    let mut options = options(&source, &target);
    let to = |name: &str, login: ConnectOptions| {
        let mut new = connection(name, &source, &format!("asterisk->{name}_asterisk"));
        new.source = login;
        new
    };
    let unknown = Address::Tcp {
        host: "no-such-host.invalid".to_owned(),
        port: source.port(),
    };
    let wrong = Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port: source.port(),
    };
    options.connections = vec![
        to("m1", tcp(source.port())),
        to("unknown", ConnectOptions::new(unknown, "root", Secret::new(""))),
        to(
            "denied",
            ConnectOptions::new(wrong, "nobody", Secret::new("hunter2")),
        ),
    ];
    for (index, connection) in options.connections.iter_mut().enumerate() {
        connection.server_id = Some(80 + u32::try_from(index)?);
    }
    source.shutdown().await;
    let engine = Replicator::start(options).await?;
    keeps_trying(&engine, "m1", 2003).await?;
    let message = keeps_trying(&engine, "unknown", 2005).await?;
    assert!(message.contains("no-such-host.invalid"), "{message}");
    source.start_again().await?;
    let message = keeps_trying(&engine, "denied", 1045).await?;
    assert!(
        message.contains("nobody") && !message.contains("hunter2"),
        "{message}"
    );
    caught_up(&engine, "m1", &source).await?;
    source.run("SET sql_log_bin=0; CREATE USER nobody@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT REPLICATION SLAVE ON *.* TO nobody@'127.0.0.1'").await?;
    until("the account to work", || {
        Ok(status(&engine, "denied").io_state == IoState::Running)
    })
    .await?;
    caught_up(&engine, "denied", &source).await?;
    assert_eq!(status(&engine, "denied").last_error, None);
    assert_equal(&source, &target, "denied_asterisk", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_id_in_use_stops_with_the_reason() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(77)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1593, "{}", error.message);
    assert!(error.message.contains("server_id 77"), "{}", error.message);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_replica_of_the_same_id_ends_the_first_with_the_reason() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let mut both = options(&source, &target);
    let mut second = connection("m2", &source, "asterisk->m2_asterisk");
    second.server_id = Some(77);
    both.connections.push(second);
    let engine = Replicator::start(both).await?;
    let has_stopped = |name| status(&engine, name).io_state == IoState::Stopped;
    until("one of them to stop", || {
        Ok(has_stopped("m1") || has_stopped("m2"))
    })
    .await?;
    let name = if has_stopped("m1") { "m1" } else { "m2" };
    let error = status(&engine, name).last_error.context("the reason")?;
    assert_eq!(error.number, 1236, "{}", error.message);
    assert!(error.message.contains("server_id"), "{}", error.message);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_without_binlog_stops_with_the_reason() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::plain(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1236, "{}", error.message);
    assert!(error.message.contains("log_bin"), "{}", error.message);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_replication_slave_stops_with_the_statement_that_mends_it() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("SET sql_log_bin=0; CREATE USER weak@'%' IDENTIFIED BY 'w'")
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].source.user = "weak".to_owned();
    options.connections[0].source.password = Secret::new("w");
    let engine = Replicator::start(options).await?;
    let error = stopped(&engine, "m1").await?;
    // 10.11 refuses the registration with 1045; the dump itself would get 1227.
    assert_eq!(error.number, 1045, "{}", error.message);
    assert!(
        error.message.contains("GRANT REPLICATION SLAVE"),
        "{}",
        error.message
    );
    assert_eq!(status(&engine, "m1").io_state, IoState::Stopped);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_an_operator_kills_is_begun_again() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let dump = source
        .value("SELECT id FROM information_schema.processlist WHERE command='Binlog Dump'")
        .await?;
    source
        .run(&format!(
            "KILL {dump}; INSERT INTO {SOURCE_DB}.t (b) VALUES ('behind')"
        ))
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// Waits until status warns of a purge, and tells how.
async fn purge_warning(engine: &Replicator, says: &str) -> anyhow::Result<String> {
    let warning = || status(engine, "m1").purge_warning.unwrap_or_default();
    until(&format!("a warning with {says:?}"), || {
        Ok(warning().contains(says))
    })
    .await
    .with_context(|| format!("{:#?}", engine.status()))?;
    Ok(warning())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_is_announced_before_it_happens_and_named_when_it_has() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE USER r@localhost IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO r@localhost")
        .await?;
    source.run(TABLE).await?;
    let mut options = options(&source, &target);
    let m1 = &mut options.connections[0];
    m1.source = ConnectOptions::new(Address::Unix(source.socket().to_owned()), "r", Secret::new("r"));
    m1.relay_log = None;
    m1.purge_check = Duration::from_millis(50);
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    target.run("DROP TABLE m1_asterisk.t").await?;
    source
        .run("SET GLOBAL binlog_expire_logs_seconds=86400; INSERT INTO asterisk.t (b) VALUES ('x'); FLUSH BINARY LOGS")
        .await?;
    stopped(&engine, "m1").await?;
    assert_eq!(status(&engine, "m1").purge_warning, None, "a day is left");
    source.run("SET GLOBAL binlog_expire_logs_seconds=3").await?;
    let warning = purge_warning(&engine, "may purge").await?;
    assert!(
        warning.contains("mysql-bin.000001") && warning.contains("for 3 s"),
        "{warning}"
    );
    source.run("SET GLOBAL binlog_expire_logs_seconds=86400").await?;
    until("the warning to end", || {
        Ok(status(&engine, "m1").purge_warning.is_none())
    })
    .await?;
    purge(&source, "mysql-bin.000002").await?;
    let warning = purge_warning(&engine, "has purged").await?;
    assert!(
        warning.contains("mysql-bin.000001") && warning.contains("oldest is mysql-bin.000002"),
        "{warning}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_without_checksums_is_resumed_inside_a_file() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-checksum=NONE")).await?;
    source.run(TABLE).await?;
    for round in 0..2 {
        source
            .run(&format!("INSERT INTO {SOURCE_DB}.t (b) VALUES ('{round}')"))
            .await?;
        let engine = Replicator::start(options(&source, &target)).await?;
        caught_up(&engine, "m1", &source).await?;
        assert!(engine.stop().await.is_clean);
    }
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
