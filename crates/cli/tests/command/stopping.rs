//! `STOP SLAVE` while the target executes a statement that takes its time.

use std::time::{Duration, Instant};

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
