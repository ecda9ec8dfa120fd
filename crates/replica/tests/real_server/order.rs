//! Definitions do not overtake each other.

use crate::support::{caught_up, log, options, pair};
use tributary::Replicator;
use tributary_sandbox::ServerOptions;

/// The database of a routine is the one its name says, whatever the default database is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_routine_is_dropped_before_its_database() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT)")
        .await?;
    for number in 0..20 {
        source
            .run(&format!(
                "USE asterisk; CREATE DATABASE d{number}; CREATE FUNCTION d{number}.f() RETURNS INT DETERMINISTIC RETURN 1; \
                 CREATE TABLE d{number}.t (a INT); CREATE TRIGGER d{number}.g BEFORE INSERT ON d{number}.t FOR EACH ROW SET @a = 1; \
                 DROP TRIGGER d{number}.g; DROP FUNCTION d{number}.f; DROP DATABASE d{number}"
            ))
            .await?;
    }
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Row events name the tables that triggers may write; when nothing was written there, they need not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_a_trigger_did_not_write_may_be_gone() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (a INT PRIMARY KEY); CREATE TABLE large (a INT); \
             CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW BEGIN IF NEW.a > 100 THEN INSERT INTO large VALUES (NEW.a); END IF; END",
        )
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    target.run("DROP TABLE m1_asterisk.large").await?;
    source.run("INSERT INTO asterisk.t VALUES (1),(2)").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(target.value("SELECT SUM(a) FROM m1_asterisk.t").await?, "3");
    Ok(())
}
