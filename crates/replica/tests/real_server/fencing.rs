//! An engine whose epoch is over writes nothing, even with sessions that nobody has ended.

use crate::support::{CATCH_UP, TARGET_DB, caught_up, log, options, pair};
use anyhow::ensure;
use tributary::Replicator;
use tributary_sandbox::ServerOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_whose_epoch_is_over_writes_nothing() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE m (a INT) ENGINE=MyISAM; CREATE TABLE i (a INT) ENGINE=InnoDB;\
             CREATE TABLE k (a INT PRIMARY KEY) ENGINE=MyISAM",
        )
        .await?;
    // Enough for several packets, some of which are executed in bulk.
    let many: Vec<String> = (0..400).map(|a| format!("INSERT INTO k VALUES ({a})")).collect();
    let many = many.join(";");
    for changes in [
        "INSERT INTO m VALUES (1); UPDATE m SET a=a+1",
        "INSERT INTO i VALUES (1); UPDATE i SET a=a+1",
        "SET binlog_format=ROW; INSERT INTO m VALUES (1); UPDATE m SET a=a+1",
        "SET binlog_format=ROW; INSERT INTO i VALUES (1); UPDATE i SET a=a+1",
        &many,
    ] {
        let engine = Replicator::start(options(&source, &target)).await?;
        caught_up(&engine, "m1", &source).await?;
        let count = format!(
            "SELECT SUM(n) FROM (SELECT COUNT(*)+COALESCE(SUM(a),0) n FROM {TARGET_DB}.m UNION ALL \
             SELECT COUNT(*)+COALESCE(SUM(a),0) FROM {TARGET_DB}.i UNION ALL SELECT COUNT(*) FROM {TARGET_DB}.k) c"
        );
        let before = target.value(&count).await?;
        target.run("UPDATE tributary.position SET epoch=epoch+1").await?;
        source.run(&format!("USE asterisk; {changes}")).await?;
        tokio::time::timeout(CATCH_UP, engine.wait_all_stopped()).await?;
        let status = engine.status();
        let error = status.connections[0].last_error.as_ref();
        ensure!(
            error.is_some_and(|error| error.message.contains("another engine has begun to write")),
            "{changes}: {status:#?}"
        );
        assert_eq!(target.value(&count).await?, before, "{changes}");
        engine.stop().await;
    }
    // The next one goes on where the last left off.
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let rows = "SELECT (SELECT GROUP_CONCAT(a ORDER BY a) FROM m1_asterisk.m),(SELECT GROUP_CONCAT(a ORDER BY a) FROM m1_asterisk.i),\
                (SELECT COUNT(*) FROM m1_asterisk.k)";
    assert_eq!(
        target.rows(rows).await?,
        source.rows(&rows.replace("m1_", "")).await?
    );
    Ok(())
}
