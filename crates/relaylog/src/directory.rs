//! Names and bookkeeping files of one connection's relay log: files by number, index, whose events they are, the lock.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

const BASE_NAME: &str = "relay-bin";
/// Lists the files, oldest first, as a server's index does.
pub const INDEX_FILE: &str = "relay-bin.index";
/// Names the source.
const INFO_FILE: &str = "relay-bin.info";
const LOCK_FILE: &str = "relay-bin.lock";

/// The name of the file with this number.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("{BASE_NAME}.{number:06}")
}

/// The number of the file with this name; `None` if it is none of a relay log.
#[must_use]
pub fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(BASE_NAME)?.strip_prefix('.')?;
    let is_number = digits.len() >= 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// A claimed directory.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    // The lock on this file is the claim.
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, for its owner only, and claims it.
    pub(crate) fn claim(path: &Path) -> Result<Directory, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(Error::io("create the relay log directory", path))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = private()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(Error::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", lock_path)(error)),
        }
    }

    pub(crate) fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(file_name(number))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The numbers of the files that are there, in order.
    pub(crate) fn numbers(&self) -> Result<VecDeque<u64>, Error> {
        let failed = || Error::io("list", &self.path);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            let number: Option<u64> = name.to_str().and_then(file_number);
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers.into())
    }

    /// Makes a file that is not there yet, for its owner only.
    pub(crate) fn create(&self, number: u64) -> Result<File, Error> {
        let path = self.path_of(number);
        private()
            .create_new(true)
            .open(&path)
            .map_err(Error::io("create", path))
    }

    pub(crate) fn open_for_writing(&self, number: u64) -> Result<File, Error> {
        let path = self.path_of(number);
        private().open(&path).map_err(Error::io("open", path))
    }

    /// Removes a file; one that is gone already is no error.
    pub(crate) fn remove(&self, number: u64) -> Result<(), Error> {
        let path = self.path_of(number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
            _ => Ok(()),
        }
    }

    /// Writes the list of files, for tools; the engine goes by the files themselves.
    pub(crate) fn write_index(&self, numbers: impl Iterator<Item = u64>) -> Result<(), Error> {
        let lines: String = numbers
            .map(|number| format!("./{}\n", file_name(number)))
            .collect();
        self.replace(INDEX_FILE, lines.as_bytes())
    }

    /// Whose events the files hold.
    pub(crate) fn source(&self) -> Option<String> {
        fs::read_to_string(self.path.join(INFO_FILE))
            .ok()
            .map(|text| text.trim_end().to_owned())
    }

    pub(crate) fn write_source(&self, source: &str) -> Result<(), Error> {
        self.replace(INFO_FILE, format!("{source}\n").as_bytes())
    }

    /// Makes what was created and removed last through a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        File::open(&self.path)
            .and_then(|dir| dir.sync_all())
            .map_err(Error::io("sync", &self.path))
    }

    /// The file has the old or the new text, whenever the process ends.
    fn replace(&self, name: &str, text: &[u8]) -> Result<(), Error> {
        let (path, draft) = (self.path.join(name), self.path.join(format!("{name}~")));
        private()
            .create(true)
            .truncate(true)
            .open(&draft)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(Error::io("write", path))
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
