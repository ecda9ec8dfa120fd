//! Statements that failed on the source after they had changed something, and files with rows that do not fit.

use crate::context::{Trio, run};
use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, options, pair, root, status, stopped, until,
};
use anyhow::Context as _;
use tributary::{Replicator, SkipErrors, Threads};
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

/// What the message tells a person to run on the target.
fn way_forward(message: &str) -> anyhow::Result<&str> {
    message
        .split("run on the target ")
        .nth(1)
        .and_then(|rest| rest.split(", and start").next())
        .context("a way forward")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_half_way_fails_at_the_same_row() -> anyhow::Result<()> {
    let trio = Trio::start(&["--binlog-format=STATEMENT"]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE m (a INT PRIMARY KEY, b INT, c TINYINT) ENGINE=MyISAM",
            "CREATE TABLE i (a INT PRIMARY KEY, b INT) ENGINE=InnoDB",
            "CREATE TABLE n (a INT AUTO_INCREMENT PRIMARY KEY, b INT UNIQUE) ENGINE=MyISAM",
            "CREATE TRIGGER tr BEFORE INSERT ON m FOR EACH ROW IF NEW.b=13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='no'; END IF",
            "CREATE PROCEDURE p() BEGIN INSERT INTO m VALUES (90,0,0); INSERT INTO m VALUES (91,0,0),(90,0,0); END",
        ],
    )
    .await?;
    let failing = [
        ("INSERT INTO m VALUES (1,1,1),(2,2,2),(1,1,1),(3,3,3)", 1062),
        (
            "INSERT INTO m SELECT a+10, IF(a=2,13,b), 0 FROM m ORDER BY a",
            1644,
        ),
        ("UPDATE m SET a=a+1 ORDER BY a DESC LIMIT 3", 0),
        ("UPDATE m SET a=IF(a=3,12,a+20) ORDER BY a", 1062),
        ("UPDATE m SET c=IF(b>1,1000,b) ORDER BY a", 1264),
        ("INSERT INTO n (b) VALUES (1),(2),(2),(3)", 1062),
        ("INSERT INTO n (b) VALUES (4),(5)", 0),
        ("REPLACE INTO m SELECT 50, 1, 1 UNION ALL SELECT 51, 13, 1", 1644),
        ("CALL p()", 1062),
        ("BEGIN", 0),
        ("INSERT INTO i VALUES (1,1)", 0),
        ("INSERT INTO m VALUES (60,0,0),(61,0,0),(60,0,0)", 1062),
        ("INSERT INTO i VALUES (2,2),(1,1)", 1062),
        ("INSERT INTO i VALUES (3,3)", 0),
        ("COMMIT", 0),
        ("BEGIN", 0),
        ("INSERT INTO i VALUES (4,4)", 0),
        ("INSERT INTO m VALUES (70,0,0),(71,0,0),(70,0,0)", 1062),
        ("ROLLBACK", 0),
    ];
    for direct in [1, 0] {
        run(
            &mut session,
            &[
                &format!("SET binlog_direct_non_transactional_updates={direct}"),
                "DELETE FROM m",
                "DELETE FROM i",
                "DELETE FROM n",
            ],
        )
        .await?;
        for (statement, code) in failing {
            let outcome = session.query(statement.as_bytes()).await;
            let found = outcome.err().and_then(|error| error.server_code()).unwrap_or(0);
            assert_eq!(found, code, "{statement}");
        }
        trio.agree().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_statement_stops_with_a_way_forward() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=STATEMENT")).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.m (a INT, b INT) ENGINE=MyISAM; CREATE TABLE asterisk.s (a INT) ENGINE=MyISAM; INSERT INTO asterisk.s VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)").await?;
    let mut session = Client::connect(&root(&source)).await?;
    let number = session.server().connection_id;
    let killer = async {
        // The fourth row: the table is locked, so only the process list tells.
        let rows =
            format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id={number} AND time_ms>1000");
        while source.value(&rows).await? == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        source.run(&format!("KILL QUERY {number}")).await
    };
    let slow = async {
        let outcome = session
            .query(b"INSERT INTO asterisk.m SELECT a, SLEEP(0.3) FROM asterisk.s")
            .await;
        anyhow::Ok(outcome.unwrap_err().server_code())
    };
    let (killed, code) = tokio::join!(slow, killer);
    code?;
    assert_eq!(killed?, Some(1317));
    source.run("INSERT INTO asterisk.s VALUES (100)").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1317, "{error:?}");
    engine.stop().await;
    for row in source.rows("SELECT a, b FROM asterisk.m").await? {
        let value = row
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect::<Vec<_>>()
            .join(",");
        target
            .run(&format!("INSERT INTO {TARGET_DB}.m VALUES ({value})"))
            .await?;
    }
    target.run(way_forward(&error.message)?).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Loads `lines` into `asterisk.TABLE` on the source, not `LOCAL`.
async fn load(source: &Server, table: &str, lines: &str) -> anyhow::Result<Option<u16>> {
    load_with(source, table, lines, "FIELDS TERMINATED BY ','").await
}

async fn load_with(source: &Server, table: &str, lines: &str, clause: &str) -> anyhow::Result<Option<u16>> {
    load_into(source, &format!("INTO TABLE {SOURCE_DB}.{table} {clause}"), lines).await
}

async fn load_into(source: &Server, into: &str, lines: &str) -> anyhow::Result<Option<u16>> {
    let file = source.data_dir().join("load.txt");
    std::fs::write(&file, lines)?;
    let mut session = Client::connect(&root(source)).await?;
    session
        .query(b"SET NAMES utf8mb4, binlog_format=STATEMENT")
        .await?;
    let text = format!("LOAD DATA INFILE '{}' {into}", file.display());
    Ok(session
        .query(text.as_bytes())
        .await
        .err()
        .and_then(|error| error.server_code()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_file_that_do_not_fit_are_errors_unless_they_may_be_ignored() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE i (a INT PRIMARY KEY, b VARCHAR(10)) ENGINE=InnoDB; CREATE TABLE m (a INT PRIMARY KEY, b VARCHAR(10)) ENGINE=MyISAM; CREATE TRIGGER tr BEFORE INSERT ON m FOR EACH ROW SET @x=1").await?;
    let start = || Replicator::start(options(&source, &target));
    let engine = start().await?;
    assert_eq!(load(&source, "i", "1,a\n2,b\n").await?, None);
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // A warning that the source had, too.
    let odd = "FIELDS TERMINATED BY '\u{a7}'";
    assert_eq!(load_with(&source, "i", "8\u{a7}a\n", odd).await?, None);
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // A duplicate that only the target has.
    target
        .run(&format!("INSERT INTO {TARGET_DB}.i VALUES (4,'odd')"))
        .await?;
    assert_eq!(load(&source, "i", "3,c\n4,d\n5,e\n").await?, None);
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1062, "{error:?}");
    let rows = format!("SELECT GROUP_CONCAT(a ORDER BY a) FROM {TARGET_DB}.i");
    assert_eq!(target.value(&rows).await?, "1,2,4,8", "the statement is undone");
    engine.stop().await;
    let mut skipping = options(&source, &target);
    skipping.connections[0].skip_errors = SkipErrors::List([1062].into());
    let engine = Replicator::start(skipping).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(
        target.value(&rows).await?,
        "1,2,4,8",
        "left out as a whole, as on a native replica"
    );
    assert_eq!(
        target
            .value("SELECT GROUP_CONCAT(error_number) FROM tributary.skipped")
            .await?,
        "1062"
    );
    engine.stop().await;

    // A value that only the source's column holds.
    target
        .run(&format!(
            "DELETE FROM {TARGET_DB}.i; ALTER TABLE {TARGET_DB}.i MODIFY b VARCHAR(2)"
        ))
        .await?;
    source.run("SET sql_log_bin=0; DELETE FROM asterisk.i").await?;
    assert_eq!(load(&source, "i", "6,long\n").await?, None);
    let engine = start().await?;
    let error = stopped(&engine, "m1").await?;
    assert!([1265, 1406].contains(&error.number), "{error:?}");
    assert_eq!(
        target
            .value(&format!("SELECT COUNT(*) FROM {TARGET_DB}.i"))
            .await?,
        "0"
    );
    engine.stop().await;
    target
        .run(&format!("ALTER TABLE {TARGET_DB}.i MODIFY b VARCHAR(10)"))
        .await?;

    // Half of a file in a table that keeps what it got, with a trigger that nobody follows.
    assert_eq!(load(&source, "m", "1,a\n2,b\n1,c\n3,d\n").await?, Some(1062));
    source.run("INSERT INTO asterisk.i VALUES (7,'more')").await?;
    let engine = start().await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1062, "{error:?}");
    assert!(error.message.contains("half way"), "{error:?}");
    engine.stop().await;
    target
        .run(&format!("INSERT INTO {TARGET_DB}.m VALUES (1,'a'),(2,'b')"))
        .await?;
    target.run(way_forward(&error.message)?).await?;
    let engine = start().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_ended_half_way_ends_at_the_same_row() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE m (a INT PRIMARY KEY, b VARCHAR(3)) ENGINE=MyISAM;\
             CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT DEFAULT (a + 1), UNIQUE (a), CHECK (a < 100)) ENGINE=Aria \
             TRANSACTIONAL=0; SET GLOBAL sql_mode='STRICT_ALL_TABLES'",
        )
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let comma = "FIELDS TERMINATED BY ','";
    for (into, lines, error) in [
        (
            "INTO TABLE asterisk.m FIELDS TERMINATED BY ','",
            "1,a\n2,b\n1,c\n3,d\n",
            1062,
        ),
        (
            "INTO TABLE asterisk.m FIELDS TERMINATED BY ','",
            "4,d\n5,long\n6,f\n",
            1406,
        ),
        (
            "REPLACE INTO TABLE asterisk.m FIELDS TERMINATED BY ','",
            "4,D\n7,g\n8,long\n9,i\n",
            1406,
        ),
        ("INTO TABLE asterisk.n (a)", "1\n2\n3\n2\n4\n", 1062),
        ("INTO TABLE asterisk.n (a)", "5\n6\n100\n7\n", 4025),
        (
            "INTO TABLE asterisk.n FIELDS TERMINATED BY ',' (id, @a) SET a=@a*2, b=LENGTH(@a)",
            "0,20\n77,21\n0,22\n78,21\n79,30\n",
            1062,
        ),
        ("REPLACE INTO TABLE asterisk.n (a)", "7\n42\n101\n8\n", 4025),
    ] {
        assert_eq!(load_into(&source, into, lines).await?, Some(error), "{into}");
        caught_up(&engine, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[]).await?;
    }
    // The target has more: the error is another one, or comes at another row.
    target.run("INSERT INTO m1_asterisk.m VALUES (51,'x')").await?;
    assert_eq!(
        load_with(&source, "m", "50,a\n51,b\n52,long\n", comma).await?,
        Some(1406)
    );
    let error = stopped(&engine, "m1").await?;
    assert!(error.message.contains("1406 on the source and with"), "{error:?}");
    assert!(error.message.contains("'51' for key"), "{error:?}");
    // A native replica has no number for it; ours is never 0.
    assert_eq!(error.number, 1105);
    let native = error.native.context("a native replica's words")?;
    assert_eq!(native.number, 0);
    let words = "Query caused different errors on master and slave.     Error on master: error code=1406 ; \
                 Error on slave: actual message='Duplicate entry '51' for key 'PRIMARY'', error code=1062. Default database: '";
    assert!(native.message.starts_with(words), "{}", native.message);
    engine.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_zone_the_target_lacks_is_named() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    crate::context::load_time_zones(&source).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a TIMESTAMP NULL); SET time_zone='Test/Springtime'; INSERT INTO asterisk.t VALUES ('2003-06-01 12:00:00')").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1298, "{error:?}");
    assert!(
        error.message.contains("Test/Springtime") && error.message.contains("mariadb-tzinfo-to-sql"),
        "{error:?}"
    );
    engine.stop().await;
    crate::context::load_time_zones(&target).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    until("the row", || {
        Ok(engine.status().connections[0].groups_applied >= 1)
    })
    .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Another session is in the way of a statement that failed half way on the source: the group is applied again, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_wait_is_not_the_error_of_the_source() -> anyhow::Result<()> {
    log();
    let (source, target) = tokio::join!(
        Server::start(ServerOptions::source(1).arg("--binlog-format=STATEMENT")),
        Server::start(
            ServerOptions::target()
                .arg("--innodb-lock-wait-timeout=1")
                .arg("--innodb-rollback-on-timeout=ON")
        )
    );
    let (source, target) = (source?, target?);
    source
        .run(
            "SET sql_log_bin=0; CREATE DATABASE asterisk; USE asterisk; CREATE TABLE i (a INT PRIMARY KEY) ENGINE=InnoDB;\
             CREATE TABLE strict (a INT PRIMARY KEY) ENGINE=MyISAM; CREATE TABLE lenient LIKE strict",
        )
        .await?;
    target
        .run(
            "CREATE DATABASE m1_asterisk; USE m1_asterisk; CREATE TABLE i (a INT PRIMARY KEY) ENGINE=InnoDB;\
             CREATE TABLE strict LIKE i; CREATE TABLE lenient LIKE i",
        )
        .await?;
    let mut options = options(&source, &target);
    options.connections[0]
        .policies
        .table_skips
        .allow("asterisk.lenient:1062")?;
    let engine = Replicator::start(options).await?;
    let (mut session, mut other) = (
        Client::connect(&root(&source)).await?,
        Client::connect(&root(&target)).await?,
    );
    for (number, table) in ["strict", "lenient"].into_iter().enumerate() {
        let locks = format!("INSERT INTO m1_asterisk.{table} VALUES (2)");
        run(&mut other, &["BEGIN", &locks]).await?;
        let retried = status(&engine, "m1").retried;
        let before = format!("INSERT INTO asterisk.i VALUES ({number})");
        run(&mut session, &["BEGIN", &before]).await?;
        let failing = format!("INSERT INTO asterisk.{table} VALUES (1),(2),(1)");
        let error = session.query(failing.as_bytes()).await.unwrap_err();
        assert_eq!(error.server_code(), Some(1062));
        run(&mut session, &["COMMIT"]).await?;
        until("another attempt", || {
            let now = status(&engine, "m1");
            anyhow::ensure!(now.last_error.is_none(), "{:?}", now.last_error);
            Ok(now.retried > retried)
        })
        .await?;
        run(&mut other, &["ROLLBACK"]).await?;
        caught_up(&engine, "m1", &source).await?;
        let count = target.value("SELECT COUNT(*) FROM m1_asterisk.i").await?;
        assert_eq!(count, (number + 1).to_string(), "{table}");
    }
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_without_room_is_waited_for() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE m (id INT PRIMARY KEY, b LONGTEXT) ENGINE=MyISAM; \
              CREATE TABLE i (id INT PRIMARY KEY) ENGINE=InnoDB")
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    // Places of rows have two bytes: 64 KiB is all that fits.
    let small = "ALTER TABLE m1_asterisk.m MAX_ROWS=2 AVG_ROW_LENGTH=10";
    let large = "ALTER TABLE m1_asterisk.m MAX_ROWS=0 AVG_ROW_LENGTH=0";
    target.run(small).await?;
    for id in 1..=4 {
        let rows = format!(
            "INSERT INTO asterisk.m VALUES ({id}, REPEAT('x', 30000)); INSERT INTO asterisk.i VALUES ({id})"
        );
        source.run(&rows).await?;
    }
    assert_eq!(stopped(&engine, "m1").await?.number, 1114);
    target.run(large).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    let now = status(&engine, "m1");
    assert!(now.last_error.is_none() && now.retries_in.is_none(), "{now:?}");
    // Of one row there is no part.
    assert_eq!(target.value("SELECT COUNT(*) FROM tributary.skipped").await?, "0");

    // Stopped by hand it stays so.
    source.run("TRUNCATE asterisk.m").await?;
    caught_up(&engine, "m1", &source).await?;
    target.run(small).await?;
    for id in 1..=4 {
        source
            .run(&format!(
                "INSERT INTO asterisk.m VALUES ({id}, REPEAT('y', 30000))"
            ))
            .await?;
    }
    stopped(&engine, "m1").await?;
    engine.controller().stop("m1", Threads::BOTH).await?;
    assert_eq!(status(&engine, "m1").retries_in, None);
    target.run(large).await?;
    engine.controller().start("m1", Threads::BOTH, None).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM tributary.skipped").await?, "0");
    assert!(engine.stop().await.is_clean);
    Ok(())
}
