//! A fresh target for every run, set up as the user's tutorial sets it up, with the tables and nothing in them.

use anyhow::{Context, Result};
use tributary_sandbox::{Server, ServerOptions};

use crate::settings::{Settings, System};
use crate::workload::{SOURCE_DATABASE, TARGET_DATABASE, Workload};

/// The name of the connection, in the native replica and in Tributary.
pub(crate) const CONNECTION: &str = "master1";

/// Errors the user's replica passes over.
pub(crate) const SKIPPED_ERRORS: &str = "1032,1062,1146,1269,1396,1932";

/// The account Tributary logs in with, over the socket.
pub(crate) const APPLIER_USER: &str = "tributary";
/// Its password.
pub(crate) const APPLIER_PASSWORD: &str = "tributary-bench";

/// Starts the target of one run.
///
/// # Errors
/// When the server does not start or refuses the tables.
pub(crate) async fn start(system: System, workload: Workload, settings: &Settings) -> Result<Server> {
    let mut options = ServerOptions::target()
        .arg("--innodb-flush-log-at-trx-commit=2")
        .arg("--innodb-log-file-size=96M")
        // Large enough that no system is measured by its cache misses.
        .arg("--innodb-buffer-pool-size=256M")
        .arg("--key-buffer-size=128M");
    if system.is_native() {
        // Not for Tributary's target: a rename at the server's startup would touch its row events as well.
        for arg in native_args(system, settings) {
            options = options.arg(&arg);
        }
    }
    options.args.extend_from_slice(&settings.target_args);
    let server = Server::start(options).await.context("start the target")?;
    let mut sql = workload.schema(TARGET_DATABASE);
    if !system.is_native() {
        sql.push_str(&format!(
            "CREATE USER {APPLIER_USER}@localhost IDENTIFIED BY '{APPLIER_PASSWORD}';\n\
             GRANT ALL PRIVILEGES ON *.* TO {APPLIER_USER}@localhost;\n"
        ));
    }
    server.run(&sql).await.context("create the target's tables")?;
    Ok(server)
}

fn native_args(system: System, settings: &Settings) -> Vec<String> {
    let threads = match system {
        System::NativeOptimistic => 4,
        System::NativeSerial | System::Tributary => 0,
    };
    vec![
        format!("--{CONNECTION}.replicate-rewrite-db={SOURCE_DATABASE}->{TARGET_DATABASE}"),
        format!("--slave-parallel-threads={threads}"),
        "--slave-parallel-mode=optimistic".to_owned(),
        format!("--slave-skip-errors={SKIPPED_ERRORS}"),
        format!(
            "--slave-compressed-protocol={}",
            if settings.is_compressed { "ON" } else { "OFF" }
        ),
        "--slave-net-timeout=60".to_owned(),
        "--relay-log=relay-bin".to_owned(),
        "--relay-log-recovery=ON".to_owned(),
        "--max-relay-log-size=256M".to_owned(),
        "--skip-slave-start".to_owned(),
    ]
}
