//! Groups that no packet of the server both makes and saves: when the target is lost in the middle of one, nobody but a person can
//! tell what is there of it.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, stopped};
use tributary::Replicator;
use tributary_sandbox::{Server, ServerOptions};

const BEGUN: &str = "SELECT GROUP_CONCAT(begun SEPARATOR '') FROM tributary.position";

/// Waits until a load has brought some rows, and ends the session that loads.
async fn end_load(target: &Server) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    // A row takes 20 ms, and the table cannot be looked at meanwhile.
    let loading =
        "SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%' AND time_ms > 1000";
    loop {
        if let Ok(session) = target.value(loading).await.unwrap_or_default().parse::<u64>() {
            return target.run(&format!("KILL {session}")).await;
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "nothing is loaded");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_the_target_lost_in_its_middle_is_named() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--secure-file-priv=")).await?;
    let file = source.data_dir().join("rows.txt");
    let lines: String = (1..=400).map(|id| format!("{id}\n")).collect();
    std::fs::write(&file, lines)?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.m (id INT, n INT) ENGINE=MyISAM")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    // Slow on the target only, which has a function of the same name.
    source
        .run("CREATE FUNCTION asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n")
        .await?;
    caught_up(&engine, "m1", &source).await?;
    target
        .run("CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n + SLEEP(0.02)")
        .await?;
    let load = |into: &str| {
        format!(
            "SET SESSION binlog_format=STATEMENT; USE asterisk; LOAD DATA INFILE '{}' INTO TABLE m (id) SET n={into}",
            file.display()
        )
    };
    source.run(&load("slowly(id)")).await?;
    source.run("INSERT INTO asterisk.m VALUES (1000, 1)").await?;
    end_load(&target).await?;
    let error = stopped(&engine, "m1").await?;
    for part in [TARGET_DB, ".m", "begun=''", "done="] {
        assert!(error.message.contains(part), "{}", error.message);
    }
    let there: u32 = target
        .value("SELECT COUNT(*) FROM m1_asterisk.m")
        .await?
        .parse()?;
    assert!((1..400).contains(&there), "{there} rows");
    engine.stop().await;

    // A start alone changes nothing.
    let engine = Replicator::start(options(&source, &target)).await?;
    assert_eq!(stopped(&engine, "m1").await?.message, error.message);
    engine.stop().await;

    // The first way out: as it was before, and once more.
    target
        .run("TRUNCATE m1_asterisk.m; CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n; \
              UPDATE tributary.position SET begun='' WHERE connection='m1'")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // One that fails by itself is tried again when the connection is started.
    target.run("DROP FUNCTION m1_asterisk.slowly").await?;
    source.run(&load("slowly(id)")).await?;
    assert_eq!(stopped(&engine, "m1").await?.number, 1305);
    assert_eq!(target.value(BEGUN).await?, "");
    engine.stop().await;
    target
        .run("CREATE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}
