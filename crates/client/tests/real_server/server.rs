//! A real MariaDB server for one test, or one for all of them.
//!
//! A shell watches over each server: it holds the other end of a pipe from the test process, so it stops the server and removes
//! its directory when the test is done, fails, or is killed.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tributary_client::{Address, Client, ConnectOptions, Secret};

/// How long a server may take to accept logins, with other builds on the same processors.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits for end of input, then stops the server and removes its directory. `$1` is the directory, the rest the command.
const WATCHER: &str = r#"
dir=$1; shift
"$@" >"$dir/server.log" 2>&1 &
pid=$!
cat >/dev/null
kill "$pid"; wait "$pid"
rm -rf "$dir"
"#;

/// A running server. Its root account has no password.
pub(crate) struct Server {
    pub(crate) port: u16,
    dir: PathBuf,
    watcher: Child,
    /// Closing this stops the server.
    stop: Option<ChildStdin>,
}

/// A freshly installed data directory, to be copied; installing takes seconds.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = TEMPLATE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("make a directory");
        let output = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .output()
            .expect("run mariadb-install-db");
        assert!(
            output.status.success(),
            "mariadb-install-db: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        dir
    });
    dir.path()
}

impl Server {
    /// Starts a server with these arguments beside the usual ones.
    pub(crate) async fn start(arguments: &[String]) -> Server {
        let dir = tempfile::tempdir().expect("make a directory").keep();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(template().join("data"))
            .arg(&dir)
            .status();
        assert!(copied.expect("run cp").success());
        let port = free_port();
        let path = |name: &str| dir.join(name).display().to_string();
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
            .arg(format!("--socket={}", path("s")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--port={port}"))
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
                Instant::now() < deadline,
                "the server does not start: {error}\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
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
        if let Some(mut stop) = self.stop.take() {
            let _ = stop.flush();
        }
        let _ = self.watcher.wait();
    }
}

/// A port that is free now. Another process may take it before the server does; the test then fails with the server's log.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port");
    listener.local_addr().expect("a bound port").port()
}
