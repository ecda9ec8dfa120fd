//! `SHOW RELAYLOG EVENTS` through the control port, beside a native replica of the same source.

use std::process::Command;
use std::time::Instant;

use tributary_sandbox::{Server, ServerOptions};

use crate::site::{Site, wait_for_checkpoint};
use crate::support::{DEADLINE, POLL_INTERVAL};

/// Every kind of event that a source of this version writes without being ill.
const WORKLOAD: &str = "
    USE asterisk;
    CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(60), d DOUBLE) ENGINE=InnoDB;
    SET SESSION binlog_format=STATEMENT;
    INSERT INTO t (b) VALUES ('x'), ('y');
    INSERT INTO t (b, d) VALUES (LAST_INSERT_ID(), RAND());
    SET @u='it''s', @`we``i`=-5, @d=1.5e0, @n=NULL, @dec=-12.50, @bn=x'00ff', @un=CAST(18446744073709551615 AS UNSIGNED),
        @e='', @l=_latin1 x'e9', @big=1e15, @small=1e-15, @tiny=2.5e-20;
    INSERT INTO t (b) SELECT LENGTH(CONCAT(@u, @`we``i`, @d, @n, @dec, @bn, @un, @e, @l, @big, @small, @tiny));
    SET SESSION foreign_key_checks=0, unique_checks=0, check_constraint_checks=0, sql_auto_is_null=1;
    INSERT INTO t (b) VALUES ('flags'); CREATE TABLE IF NOT EXISTS t2 (a INT) ENGINE=InnoDB;
    SET SESSION foreign_key_checks=1, unique_checks=1, check_constraint_checks=1, sql_auto_is_null=0;
    SET SESSION sql_if_exists=1; ALTER TABLE t2 ADD b INT; SET SESSION sql_if_exists=0;
    SET SESSION binlog_alter_two_phase=1; ALTER TABLE t2 ADD c INT; SET SESSION binlog_alter_two_phase=0;
    LOAD DATA INFILE '@FILE@' IGNORE INTO TABLE t2 FIELDS TERMINATED BY ',' (b, c);
    SET SESSION gtid_domain_id=7; INSERT INTO t2 (a) VALUES (8); SET SESSION server_id=3; INSERT INTO t2 (a) VALUES (8);
    SET SESSION gtid_domain_id=2; INSERT INTO t2 (a) VALUES (8); SET SESSION server_id=2; INSERT INTO t2 (a) VALUES (8);
    SET SESSION server_id=9; INSERT INTO t2 (a) VALUES (8); SET SESSION server_id=1, gtid_domain_id=0;
    SET SESSION binlog_format=ROW;
    INSERT INTO t (b) VALUES ('r'); UPDATE t SET b='q'; DELETE FROM t;
    BEGIN; INSERT INTO t (b) VALUES ('s'); SAVEPOINT s; INSERT INTO t2 (a) VALUES (1); COMMIT;
    INSERT INTO vicidial_log VALUES (1, 'a');
    XA START 'x', 'y', 3; INSERT INTO t2 (a) VALUES (5); XA END 'x', 'y', 3; XA PREPARE 'x', 'y', 3; XA COMMIT 'x', 'y', 3;
    CREATE DATABASE `we``ird`; CREATE TABLE `we``ird`.`q``` (a INT);
    INSERT INTO `we``ird`.`q``` VALUES (1);
    SET GLOBAL log_bin_compress=1, log_bin_compress_min_len=10;
    INSERT INTO t (b) VALUES (REPEAT('z', 50));
    CREATE TABLE c (a INT COMMENT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
    SET GLOBAL log_bin_compress=0;
    FLUSH BINARY LOGS; INSERT INTO t2 (a) VALUES (9)";

type Row = Vec<String>;

/// Events of a source's own binlog in a relay log, without what replicas put at the beginning of files and streams: type,
/// server id, end and info.
fn of_source(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    let own = |row: &Row| row[3] == "1" && row[4] != "0" && row[2] != "Format_desc";
    rows.into_iter()
        .filter(own)
        .map(|row| row[2..].to_vec())
        .collect()
}

fn table(text: &str) -> Vec<Row> {
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().map(cells).collect()
}

/// All events of a native replica's relay log.
async fn native_events(native: &Server) -> Vec<Row> {
    let mut events = Vec::new();
    for number in 1..=9 {
        let sql = format!("SHOW RELAYLOG EVENTS IN 'relay.{number:06}'");
        if let Ok(rows) = native.rows(&sql).await {
            events.extend(
                rows.into_iter()
                    .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Row>()),
            );
        }
    }
    events
}

async fn native_rows(server: &Server, sql: &str) -> Vec<Row> {
    let rows = server.rows(sql).await.unwrap();
    let row = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    rows.into_iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay_log_events_are_those_of_a_native_replica() {
    let site = Site::new().await;
    let options = std::fs::read_to_string(&site.option_file).unwrap();
    let options = options.replace("[tributary]\n", "[tributary]\nmaster2.tributary_relay_log=OFF\n");
    std::fs::write(&site.option_file, options).unwrap();
    let mut running = site.start();
    let (source, _) = &site.sources[0];
    let native = Server::start(ServerOptions::plain(77).arg("--relay-log=relay"))
        .await
        .unwrap();
    let tables = "CREATE DATABASE master1_asterisk CHARACTER SET latin1; CREATE TABLE master1_asterisk.vicidial_log (id INT PRIMARY KEY, status VARCHAR(9))";
    site.target.run(tables).await.unwrap();
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    site.replicate_natively(&native, "IO_THREAD").await;
    let file = site.dir.file("load.txt", "1,2\n3,4\n");
    source
        .run(&WORKLOAD.replace("@FILE@", &file.display().to_string()))
        .await
        .unwrap();

    // Both have received everything.
    wait_for_checkpoint(source).await;
    let end = native_rows(source, "SHOW MASTER STATUS").await.remove(0);
    site.wait_for_field("master1", "Master_Log_File", &end[0]);
    site.wait_for_field("master1", "Read_Master_Log_Pos", &end[1]);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let status = native_rows(&native, "SHOW SLAVE STATUS").await.remove(0);
        if status[5] == end[0] && status[6] == end[1] {
            break;
        }
        assert!(Instant::now() < deadline, "the native replica: {status:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }

    // What a native replica has received it shows when it is written out.
    let expected = loop {
        let expected = native_events(&native).await;
        if expected.iter().any(|row| row[4] == end[1]) {
            break expected;
        }
        assert!(Instant::now() < deadline, "the native replica: {expected:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    let expected = of_source(expected);
    let ran = site.client(&["-NBre", "SHOW RELAYLOG 'master1' EVENTS"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let all = table(&ran.stdout);
    let shown = of_source(all.clone());
    for (ours, theirs) in shown.iter().zip(&expected) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(shown.len(), expected.len());
    for kind in [
        "Gtid",
        "Query",
        "Intvar",
        "RAND",
        "User var",
        "Xid",
        "Table_map",
        "Write_rows_v1",
        "Update_rows_v1",
        "Delete_rows_v1",
        "Begin_load_query",
        "Execute_load_query",
        "XA_prepare",
        "Rotate",
    ] {
        assert!(shown.iter().any(|row| row[0] == kind), "no {kind} in {shown:?}");
    }

    // Some of them were compressed, which a native replica undoes before it writes them.
    let read = Command::new("mariadb-binlog")
        .arg("--no-defaults")
        .arg(relay_file(&site, &all[0][0]))
        .output()
        .unwrap();
    let read = String::from_utf8_lossy(&read.stdout);
    for kind in ["Query_compressed", "Write_compressed_rows"] {
        assert!(read.contains(kind), "no {kind} in {read}");
    }

    // The file's own columns: each event begins where another one ends, and the first behind the magic.
    let name = &all[0][0];
    assert_eq!(
        (name.as_str(), all[0][1].as_str(), all[0][2].as_str()),
        ("relay-bin.000001", "4", "Format_desc")
    );
    let second = &all[1][1];
    for (what, first, count) in [
        (format!("IN '{name}'"), 0, all.len()),
        (format!("IN '{name}' FROM {second}"), 1, all.len() - 1),
        (format!("IN '{name}' LIMIT 2"), 0, 2),
        (format!("IN '{name}' FROM {second} LIMIT 3, 2"), 4, 2),
        (format!("IN '{name}' LIMIT 5 OFFSET 100000"), 0, 0),
        ("LIMIT 0".to_owned(), 0, 0),
    ] {
        let sql = format!("SHOW RELAYLOG 'master1' EVENTS {what}");
        let part = site.client(&["-NBre", &sql]);
        assert_eq!(
            table(&part.stdout),
            all[first..first + count],
            "{sql}: {}",
            part.stderr
        );
    }
    // Behind a streamed reply the session goes on.
    assert!(
        site.run("SHOW RELAYLOG 'master1' EVENTS LIMIT 1; SELECT 17")
            .ends_with("17\n")
    );

    site.change_master("master2", 1).await;
    // What is wrong is said in the server's words.
    let bytes = std::fs::metadata(relay_file(&site, name)).unwrap().len();
    for (what, code, message) in [
        (
            "'master1' EVENTS IN 'relay-bin.000099'",
            1220,
            "Could not find target log".to_owned(),
        ),
        (
            "'master1' EVENTS IN '../relay-bin.000001'",
            1220,
            "Could not find target log".to_owned(),
        ),
        (
            "'master1' EVENTS FROM 7",
            1220,
            "Wrong offset or I/O error".to_owned(),
        ),
        (
            "'master1' EVENTS FROM 99999999",
            1220,
            format!(
                "Invalid pos specified. Requested from pos:99999999 is greater than actual file size:{bytes}"
            ),
        ),
        (
            "'master2' EVENTS",
            1220,
            "the relay log is off for this connection (tributary_relay_log=OFF)".to_owned(),
        ),
        (
            "'nobody' EVENTS",
            1617,
            "There is no master connection 'nobody'".to_owned(),
        ),
        ("EVENTS", 1220, "Could not find target log".to_owned()),
    ] {
        let ran = site.client(&["-NBe", &format!("SHOW RELAYLOG {what}")]);
        let error = format!("ERROR {code} (HY000)");
        assert!(
            ran.stderr.contains(&error) && ran.stderr.contains(&message),
            "{what}: {}",
            ran.stderr
        );
    }

    // Relay logs tell what is in all tables: not every account may see them.
    site.target.run("CREATE USER plain@localhost").await.unwrap();
    let refused = site.client(&["-uplain", "-NBe", "SHOW RELAYLOG 'master1' EVENTS"]);
    assert!(
        refused.stderr.contains("1227") && refused.stdout.is_empty(),
        "{} {}",
        refused.stdout,
        refused.stderr
    );
    site.wait_for("master1", 0).await;
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

fn relay_file(site: &Site, name: &str) -> std::path::PathBuf {
    site.dir.path().join("state/relay/master1").join(name)
}
