//! Statements that not every target wants: events, accounts, housekeeping, reads of tables that are not replicated.

use crate::support::{
    CATCH_UP, TARGET_DB, assert_equal, caught_up, log, open_tcp, options, pair, status, stopped,
};
use anyhow::{Context as _, ensure};
use tributary::{IgnoredReads, Replicator};
use tributary_client::{Address, Client, ConnectOptions, Secret};
use tributary_rules::FilterKind;
use tributary_sandbox::{Server, ServerOptions};

/// Everything that tells what an event does, and where it came from, but its times and the id of the server.
async fn events(server: &Server, database: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    server
        .rows(&format!(
            "SELECT event_name, definer, time_zone, REPLACE(REPLACE(event_definition,'`',''),'{database}','DB'), event_type, execute_at, interval_value,\
             interval_field, sql_mode, starts IS NULL, ends, status, on_completion, event_comment, character_set_client,\
             collation_connection, database_collation FROM information_schema.events WHERE event_schema='{database}' ORDER BY 1"
        ))
        .await
}

/// A native replica, fed from the source, is the judge: the same events, and none of them runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_disabled_as_on_a_native_replica() -> anyhow::Result<()> {
    log();
    let ((source, target), native) = tokio::try_join!(
        pair(ServerOptions::source(1)),
        Server::start(ServerOptions::plain(20))
    )?;
    open_tcp(&source).await?;
    native
        .run(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root', MASTER_LOG_FILE='mysql-bin.000001', MASTER_LOG_POS=4;\
             START SLAVE; SET GLOBAL event_scheduler=ON",
            source.port()
        ))
        .await?;
    target.run("SET GLOBAL event_scheduler=ON").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE ran (e VARCHAR(9));\
             CREATE EVENT e1 ON SCHEDULE EVERY 1 SECOND DO INSERT INTO asterisk.ran VALUES ('e1');\
             CREATE EVENT asterisk.e2 ON SCHEDULE EVERY 1 SECOND ENABLE COMMENT 'ENABLE it' DO BEGIN INSERT INTO ran VALUES ('e2'); END;\
             CREATE EVENT e3 ON SCHEDULE EVERY '1:30' HOUR_MINUTE ENDS '2037-01-01' ON COMPLETION PRESERVE DISABLE DO DELETE FROM asterisk.ran;\
             CREATE DEFINER=nobody@nowhere EVENT e4 ON SCHEDULE AT '2037-01-01 00:00:00' DISABLE ON SLAVE DO SET @a=1;\
             CREATE DEFINER=nobody@nowhere EVENT e5 ON SCHEDULE EVERY 1 DAY DO SET @a=1; CREATE EVENT gone ON SCHEDULE EVERY 1 DAY DO SET @a=1;\
             CREATE OR REPLACE EVENT e6 ON SCHEDULE EVERY 1 DAY DO SET @a=1; ALTER EVENT e1 RENAME TO asterisk.e7; ALTER EVENT e3 ENABLE;\
             ALTER EVENT e4 COMMENT 'changed' DO INSERT INTO ran VALUES ('e4'); ALTER DEFINER=other@h EVENT e5 ON SCHEDULE EVERY 5 MINUTE;\
             SET sql_mode='ANSI_QUOTES'; CREATE EVENT \"e 8\" ON SCHEDULE EVERY 1 SECOND DO INSERT INTO \"ran\" VALUES ('e8'); DROP EVENT gone;\
             DROP EVENT IF EXISTS gone",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let at = source.rows("SHOW MASTER STATUS").await?;
    let (file, offset) = (
        at[0][0].clone().context("file")?,
        at[0][1].clone().context("offset")?,
    );
    let waited = native
        .value(&format!(
            "SELECT MASTER_POS_WAIT('{file}', {offset}, {})",
            CATCH_UP.as_secs()
        ))
        .await?;
    ensure!(waited != "-1", "the native replica does not follow");
    let on_native = events(&native, "asterisk").await?;
    assert_eq!(on_native.len(), 7);
    assert_eq!(events(&target, TARGET_DB).await?, on_native);
    // An event that was let run would fire within this second and a half; none may.
    target.run("DO SLEEP(1.5)").await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.ran").await?, "0");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_housekeeping_are_left_out_unless_a_setting_applies_them() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    source
        .run(
            "CREATE DATABASE asterisk; USE asterisk; CREATE TABLE t (a INT PRIMARY KEY) ENGINE=MyISAM; CREATE USER early@'%' IDENTIFIED BY 'secret';\
             GRANT SELECT ON asterisk.* TO early@'%'; OPTIMIZE TABLE t; FLUSH TABLES; ANALYZE TABLE asterisk.t; INSERT INTO t VALUES (1);\
             CREATE TABLE mysql.own (a INT); INSERT INTO mysql.own VALUES (1)",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let left_out = status(&engine, "m1").left_out;
    assert_eq!(
        (left_out.accounts, left_out.housekeeping, left_out.system),
        (2, 3, 2)
    );
    let users = "SELECT GROUP_CONCAT(user ORDER BY 1) FROM mysql.user WHERE user IN ('early','applied','tributary_own')";
    assert_eq!(target.rows(users).await?[0][0], None);
    engine.stop().await;

    let mut options = options(&source, &target);
    options.connections[0].policies.applies_accounts = true;
    options.connections[0].policies.applies_housekeeping = true;
    let engine = Replicator::start(options).await?;
    source
        .run(
            "USE asterisk; CREATE USER applied@'%' IDENTIFIED BY 'secret'; GRANT SELECT, INSERT (a) ON t TO applied@'%';\
             GRANT EXECUTE ON `asterisk`.* TO applied@'%'; GRANT UPDATE ON asterisk.t TO applied@'%'; ALTER USER applied@'%' IDENTIFIED BY 'other';\
             SET PASSWORD FOR applied@'%' = PASSWORD('third'); CREATE ROLE clerk; GRANT clerk TO applied@'%';\
             ALTER USER root@localhost IDENTIFIED BY 'not this one'; ALTER USER root@localhost IDENTIFIED BY '';\
             GRANT clerk TO CURRENT_USER(); CREATE USER own@localhost IDENTIFIED BY 'own'; GRANT CREATE USER ON *.* TO own@localhost;\
             OPTIMIZE TABLE t; REPAIR TABLE asterisk.t; ANALYZE TABLE t; FLUSH TABLES; FLUSH TABLES asterisk.t; FLUSH STATUS;\
             INSERT INTO t VALUES (2)",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let grants = |server| async move {
        let server: &Server = server;
        anyhow::Ok(server.rows("SHOW GRANTS FOR applied@'%'").await?)
    };
    let renamed: Vec<Vec<Option<String>>> = grants(&source)
        .await?
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|text| {
                    // The new name has a wildcard of GRANT in it, the old one has not.
                    let text = text.map(|text| text.replace("`asterisk`.*", "`m1\\_asterisk`.*"));
                    text.map(|text| text.replace("`asterisk`", "`m1_asterisk`"))
                })
                .collect()
        })
        .collect();
    assert_eq!(grants(&target).await?, renamed);
    assert!(renamed.len() > 3, "{renamed:?}");
    let left_out = status(&engine, "m1").left_out;
    assert_eq!(
        (left_out.accounts, left_out.housekeeping),
        (3, 0),
        "the engine's own account stays as it is"
    );
    // Whoever runs it on the source is meant, and nobody else.
    let mut own = Client::connect(&ConnectOptions::new(
        Address::Unix(source.socket().to_owned()),
        "own",
        Secret::new("own"),
    ))
    .await?;
    own.query(b"ALTER USER CURRENT_USER() ACCOUNT LOCK").await?;
    caught_up(&engine, "m1", &source).await?;
    let locked = "SELECT GROUP_CONCAT(user) FROM mysql.global_priv WHERE JSON_VALUE(Priv,'$.account_locked') AND user<>'mariadb.sys'";
    assert_eq!(target.value(locked).await?, "own");
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    // What fails is named without the hash in it.
    target.run("CREATE USER again@'%'").await?;
    source.run("CREATE USER again@'%' IDENTIFIED BY 'secret'").await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1396, "{}", error.message);
    assert!(
        error.message.contains("'CREATE ...'") && !error.message.contains('*'),
        "{}",
        error.message
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filling_a_table_from_one_that_is_not_replicated_is_counted_recorded_or_refused() -> anyhow::Result<()>
{
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-format=STATEMENT")).await?;
    source
        .run(
            "CREATE DATABASE asterisk; CREATE DATABASE own; USE asterisk; CREATE TABLE log (a INT, b INT); CREATE TABLE live (a INT, b INT);\
             INSERT INTO live VALUES (1,1),(2,2)",
        )
        .await?;
    let filtered = |reads| {
        let mut options = options(&source, &target);
        let connection = &mut options.connections[0];
        connection
            .filter
            .add(FilterKind::IgnoreTable, "asterisk.live")
            .unwrap();
        connection.policies.ignored_reads = reads;
        options
    };
    let engine = Replicator::start(filtered(IgnoredReads::Warn)).await?;
    caught_up(&engine, "m1", &source).await?;
    // An old copy, as an administrator may have left it: the statement does not fail, it does something else.
    target
        .run("CREATE TABLE m1_asterisk.live (a INT, b INT); INSERT INTO m1_asterisk.live VALUES (7,7)")
        .await?;
    let reads = [
        "INSERT INTO log SELECT * FROM live",
        "REPLACE INTO asterisk.log SELECT l.a, l.b FROM asterisk.live l",
        "UPDATE log, live SET log.b=live.b WHERE log.a=live.a",
        "UPDATE log SET b=(SELECT MAX(b) FROM live)",
        "DELETE FROM log WHERE a IN (SELECT a FROM live)",
        "DELETE log FROM log JOIN live USING (a)",
        "CREATE TABLE copied SELECT * FROM live",
        "CREATE VIEW seen AS SELECT * FROM live",
        "INSERT INTO log WITH x AS (SELECT * FROM live) SELECT * FROM x",
    ];
    source.run(&format!("USE asterisk; {}", reads.join("; "))).await?;
    // The source's own tables are not those of the target either; these read nothing that is left out.
    source
        .run(
            "USE asterisk; INSERT INTO log SELECT 5, COUNT(*) FROM mysql.user; INSERT INTO log SELECT * FROM copied;\
             CREATE TEMPORARY TABLE live (a INT, b INT); INSERT INTO log SELECT * FROM live; DROP TEMPORARY TABLE live;\
             CREATE TABLE shape LIKE log",
        )
        .await?;
    caught_up(&engine, "m1", &source).await?;
    let counts: Vec<String> = status(&engine, "m1")
        .records
        .iter()
        .map(|record| format!("{} {} {}", record.count, record.kind.name(), record.table))
        .collect();
    assert_eq!(
        counts,
        [
            "1 diverging m1_asterisk.copied (from asterisk.live)",
            "7 diverging m1_asterisk.log (from asterisk.live)",
            "1 diverging m1_asterisk.log (from mysql.user)",
            "1 diverging m1_asterisk.seen (from asterisk.live)",
        ]
    );
    let ledger = target
        .rows("SELECT kind, CONCAT(database_name,'.',table_name), error_number, statement FROM tributary.skipped ORDER BY id")
        .await?;
    let shown: Vec<String> = ledger
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| cell.clone().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert_eq!(
        shown[0],
        "diverging m1_asterisk.log 0 INSERT INTO log SELECT * FROM live"
    );
    engine.stop().await;

    let engine = Replicator::start(filtered(IgnoredReads::Stop)).await?;
    source
        .run("USE asterisk; INSERT INTO log VALUES (99,99); INSERT INTO log SELECT * FROM live")
        .await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1593, "{}", error.message);
    for word in [
        "m1_asterisk.log",
        "asterisk.live",
        "INSERT INTO log SELECT",
        "mysql-bin.000001",
    ] {
        assert!(error.message.contains(word), "no {word} in: {}", error.message);
    }
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM m1_asterisk.log WHERE a=99")
            .await?,
        "1",
        "everything before is applied"
    );
    Ok(())
}
