//! Shows `tributary status` against a socket that answers as an engine does, and against none. (With a real engine:
//! `run.rs`.)

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use crate::support::{Dir, Ran, defaults, tributary};

/// Answers one reader with `document`.
fn answer_once(dir: &Path, document: &'static str) -> thread::JoinHandle<()> {
    let listener = UnixListener::bind(dir.join("tributary.sock")).unwrap();
    thread::spawn(move || {
        listener
            .accept()
            .unwrap()
            .0
            .write_all(document.as_bytes())
            .unwrap()
    })
}

fn status(dir: &Dir, document: &'static str, args: &[&str]) -> Ran {
    let answering = answer_once(dir.path(), document);
    let state_dir = format!("--state-dir={}", dir.path().display());
    let ran = tributary(["status", &state_dir].iter().chain(args));
    answering.join().unwrap();
    std::fs::remove_file(dir.path().join("tributary.sock")).unwrap();
    ran
}

const DOCUMENT: &str = r#"{"version":"0.1.0","pid":1,"uptime_seconds":5,"connections":[
    {"name":"eu","io_state":"stopped","sql_state":"running","executed":{"file":"b.000001","offset":4},
     "last_error":{"number":1236,"message":"gone"}}]}"#;

#[test]
fn a_person_gets_a_table_and_a_program_the_document() {
    let dir = Dir::new();
    let table = status(&dir, DOCUMENT, &[]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines[0], "tributary 0.1.0, pid 1, up 5s, 1 connection");
    assert!(
        lines[2].starts_with("CONNECTION  IO       SQL      BEHIND  EXECUTED"),
        "{}",
        table.stdout
    );
    assert!(
        lines[3].starts_with("eu          stopped  running       -  b.000001:4"),
        "{}",
        table.stdout
    );
    assert_eq!(lines[5], "eu: error 1236: gone");

    let json = status(&dir, DOCUMENT, &["--json"]);
    assert_eq!(json.code, Some(0));
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&json.stdout), parse(DOCUMENT));
}

#[test]
fn an_answer_that_is_no_document_is_named() {
    let dir = Dir::new();
    let ran = status(&dir, "hello", &[]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("is no status: expected value"),
        "{}",
        ran.stderr
    );
}

#[test]
fn no_engine_is_named_with_where_it_was_looked_for() {
    let dir = Dir::new();
    // The state directory is known even when the rest of the configuration could not run.
    let path = dir.file("t.cnf", "[tributary]\nstate_dir=@DIR@\nnonsense=1\n");
    let ran = tributary(["status".to_owned(), defaults(&path)]);
    assert_eq!(ran.code, Some(1));
    let expected = format!(
        "tributary: no engine answers at {}/tributary.sock: No such file or directory (os error 2); is `tributary run` active with this state directory?\n",
        dir.path().display()
    );
    assert_eq!(ran.stderr, expected);
}

#[test]
fn a_configuration_that_cannot_be_read_is_wrong_usage() {
    let ran = tributary(["status", "--defaults-file=/does/not/exist"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("tributary: read option file /does/not/exist: No such file"),
        "{}",
        ran.stderr
    );
}
