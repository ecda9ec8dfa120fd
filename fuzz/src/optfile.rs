//! The target of `tributary-optfile`.

use std::io;
use std::path::{Path, PathBuf};

use tributary_optfile::Files;

/// One file with the input; everything it includes is the input again, so includes nest until the limit.
struct OneFile<'a>(&'a [u8]);

impl Files for OneFile<'_> {
    fn read(&mut self, path: &Path, _bytes_max: u64) -> io::Result<Vec<u8>> {
        // An include per line of an include per line would be exponential; only the first level is answered.
        match path.to_str() {
            Some("fuzz.cnf" | "again.cnf") => Ok(self.0.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&mut self, _directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(vec![
            PathBuf::from("one.cnf"),
            PathBuf::from("two.ini"),
            PathBuf::from("three"),
        ])
    }
}

/// An option file.
pub fn load(data: &[u8]) {
    if let Ok(loaded) = tributary_optfile::load(&["fuzz.cnf"], &mut OneFile(data)) {
        for warning in &loaded.warnings {
            let _ = warning.to_string();
        }
    }
}
