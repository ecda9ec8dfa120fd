//! A real `mariadbd` in a temporary directory, on a unix socket, gone when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, WhiteListFsHandler};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const START_POLL: Duration = Duration::from_millis(20);

/// A running server.
pub(crate) struct Server {
    process: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a server on fresh system tables.
    pub(crate) async fn start() -> Server {
        let directory = temporary_directory();
        let data = directory.path().join("data");
        // A server that starts removes temporary tables from its folder, those of other servers as well.
        let scratch = directory.path().join("tmp");
        std::fs::create_dir(&scratch).unwrap();
        let install = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", scratch.display()))
            .args(as_root())
            .env("TMPDIR", &scratch)
            .output()
            .expect("mariadb-install-db has to be installed (package mariadb-server-core)");
        assert!(
            install.status.success(),
            "{}",
            String::from_utf8_lossy(&install.stderr)
        );
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("mariadbd")
            .arg("--no-defaults")
            .args(as_root())
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", scratch.display()))
            .arg(format!("--socket={}", socket(directory.path()).display()))
            .args([
                "--skip-networking",
                "--skip-log-bin",
                "--local-infile=1",
                "--event-scheduler=OFF",
            ])
            .args([
                "--character-set-server=utf8mb4",
                "--sync-frm=0",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .args([
                "--innodb-buffer-pool-size=16M",
                "--skip-innodb-doublewrite",
                "--key-buffer-size=1M",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd has to be installed (package mariadb-server-core)");
        let server = Server { process, directory };
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = Conn::new(server.options()).await {
            assert!(Instant::now() < deadline, "{error}\n{}", server.log());
            tokio::time::sleep(START_POLL).await;
        }
        server
    }

    /// A new session, without a default database.
    pub(crate) async fn session(&self) -> Conn {
        let mut session = Conn::new(self.options()).await.unwrap();
        session
            .query_drop("SET TIMESTAMP = 1700000000, lock_wait_timeout = 20")
            .await
            .unwrap();
        session
    }

    fn options(&self) -> OptsBuilder {
        let files = WhiteListFsHandler::new(["../../testdata/sql/asterisk.txt"]);
        OptsBuilder::default()
            .socket(Some(socket(self.directory.path()).display().to_string()))
            .user(Some("root"))
            .local_infile_handler(Some(files))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its files are thrown away: nothing is lost by not letting it finish.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In memory where there is such a place: making tables anew is mostly waiting for the disk.
fn temporary_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = if memory.is_dir() {
        tempfile::tempdir_in(memory).ok()
    } else {
        None
    };
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("socket")
}

/// The server refuses to run as root unless it is told to.
fn as_root() -> Option<&'static str> {
    let is_root = std::env::var_os("USER").is_some_and(|user| user == "root")
        || std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    is_root.then_some("--user=root")
}
