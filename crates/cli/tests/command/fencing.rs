//! An engine that stands still while another takes over, and wakes: not a row is doubled.

use std::time::{Duration, Instant};

use tributary_sandbox::Site;

use crate::run::Stage;
use crate::support::{POLL_INTERVAL, Running, defaults, tributary};

/// Longest wait until an engine that stands still is taken for dead, and some.
const TAKE_OVER: Duration = Duration::from_secs(60);

/// Statements whose effect doubles when they are applied twice.
async fn count(source: Site, rounds: usize) {
    for _ in 0..rounds {
        source
            .run(
                "USE asterisk; UPDATE m SET n=n+1; INSERT INTO keyless VALUES (1); UPDATE i SET n=n+1; \
                 BEGIN; UPDATE i SET n=n+1; INSERT INTO many (n) VALUES (1),(2); COMMIT; UPDATE m SET n=n+1",
            )
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_wakes_after_another_took_over_writes_nothing() {
    let stage = Stage::new("").await;
    stage
        .source
        .run(
            "USE asterisk; CREATE TABLE m (n INT) ENGINE=MyISAM; CREATE TABLE i (n INT) ENGINE=InnoDB; INSERT INTO m VALUES (0);\
             INSERT INTO i VALUES (0); CREATE TABLE keyless (n INT) ENGINE=MyISAM;\
             CREATE TABLE many (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB",
        )
        .await
        .unwrap();
    let mut first = stage.start();
    stage.wait_until_caught_up(&mut first).await;
    let traffic = tokio::spawn(count(stage.source.as_ref().clone(), 300));
    stage.wait_for_groups(&mut first, 400);
    first.signal("STOP");

    // Another machine would have a state directory of its own.
    let options = std::fs::read_to_string(&stage.option_file).unwrap();
    let other = stage
        .dir
        .file("other.cnf", &options.replace("/state\n", "/other-state\n"));
    let refused = tributary(["run".to_owned(), defaults(&other)]);
    assert!(
        refused.stderr.contains("another engine works on this target"),
        "{}",
        refused.stderr
    );
    let asked = Instant::now();
    let mut second = loop {
        assert!(asked.elapsed() < TAKE_OVER, "nobody took over");
        let second = Running::start(&other, &[]);
        while !second.log().contains("another engine works") && !second.log().contains("taking over") {
            assert!(asked.elapsed() < TAKE_OVER, "{}", second.log());
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        if second
            .log()
            .contains("taking over from an engine that has been silent")
        {
            break second;
        }
    };
    traffic.await.unwrap();
    let after = Stage {
        option_file: other,
        ..stage
    };
    after.wait_until_caught_up(&mut second).await;
    first.signal("CONT");
    assert_eq!(first.wait(), Some(1), "{}", first.log());
    assert!(
        first
            .log()
            .contains("another engine has begun to write to this target"),
        "{}",
        first.log()
    );
    count(after.source.as_ref().clone(), 20).await;
    after.wait_until_caught_up(&mut second).await;
    let all = "SELECT (SELECT n FROM m),(SELECT n FROM i),(SELECT COUNT(*) FROM keyless),(SELECT COUNT(*) FROM many)";
    let of = |database: &str| format!("USE {database}; {all}");
    assert_eq!(
        after.target.rows(&of("eu_asterisk")).await.unwrap(),
        after.source.rows(&of("asterisk")).await.unwrap()
    );
    second.signal("TERM");
    assert_eq!(second.wait(), Some(0), "{}", second.log());
}
