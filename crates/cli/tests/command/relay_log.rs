//! What `SHOW SLAVE STATUS` tells of groups and of the relay log, beside a native replica of the same source.

use std::process::Command;
use std::time::Instant;

use tributary_sandbox::{Server, ServerOptions};

use crate::site::{Site, TABLES, field_of};
use crate::support::{DEADLINE, POLL_INTERVAL, Ran, Running};

const GROUP_COUNTS: [&str; 3] = [
    "Slave_DDL_Groups",
    "Slave_Non_Transactional_Groups",
    "Slave_Transactional_Groups",
];

/// Groups of each kind, and such as are less clear: of both kinds of tables, with temporary tables, in two phases, of XA, and
/// in tables that are filtered away.
const WORKLOAD: &str = "
    USE asterisk;
    CREATE TABLE i (a INT PRIMARY KEY) ENGINE=InnoDB;
    CREATE TABLE m (a INT PRIMARY KEY) ENGINE=MyISAM;
    INSERT INTO i VALUES (1); INSERT INTO i VALUES (2);
    INSERT INTO m VALUES (1); INSERT INTO m VALUES (2); INSERT INTO m VALUES (3);
    INSERT INTO sip_packets VALUES (1);
    SET SESSION binlog_format=STATEMENT;
    BEGIN; INSERT INTO i VALUES (3); INSERT INTO m VALUES (4); COMMIT;
    CREATE TEMPORARY TABLE t (a INT); INSERT INTO t VALUES (1); DROP TEMPORARY TABLE t;
    SET SESSION binlog_format=ROW;
    CREATE TABLE s ENGINE=InnoDB SELECT 1 AS a;
    ALTER TABLE i ADD b INT;
    SET SESSION binlog_alter_two_phase=1; ALTER TABLE i ADD c INT; SET SESSION binlog_alter_two_phase=0;
    TRUNCATE TABLE m; ANALYZE TABLE i;
    XA START 'x'; INSERT INTO i (a) VALUES (5); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';
    FLUSH BINARY LOGS; INSERT INTO i (a) VALUES (6)";

/// A native replica of the first source, from where that is now.
async fn native_replica(site: &Site) -> Server {
    let native = Server::start(ServerOptions::plain(77).arg("--relay-log=relay"))
        .await
        .unwrap();
    let (source, account) = &site.sources[0];
    let tables = "CREATE DATABASE asterisk; CREATE TABLE asterisk.sip_packets (id INT) ENGINE=MyISAM;
        SET GLOBAL replicate_ignore_table='asterisk.sip_packets'";
    native.run(tables).await.unwrap();
    let begin = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
    native
        .run(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
             MASTER_LOG_FILE='{}', MASTER_LOG_POS={}; START SLAVE",
            source.port(),
            account.user,
            account.password,
            begin[0].as_deref().unwrap(),
            begin[1].as_deref().unwrap(),
        ))
        .await
        .unwrap();
    native
}

/// A field of the status of a native replica's only connection.
fn native_field(native: &Server, field: &str) -> String {
    let mut client = Command::new("mariadb");
    client
        .args(["--no-defaults", "-uroot", "-S"])
        .arg(native.socket());
    let ran: Ran = client
        .args(["-e", "SHOW SLAVE STATUS\\G"])
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    field_of(&ran.stdout, field)
}

/// Waits until the native replica has applied everything of the first source.
async fn wait_for_native(site: &Site, native: &Server) {
    let end = site.sources[0]
        .0
        .rows("SHOW MASTER STATUS")
        .await
        .unwrap()
        .remove(0);
    let end = (end[0].clone().unwrap(), end[1].clone().unwrap());
    let deadline = Instant::now() + DEADLINE;
    let place = || {
        let of = |field| native_field(native, field);
        (of("Relay_Master_Log_File"), of("Exec_Master_Log_Pos"))
    };
    while place() != end {
        assert!(
            Instant::now() < deadline,
            "native: {:?} {}",
            place(),
            native_field(native, "Last_SQL_Error")
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_counted_as_by_a_native_replica() {
    let site = Site::new().await;
    let mut running = site.start();
    let (source, _) = &site.sources[0];
    site.target.run("CREATE DATABASE master1_asterisk").await.unwrap();
    let native = native_replica(&site).await;
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    source.run(WORKLOAD).await.unwrap();
    let counts = |of: &dyn Fn(&str) -> String| GROUP_COUNTS.map(|field| of(field).parse::<u64>().unwrap());
    let ours = || counts(&|field| site.field("master1", field));
    let theirs = || counts(&|field| native_field(&native, field));
    site.wait_for("master1", 0).await;
    wait_for_native(&site, &native).await;
    assert_eq!(ours(), theirs());
    assert_eq!(ours(), [10, 6, 5]);

    // What the counter passes over does not count. Both count on over stops.
    let skip = "SET GLOBAL sql_slave_skip_counter=1; START SLAVE";
    native.run(&format!("STOP SLAVE; {skip}")).await.unwrap();
    site.run("STOP SLAVE 'master1'; SET GLOBAL master1.sql_slave_skip_counter=1; START SLAVE 'master1'");
    source
        .run("INSERT INTO asterisk.m VALUES (21); INSERT INTO asterisk.m VALUES (22); INSERT INTO asterisk.i (a) VALUES (21)")
        .await
        .unwrap();
    site.wait_for("master1", 0).await;
    wait_for_native(&site, &native).await;
    assert_eq!(ours(), theirs());
    assert_eq!(ours(), [10, 7, 6]);

    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

/// The one file that the log has is full, and all of it is applied: it makes room for what comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_room_gives_up_what_is_applied() {
    const KIB: u32 = 256;
    let site = Site::new().await;
    let mut running = Running::start_with_short_files(&site.option_file, KIB);
    running.wait_for_log("listening for control");
    site.target
        .run(&TABLES.replace("asterisk", "master1_asterisk"))
        .await
        .unwrap();
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    let (source, _) = &site.sources[0];
    // Sources compress what can be compressed.
    let words = (1..128_u64).map(|word| format!("{:016x}", word.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let long: String = words.collect();
    let write = format!("INSERT INTO asterisk.sip_packets SELECT 1 FROM DUAL WHERE '{long}'<>''");
    for _ in 0..4 {
        for _ in 0..KIB / 4 {
            source.run(&write).await.unwrap();
        }
        site.wait_for("master1", 0).await;
    }
    let log = running.log();
    assert!(
        log.contains("trying again") && log.contains("begins anew: all of it is applied"),
        "{log}"
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
