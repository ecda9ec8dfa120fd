//! Shows how `tributary run` starts, tells its status and ends, with real servers: a clean stop, a stop that
//! cannot finish, a second signal, a second engine, an engine that was killed, and each reason not to start,
//! by their exit codes.
//!
//! What is replicated is little here: the engine's own tests are about that.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use tributary_sandbox::{Account, Server, ServerOptions, create_applier_user, create_replication_user};

use crate::support::{DEADLINE, Dir, POLL_INTERVAL, Running, defaults, tributary};

/// A source with one table, a target, and an option file for both.
pub(crate) struct Stage {
    pub(crate) source: Server,
    pub(crate) target: Server,
    pub(crate) dir: Dir,
    pub(crate) option_file: PathBuf,
}

impl Stage {
    pub(crate) async fn new(lines: &str) -> Self {
        let source = Server::start(ServerOptions::source(1)).await.unwrap();
        let target = Server::start(ServerOptions::target()).await.unwrap();
        let reader = create_replication_user(&source).await.unwrap();
        let writer = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"])
            .await
            .unwrap();
        source
            .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT PRIMARY KEY)")
            .await
            .unwrap();
        let dir = Dir::new();
        let option_file = write_options(&dir, &source, &reader, &target, &writer, lines);
        Self {
            source,
            target,
            dir,
            option_file,
        }
    }

    pub(crate) fn start(&self) -> Running {
        Running::start(&self.option_file, &[])
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("state/tributary.sock")
    }

    /// The status document; `None` while no engine answers.
    fn status(&self) -> Option<Value> {
        let ran = tributary([
            "status".to_owned(),
            "--json".to_owned(),
            defaults(&self.option_file),
        ]);
        (ran.code == Some(0)).then(|| serde_json::from_str(&ran.stdout).unwrap())
    }

    /// Where the source's binlog ends: file and offset, as the status document has them.
    pub(crate) async fn end_of_source(&self) -> (Value, Value) {
        let end = self.source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
        let offset: u64 = end[1].as_deref().unwrap().parse().unwrap();
        (end[0].as_deref().into(), offset.into())
    }

    /// Whether all up to there is on the target, and an engine says so.
    pub(crate) fn has_executed(&self, end: &(Value, Value)) -> bool {
        let status = self.status().unwrap_or_default();
        let executed = &status["connections"][0]["executed"];
        (&executed["file"], &executed["offset"]) == (&end.0, &end.1)
    }

    /// Waits until all that the source has written is on the target.
    pub(crate) async fn wait_until_caught_up(&self, running: &mut Running) {
        let end = self.end_of_source().await;
        running.wait_until(&format!("the target at {end:?}"), |_| self.has_executed(&end));
    }

    /// Waits until so many groups are on the target.
    pub(crate) fn wait_for_groups(&self, running: &mut Running, count: u64) {
        running.wait_until(&format!("{count} groups applied"), |_| {
            let status = self.status();
            status.is_some_and(|status| status["connections"][0]["groups_applied"].as_u64() >= Some(count))
        });
    }
}

fn write_options(
    dir: &Dir,
    source: &Server,
    reader: &Account,
    target: &Server,
    writer: &Account,
    lines: &str,
) -> PathBuf {
    dir.file("source.password", &reader.password);
    dir.file("target.password", &writer.password);
    let text = format!(
        "[tributary]\nserver_id=77\nstate_dir=@DIR@/state\n\
         target_socket={}\ntarget_user={}\ntarget_password_file=@DIR@/target.password\n\
         eu.master_host=127.0.0.1\neu.master_port={}\neu.master_user={}\neu.master_password_file=@DIR@/source.password\n\
         eu.master_log_file=mysql-bin.000001\neu.replicate_rewrite_db=asterisk->eu_asterisk\n{lines}\n",
        target.socket().display(),
        writer.user,
        source.port(),
        reader.user,
    );
    dir.file("t.cnf", &text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_replicates_tells_its_status_and_stops_cleanly() {
    let stage = Stage::new("").await;
    let mut running = stage.start();
    stage.wait_for_groups(&mut running, 2);

    let status = stage.status().unwrap();
    assert_eq!(status["pid"].as_u64(), Some(running.pid().into()));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let connection = &status["connections"][0];
    assert_eq!(
        (&connection["name"], &connection["io_state"]),
        (&"eu".into(), &"running".into())
    );
    assert_eq!(std::fs::metadata(stage.socket()).unwrap().mode() & 0o777, 0o600);
    let table = tributary(["status".to_owned(), defaults(&stage.option_file)]);
    assert!(
        table.stdout.contains("\neu          running  running"),
        "{}",
        table.stdout
    );

    stage
        .source
        .run("INSERT INTO asterisk.t VALUES (1), (2)")
        .await
        .unwrap();
    stage.wait_for_groups(&mut running, 3);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert!(running.log().contains("stopped cleanly"), "{}", running.log());
    assert_eq!(
        stage
            .target
            .value("SELECT COUNT(*) FROM eu_asterisk.t")
            .await
            .unwrap(),
        "2"
    );
    assert!(!stage.socket().exists());
    assert!(stage.status().is_none());

    // The next run resumes: the rows are not inserted twice, which the primary key would not allow.
    let mut running = stage.start();
    stage
        .source
        .run("INSERT INTO asterisk.t VALUES (3)")
        .await
        .unwrap();
    stage.wait_for_groups(&mut running, 1);
    running.signal("INT");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_eq!(
        stage
            .target
            .value("SELECT COUNT(*) FROM eu_asterisk.t")
            .await
            .unwrap(),
        "3"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_is_refused_and_a_killed_one_replaced() {
    let stage = Stage::new("").await;
    let mut first = stage.start();
    stage.wait_for_groups(&mut first, 2);
    let second = tributary(["run".to_owned(), defaults(&stage.option_file)]);
    assert_eq!(second.code, Some(2), "{second:?}");
    let message = format!(
        "tributary: already running as pid {} in state directory {}/state; stop it first, or set another state_dir\n",
        first.pid(),
        stage.dir.path().display()
    );
    assert!(second.stderr.ends_with(&message), "{}", second.stderr);

    first.signal("KILL");
    assert_eq!(first.wait(), None);
    assert!(stage.socket().exists(), "a killed engine leaves its socket");
    assert!(stage.status().is_none());
    let mut third = stage.start();
    third.wait_until("status", |_| stage.status().is_some());
    assert_eq!(stage.status().unwrap()["pid"].as_u64(), Some(third.pid().into()));
    third.signal("HUP");
    assert_eq!(third.wait(), Some(0), "{}", third.log());
}

/// Blocks the table on the target, so that the next group on it cannot finish while the connection lives.
async fn hold_up(stage: &Stage, running: &mut Running) -> Conn {
    stage.wait_for_groups(running, 2);
    let mut holder = stage.target.connect().await.unwrap();
    holder
        .query_drop("LOCK TABLES eu_asterisk.t WRITE")
        .await
        .unwrap();
    stage
        .source
        .run("INSERT INTO asterisk.t VALUES (1)")
        .await
        .unwrap();
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'";
    let started = Instant::now();
    while stage.target.value(waiting).await.unwrap() == "0" {
        assert!(
            started.elapsed() < DEADLINE,
            "no worker waits for the table; log:\n{}",
            running.log()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    holder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_cannot_finish_ends_in_time() {
    let stage = Stage::new("stop_timeout=1").await;
    let mut running = stage.start();
    let holder = hold_up(&stage, &mut running).await;
    let asked = Instant::now();
    running.signal("TERM");
    assert_eq!(running.wait(), Some(4), "{}", running.log());
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(10),
        "took {took:?}"
    );
    drop(holder);

    // What was held up is there once, whether the target finished it by itself or the next run applies it.
    let mut running = stage.start();
    stage.wait_until_caught_up(&mut running).await;
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_eq!(
        stage
            .target
            .value("SELECT GROUP_CONCAT(a) FROM eu_asterisk.t")
            .await
            .unwrap(),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let stage = Stage::new("stop_timeout=600").await;
    let mut running = stage.start();
    let _holder = hold_up(&stage, &mut running).await;
    running.signal("TERM");
    running.wait_for_log("a second signal stops at once");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(4), "{}", running.log());
    assert!(running.log().contains("stopped at once"), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_every_connection_has_stopped_with_an_error() {
    // The source's own id: a source refuses such a replica, and waiting does not mend it.
    let stage = Stage::new("eu.server_id=1").await;
    let mut running = stage.start();
    assert_eq!(running.wait(), Some(1), "{}", running.log());
    assert!(
        running
            .log()
            .contains("every connection has stopped with an error"),
        "{}",
        running.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lacks_something_is_refused_with_what_mends_it() {
    let stage = Stage::new("").await;
    stage
        .target
        .run("REVOKE ALL PRIVILEGES, GRANT OPTION FROM tributary@'%'")
        .await
        .unwrap();
    let mut running = stage.start();
    assert_eq!(running.wait(), Some(3), "{}", running.log());
    assert!(running.log().contains("GRANT "), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_reached_is_a_failure() {
    let stage = Stage::new("target_socket=/does/not/exist.sock").await;
    let mut running = stage.start();
    assert_eq!(running.wait(), Some(1), "{}", running.log());
    assert!(
        running.log().contains("/does/not/exist.sock"),
        "{}",
        running.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_objects_on_request() {
    let stage = Stage::new("").await;
    let mut running = Running::start(&stage.option_file, &["--log-format=json", "--log-level=info"]);
    stage.wait_for_groups(&mut running, 2);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    let log = running.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "stopped cleanly" && line["level"] == "INFO"),
        "{log}"
    );
    assert!(lines.iter().any(|line| line["connection"] == "eu"), "{log}");
}

#[test]
fn the_status_tells_of_a_target_that_does_not_answer_yet() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = Dir::new();
    dir.file("password", "secret");
    let option_file = dir.file(
        "t.cnf",
        &format!(
            "[tributary]\nserver_id=77\nstate_dir=@DIR@/state\n\
             target_host=127.0.0.1\ntarget_port={}\ntarget_user=t\ntarget_password_file=@DIR@/password\n\
             eu.master_host=127.0.0.1\neu.master_user=r\neu.master_password_file=@DIR@/password\neu.master_log_file=b.000001\n",
            silent.local_addr().unwrap().port(),
        ),
    );
    let mut running = Running::start(&option_file, &[]);
    let status = || tributary(["status".to_owned(), "--json".to_owned(), defaults(&option_file)]);
    running.wait_until("a status", |_| status().code == Some(0));
    let document: Value = serde_json::from_str(&status().stdout).unwrap();
    assert_eq!(document["target"]["state"], "connecting");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
