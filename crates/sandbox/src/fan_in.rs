//! Three or more sources, a target and the engine between them, for programs that let random things happen.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::engine::{ConnectionStatus, Coordinates, EngineError, EngineStatus};
use crate::{
    Account, Drain, Engine, ScratchDirectory, Server, ServerOptions, Site, TcpRelay, create_applier_user,
    create_replication_user,
};

/// How often the engine is asked for its status.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(300);
/// How long a fresh engine may take until it answers.
const ENGINE_START_TIMEOUT: Duration = Duration::from_secs(30);

/// What is started.
pub struct FanInPlan<'a> {
    /// How the directory's name begins.
    pub prefix: &'a str,
    /// The engine.
    pub program: PathBuf,
    /// The target.
    pub target: ServerOptions,
    /// The sources, named `master1` and so on.
    pub sources: Vec<ServerOptions>,
    /// What is replicated of each source, `asterisk` as `master1_asterisk`.
    pub databases: &'a [&'a str],
    /// Tables of `asterisk` that are not.
    pub ignored: &'a [&'a str],
    /// Further lines of the option file.
    pub settings: &'a str,
}

/// One source.
pub struct Source {
    /// The connection.
    pub name: String,
    /// The server.
    pub server: Server,
    /// The line between it and the engine.
    pub line: TcpRelay,
    account: Account,
    start: Coordinates,
}

/// Everything that runs. Dropped in this order: the engine before the servers it works with.
pub struct FanIn {
    /// The engine.
    pub engine: Engine,
    /// The sources.
    pub sources: Vec<Source>,
    /// The target.
    pub target: Server,
    directory: ScratchDirectory,
    option_file: PathBuf,
    applier: Account,
    databases: Vec<String>,
    ignored: Vec<String>,
    settings: String,
    /// Statements and rows the engine has applied before its last start, and by now.
    applied_before: (u64, u64),
    applied_now: (u64, u64),
}

impl FanIn {
    /// Starts all of it; the sources' binary logs are replicated from their present ends on.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(plan: FanInPlan<'_>) -> anyhow::Result<FanIn> {
        let target = Server::start(plan.target).await.context("start the target")?;
        let applier = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"]).await?;
        let directory = ScratchDirectory::create(plan.prefix)?;
        let mut sources = Vec::new();
        for (number, options) in (1..).zip(plan.sources) {
            let server = Server::start(options)
                .await
                .with_context(|| format!("start source {number}"))?;
            let (name, account) = (format!("master{number}"), create_replication_user(&server).await?);
            write_secret(
                directory.path().join(format!("{name}-password")),
                &account.password,
            )?;
            let start = end_of_log(&server).await?;
            sources.push(Source {
                name,
                line: TcpRelay::start(server.port()).await?,
                server,
                account,
                start,
            });
        }
        write_secret(directory.path().join("target-password"), &applier.password)?;
        let option_file = directory.path().join("tributary.cnf");
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut fan_in = FanIn {
            engine: Engine::at(&plan.program, &option_file)?,
            sources,
            target,
            directory,
            option_file: option_file.clone(),
            applier,
            databases: texts(plan.databases),
            ignored: texts(plan.ignored),
            settings: plan.settings.to_owned(),
            applied_before: (0, 0),
            applied_now: (0, 0),
        };
        fan_in.write_options(&option_file, "state")?;
        fan_in.engine.start_again()?;
        fan_in.wait_for_engine().await?;
        Ok(fan_in)
    }

    /// Statements, and rows of row events, that the engine has applied.
    pub fn applied(&self) -> (u64, u64) {
        (
            self.applied_before.0 + self.applied_now.0,
            self.applied_before.1 + self.applied_now.1,
        )
    }

    /// Where the engine keeps its files, relay logs among them.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Stops the engine in order and starts it again.
    ///
    /// # Errors
    /// When it does not stop cleanly, or does not come up.
    pub async fn restart_engine(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        self.engine.stop().await?;
        self.start_engine().await
    }

    /// Starts the engine, which has ended.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_engine(&mut self) -> anyhow::Result<()> {
        self.applied_before = self.applied();
        self.applied_now = (0, 0);
        self.engine.start_again()?;
        self.wait_for_engine().await
    }

    /// Another engine for the same target, as on another machine: with a state directory of its own.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn another_engine(&self, name: &str) -> anyhow::Result<Engine> {
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).with_context(|| format!("create {}", directory.display()))?;
        let option_file = directory.join("tributary.cnf");
        self.write_options(&option_file, &format!("{name}-state"))?;
        Engine::at(self.engine.program(), &option_file)
    }

    /// Begins anew with a source, whose databases are empty: drops what the target has of it, and starts from the end of its log.
    /// The engine has been stopped.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub async fn begin_anew(&mut self, index: usize) -> anyhow::Result<()> {
        let source = &mut self.sources[index];
        source.start = end_of_log(&source.server).await?;
        let name = &source.name;
        for database in &self.databases {
            let text = format!("DROP DATABASE IF EXISTS {name}_{database}");
            self.target.run(&text).await?;
        }
        let rows = format!("DELETE FROM tributary.position WHERE connection='{name}'");
        self.target.run(&rows).await?;
        self.write_options(&self.option_file, "state")
    }

    /// Waits until everything the sources have logged is on the target.
    ///
    /// # Errors
    /// When a connection stops, or nothing moves for a minute.
    pub async fn drain(&mut self) -> anyhow::Result<()> {
        let mut drain = Drain::to(self.ends_of_logs().await?);
        loop {
            let status = self.look().await?;
            let is_done = drain
                .is_done(status.as_ref())
                .with_context(|| format!("tributary's log ends with:\n{}", self.engine.log_end()));
            if is_done? {
                return Ok(());
            }
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }

    /// Waits until everything the sources have logged is on the target, but for connections that stop; those, with the reason.
    ///
    /// # Errors
    /// When nothing moves for a minute.
    pub async fn drain_or_stop(&mut self) -> anyhow::Result<Vec<(String, EngineError)>> {
        let ends = self.ends_of_logs().await?;
        let mut drain = Drain::to(ends.clone());
        loop {
            // With the last connection the engine ends.
            if self.engine.wait_for_end(Instant::now()).await? {
                let message = self.engine.log_end();
                let error = EngineError { number: 0, message };
                return Ok(ends.into_iter().map(|(name, _)| (name, error.clone())).collect());
            }
            let status = self.engine.status().await.ok().flatten();
            let connections = status.iter().flat_map(|status| &status.connections);
            let stopped: Vec<(String, EngineError)> = connections
                .filter(|connection| has_stopped(connection))
                .map(|connection| {
                    (
                        connection.name.clone(),
                        connection.last_error.clone().unwrap_or_default(),
                    )
                })
                .collect();
            stopped.iter().for_each(|(name, _)| drain.leave_out(name));
            if drain.is_done(status.as_ref())? {
                return Ok(stopped);
            }
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }

    /// Where each source stands.
    async fn ends_of_logs(&self) -> anyhow::Result<Vec<(String, Coordinates)>> {
        let mut ends = Vec::new();
        for source in &self.sources {
            ends.push((source.name.clone(), end_of_log(&source.server).await?));
        }
        Ok(ends)
    }

    /// Takes one status, and fails on a connection that has stopped.
    ///
    /// # Errors
    /// With the reason a connection has stopped for, or the engine's end.
    pub async fn look(&mut self) -> anyhow::Result<Option<EngineStatus>> {
        let status = self.engine.status().await?;
        if let Some(status) = &status {
            let sum = |count: fn(&ConnectionStatus) -> u64| status.connections.iter().map(count).sum();
            self.applied_now = (
                sum(|connection| connection.statements_applied),
                sum(|connection| connection.rows_applied),
            );
            if let Some(connection) = status
                .connections
                .iter()
                .find(|connection| has_stopped(connection))
            {
                let error = connection.last_error.clone().unwrap_or_default();
                bail!(
                    "{} has stopped at {}:{}: error {}: {}",
                    connection.name,
                    connection.executed.file,
                    connection.executed.offset,
                    error.number,
                    error.message
                );
            }
        }
        Ok(status)
    }

    /// Waits until the engine answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_for_engine(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + ENGINE_START_TIMEOUT;
        while self.look().await?.is_none() {
            ensure!(
                Instant::now() < deadline,
                "tributary gives no status after {ENGINE_START_TIMEOUT:?}; its log ends with:\n{}",
                self.engine.log_end()
            );
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
        Ok(())
    }

    /// For whoever looks at what is left.
    pub fn print_how_to_connect(&self) {
        println!("everything keeps running until Ctrl-C");
        println!(
            "  target:   mariadb -uroot --socket={}",
            self.target.socket().display()
        );
        for source in &self.sources {
            println!(
                "  {}:  mariadb -uroot --socket={}   binlogs in {}",
                source.name,
                source.server.socket().display(),
                source.server.data_dir().display()
            );
        }
        println!(
            "  options and log of tributary: {}",
            self.directory.path().display()
        );
    }

    fn write_options(&self, option_file: &std::path::Path, state: &str) -> anyhow::Result<()> {
        let path = |name: &str| self.directory.path().join(name);
        if !path(state).exists() {
            fs::create_dir(path(state)).context("create the state directory")?;
            fs::set_permissions(path(state), Permissions::from_mode(0o700))
                .context("close the state directory")?;
        }
        let mut text = format!(
            "[tributary]\nserver_id = 10\ntarget_socket = {}\ntarget_user = {}\ntarget_password_file = {}\nstate_dir = {}\n",
            self.target.socket().display(),
            self.applier.user,
            path("target-password").display(),
            path(state).display()
        );
        for source in &self.sources {
            let name = &source.name;
            text.push_str(&format!(
                "\n{name}.master_host = 127.0.0.1\n{name}.master_port = {}\n{name}.master_user = {}\n{name}.master_password_file = {}\n\
                 {name}.master_log_file = {}\n{name}.master_log_pos = {}\n{name}.master_connect_retry = 1\n",
                source.line.port(),
                source.account.user,
                path(&format!("{name}-password")).display(),
                source.start.file,
                source.start.offset
            ));
            for database in &self.databases {
                text.push_str(&format!(
                    "{name}.replicate_rewrite_db = {database}->{name}_{database}\n"
                ));
            }
            for table in &self.ignored {
                text.push_str(&format!("{name}.replicate_ignore_table = asterisk.{table}\n"));
            }
        }
        text.push_str(&self.settings);
        fs::write(option_file, text).with_context(|| format!("write {}", option_file.display()))
    }
}

/// A connection that has stopped reading still applies what it has, and says why it stopped only after that.
fn has_stopped(connection: &ConnectionStatus) -> bool {
    connection.sql_state == "stopped" && connection.retries_in.is_none()
        || (connection.io_state == "stopped" && connection.last_error.is_some())
}

async fn end_of_log(server: &Server) -> anyhow::Result<Coordinates> {
    let site: &Site = server.as_ref();
    site.end_of_log().await
}

fn write_secret(path: PathBuf, secret: &str) -> anyhow::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    writeln!(file, "{secret}").with_context(|| format!("write {}", path.display()))
}
