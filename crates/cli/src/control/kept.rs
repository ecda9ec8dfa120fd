//! What was said by `CHANGE MASTER` and `SET GLOBAL`, in a file of the state directory that only its owner can read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tributary_control::{ChangeMaster, UseGtid};

const FILE: &str = "control.json";

/// Most bytes of the file that are read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What is kept of all connections.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(skip)]
    path: PathBuf,
    /// In the order in which they were made.
    connections: Vec<KeptConnection>,
    /// What `SET GLOBAL gtid_slave_pos` said, and what connections had that are gone.
    #[serde(default)]
    pub(crate) gtid_slave_pos: String,
}

/// What is kept of one connection; what is not said holds as in the option files.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptConnection {
    pub(crate) name: String,
    /// `RESET SLAVE ALL` was said last: what option files say of the source does not count.
    pub(crate) is_removed: bool,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) connect_retry: Option<u32>,
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) uses_gtid: Option<bool>,
    pub(crate) uses_current_pos: bool,
    pub(crate) delay: Option<u32>,
    pub(crate) ssl: Option<bool>,
    pub(crate) ssl_verify_server_cert: Option<bool>,
    pub(crate) ssl_ca: Option<String>,
    pub(crate) ssl_cert: Option<String>,
    pub(crate) ssl_key: Option<String>,
    pub(crate) ignore_server_ids: Option<Vec<u32>>,
    pub(crate) do_domain_ids: Option<Vec<u32>>,
    pub(crate) ignore_domain_ids: Option<Vec<u32>>,
    /// Variables of the connection, as the server spells their values.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Kept {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or makes no sense.
    pub(crate) fn load(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(FILE_BYTES_MAX).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    ..Self::default()
                });
            }
            Err(error) => return Err(error),
        };
        let kept: Self = serde_json::from_slice(&text)?;
        Ok(Self { path, ..kept })
    }

    /// Writes the file anew; a crash leaves the one or the other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self) -> io::Result<()> {
        let next = self.path.with_extension("json.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&next, &self.path)
    }

    /// All of them.
    pub(crate) fn connections(&self) -> &[KeptConnection] {
        &self.connections
    }

    /// What is kept of a connection.
    pub(crate) fn find(&self, name: &str) -> Option<&KeptConnection> {
        self.connections.iter().find(|kept| is_named(kept, name))
    }

    /// What is kept of a connection, with an empty entry for one of which nothing was.
    pub(crate) fn entry(&mut self, name: &str) -> &mut KeptConnection {
        let place = self.connections.iter().position(|kept| is_named(kept, name));
        let place = place.unwrap_or_else(|| {
            self.connections.push(KeptConnection {
                name: name.to_owned(),
                ..KeptConnection::default()
            });
            self.connections.len() - 1
        });
        &mut self.connections[place]
    }
}

fn is_named(kept: &KeptConnection, name: &str) -> bool {
    kept.name.eq_ignore_ascii_case(name)
}

impl KeptConnection {
    /// What the statement says besides the place to begin at.
    pub(crate) fn change(&mut self, change: &ChangeMaster) {
        fn keep<T: Clone>(kept: &mut Option<T>, said: &Option<T>) {
            if said.is_some() {
                kept.clone_from(said);
            }
        }
        self.is_removed = false;
        keep(&mut self.host, &change.host);
        keep(&mut self.port, &change.port);
        keep(&mut self.user, &change.user);
        keep(
            &mut self.password,
            &change.password.as_ref().map(|password| password.0.clone()),
        );
        keep(&mut self.connect_retry, &change.connect_retry);
        keep(&mut self.delay, &change.delay);
        keep(&mut self.ssl, &change.ssl);
        keep(&mut self.ssl_verify_server_cert, &change.ssl_verify_server_cert);
        keep(&mut self.ssl_ca, &change.ssl_ca);
        keep(&mut self.ssl_cert, &change.ssl_cert);
        keep(&mut self.ssl_key, &change.ssl_key);
        keep(&mut self.ignore_server_ids, &change.ignore_server_ids);
        keep(&mut self.do_domain_ids, &change.do_domain_ids);
        keep(&mut self.ignore_domain_ids, &change.ignore_domain_ids);
        if let Some(period) = change.heartbeat_period {
            self.heartbeat_ms = u64::try_from(period.as_millis()).ok();
        }
        let says_place = change.log_file.is_some()
            || change.log_pos.is_some()
            || change.relay_log_file.is_some()
            || change.relay_log_pos.is_some();
        if let Some(use_gtid) = change.use_gtid {
            self.uses_gtid = Some(use_gtid != UseGtid::No);
            self.uses_current_pos = use_gtid == UseGtid::CurrentPos;
        } else if says_place {
            self.uses_gtid = Some(false);
        }
    }

    /// Forgets everything but the rules.
    pub(crate) fn remove(&mut self) {
        *self = Self {
            name: std::mem::take(&mut self.name),
            is_removed: true,
            variables: std::mem::take(&mut self.variables),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tributary_control::Password;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Kept::load(dir.path()).unwrap();
        kept.entry("M1").change(&ChangeMaster {
            host: Some("h".to_owned()),
            password: Some(Password("secret".to_owned())),
            log_pos: Some(4),
            ..ChangeMaster::default()
        });
        kept.entry("m1").port = Some(3307);
        kept.save().unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = Kept::load(dir.path()).unwrap();
        assert_eq!(kept.connections().len(), 1);
        let m1 = kept.find("m1").unwrap();
        assert_eq!((m1.host.as_deref(), m1.port), (Some("h"), Some(3307)));
        assert_eq!(m1.uses_gtid, Some(false), "a place in a file was given");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Kept::load(dir.path()).is_err());
    }
}
