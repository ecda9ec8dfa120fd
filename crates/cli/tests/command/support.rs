//! The command as a child process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// A file of the repository's test data.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata")
        .join(name)
}

/// `--defaults-file=PATH`
pub(crate) fn defaults(path: &Path) -> String {
    format!("--defaults-file={}", path.display())
}
