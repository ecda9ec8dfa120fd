//! A worker's session is what each statement's source session was, whatever ran in it before; with one worker, so that
//! everything shares one session.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, root};
use tributary::{Replicator, SkipErrors};
use tributary_client::Client;
use tributary_rules::FilterKind;
use tributary_sandbox::{Server, ServerOptions};

async fn run(session: &mut Client, statements: &[&str]) -> anyhow::Result<()> {
    for statement in statements {
        session.execute(statement.as_bytes()).await?;
    }
    Ok(())
}

/// Applies the source's whole binlog with one worker, and compares.
async fn apply(
    source: &Server,
    target: &Server,
    change: impl FnOnce(&mut tributary::Options),
) -> anyhow::Result<()> {
    log();
    let mut options = options(source, target);
    options.apply.workers = 1;
    change(&mut options);
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", source).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_events_in_between_do_not_change_the_distance_of_ids() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB").await?;
    source
        .run("CREATE TABLE asterisk.r (a INT PRIMARY KEY) ENGINE=InnoDB")
        .await?;
    // The tables are known before the statements come, so that these share a run.
    apply(&source, &target, |_| {}).await?;
    let mut session = Client::connect(&root(&source)).await?;
    run(
        &mut session,
        &[
            "USE asterisk",
            "SET auto_increment_increment=10, auto_increment_offset=3",
            "INSERT INTO t (v) VALUES (1),(2)",
            "SET binlog_format=ROW",
            "INSERT INTO r VALUES (1)",
            "INSERT INTO r VALUES (2)",
            "SET binlog_format=MIXED",
            "INSERT INTO t (v) VALUES (4),(5)",
        ],
    )
    .await?;
    apply(&source, &target, |_| {}).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_temporary_table_hides_its_name_from_its_own_thread_only() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.w (a INT) ENGINE=MyISAM")
        .await?;
    let mut one = Client::connect(&root(&source)).await?;
    let mut two = Client::connect(&root(&source)).await?;
    run(
        &mut one,
        &[
            "USE asterisk",
            "CREATE TEMPORARY TABLE w (a INT)",
            "INSERT INTO w VALUES (1)",
        ],
    )
    .await?;
    run(&mut two, &["USE asterisk", "INSERT INTO w VALUES (2)"]).await?;
    run(&mut one, &["INSERT INTO w VALUES (3)"]).await?;
    run(&mut two, &["INSERT INTO w VALUES (4)"]).await?;
    one.quit().await;
    apply(&source, &target, |_| {}).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        target
            .value(&format!("SELECT GROUP_CONCAT(a ORDER BY a) FROM {TARGET_DB}.w"))
            .await?,
        "2,4"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_with_a_temporary_table_is_filtered_like_any_other() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.kept (a INT) ENGINE=MyISAM; CREATE TABLE asterisk.ignored (a INT) ENGINE=MyISAM").await?;
    let mut session = Client::connect(&root(&source)).await?;
    run(
        &mut session,
        &[
            "USE asterisk",
            "CREATE TEMPORARY TABLE w (a INT)",
            "INSERT INTO w VALUES (1)",
            "INSERT INTO ignored VALUES (1)",
            "INSERT INTO kept SELECT a FROM w",
            "CREATE USER somebody",
        ],
    )
    .await?;
    session.quit().await;
    apply(&source, &target, |options| {
        options.connections[0]
            .filter
            .add(FilterKind::IgnoreTable, "asterisk.ignored")
            .unwrap();
    })
    .await?;
    assert_equal(&source, &target, TARGET_DB, &["ignored"]).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM mysql.user WHERE user='somebody'")
            .await?,
        "0"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_made_anew_is_used_anew() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let mut session = Client::connect(&root(&source)).await?;
    run(
        &mut session,
        &[
            "CREATE DATABASE asterisk",
            "USE asterisk",
            "CREATE TABLE t (a INT)",
            "DROP DATABASE asterisk",
            "CREATE DATABASE asterisk",
            "USE asterisk",
            "CREATE TABLE t (a INT, b INT)",
            "INSERT INTO t VALUES (1, 2)",
        ],
    )
    .await?;
    apply(&source, &target, |_| {}).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undoing_a_statement_leaves_the_rest_of_its_group() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.i (a INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE asterisk.m (a INT PRIMARY KEY) ENGINE=MyISAM").await?;
    let mut session = Client::connect(&root(&source)).await?;
    run(
        &mut session,
        &[
            "USE asterisk",
            "SET binlog_direct_non_transactional_updates=0, binlog_format=STATEMENT",
            "BEGIN",
            "INSERT INTO i VALUES (1)",
        ],
    )
    .await?;
    let failed = session.execute(b"INSERT INTO m VALUES (1),(2),(2),(3)").await;
    assert_eq!(failed.unwrap_err().server_code(), Some(1062));
    run(&mut session, &["INSERT INTO i VALUES (2)", "COMMIT"]).await?;
    apply(&source, &target, |options| {
        options.connections[0].skip_errors = SkipErrors::List([1062].into())
    })
    .await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_history_can_be_altered_if_the_source_could() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (a INT PRIMARY KEY) WITH SYSTEM VERSIONING; \
             INSERT INTO t VALUES (1); UPDATE t SET a = 2; SET system_versioning_alter_history = KEEP; ALTER TABLE t ADD b INT",
        )
        .await?;
    apply(&source, &target, |_| {}).await?;
    let history = "SELECT a, b FROM t FOR SYSTEM_TIME ALL ORDER BY a";
    assert_eq!(
        target
            .rows(&history.replace("FROM t", &format!("FROM {TARGET_DB}.t")))
            .await?,
        source.rows(&history.replace("FROM t", "FROM asterisk.t")).await?
    );
    Ok(())
}

/// Some settings cannot be made inside a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_with_settings_of_its_own_is_made() -> anyhow::Result<()> {
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; SET STATEMENT binlog_format=STATEMENT FOR CREATE TABLE t (a INT) SELECT 1 AS a; \
             set  statement binlog_format=ROW, sql_mode='' for ALTER TABLE t ADD b INT; INSERT INTO t VALUES (2, 3)",
        )
        .await?;
    apply(&source, &target, |_| {}).await
}
