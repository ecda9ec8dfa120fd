//! A fresh target for every run, set up as the user's tutorial sets it up, with the tables as the sources began.

use anyhow::{Context, Result};
use tributary_sandbox::{Server, ServerOptions};

use crate::settings::Settings;
use crate::source::{Source, Sources};
use crate::system::{NativeSetting, System};
use crate::workload::{connection, target_database};

/// Errors the user's replica passes over.
pub(crate) const SKIPPED_ERRORS: &str = "1032,1062,1146,1269,1396,1932";

/// The account Tributary logs in with, over the socket or through a relay.
pub(crate) const APPLIER_USER: &str = "tributary";
/// Its password.
pub(crate) const APPLIER_PASSWORD: &str = "tributary-bench";

/// Starts the target of one run.
///
/// # Errors
/// When the server does not start or refuses the tables.
pub(crate) async fn start(
    system: System,
    sources: &Sources,
    is_compressed: bool,
    settings: &Settings,
) -> Result<Server> {
    let mut options = ServerOptions::target()
        .arg("--innodb-flush-log-at-trx-commit=2")
        .arg("--innodb-log-file-size=96M")
        // Large enough that no system is measured by its cache misses.
        .arg("--innodb-buffer-pool-size=256M")
        .arg("--key-buffer-size=128M");
    // Not for Tributary's target: a rename at the server's startup would touch its row events as well.
    if let Some(native) = system.native() {
        for arg in native_args(native, sources, is_compressed) {
            options = options.arg(&arg);
        }
    }
    options.args.extend_from_slice(&settings.target_args);
    let server = Server::start(options).await.context("start the target")?;
    match &settings.named {
        Some(named) => named.load_seed(&server, &target_database(1)).await?,
        None => server
            .run(&tables(sources))
            .await
            .context("create the target's tables")?,
    }
    if system == System::Tributary {
        server
            .run(&account())
            .await
            .context("create the engine's account")?;
    }
    Ok(server)
}

fn tables(sources: &Sources) -> String {
    let workload = sources.workload;
    let of_source = |source: &Source| {
        let database = target_database(source.number);
        workload
            .traffic()
            .schema(&database, workload.engine(), &sources.size)
    };
    let statements: Vec<String> = sources.all.iter().flat_map(of_source).collect();
    statements.join(";\n")
}

fn account() -> String {
    format!(
        "CREATE USER {APPLIER_USER}@'%' IDENTIFIED BY '{APPLIER_PASSWORD}';\n\
         GRANT ALL PRIVILEGES ON *.* TO {APPLIER_USER}@'%'"
    )
}

fn native_args(native: NativeSetting, sources: &Sources, is_compressed: bool) -> Vec<String> {
    let mut args: Vec<String> = sources
        .all
        .iter()
        .map(|source| {
            let (name, to) = (connection(source.number), target_database(source.number));
            format!("--{name}.replicate-rewrite-db={}->{to}", source.database)
        })
        .collect();
    args.extend([
        format!("--slave-parallel-threads={}", native.threads),
        format!("--slave-parallel-mode={}", native.mode),
        format!("--slave-skip-errors={SKIPPED_ERRORS}"),
        format!("--slave-compressed-protocol={}", on_off(is_compressed)),
        "--slave-net-timeout=60".to_owned(),
        "--relay-log=relay-bin".to_owned(),
        "--relay-log-recovery=ON".to_owned(),
        "--max-relay-log-size=256M".to_owned(),
        "--skip-slave-start".to_owned(),
    ]);
    args
}

/// A switch as option files have it.
pub(crate) fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}
