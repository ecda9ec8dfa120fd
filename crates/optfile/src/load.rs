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
    /// The bytes of a file, at most `bytes_max + 1` of them: one more than allowed tells the loader that it is too large.
    ///
    /// # Errors
    /// What the system says. [`io::ErrorKind::NotFound`] on an `!include` becomes a warning, as the server passes over it.
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

/// Reads `paths` in order, following includes. Relative includes are relative to the current directory, as for the server.
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Files in memory; a directory is every path below it.
    struct Memory(BTreeMap<PathBuf, Vec<u8>>);

    impl Memory {
        fn new(files: &[(&str, &str)]) -> Self {
            Self(
                files
                    .iter()
                    .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                    .collect(),
            )
        }
    }

    impl Files for Memory {
        fn read(&mut self, path: &Path, _bytes_max: u64) -> io::Result<Vec<u8>> {
            self.0
                .get(path)
                .cloned()
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
            let paths: Vec<PathBuf> = self
                .0
                .keys()
                .rev()
                .filter(|path| path.parent() == Some(directory))
                .cloned()
                .collect();
            if paths.is_empty() {
                Err(io::ErrorKind::NotFound.into())
            } else {
                Ok(paths)
            }
        }
    }

    fn rendered(loaded: &Loaded) -> Vec<String> {
        let value = |entry: &Entry| match entry.text() {
            Ok(Some(text)) => format!("={text}"),
            Ok(None) => String::new(),
            Err(_) => "=?".to_owned(),
        };
        loaded
            .entries
            .iter()
            .map(|entry| {
                format!(
                    "{} [{}] {}{}",
                    entry.place,
                    entry.group,
                    entry.full_key(),
                    value(entry)
                )
            })
            .collect()
    }

    fn fails(files: &[(&str, &str)]) -> String {
        load(&["/a.cnf"], &mut Memory::new(files))
            .expect_err("the file is bad")
            .to_string()
    }

    #[test]
    fn repeated_keys_keep_their_order_and_place() {
        let text = "[mysqld]\nm1.replicate_ignore_table = a.b\n\nskip-name-resolve\nm1.replicate_ignore_table = a.c\n";
        let loaded = load(&["/a.cnf"], &mut Memory::new(&[("/a.cnf", text)])).expect("good file");
        assert_eq!(
            rendered(&loaded),
            [
                "/a.cnf:2 [mysqld] m1.replicate_ignore_table=a.b",
                "/a.cnf:4 [mysqld] skip-name-resolve",
                "/a.cnf:5 [mysqld] m1.replicate_ignore_table=a.c",
            ]
        );
    }

    #[test]
    fn an_include_stands_where_it_is_named_and_keeps_the_group() {
        let files = [
            (
                "/a.cnf",
                "[mysqld]\na\n!include /b.cnf\nz\n!includedir /d\n!include /none.cnf\n!nonsense\n",
            ),
            ("/b.cnf", "[client]\nb=1"),
            ("/d/b.cnf", "[mysqld]\nd2"),
            ("/d/10.cnf", "[mysqld]\nd1"),
            ("/d/c.ini", "[mysqld]\nnot_read"),
        ];
        let loaded = load(&["/a.cnf"], &mut Memory::new(&files)).expect("good files");
        assert_eq!(
            rendered(&loaded),
            [
                "/a.cnf:2 [mysqld] a",
                "/b.cnf:2 [client] b=1",
                "/a.cnf:4 [mysqld] z",
                "/d/10.cnf:2 [mysqld] d1",
                "/d/b.cnf:2 [mysqld] d2",
            ]
        );
        let warnings: Vec<String> = loaded.warnings.iter().map(Warning::to_string).collect();
        assert_eq!(
            warnings,
            [
                "/a.cnf:6: !include /none.cnf: there is no such file; passed over",
                "/a.cnf:7: '!nonsense' is no directive; known are !include PATH and !includedir PATH",
            ]
        );
        assert_eq!(loaded.files.len(), 4);
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        assert_eq!(fails(&[]), "read option file /a.cnf: entity not found");
        assert_eq!(
            fails(&[("/a.cnf", "\nx = 1")]),
            "/a.cnf:2: option 'x' stands before any [group] line; put one, such as [tributary], above it"
        );
        assert_eq!(
            fails(&[("/a.cnf", "[a")]),
            "/a.cnf:1: group line without ']'; write it as [name]"
        );
        assert_eq!(
            fails(&[("/a.cnf", "[a]\n = 3")]),
            "/a.cnf:2: value without a key; write key = value"
        );
        assert_eq!(
            fails(&[("/a.cnf", "!include")]),
            "/a.cnf:1: !include without a path; write !include PATH"
        );
        assert_eq!(
            fails(&[("/a.cnf", "!includedir /d")]),
            "/a.cnf:1: !includedir /d: entity not found"
        );
        assert_eq!(
            fails(&[("/a.cnf", "[\0")]),
            "/a.cnf:1: zero byte in the line; save the file as plain text (UTF-8, not UTF-16)"
        );
        assert_eq!(
            fails(&[("/a.cnf", "[mysqld]\n!include /b.cnf"), ("/b.cnf", "x")]),
            "/b.cnf:1: option 'x' stands before any [group] line; put one, such as [tributary], above it"
        );
    }

    #[test]
    fn a_file_that_includes_itself_is_found_out() {
        assert_eq!(
            fails(&[("/a.cnf", "!include /a.cnf")]),
            "/a.cnf:1: includes are nested more than 10 deep; does a file include itself?"
        );
        // Two includes per level would make a thousand files before the depth is reached.
        assert_eq!(
            fails(&[
                ("/a.cnf", "!include /b.cnf"),
                ("/b.cnf", &"!include /c.cnf\n".repeat(2000)),
                ("/c.cnf", "")
            ]),
            "/b.cnf:999: more than 1000 option files are included"
        );
    }

    #[test]
    fn a_huge_file_is_refused() {
        let text = "#".repeat(FILE_BYTES_MAX as usize + 1);
        assert_eq!(
            fails(&[("/a.cnf", &text)]),
            "read option file /a.cnf: 4194305 bytes, at most 4194304 are allowed; is this an option file?"
        );
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let loaded = load(&["/a.cnf"], &mut Memory::new(&[("/a.cnf", "\u{feff}[m]\na")])).expect("good file");
        assert_eq!(rendered(&loaded), ["/a.cnf:2 [m] a"]);
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut files = Memory(BTreeMap::from([(PathBuf::from("/a.cnf"), bytes)]));
            let _ = load(&["/a.cnf"], &mut files);
        }

        #[test]
        fn any_lines_of_likely_bytes_are_read_or_refused(text in "([\\[\\]=#;!'\"\\\\ a.\n-]|include|/a.cnf){0,80}") {
            let mut files = Memory::new(&[("/a.cnf", &text)]);
            if let Ok(loaded) = load(&["/a.cnf"], &mut files) {
                for entry in &loaded.entries {
                    let _ = (entry.name(), entry.text(), entry.resolve(|name| name == "a"));
                }
            }
        }
    }
}
