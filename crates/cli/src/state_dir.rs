//! The state directory of a running engine: its lock with the process id, and its sockets.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The process id, and the lock that says the process lives.
const PID_FILE: &str = "tributary.pid";
const SOCKET_FILE: &str = "tributary.sock";
const COMMANDS_FILE: &str = "commands.sock";

/// Most bytes of a process id file that are read.
const PID_BYTES_MAX: u64 = 32;

/// The path of the status socket in a state directory.
pub(crate) fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET_FILE)
}

/// The path of the socket for commands in a state directory.
pub(crate) fn commands_path(state_dir: &Path) -> PathBuf {
    state_dir.join(COMMANDS_FILE)
}

/// One engine's claim on a state directory; given up when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    // The lock on this file is the claim.
    _lock: File,
}

impl StateDir {
    /// Makes the directory if need be and claims it.
    ///
    /// # Errors
    /// A [`Failure`] when the directory cannot be used or another engine has it.
    pub(crate) fn claim(path: &Path) -> Result<Self, Failure> {
        let failed = |what: &str, error: std::io::Error| {
            let text = format!(
                "{what} {}: {error}; set state_dir to a directory this user may write",
                path.display()
            );
            Failure::usage(text)
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed("create state directory", error))?;
        let pid_path = path.join(PID_FILE);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&pid_path)
            .map_err(|error| failed("write to state directory", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(already_running(path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(failed("lock state directory", error)),
        }
        let written = lock
            .set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(|error| failed("write to state directory", error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where the status socket goes. What a dead engine left there is removed: the claim proves that it is dead.
    ///
    /// # Errors
    /// A [`Failure`] when what is there cannot be removed.
    pub(crate) fn free_socket_path(&self) -> Result<PathBuf, Failure> {
        free(socket_path(&self.path))
    }

    /// Where the socket for commands goes, in the same way.
    ///
    /// # Errors
    /// A [`Failure`] when what is there cannot be removed.
    pub(crate) fn free_commands_path(&self) -> Result<PathBuf, Failure> {
        free(commands_path(&self.path))
    }
}

impl Drop for StateDir {
    /// Removes the sockets and empties the process id file. The file itself stays: removing it would let two
    /// engines lock two files of the same name.
    fn drop(&mut self) {
        let _ = fs::remove_file(socket_path(&self.path));
        let _ = fs::remove_file(commands_path(&self.path));
        let _ = self._lock.set_len(0);
    }
}

fn free(socket: PathBuf) -> Result<PathBuf, Failure> {
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::failed(format!(
            "remove old socket {}: {error}",
            socket.display()
        ))),
        _ => Ok(socket),
    }
}

fn already_running(path: &Path, lock: &mut File) -> Failure {
    let mut pid = String::new();
    let read = lock
        .seek(SeekFrom::Start(0))
        .and_then(|_| lock.take(PID_BYTES_MAX).read_to_string(&mut pid));
    let who = match read {
        Ok(_) if !pid.trim().is_empty() => format!("pid {}", pid.trim()),
        _ => "another process".to_owned(),
    };
    Failure::usage(format!(
        "already running as {who} in state directory {}; stop it first, or set another state_dir",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_engine_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = StateDir::claim(&path).unwrap();
        let error = StateDir::claim(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.starts_with(&format!("already running as pid {pid} in state directory ")),
            "{error}"
        );
        drop(first);
        StateDir::claim(&path).unwrap();
    }

    #[test]
    fn what_a_dead_engine_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(socket_path(dir.path()), "").unwrap();
        fs::write(dir.path().join(PID_FILE), "4194304999\n").unwrap();
        let claim = StateDir::claim(dir.path()).unwrap();
        assert!(!claim.free_socket_path().unwrap().exists());
        let pid = fs::read_to_string(dir.path().join(PID_FILE)).unwrap();
        assert_eq!(pid.trim(), std::process::id().to_string());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let error = StateDir::claim(Path::new("/proc/none/x")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("create state directory /proc/none/x: "),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .ends_with("; set state_dir to a directory this user may write"),
            "{error}"
        );
    }
}
