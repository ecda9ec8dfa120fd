//! Three sources, a target and the engine between them.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tributary_sandbox::engine::{ConnectionStatus, Coordinates, EngineStatus};
use tributary_sandbox::workload::{DATABASES, IGNORED_TABLES};
use tributary_sandbox::{
    Account, Drain, Engine, ScratchDirectory, Server, ServerOptions, Site, Workload, create_applier_user,
    create_replication_user,
};

use crate::settings::Settings;

/// How many sources there are, named `master1` and so on.
pub(crate) const SOURCE_COUNT: u32 = 3;
/// What single connections have switched on that others have not: the relay log, with small files, and groups in pieces.
const OWN_SETTINGS: &str =
    "master1.tributary_relay_log = OFF\nmaster2.max_relay_log_size = 1M\nmaster3.group_bytes_max = 64K\n";
/// How often the engine is asked for its status.
pub(crate) const STATUS_INTERVAL: Duration = Duration::from_millis(300);
/// How long a fresh engine may take until it answers.
const ENGINE_START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) server: Server,
    account: Account,
    start: Coordinates,
}

/// Everything that runs. Dropped in this order: the engine before the servers it works with.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) sources: Vec<Source>,
    pub(crate) target: Server,
    directory: ScratchDirectory,
    /// Statements and rows the engine has applied before its last start, and by now.
    applied_before: (u64, u64),
    applied_now: (u64, u64),
}

impl Bench {
    pub(crate) async fn start(settings: &Settings) -> anyhow::Result<Bench> {
        let mut options = ServerOptions::target().arg("--local-infile=ON");
        options.program.clone_from(&settings.target_program);
        let target = Server::start(options).await.context("start the target")?;
        let account = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"]).await?;
        let mut sources = Vec::new();
        for number in 1..=SOURCE_COUNT {
            let server = Server::start(Workload::source_options(
                number,
                settings.source_program.as_deref(),
            ))
            .await
            .with_context(|| format!("start source {number}"))?;
            let account = create_replication_user(&server).await?;
            let start = end_of_log(&server).await?;
            sources.push(Source {
                name: format!("master{number}"),
                server,
                account,
                start,
            });
        }
        let directory = ScratchDirectory::create("tributary-soak-")?;
        let option_file = write_options(&directory, &target, &account, &sources)?;
        let engine = Engine::start(&settings.program, &option_file)?;
        let mut bench = Bench {
            engine,
            sources,
            target,
            directory,
            applied_before: (0, 0),
            applied_now: (0, 0),
        };
        bench.wait_for_engine().await?;
        Ok(bench)
    }

    /// Statements, and rows of row events, that the engine has applied.
    pub(crate) fn applied(&self) -> (u64, u64) {
        (
            self.applied_before.0 + self.applied_now.0,
            self.applied_before.1 + self.applied_now.1,
        )
    }

    pub(crate) async fn restart_engine(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        self.engine.stop().await?;
        self.applied_before = self.applied();
        self.applied_now = (0, 0);
        self.engine.start_again()?;
        self.wait_for_engine().await
    }

    /// Waits until everything the sources have logged is on the target.
    pub(crate) async fn drain(&mut self) -> anyhow::Result<()> {
        let mut ends = Vec::new();
        for source in &self.sources {
            ends.push((source.name.clone(), end_of_log(&source.server).await?));
        }
        let mut drain = Drain::to(ends);
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

    /// Takes one status, and fails on a connection that has stopped.
    pub(crate) async fn look(&mut self) -> anyhow::Result<Option<EngineStatus>> {
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

    async fn wait_for_engine(&mut self) -> anyhow::Result<()> {
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
    pub(crate) fn print_how_to_connect(&self) {
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
}

/// A connection that has stopped reading still applies what it has, and says why it stopped only after that.
fn has_stopped(connection: &ConnectionStatus) -> bool {
    connection.sql_state == "stopped" || (connection.io_state == "stopped" && connection.last_error.is_some())
}

async fn end_of_log(server: &Server) -> anyhow::Result<Coordinates> {
    let site: &Site = server.as_ref();
    site.end_of_log().await
}

fn write_options(
    directory: &ScratchDirectory,
    target: &Server,
    account: &Account,
    sources: &[Source],
) -> anyhow::Result<PathBuf> {
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("state")).context("create the state directory")?;
    fs::set_permissions(path("state"), Permissions::from_mode(0o700)).context("close the state directory")?;
    write_secret(path("target-password"), &account.password)?;
    let mut text = format!(
        "[tributary]\nserver_id = 10\ntarget_socket = {}\ntarget_user = {}\ntarget_password_file = {}\nstate_dir = {}\n\
         # Rows of tables without a key are few at a time.\ntributary_set_rows = 1\n",
        target.socket().display(),
        account.user,
        path("target-password").display(),
        path("state").display()
    );
    for source in sources {
        let (name, secret) = (&source.name, path(&format!("{}-password", source.name)));
        write_secret(secret.clone(), &source.account.password)?;
        text.push_str(&format!(
            "\n{name}.master_host = 127.0.0.1\n{name}.master_port = {}\n{name}.master_user = {}\n{name}.master_password_file = {}\n\
             {name}.master_log_file = {}\n{name}.master_log_pos = {}\n{name}.master_connect_retry = 1\n",
            source.server.port(),
            source.account.user,
            secret.display(),
            source.start.file,
            source.start.offset
        ));
        for database in DATABASES {
            text.push_str(&format!(
                "{name}.replicate_rewrite_db = {database}->{name}_{database}\n"
            ));
        }
        for table in IGNORED_TABLES {
            text.push_str(&format!("{name}.replicate_ignore_table = asterisk.{table}\n"));
        }
    }
    text.push_str(OWN_SETTINGS);
    let option_file = path("tributary.cnf");
    fs::write(&option_file, text).context("write tributary.cnf")?;
    Ok(option_file)
}

fn write_secret(path: PathBuf, secret: &str) -> anyhow::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    writeln!(file, "{secret}").with_context(|| format!("write {}", path.display()))
}
