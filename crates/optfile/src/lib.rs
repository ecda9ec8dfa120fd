//! MariaDB option files: text in, entries out.
//!
//! A file is read the way the server reads it: groups, bare keys, repeated keys in their order, quotes and escapes,
//! comments, `!include` and `!includedir`. Every [`Entry`] keeps its file and line, so that whoever gives a key its
//! meaning can say where a bad value stands. The crate opens no file itself: the caller hands in a [`Files`].
//!
//! What a key means, and which keys exist, is left to the caller; [`Entry::resolve`] helps with the prefixes `loose-`,
//! `skip-`, `disable-` and `enable-`, [`value`] with booleans, numbers and sizes.
//!
//! ```
//! use std::{io, path::{Path, PathBuf}};
//! use tributary_optfile::{Files, load};
//!
//! struct OneFile(&'static [u8]);
//! impl Files for OneFile {
//!     fn read(&mut self, _: &Path, _: u64) -> io::Result<Vec<u8>> { Ok(self.0.to_vec()) }
//!     fn list(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> { Ok(Vec::new()) }
//! }
//!
//! let text = b"[mysqld]\nmaster1.replicate-rewrite-db = asterisk->eu # one per source\n";
//! let loaded = load(&["server.cnf"], &mut OneFile(text))?;
//! let entry = &loaded.entries[0];
//! assert_eq!(entry.connection.as_deref(), Some("master1"));
//! assert_eq!(entry.name(), "replicate_rewrite_db");
//! assert_eq!(entry.text()?, Some("asterisk->eu"));
//! assert_eq!(entry.place.to_string(), "server.cnf:2");
//! # Ok::<(), tributary_optfile::Error>(())
//! ```
#![forbid(unsafe_code)]

mod entry;
mod error;
mod groups;
mod line;
mod load;
mod place;
pub mod value;

pub use entry::{Entry, Resolved};
pub use error::Error;
pub use groups::{GroupNames, SERVER_GROUPS};
pub use load::{FILE_BYTES_MAX, FILES_MAX, Files, INCLUDE_DEPTH_MAX, Loaded, Warning, load};
pub use place::Place;
