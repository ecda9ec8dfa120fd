//! Drivers of Python and Node: `testdata/clients/driver.py` and `driver.mjs`.

use std::path::PathBuf;

use crate::support::testdata;
use crate::{PASSWORD, Stage, Way, installed, limited, run};

/// The driver does its work on the target, which shows that the work is right, and then through the port.
async fn does_its_work(program: &str, script: &str, driver: &str) {
    let stage = Stage::new().await;
    for (way, word) in [(Way::Direct, "direct"), (Way::Port, "port")] {
        let (port, socket) = stage.place(way);
        let program = match program {
            "node" => PathBuf::from(program),
            _ => installed(program),
        };
        let mut command = limited(&program);
        command
            .arg(testdata("clients").join(script))
            .args([driver, word])
            .env("CLIENT_HOST", "127.0.0.1")
            .env("CLIENT_PORT", port.to_string())
            .env("CLIENT_SOCKET", socket)
            .env("CLIENT_PASSWORD", PASSWORD)
            .env("CLIENT_MODULES", installed("node"));
        let said = run(&mut command).stdout;
        assert_eq!(said.trim(), format!("{driver} {word}: done"));
    }
    stage.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_pymysql() {
    does_its_work("python/bin/python", "driver.py", "pymysql").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_mysql_connector() {
    does_its_work("python/bin/python", "driver.py", "connector").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_mysql2() {
    does_its_work("node", "driver.mjs", "mysql2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_mariadb() {
    does_its_work("node", "driver.mjs", "mariadb").await;
}
