//! Shows `tributary check` as a monitoring system runs it: its exit codes and its line, with real servers for what runs, and with
//! sockets for what does not answer.

use std::io::Write;
use std::os::unix::net::UnixListener;

use crate::run::Stage;
use crate::support::{Dir, Ran, defaults, tributary};

fn check(args: &[&str]) -> Ran {
    tributary(std::iter::once(&"check").chain(args))
}

#[track_caller]
fn assert_line(ran: &Ran, code: i32, start: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(ran.stdout.starts_with(start), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_engine_is_fine_and_a_connection_it_lacks_is_not() {
    let stage = Stage::new("").await;
    let file = defaults(&stage.option_file);
    let mut running = stage.start();
    stage.wait_until_caught_up(&mut running).await;
    running.wait_until("a check that is fine", |_| check(&[&file]).code == Some(0));
    let ran = check(&[&file]);
    assert_line(&ran, 0, "TRIBUTARY OK - 1 connection runs, at most ");
    assert!(ran.stdout.contains(" | 'eu_lag'="), "{ran:?}");
    assert_eq!(ran.stderr, "");

    assert_line(&check(&[&file, "--connection=EU"]), 0, "TRIBUTARY OK - ");
    assert_line(
        &check(&[&file, "--connection=eu", "--connection=us"]),
        2,
        "TRIBUTARY CRITICAL - us: missing, the engine has no such connection; 1 of 2 connections fine | ",
    );
    let state_dir = format!("--state-dir={}", stage.dir.path().join("state").display());
    assert_line(&check(&[&state_dir]), 0, "TRIBUTARY OK - ");

    // The files describe one more since the engine was started.
    let text = std::fs::read_to_string(&stage.option_file).unwrap();
    let more = stage
        .dir
        .file("more.cnf", &format!("{text}asia.master_host=192.0.2.9\n"));
    assert_line(
        &check(&[&defaults(&more)]),
        2,
        "TRIBUTARY CRITICAL - asia: missing",
    );

    let json = check(&[&file, "--json"]);
    assert_eq!(json.code, Some(0));
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&document["state"], &document["code"]), (&"ok".into(), &0.into()));
    assert_eq!(document["connections"][0]["name"], "eu");

    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    assert_line(&check(&[&file]), 2, "TRIBUTARY CRITICAL - no engine answers at ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_connection_and_a_dead_engine_are_critical() {
    let stage = Stage::new("").await;
    // The second connection has the source's own id, which the source refuses.
    let text = std::fs::read_to_string(&stage.option_file).unwrap();
    let second: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("eu."))
        .map(|line| format!("us.{}\n", line.replace("eu_asterisk", "us_asterisk")))
        .collect();
    std::fs::write(&stage.option_file, format!("{text}{second}us.server_id=1\n")).unwrap();
    let file = defaults(&stage.option_file);
    let mut running = stage.start();
    running.wait_until("the stop", |_| {
        check(&[&file]).stdout.contains("us: io stopped (error ")
    });
    running.wait_until("the other one running", |_| {
        check(&[&file, "--connection=eu"]).code == Some(0)
    });
    let ran = check(&[&file]);
    assert_line(&ran, 2, "TRIBUTARY CRITICAL - us: io stopped (error ");
    assert!(
        ran.stdout.contains("; 1 of 2 connections fine | 'eu_lag'=")
            && ran.stdout.contains(" 'us_lag'=U;60;;0"),
        "{ran:?}"
    );

    running.signal("KILL");
    assert_eq!(running.wait(), None);
    assert_line(&check(&[&file]), 2, "TRIBUTARY CRITICAL - no engine answers at ");
}

#[test]
fn what_cannot_be_checked_is_unknown() {
    let dir = Dir::new();
    let state_dir = format!("--state-dir={}", dir.path().display());
    for (args, start) in [
        (vec![], "TRIBUTARY UNKNOWN - error: "),
        (vec!["--lag=much", &state_dir], "TRIBUTARY UNKNOWN - error: "),
        (vec!["--nonsense"], "TRIBUTARY UNKNOWN - error: "),
        (
            vec!["--defaults-file=/does/not/exist"],
            "TRIBUTARY UNKNOWN - read option file /does/not/exist: ",
        ),
        (
            vec![&state_dir, "--lag=60", "--lag-critical=59"],
            "TRIBUTARY UNKNOWN - --lag-critical=59 is less than --lag=60",
        ),
    ] {
        assert_line(&check(&args), 3, start);
    }
    let listener = UnixListener::bind(dir.path().join("tributary.sock")).unwrap();
    let answering = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
    let ran = check(&[&state_dir]);
    answering.join().unwrap();
    assert_line(&ran, 3, "TRIBUTARY UNKNOWN - the answer at ");
}

#[test]
fn help_is_no_failure() {
    let help = check(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(
        help.stdout.contains("--lag-critical <SECONDS>"),
        "{}",
        help.stdout
    );
}
