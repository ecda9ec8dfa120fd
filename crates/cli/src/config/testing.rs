//! A world in memory, for the tests of the configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tributary_client::Secret;
use tributary_optfile::{Entry, Files};

use super::World;

/// Files, passwords and variables by name.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<PathBuf, String>,
    pub(crate) passwords: BTreeMap<PathBuf, String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Memory {
    pub(crate) fn with_file(path: &str, text: &str) -> Self {
        Self {
            files: BTreeMap::from([(path.into(), text.to_owned())]),
            ..Self::default()
        }
    }
}

impl Files for Memory {
    fn read(&mut self, path: &Path, _bytes_max: u64) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&mut self, _directory: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl World for Memory {
    fn read_password(&mut self, path: &Path) -> Result<Secret, String> {
        self.passwords
            .get(path)
            .map(|text| Secret::new(text.as_str()))
            .ok_or_else(|| "no such file".to_owned())
    }

    fn variable(&mut self, name: &str) -> Option<Vec<u8>> {
        self.variables.get(name).map(|text| text.clone().into_bytes())
    }
}

/// The entries of one file, which is called `t.cnf`.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let loaded = tributary_optfile::load(&["t.cnf"], &mut Memory::with_file("t.cnf", text));
    loaded.expect("the test's file can be read").entries
}
