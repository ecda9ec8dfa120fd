//! The machine the command runs on: option files, password files, environment.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tributary_client::Secret;
use tributary_optfile::Files;
use zeroize::Zeroizing;

use crate::config::World;

/// Most bytes of a password file.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine;

impl Files for Machine {
    /// A file that everybody may write is refused; the server passes over it with a warning, and its rules with it.
    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o002 != 0 {
            let text = format!("everybody may write this file; run: chmod o-w {}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    }
}

impl World for Machine {
    fn read_password(&mut self, path: &Path) -> Result<Secret, String> {
        password_in(open_private(path)?, &path.display().to_string())
    }

    fn variable(&mut self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(OsStringExt::into_vec)
    }
}

/// Opens a file that nobody but its owner can read.
///
/// # Errors
/// Why there is none.
fn open_private(path: &Path) -> Result<File, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("open {shown}: {error}"))?;
    let metadata = file
        .metadata()
        .map_err(|error| format!("open {shown}: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others may read {shown} (mode {mode:04o}); run: chmod 600 {shown}"
        ));
    }
    Ok(file)
}

/// Reads a file that nobody but its owner can read.
///
/// # Errors
/// Why it is not read.
pub(crate) fn read_private(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let mut bytes = Zeroizing::new(Vec::new());
    open_private(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("read {shown}: {error}"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{shown} holds more than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// The password that is the whole of `input`.
///
/// # Errors
/// Why there is none.
pub(crate) fn read_password_from(input: impl Read) -> Result<Secret, String> {
    password_in(input, "standard input")
}

fn password_in(input: impl Read, shown: &str) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX as usize + 1));
    input
        .take(PASSWORD_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("read {shown}: {error}"))?;
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(format!(
            "{shown} holds more than {PASSWORD_BYTES_MAX} bytes; is it a password file?"
        ));
    }
    let password = without_line_end(&bytes);
    if password.is_empty() {
        return Err(format!(
            "{shown} is empty; write the password into it, or leave the key out"
        ));
    }
    Ok(Secret::new(password))
}

/// Takes one line end off, which editors and `echo` leave.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, text: &[u8], mode: u32) -> PathBuf {
        let path = dir.path().join("file");
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_private_password_file_is_read_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        for (text, password) in [
            ("geheim\n", "geheim"),
            ("geheim\r\n", "geheim"),
            ("a b", "a b"),
            ("x\n\n", "x\n"),
        ] {
            let secret = Machine
                .read_password(&file(&dir, text.as_bytes(), 0o600))
                .unwrap();
            assert_eq!(secret.expose(), password.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn password_files_others_can_read_are_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o604, 0o640, 0o620, 0o601, 0o666] {
            let path = file(&dir, b"geheim", mode);
            let error = Machine.read_password(&path).unwrap_err();
            let shown = path.display();
            assert_eq!(
                error,
                format!("others may read {shown} (mode {mode:04o}); run: chmod 600 {shown}")
            );
        }
    }

    #[test]
    fn empty_huge_and_missing_password_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let fails = |path: &Path| Machine.read_password(path).unwrap_err();
        assert!(
            fails(&file(&dir, b"\n", 0o600))
                .ends_with("is empty; write the password into it, or leave the key out")
        );
        assert!(fails(&file(&dir, &[b'x'; 4097], 0o600)).contains("more than 4096 bytes"));
        assert!(fails(dir.path()).ends_with("is not a file"));
        assert!(fails(Path::new("/does/not/exist")).starts_with("open /does/not/exist: No such file"));
    }

    #[test]
    fn option_files_everybody_may_write_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(&dir, b"[tributary]", 0o646);
        let error = Machine.read(&path, 100).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("everybody may write this file; run: chmod o-w {}", path.display())
        );
    }
}
