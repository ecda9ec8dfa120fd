//! How often an answer is waited for: over a long line that is what takes the time. Counted, not timed.

use std::collections::BTreeSet;

use crate::support::{TARGET_DB, assert_equal, caught_up, log, open_tcp, options, pair, status, tcp, until};
use tributary::{Replicator, SkipErrors};
use tributary_sandbox::{Server, ServerOptions, TcpRelay};

/// Answers that the busiest login waits for until everything runs, and then one look at the target's definitions.
const START_TURNS_MAX: u64 = 26;

const GROUPS: u32 = 900;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_few_answers_and_tells_that_it_waits() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run("CREATE DATABASE asterisk").await?;
    open_tcp(&target).await?;
    let relay = TcpRelay::start(target.port()).await?;
    let mut options = options(&source, &target);
    options.target.login = tcp(relay.port());
    for life in ["first", "second"] {
        relay.stall(true);
        let before = relay.connections_ever();
        let starting = Replicator::prepare(options.clone())?;
        let handle = starting.status_handle();
        let engine = tokio::spawn(starting.start());
        until("logins on their way", || Ok(relay.connections_ever() > before)).await?;
        assert_eq!(handle.status().target.state, "connecting");
        relay.stall(false);
        let engine = engine.await??;
        let turns = relay.turns_max();
        assert!((5..=START_TURNS_MAX).contains(&turns), "{life} start: {turns}");
        until("the target", || Ok(handle.status().target.state == "running")).await?;
        caught_up(&engine, "m1", &source).await?;
        assert!(engine.stop().await.is_clean);
    }
    Ok(())
}

async fn commits(target: &Server) -> anyhow::Result<u32> {
    let rows = target.rows("SHOW GLOBAL STATUS LIKE 'Com_commit'").await?;
    Ok(rows[0][1].as_deref().unwrap_or_default().parse()?)
}

/// Of a large run only what lies about the failing groups is made by itself, and each of them is recorded alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_group_does_not_split_a_whole_run() -> anyhow::Result<()> {
    log();
    for format in ["ROW", "STATEMENT"] {
        let (source, target) = pair(ServerOptions::source(1)).await?;
        source
            .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY, b INT) ENGINE=InnoDB")
            .await?;
        let mut options = options(&source, &target);
        options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1062]));
        options.apply.workers = 1;
        let engine = Replicator::start(options.clone()).await?;
        caught_up(&engine, "m1", &source).await?;
        assert!(engine.stop().await.is_clean);
        let mut sql = format!("SET binlog_format = {format}; USE asterisk;");
        for id in 1..=GROUPS {
            sql.push_str(&format!("INSERT INTO t VALUES ({id}, 0);"));
            if id % 3 == 0 {
                sql.push_str(&format!("UPDATE t SET b = b + 1 WHERE a = {id};"));
            }
        }
        source.run(&sql).await?;
        let rows = format!("INSERT INTO {TARGET_DB}.t VALUES (1, 0), (500, 0), ({GROUPS}, 0)");
        target.run(&rows).await?;
        let before = commits(&target).await?;
        let engine = Replicator::start(options).await?;
        caught_up(&engine, "m1", &source).await?;
        assert_eq!(status(&engine, "m1").skipped, 3, "{format}");
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
        let commits = commits(&target).await? - before;
        assert!(commits < GROUPS / 4, "{format}: {commits} commits");
    }
    Ok(())
}
