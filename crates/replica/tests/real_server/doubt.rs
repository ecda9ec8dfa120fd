//! Groups that no packet of the server both makes and saves: when the target is lost in the middle of one, nobody but a person can
//! tell what is there of it.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, stopped};
use tributary::{Replicator, Threads};
use tributary_sandbox::{Server, ServerOptions};

/// As if somebody held the row of the saved position behind a change, for longer than anybody waits.
const HOLD: &str = "CREATE TRIGGER tributary.held BEFORE UPDATE ON tributary.position FOR EACH ROW \
                    IF NEW.begun<>'' AND (NEW.done<>OLD.done OR NEW.executed<>OLD.executed) THEN \
                    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1205, MESSAGE_TEXT='Lock wait timeout exceeded'; END IF";

const BEGUN: &str = "SELECT GROUP_CONCAT(begun SEPARATOR '') FROM tributary.position";

/// Waits until a statement has changed some rows, and ends it, or its session.
async fn end(what: &str, statement: &str, target: &Server) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    // A row takes 20 ms, and the table cannot be looked at meanwhile.
    let running = format!(
        "SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE '{statement}%' AND time_ms > 1000"
    );
    loop {
        if let Ok(session) = target.value(&running).await.unwrap_or_default().parse::<u64>() {
            return target.run(&format!("{what} {session}")).await;
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "{statement} does not run");
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
    end("KILL", "LOAD DATA", &target).await?;
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

    // One that is refused before it changes anything is tried again when the connection is started.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_was_cut_off_is_made_again_and_named() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE m (n INT, id INT) ENGINE=MyISAM; \
              INSERT INTO m SELECT 0, seq FROM seq_1_to_300; CREATE TABLE k (id INT PRIMARY KEY, n INT) ENGINE=MyISAM; \
              CREATE FUNCTION slowly(n INT) RETURNS INT DETERMINISTIC RETURN n")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let slow = "CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n + SLEEP(0.02)";
    let quick = "CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n";
    let doubled = "SELECT SUM(n) > 0 FROM m1_asterisk.m";
    let add = "SET SESSION binlog_format=STATEMENT; USE asterisk; UPDATE m SET n=slowly(n + 1)";
    let records = "SELECT IFNULL(GROUP_CONCAT(kind, ' ', database_name, '.', table_name, ' ', gtid SEPARATOR ';'), '') FROM tributary.skipped";

    // The session is killed: the engine begins anew, and says what it does not know.
    target.run(slow).await?;
    source.run(add).await?;
    let first = source.value("SELECT @@gtid_binlog_pos").await?;
    end("KILL", "UPDATE m", &target).await?;
    target.run(quick).await?;
    caught_up(&engine, "m1", &source).await?;
    let named = format!("in_doubt m1_asterisk.m {first}");
    assert_eq!(target.value(records).await?, named);
    assert_eq!(target.value(doubled).await?, "1");

    // The statement is killed: the connection stops, and the next start says so.
    target
        .run(&format!(
            "{slow}; UPDATE m1_asterisk.m SET n=1; TRUNCATE tributary.skipped"
        ))
        .await?;
    source.run(add).await?;
    let second = source.value("SELECT @@gtid_binlog_pos").await?;
    end("KILL QUERY", "UPDATE m", &target).await?;
    assert_eq!(stopped(&engine, "m1").await?.number, 1317);
    engine.stop().await;
    target.run(quick).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        target.value(records).await?,
        format!("in_doubt m1_asterisk.m {second}")
    );

    // A row that is there is no doubt.
    target.run("TRUNCATE tributary.skipped").await?;
    source.run("INSERT INTO asterisk.k VALUES (1, 1)").await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    assert_eq!(target.value(records).await?, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_that_was_cut_off_is_named() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--log-bin-compress=OFF")).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE i (id INT, b LONGTEXT) ENGINE=InnoDB; \
              CREATE TABLE m (id INT, b LONGTEXT) ENGINE=MyISAM; \
              CREATE FUNCTION slowly(n INT) RETURNS INT DETERMINISTIC RETURN n",
        )
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].group_bytes_max = 64 << 10;
    options.connections[0].relay_bytes_max = 1 << 20;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    target
        .run("CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n + SLEEP(0.02)")
        .await?;
    // The transaction is open on the target when what cannot be rolled back is named.
    let filling = "INSERT INTO i VALUES (1, REPEAT('x', 2000) /*";
    let filling = format!("{filling}{}*/);", "x".repeat(2000)).repeat(100);
    source
        .run(&format!(
            "USE asterisk; SET SESSION binlog_format=STATEMENT, binlog_direct_non_transactional_updates=OFF; BEGIN; {filling} \
             INSERT INTO m SELECT slowly(seq), 'y' FROM seq_1_to_300; COMMIT"
        ))
        .await?;
    end("KILL", "INSERT INTO m", &target).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1593, "{}", error.message);
    assert!(error.message.contains("m1_asterisk.m"), "{}", error.message);
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.i").await?, "0");
    engine.stop().await;

    target
        .run("TRUNCATE m1_asterisk.m; CREATE OR REPLACE FUNCTION m1_asterisk.slowly(n INT) RETURNS INT DETERMINISTIC RETURN n; \
              UPDATE tributary.position SET begun='' WHERE connection='m1'")
        .await?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_whose_position_cannot_be_saved_is_not_made_again_unnoticed() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE m (n INT, id INT) ENGINE=MyISAM; INSERT INTO m VALUES (0, 1); \
              CREATE FUNCTION same(n INT) RETURNS INT DETERMINISTIC RETURN n")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    target.run(HOLD).await?;
    source
        .run("SET SESSION binlog_format=STATEMENT; USE asterisk; UPDATE m SET n=same(n + 1)")
        .await?;
    let group = source.value("SELECT @@gtid_binlog_pos").await?;
    let error = stopped(&engine, "m1").await?;
    assert!(
        error.message.contains("cannot save the position"),
        "{}",
        error.message
    );
    assert_eq!(target.value("SELECT n FROM m1_asterisk.m").await?, "1");
    assert_ne!(target.value(BEGUN).await?, "");
    engine.stop().await;

    target.run("DROP TRIGGER tributary.held").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert!(engine.stop().await.is_clean);
    let records =
        "SELECT GROUP_CONCAT(kind, ' ', database_name, '.', table_name, ' ', gtid) FROM tributary.skipped";
    let named = format!("in_doubt m1_asterisk.m {group}");
    assert_eq!(target.value(records).await?, named);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_whose_position_was_lost_is_known_again() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT, b INT) ENGINE=InnoDB; \
              CREATE TABLE a (id INT) ENGINE=MyISAM; CREATE TABLE b (n INT) ENGINE=MyISAM",
        )
        .await?;
    for (definition, stops) in [
        ("ALTER TABLE asterisk.t ADD COLUMN c INT", false),
        ("CREATE INDEX i ON asterisk.t (b)", false),
        ("CREATE VIEW asterisk.v AS SELECT 1", false),
        ("RENAME TABLE asterisk.b TO asterisk.d", false),
        (
            "RENAME TABLE asterisk.a TO asterisk.x, asterisk.d TO asterisk.a, asterisk.x TO asterisk.d",
            true,
        ),
    ] {
        let engine = Replicator::start(options(&source, &target)).await?;
        caught_up(&engine, "m1", &source).await?;
        target.run(HOLD).await?;
        source.run(definition).await?;
        let error = stopped(&engine, "m1").await?;
        assert!(
            error.message.contains("cannot save the position"),
            "{definition}: {}",
            error.message
        );
        engine.stop().await;
        target.run("DROP TRIGGER tributary.held").await?;
        let engine = Replicator::start(options(&source, &target)).await?;
        if stops {
            let error = stopped(&engine, "m1").await?;
            assert_eq!(error.number, 1593, "{}", error.message);
        } else {
            source.run("INSERT INTO asterisk.t (id) VALUES (1)").await?;
            caught_up(&engine, "m1", &source).await?;
        }
        engine.stop().await;
    }
    // It was made once.
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_an_earlier_statement_found_only_the_second_time_is_named() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; CREATE TABLE asterisk.k (id INT PRIMARY KEY, n INT) ENGINE=MyISAM; \
              INSERT INTO asterisk.k VALUES (4, 0), (7, 0)",
        )
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    let controller = engine.controller();
    controller.stop("m1", Threads::BOTH).await?;
    // The first finds no row.
    source
        .run("USE asterisk; UPDATE k SET n=1 WHERE id=5; INSERT INTO k (id, n) VALUES (5, 0); INSERT INTO k (id, n) VALUES (6, 0)")
        .await?;
    target.run(HOLD).await?;
    controller.start("m1", Threads::BOTH, None).await?;
    stopped(&engine, "m1").await?;
    let rows = "SELECT GROUP_CONCAT(id, ' ', n ORDER BY id) FROM m1_asterisk.k";
    assert_eq!(target.value(rows).await?, "4 0,5 0,6 0,7 0");
    target.run("DROP TRIGGER tributary.held").await?;
    controller.start("m1", Threads::BOTH, None).await?;
    caught_up(&engine, "m1", &source).await?;
    let records = "SELECT GROUP_CONCAT(kind, ' ', table_name, ' ', statement) FROM tributary.skipped";
    assert_eq!(
        target.value(records).await?,
        "in_doubt k INSERT INTO k (id, n) VALUES (5, 0)"
    );
    assert!(engine.stop().await.is_clean);
    Ok(())
}
