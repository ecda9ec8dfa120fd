//! The engine's option file, secrets, state and log, in a folder of their own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::link::{Address, Route};
use crate::source::Sources;
use crate::target::{SKIPPED_ERRORS, Target, on_off};
use crate::workload::{Measure, connection, target_database};

/// One look at the status socket, which is there before the engine has logged in to the target, and answers when it has:
/// over a slow link after some hundreds of round trips.
const STATUS_TIMEOUT: Duration = Duration::from_secs(120);
/// A status document larger than this is not one.
const STATUS_BYTES_MAX: u64 = 1 << 20;

/// The folder.
pub(super) struct Files {
    folder: TempDir,
}

impl Files {
    /// Writes everything the engine reads.
    pub(super) fn write(sources: &Sources, target: &Target, route: &Route) -> Result<Files> {
        let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
        let files = Files { folder };
        fs::create_dir(files.state_dir()).context("create the state directory")?;
        fs::set_permissions(files.state_dir(), fs::Permissions::from_mode(0o700))?;
        for source in &sources.all {
            let file = format!("{}-password", connection(source.number));
            write_secret(&files.path(&file), &source.login.password)?;
        }
        write_secret(&files.path("target-password"), &target.login.password)?;
        let options = files.options(sources, &target.login.user, route);
        fs::write(files.path("bench.cnf"), options)?;
        Ok(files)
    }

    /// The user's replica settings, and where sources and target are. The target, which may be a replica beside this one,
    /// has the server id 10.
    fn options(&self, sources: &Sources, target_user: &str, route: &Route) -> String {
        let target = match &route.target {
            Address::Socket(path) => format!("target_socket = {}", path.display()),
            Address::Tcp(host, port) => format!("target_host = {host}\ntarget_port = {port}"),
        };
        let mut text = format!(
            "[mysqld]\n\
             server-id = 11\n\
             slave_parallel_threads = 4\n\
             slave_parallel_mode = optimistic\n\
             slave_skip_errors = {SKIPPED_ERRORS}\n\
             slave_compressed_protocol = {compressed}\n\
             slave_net_timeout = 60\n\
             \n\
             [tributary]\n\
             {target}\n\
             target_compress = {compressed}\n\
             target_user = {target_user}\n\
             target_password_file = {target_password}\n\
             state_dir = {state}\n",
            compressed = on_off(route.link.is_compressed),
            target_password = self.path("target-password").display(),
            state = self.state_dir().display(),
        );
        if sources.workload.measure() == Measure::StopStart {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "control_socket = {}", self.control_socket().display());
        }
        for (index, source) in sources.all.iter().enumerate() {
            let (host, port) = route.source(index);
            let name = connection(source.number);
            let _ = write!(
                text,
                "\n\
                 {name}.replicate_rewrite_db = {database}->{to}\n\
                 {name}.master_host = {host}\n\
                 {name}.master_port = {port}\n\
                 {name}.master_user = {user}\n\
                 {name}.master_password_file = {password}\n\
                 {name}.master_log_file = {file}\n\
                 {name}.master_log_pos = {offset}\n\
                 {name}.master_connect_retry = 10\n",
                database = source.database,
                to = target_database(source.number),
                user = source.login.user,
                password = self.path(&format!("{name}-password")).display(),
                file = source.start.file,
                offset = source.start.offset,
            );
        }
        text
    }

    /// Starts the engine with these files.
    pub(super) fn start(&self, program: &Path) -> Result<Child> {
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

    /// The engine's status document; `None` while it does not answer yet.
    ///
    /// Asks the socket behind `tributary status`: a process for every look would be measured as well.
    pub(super) async fn status(&self) -> Result<Option<Vec<u8>>> {
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
        Ok(Some(document))
    }

    /// Where it listens for clients, if stopping and starting is measured.
    pub(super) fn control_socket(&self) -> PathBuf {
        self.path("control.sock")
    }

    /// What the engine has logged.
    pub(super) fn log(&self) -> String {
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

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    Ok(())
}
