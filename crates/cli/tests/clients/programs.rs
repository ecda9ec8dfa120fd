//! Programs that are pointed at a replica: sysbench, Prometheus' `mysqld_exporter`, and the Percona toolkit.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use crate::support::{DEADLINE, POLL_INTERVAL, Ran};
use crate::{PASSWORD, Stage, Way, free_port, installed, limited, run};

/// A number of a program's report, behind its name.
fn number(report: &str, name: &str) -> f64 {
    let line = report
        .lines()
        .find_map(|line| line.trim().strip_prefix(name))
        .unwrap_or_else(|| panic!("no '{name}' in:\n{report}"));
    let word = line.split_whitespace().next().unwrap_or_default();
    word.trim_matches(|letter: char| !letter.is_ascii_digit())
        .parse()
        .unwrap()
}

fn sysbench(stage: &Stage, way: Way, workload: &str, more: &[&str], what: &str) -> String {
    let (port, _) = stage.place(way);
    let mut command = limited(&installed("bin/sysbench"));
    command.arg(installed(&format!(
        "debian/files/usr/share/sysbench/{workload}.lua"
    )));
    command.args([
        "--db-driver=mysql",
        "--mysql-host=127.0.0.1",
        "--mysql-user=client",
        "--mysql-db=d",
    ]);
    command.args([
        &format!("--mysql-port={port}"),
        &format!("--mysql-password={PASSWORD}"),
    ]);
    command.args(["--tables=2", "--table-size=2000", "--threads=4", "--time=4"]);
    // The Lua files read each other.
    command.env(
        "LUA_PATH",
        format!("{}/?.lua", installed("debian/files/usr/share/sysbench").display()),
    );
    run(command.args(more).arg(what)).stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sysbench_runs_its_workloads() {
    let stage = Stage::new().await;
    sysbench(&stage, Way::Port, "oltp_read_write", &[], "prepare");
    for (workload, more) in [
        ("oltp_read_write", "--db-ps-mode=auto"),
        ("oltp_read_write", "--db-ps-mode=disable"),
        ("oltp_point_select", "--db-ps-mode=auto"),
    ] {
        let mut rates = Vec::new();
        for way in [Way::Direct, Way::Port] {
            let report = sysbench(&stage, way, workload, &[more], "run");
            let transactions = number(&report, "transactions:");
            assert!(transactions > 0.0, "{workload} {more} {way:?}:\n{report}");
            assert!(
                report.contains("reconnects:                          0"),
                "{report}"
            );
            rates.push(transactions / number(&report, "total time:"));
        }
        eprintln!(
            "{workload} {more}: {:.0} transactions/s directly, {:.0} through the port",
            rates[0], rates[1]
        );
    }
    sysbench(&stage, Way::Port, "oltp_read_write", &[], "cleanup");
    let left = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd'";
    assert_eq!(stage.site.target.value(left).await.unwrap(), "0");
    stage.end();
}

/// A program that runs until it is dropped.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `mysqld_exporter` tells of a server.
fn scrape(stage: &Stage, way: Way) -> String {
    let (port, _) = stage.place(way);
    let listen = free_port();
    let mut command = Command::new(installed("bin/mysqld_exporter"));
    command
        .arg(format!("--web.listen-address=127.0.0.1:{listen}"))
        .args([
            "--collect.heartbeat",
            "--collect.heartbeat.database=d",
            "--collect.info_schema.processlist",
            "--collect.slave_hosts",
        ])
        .env(
            "DATA_SOURCE_NAME",
            format!("client:{PASSWORD}@(127.0.0.1:{port})/"),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut exporter = Background(command.spawn().unwrap());
    let deadline = Instant::now() + DEADLINE;
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", listen)) {
            break stream;
        }
        assert!(exporter.0.try_wait().unwrap().is_none(), "the exporter has ended");
        assert!(Instant::now() < deadline, "the exporter does not listen");
        sleep(POLL_INTERVAL);
    };
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The names and labels of samples, without their values.
fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("mysql_"))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysqld_exporter_finds_the_server_and_the_replication() {
    let stage = Stage::new().await;
    stage
        .site
        .target
        .run("CREATE TABLE d.heartbeat (ts varchar(26) NOT NULL, server_id int unsigned NOT NULL PRIMARY KEY); \
              INSERT INTO d.heartbeat VALUES (UTC_TIMESTAMP(6), 2)")
        .await
        .unwrap();
    let (direct, port) = (scrape(&stage, Way::Direct), scrape(&stage, Way::Port));
    for (way, text) in [("directly", &direct), ("through the port", &port)] {
        for sample in ["mysql_up 1", "mysql_exporter_last_scrape_error 0"] {
            assert!(
                text.lines().any(|line| line == sample),
                "{way}: no {sample}:\n{text}"
            );
        }
        assert!(
            text.contains("mysql_heartbeat_stored_timestamp_seconds{server_id=\"2\"} "),
            "{way}"
        );
    }
    let status =
        "{channel_name=\"\",connection_name=\"master1\",master_host=\"127.0.0.1\",master_uuid=\"\"} ";
    for (name, value) in [
        ("slave_io_running", "1"),
        ("slave_sql_running", "1"),
        ("seconds_behind_master", "0"),
        ("last_sql_errno", "0"),
    ] {
        let sample = format!("mysql_slave_status_{name}{status}{value}");
        assert!(port.lines().any(|line| line == sample), "no {sample}:\n{port}");
    }
    assert!(
        port.contains("\nmysql_global_variables_slave_parallel_threads 4\n"),
        "{port}"
    );
    // Nothing is missing that the server itself has; what sessions do is the moment's.
    let is_momentary = |name: &&str| name.contains("processlist") || name.contains("_commands_total");
    let seen = names(&port);
    let missing: Vec<&str> = names(&direct)
        .into_iter()
        .filter(|name| !is_momentary(name) && seen.binary_search(name).is_err())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    stage.end();
}

/// How the toolkit names a server.
fn dsn(socket: &Path) -> String {
    format!("S={},u=root", socket.display())
}

fn toolkit(name: &str) -> Command {
    alone(limited(&installed(&format!("bin/{name}"))))
}

/// It reads no file of a user, and asks nobody for newer versions.
fn alone(mut command: Command) -> Command {
    command
        .env("PERCONA_VERSION_CHECK", "0")
        .env("HOME", "/nonexistent");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_heartbeat_beats_on_the_source_and_is_heard_through_the_port() {
    let stage = Stage::new().await;
    stage
        .site
        .target
        .run("CREATE DATABASE master1_asterisk")
        .await
        .unwrap();
    let source = stage.site.sources[0].0.socket();
    run(toolkit("pt-heartbeat")
        .args(["--update", "--create-table", "--interval=0.25", "--run-time=1s"])
        .args(["--database=asterisk", "--table=heartbeat"])
        .arg(dsn(source)));
    stage.site.wait_for("master1", 0).await;
    let (_, socket) = stage.place(Way::Port);
    let lag = run(toolkit("pt-heartbeat")
        .args(["--check", "--master-server-id=1"])
        .args(["--database=master1_asterisk", "--table=heartbeat"])
        .arg(dsn(&socket)))
    .stdout;
    let lag: f64 = lag.trim().parse().unwrap();
    assert!((0.0..60.0).contains(&lag), "{lag}");
    // And on the target, through the port, where it asks for the replica's place as well.
    run(toolkit("pt-heartbeat")
        .args(["--update", "--create-table", "--interval=0.25", "--run-time=1s"])
        .args(["--database=d", "--table=heartbeat"])
        .args(["--set-vars", "default_master_connection='master1'"])
        .arg(dsn(&socket)));
    let place = "SELECT CONCAT(relay_master_log_file, ':', exec_master_log_pos) FROM d.heartbeat";
    let file = stage.site.field("master1", "Relay_Master_Log_File");
    let offset = stage.site.field("master1", "Exec_Master_Log_Pos");
    assert_eq!(
        stage.site.target.value(place).await.unwrap(),
        format!("{file}:{offset}")
    );
    stage.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_table_checksum_compares_a_renamed_database_through_the_port() {
    let stage = Stage::new().await;
    let tables = "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)) ENGINE=InnoDB; \
         INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM mysql.seq_1_to_3000";
    let source = &stage.site.sources[0].0;
    let target = &stage.site.target;
    target
        .run(&format!(
            "CREATE DATABASE master1_asterisk; USE master1_asterisk; {tables}"
        ))
        .await
        .unwrap();
    source
        .run(
            "SET SESSION binlog_format=STATEMENT; SET sql_log_bin=0; CREATE DATABASE percona; \
              CREATE TABLE percona.dsns (id INT AUTO_INCREMENT PRIMARY KEY, parent_id INT, dsn VARCHAR(255))",
        )
        .await
        .unwrap();
    source
        .run(&format!("SET sql_log_bin=0; USE asterisk; {tables}"))
        .await
        .unwrap();
    let (_, socket) = stage.place(Way::Port);
    let insert = format!(
        "SET sql_log_bin=0; INSERT INTO percona.dsns (dsn) VALUES ('{}')",
        dsn(&socket)
    );
    source.run(&insert).await.unwrap();
    let check = || {
        let mut command = toolkit("pt-table-checksum");
        command
            .args([
                "--databases=asterisk",
                "--tables=t",
                "--no-check-binlog-format",
                "--no-check-slave-tables",
                "--no-check-replication-filters",
            ])
            .args(["--chunk-size=500", "--no-version-check"])
            .arg(format!(
                "--recursion-method=dsn={},D=percona,t=dsns",
                dsn(source.socket())
            ))
            .args(["--set-vars", "default_master_connection='master1'"])
            .arg(dsn(source.socket()));
        let ran: Ran = command.output().unwrap().into();
        let line = ran.stdout.lines().find(|line| line.ends_with(" asterisk.t"));
        let line = line.unwrap_or_else(|| panic!("{ran:?}"));
        // When, errors, differences, rows.
        let cells: Vec<&str> = line.split_whitespace().collect();
        (
            ran.code,
            cells[1].to_owned(),
            cells[2].to_owned(),
            cells[3].to_owned(),
        )
    };
    let said = |code, differences: &str| {
        (
            Some(code),
            "0".to_owned(),
            differences.to_owned(),
            "3000".to_owned(),
        )
    };
    assert_eq!(check(), said(0, "0"));
    target
        .run("UPDATE master1_asterisk.t SET a = 'changed' WHERE id = 777")
        .await
        .unwrap();
    /// "At least one diff was found".
    const DIFFERS: i32 = 16;
    assert_eq!(check(), said(DIFFERS, "1"));
    let chunk = "SELECT MAX(lower_boundary <= 777 AND upper_boundary >= 777), COUNT(*) FROM percona.checksums \
         WHERE db = 'asterisk' AND tbl = 't' AND this_crc <> master_crc";
    let found = target.rows(chunk).await.unwrap().remove(0);
    assert_eq!(
        found,
        [Some("1".to_owned()), Some("1".to_owned())],
        "the chunk of the changed row"
    );
    stage.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_slave_restart_passes_over_what_stops_a_connection() {
    let stage = Stage::new().await;
    let (source, target) = (&stage.site.sources[0].0, &stage.site.target);
    target
        .run(
            "CREATE DATABASE master1_asterisk; CREATE TABLE master1_asterisk.t (id INT PRIMARY KEY, a INT); \
              INSERT INTO master1_asterisk.t VALUES (2,0),(3,0)",
        )
        .await
        .unwrap();
    source
        .run("SET sql_log_bin=0; CREATE TABLE asterisk.t (id INT PRIMARY KEY, a INT)")
        .await
        .unwrap();
    source
        .run("INSERT INTO asterisk.t VALUES (1,1); INSERT INTO asterisk.t VALUES (2,1); INSERT INTO asterisk.t VALUES (3,1); \
              INSERT INTO asterisk.t VALUES (4,1)")
        .await
        .unwrap();
    stage.site.wait_for_field("master1", "Last_SQL_Errno", "1062");
    let (_, socket) = stage.place(Way::Port);
    let log = stage.site.dir.path().join("restart.log");
    let mut command = alone(Command::new(installed("bin/pt-slave-restart")));
    command
        .args([
            "--error-numbers=1062",
            "--sleep=1",
            "--min-sleep=0.1",
            "--max-sleep=1",
            "--verbose",
        ])
        .args(["--set-vars", "default_master_connection='master1'"])
        .arg(dsn(&socket))
        .stdout(File::create(&log).unwrap());
    let restart = Background(command.spawn().unwrap());
    let rows = "SELECT GROUP_CONCAT(id, '=', a ORDER BY id) FROM master1_asterisk.t";
    let deadline = Instant::now() + DEADLINE;
    while target.value(rows).await.unwrap() != "1=1,2=0,3=0,4=1" {
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(Instant::now() < deadline, "{said}");
        sleep(POLL_INTERVAL);
    }
    drop(restart);
    let said = std::fs::read_to_string(&log).unwrap();
    assert_eq!(said.matches("1062").count(), 2, "{said}");
    stage.end();
}
