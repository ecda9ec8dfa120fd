//! Tables whose columns differ between source and target: values go to the columns of their names, or nowhere.

use std::collections::BTreeSet;

use crate::support::{TARGET_DB, caught_up, log, options, pair, stopped};
use tributary::{Replicator, SkipErrors};
use tributary_sandbox::{Server, ServerOptions};

fn row_source() -> ServerOptions {
    ServerOptions::source(1).arg("--binlog-format=ROW")
}

/// The rows of a query as `a|b|c` lines; NULL is `-`.
async fn rows(server: &Server, query: &str) -> anyhow::Result<Vec<String>> {
    let rows = server.rows(query).await?;
    let line = |row: Vec<Option<String>>| {
        let values: Vec<String> = row
            .into_iter()
            .map(|value| value.unwrap_or_else(|| "-".to_owned()))
            .collect();
        values.join("|")
    };
    Ok(rows.into_iter().map(line).collect())
}

/// A native replica that skipped `ADD c` puts c's values into d. Here the row stops, whatever errors are passed over, and
/// nothing is in the wrong column; told to drop what the target lacks, the engine applies the rest by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skipped_alter_table_moves_no_value_into_another_column() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1,10)")
        .await?;
    let mut options = options(&source, &target);
    options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1032, 1060, 1062, 1146]));
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    // The ALTER of the source fails here with 1060 and is skipped; then the column goes again.
    target.run("ALTER TABLE m1_asterisk.t ADD c INT").await?;
    source.run("ALTER TABLE asterisk.t ADD c INT").await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT error_number FROM tributary.skipped").await?,
        ["1060"]
    );
    running.stop().await;
    target.run("ALTER TABLE m1_asterisk.t DROP c").await?;
    let running = Replicator::start(options.clone()).await?;
    source
        .run("USE asterisk; ALTER TABLE t ADD d INT; INSERT INTO t VALUES (2,20,111,222)")
        .await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1535, "{}", error.message);
    for part in [
        "no column `c`",
        "c INT",
        "target: (id int(11), v int(11), d int(11))",
    ] {
        assert!(error.message.contains(part), "no {part} in: {}", error.message);
    }
    assert_eq!(
        rows(&target, "SELECT id,v,d FROM m1_asterisk.t").await?,
        ["1|10|-"]
    );
    running.stop().await;

    let mut dropping = options.clone();
    dropping.connections[0].drop_missing_columns = true;
    let running = Replicator::start(dropping).await?;
    source
        .run("USE asterisk; INSERT INTO t VALUES (3,30,112,333); UPDATE t SET c=5,d=7 WHERE id=2; DELETE FROM t WHERE id=1")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT id,v,d FROM m1_asterisk.t").await?,
        ["2|20|7", "3|30|333"]
    );
    running.stop().await;

    // The missing column is added somewhere else: from here on it is fed by name.
    target.run("ALTER TABLE m1_asterisk.t ADD c INT FIRST").await?;
    let running = Replicator::start(options).await?;
    source.run("UPDATE asterisk.t SET c=c+1").await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT id,v,c,d FROM m1_asterisk.t").await?,
        ["2|20|6|7", "3|30|113|333"]
    );
    Ok(())
}

/// Columns that only the target has, in front, between and behind the source's, and another order: with keys and without, in
/// engines with and without transactions, with every row image; before and after the source's own DDL.
async fn columns_elsewhere(engine: &str, image: &str) -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source().arg(&format!("--binlog-row-image={image}"))).await?;
    source
        .run(&format!(
            "CREATE DATABASE asterisk; USE asterisk; SET default_storage_engine={engine};\
             CREATE TABLE keyed (id INT PRIMARY KEY, v VARCHAR(20), b BLOB, n INT NOT NULL);\
             CREATE TABLE plain (a INT, b CHAR(5), c DATETIME(3));\
             INSERT INTO keyed VALUES (1,'one','x',1),(2,NULL,NULL,2); INSERT INTO plain VALUES (1,'q',NULL),(1,'q',NULL)"
        ))
        .await?;
    let options = options(&source, &target);
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    running.stop().await;
    target
        .run(
            "USE m1_asterisk; ALTER TABLE keyed ADD x INT NOT NULL DEFAULT 77 FIRST, ADD y VARCHAR(300) DEFAULT 'y' AFTER v, \
             ADD z DATETIME, MODIFY b BLOB FIRST, ADD INDEX (n);\
             ALTER TABLE plain MODIFY c DATETIME(3) FIRST, ADD x INT DEFAULT 5 AFTER a",
        )
        .await?;
    let running = Replicator::start(options.clone()).await?;
    let work = "USE asterisk; INSERT INTO keyed VALUES (3,'three','z',3),(4,'four',NULL,4); UPDATE keyed SET v='uno', n=n+1 WHERE id<3; \
         UPDATE keyed SET id=40, b='long' WHERE id=4; DELETE FROM keyed WHERE id=2; \
         INSERT INTO plain VALUES (1,'q','2024-02-29 12:34:56.789'),(NULL,NULL,NULL); DELETE FROM plain WHERE a=1 LIMIT 1; \
         UPDATE plain SET b='new' WHERE a IS NULL";
    source.run(work).await?;
    // DDL on a table that differs: the target gets the column, its place is the target's.
    source
        .run(
            "USE asterisk; ALTER TABLE keyed ADD w BIGINT UNSIGNED DEFAULT 9 AFTER id, CHANGE v vv VARCHAR(20); \
             INSERT INTO keyed VALUES (5,55,'five','b5',5); UPDATE keyed SET w=w+1; RENAME TABLE plain TO renamed; \
             INSERT INTO renamed VALUES (8,'eight','2024-01-01')",
        )
        .await?;
    caught_up(&running, "m1", &source).await?;
    let of_source = "SELECT id,w,vv,b,n FROM {}.keyed ORDER BY id";
    let plain = "SELECT a,b,c FROM {}.renamed ORDER BY a,b,c";
    for query in [of_source, plain] {
        assert_eq!(
            rows(&target, &query.replace("{}", TARGET_DB)).await?,
            rows(&source, &query.replace("{}", "asterisk")).await?,
            "{query} {engine} {image}"
        );
    }
    assert_eq!(
        rows(&target, "SELECT DISTINCT x,y,z FROM m1_asterisk.keyed").await?,
        ["77|y|-"],
        "columns of the target keep to themselves"
    );
    assert_eq!(
        rows(
            &target,
            "SELECT columns FROM tributary.source_columns ORDER BY table_name"
        )
        .await?,
        ["`id`,`w`,`vv`,`b`,`n`", "`a`,`b`,`c`"]
    );
    assert_eq!(
        rows(&target, "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name='keyed'").await?,
        ["b,x,id,w,vv,y,n,z"]
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_elsewhere_in_innodb() -> anyhow::Result<()> {
    columns_elsewhere("InnoDB", "FULL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_elsewhere_in_innodb_with_small_images() -> anyhow::Result<()> {
    columns_elsewhere("InnoDB", "MINIMAL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_elsewhere_in_myisam() -> anyhow::Result<()> {
    columns_elsewhere("MyISAM", "NOBLOB").await
}

/// What the event does not tell and nobody has tracked stops; names in the event help at once, and so does a list by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_columns_stop_until_somebody_names_them() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO t VALUES (1,10)")
        .await?;
    // The copy was made, and a column added, before the first start.
    target
        .run("CREATE DATABASE m1_asterisk; USE m1_asterisk; CREATE TABLE t (x INT, id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO t VALUES (0,1,10)")
        .await?;
    let mut options = options(&source, &target);
    let status = source.rows("SHOW MASTER STATUS").await?;
    options.connections[0].start = Some(tributary::StartPosition::Coordinates(
        tributary_binlog::Coordinates::new(
            status[0][0].clone().unwrap(),
            status[0][1].clone().unwrap().parse()?,
        ),
    ));
    let running = Replicator::start(options.clone()).await?;
    source.run("INSERT INTO asterisk.t VALUES (2,20)").await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1535, "{}", error.message);
    assert!(
        error.message.contains("2 columns")
            && error
                .message
                .contains("target: (x int(11), id int(11), v int(11))"),
        "{}",
        error.message
    );
    running.stop().await;
    target
        .run("UPDATE tributary.source_columns SET columns='`id`, `v`' WHERE table_name='t'")
        .await?;
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    source.run("SET GLOBAL binlog_row_metadata=FULL").await?;
    target
        .run("UPDATE tributary.source_columns SET columns=NULL WHERE table_name='t'")
        .await?;
    running.stop().await;
    let running = Replicator::start(options).await?;
    source
        .run("USE asterisk; INSERT INTO t VALUES (3,30); UPDATE t SET v=v+1; DELETE FROM t WHERE id=1")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT * FROM m1_asterisk.t").await?,
        ["-|2|21", "-|3|31"]
    );
    Ok(())
}

/// A type that the target cannot take stops with both definitions; one that it may convert is converted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_type_is_the_targets_to_convert() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO t VALUES (1,10)")
        .await?;
    let options = options(&source, &target);
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    running.stop().await;
    target
        .run("ALTER TABLE m1_asterisk.t MODIFY v BIGINT FIRST")
        .await?;
    let running = Replicator::start(options.clone()).await?;
    source.run("INSERT INTO asterisk.t VALUES (2,20)").await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1677, "{}", error.message);
    assert!(
        error
            .message
            .contains("source: asterisk.t (id INT, v INT); target: (v bigint(20), id int(11))"),
        "{}",
        error.message
    );
    running.stop().await;
    target
        .run("SET GLOBAL slave_type_conversions='ALL_NON_LOSSY'")
        .await?;
    let running = Replicator::start(options).await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal_rows(&source, &target).await
}

async fn assert_equal_rows(source: &Server, target: &Server) -> anyhow::Result<()> {
    let query = "SELECT id,v FROM {}.t ORDER BY id";
    assert_eq!(
        rows(target, &query.replace("{}", TARGET_DB)).await?,
        rows(source, &query.replace("{}", "asterisk")).await?
    );
    Ok(())
}

/// Dates and times in the format before 10.1 arrive in the target's format, also where the event does not tell their digits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_dates_and_times_are_converted() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source().arg("--mysql56-temporal-format=OFF")).await?;
    for engine in ["InnoDB", "MyISAM"] {
        source
            .run(&format!(
                "CREATE DATABASE IF NOT EXISTS asterisk; USE asterisk; SET sql_mode='';\
                 CREATE TABLE {engine} (a TIME, b TIME(1), c TIME(3), d TIME(6), e DATETIME, f DATETIME(2), g DATETIME(6), \
                   h TIMESTAMP NULL, i TIMESTAMP(1) NULL, j TIMESTAMP(4) NULL, k TIMESTAMP(6) NULL, l DATE) ENGINE={engine}"
            ))
            .await?;
    }
    let running = Replicator::start(options(&source, &target)).await?;
    for engine in ["InnoDB", "MyISAM"] {
        for values in [
            "'12:34:56.789123'",
            "'-12:34:56.789123'",
            "'-838:59:59.999999'",
            "'838:59:59.999999'",
            "'-00:00:00.1'",
            "'00:00:00'",
            "NULL",
        ] {
            source
                .run(&format!(
                    "USE asterisk; SET sql_mode='', time_zone='+00:00'; INSERT INTO {engine} (a,b,c,d) VALUES ({values},{values},{values},{values})"
                ))
                .await?;
        }
        for values in [
            "'2024-02-29 12:34:56.789123'",
            "'1970-01-01 00:00:01.9'",
            "'2038-01-19 03:14:07.999999'",
            "'9999-12-31 23:59:59.999999'",
            "'0000-00-00'",
            "'2024-00-00'",
        ] {
            source
                .run(&format!(
                    "USE asterisk; SET sql_mode='', time_zone='+00:00'; INSERT INTO {engine} (e,f,g,h,i,j,k,l) VALUES ({values},{values},{values},{values},{values},{values},{values},{values})"
                ))
                .await?;
        }
        source
            .run(&format!("USE asterisk; UPDATE {engine} SET l='2024-03-01'; DELETE FROM {engine} WHERE e='1970-01-01 00:00:01'"))
            .await?;
    }
    caught_up(&running, "m1", &source).await?;
    let new = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='m1_asterisk' AND column_type LIKE '%mariadb-5.3%'";
    assert_eq!(target.value(new).await?, "0", "the target has the new format");
    for engine in ["InnoDB", "MyISAM"] {
        let query = format!("SELECT * FROM {{}}.{engine} ORDER BY a,b,c,d,e,f,g,h,i,j,k,l");
        let there = rows(&source, &query.replace("{}", "asterisk")).await?;
        assert_eq!(there.len(), 12);
        assert_eq!(rows(&target, &query.replace("{}", TARGET_DB)).await?, there);
    }
    Ok(())
}

/// Statements that go by the order of columns get the source's list, or stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_without_a_list_of_columns_go_by_name_too() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=STATEMENT")).await?;
    source
        .run("CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; CREATE TABLE u LIKE t; INSERT INTO t VALUES (1,10)")
        .await?;
    let options = options(&source, &target);
    let running = Replicator::start(options.clone()).await?;
    caught_up(&running, "m1", &source).await?;
    running.stop().await;
    target
        .run("ALTER TABLE m1_asterisk.t MODIFY v INT FIRST, ADD x INT DEFAULT 7 AFTER v")
        .await?;
    let running = Replicator::start(options.clone()).await?;
    source
        .run(
            "USE asterisk; INSERT INTO t VALUES (2,20),(3,30); REPLACE t VALUES (1,11); INSERT INTO t SELECT id+10,v FROM t; \
             INSERT INTO u SELECT v+id*1000,id FROM t; INSERT INTO t (id) VALUES (100); CREATE TABLE w LIKE t",
        )
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal_rows(&source, &target).await?;
    assert_eq!(
        rows(&target, "SELECT DISTINCT x FROM m1_asterisk.t").await?,
        ["7"]
    );
    assert_eq!(
        rows(&target, "SELECT COUNT(*), SUM(id), SUM(v) FROM m1_asterisk.u").await?,
        rows(&source, "SELECT COUNT(*), SUM(id), SUM(v) FROM asterisk.u").await?
    );
    source
        .run("USE asterisk; DELETE FROM u; INSERT INTO u SELECT * FROM t")
        .await?;
    let error = stopped(&running, "m1").await?;
    assert_eq!(error.number, 1535, "{}", error.message);
    assert!(
        error.message.contains("m1_asterisk.t by `*`")
            && error.message.contains("source: (id, v); target: (v, x, id)"),
        "{}",
        error.message
    );
    running.stop().await;
    // `w` is a copy of a table that differs: what the source has there is not known.
    assert_eq!(
        rows(
            &target,
            "SELECT table_name FROM tributary.source_columns WHERE columns IS NULL"
        )
        .await?,
        ["w"]
    );
    let mut skipping = options;
    skipping.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1535]));
    let running = Replicator::start(skipping).await?;
    source
        .run(
            "USE asterisk; INSERT INTO w VALUES (1,2); INSERT INTO u VALUES (500,1); CREATE TEMPORARY TABLE c SELECT * FROM t;\
             CREATE TEMPORARY TABLE d LIKE t; CREATE TEMPORARY TABLE t (id INT, v INT); INSERT INTO t VALUES (700,7); INSERT INTO u SELECT * FROM t",
        )
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT statement FROM tributary.skipped ORDER BY id").await?,
        [
            "INSERT INTO u SELECT * FROM t",
            "INSERT INTO w VALUES (1,2)",
            "CREATE TEMPORARY TABLE c SELECT * FROM t",
            "CREATE TEMPORARY TABLE d LIKE t",
        ]
    );
    assert_eq!(
        rows(&target, "SELECT * FROM m1_asterisk.u").await?,
        ["500|1", "700|7"],
        "a temporary table has the source's columns, whatever it hides"
    );
    Ok(())
}

/// Somebody alters tables of the target while the engine runs: it notices before the next rows, or when they fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alter_table_of_somebody_else_is_noticed() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(row_source()).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO t VALUES (1,10);\
             CREATE TABLE late (id INT, v VARCHAR(9), w INT) ENGINE=MyISAM; INSERT INTO late VALUES (1,'one',1)",
        )
        .await?;
    let running = Replicator::start(options(&source, &target)).await?;
    caught_up(&running, "m1", &source).await?;
    target
        .run("ALTER TABLE m1_asterisk.t MODIFY v INT FIRST, ADD x INT DEFAULT 3 AFTER v")
        .await?;
    // The engine looks at the counters in a statement of its own; behind the third, what the second saw is known.
    let looks =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='COM_SHOW_STATUS'";
    let before: u64 = target.value(looks).await?.parse()?;
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    while target.value(looks).await?.parse::<u64>()? < before + 3 {
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "the engine does not look at the counters"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    source
        .run("USE asterisk; INSERT INTO t VALUES (2,20); UPDATE t SET v=v+1; INSERT INTO t VALUES (3,30)")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_equal_rows(&source, &target).await?;
    assert_eq!(
        rows(&target, "SELECT DISTINCT x FROM m1_asterisk.t").await?,
        ["3"]
    );
    // No time to notice: rows that do not fit the new places fail, and are then mapped.
    target
        .run("ALTER TABLE m1_asterisk.late MODIFY v VARCHAR(9) FIRST")
        .await?;
    source
        .run("USE asterisk; INSERT INTO late VALUES (2,'two',2),(3,'three',3); DELETE FROM late WHERE id=1")
        .await?;
    caught_up(&running, "m1", &source).await?;
    assert_eq!(
        rows(&target, "SELECT id,v,w FROM m1_asterisk.late").await?,
        ["2|two|2", "3|three|3"]
    );
    Ok(())
}
