//! Starting and resuming by GTID.

use crate::support::{SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair, status};
use tributary::{Replicator, StartPosition};
use tributary_sandbox::{Server, ServerOptions};

const TABLE: &str = "CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO asterisk.t (n) VALUES (1),(2)";

/// The values on the target, in order.
async fn values(target: &Server) -> anyhow::Result<String> {
    target
        .value("SELECT GROUP_CONCAT(n ORDER BY a) FROM m1_asterisk.t")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_from_a_gtid_position_leaves_out_what_is_before_it() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let position = source.value("SELECT @@gtid_binlog_pos").await?;
    // The copy of the data, as a person would make it; a second copy by the binlog would double it.
    target
        .run("CREATE DATABASE m1_asterisk; CREATE TABLE m1_asterisk.t (a INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO m1_asterisk.t (n) VALUES (1),(2)")
        .await?;
    source
        .run(&format!(
            "FLUSH BINARY LOGS; INSERT INTO {SOURCE_DB}.t (n) VALUES (3); UPDATE {SOURCE_DB}.t SET n=n+10"
        ))
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].start = Some(StartPosition::Gtid(position.parse()?));
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(values(&target).await?, "11,12,13");
    assert_eq!(
        status(&engine, "m1").gtid,
        source.value("SELECT @@gtid_binlog_pos").await?
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_by_gtid_are_exact() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLE).await?;
    let mut options = options(&source, &target);
    // The first start is by file and offset; the GTIDs of that place are the source's to tell.
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    options.connections[0].use_gtid = true;
    for round in 0..4 {
        source.run(&format!("UPDATE {SOURCE_DB}.t SET n=n+1; FLUSH BINARY LOGS; INSERT INTO {SOURCE_DB}.t (n) VALUES ({round})")).await?;
        let engine = Replicator::start(options.clone()).await?;
        source
            .run(&format!(
                "SET gtid_domain_id={}; UPDATE {SOURCE_DB}.t SET n=n+100 WHERE a=1",
                round % 3
            ))
            .await?;
        caught_up(&engine, "m1", &source).await?;
        // Every other time as a crash.
        if round % 2 == 0 {
            assert!(engine.stop().await.is_clean)
        } else {
            drop(engine)
        }
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    let saved = target
        .value("SELECT gtid_pos FROM tributary.position ORDER BY low_water DESC LIMIT 1")
        .await?;
    assert_eq!(saved.split(',').count(), 3, "one GTID per domain: {saved}");
    Ok(())
}
