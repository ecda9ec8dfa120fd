//! Single connections are started, stopped, changed, made and removed while the engine runs, and nothing is lost or doubled by it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tributary::{
    ConnectionOptions, ControlError, IoState, Origins, RelayLogOptions, Replicator, SqlState, Threads, Until,
};
use tributary_binlog::{Coordinates, GtidPos};
use tributary_sandbox::{Server, ServerOptions, Traffic, TrafficPlan, schema};

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, connection, log, options, pair, root, status, stopped,
    until,
};

const IO: Threads = Threads { io: true, sql: false };
const SQL: Threads = Threads { io: false, sql: true };

/// Where the source stands.
async fn source_end(source: &Server) -> anyhow::Result<Coordinates> {
    let status = source.rows("SHOW MASTER STATUS").await?;
    let file = status[0][0].clone().context("file")?;
    Ok(Coordinates::new(
        file,
        status[0][1].clone().context("offset")?.parse()?,
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_and_starts_under_traffic_are_exact() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    schema::create(&source, 1).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let controller = engine.controller();
    let plan = TrafficPlan {
        statements_max: Some(4000),
        statements_per_second_max: Some(1500),
        ..TrafficPlan::new(5)
    };
    let traffic = Traffic::start(&source, plan)?;
    for threads in [Threads::BOTH, SQL, IO, Threads::BOTH, SQL, Threads::BOTH] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let before = status(&engine, "m1").io_state;
        let begun = Instant::now();
        controller.stop("M1", threads).await?;
        ensure!(begun.elapsed() < Duration::from_secs(10));
        let now = status(&engine, "m1");
        assert_eq!(now.io_state == IoState::Stopped, threads.io, "{now:?}");
        if !threads.io && before == IoState::Running {
            assert_eq!(now.io_state, before, "the stream goes on: {now:?}");
        }
        assert_eq!(now.sql_state == SqlState::Stopped, threads.sql, "{now:?}");
        if threads.sql {
            let here = now.executed;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(
                status(&engine, "m1").executed,
                here,
                "nothing is applied any more"
            );
        }
        controller.start("m1", threads, None).await?;
    }
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_behind_a_fixed_cause_goes_on_in_order() -> anyhow::Result<()> {
    log();
    for table_engine in ["MyISAM", "InnoDB"] {
        let (source, target) = pair(ServerOptions::source(1)).await?;
        source
            .run(&format!(
                "CREATE DATABASE {SOURCE_DB}; CREATE TABLE {SOURCE_DB}.t (a INT PRIMARY KEY) ENGINE={table_engine}"
            ))
            .await?;
        let engine = Replicator::start(options(&source, &target)).await?;
        let controller = engine.controller();
        caught_up(&engine, "m1", &source).await?;
        target
            .run(&format!("INSERT INTO {TARGET_DB}.t VALUES (1)"))
            .await?;
        source
            .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (1)"))
            .await?;
        assert_eq!(stopped(&engine, "m1").await?.number, 1062);
        target
            .run(&format!("DELETE FROM {TARGET_DB}.t WHERE a=1"))
            .await?;
        controller.start("m1", SQL, None).await?;
        caught_up(&engine, "m1", &source).await?;
        source
            .run(&format!(
                "DELETE FROM {SOURCE_DB}.t; INSERT INTO {SOURCE_DB}.t VALUES (1); INSERT INTO {SOURCE_DB}.t VALUES (2)"
            ))
            .await?;
        caught_up(&engine, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
        // A group that is passed over is one group, and the target's own row stays.
        target
            .run(&format!("INSERT INTO {TARGET_DB}.t VALUES (3)"))
            .await?;
        source
            .run(&format!(
                "INSERT INTO {SOURCE_DB}.t VALUES (3); INSERT INTO {SOURCE_DB}.t VALUES (4)"
            ))
            .await?;
        assert_eq!(stopped(&engine, "m1").await?.number, 1062);
        controller.skip_events("m1", 1).await?;
        // Another setting does not take the order back.
        controller.stop("m1", Threads::BOTH).await?;
        let mut changed = options(&source, &target).connections.remove(0);
        changed.connect_retry = Duration::from_millis(300);
        controller.put(changed, None).await?;
        controller.start("m1", Threads::BOTH, None).await?;
        caught_up(&engine, "m1", &source).await?;
        // It is passed over for good.
        controller.stop("m1", Threads::BOTH).await?;
        controller.start("m1", Threads::BOTH, None).await?;
        source
            .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (5)"))
            .await?;
        caught_up(&engine, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
        assert!(engine.stop().await.is_clean);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_passed_over_is_so_after_the_target_was_lost() -> anyhow::Result<()> {
    log();
    let (source, mut target) = pair(ServerOptions::source(1)).await?;
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; CREATE TABLE {SOURCE_DB}.t (a INT PRIMARY KEY)"
        ))
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].delay = Duration::from_secs(3);
    let engine = Replicator::start(options).await?;
    let controller = engine.controller();
    caught_up(&engine, "m1", &source).await?;
    controller.stop("m1", SQL).await?;
    source
        .run(&format!(
            "INSERT INTO {SOURCE_DB}.t VALUES (1); INSERT INTO {SOURCE_DB}.t VALUES (2)"
        ))
        .await?;
    controller.skip_events("m1", 1).await?;
    controller.start("m1", SQL, None).await?;
    // The group waits for its delay.
    target.kill().await;
    until("the loss", || Ok(engine.status().target.state == "connecting")).await?;
    target.start_again().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        target
            .value(&format!("SELECT GROUP_CONCAT(a) FROM {TARGET_DB}.t"))
            .await?,
        "2"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_come_and_go() -> anyhow::Result<()> {
    log();
    let (first, target) = pair(ServerOptions::source(1)).await?;
    let second = Server::start(ServerOptions::source(2)).await?;
    for source in [&first, &second] {
        source
            .run(&format!(
                "CREATE DATABASE {SOURCE_DB}; CREATE TABLE {SOURCE_DB}.t (a INT PRIMARY KEY); INSERT INTO {SOURCE_DB}.t VALUES (@@server_id)"
            ))
            .await?;
    }
    let engine = Replicator::start(options(&first, &target)).await?;
    let controller = engine.controller();
    let new = |origins: Origins| ConnectionOptions {
        relay_log: Some(RelayLogOptions::new(target.data_dir().join(".relay-m2"))),
        origins,
        ..connection("m2", &second, &format!("{SOURCE_DB}->m2_asterisk"))
    };
    controller
        .put(
            new(Origins::default()),
            Some((Coordinates::new("", 4), GtidPos::new())),
        )
        .await?;
    assert_eq!(status(&engine, "m2").io_state, IoState::Stopped);
    controller.start("m2", Threads::BOTH, None).await?;
    caught_up(&engine, "m2", &second).await?;
    assert_equal(&second, &target, "m2_asterisk", &[]).await?;
    let refused = controller.put(new(Origins::default()), None).await;
    assert!(matches!(refused, Err(ControlError::Running(_))), "{refused:?}");
    assert!(matches!(
        controller.remove("m2").await,
        Err(ControlError::Running(_))
    ));
    // With other options it goes on where it was.
    controller.stop("m2", Threads::BOTH).await?;
    let ignored = Origins {
        ignore_server_ids: vec![2],
        ..Origins::default()
    };
    controller.put(new(ignored), None).await?;
    second
        .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (100)"))
        .await?;
    controller.start("m2", Threads::BOTH, None).await?;
    caught_up(&engine, "m2", &second).await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM m2_asterisk.t").await?, "1");
    controller.stop("m2", Threads::BOTH).await?;
    controller.remove("m2").await?;
    assert!(controller.connection("m2").is_none());
    assert!(matches!(
        controller.start("m2", Threads::BOTH, None).await,
        Err(ControlError::Unknown(_))
    ));
    assert_eq!(
        target.value("SELECT COUNT(*) FROM m2_asterisk.t").await?,
        "1",
        "its data stays"
    );
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM tributary.position WHERE connection='m2'")
            .await?,
        "0"
    );
    first
        .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (7)"))
        .await?;
    caught_up(&engine, "m1", &first).await?;
    assert_equal(&first, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_ends_where_it_is_told() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; CREATE TABLE {SOURCE_DB}.t (a INT PRIMARY KEY)"
        ))
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let controller = engine.controller();
    caught_up(&engine, "m1", &source).await?;
    controller.stop("m1", Threads::BOTH).await?;
    source
        .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (1)"))
        .await?;
    let place = source_end(&source).await?;
    source
        .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (2)"))
        .await?;
    let gtid: GtidPos = source.value("SELECT @@gtid_binlog_pos").await?.parse()?;
    source
        .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES (3)"))
        .await?;
    let count = || async { target.value(&format!("SELECT COUNT(*) FROM {TARGET_DB}.t")).await };
    for (ends, rows) in [(Until::Coordinates(place.clone()), "1"), (Until::Gtid(gtid), "2")] {
        controller.start("m1", Threads::BOTH, Some(ends)).await?;
        until("applying to end", || {
            Ok(status(&engine, "m1").sql_state == SqlState::Stopped)
        })
        .await?;
        assert_eq!(count().await?, rows);
        assert_eq!(status(&engine, "m1").sql_error, None);
        controller.stop("m1", IO).await?;
    }
    // A place that is passed is waited for no longer, one that does not come for as long as is told.
    assert_eq!(controller.wait_for_place("m1", &place, None).await, Some(true));
    let later = Coordinates::new(place.file.clone(), place.offset + 1_000_000);
    assert_eq!(
        controller.wait_for_place("m1", &later, None).await,
        None,
        "nothing is applied"
    );
    controller.start("m1", Threads::BOTH, None).await?;
    let short = Some(Duration::from_millis(20));
    assert_eq!(controller.wait_for_place("m1", &later, short).await, Some(false));
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// A native replica's thread takes the server's settings when it starts. So do logins, unless a temporary table lives in one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_finds_the_settings_of_the_target_as_they_are() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let controller = engine.controller();
    let run = async |sql: &str| {
        source.run(&format!("USE {SOURCE_DB}; {sql}")).await?;
        caught_up(&engine, "m1", &source).await
    };
    let begin_anew = async |settings: &str| {
        controller.stop("m1", Threads::BOTH).await?;
        target.run(settings).await?;
        controller.start("m1", Threads::BOTH, None).await?;
        anyhow::Ok(())
    };
    let engine_of = async |table: &str| {
        let sql = format!("SELECT engine FROM information_schema.tables WHERE table_name='{table}'");
        target.value(&sql).await
    };
    source.run(&format!("CREATE DATABASE {SOURCE_DB}")).await?;
    run("CREATE TABLE a (a INT)").await?;
    begin_anew("SET GLOBAL default_storage_engine=MEMORY").await?;
    run("CREATE TABLE b (a INT)").await?;
    assert_eq!(
        (engine_of("a").await?, engine_of("b").await?),
        ("MyISAM".to_owned(), "MEMORY".to_owned())
    );

    // What a temporary table holds is needed still.
    let session = root(&source);
    let mut session = tributary_client::Client::connect(&session).await?;
    for sql in [
        &format!("USE {SOURCE_DB}"),
        "SET binlog_format=STATEMENT",
        "CREATE TEMPORARY TABLE t (a INT)",
        "INSERT INTO t VALUES (1), (2)",
    ] {
        session.execute(sql.as_bytes()).await?;
    }
    caught_up(&engine, "m1", &source).await?;
    begin_anew("SET GLOBAL default_storage_engine=MyISAM").await?;
    session.execute(b"INSERT INTO a SELECT a FROM t").await?;
    session.execute(b"DROP TEMPORARY TABLE t").await?;
    run("CREATE TABLE c (a INT)").await?;
    assert_eq!(
        target
            .value(&format!("SELECT COUNT(*) FROM {TARGET_DB}.a"))
            .await?,
        "2"
    );
    assert_eq!(engine_of("c").await?, "MEMORY");
    begin_anew("DO 0").await?;
    run("CREATE TABLE d (a INT)").await?;
    assert_eq!(engine_of("d").await?, "MyISAM");
    assert!(engine.stop().await.is_clean);
    Ok(())
}
