//! What `SHOW SLAVE STATUS` tells of groups and of the relay log, beside a native replica of the same source.

use std::process::Command;
use std::time::Instant;

use tributary_sandbox::{Server, ServerOptions};

use crate::site::{Site, TABLES, client_of, field_of, wait_for_checkpoint};
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
async fn native_replica(site: &Site, threads: &str) -> Server {
    let native = Server::start(ServerOptions::plain(77).arg("--relay-log=relay"))
        .await
        .unwrap();
    let tables = "CREATE DATABASE asterisk; CREATE TABLE asterisk.sip_packets (id INT) ENGINE=MyISAM;
        SET GLOBAL replicate_ignore_table='asterisk.sip_packets'";
    native.run(tables).await.unwrap();
    site.replicate_natively(&native, threads).await;
    native
}

/// What the client shows of a native replica.
fn native_shown(native: &Server, sql: &str) -> String {
    let ran = client_of(native, &["-e", sql]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

/// A field of the status of a native replica's only connection.
fn native_field(native: &Server, field: &str) -> String {
    field_of(&native_shown(native, "SHOW SLAVE STATUS\\G"), field)
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
            "native: {:?}, not {end:?}: {}",
            place(),
            native_shown(native, "SHOW SLAVE STATUS\\G")
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
    let native = native_replica(&site, "").await;
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    source.run(WORKLOAD).await.unwrap();
    wait_for_checkpoint(source).await;
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

/// A replica beside the other: how its statements are run, its connection's name in them, and where its tables are.
struct Side<'a> {
    client: &'a dyn Fn(&str) -> Ran,
    name: &'static str,
    database: &'static str,
    relay_log: &'static str,
}

impl Side<'_> {
    fn run(&self, sql: &str) -> String {
        let ran = (self.client)(sql);
        assert_eq!(ran.code, Some(0), "{sql}: {}", ran.stderr);
        ran.stdout
    }

    fn field(&self, field: &str) -> String {
        let shown = self.run(&format!("SHOW SLAVE {} STATUS\\G", self.name));
        field_of(&shown, field)
    }

    fn wait_for_field(&self, field: &str, value: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.field(field) != value {
            assert!(
                Instant::now() < deadline,
                "{}: {field} is {}, not {value}",
                self.relay_log,
                self.field(field)
            );
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The events of the source in the relay log's files from `first` on, as (file, offset, type, offset in the source's log).
    fn events(&self, first: u32) -> Vec<(String, u64, String, String)> {
        let mut events = Vec::new();
        for number in first.. {
            let file = format!("{}.{number:06}", self.relay_log);
            let ran = (self.client)(&format!("SHOW RELAYLOG {} EVENTS IN '{file}'", self.name));
            if ran.code != Some(0) {
                break;
            }
            for line in ran.stdout.lines() {
                let cells: Vec<&str> = line.split('\t').collect();
                if cells[3] == "1" && cells[4] != "0" && cells[2] != "Format_desc" {
                    events.push((
                        file.clone(),
                        cells[1].parse().unwrap(),
                        cells[2].into(),
                        cells[4].into(),
                    ));
                }
            }
        }
        events
    }

    fn place(&self) -> (String, u64) {
        let offset = self.field("Relay_Log_Pos");
        (self.field("Relay_Log_File"), offset.parse().unwrap())
    }

    fn rows(&self) -> String {
        self.run(&format!(
            "SELECT GROUP_CONCAT(a ORDER BY a) FROM {}.i",
            self.database
        ))
    }

    /// Applies up to a place, and tells how far that was: the rows, and the place.
    fn apply_until(&self, file: &str, offset: u64) -> (String, (String, u64)) {
        let name = self.name;
        self.run(&format!(
            "START SLAVE {name} SQL_THREAD UNTIL RELAY_LOG_FILE='{file}', RELAY_LOG_POS={offset}"
        ));
        self.wait_for_field("Slave_SQL_Running", "No");
        assert_eq!(self.field("Last_SQL_Error"), "");
        assert_eq!(self.field("Slave_IO_Running"), "Yes");
        assert_eq!(
            ["Until_Condition", "Until_Log_File", "Until_Log_Pos"].map(|field| self.field(field)),
            ["Relay", file, &offset.to_string()]
        );
        (self.rows(), self.place())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_in_the_relay_log_is_shown_and_can_be_applied_up_to() {
    let site = Site::new().await;
    let options = std::fs::read_to_string(&site.option_file).unwrap();
    let options = options.replace(
        "[tributary]\n",
        "[tributary]\nmaster1.max_relay_log_size=4096\nmaster2.tributary_relay_log=OFF\n",
    );
    std::fs::write(&site.option_file, options).unwrap();
    let mut running = site.start();
    let (source, _) = &site.sources[0];
    site.target.run("CREATE DATABASE master1_asterisk").await.unwrap();
    let native = native_replica(&site, "IO_THREAD").await;
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1' IO_THREAD");
    // Vertically with names, otherwise without.
    let flags = |sql: &str| if sql.ends_with("\\G") { "-e" } else { "-NBre" };
    let through_port = |sql: &str| site.client(&[flags(sql), sql]);
    let directly = |sql: &str| client_of(&native, &[flags(sql), sql]);
    let ours = Side {
        client: &through_port,
        name: "'master1'",
        database: "master1_asterisk",
        relay_log: "relay-bin",
    };
    let theirs = Side {
        client: &directly,
        name: "",
        database: "asterisk",
        relay_log: "relay",
    };
    source
        .run(
            "USE asterisk; CREATE TABLE i (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO i VALUES (1); INSERT INTO i VALUES (2); \
             INSERT INTO i VALUES (3); BEGIN; INSERT INTO i VALUES (4); INSERT INTO i VALUES (5); COMMIT; INSERT INTO i VALUES (6); \
             INSERT INTO i VALUES (7)",
        )
        .await
        .unwrap();
    let end = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0)[1]
        .clone()
        .unwrap();
    for side in [&ours, &theirs] {
        side.wait_for_field("Read_Master_Log_Pos", &end);
        assert_eq!(side.place(), (format!("{}.000001", side.relay_log), 4));
    }

    // In front of a group, within one, at what has been passed, and where there is no such file: each time as far as natively.
    let places = [
        ("Gtid", 3, "1,2\n"),
        ("Query", 1, "1,2\n"),
        ("Query", 5, "1,2,3,4,5\n"),
        ("Xid", 4, "1,2,3,4,5,6\n"),
    ];
    for (kind, index, rows) in places {
        for side in [&ours, &theirs] {
            let events = side.events(1);
            let of_kind = events.iter().filter(|event| event.2 == kind);
            let (file, offset, ..) = of_kind.clone().nth(index).unwrap();
            let (applied, place) = side.apply_until(file, *offset);
            assert_eq!(applied, rows, "{} {kind} {index}", side.relay_log);
            // Behind the last event of the group, where the next one begins, and what is executed ends.
            let next = events
                .iter()
                .position(|event| (&event.0, event.1) == (&place.0, place.1));
            assert!(next.is_some(), "{} {kind}: {place:?} {events:?}", side.relay_log);
            assert_eq!(
                events[next.unwrap() - 1].3,
                side.field("Exec_Master_Log_Pos"),
                "{events:?}"
            );
        }
    }
    for side in [&ours, &theirs] {
        let before = (side.rows(), side.place());
        assert_eq!(side.apply_until("elsewhere.000001", 4), before);
    }

    // A tool reads from the place shown what is not applied yet.
    let (file, offset) = ours.place();
    let directory = site.dir.path().join("state/relay/master1");
    let mut tool = Command::new("mariadb-binlog");
    tool.args(["--no-defaults"])
        .arg(format!("--start-position={offset}"))
        .arg(directory.join(&file));
    let read: Ran = tool.output().unwrap().into();
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    let has_row = |row: &str| read.stdout.contains(&format!("VALUES ({row})"));
    assert!(has_row("7") && !has_row("6"), "{}", read.stdout);

    // The same place after a restart of the engine.
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    let mut running = site.start();
    site.run("START SLAVE 'master1' IO_THREAD");
    assert_eq!(ours.place(), (file, offset));

    // Files in between: all of the first ones, and nothing of the next.
    for row in 10..70 {
        source
            .run(&format!("INSERT INTO asterisk.i VALUES ({row})"))
            .await
            .unwrap();
    }
    let end = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0)[1]
        .clone()
        .unwrap();
    ours.wait_for_field("Read_Master_Log_Pos", &end);
    let events = ours.events(1);
    let bytes = || -> u64 {
        let files = std::fs::read_dir(&directory).unwrap().map(Result::unwrap);
        let is_log = |name: &str| {
            name.strip_prefix("relay-bin.")
                .is_some_and(|rest| rest.parse::<u64>().is_ok())
        };
        files
            .filter(|file| is_log(file.file_name().to_str().unwrap()))
            .map(|file| file.metadata().unwrap().len())
            .sum()
    };
    assert_eq!(ours.field("Relay_Log_Space"), bytes().to_string());
    let last = events.last().unwrap().0.clone();
    assert!(last.as_str() >= "relay-bin.000003", "{last}");
    let first_of_last = events.iter().find(|event| event.0 == last).unwrap().1;
    let before: Vec<_> = events
        .iter()
        .filter(|event| event.0 < last && event.2 == "Xid")
        .collect();
    for offset in [4, first_of_last] {
        let (rows, place) = ours.apply_until(&last, offset);
        // One transaction has two rows.
        assert_eq!(rows.trim().split(',').count(), before.len() + 1, "{rows}");
        assert!(place.0 <= last, "{place:?}");
        assert_eq!(ours.field("Exec_Master_Log_Pos"), before.last().unwrap().3);
    }
    site.run("START SLAVE 'master1'");
    site.wait_for("master1", 0).await;
    assert_eq!(ours.field("Until_Condition"), "None");
    let (file, offset) = ours.place();
    assert_eq!(
        (&file, offset),
        (&last, std::fs::metadata(directory.join(&last)).unwrap().len())
    );
    // Files that are applied go.
    ours.wait_for_field("Relay_Log_Space", &offset.to_string());
    assert_eq!(bytes(), offset);

    // A log that is begun only now: nothing is in front of its beginning, and the first group would fail on the tables that are there.
    site.run("STOP SLAVE 'master1'; RESET SLAVE 'master1'");
    let rows = ours.rows();
    site.run("START SLAVE 'master1' UNTIL RELAY_LOG_FILE='relay-bin.000001', RELAY_LOG_POS=4");
    ours.wait_for_field("Slave_SQL_Running", "No");
    assert_eq!((ours.rows(), ours.field("Last_SQL_Error")), (rows, String::new()));

    for what in [
        "RELAY_LOG_FILE='relay-bin.000001'",
        "RELAY_LOG_POS=4",
        "RELAY_LOG_FILE='relay-bin.000001', MASTER_LOG_POS=4",
        "RELAY_LOG_FILE='relay-bin', RELAY_LOG_POS=4",
        "MASTER_LOG_FILE='mysql-bin.x', MASTER_LOG_POS=4",
    ] {
        for side in [&ours, &theirs] {
            let ran = (side.client)(&format!("START SLAVE {} UNTIL {what}", side.name));
            let expected = "ERROR 1277 (HY000) at line 1: Incorrect parameter or combination of parameters for START SLAVE UNTIL";
            assert!(ran.stderr.contains(expected), "{what}: {}", ran.stderr);
        }
    }
    site.change_master("master2", 1).await;
    let refused = site.client(&[
        "-e",
        "START SLAVE 'master2' UNTIL RELAY_LOG_FILE='relay-bin.000001', RELAY_LOG_POS=4",
    ]);
    assert!(
        refused.stderr.contains("1235") && refused.stderr.contains("tributary_relay_log=OFF"),
        "{}",
        refused.stderr
    );
    // Without what applies there is nothing to end.
    let noted = |side: &Side<'_>, threads: &str| {
        let name = side.name;
        side.run(&format!(
            "STOP SLAVE {name}; START SLAVE {name} {threads} UNTIL RELAY_LOG_FILE='elsewhere.000001', RELAY_LOG_POS=4; SHOW WARNINGS"
        ))
    };
    for side in [&ours, &theirs] {
        let shown = noted(side, "IO_THREAD");
        assert_eq!(
            shown,
            "Note\t1279\tSQL thread is not to be started so UNTIL options are ignored\n"
        );
    }
    assert_eq!(ours.field("Until_Condition"), "None");
    assert_eq!(noted(&ours, ""), "", "a restart does not go further");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    let options = std::fs::read_to_string(&site.option_file).unwrap();
    let options = options.replace("skip_slave_start=ON", "skip_slave_start=OFF");
    std::fs::write(&site.option_file, options).unwrap();
    let mut running = site.start();
    let shown = noted(&theirs, "");
    assert!(shown.starts_with("Note\t1278\t"), "{shown}");
    assert_eq!(noted(&ours, ""), shown);
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
    // The place is in the log that was begun anew.
    let file = site.field("master1", "Relay_Log_File");
    let path = site.dir.path().join("state/relay/master1").join(&file);
    let bytes = std::fs::metadata(&path).unwrap().len().to_string();
    assert_eq!(site.field("master1", "Relay_Log_Pos"), bytes, "{file}");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
