//! The command as a child process, and what it needs around it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything a child process should do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What a run of the command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command, with nothing of the caller's environment that would change what it does.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.env_remove("TRIBUTARY_LOG").env_remove("RUST_LOG");
    command
}

/// Runs the command to its end.
pub(crate) fn tributary(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    command().args(args).output().unwrap().into()
}

/// `--defaults-file=PATH`
pub(crate) fn defaults(path: &Path) -> String {
    format!("--defaults-file={}", path.display())
}

/// A file of the repository's test data.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(name)
}

/// A directory with option files; gone when dropped.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that its owner can read, `@DIR@` standing for the directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        self.file_with_mode(name, text, 0o600)
    }

    pub(crate) fn file_with_mode(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text.replace("@DIR@", &self.path().display().to_string())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

/// A `tributary run`, killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it; its log goes to a new file beside the option file.
    pub(crate) fn start(option_file: &Path, args: &[&str]) -> Self {
        Self::spawn(command(), option_file, args)
    }

    /// The same, to end when it comes to a place for the nth time (`NAME:N`).
    pub(crate) fn start_with_failpoint(option_file: &Path, failpoint: &str) -> Self {
        let mut command = command();
        command.env("TRIBUTARY_FAILPOINT", failpoint);
        Self::spawn(command, option_file, &[])
    }

    /// The same, with no file longer than so many KiB: it is as if the disk were full.
    pub(crate) fn start_with_short_files(option_file: &Path, kib: u32) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
        shell.args(["-c", &script]).arg(command().get_program());
        Self::spawn(shell, option_file, &[])
    }

    fn spawn(mut command: Command, option_file: &Path, args: &[&str]) -> Self {
        let log = (0..).map(|number| option_file.with_extension(format!("{number}.log")));
        let log = log.into_iter().find(|path| !path.exists()).unwrap();
        let child = command
            .arg("run")
            .arg(defaults(option_file))
            .args(args)
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended, and gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                started.elapsed() < DEADLINE,
                "still running after {DEADLINE:?}; log:\n{}",
                self.log()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until its log has `text`.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let is_there = |running: &Self| running.log().contains(text);
        self.wait_until(&format!("log line '{text}'"), is_there);
    }

    /// Waits until `condition` holds while it runs.
    pub(crate) fn wait_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "ended with {ended:?} before {what}; log:\n{}",
                self.log()
            );
            assert!(
                started.elapsed() < DEADLINE,
                "no {what} within {DEADLINE:?}; log:\n{}",
                self.log()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
