//! The option files an operator would write: the two of the user's replica as they stand, and one for tributary.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tributary_sandbox::{Account, ScratchDirectory, schema};

use crate::center::Center;
use crate::host::Host;

/// The replication settings of the user's `50-server.cnf`.
const SERVER_OPTIONS: &str = "\
[mysqld]
server-id               = 10
read_only               = ON
character_set_server    = utf8mb4
collation_server        = utf8mb4_unicode_520_ci
default_storage_engine  = MyISAM

slave_parallel_threads  = 4
slave_parallel_mode     = optimistic
slave_net_timeout       = 60
slave_compressed_protocol = ON
skip_slave_start        = ON
slave_skip_errors       = 1032,1062,1146,1269,1396,1932
gtid_strict_mode        = OFF
log_slave_updates       = OFF
";

/// A directory with all files, removed when dropped.
pub(crate) struct Files {
    directory: ScratchDirectory,
}

impl Files {
    pub(crate) fn write(target: &Host, account: &Account, centers: &[Center]) -> anyhow::Result<Files> {
        let directory = ScratchDirectory::create("tributary-demo-")?;
        let files = Files { directory };
        fs::create_dir(files.state_dir()).context("create the state directory")?;
        fs::set_permissions(files.state_dir(), Permissions::from_mode(0o700))
            .context("close the state directory")?;
        files.write_secret("target-password", &account.password)?;
        for center in centers {
            files.write_secret(&password_file(center), &center.account.password)?;
        }
        files.write_options("50-server.cnf", SERVER_OPTIONS)?;
        files.write_options("60-multisource.cnf", &multisource_options(centers))?;
        files.write_options("tributary.cnf", &files.own_options(target, account, centers))?;
        Ok(files)
    }

    /// What `tributary run` is given; it includes the others.
    pub(crate) fn option_file(&self) -> PathBuf {
        self.path("tributary.cnf")
    }

    fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn own_options(&self, target: &Host, account: &Account, centers: &[Center]) -> String {
        let mut text = format!(
            "!include {}\n!include {}\n\n[tributary]\n\
             {}\n\
             target_user = {}\n\
             target_password_file = {}\n\
             state_dir = {}\n",
            self.path("50-server.cnf").display(),
            self.path("60-multisource.cnf").display(),
            target_address(target),
            account.user,
            self.path("target-password").display(),
            self.state_dir().display()
        );
        for center in centers {
            let name = &center.name;
            text.push_str(&format!(
                "\n{name}.master_host = {}\n\
                 {name}.master_port = {}\n\
                 {name}.master_user = {}\n\
                 {name}.master_password_file = {}\n\
                 {name}.master_log_file = {}\n\
                 {name}.master_log_pos = {}\n\
                 {name}.master_connect_retry = 1\n\
                 {name}.master_heartbeat_period = 30\n",
                center.source.address().0,
                center.source.address().1,
                center.account.user,
                self.path(&password_file(center)).display(),
                center.start.file,
                center.start.offset
            ));
        }
        text
    }

    fn write_options(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.path(name), text).with_context(|| format!("write {name}"))
    }

    fn write_secret(&self, name: &str, secret: &str) -> anyhow::Result<()> {
        let path: &Path = &self.path(name);
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{secret}").with_context(|| format!("write {name}"))
    }
}

fn target_address(target: &Host) -> String {
    match (target.socket(), target.address()) {
        (Some(socket), _) => format!("target_socket = {}", socket.display()),
        (None, (host, port)) => format!("target_host = {host}\ntarget_port = {port}"),
    }
}

fn password_file(center: &Center) -> String {
    format!("{}-password", center.name)
}

/// The rules of the user's `60-multisource.cnf`, and one more rename for the second database.
fn multisource_options(centers: &[Center]) -> String {
    let mut text = "[mysqld]\n".to_owned();
    for center in centers {
        for database in [schema::DATABASE, schema::TOOLS_DATABASE] {
            let (name, renamed) = (&center.name, center.renamed(database));
            text.push_str(&format!("{name}.replicate_rewrite_db = {database}->{renamed}\n"));
        }
    }
    for center in centers {
        for table in schema::IGNORED_TABLES {
            text.push_str(&format!(
                "{}.replicate_ignore_table = {}.{table}\n",
                center.name,
                schema::DATABASE
            ));
        }
    }
    text
}
