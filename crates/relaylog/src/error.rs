//! The one error type of the relay log.

use std::io;
use std::path::PathBuf;

use tributary_binlog::TrackError;

/// Bytes of the relay log that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("relay log {path} is damaged at offset {offset}: {why}")]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where the damaged event begins.
    pub offset: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Why the relay log cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system says no. What was to be written is kept, and [`RelayLog::flush`](crate::RelayLog::flush) tries again.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another engine writes there.
    #[error("the relay log {dir} is in use by another engine: give each engine a state_dir of its own")]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// What was written cannot be read. Fetch it from the source again: [`RelayLog::begin`](crate::RelayLog::begin) at the end of
    /// the last whole group that was read.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The event must wait until files are purged.
    #[error("the relay log holds {held} bytes, and {needed} more exceed relay_log_space_limit = {limit}")]
    Full {
        /// Bytes in all files.
        held: u64,
        /// Bytes the event takes.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// The event that was to be written is not whole, or cannot stand where it stands.
    #[error(transparent)]
    Event(#[from] TrackError),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { doing, path, source }
    }
}
