//! Stopped and started again, cleanly or by a crash, the engine loses nothing and doubles nothing.

use std::time::Duration;

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, create_innodb, log, options, pair, status, until,
};
use anyhow::ensure;
use tributary::{Replicator, SqlState, StartError};
use tributary_sandbox::{Server, ServerOptions, Site, Traffic, TrafficPlan, schema};

/// Rounds of statements whose effect doubles when they are applied twice.
const COUNTING_ROUNDS: usize = 150;

/// Waits until a few more groups have been applied, so that a stop falls in the middle of work.
async fn works(engine: &Replicator, groups: u64) -> anyhow::Result<()> {
    let before = status(engine, "m1").groups_applied;
    until("some groups", || {
        let now = status(engine, "m1");
        ensure!(now.sql_state != SqlState::Stopped, "{:?}", now.last_error);
        Ok(now.groups_applied >= before + groups)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_stops_under_traffic_are_exact_for_every_engine() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    schema::create(&source, 1).await?;
    let plan = TrafficPlan {
        statements_max: Some(6000),
        statements_per_second_max: Some(800),
        ..TrafficPlan::new(11)
    };
    let traffic = Traffic::start(&source, plan)?;
    for round in 0..6 {
        let engine = Replicator::start(options(&source, &target)).await?;
        works(&engine, 100 + 70 * round).await?;
        let report = engine.stop().await;
        assert!(report.is_clean, "round {round}: {:#?}", report.status);
    }
    traffic.wait().await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

/// `n = n + 1` and a table without any key, alone and in transactions.
async fn count(source: Site) -> anyhow::Result<()> {
    for round in 0..COUNTING_ROUNDS {
        let one = round % 5;
        source
            .run(&format!(
                "USE {SOURCE_DB}; UPDATE counters SET n=n+1 WHERE id={one}; INSERT INTO keyless VALUES ({round}, 'alone'); \
                 BEGIN; UPDATE counters SET n=n+1 WHERE id IN (5,6); INSERT INTO keyless VALUES ({round}, 'both'); COMMIT; \
                 UPDATE counters SET n=n+1; INSERT INTO numbered (note) VALUES ('{round}'), (UUID()); \
                 DELETE FROM keyless WHERE a={} LIMIT 1",
                round / 2
            ))
            .await?;
    }
    Ok(())
}

/// The engine is dropped again and again while transactions come in.
async fn crashes_are_exact(engine: &str, format: &str) -> anyhow::Result<()> {
    log();
    let source = ServerOptions::source(1)
        .arg(&format!("--binlog-format={format}"))
        .arg(&format!("--default-storage-engine={engine}"));
    let (source, target) = pair(source).await?;
    target
        .run(&format!("SET GLOBAL default_storage_engine={engine}"))
        .await?;
    match engine {
        "InnoDB" => create_innodb(&source, 1).await?,
        _ => schema::create(&source, 1).await?,
    }
    source
        .run(&format!(
            "USE {SOURCE_DB}; CREATE TABLE counters (id INT PRIMARY KEY, n INT); CREATE TABLE keyless (a INT, b VARCHAR(10)); \
             CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(64)); \
             INSERT INTO counters VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0),(6,0)"
        ))
        .await?;
    let mut options = options(&source, &target);
    options.apply.set_rows = 4;
    // DDL cannot share a transaction with its position, so a crash behind it repeats it; that is another promise.
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    drop(engine);
    let plan = TrafficPlan {
        ddl: false,
        statements_max: Some(5000),
        statements_per_second_max: Some(800),
        ..TrafficPlan::new(12)
    };
    let traffic = Traffic::start(&source, plan)?;
    let counting = tokio::spawn(count(source.as_ref().clone()));
    for round in 0..8 {
        let engine = Replicator::start(options.clone()).await?;
        works(&engine, 40 + 37 * round).await?;
        drop(engine);
    }
    traffic.wait().await?;
    counting.await??;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_are_exact_for_innodb_in_mixed_format() -> anyhow::Result<()> {
    crashes_are_exact("InnoDB", "MIXED").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_are_exact_for_innodb_in_row_format() -> anyhow::Result<()> {
    crashes_are_exact("InnoDB", "ROW").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_are_exact_for_myisam_in_mixed_format() -> anyhow::Result<()> {
    crashes_are_exact("MyISAM", "MIXED").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_are_exact_for_myisam_in_row_format() -> anyhow::Result<()> {
    crashes_are_exact("MyISAM", "ROW").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_the_target_is_refused() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let first = Replicator::start(options(&source, &target)).await?;
    let mut other = options(&source, &target);
    other.connections[0].relay_log = None;
    let refused = Replicator::start(other).await.unwrap_err();
    assert!(
        matches!(&refused, StartError::Held(text) if text.contains("stop it")),
        "{refused}"
    );
    assert!(first.stop().await.is_clean);
    let second = Replicator::start(options(&source, &target)).await?;
    assert!(second.stop().await.is_clean);
    Ok(())
}

/// The newest saved position: groups, file, offset and GTIDs.
async fn saved(target: &Server) -> anyhow::Result<(u64, String, u64, String)> {
    let rows = target
        .rows("SELECT low_water, log_file, log_offset, gtid_pos FROM tributary.position WHERE connection='m1' ORDER BY low_water DESC LIMIT 1")
        .await?;
    let text = |index: usize| rows[0][index].clone().unwrap();
    Ok((text(0).parse()?, text(1), text(2).parse()?, text(3)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_saved_position_is_where_the_source_is() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    source
        .run(&format!("CREATE DATABASE {SOURCE_DB}; CREATE TABLE {SOURCE_DB}.t (a INT); INSERT INTO {SOURCE_DB}.t VALUES (1); INSERT INTO {SOURCE_DB}.t VALUES (2)"))
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    let at_source = source.rows("SHOW MASTER STATUS").await?;
    let (groups, file, offset, gtids) = saved(&target).await?;
    assert_eq!(
        (Some(file), Some(offset.to_string())),
        (at_source[0][0].clone(), at_source[0][1].clone())
    );
    assert_eq!(gtids, source.value("SELECT @@gtid_binlog_pos").await?);
    assert_eq!(groups, 4, "one group per statement");
    assert_eq!(
        target
            .value("SELECT done FROM tributary.position ORDER BY low_water DESC LIMIT 1")
            .await?,
        "",
        "nothing is open"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_work_is_quick() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let stop = tokio::time::timeout(Duration::from_secs(5), engine.stop()).await?;
    assert!(stop.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_was_executed_and_not_saved_is_not_repeated() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY) ENGINE=MyISAM; SET binlog_format=ROW; INSERT INTO asterisk.t VALUES (1)")
        .await?;
    let options = options(&source, &target);
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    source
        .run("ALTER TABLE asterisk.t ADD COLUMN b INT DEFAULT 7")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let executed = "SELECT GROUP_CONCAT(executed SEPARATOR '') FROM tributary.position";
    let said = target.value(executed).await?.replacen("0-1:", "0-1-", 1);
    assert_eq!(said, source.value("SELECT @@gtid_binlog_pos").await?);
    assert!(engine.stop().await.is_clean);

    // As an engine leaves it that is killed when the statement has run.
    source
        .run("ALTER TABLE asterisk.t ADD COLUMN c INT DEFAULT 8, ADD KEY (c)")
        .await?;
    let group = source
        .value("SELECT @@gtid_binlog_pos")
        .await?
        .replacen("0-1-", "0-1:", 1);
    target
        .run("ALTER TABLE m1_asterisk.t ADD COLUMN c INT DEFAULT 8, ADD KEY (c)")
        .await?;
    target
        .run(&format!(
            "UPDATE tributary.position SET executed='{group}' WHERE slot=1"
        ))
        .await?;
    source
        .run("SET binlog_format=ROW; INSERT INTO asterisk.t VALUES (2, 3, 4); UPDATE asterisk.t SET c=b WHERE a=1")
        .await?;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    let engine = Replicator::start(options).await?;
    source
        .run("SET binlog_format=ROW; INSERT INTO asterisk.t VALUES (5, 6, 7)")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, "m1_asterisk", &[]).await
}

/// What each life has left is gathered, and comes to more than the column once held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_lives_have_executed_finds_room() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT) ENGINE=MyISAM")
        .await?;
    let options = options(&source, &target);
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    for slot in [0, 1] {
        let executed: Vec<String> = (0..50)
            .map(|number| (100_000 + 4 * number + 2 * slot).to_string())
            .collect();
        let update = format!(
            "ALTER TABLE tributary.position MODIFY executed VARCHAR(512) NOT NULL DEFAULT ''; \
             UPDATE tributary.position SET executed='9-1:{}' WHERE slot={slot}",
            executed.join(".")
        );
        target.run(&update).await?;
    }
    for column in ["b", "c"] {
        let engine = Replicator::start(options.clone()).await?;
        source
            .run(&format!("ALTER TABLE asterisk.t ADD COLUMN {column} INT"))
            .await?;
        caught_up(&engine, "m1", &source).await?;
        assert!(engine.stop().await.is_clean);
    }
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
