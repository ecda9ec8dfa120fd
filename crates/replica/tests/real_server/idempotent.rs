//! `slave_exec_mode=IDEMPOTENT`: a native replica in this mode, with the same differences from the source as the target, is
//! the judge.

use crate::support::{
    CATCH_UP, SOURCE_DB, TARGET_DB, caught_up, log, open_tcp, options, pair, status, stopped,
};
use anyhow::{Context as _, ensure};
use tributary::{ExecMode, RecordKind, Replicator};
use tributary_sandbox::{Server, ServerOptions, compare};

/// Waits until the native replica has everything.
async fn native_caught_up(source: &Server, native: &Server) -> anyhow::Result<()> {
    let at = source.rows("SHOW MASTER STATUS").await?;
    let (file, offset) = (
        at[0][0].clone().context("file")?,
        at[0][1].clone().context("offset")?,
    );
    let wait = format!("SELECT MASTER_POS_WAIT('{file}',{offset},{})", CATCH_UP.as_secs());
    let waited = native.rows(&wait).await?[0][0].clone();
    ensure!(
        waited.as_deref().is_some_and(|waited| waited != "-1"),
        "the native replica does not follow: {:?}",
        native.rows("SHOW SLAVE STATUS").await?
    );
    Ok(())
}

const TABLES: &str = "\
    CREATE TABLE plain (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=E;\
    CREATE TABLE two (a INT PRIMARY KEY, u INT UNSIGNED NOT NULL, b VARCHAR(20), UNIQUE KEY (u)) ENGINE=E;\
    CREATE TABLE three (a INT PRIMARY KEY, u VARCHAR(20) CHARACTER SET latin1, d DATETIME(3), n DECIMAL(8,2), b VARCHAR(20), UNIQUE KEY (u, n), UNIQUE KEY (d)) ENGINE=E;\
    CREATE TABLE nullable (u INT, b VARCHAR(20), UNIQUE KEY (u)) ENGINE=E;\
    CREATE TABLE unkeyed (a INT, b VARCHAR(20)) ENGINE=E;";

const FOREIGN: &str = "\
    CREATE TABLE parent (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=InnoDB;\
    CREATE TABLE cascading (a INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (a) ON DELETE CASCADE) ENGINE=InnoDB;\
    CREATE TABLE strict_parent (a INT PRIMARY KEY, b VARCHAR(20)) ENGINE=InnoDB;\
    CREATE TABLE strict (a INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES strict_parent (a)) ENGINE=InnoDB;";

/// What stands on the replicas and not on the source.
const DIFFERENT: &str = "\
    INSERT INTO plain VALUES (2,'mine'),(3,'mine'),(4,'mine');\
    INSERT INTO two VALUES (1,71,'mine'),(12,2,'mine'),(0,99,'zero'),(13,13,'mine'),(14,3,'mine');\
    INSERT INTO three VALUES (1,'x','2020-01-01 00:00:00.5',9,'mine'),(22,'\u{e4}b',NULL,2.5,'mine'),(23,NULL,'2020-02-02 02:02:02.125',1,'mine');\
    INSERT INTO nullable VALUES (NULL,'mine'),(2,'mine'); INSERT INTO unkeyed VALUES (1,'mine');";

const FOREIGN_DIFFERENT: &str = "\
    INSERT INTO parent VALUES (1,'mine'); INSERT INTO cascading VALUES (7,1);\
    INSERT INTO strict_parent VALUES (1,'mine'); INSERT INTO strict VALUES (7,1);";

/// Then the source does this.
const CHANGES: &str = "\
    INSERT INTO plain VALUES (1,'a'),(2,'b'),(3,'c'),(4,NULL),(5,'e');\
    INSERT INTO two VALUES (1,1,'a'),(2,2,'b'),(3,13,'two rows in its way'),(4,4,'d');\
    INSERT INTO two VALUES (13,3,'two rows again'),(5,0,'e');\
    INSERT INTO three VALUES (1,'y','2020-01-01 00:00:00.5',9,'a'),(2,'\u{e4}b','2021-01-01',2.5,'b'),(3,'\u{e4}b','2020-02-02 02:02:02.125',1,'c'),(4,NULL,NULL,NULL,'d');\
    INSERT INTO nullable VALUES (NULL,'a'),(2,'b'),(3,'c'); INSERT INTO unkeyed VALUES (1,'a'),(2,'b');";

/// Rows that are missing on the replicas, and what the source does to them.
const GONE: &str = "DELETE FROM plain WHERE a IN (1,3); DELETE FROM two WHERE a=1; DELETE FROM unkeyed WHERE a=2; INSERT INTO two VALUES (9,50,'mine');";
const LATER: &str = "UPDATE plain SET b='later'; DELETE FROM plain WHERE a IN (1,2,3); UPDATE two SET u=50 WHERE a=4; UPDATE two SET u=u+100;\
    DELETE FROM unkeyed WHERE b='b'; DELETE FROM two WHERE a<3;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_in_the_way_and_missing_rows_as_on_a_native_replica() -> anyhow::Result<()> {
    log();
    let ((source, target), native) = tokio::try_join!(
        pair(ServerOptions::source(1).arg("--binlog-format=ROW")),
        Server::start(ServerOptions::plain(20))
    )?;
    open_tcp(&source).await?;
    native
        .run(&format!(
            "SET GLOBAL slave_exec_mode='IDEMPOTENT'; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root',\
             MASTER_LOG_FILE='mysql-bin.000001', MASTER_LOG_POS=4; START SLAVE",
            source.port()
        ))
        .await?;
    let mut settings = options(&source, &target);
    settings.connections[0].policies.exec_mode = ExecMode::Idempotent;
    let engine = Replicator::start(settings).await?;
    source.run("CREATE DATABASE asterisk").await?;
    for (round, table_engine) in ["InnoDB", "MyISAM"].into_iter().enumerate() {
        let with_foreign_keys = table_engine == "InnoDB";
        let pick = |more: &str| {
            if with_foreign_keys {
                more.to_owned()
            } else {
                String::new()
            }
        };
        let tables = TABLES.replace("ENGINE=E", &format!("ENGINE={table_engine}"));
        source
            .run(&format!("USE asterisk; {tables} {}", pick(FOREIGN)))
            .await?;
        caught_up(&engine, "m1", &source).await?;
        native_caught_up(&source, &native).await?;
        for (server, database) in [(&native, SOURCE_DB), (&target, TARGET_DB)] {
            server
                .run(&format!(
                    "USE {database}; {DIFFERENT} {}",
                    pick(FOREIGN_DIFFERENT)
                ))
                .await?;
        }
        let foreign = pick(
            "INSERT INTO parent VALUES (1,'a'),(2,'b'); INSERT INTO cascading VALUES (1,2);\
             INSERT INTO strict_parent VALUES (1,'a'),(2,'b'); INSERT INTO strict VALUES (1,2);",
        );
        source
            .run(&format!("USE asterisk; BEGIN; {CHANGES} {foreign} COMMIT"))
            .await?;
        agree(&source, &native, &target, &engine)
            .await
            .with_context(|| format!("{table_engine}, inserts"))?;
        for (server, database) in [(&native, SOURCE_DB), (&target, TARGET_DB)] {
            let foreign = pick("DELETE FROM strict; DELETE FROM strict_parent WHERE a=2;");
            server.run(&format!("USE {database}; {GONE} {foreign}")).await?;
        }
        let foreign = pick("INSERT INTO strict VALUES (5,2); DELETE FROM parent WHERE a=1;");
        source.run(&format!("USE asterisk; {LATER} {foreign}")).await?;
        agree(&source, &native, &target, &engine)
            .await
            .with_context(|| format!("{table_engine}, updates and deletes"))?;
        if round == 0 {
            source
                .run("USE asterisk; DROP TABLE cascading, parent, strict, strict_parent, plain, two, three, nullable, unkeyed")
                .await?;
        }
    }
    let now = status(&engine, "m1");
    let count = |kind: RecordKind, table: &str| -> u64 {
        let records = now.records.iter();
        records
            .filter(|record| record.kind == kind && record.table == table)
            .map(|record| record.count)
            .sum()
    };
    assert_eq!(now.skipped, 0, "as on the server, these are not skipped errors");
    assert_eq!(count(RecordKind::Overwritten, "m1_asterisk.plain"), 6);
    assert!(
        count(RecordKind::Ignored, "m1_asterisk.plain") > 0,
        "{:?}",
        now.records
    );
    let ledger = target
        .value("SELECT GROUP_CONCAT(DISTINCT kind ORDER BY kind) FROM tributary.skipped")
        .await?;
    assert_eq!(ledger, "ignored,overwritten");

    // A table that may never skip is strict, and so are statements.
    target
        .run("INSERT INTO m1_asterisk.plain VALUES (40,'mine')")
        .await?;
    source
        .run("SET binlog_format=STATEMENT; INSERT INTO asterisk.plain VALUES (40,'statement')")
        .await?;
    assert_eq!(stopped(&engine, "m1").await?.number, 1062);
    Ok(())
}

/// Target and native replica hold the same.
async fn agree(source: &Server, native: &Server, target: &Server, engine: &Replicator) -> anyhow::Result<()> {
    native_caught_up(source, native).await?;
    caught_up(engine, "m1", source).await?;
    let comparison = compare(native, SOURCE_DB, target, TARGET_DB, &[]).await?;
    ensure!(comparison.is_equal(), "native replica and target: {comparison}");
    Ok(())
}
