//! The relay log: receiving does not depend on applying, what was received is not lost with the source, and what was damaged is
//! fetched again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tributary::{IoState, Replicator, SqlState};
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

use crate::faults::relayed;
use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair, relay_dir, root, status, stopped,
    until,
};

/// Where the source stands.
async fn source_end(source: &Server) -> anyhow::Result<(String, u64)> {
    let status = source.rows("SHOW MASTER STATUS").await?;
    let file = status[0][0].clone().context("file")?;
    Ok((file, status[0][1].clone().context("offset")?.parse()?))
}

/// Waits until everything of the source is in the relay log.
async fn received(engine: &Replicator, source: &Server) -> anyhow::Result<()> {
    let end = source_end(source).await?;
    until(&format!("{end:?} to be received"), || {
        let read = status(engine, "m1").read;
        Ok((read.file, read.offset) == end)
    })
    .await
}

fn relay_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("relay-bin.0"))
        .collect();
    files.sort();
    files
}

/// The target is away, then the source forgets its binlogs and is away, too: everything is applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_received_is_applied_without_the_source() -> anyhow::Result<()> {
    log();
    let (mut source, mut target) = pair(ServerOptions::source(1)).await?;
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE n (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; \
             CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=MyISAM; INSERT INTO n VALUES (1, 0)"
        ))
        .await?;
    let mut options = options(&source, &target);
    let relay = options.connections[0].relay_log.as_mut().unwrap();
    relay.file_bytes_max = 100_000;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    target.kill().await;
    for round in 0..20 {
        let mut sql = format!("USE {SOURCE_DB};");
        for step in 0..200 {
            sql.push_str(&format!(
                "UPDATE n SET n=n+1; INSERT INTO log (n) VALUES ({round} * 1000 + {step});"
            ));
        }
        source.run(&sql).await?;
    }
    received(&engine, &source).await?;
    assert!(relay_files(&relay_dir(&target)).len() > 5);
    assert_eq!(status(&engine, "m1").io_state, IoState::Running);
    assert!(status(&engine, "m1").relay_log_bytes.unwrap() > 500_000);
    // An engine that is killed with all of it in its log goes on from there.
    drop(engine);
    let (end, _) = source_end(&source).await?;
    source.run("FLUSH BINARY LOGS").await?;
    source.run(&format!("PURGE BINARY LOGS TO '{end}'")).await?;
    source.shutdown().await;
    target.start_again().await?;
    let engine = Replicator::start(options.clone()).await?;
    until("everything received to be applied", || {
        Ok(target_is_at(&engine, &end))
    })
    .await?;
    assert_eq!(
        target.value(&format!("SELECT n FROM {TARGET_DB}.n")).await?,
        "4000"
    );
    assert_eq!(
        target
            .value(&format!("SELECT COUNT(*) FROM {TARGET_DB}.log"))
            .await?,
        "4000"
    );
    source.start_again().await?;
    source
        .run(&format!("INSERT INTO {SOURCE_DB}.log (n) VALUES (-1)"))
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    // What is applied is removed, with a second's delay, whether or not the source is silent that long.
    let purged = until("files to be purged", || {
        Ok(relay_files(&relay_dir(&target)).len() <= 2)
    });
    tokio::time::timeout(std::time::Duration::from_secs(15), purged).await??;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Everything received is applied, up to this file at least.
fn target_is_at(engine: &Replicator, file: &str) -> bool {
    let now = status(engine, "m1");
    now.executed == now.read && now.executed.file.as_str() >= file
}

/// The applier has stopped at an error, and the source goes on being received; a byte of the log is changed: after the
/// reason is gone, everything is on the target once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_fetched_again() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE n (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; \
             CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=MyISAM; INSERT INTO n VALUES (1, 0)"
        ))
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].relay_log.as_mut().unwrap().file_bytes_max = 50_000;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    let table = target.rows(&format!("SHOW CREATE TABLE {TARGET_DB}.log")).await?[0][1]
        .clone()
        .unwrap();
    target.run(&format!("DROP TABLE {TARGET_DB}.log")).await?;
    let write = async |rounds: i32| {
        let mut sql = format!("USE {SOURCE_DB};");
        for step in 0..rounds {
            sql.push_str(&format!(
                "UPDATE n SET n=n+1; INSERT INTO log (n) VALUES ({step});"
            ));
        }
        source.run(&sql).await
    };
    write(1).await?;
    assert_eq!(stopped(&engine, "m1").await?.number, 1146);
    write(1000).await?;
    received(&engine, &source).await?;
    assert_eq!(status(&engine, "m1").sql_state, SqlState::Stopped);
    assert_eq!(status(&engine, "m1").io_state, IoState::Running);
    engine.stop().await;
    let files = relay_files(&relay_dir(&target));
    assert!(files.len() > 5, "{files:?}");
    let mut bytes = fs::read(&files[2])?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&files[2], bytes)?;
    target.run(&format!("USE {TARGET_DB}; {table}")).await?;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    engine.stop().await;
    // A last file that ends in the middle of an event.
    write(50).await?;
    let files = relay_files(&relay_dir(&target));
    let last = files.last().unwrap();
    let length = fs::metadata(last)?.len();
    fs::OpenOptions::new()
        .write(true)
        .open(last)?
        .set_len(length - 7)?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// The log never takes more than its limit, whether the applier is slow or a group is larger than the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limited_log_holds_the_source_back_and_goes_on() -> anyhow::Result<()> {
    const LIMIT: u64 = 1 << 20;
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--log-bin-compress=OFF")).await?;
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, t LONGTEXT) ENGINE=InnoDB; \
             SET SESSION binlog_format=ROW; INSERT INTO t (t) SELECT REPEAT('x', 5000) FROM seq_1_to_2000"
        ))
        .await?;
    let mut options = options(&source, &target);
    let connection = &mut options.connections[0];
    connection.relay_log.as_mut().unwrap().space_bytes_max = Some(LIMIT);
    connection.relay_bytes_max = 256 << 10;
    connection.group_bytes_max = 64 << 10;
    let engine = Replicator::start(options.clone()).await?;
    let dir = relay_dir(&target);
    let used = || -> u64 {
        let sizes = relay_files(&dir)
            .into_iter()
            .filter_map(|path| Some(fs::metadata(path).ok()?.len()));
        sizes.sum()
    };
    let mut caught = Box::pin(caught_up(&engine, "m1", &source));
    loop {
        tokio::select! {
            caught = &mut caught => break caught?,
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {
                assert!(used() <= LIMIT, "{}", used());
            }
        }
    }
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    drop(caught);
    // The applier waits for somebody's lock; the source is read until the log is full.
    let mut lock = Client::connect(&root(&target)).await?;
    lock.execute(format!("LOCK TABLES {TARGET_DB}.t READ").as_bytes())
        .await?;
    for _ in 0..40 {
        source
            .run(&format!(
                "INSERT INTO {SOURCE_DB}.t (t) VALUES (REPEAT('y', 40000)), ('{}')",
                "z".repeat(50_000)
            ))
            .await?;
    }
    until("the log to be full", || {
        Ok(status(&engine, "m1").io_state == IoState::Waiting)
    })
    .await?;
    assert!(used() <= LIMIT && used() > LIMIT / 2, "{}", used());
    assert_eq!(status(&engine, "m1").last_error, None);
    drop(lock);
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// What comes in one delivery with a damaged event, in front of it, is received once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_in_front_of_a_damaged_event_arrive_once() -> anyhow::Result<()> {
    let (source, target, line, mut options) =
        relayed(ServerOptions::source(1).arg("--log-bin-compress=OFF")).await?;
    options.connections[0].connect_retry = std::time::Duration::from_millis(100);
    source
        .run(&format!(
            "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE t (n INT) ENGINE=MyISAM"
        ))
        .await?;
    for n in 0..400 {
        source
            .run(&format!("INSERT INTO {SOURCE_DB}.t VALUES ({n})"))
            .await?;
    }
    // Behind the login and what the source is asked.
    line.flip_after_bytes(30_011);
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(line.connections_ever() > 1, "nothing was damaged");
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}
