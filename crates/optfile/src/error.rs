//! Why option files could not be read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Place;

/// Why option files could not be read. The text names the file and, where there is one, the line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that was named on the command line, or found in an included directory, cannot be read.
    #[error("read option file {}: {source}", file.display())]
    Read {
        /// The file.
        file: Arc<Path>,
        /// What the system said.
        source: io::Error,
    },
    /// A directory named by `!includedir` cannot be listed.
    #[error("{place}: !includedir {}: {source}", directory.display())]
    List {
        /// The directive.
        place: Place,
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file named by `!include` exists but cannot be read.
    #[error("{place}: !include {}: {source}", file.display())]
    Include {
        /// The directive.
        place: Place,
        /// The file it names.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any option file should be.
    #[error("read option file {}: {size_bytes} bytes, at most {max} are allowed; is this an option file?", file.display(), max = crate::FILE_BYTES_MAX)]
    TooLarge {
        /// The file.
        file: Arc<Path>,
        /// How many bytes of it were read.
        size_bytes: u64,
    },
    /// Includes are nested too deeply, which mostly means that a file includes itself.
    #[error("{place}: includes are nested more than {max} deep; does a file include itself?", max = crate::INCLUDE_DEPTH_MAX)]
    TooDeep {
        /// The directive that went too far.
        place: Place,
    },
    /// Includes name too many files.
    #[error("{place}: more than {max} option files are included", max = crate::FILES_MAX)]
    TooManyFiles {
        /// The directive that went too far.
        place: Place,
    },
    /// An option stands before the first `[group]` line of its file.
    #[error("{place}: option '{key}' stands before any [group] line; put one, such as [tributary], above it")]
    NoGroup {
        /// The option.
        place: Place,
        /// Its key.
        key: String,
    },
    /// A line begins with `[` and has no `]`.
    #[error("{place}: group line without ']'; write it as [name]")]
    BadGroup {
        /// The line.
        place: Place,
    },
    /// A line begins with `=`: a value without a key.
    #[error("{place}: value without a key; write key = value")]
    NoKey {
        /// The line.
        place: Place,
    },
    /// An include without a path.
    #[error("{place}: {directive} without a path; write {directive} PATH")]
    NoPath {
        /// The line.
        place: Place,
        /// `!include` or `!includedir`.
        directive: &'static str,
    },
    /// A zero byte, which mostly means that the file is not plain text.
    #[error("{place}: zero byte in the line; save the file as plain text (UTF-8, not UTF-16)")]
    ZeroByte {
        /// The line.
        place: Place,
    },
    /// A value is needed as text and is not UTF-8.
    #[error("{place}: the value of '{key}' is not UTF-8 text; save the file as UTF-8")]
    NotUtf8 {
        /// The option.
        place: Place,
        /// Its key.
        key: String,
    },
}
