//! One captured binlog through Tributary and through a native replica, compared wherever something is about to vanish.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tributary_sandbox::engine::Coordinates;
use tributary_sandbox::{
    Account, Engine, ScratchDirectory, Server, ServerOptions, compare, compare_code, create_applier_user,
    create_replication_user,
};

use crate::checkpoints::{self, Plan};
use crate::gate::Gate;

/// Longest way from one place of comparison to the next.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Columns of `SHOW SLAVE STATUS` on 10.11: Relay_Master_Log_File, Exec_Master_Log_Pos, Last_SQL_Errno.
const STATUS_FILE: usize = 9;
const STATUS_OFFSET: usize = 21;
const STATUS_ERROR_NUMBER: usize = 36;
/// The database that most tests work in, and what it is called behind Tributary.
const RENAMED: (&str, &str) = ("test", "m1_test");
const CONNECTION: &str = "m1";
/// The flags of a binlog's first event, behind the file's four magic bytes.
const IN_USE_FLAG: std::ops::Range<usize> = 4 + 17..4 + 19;
/// The time zones that the tests' own servers know.
const TIME_ZONES: &str = "/usr/share/mysql/mysql_test_data_timezone.sql";

/// How one binlog went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) groups: u64,
    pub(crate) events: u64,
    /// Places where everything was compared.
    pub(crate) comparisons: u64,
    pub(crate) tables: u64,
    pub(crate) rows: u64,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    #[default]
    Equal,
    /// Both stop at the same place: the native replica's error, and ours.
    BothStop(String, String),
    OnlyNativeStops(String),
    OnlyTributaryStops(String),
    Differs(String),
}

/// Where a replica stands after a step.
enum Reached {
    Checkpoint,
    Error(String),
}

/// The servers and the engine between them. Dropped in this order.
pub(crate) struct Replay {
    engine: Engine,
    target: Server,
    native: Server,
    source: Server,
    gate: Gate,
    files: usize,
    _directory: ScratchDirectory,
}

impl Replay {
    pub(crate) async fn start(program: &Path, binlogs: &[PathBuf]) -> anyhow::Result<Replay> {
        let directory = ScratchDirectory::create("tributary-suite-")?;
        let (source, native, target) = tokio::try_join!(
            Server::start(ServerOptions::plain(1)),
            Server::start(ServerOptions::plain(20).arg("--replicate-wild-ignore-table=mtr.%")),
            Server::start(ServerOptions::plain(10).arg("--local-infile=ON")),
        )?;
        let source_account = create_replication_user(&source).await?;
        let source = with_binlogs(source, binlogs).await?;
        let target_account = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"]).await?;
        let gate = Gate::start(source.port()).await?;
        let zones = fs::read_to_string(TIME_ZONES).with_context(|| format!("read {TIME_ZONES}"))?;
        for server in [&native, &target] {
            server.run(&format!("USE mysql; {zones}")).await?;
        }
        native.run("CREATE DATABASE IF NOT EXISTS test").await?;
        target
            .run(&format!("CREATE DATABASE IF NOT EXISTS `{}`", RENAMED.1))
            .await?;
        native
            .run(&format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
                 MASTER_LOG_FILE='mysql-bin.000001', MASTER_LOG_POS=4, MASTER_USE_GTID=no; START SLAVE",
                gate.port(),
                source_account.user,
                source_account.password
            ))
            .await?;
        let options = write_options(directory.path(), &gate, &source_account, &target, &target_account)?;
        Ok(Replay {
            engine: Engine::start(program, &options)?,
            target,
            native,
            source,
            gate,
            files: binlogs.len(),
            _directory: directory,
        })
    }

    /// Goes from checkpoint to checkpoint until the end, a difference, or an error.
    pub(crate) async fn run(&mut self) -> anyhow::Result<Outcome> {
        let Plan {
            checkpoints,
            groups,
            events,
        } = checkpoints::plan(&self.source, self.files).await?;
        let mut outcome = Outcome {
            groups,
            events,
            ..Outcome::default()
        };
        for checkpoint in &checkpoints {
            self.gate.open_to(checkpoint);
            let native = self.native_to(checkpoint).await?;
            let ours = self.engine_to(checkpoint).await?;
            outcome.verdict = match (native, ours) {
                (Reached::Checkpoint, Reached::Checkpoint) => self.compare(&mut outcome, checkpoint).await?,
                (Reached::Error(native), Reached::Error(ours)) => Verdict::BothStop(native, ours),
                (Reached::Error(native), Reached::Checkpoint) => Verdict::OnlyNativeStops(native),
                (Reached::Checkpoint, Reached::Error(ours)) => Verdict::OnlyTributaryStops(ours),
            };
            if outcome.verdict != Verdict::Equal {
                break;
            }
        }
        Ok(outcome)
    }

    async fn native_to(&self, end: &Coordinates) -> anyhow::Result<Reached> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        loop {
            let rows = self.native.rows("SHOW SLAVE STATUS").await?;
            let row = rows.first().context("the native replica has no status")?;
            let text = |column: usize| row.get(column).and_then(Option::as_deref).unwrap_or_default();
            let executed = Coordinates {
                file: text(STATUS_FILE).to_owned(),
                offset: text(STATUS_OFFSET).parse().context("Exec_Master_Log_Pos")?,
            };
            if executed.has_reached(end) {
                return Ok(Reached::Checkpoint);
            }
            if text(STATUS_ERROR_NUMBER) != "0" {
                let message = text(STATUS_ERROR_NUMBER + 1);
                return Ok(Reached::Error(format!(
                    "{}: {message}",
                    text(STATUS_ERROR_NUMBER)
                )));
            }
            ensure!(
                Instant::now() < deadline,
                "the native replica does not reach {end:?}"
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn engine_to(&mut self, end: &Coordinates) -> anyhow::Result<Reached> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        loop {
            if let Some(status) = self.engine.status().await?
                && let Some(connection) = status.connections.first()
            {
                if connection.executed.has_reached(end) {
                    return Ok(Reached::Checkpoint);
                }
                if connection.has_stopped() {
                    let error = connection.last_error.clone().unwrap_or_default();
                    return Ok(Reached::Error(format!("{}: {}", error.number, error.message)));
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "tributary does not reach {end:?}; its log ends with:\n{}",
                    self.engine.log_end()
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn compare(&self, outcome: &mut Outcome, at: &Coordinates) -> anyhow::Result<Verdict> {
        let on_native = databases(&self.native).await?;
        let on_target = databases(&self.target).await?;
        let names: Vec<(&str, &str)> = on_target.iter().map(|name| (original(name), &name[..])).collect();
        if names.len() != on_native.len()
            || names
                .iter()
                .any(|(name, _)| !on_native.iter().any(|known| known == name))
        {
            return Ok(Verdict::Differs(format!(
                "at {at:?}: databases {on_native:?} natively, {on_target:?} by tributary"
            )));
        }
        for (database, renamed) in &names {
            let comparison = compare(&self.native, database, &self.target, renamed, &[]).await?;
            outcome.tables += comparison.tables.len() as u64;
            outcome.rows += comparison.replicated_rows();
            if comparison.tables.iter().any(|table| !table.equal) {
                return Ok(Verdict::Differs(format!(
                    "at {at:?}, database {database}: {comparison}"
                )));
            }
        }
        let code = compare_code(&self.native, &self.target, &names, &[]).await?;
        if !code.is_equal() {
            return Ok(Verdict::Differs(format!(
                "at {at:?}, natively as on the source, by tributary as on the target: {code}"
            )));
        }
        outcome.comparisons += 1;
        Ok(Verdict::Equal)
    }
}

/// Starts the server again with a binlog that another one wrote.
async fn with_binlogs(mut source: Server, binlogs: &[PathBuf]) -> anyhow::Result<Server> {
    source.shutdown().await;
    let mut index = String::new();
    for (number, binlog) in (1..).zip(binlogs) {
        let name = format!("mysql-bin.{number:06}");
        let mut bytes = fs::read(binlog).with_context(|| format!("read {}", binlog.display()))?;
        // Closed as far as its first event says, whatever became of the server that wrote it: nothing is to be recovered here.
        bytes
            .get_mut(IN_USE_FLAG)
            .with_context(|| format!("{} is no binlog", binlog.display()))?
            .fill(0);
        fs::write(source.data_dir().join(&name), bytes).with_context(|| format!("write {name}"))?;
        index.push_str(&format!("./{name}\n"));
    }
    fs::write(source.data_dir().join("mysql-bin.index"), index).context("write the index of the binlogs")?;
    source.options_mut().binlog = true;
    source.start_again().await?;
    Ok(source)
}

fn write_options(
    directory: &Path,
    gate: &Gate,
    source: &Account,
    target_server: &Server,
    target: &Account,
) -> anyhow::Result<PathBuf> {
    for (name, account) in [("source-password", source), ("target-password", target)] {
        let file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.join(name));
        std::io::Write::write_all(&mut file?, account.password.as_bytes())
            .with_context(|| format!("write {name}"))?;
    }
    let path = directory.join("tributary.cnf");
    let state = directory.join("state");
    fs::create_dir(&state).context("create the state directory")?;
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let (name, place) = (CONNECTION, directory.display());
    let text = format!(
        "[tributary]\nserver_id = 30\ntarget_socket = {}\ntarget_user = {}\ntarget_password_file = {place}/target-password\n\
         state_dir = {}\n{name}.master_host = 127.0.0.1\n{name}.master_port = {}\n{name}.master_user = {}\n\
         {name}.master_password_file = {place}/source-password\n{name}.master_log_file = mysql-bin.000001\n\
         {name}.master_log_pos = 4\n{name}.replicate_rewrite_db = {}->{}\n{name}.replicate_wild_ignore_table = mtr.%\n",
        target_server.socket().display(),
        target.user,
        state.display(),
        gate.port(),
        source.user,
        RENAMED.0,
        RENAMED.1
    );
    fs::write(&path, text).context("write tributary.cnf")?;
    Ok(path)
}

async fn databases(server: &Server) -> anyhow::Result<Vec<String>> {
    let rows = server
        .rows(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
             ('mysql','information_schema','performance_schema','sys','tributary','mtr') ORDER BY 1",
        )
        .await?;
    Ok(rows.into_iter().filter_map(|mut row| row.remove(0)).collect())
}

/// A database's name before renaming.
fn original(name: &str) -> &str {
    if name == RENAMED.1 { RENAMED.0 } else { name }
}
