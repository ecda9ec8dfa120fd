//! One server in a temporary directory: started on a free port, ended by process number, removed when dropped.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, bail};
use mysql_async::Conn;
use rustix::process::Signal;

use crate::child::OwnedChild;
use crate::site::Site;
use crate::template::Program;
use crate::watchdog::ScratchDirectory;
use crate::{process, sql, template};

/// A start may recover a killed server's tables on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a clean shutdown may take before the server is killed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a starting or stopping server is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Another process may take the free port between our look and the server's bind.
const PORT_ATTEMPTS_MAX: usize = 8;

/// How one server is started. `args` come last on its command line, so they win over everything set here.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// `server_id`, unique among servers that replicate.
    pub server_id: u32,
    /// Further options as on the command line: `--name=value`.
    pub args: Vec<String>,
    /// Whether the server writes a binary log, named `mysql-bin`.
    pub binlog: bool,
    /// The server program, in the `sbin` folder of its base directory; `None`: the installed MariaDB. One named `mysqld` is
    /// taken for MySQL's.
    pub program: Option<PathBuf>,
}

impl ServerOptions {
    /// A source as in the user's call centre: binary log in MIXED format with compression, MyISAM by default.
    pub fn source(server_id: u32) -> ServerOptions {
        ServerOptions {
            binlog: true,
            ..ServerOptions::plain(server_id)
        }
        .arg("--binlog-format=MIXED")
        .arg("--log-bin-compress=ON")
        .arg("--log-bin-compress-min-len=256")
        .arg("--default-storage-engine=MyISAM")
    }

    /// The target of the user's tutorial with small caches: server id 10, read-only, no binary log, MyISAM by default.
    pub fn target() -> ServerOptions {
        ServerOptions::plain(10)
            .arg("--read-only=ON")
            .arg("--character-set-server=utf8mb4")
            .arg("--collation-server=utf8mb4_unicode_520_ci")
            .arg("--default-storage-engine=MyISAM")
            .arg("--myisam-recover-options=BACKUP,FORCE")
            .arg("--myisam-use-mmap=1")
            .arg("--max-allowed-packet=16M")
            .arg("--query-cache-size=0")
            .arg("--query-cache-type=0")
            .arg("--gtid-strict-mode=OFF")
            .arg("--log-slave-updates=OFF")
            .arg("--skip-slave-start=ON")
            .arg("--max-statement-time=300")
    }

    /// A server with its built-in defaults and small caches, without a binary log.
    pub fn plain(server_id: u32) -> ServerOptions {
        ServerOptions {
            server_id,
            args: Vec::new(),
            binlog: false,
            program: None,
        }
    }

    /// A MySQL source with its built-in defaults, which are row events and GTIDs.
    pub fn mysql_source(server_id: u32, program: &Path) -> ServerOptions {
        ServerOptions {
            binlog: true,
            ..ServerOptions::plain(server_id)
        }
        .program(program)
    }

    /// A source as in the user's call centre that runs `program`. MySQL keeps its row events: in statements it computes some values
    /// otherwise than MariaDB. It allows transactions over tables of both kinds only without GTIDs.
    pub fn source_of(server_id: u32, program: &Path) -> ServerOptions {
        if Program::at(program).is_mysql() {
            ServerOptions::mysql_source(server_id, program)
                .arg("--binlog-transaction-compression=ON")
                .arg("--default-storage-engine=MyISAM")
                .arg("--gtid-mode=OFF")
                .arg("--enforce-gtid-consistency=OFF")
                .arg("--sql-mode=")
        } else {
            ServerOptions::source(server_id).program(program)
        }
    }

    /// Runs this program instead of the installed one.
    #[must_use]
    pub fn program(mut self, program: &Path) -> ServerOptions {
        self.program = Some(program.to_owned());
        self
    }

    /// Adds one option: `--name=value`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> ServerOptions {
        self.args.push(arg.to_owned());
        self
    }
}

/// A server of our own: `root` has no password over [`Server::socket`].
///
/// Dropping it kills the process and removes its files. Should this process be killed, a watchdog does the same.
pub struct Server {
    options: ServerOptions,
    program: Program,
    port: u16,
    socket: PathBuf,
    site: Site,
    data_dir: PathBuf,
    pid: u32,
    /// CPU time of the earlier processes of this server, before its restarts.
    cpu_seconds_before: f64,
    /// Declared before `directory`: the process must have ended before its files are removed.
    running: Option<OwnedChild>,
    directory: ScratchDirectory,
}

impl Server {
    /// Starts a server on fresh data and waits until it answers.
    ///
    /// # Errors
    /// When the server is not installed, or does not come up; the error then ends with its error log.
    pub async fn start(options: ServerOptions) -> anyhow::Result<Server> {
        let program = match &options.program {
            Some(path) => Program::at(path),
            None => Program::installed()?,
        };
        let directory = ScratchDirectory::create("tributary-")?;
        let data_dir = directory.path().join("data");
        let (installer, data) = (program.clone(), data_dir.clone());
        tokio::task::spawn_blocking(move || template::create_data_dir(&installer, &data)).await??;
        fs::create_dir(directory.path().join("tmp")).context("create the server's tmp directory")?;
        let socket = directory.path().join("mariadbd.sock");
        let name = format!("server {} at {}", options.server_id, socket.display());
        let mut server = Server {
            options,
            program,
            port: 0,
            site: Site::new(name, sql::root_over_socket(&socket)),
            socket,
            data_dir,
            pid: 0,
            cpu_seconds_before: 0.0,
            running: None,
            directory,
        };
        for _ in 0..PORT_ATTEMPTS_MAX {
            server.port = free_port()?;
            if server.start_on_port().await? {
                return Ok(server);
            }
        }
        bail!("no free port for a server after {PORT_ATTEMPTS_MAX} attempts")
    }

    /// The TCP port on 127.0.0.1; the same after [`Server::start_again`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The data directory: tables, binary logs.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process number; of the last process while the server is down.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server is meant to run: started, and not ended by [`Server::shutdown`] or [`Server::kill`].
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the server is meant to run and does not: it has ended by itself.
    ///
    /// # Errors
    /// When its process cannot be asked.
    pub fn has_died(&self) -> anyhow::Result<bool> {
        self.running.as_ref().map_or(Ok(false), OwnedChild::has_ended)
    }

    /// The options for the next [`Server::start_again`].
    pub fn options_mut(&mut self) -> &mut ServerOptions {
        &mut self.options
    }

    /// A new connection as `root` over the socket.
    ///
    /// # Errors
    /// When the server is down.
    pub async fn connect(&self) -> anyhow::Result<Conn> {
        self.site.connect().await
    }

    /// Runs one or many statements on a connection of their own.
    ///
    /// # Errors
    /// As [`Site::run`].
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        self.site.run(sql).await
    }

    /// The rows of one statement as text, `None` for NULL.
    ///
    /// # Errors
    /// As [`Site::rows`].
    pub async fn rows(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.site.rows(sql).await
    }

    /// The first column of a statement's first row.
    ///
    /// # Errors
    /// As [`Site::value`].
    pub async fn value(&self, sql: &str) -> anyhow::Result<String> {
        self.site.value(sql).await
    }

    /// Stops the server cleanly (SIGTERM) and waits until it is gone.
    pub async fn shutdown(&mut self) {
        self.end(Signal::TERM, SHUTDOWN_TIMEOUT).await;
    }

    /// Kills the server (SIGKILL) and waits until it is gone. Its files stay for [`Server::start_again`].
    pub async fn kill(&mut self) {
        self.end(Signal::KILL, Duration::ZERO).await;
    }

    /// Starts the server on its old port, socket and data, with the options as they are now.
    ///
    /// # Errors
    /// When the server is running, or does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        if self.running.is_some() {
            bail!("server {} is running already", self.options.server_id);
        }
        let deadline = Instant::now() + START_TIMEOUT;
        // While the server was down, an outgoing connection may have been given its port.
        while !self.start_on_port().await? {
            if Instant::now() > deadline {
                bail!("port {} is taken by another process", self.port);
            }
        }
        Ok(())
    }

    /// CPU time of this server in seconds, user and system, all its restarts included.
    pub fn cpu_seconds(&self) -> f64 {
        let now = if self.running.is_some() {
            process::cpu_seconds(self.pid)
        } else {
            0.0
        };
        self.cpu_seconds_before + now
    }

    /// Memory the server holds now, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        process::rss_bytes(self.pid)
    }

    /// The most memory the present process has held so far, in bytes.
    pub fn peak_rss_bytes(&self) -> u64 {
        process::peak_rss_bytes(self.pid)
    }

    /// The error log so far, of all starts.
    pub fn error_log(&self) -> String {
        fs::read(self.error_log_path()).map_or_else(
            |error| format!("(no error log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    fn error_log_path(&self) -> PathBuf {
        self.directory.path().join("error.log")
    }

    /// Starts the process and waits until it answers. `false`: another process has the port.
    async fn start_on_port(&mut self) -> anyhow::Result<bool> {
        let log_start = fs::metadata(self.error_log_path()).map_or(0, |metadata| metadata.len());
        let mut running = OwnedChild::spawn(&mut self.command())?;
        self.pid = running.id();
        self.directory.watch(self.pid)?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = running.try_wait().context("look at the server process")? {
                return self.explain_exit(status, log_start);
            }
            if self.answers().await {
                self.running = Some(running);
                return Ok(true);
            }
            if Instant::now() > deadline {
                bail!(
                    "the server does not answer after {START_TIMEOUT:?}; its log:\n{}",
                    self.log_since(log_start)
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn command(&self) -> Command {
        let directory = self.directory.path();
        let mut command = Command::new(&self.program.path);
        // The watchdog knows the process by its directory among these arguments.
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.data_dir.display()));
        command.args(template::user_arg());
        command.args(self.program.base_args());
        command
            .arg(format!("--socket={}", self.socket.display()))
            .arg(format!("--pid-file={}", directory.join("mariadbd.pid").display()))
            .arg(format!("--log-error={}", self.error_log_path().display()))
            .arg(format!("--tmpdir={}", directory.join("tmp").display()))
            .arg(format!("--port={}", self.port))
            .arg(format!("--server-id={}", self.options.server_id))
            .args(COMMON_ARGS)
            .args(self.program.size_args());
        if self.options.binlog {
            command.arg("--log-bin=mysql-bin");
        }
        command.args(&self.options.args);
        // A group of its own: Ctrl-C on the terminal is for us, who then end the server in order.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        command
    }

    async fn answers(&self) -> bool {
        match self.site.try_connect().await {
            Ok(conn) => {
                conn.disconnect().await.ok();
                true
            }
            // An answer all the same: the options may have replaced or locked the root account.
            Err(mysql_async::Error::Server(_)) => true,
            Err(_) => false,
        }
    }

    /// The server ended while starting: because of the port (`false`), or for a reason only its log knows.
    fn explain_exit(&self, status: ExitStatus, log_start: u64) -> anyhow::Result<bool> {
        let log = self.log_since(log_start);
        if log.contains("Bind on TCP/IP port") {
            return Ok(false);
        }
        bail!(
            "server {} ended while starting ({status}); its log:\n{log}",
            self.options.server_id
        )
    }

    fn log_since(&self, start: u64) -> String {
        let log = fs::read(self.error_log_path()).unwrap_or_default();
        String::from_utf8_lossy(log.get(start as usize..).unwrap_or_default()).into_owned()
    }

    async fn end(&mut self, signal: Signal, patience: Duration) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        self.cpu_seconds_before += process::cpu_seconds(self.pid);
        // Failing that, it is killed below all the same.
        let _ = running.signal(signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(running.try_wait(), Ok(None)) {
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        // Dropping `running` kills what is left and waits for it.
    }
}

impl AsRef<Site> for Server {
    fn as_ref(&self) -> &Site {
        &self.site
    }
}

/// Small, fast, on this machine only. Durability against a power cut is given up; against `kill -9` it is not.
const COMMON_ARGS: [&str; 10] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-log-buffer-size=8M",
    "--key-buffer-size=16M",
    "--performance-schema=OFF",
    "--max-connections=200",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
];

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
