//! The control port's certificate: read at the start, and again when its files have changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tributary_control::{Renewal, Tls};
use tributary_optfile::Files;

use crate::config::ControlTls;
use crate::exit::Failure;
use crate::world::{Machine, read_private};

/// Most bytes of a file with certificates or a key.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Reads certificate and key, and has the port look at them again for each client that asks for TLS.
///
/// # Errors
/// When they cannot be read or used.
pub(super) fn open(options: &ControlTls) -> Result<Tls, Failure> {
    // In front of the files: what changes while they are read is read again.
    let seen = Seen::of(options);
    let tls = read(options).map_err(Failure::failed)?;
    Ok(tls.with_renewal(Arc::new(Watched {
        options: options.clone(),
        seen: Mutex::new(seen),
    })))
}

fn read(options: &ControlTls) -> Result<Tls, String> {
    let (cert, key) = (options.cert_file.display(), options.key_file.display());
    let certificates = Machine
        .read(&options.cert_file, PEM_BYTES_MAX)
        .map_err(|error| format!("read control_ssl_cert {cert}: {error}"))?;
    let secret = read_private(&options.key_file, PEM_BYTES_MAX)
        .map_err(|error| format!("read control_ssl_key: {error}"))?;
    Tls::new(&certificates, &secret, options.is_required)
        .map_err(|error| format!("control_ssl_cert {cert}, control_ssl_key {key}: {error}"))
}

/// The files, and what they were when they were read last.
struct Watched {
    options: ControlTls,
    seen: Mutex<Seen>,
}

impl Renewal for Watched {
    fn renewed(&self) -> Option<Result<Tls, String>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Seen::of(&self.options);
        if *seen == now {
            return None;
        }
        *seen = now;
        Some(read(&self.options))
    }
}

/// By what a change of the files is seen; `None` for one that is not there.
#[derive(PartialEq, Eq)]
struct Seen([Option<Stamp>; 2]);

/// File, length, and time of the last change of content, owner or mode.
type Stamp = (u64, u64, u64, i64, i64);

impl Seen {
    fn of(options: &ControlTls) -> Self {
        let stamp = |path: &Path| {
            let file: Metadata = std::fs::metadata(path).ok()?;
            Some((
                file.dev(),
                file.ino(),
                file.len(),
                file.ctime(),
                file.ctime_nsec(),
            ))
        };
        Self([stamp(&options.cert_file), stamp(&options.key_file)])
    }
}
