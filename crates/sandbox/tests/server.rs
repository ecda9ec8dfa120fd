//! A sandbox server starts, answers, restarts, dies and leaves nothing behind.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tributary_sandbox::{Server, ServerOptions};

#[tokio::test]
async fn a_server_starts_answers_restarts_and_leaves_nothing() {
    let mut server = Server::start(ServerOptions::source(7)).await.unwrap();
    assert_eq!(server.value("SELECT @@server_id").await.unwrap(), "7");
    assert_eq!(server.value("SELECT @@binlog_format").await.unwrap(), "MIXED");
    server
        .run("CREATE DATABASE d; CREATE TABLE d.t (a INT, b TEXT); INSERT INTO d.t VALUES (1, NULL)")
        .await
        .unwrap();
    let (port, pid) = (server.port(), server.pid());

    server.shutdown().await;
    assert!(server.connect().await.is_err());
    server.start_again().await.unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(
        server.rows("SELECT * FROM d.t").await.unwrap(),
        [[Some("1".to_owned()), None]]
    );

    server.kill().await;
    server.options_mut().args.push("--binlog-format=ROW".to_owned());
    server.start_again().await.unwrap();
    assert_eq!(server.value("SELECT @@binlog_format").await.unwrap(), "ROW");
    assert!(server.cpu_seconds() > 0.0 && server.peak_rss_bytes() > 1 << 20);
    assert!(server.error_log().contains("ready for connections"));

    let (pid, directory) = (server.pid(), server.data_dir().parent().unwrap().to_owned());
    drop(server);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!directory.exists());
}

#[tokio::test]
async fn options_that_no_server_takes_are_explained() {
    let error = Server::start(ServerOptions::plain(1).arg("--no-such-option=1"))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("unknown variable 'no-such-option=1'"),
        "{error}"
    );
}

#[tokio::test]
async fn statements_fail_with_their_text() {
    let server = Server::start(ServerOptions::plain(1)).await.unwrap();
    let error = server
        .run("CREATE DATABASE d; SELECT 1; CREATE DATABASE d; CREATE DATABASE e")
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("database exists"), "{error:#}");
    assert!(
        server.run("USE e").await.is_err(),
        "statements after the failing one have not run"
    );
    assert!(server.value("SELECT NULL").await.is_err());
    assert!(server.value("SELECT 1 FROM DUAL WHERE FALSE").await.is_err());
    let mut server = server;
    assert!(server.start_again().await.is_err(), "it is running");
}

/// Starts a process that owns a server, kills the process with SIGKILL, and looks for what it left.
#[test]
fn a_killed_owner_leaves_nothing() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_tributary-sandbox-server"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut value = |key: &str| {
        lines
            .find_map(|line| line.strip_prefix(key).map(str::to_owned))
            .unwrap()
    };
    let process = format!("/proc/{}", value("process "));
    let data = value("data ");
    let directory = Path::new(&data).parent().unwrap();
    assert!(Path::new(&process).exists() && directory.exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while Path::new(&process).exists() || directory.exists() {
        assert!(
            Instant::now() < deadline,
            "{process} or {} is still there",
            directory.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
