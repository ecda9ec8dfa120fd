//! One life with the target: log in, check, load, run until told to stop or until the target is lost.
//!
//! When the target goes away, everything in memory is dropped and the next life begins from the saved positions: they
//! alone say what is on the target.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tributary_client::{Client, Error as ClientError};
use tributary_schedule::{Coordinator, Limits, Mode, WorkerId};

use crate::applier::{Applier, ApplierEnd, ApplierParts, OwnDefinitions};
use crate::catalog::{self, Catalog};
use crate::collations::Collations;
use crate::config::{Options, ParallelMode};
use crate::connection_view::{ConnectionView, Views};
use crate::error::StartError;
use crate::positions;
use crate::preflight;
use crate::report;
use crate::source::OpenGroups;
use crate::worker::{Login, LoginSettings, Worker};

mod emptied;
mod leftovers;
mod lives;

use emptied::record_emptied;
use leftovers::{end_leftover, end_surplus, hold_target, slot_lock};
pub(crate) use lives::first_start;
use lives::{Common, Lives, StartingConnection};

/// Messages from source tasks that wait for the applier. Their groups are bounded by each connection's relay queue.
const MESSAGES_MAX: usize = 64;

/// Connections that are about to join or leave.
const COMMANDS_MAX: usize = 64;

/// Orders that wait for a worker: a run, and what is said about it.
const ORDERS_MAX: usize = 16;

/// Longest answer to the engine's own questions.
pub(crate) const OWN_REPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// What the session is asked for while it runs.
pub(crate) enum Request {
    /// Apply for this connection, unless its lives are more than these: then a session has begun meanwhile, and it with that. The answer
    /// is why that cannot be; it does not come when the target is lost meanwhile.
    Join(Arc<ConnectionView>, u64, oneshot::Sender<Result<(), StartError>>),
    /// The same, unless it is applied for.
    JoinIfEnded(Arc<ConnectionView>, oneshot::Sender<Result<(), StartError>>),
    /// Apply no more for it. The sender is dropped when it is at rest.
    Leave(Arc<ConnectionView>, oneshot::Sender<()>),
}

/// The target, ready to be written to.
pub(crate) struct Session {
    login: Client,
    workers: Vec<Login>,
    connections: Vec<StartingConnection>,
    common: Arc<Common>,
}

impl Session {
    /// Logs in, checks the target, ends leftovers of an earlier engine, and reads positions and catalogue.
    ///
    /// `epoch` is that of the engine's life before this one: what another engine has done since then must not be built upon.
    pub(crate) async fn open(
        options: &Options,
        views: &Views,
        epoch: Option<u64>,
    ) -> Result<Self, StartError> {
        let lost = |source: ClientError| StartError::Target {
            address: options.target.login.address.to_string(),
            source: Box::new(source),
        };
        // All at once: over a long line each waits for several answers.
        let workers = connect_workers(options);
        let mut login = Client::connect(&options.target.login).await.map_err(lost)?;
        login.set_reply_timeout(OWN_REPLY_TIMEOUT);
        // The session holds the lock that keeps other engines away: it must live as long as the engine.
        let own = b"SET SESSION wait_timeout=31536000,net_read_timeout=3600,net_write_timeout=3600,max_statement_time=0";
        login.execute(own).await.map_err(lost)?;
        let facts = preflight::check(&mut login, options).await.map_err(lost)?;
        facts
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!("target: {warning}"));
        if !facts.faults.is_empty() {
            return Err(StartError::Preflight(facts.faults));
        }
        if !facts.writes_binlog {
            login
                .execute(b"SET SESSION sql_log_bin=0")
                .await
                .or_else(ignore_denied)
                .map_err(lost)?;
        }
        let schema = &options.target.schema;
        positions::create_tables(&mut login, schema).await.map_err(lost)?;
        let held = hold_target(&mut login, schema).await;
        let newest = positions::newest_epoch(&mut login, schema).await.map_err(lost)?;
        if epoch.is_some_and(|epoch| newest > epoch) {
            return Err(StartError::Fenced(format!(
                "another engine has begun to write to this target with the schema {schema} while this one was silent or cut off; this one \
                 stops. Nothing is lost or doubled: start it again when the other one is stopped"
            )));
        }
        held?;
        let collations = Arc::new(load_collations(&mut login).await.map_err(lost)?);
        let settings = LoginSettings {
            schema: schema.clone(),
            collations: collations.clone(),
            writes_binlog: facts.writes_binlog,
            logs_mixed: facts.logs_mixed,
            nets_changes: options.apply.net_changes,
            set_rows_min: options.apply.set_rows,
        };
        let workers = open_workers(workers, &mut login, settings, lost).await?;
        end_surplus(&mut login, schema, workers.len()).await?;
        let epoch = newest + 1;
        let begun = positions::begin_epoch(&mut login, schema, epoch).await;
        begun.map_err(lost)?;
        record_emptied(&mut login, schema, &views.all())
            .await
            .map_err(lost)?;
        if !options.target.status_interval.is_zero() {
            report::create(&mut login, schema, epoch).await.map_err(lost)?;
        }
        let catalog = Arc::new(Catalog::default());
        catalog.replace_databases(None, catalog::load_all(&mut login).await.map_err(lost)?);
        for (database, package) in catalog::load_packages(&mut login).await.map_err(lost)? {
            catalog.add_package(&database, &package);
        }
        let common = Arc::new(Common {
            options: options.clone(),
            catalog,
            collations,
            own_definitions: Arc::new(OwnDefinitions::default()),
            server_ids: Arc::default(),
            open_groups: Arc::new(OpenGroups::new(options.apply.workers.max(1))),
            version: login.server().version,
            epoch,
        });
        let mut connections = Vec::new();
        for view in views.all() {
            if view.wanted().threads.sql && !view.has_stopped() {
                connections.push(common.open(&mut login, view, false).await?);
            } else {
                let saved = positions::load(&mut login, schema, &view.options.name).await;
                if let Some(saved) = saved.map_err(lost)?.map_err(StartError::Config)? {
                    view.stands_at(saved.position);
                }
            }
        }
        Ok(Self {
            login,
            workers,
            connections,
            common,
        })
    }

    /// The epoch of this life.
    pub(crate) fn epoch(&self) -> u64 {
        self.common.epoch
    }

    /// The target's numbers of the sessions that apply.
    pub(crate) fn worker_sessions(&self) -> Vec<Arc<AtomicU32>> {
        self.workers.iter().map(Login::session_number).collect()
    }

    /// Runs until told to stop or until the target is lost. Stops reading first, then lets runs under way end, then saves.
    pub(crate) async fn run(
        self,
        views: &Arc<Views>,
        mut stop: watch::Receiver<bool>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> ApplierEnd {
        let (message_sender, messages) = mpsc::channel(MESSAGES_MAX);
        let (report_sender, reports) = mpsc::channel(self.workers.len().max(1));
        let (command_sender, commands) = mpsc::channel(self.connections.len() + COMMANDS_MAX);
        let mut tasks = JoinSet::new();
        let worker_sessions = self.worker_sessions();
        let mut orders = Vec::new();
        for (slot, login) in self.workers.into_iter().enumerate() {
            let (order_sender, order_receiver) = mpsc::channel(ORDERS_MAX);
            let id = WorkerId(u16::try_from(slot).unwrap_or(u16::MAX));
            let target = self.common.options.target.login.clone();
            tasks.spawn(Worker::new(id, login, order_receiver, report_sender.clone(), target).run());
            orders.push(order_sender);
        }
        drop(report_sender);
        let common = self.common;
        let mut lives = Lives {
            common: common.clone(),
            views: views.clone(),
            workers: orders.len(),
            commands: command_sender,
            messages: message_sender,
            joined: Vec::new(),
            is_stopping: false,
        };
        let applier = Applier::new(ApplierParts {
            coordinator: Coordinator::new(limits(&common.options)),
            workers: orders,
            worker_sessions,
            catalog: common.catalog.clone(),
            login: self.login,
            commands,
            messages,
            reports,
            stop: stop.clone(),
            rest_max: common.options.apply.stop_timeout,
        });
        let mut applier = std::pin::pin!(applier.run());
        for starting in self.connections {
            lives.begin(starting, &mut tasks);
        }
        let mut opening = JoinSet::new();
        let end = loop {
            tokio::select! {
                end = &mut applier => break end,
                fault = first_fault(&mut tasks) => std::panic::resume_unwind(fault),
                () = told_to_stop(&mut stop), if !lives.is_stopping => lives.stop(),
                Some(request) = requests.recv() => match request {
                    Request::JoinIfEnded(view, reply) if lives.is_alive(&view) => {
                        let _ = reply.send(Ok(()));
                    }
                    Request::Join(view, before, reply) if view.lives() > before => {
                        let _ = reply.send(Ok(()));
                    }
                    Request::Join(view, _, reply) | Request::JoinIfEnded(view, reply) => {
                        let lived = lives.has_lived(&view);
                        let ended = lives.end(&view);
                        let common = common.clone();
                        opening.spawn(async move {
                            if let Some(ended) = ended {
                                ended.wait().await;
                            }
                            let opened = common.open_alone(view.clone(), lived).await;
                            (view, opened, reply)
                        });
                    }
                    Request::Leave(view, reply) => lives.leave(&view, reply),
                },
                Some(opened) = opening.join_next() => {
                    let Ok((view, opened, reply)) = opened else { continue };
                    lives.renew_logins();
                    let begun = opened.map(|starting| lives.begin_if_wanted(starting, &mut tasks));
                    // Whoever asked may not have waited.
                    if let Err(Err(error)) = reply.send(begun) {
                        tracing::error!("{error}");
                        view.could_not_begin(&error);
                    }
                }
            }
        };
        // Workers and sources have lost their channels with the applier; those that do not notice are inside a wait that is
        // no longer of use to anybody.
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        end
    }
}

/// A login for the engine's own statements.
pub(crate) async fn own_login(options: &Options) -> Result<Client, StartError> {
    let failed = |source: ClientError| StartError::Target {
        address: options.target.login.address.to_string(),
        source: Box::new(source),
    };
    let mut login = Client::connect(&options.target.login).await.map_err(failed)?;
    login.set_reply_timeout(OWN_REPLY_TIMEOUT);
    login
        .execute(b"SET SESSION sql_log_bin=0")
        .await
        .or_else(ignore_denied)
        .map_err(failed)?;
    Ok(login)
}

/// Resolves when told to stop, or when nobody is left to tell.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Resolves when a task has panicked: a fault of ours, which must not look like a quiet stream.
async fn first_fault(tasks: &mut JoinSet<()>) -> Box<dyn std::any::Any + Send> {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => return error.into_panic(),
            Some(_) => {}
            // Workers live as long as the applier; without any there is nothing to watch.
            None => std::future::pending::<()>().await,
        }
    }
}

fn limits(options: &Options) -> Limits {
    Limits {
        workers: u16::try_from(options.apply.workers.max(1)).unwrap_or(u16::MAX),
        run_groups_max: options.apply.batch_groups_max,
        run_bytes_max: options.apply.batch_bytes_max,
        mode: match options.apply.mode {
            ParallelMode::None | ParallelMode::Minimal => Mode::Serial,
            ParallelMode::Conservative => Mode::SameCommit,
            ParallelMode::Optimistic | ParallelMode::Aggressive => Mode::Parallel,
        },
        ..Limits::default()
    }
}

/// `sql_log_bin` is off by courtesy for the engine's own rows; without the privilege they are logged.
fn ignore_denied(error: ClientError) -> Result<tributary_client::OkInfo, ClientError> {
    match error {
        ClientError::Server(server) if server.code == 1227 => Ok(tributary_client::OkInfo::default()),
        error => Err(error),
    }
}

/// Begins to log in for every worker.
fn connect_workers(options: &Options) -> JoinSet<Result<Client, ClientError>> {
    let mut connecting = JoinSet::new();
    for _ in 0..options.apply.workers.max(1) {
        let options = options.target.login.clone();
        connecting.spawn(async move { Client::connect(&options).await });
    }
    connecting
}

/// Prepares the sessions of all workers, each with the lock of its slot.
async fn open_workers(
    mut connecting: JoinSet<Result<Client, ClientError>>,
    login: &mut Client,
    settings: LoginSettings,
    lost: impl Fn(ClientError) -> StartError,
) -> Result<Vec<Login>, StartError> {
    let mut opening = JoinSet::new();
    while let Some(connected) = connecting.join_next().await {
        let client = joined(connected).map_err(&lost)?;
        let (settings, slot) = (settings.clone(), opening.len());
        opening.spawn(async move {
            let lock = slot_lock(&settings.schema, slot);
            let (worker, has_lock) = Login::open(client, &settings, &lock).await?;
            Ok((slot, worker, has_lock))
        });
    }
    let mut opened = Vec::new();
    while let Some(prepared) = opening.join_next().await {
        opened.push(joined(prepared).map_err(&lost)?);
    }
    opened.sort_unstable_by_key(|(slot, _, _)| *slot);
    let mut workers = Vec::new();
    for (slot, mut worker, has_lock) in opened {
        if !has_lock {
            worker.client.set_reply_timeout(OWN_REPLY_TIMEOUT);
            end_leftover(login, &mut worker.client, &slot_lock(&settings.schema, slot)).await?;
        }
        worker.waits_for_statements();
        workers.push(worker);
    }
    Ok(workers)
}

/// What a task gave; its panic is ours.
fn joined<T>(end: Result<Result<T, ClientError>, JoinError>) -> Result<T, ClientError> {
    match end.map_err(JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends.
        Err(Err(_)) => Err(ClientError::Broken),
    }
}

/// The target's collations. From 10.10 on those by UCA 14.0.0 belong to several character sets and are listed with each in another
/// table only.
async fn load_collations(login: &mut Client) -> Result<Collations, ClientError> {
    const EACH: &[u8] = b"SELECT ID,CHARACTER_SET_NAME,FULL_COLLATION_NAME FROM \
        information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
    const BEFORE_10_10: &[u8] =
        b"SELECT ID,CHARACTER_SET_NAME,COLLATION_NAME FROM information_schema.COLLATIONS";
    const TAKES_DEFAULTS: &[u8] = b"SHOW VARIABLES LIKE 'character\\_set\\_collations'";
    let version = login.server().version;
    let sql = if (version.0, version.1) >= (10, 10) {
        EACH
    } else {
        BEFORE_10_10
    };
    let mut sets = login
        .query_all(&[sql, TAKES_DEFAULTS].join(&b';'))
        .await?
        .into_iter();
    let rows = sets.next().unwrap_or_default();
    let takes_defaults = sets.next().is_some_and(|set| !set.rows.is_empty());
    let entry = |row: &tributary_client::Row| Some((row.text(0)?.parse().ok()?, row.text(1)?, row.text(2)?));
    Ok(Collations::new(
        rows.rows.iter().filter_map(entry),
        takes_defaults,
    ))
}
