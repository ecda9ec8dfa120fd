//! A real MariaDB server for one test, or one for all of them.
//!
//! A shell watches over each server: it holds the other end of a pipe from the test process, so it stops the server and removes
//! its directory when the test is done, fails, or is killed.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tributary_client::{Address, Client, ConnectOptions, Secret};

use crate::certificates::Authority;

/// How long a server may take to accept logins, with other builds on the same processors.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits for end of input, then stops the server and removes its directory. `$1` is the directory, the rest the command.
const WATCHER: &str = r#"
dir=$1; shift
"$@" >"$dir/server.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/watched"
cat >/dev/null
kill "$pid"; wait "$pid"
rm -rf "$dir"
"#;

/// A running server. Its root account has no password.
pub(crate) struct Server {
    port: u16,
    dir: PathBuf,
    /// Who made the server's certificate, which is for `localhost`.
    pub(crate) authority: Authority,
    watcher: Child,
    /// Closing this stops the server.
    stop: Option<ChildStdin>,
}

/// A freshly installed data directory, to be copied; installing takes seconds.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (dir, _watcher) = TEMPLATE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("make a directory").keep();
        // Never dropped, so a shell removes it when the test process is gone.
        let watcher = Command::new("sh")
            .args(["-c", "cat >/dev/null; rm -rf \"$1\"", "watcher"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .spawn()
            .expect("start the watcher");
        let output = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.join("data").display()))
            // A starting server deletes the temporary tables of others in the same folder.
            .arg(format!("--tmpdir={}", dir.display()))
            .output()
            .expect("run mariadb-install-db");
        assert!(
            output.status.success(),
            "mariadb-install-db: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        (dir, watcher)
    });
    dir
}

impl Server {
    /// Starts a server with these arguments beside the usual ones.
    pub(crate) async fn start(arguments: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("make a directory").keep();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(template().join("data"))
            .arg(&dir)
            .status();
        assert!(copied.expect("run cp").success());
        let port = free_port();
        let path = |name: &str| dir.join(name).display().to_string();
        let authority = Authority::new(&dir, "test authority");
        let (certificate, key) = authority.certify("server", "localhost");
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(&dir)
            .args([
                "mariadbd",
                "--no-defaults",
                "--user=root",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
            ])
            .args([
                "--server-id=1",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
            ])
            .args([
                "--max-allowed-packet=64M",
                "--innodb-log-file-size=64M",
                "--local-infile=1",
            ])
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--tmpdir={}", dir.display()))
            .arg(format!("--socket={}", path("s")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--port={port}"))
            .arg(format!("--ssl-ca={}", authority.file().display()))
            .arg(format!("--ssl-cert={}", certificate.display()))
            .arg(format!("--ssl-key={}", key.display()))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the watcher");
        let stop = watcher.stdin.take();
        let server = Server {
            port,
            dir,
            authority,
            watcher,
            stop,
        };
        server.wait_for_login().await;
        server
    }

    async fn wait_for_login(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = Client::connect(&self.options()).await {
            let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline && !self.has_ended(),
                "the server does not start: {error}\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the server process was started and is gone, or is waited for as a zombie.
    fn has_ended(&self) -> bool {
        let Ok(pid) = std::fs::read_to_string(self.dir.join("watched")) else {
            return false;
        };
        match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => !pid.trim().is_empty(),
        }
    }

    /// Root over TCP.
    pub(crate) fn options(&self) -> ConnectOptions {
        self.options_of("root", "")
    }

    /// An account over TCP.
    pub(crate) fn options_of(&self, user: &str, password: &str) -> ConnectOptions {
        let address = Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        };
        let mut options = ConnectOptions::new(address, user, Secret::new(password));
        options.connect_timeout = Duration::from_secs(60);
        options
    }

    /// Root over the unix socket.
    pub(crate) fn unix_options(&self) -> ConnectOptions {
        ConnectOptions {
            address: Address::Unix(self.dir.join("s")),
            ..self.options()
        }
    }

    /// A connection as root.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.options()).await.expect("connect as root")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It ends when the server has, and can fail only if it was reaped already.
        let _ = self.watcher.wait();
    }
}

/// A port that is free now. Another process may take it before the server does; the test then fails with the server's log.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port");
    listener.local_addr().expect("a bound port").port()
}
