//! `STOP SLAVE` while the target executes a statement that takes its time.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use crate::site::Site;
use crate::support::{DEADLINE, POLL_INTERVAL};

/// `stop_timeout`, the shortest there is.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Beyond that, for a machine that does other work.
const GRACE: Duration = Duration::from_millis(1500);

/// A function that takes a while on the target only, and a table without transactions.
const SOURCE: &str = "USE asterisk; CREATE TABLE slow (id INT) ENGINE=MyISAM; \
     CREATE FUNCTION slowly(n INT) RETURNS INT DETERMINISTIC RETURN n";
const TARGET: &str = "CREATE DATABASE master1_asterisk; USE master1_asterisk; CREATE TABLE slow (id INT) ENGINE=MyISAM; \
     CREATE FUNCTION slowly(n INT) RETURNS INT DETERMINISTIC RETURN n + SLEEP(5)";

async fn wait_for_rows(site: &Site, sql: &str, expected: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let value = site.target.value(sql).await.unwrap();
        if value == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{sql}: {value}, not {expected}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_returns_in_time_and_what_was_under_way_is_applied_once() {
    let site = Site::new().await;
    let text = std::fs::read_to_string(&site.option_file).unwrap();
    std::fs::write(&site.option_file, text + "stop_timeout=1\n").unwrap();
    site.sources[0].0.run(SOURCE).await.unwrap();
    site.target.run(TARGET).await.unwrap();
    let mut running = site.start();
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    let sql = "USE asterisk; INSERT INTO slow SELECT slowly(1); INSERT INTO slow VALUES (2)";
    site.sources[0].0.run(sql).await.unwrap();
    let sleeping = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'";
    wait_for_rows(&site, sleeping, "1").await;
    let began = Instant::now();
    site.run("STOP SLAVE 'master1'");
    assert!(began.elapsed() < STOP_TIMEOUT + GRACE, "{:?}", began.elapsed());
    assert_eq!(
        site.target.value(sleeping).await.unwrap(),
        "1",
        "it was stopped in its middle"
    );
    site.run("START SLAVE 'master1'");
    site.wait_for("master1", 0).await;
    let rows = "SELECT GROUP_CONCAT(id ORDER BY id) FROM master1_asterisk.slow";
    assert_eq!(site.target.value(rows).await.unwrap(), "1,2", "{}", running.log());
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

/// Longest that a statement may take while all tables of the target are locked.
const LOCKED_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_tables_of_the_target_hold_no_statement_up() {
    let site = Site::new().await;
    let text = std::fs::read_to_string(&site.option_file).unwrap();
    std::fs::write(&site.option_file, text + "stop_timeout=1\n").unwrap();
    let tables = crate::site::TABLES.replace("asterisk", "master1_asterisk");
    site.target.run(&tables).await.unwrap();
    let mut running = site.start();
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    let source = &site.sources[0].0;
    let insert = |id: u32| format!("INSERT INTO asterisk.vicidial_log VALUES ({id},'A')");
    source.run(&insert(1)).await.unwrap();
    site.wait_for("master1", 0).await;
    let waiting = "SELECT COUNT(*) > 0 FROM information_schema.processlist \
         WHERE state LIKE 'Waiting for backup lock' OR state LIKE 'Waiting for global read lock'";

    // In its own session the server refuses to stop, and so does the port.
    for (lock, is_refused) in [
        ("FLUSH TABLES WITH READ LOCK", true),
        ("LOCK TABLES mysql.user READ", true),
        ("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT", false),
    ] {
        let socket = format!("--socket={}", site.target.socket().display());
        let native = site.client(&[&socket, "-e", &format!("{lock}; STOP SLAVE ''")]);
        assert_eq!(
            native.stderr.contains("ERROR 1192"),
            is_refused,
            "{lock}: {}",
            native.stderr
        );
        let began = Instant::now();
        let ran = site.client(&["-e", &format!("{lock}; STOP SLAVE 'master1'")]);
        assert_eq!(ran.stderr.replace("'master1'", "''"), native.stderr, "{lock}");
        assert!(began.elapsed() < LOCKED_MAX, "{lock}: {:?}", began.elapsed());
        let state = if is_refused { "Yes" } else { "No" };
        assert_eq!(site.field("master1", "Slave_SQL_Running"), state, "{lock}");
    }

    // To start is allowed under the lock, which ends with the session.
    source.run(&insert(2)).await.unwrap();
    let began = Instant::now();
    let ran = site.client(&["-e", "FLUSH TABLES WITH READ LOCK; START SLAVE 'master1'"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(began.elapsed() < LOCKED_MAX, "{:?}", began.elapsed());
    site.wait_for("master1", 0).await;

    // While another session holds it, and a group waits.
    for (id, lock, unlock) in [
        (3, "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
        (
            4,
            "BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT",
            "BACKUP STAGE END",
        ),
    ] {
        let options = mysql_async::OptsBuilder::default()
            .socket(Some(site.target.socket().display().to_string()))
            .user(Some("root"));
        let mut holder = mysql_async::Conn::new(options).await.unwrap();
        holder.query_drop(lock).await.unwrap();
        source.run(&insert(id)).await.unwrap();
        wait_for_rows(&site, waiting, "1").await;
        let began = Instant::now();
        site.run("STOP SLAVE 'master1'");
        assert!(
            began.elapsed() < STOP_TIMEOUT + GRACE,
            "{lock}: {:?}",
            began.elapsed()
        );
        let began = Instant::now();
        site.run("START SLAVE 'master1'");
        assert!(began.elapsed() < LOCKED_MAX, "{lock}: {:?}", began.elapsed());
        holder.query_drop(unlock).await.unwrap();
        site.wait_for("master1", 0).await;
    }
    let rows = "SELECT GROUP_CONCAT(id ORDER BY id) FROM master1_asterisk.vicidial_log";
    assert_eq!(
        site.target.value(rows).await.unwrap(),
        "1,2,3,4",
        "{}",
        running.log()
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
