//! Errors that the rules pass over cost one row or one statement, never more, and every one of them is recorded.

use std::collections::BTreeSet;

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, status, stopped};
use anyhow::Context as _;
use tributary::{Replicator, SkipErrors};
use tributary_sandbox::{Server, ServerOptions};

/// The list of the user's own server.
fn list() -> SkipErrors {
    SkipErrors::List(BTreeSet::from([1032, 1062, 1146, 1269, 1396, 1932]))
}

/// A table with five rows on both sides.
async fn start(format: &str, engine: &str, skip: SkipErrors) -> anyhow::Result<(Server, Server, Replicator)> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg(&format!("--binlog-format={format}"))).await?;
    source
        .run(&format!(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(30)) ENGINE={engine};\
             INSERT INTO t VALUES (1,'one'),(2,'two'),(3,'three'),(4,'four'),(5,'five')"
        ))
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = skip;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    Ok((source, target, running))
}

/// `error table row` of every skip, in order.
async fn ledger(target: &Server) -> anyhow::Result<Vec<String>> {
    let rows = target
        .rows("SELECT CONCAT_WS(' ', error_number, CONCAT(database_name,'.',table_name), IFNULL(event_row,'-')) FROM tributary.skipped ORDER BY id")
        .await?;
    Ok(rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect())
}

/// The rows of the target's table as one text.
async fn rows(target: &Server) -> anyhow::Result<String> {
    target
        .value("SELECT GROUP_CONCAT(CONCAT(a,b) ORDER BY a) FROM m1_asterisk.t")
        .await
}

/// A row in the middle of a row event is there already: the rows around it arrive.
async fn duplicate_row_in_the_middle(engine: &str) -> anyhow::Result<()> {
    let (source, target, running) = start("ROW", engine, list()).await?;
    target
        .run("INSERT INTO m1_asterisk.t VALUES (12,'mine'),(14,'mine')")
        .await?;
    source
        .run("INSERT INTO asterisk.t VALUES (11,'a'),(12,'b'),(13,'c'),(14,'d'),(15,'e')")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target).await?,
        "1one,2two,3three,4four,5five,11a,12mine,13c,14mine,15e"
    );
    assert_eq!(
        ledger(&target).await?,
        ["1062 m1_asterisk.t 2", "1062 m1_asterisk.t 4"]
    );
    assert_eq!(status(&running, "m1").skipped, 2);
    let skip = target.rows("SELECT connection, log_file, log_offset, gtid, error_message, statement FROM tributary.skipped ORDER BY id LIMIT 1").await?;
    let text = |index: usize| skip[0][index].clone().unwrap();
    let at_source = source.rows("SHOW MASTER STATUS").await?;
    assert_eq!(
        (text(0).as_str(), Some(text(1)), Some(text(2))),
        ("m1", at_source[0][0].clone(), at_source[0][1].clone())
    );
    assert_eq!(text(3), source.value("SELECT @@gtid_binlog_pos").await?);
    assert!(text(4).contains("Duplicate entry '12'"), "{}", text(4));
    assert!(
        text(5).contains("12") && text(5).contains('b') && !text(5).contains("13"),
        "only the row itself: {}",
        text(5)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_row_does_not_take_the_others_along_in_innodb() -> anyhow::Result<()> {
    duplicate_row_in_the_middle("InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_row_does_not_take_the_others_along_in_myisam() -> anyhow::Result<()> {
    duplicate_row_in_the_middle("MyISAM").await
}

/// Where the source did not look for duplicates, InnoDB would look for them only when a statement has filled an empty table, and
/// then undo the whole transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_row_is_found_where_the_source_did_not_check() -> anyhow::Result<()> {
    for (format, expected) in [("ROW", "1,2,4"), ("STATEMENT", "none")] {
        let (source, target, running) = start(format, "InnoDB", list()).await?;
        source
            .run("CREATE TABLE asterisk.filled (a INT PRIMARY KEY, b INT) ENGINE=InnoDB")
            .await?;
        caught_up(&running, "m1", &source).await?;
        target
            .run("ALTER TABLE m1_asterisk.filled ADD UNIQUE KEY only_here (b)")
            .await?;
        source
            .run("SET unique_checks=0, foreign_key_checks=0; INSERT INTO asterisk.filled VALUES (1,7),(2,8),(3,7),(4,9)")
            .await?;
        caught_up(&running, "m1", &source).await.context(format)?;
        let left = "SELECT IFNULL(GROUP_CONCAT(a ORDER BY a),'none') FROM m1_asterisk.filled";
        assert_eq!(target.value(left).await?, expected, "{format}");
        assert_eq!(ledger(&target).await?.len(), 1, "{format}");
    }
    Ok(())
}

/// Rows to update and to delete are missing: the others are changed.
async fn missing_rows_in_the_middle(engine: &str) -> anyhow::Result<()> {
    let (source, target, running) = start("ROW", engine, list()).await?;
    target.run("DELETE FROM m1_asterisk.t WHERE a IN (1,3)").await?;
    source.run("UPDATE asterisk.t SET b=CONCAT(b,'!')").await?;
    source.run("DELETE FROM asterisk.t WHERE a IN (2,3,4)").await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(rows(&target).await?, "5five!");
    assert_eq!(
        ledger(&target).await?,
        [
            "1032 m1_asterisk.t 1",
            "1032 m1_asterisk.t 3",
            "1032 m1_asterisk.t 2"
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rows_do_not_take_the_others_along_in_innodb() -> anyhow::Result<()> {
    missing_rows_in_the_middle("InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rows_do_not_take_the_others_along_in_myisam() -> anyhow::Result<()> {
    missing_rows_in_the_middle("MyISAM").await
}

/// A statement that fails is left out; what stands around it in its transaction, and behind it, is applied.
async fn failing_statement(engine: &str) -> anyhow::Result<()> {
    let (source, target, running) = start("MIXED", engine, list()).await?;
    target.run("INSERT INTO m1_asterisk.t VALUES (12,'mine')").await?;
    source
        .run(
            "USE asterisk; BEGIN; INSERT INTO t VALUES (11,'before'); INSERT INTO t VALUES (12,'it'); INSERT INTO t VALUES (13,'behind'); COMMIT;\
             INSERT INTO t VALUES (14,'alone')",
        )
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target).await?,
        "1one,2two,3three,4four,5five,11before,12mine,13behind,14alone"
    );
    assert_eq!(ledger(&target).await?, ["1062 m1_asterisk.t -"]);
    let statement = target.value("SELECT statement FROM tributary.skipped").await?;
    assert!(statement.contains("(12,'it')"), "{statement}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_statement_is_left_out_alone_in_innodb() -> anyhow::Result<()> {
    failing_statement("InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_statement_is_left_out_alone_in_myisam() -> anyhow::Result<()> {
    failing_statement("MyISAM").await
}

/// A missing table costs each statement or row event on it.
async fn missing_table(format: &str) -> anyhow::Result<()> {
    let (source, target, running) = start(format, "InnoDB", list()).await?;
    source.run("CREATE TABLE asterisk.u (a INT PRIMARY KEY)").await?;
    caught_up(&running, "m1", &source).await?;
    target.run("DROP TABLE m1_asterisk.u").await?;
    source.run("USE asterisk; INSERT INTO u VALUES (1),(2); INSERT INTO t VALUES (6,'six'); BEGIN; INSERT INTO t VALUES (7,'seven'); INSERT INTO u VALUES (3); COMMIT").await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(rows(&target).await?, "1one,2two,3three,4four,5five,6six,7seven");
    let skips = ledger(&target).await?;
    assert!(
        !skips.is_empty() && skips.iter().all(|skip| skip.starts_with("1146 m1_asterisk.u")),
        "{skips:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_table_is_passed_over_in_statements() -> anyhow::Result<()> {
    missing_table("MIXED").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_table_is_passed_over_in_rows() -> anyhow::Result<()> {
    missing_table("ROW").await
}

/// Without the list the connection stops with the server's error; once the cause is gone a restart goes on.
async fn stops_and_goes_on(format: &str, engine: &str) -> anyhow::Result<()> {
    let (source, target, running) = start(format, engine, SkipErrors::None).await?;
    target.run("INSERT INTO m1_asterisk.t VALUES (12,'mine')").await?;
    source.run("USE asterisk; INSERT INTO t VALUES (11,'a'); INSERT INTO t VALUES (12,'b'); INSERT INTO t VALUES (13,'c')").await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1062, "{}", error.message);
    // What people and programs look for in Last_SQL_Error.
    let duplicate = "Duplicate entry '12' for key 'PRIMARY'";
    let native = match format {
        "ROW" => [
            "Could not execute Write_rows_v1 event on table m1_asterisk.t;".to_owned(),
            format!(
                "{duplicate}, Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; the event's master log mysql-bin.000001, end_log_pos "
            ),
        ],
        _ => [
            format!(
                "Error '{duplicate}' on query. Default database: 'm1_asterisk'. Query: 'INSERT INTO t VALUES (12,'b')'"
            ),
            String::new(),
        ],
    };
    assert!(error.message.starts_with(&native[0]), "{}", error.message);
    let shown = error.native.clone().context("no native words")?;
    assert_eq!(shown.number, 1062);
    let end = match format {
        "ROW" => {
            let events = source.rows("SHOW BINLOG EVENTS").await?;
            let is_rows = |row: &&Vec<Option<String>>| row[2].as_deref() == Some("Write_rows_v1");
            let second = events
                .iter()
                .filter(is_rows)
                .nth_back(1)
                .context("the row's event")?;
            format!(" {}{}", native[1], second[4].clone().context("its end")?)
        }
        _ => String::new(),
    };
    assert_eq!(shown.message, format!("{}{end}", native[0]));
    for part in [&native[1], "GTID 0-1-", "mysql-bin.000001:"] {
        assert!(error.message.contains(part), "no {part} in: {}", error.message);
    }
    assert_eq!(rows(&target).await?, "1one,2two,3three,4four,5five,11a,12mine");
    running.stop().await;
    target.run("DELETE FROM m1_asterisk.t WHERE a=12").await?;
    let again = Replicator::start(options(&source, &target)).await?;
    caught_up(&again, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(ledger(&target).await?.len(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_list_a_statement_stops_in_innodb() -> anyhow::Result<()> {
    stops_and_goes_on("MIXED", "InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_list_a_statement_stops_in_myisam() -> anyhow::Result<()> {
    stops_and_goes_on("MIXED", "MyISAM").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_list_a_row_stops_in_innodb() -> anyhow::Result<()> {
    stops_and_goes_on("ROW", "InnoDB").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_list_a_row_stops_in_myisam() -> anyhow::Result<()> {
    stops_and_goes_on("ROW", "MyISAM").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_failed_half_way_on_the_source_has_the_same_partial_effect() -> anyhow::Result<()> {
    let (source, target, running) = start("STATEMENT", "MyISAM", SkipErrors::None).await?;
    // Rows before the duplicate stay in MyISAM; the event carries the error.
    source
        .run("INSERT INTO asterisk.t VALUES (11,'a'),(12,'b'),(3,'duplicate'),(13,'never')")
        .await
        .unwrap_err();
    source.run("INSERT INTO asterisk.t VALUES (14,'behind')").await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(
        rows(&target).await?,
        "1one,2two,3three,4four,5five,11a,12b,14behind"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_source_that_the_target_does_not_see_stops() -> anyhow::Result<()> {
    let (source, target, running) = start("STATEMENT", "MyISAM", SkipErrors::None).await?;
    target.run("DELETE FROM m1_asterisk.t WHERE a=3").await?;
    source
        .run("INSERT INTO asterisk.t VALUES (11,'a'),(3,'duplicate')")
        .await
        .unwrap_err();
    let error = stopped(&running, "m1").await?;
    assert!(
        error.message.contains("error 1062 on the source") && error.message.contains("no error"),
        "{}",
        error.message
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_killed_half_way_on_the_source_stops() -> anyhow::Result<()> {
    let (source, target, running) = start("STATEMENT", "MyISAM", list()).await?;
    let site = source.as_ref().clone();
    let slow = tokio::spawn(async move {
        site.run("UPDATE asterisk.t SET b=IF(a<3, 'changed', SLEEP(600))")
            .await
    });
    let find =
        "SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE 'UPDATE%' AND state='User sleep'";
    let mut victim = source.rows(find).await?[0][0].clone();
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    while victim.is_none() {
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "the statement does not sleep"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        victim = source.rows(find).await?[0][0].clone();
    }
    source
        .run(&format!("KILL QUERY {}", victim.context("a session")?))
        .await?;
    slow.await?.unwrap_err();
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1317, "{}", error.message);
    assert!(
        error.message.contains("killed") && error.message.contains("UPDATE `m1_asterisk`.t"),
        "{}",
        error.message
    );
    assert_eq!(rows(&target).await?, "1one,2two,3three,4four,5five");
    Ok(())
}

/// Rules on single tables: what is allowed there alone, and what is never allowed; all of it counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_have_rules_of_their_own() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE log (a INT PRIMARY KEY, b VARCHAR(9), c VARBINARY(9));\
             CREATE TABLE closer LIKE log; CREATE TABLE other LIKE log",
        )
        .await?;
    let mut options = options(&source, &target);
    let connection = &mut options.connections[0];
    connection.skip_errors = "1032".parse()?;
    connection.policies.table_skips.allow("asterisk.lo_:1062")?;
    connection.policies.table_skips.forbid("asterisk.closer")?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    target
        .run("INSERT INTO m1_asterisk.log VALUES (1,'mine',''),(3,'mine',''); INSERT INTO m1_asterisk.other VALUES (9,'mine','')")
        .await?;
    source
        .run("USE asterisk; INSERT INTO log VALUES (1,NULL,x'00FF27'),(2,'NULL',NULL),(3,'three',''); INSERT INTO other VALUES (1,'a',''),(2,'b','')")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        ledger(&target).await?,
        ["1062 m1_asterisk.log 1", "1062 m1_asterisk.log 3"]
    );
    let statement = target
        .value("SELECT statement FROM tributary.skipped ORDER BY id LIMIT 1")
        .await?;
    assert_eq!(statement.trim(), "Write after (1, NULL, x'00ff27')");
    // Allowed on the connection, but never for this table.
    source
        .run("USE asterisk; INSERT INTO closer VALUES (1,'a','')")
        .await?;
    caught_up(&running, "m1", &source).await?;
    target
        .run("DELETE FROM m1_asterisk.closer; DELETE FROM m1_asterisk.other WHERE a=1")
        .await?;
    source.run("UPDATE asterisk.other SET b='c'").await?;
    // The two tables are applied side by side: the stop at one would not wait for the other.
    caught_up(&running, "m1", &source).await?;
    source.run("DELETE FROM asterisk.closer").await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1032, "{}", error.message);
    assert!(error.message.contains("m1_asterisk.closer"), "{}", error.message);
    let records = status(&running, "m1").records;
    let shown: Vec<String> = records
        .iter()
        .map(|record| {
            format!(
                "{} {} {} {}",
                record.count,
                record.kind.name(),
                record.table,
                record.error
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "2 skipped m1_asterisk.log 1062",
            "1 skipped m1_asterisk.other 1032"
        ]
    );
    Ok(())
}

/// An error that is allowed for one table only stops at another, also in a statement over both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_over_two_tables_needs_the_permission_of_both() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=STATEMENT")).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE a (n INT PRIMARY KEY); CREATE TABLE b LIKE a; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
        .await?;
    let mut options = options(&source, &target);
    options.connections[0]
        .policies
        .table_skips
        .allow("asterisk.a:1062")?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    target
        .run("INSERT INTO m1_asterisk.a VALUES (2),(7); INSERT INTO m1_asterisk.b VALUES (2)")
        .await?;
    source.run("INSERT INTO asterisk.a VALUES (7)").await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(ledger(&target).await?, ["1062 m1_asterisk.a -"]);
    source
        .run("USE asterisk; UPDATE a, b SET a.n=2, b.n=2 WHERE a.n=b.n")
        .await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1062, "{}", error.message);
    Ok(())
}

/// Rows that are told apart take more room than the source's events: they go in statements that the target can take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_told_apart_go_in_several_statements() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=ROW")).await?;
    target.run("SET GLOBAL max_allowed_packet=1<<20").await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY, b CHAR(20))")
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = list();
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    target
        .run("INSERT INTO m1_asterisk.t VALUES (2,'mine'),(19999,'mine')")
        .await?;
    source
        .run("USE asterisk; INSERT INTO t SELECT seq, 'theirs' FROM seq_1_to_20000")
        .await?;
    caught_up(&running, "m1", &source).await?;
    let rows = target
        .value("SELECT CONCAT_WS(' ', COUNT(*), SUM(b='mine')) FROM m1_asterisk.t")
        .await?;
    assert_eq!(rows, "20000 2");
    assert_eq!(
        ledger(&target).await?,
        ["1062 m1_asterisk.t 2", "1062 m1_asterisk.t 19999"]
    );
    let last = target
        .value("SELECT statement FROM tributary.skipped ORDER BY id DESC LIMIT 1")
        .await?;
    assert!(last.contains("19999") && last.lines().count() == 1, "{last}");
    assert!(running.stop().await.is_clean);
    Ok(())
}
