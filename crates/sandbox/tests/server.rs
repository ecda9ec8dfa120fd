//! A sandbox server starts, answers, restarts, dies and leaves nothing behind.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

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
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!directory.exists());
}
