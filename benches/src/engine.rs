//! Tributary: the built program as a child process, watched through its status socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::link::Route;
use crate::replica::Progress;
use crate::source::Sources;
use crate::target::Target;
use crate::workload::connection;

mod files;
mod status;

use files::Files;

/// After SIGTERM, the engine's own bound (30 s) and some.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);

/// The engine's release build: `$TRIBUTARY_BIN`, or `tributary` beside this program.
///
/// # Errors
/// When there is none, with the command that builds it.
pub(crate) fn program() -> Result<PathBuf> {
    let program = match std::env::var_os("TRIBUTARY_BIN") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .context("find this program's folder")?
            .with_file_name("tributary"),
    };
    ensure!(
        program.is_file(),
        "{} does not exist: build it with `cargo build --release -p tributary-cli`, name another with TRIBUTARY_BIN, \
         or leave it out with BENCH_SYSTEMS=native-4-optimistic,native-4-conservative,native-0",
        program.display()
    );
    Ok(program)
}

/// One engine between its files and its process.
pub(crate) struct Engine {
    program: PathBuf,
    files: Files,
    /// The connections' names, in the sources' order.
    connections: Vec<String>,
    process: Option<Child>,
}

impl Engine {
    /// Writes the engine's option file and secrets.
    pub(crate) fn prepare(
        program: &Path,
        sources: &Sources,
        target: &Target,
        route: &Route,
    ) -> Result<Engine> {
        Ok(Engine {
            program: program.to_owned(),
            files: Files::write(sources, target, route)?,
            connections: sources
                .all
                .iter()
                .map(|source| connection(source.number))
                .collect(),
            process: None,
        })
    }

    /// Starts the process.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.process = Some(self.files.start(&self.program)?);
        Ok(())
    }

    /// The process number while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// How far each connection is, in the sources' order; nothing while the engine does not answer yet.
    pub(crate) async fn connections(&mut self) -> Result<Vec<Progress>> {
        let process = self.process.as_mut().context("the engine is not started")?;
        if let Some(status) = process.try_wait()? {
            bail!("the engine has ended ({status})");
        }
        match self.files.status().await? {
            Some(document) => status::progress(&document, &self.connections),
            None => Ok(Vec::new()),
        }
    }

    /// Ends the process by a signal and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let mut process = self.process.take().context("the engine is not started")?;
        let number = process
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
            .context("the engine has ended before it was told to")?;
        kill_process(number, Signal::TERM).context("send SIGTERM to the engine")?;
        let status = tokio::time::timeout(STOP_TIMEOUT, process.wait())
            .await
            .with_context(|| format!("the engine did not stop within {STOP_TIMEOUT:?}"))??;
        ensure!(
            status.success(),
            "the engine did not stop cleanly ({status}); its log:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Where it takes replication statements, if stopping and starting is measured.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.files.control_socket()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.files.log()
    }
}
