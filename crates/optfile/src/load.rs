//! Files to entries: groups, includes, places.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::line::{self, Line, LineError};
use crate::{Entry, Error, Place};

/// Most bytes in one option file.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most files that one load may read, includes counted.
pub const FILES_MAX: usize = 1000;
/// How deep `!include` may nest; the server's own limit.
pub const INCLUDE_DEPTH_MAX: usize = 10;

/// How the loader reaches files; the crate does no I/O itself.
pub trait Files {
    /// The bytes of a file, at most `bytes_max + 1` of them: one more than allowed tells the loader that it
    /// is too large.
    ///
    /// # Errors
    /// What the system says. [`io::ErrorKind::NotFound`] on an `!include` becomes a warning, as the server
    /// passes over it.
    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// The paths of all entries of a directory, in any order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>>;
}

/// What a load gives.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every option of every group, in the order the server would see them.
    pub entries: Vec<Entry>,
    /// What the server would pass over in silence and a person should know.
    pub warnings: Vec<Warning>,
    /// Every file that was read, in order.
    pub files: Vec<Arc<Path>>,
}

/// Something passed over. Written `file:line: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line.
    pub place: Place,
    /// What was passed over.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Reads `paths` in order, following includes. Relative includes are relative to the current directory, as
/// for the server.
///
/// # Errors
/// See [`Error`]: the first file or line that cannot be read.
pub fn load(paths: &[impl AsRef<Path>], files: &mut dyn Files) -> Result<Loaded, Error> {
    let mut loader = Loader {
        files,
        loaded: Loaded::default(),
    };
    for path in paths {
        let file: Arc<Path> = path.as_ref().into();
        let bytes = loader
            .files
            .read(&file, FILE_BYTES_MAX)
            .map_err(|source| Error::Read {
                file: Arc::clone(&file),
                source,
            })?;
        loader.read_file(&file, &bytes, 0)?;
    }
    Ok(loader.loaded)
}

struct Loader<'a> {
    files: &'a mut dyn Files,
    loaded: Loaded,
}

impl Loader<'_> {
    /// Reads one file's lines. A group lasts to the end of its file; an include neither inherits nor changes it.
    fn read_file(&mut self, file: &Arc<Path>, bytes: &[u8], depth: usize) -> Result<(), Error> {
        let size_bytes = bytes.len() as u64;
        if size_bytes > FILE_BYTES_MAX {
            return Err(Error::TooLarge {
                file: Arc::clone(file),
                size_bytes,
            });
        }
        self.loaded.files.push(Arc::clone(file));
        // Editors of other systems put a byte order mark in front; the server would stumble over it.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut group: Option<String> = None;
        for (line, text) in (1u32..).zip(bytes.split(|byte| *byte == b'\n')) {
            let place = Place {
                file: Arc::clone(file),
                line,
            };
            match line::parse(text).map_err(|error| at(&place, error))? {
                Line::Blank => {}
                Line::Group(name) => group = Some(String::from_utf8_lossy(&name).into_owned()),
                Line::Setting { key, value } => self.add_setting(group.as_deref(), &key, value, place)?,
                Line::Include(path) => self.include(&path, place, depth)?,
                Line::IncludeDir(path) => self.include_directory(&path, &place, depth)?,
                Line::UnknownDirective(text) => {
                    let text = String::from_utf8_lossy(&text);
                    let text =
                        format!("'!{text}' is no directive; known are !include PATH and !includedir PATH");
                    self.loaded.warnings.push(Warning { place, text });
                }
            }
        }
        Ok(())
    }

    fn add_setting(
        &mut self,
        group: Option<&str>,
        key: &[u8],
        value: Option<Vec<u8>>,
        place: Place,
    ) -> Result<(), Error> {
        let Some(group) = group else {
            return Err(Error::NoGroup {
                place,
                key: String::from_utf8_lossy(key).into_owned(),
            });
        };
        self.loaded
            .entries
            .push(Entry::new(group.to_owned(), key, value, place));
        Ok(())
    }

    fn include(&mut self, path: &[u8], place: Place, depth: usize) -> Result<(), Error> {
        let path = path_of(path);
        self.check_limits(&place, depth)?;
        match self.files.read(&path, FILE_BYTES_MAX) {
            Ok(bytes) => self.read_file(&path.into(), &bytes, depth + 1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("!include {}: there is no such file; passed over", path.display());
                self.loaded.warnings.push(Warning { place, text });
                Ok(())
            }
            Err(source) => Err(Error::Include {
                place,
                file: path,
                source,
            }),
        }
    }

    /// Reads every `*.cnf` of a directory in the order of its bytes, as the server does outside of Windows (`*.ini` is
    /// read there only).
    fn include_directory(&mut self, path: &[u8], place: &Place, depth: usize) -> Result<(), Error> {
        let directory = path_of(path);
        let mut paths = self.files.list(&directory).map_err(|source| Error::List {
            place: place.clone(),
            directory,
            source,
        })?;
        paths.retain(|path| path.as_os_str().as_encoded_bytes().ends_with(b".cnf"));
        paths.sort_unstable_by(|left, right| {
            left.as_os_str()
                .as_encoded_bytes()
                .cmp(right.as_os_str().as_encoded_bytes())
        });
        for path in paths {
            self.check_limits(place, depth)?;
            let bytes = match self.files.read(&path, FILE_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(source) => {
                    return Err(Error::Include {
                        place: place.clone(),
                        file: path,
                        source,
                    });
                }
            };
            self.read_file(&path.into(), &bytes, depth + 1)?;
        }
        Ok(())
    }

    fn check_limits(&self, place: &Place, depth: usize) -> Result<(), Error> {
        if depth >= INCLUDE_DEPTH_MAX {
            return Err(Error::TooDeep { place: place.clone() });
        }
        if self.loaded.files.len() >= FILES_MAX {
            return Err(Error::TooManyFiles { place: place.clone() });
        }
        Ok(())
    }
}

/// A path from the bytes of a line. Bytes that are not UTF-8 are replaced; such a file is then not found, and said so.
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn at(place: &Place, error: LineError) -> Error {
    let place = place.clone();
    match error {
        LineError::BadGroup => Error::BadGroup { place },
        LineError::NoKey => Error::NoKey { place },
        LineError::NoPath(directive) => Error::NoPath { place, directive },
        LineError::ZeroByte => Error::ZeroByte { place },
    }
}

#[cfg(test)]
mod tests;
