//! Catching up by Tributary: the built program as a child process, watched through its status socket.

use std::fs::{self, File};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tributary_sandbox::Server;

use crate::coordinates::Coordinates;
use crate::measure::{POLL_INTERVAL, Run, Watch};
use crate::settings::Settings;
use crate::source::{REPLICATION_PASSWORD, REPLICATION_USER, Source};
use crate::target::{APPLIER_PASSWORD, APPLIER_USER, CONNECTION, SKIPPED_ERRORS};
use crate::workload::{SOURCE_DATABASE, TARGET_DATABASE};

/// After SIGTERM, the engine's own bound (30 s) and some.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
/// One look at the status socket.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// A status document larger than this is not one.
const STATUS_BYTES_MAX: u64 = 1 << 20;

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
         or leave it out with BENCH_SYSTEMS=native-4-optimistic,native-0",
        program.display()
    );
    Ok(program)
}

/// Runs the engine from the source's start to its end, then stops it.
///
/// # Errors
/// An engine that ends, reports an error, does not arrive in time or does not stop cleanly; with its log's end.
pub(crate) async fn catch_up(
    program: &Path,
    source: &Source,
    target: &Server,
    settings: &Settings,
) -> Result<Run> {
    let files = Files::write(source, target, settings)?;
    run(program, source, target, &files)
        .await
        .map_err(|error| crate::with_log(&error, "the engine's log", &files.log()))
}

async fn run(program: &Path, source: &Source, target: &Server, files: &Files) -> Result<Run> {
    let watch = Watch::start(&source.server, target)?;
    let mut engine = files.start(program)?;
    let pid = engine.id().context("the engine ended at once")?;
    wait_until_executed(&mut engine, files, &source.end, &watch).await?;
    let run = watch.stop(Some(pid))?;
    stop(&mut engine, pid).await?;
    Ok(run)
}

/// Polls the engine until `end` is executed.
async fn wait_until_executed(
    engine: &mut Child,
    files: &Files,
    end: &Coordinates,
    watch: &Watch<'_>,
) -> Result<()> {
    loop {
        if let Some(status) = engine.try_wait()? {
            bail!("the engine ended while catching up ({status})");
        }
        if let Some(executed) = files.executed().await?
            && executed.has_reached(end)?
        {
            return Ok(());
        }
        watch.check_time()?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Ends the engine as an operator does. A result only counts if it could also stop in order.
async fn stop(engine: &mut Child, pid: u32) -> Result<()> {
    let number = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("the engine's process number")?;
    kill_process(number, Signal::TERM).context("send SIGTERM to the engine")?;
    let status = tokio::time::timeout(STOP_TIMEOUT, engine.wait())
        .await
        .with_context(|| format!("the engine did not stop within {STOP_TIMEOUT:?}"))??;
    ensure!(status.success(), "the engine did not stop cleanly ({status})");
    Ok(())
}

/// The engine's option file, secrets, state and log, in a folder of their own.
struct Files {
    folder: TempDir,
}

impl Files {
    fn write(source: &Source, target: &Server, settings: &Settings) -> Result<Files> {
        let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
        let files = Files { folder };
        fs::create_dir(files.state_dir()).context("create the state directory")?;
        fs::set_permissions(files.state_dir(), fs::Permissions::from_mode(0o700))?;
        write_secret(&files.path("source-password"), REPLICATION_PASSWORD)?;
        write_secret(&files.path("target-password"), APPLIER_PASSWORD)?;
        fs::write(files.path("bench.cnf"), files.options(source, target, settings))?;
        Ok(files)
    }

    /// The user's replica settings, and where source and target are.
    fn options(&self, source: &Source, target: &Server, settings: &Settings) -> String {
        format!(
            "[mysqld]\n\
             server-id = 10\n\
             slave_parallel_threads = 4\n\
             slave_parallel_mode = optimistic\n\
             slave_skip_errors = {SKIPPED_ERRORS}\n\
             slave_compressed_protocol = {compressed}\n\
             slave_net_timeout = 60\n\
             {CONNECTION}.replicate_rewrite_db = {SOURCE_DATABASE}->{TARGET_DATABASE}\n\
             \n\
             [tributary]\n\
             target_socket = {socket}\n\
             target_user = {APPLIER_USER}\n\
             target_password_file = {target_password}\n\
             state_dir = {state}\n\
             {CONNECTION}.master_host = 127.0.0.1\n\
             {CONNECTION}.master_port = {port}\n\
             {CONNECTION}.master_user = {REPLICATION_USER}\n\
             {CONNECTION}.master_password_file = {source_password}\n\
             {CONNECTION}.master_log_file = {file}\n\
             {CONNECTION}.master_log_pos = {offset}\n\
             {CONNECTION}.master_connect_retry = 10\n",
            compressed = if settings.is_compressed { "ON" } else { "OFF" },
            socket = target.socket().display(),
            target_password = self.path("target-password").display(),
            state = self.state_dir().display(),
            port = source.server.port(),
            source_password = self.path("source-password").display(),
            file = source.start.file,
            offset = source.start.offset,
        )
    }

    fn start(&self, program: &Path) -> Result<Child> {
        let log = File::create(self.path("engine.log")).context("create the engine's log")?;
        let mut defaults = std::ffi::OsString::from("--defaults-file=");
        defaults.push(self.path("bench.cnf"));
        Command::new(program)
            .arg("run")
            .arg(defaults)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))
    }

    /// How far the engine is; `None` while it does not answer yet, an error when the connection has stopped.
    ///
    /// Asks the socket behind `tributary status`: a process for every look would be measured as well.
    async fn executed(&self) -> Result<Option<Coordinates>> {
        let Ok(stream) = UnixStream::connect(self.state_dir().join("tributary.sock")).await else {
            return Ok(None);
        };
        let mut document = Vec::new();
        tokio::time::timeout(
            STATUS_TIMEOUT,
            stream.take(STATUS_BYTES_MAX).read_to_end(&mut document),
        )
        .await
        .context("the engine's status socket does not answer")??;
        executed_in(&document)
    }

    fn log(&self) -> String {
        fs::read(self.path("engine.log")).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The executed coordinates in a status document; `None` before the first position.
fn executed_in(document: &[u8]) -> Result<Option<Coordinates>> {
    let status: Value = serde_json::from_slice(document).context("read the engine's status")?;
    let connection = status["connections"]
        .as_array()
        .and_then(|all| all.iter().find(|entry| entry["name"] == CONNECTION))
        .with_context(|| format!("the engine's status has no connection {CONNECTION}"))?;
    if !connection["last_error"].is_null() {
        bail!("the engine reports an error: {}", connection["last_error"]);
    }
    let executed = &connection["executed"];
    Ok(match (executed["file"].as_str(), executed["offset"].as_u64()) {
        (Some(file), Some(offset)) if !file.is_empty() => Some(Coordinates {
            file: file.to_owned(),
            offset,
        }),
        _ => None,
    })
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::executed_in;

    #[test]
    fn a_status_gives_coordinates_or_the_engines_error() {
        let document = br#"{"connections":[{"name":"other","last_error":{"number":1}},
            {"name":"master1","executed":{"file":"mysql-bin.000001","offset":77},"last_error":null}]}"#;
        let executed = executed_in(document).unwrap().unwrap();
        assert_eq!(
            (executed.file.as_str(), executed.offset),
            ("mysql-bin.000001", 77)
        );

        let fresh = br#"{"connections":[{"name":"master1","executed":null}]}"#;
        assert!(executed_in(fresh).unwrap().is_none());

        let stopped =
            br#"{"connections":[{"name":"master1","last_error":{"number":1146,"message":"no table"}}]}"#;
        assert!(format!("{:#}", executed_in(stopped).unwrap_err()).contains("no table"));

        assert!(executed_in(br#"{"connections":[]}"#).is_err());
        assert!(executed_in(b"").is_err());
    }
}
