//! One life with the target: log in, check, load, run until told to stop or until the target is lost.
//!
//! When the target goes away, everything in memory is dropped and the next life begins from the saved positions: they
//! alone say what is on the target.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tributary_binlog::{Coordinates, GtidPos, GtidSet};
use tributary_client::{Client, Error as ClientError};
use tributary_schedule::{Coordinator, GroupSeq, Limits, Mode, WorkerId};

use crate::applier::{Applier, ApplierEnd, ApplierParts, Command, OwnDefinitions};
use crate::bulk::Shapes;
use crate::catalog::{self, Catalog};
use crate::collations::Collations;
use crate::columns::{self, SourceColumns};
use crate::config::{ConnectionOptions, Options, ParallelMode, StartPosition};
use crate::connection_view::{ConnectionView, Views};
use crate::context::known_flags;
use crate::error::StartError;
use crate::load_file::Spool;
use crate::positions::{self, Saved};
use crate::preflight;
use crate::prepare::{Bounds, Patterns, Preparer, TemporaryTables};
use crate::progress::{Position, Progress};
use crate::relay::RelayQueue;
use crate::source::{ReadPosition, Source, SourceMessage};
use crate::temporary::{self, ServerIds};
use crate::worker::{ConnectionShared, Login, LoginSettings, Worker};

/// Messages from source tasks that wait for the applier. Their groups are bounded by each connection's relay queue.
const MESSAGES_MAX: usize = 64;

/// Connections that are about to join or leave.
const COMMANDS_MAX: usize = 64;

/// Orders that wait for a worker: a run, and what is said about it.
const ORDERS_MAX: usize = 16;

/// An engine that lives asks the target for something every second. One whose session has been silent for this long is taken for
/// dead; should it wake, it finds its sessions ended and its epoch over.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long the previous engine's leftovers may take to end.
const LEFTOVERS_WAIT: Duration = Duration::from_secs(30);

/// How long what they are executing may take before it is broken off, and how often they are looked at.
const LEFTOVER_WORK_WAIT: Duration = Duration::from_secs(600);
const LEFTOVER_WORK_PAUSE: Duration = Duration::from_millis(20);

/// How long one must have been without work to have none.
const LEFTOVER_SILENCE: Duration = Duration::from_secs(1);

/// Slots looked through for sessions of an earlier, larger pool.
const SLOTS_MAX: usize = 64;

/// Longest answer to the engine's own questions.
const OWN_REPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// What the session is asked for while it runs.
pub(crate) enum Request {
    /// Apply for this connection. The answer is why that cannot be; it does not come when the target is lost meanwhile.
    Join(Arc<ConnectionView>, oneshot::Sender<Result<(), StartError>>),
    /// Apply no more for it. The sender is dropped when it is at rest.
    Leave(Arc<ConnectionView>, oneshot::Sender<()>),
}

/// A connection that takes part.
struct StartingConnection {
    view: Arc<ConnectionView>,
    /// Where it stands.
    saved: Saved,
    /// Temporary tables of its source.
    temporary: TemporaryTables,
    /// What is known of its source's columns.
    columns: Arc<SourceColumns>,
}

/// The target, ready to be written to.
pub(crate) struct Session {
    login: Client,
    workers: Vec<Login>,
    connections: Vec<StartingConnection>,
    common: Arc<Common>,
}

/// What all connections of a session have in common.
struct Common {
    options: Options,
    catalog: Arc<Catalog>,
    collations: Arc<Collations>,
    own_definitions: Arc<OwnDefinitions>,
    server_ids: Arc<ServerIds>,
    /// The target's version.
    version: (u16, u16, u16),
    epoch: u64,
}

/// A connection that has joined a session.
struct Joined {
    /// The connection's own number.
    number: u16,
    /// Tells its source to end.
    stop: watch::Sender<bool>,
    source: AbortHandle,
    /// Resolves when the source is gone.
    gone: Option<oneshot::Receiver<()>>,
    has_left: bool,
}

/// The connections of a session that runs.
struct Lives {
    common: Arc<Common>,
    views: Arc<Views>,
    workers: usize,
    commands: mpsc::Sender<Command>,
    messages: mpsc::Sender<(u16, SourceMessage)>,
    joined: Vec<Joined>,
    is_stopping: bool,
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
        let epoch = positions::begin_epoch(&mut login, schema).await.map_err(lost)?;
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
        let worker_sessions = self.workers.iter().map(Login::connection_id).collect();
        let mut orders = Vec::new();
        for (slot, login) in self.workers.into_iter().enumerate() {
            let (order_sender, order_receiver) = mpsc::channel(ORDERS_MAX);
            let id = WorkerId(u16::try_from(slot).unwrap_or(u16::MAX));
            tasks.spawn(Worker::new(id, login, order_receiver, report_sender.clone()).run());
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
                    Request::Join(view, reply) => {
                        let lived = lives.has_lived(&view);
                        let gone = lives.end_source(&view);
                        let common = common.clone();
                        opening.spawn(async move {
                            // Two readers would share the events of one relay log.
                            if let Some(gone) = gone {
                                let _ = gone.await;
                            }
                            (common.open_alone(view, lived).await, reply)
                        });
                    }
                    Request::Leave(view, reply) => lives.leave(&view, reply),
                },
                Some(opened) = opening.join_next() => {
                    let Ok((opened, reply)) = opened else { continue };
                    let begun = opened.map(|starting| lives.begin_if_wanted(starting, &mut tasks));
                    // Whoever asked may not have waited.
                    if let Err(Err(error)) = reply.send(begun) {
                        tracing::error!("{error}");
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

impl Common {
    fn lost(&self, source: ClientError) -> StartError {
        StartError::Target {
            address: self.options.target.login.address.to_string(),
            source: Box::new(source),
        }
    }

    /// Opens a connection over a login of its own.
    async fn open_alone(
        &self,
        view: Arc<ConnectionView>,
        has_lived: bool,
    ) -> Result<StartingConnection, StartError> {
        let mut login = own_login(&self.options).await?;
        self.open(&mut login, view, has_lived).await
    }

    /// Reads where a connection stands, and makes that the newest state. With `has_lived`, its temporary tables are still open.
    async fn open(
        &self,
        login: &mut Client,
        view: Arc<ConnectionView>,
        has_lived: bool,
    ) -> Result<StartingConnection, StartError> {
        let schema = &self.options.target.schema;
        let name = &view.options.name;
        let saved = positions::load(login, schema, name)
            .await
            .map_err(|error| self.lost(error))?
            .map_err(StartError::Config)?;
        let saved = match saved {
            Some(saved) => saved,
            None => first_start(&view.options)?,
        };
        // One row per worker, and one for the applier itself.
        let rows = u16::try_from(self.options.apply.workers.max(1) + 1).unwrap_or(u16::MAX);
        positions::save_all(login, schema, name, &saved, (rows, self.epoch))
            .await
            .map_err(|error| self.lost(error))?;
        let columns = columns::open(login, schema, &view.options, &self.catalog, &self.own_definitions)
            .await
            .map_err(|error| self.lost(error))?;
        let open = temporary::load(login, schema, name)
            .await
            .map_err(|error| self.lost(error))?;
        let temporary = match has_lived {
            true => TemporaryTables::with_open(&view.options.rewrite, open),
            false => TemporaryTables::with_lost(name, open),
        };
        view.stands_at(saved.position.clone());
        Ok(StartingConnection {
            view,
            saved,
            temporary,
            columns,
        })
    }
}

impl Lives {
    /// Whether the connection has been part of this session before.
    fn has_lived(&self, view: &ConnectionView) -> bool {
        self.joined.iter().any(|joined| joined.number == view.number)
    }

    /// Ends the source of the connection's last life, of which nothing is applied any more. Resolves when it is gone.
    fn end_source(&mut self, view: &ConnectionView) -> Option<oneshot::Receiver<()>> {
        let last = self
            .joined
            .iter_mut()
            .rev()
            .find(|joined| joined.number == view.number)?;
        last.has_left = true;
        last.source.abort();
        last.gone.take()
    }

    /// The connection's life that has not been ended.
    fn current(&self, view: &ConnectionView) -> Option<usize> {
        let is_it = |joined: &Joined| joined.number == view.number && !joined.has_left;
        self.joined.iter().position(is_it)
    }

    /// A stop may have come while it was opened.
    fn begin_if_wanted(&mut self, starting: StartingConnection, tasks: &mut JoinSet<()>) {
        // Or another start.
        if starting.view.wanted().threads.sql && self.current(&starting.view).is_none() {
            self.begin(starting, tasks);
        }
    }

    /// Starts the source of a connection, and makes it known to the applier.
    fn begin(&mut self, starting: StartingConnection, tasks: &mut JoinSet<()>) {
        let StartingConnection {
            view,
            saved,
            temporary,
            columns,
        } = starting;
        let Ok(index) = u16::try_from(self.joined.len()) else {
            tracing::error!(connection = %view.options.name, "started too often: start the engine anew");
            return;
        };
        let options = &self.common.options;
        let progress = Progress::new(
            &options.target.schema,
            &view.options.name,
            saved.clone(),
            self.workers + 1,
            self.common.epoch,
        );
        let connection = Arc::new(ConnectionShared {
            name: view.options.name.clone(),
            catalog: self.common.catalog.clone(),
            maps_engines: !view.options.policies.engines.is_empty(),
            progress,
            counters: view.counters.clone(),
            columns: columns.clone(),
            retries: options.apply.transaction_retries,
        });
        let queue = RelayQueue::new(view.options.relay_groups_max, view.options.relay_bytes_max);
        view.attach(connection.clone(), queue.used());
        if let Some(receiver) = view.receiver() {
            receiver.shared.applies(connection.clone());
        }
        if self.commands.try_send(Command::Join(connection)).is_err() {
            // The applier has ended, and the session with it.
            return;
        }
        let views = self.views.all();
        let rules = views
            .iter()
            .map(|view| (&view.options.name[..], &view.options.rewrite));
        let bounds = Bounds::new(
            &view.options.name,
            rules,
            &options.target.schema,
            self.common.version,
        );
        let (stop, stopped) = watch::channel(self.is_stopping);
        let preparer = self.common.preparer(&view, bounds, columns, temporary);
        let source = source(
            &view,
            preparer,
            saved,
            queue,
            self.messages.clone(),
            index,
            stopped,
        );
        let (held, gone) = oneshot::channel();
        let source = tasks.spawn(async move {
            let _held: oneshot::Sender<()> = held;
            source.run().await;
        });
        self.joined.push(Joined {
            number: view.number,
            stop,
            source,
            gone: Some(gone),
            has_left: false,
        });
    }

    fn leave(&mut self, view: &ConnectionView, done: oneshot::Sender<()>) {
        let Some(place) = self.current(view) else { return };
        let joined = &mut self.joined[place];
        joined.has_left = true;
        joined.stop.send_replace(true);
        let index = u16::try_from(place).unwrap_or(u16::MAX);
        // Statements come one after the other, so there is room; an applier that has ended needs no order.
        let _ = self.commands.try_send(Command::Leave(index, done));
    }

    /// Tells all sources to stop.
    fn stop(&mut self) {
        self.is_stopping = true;
        for joined in &self.joined {
            joined.stop.send_replace(true);
        }
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

impl Common {
    fn preparer(
        &self,
        view: &ConnectionView,
        bounds: Bounds,
        columns: Arc<SourceColumns>,
        temporary: TemporaryTables,
    ) -> Preparer {
        let options = &self.options;
        Preparer {
            filter: view.options.filter.clone(),
            rewrite: view.options.rewrite.clone(),
            bounds,
            policies: view.options.policies.clone(),
            tolerances: view.options.policies.tolerances(&view.options.skip_errors),
            catalog: self.catalog.clone(),
            columns,
            collations: self.collations.clone(),
            counters: view.counters.clone(),
            schema: Bytes::from(options.target.schema.clone()),
            connection: view.options.name.clone(),
            xa: crate::prepare::XaFootprints::default(),
            own_server_id: view.options.server_id.unwrap_or(options.server_id),
            own_account: Bytes::from(options.target.login.user.clone()),
            version: ((0, 0, 0), 0),
            format: None,
            known_flags: known_flags((0, 0, 0)),
            contexts: Vec::new(),
            merges_rows: options.apply.merge_rows,
            sets_rows: options.apply.set_rows > 0,
            shapes: Shapes::default(),
            patterns: Patterns::default(),
            temporary,
            server_ids: self.server_ids.clone(),
            index: view.number,
            warned_statements: false,
            spool: Spool::new(options.apply.load_tmpdir.clone()),
        }
    }
}

/// The stream of a connection from where it stands.
fn source(
    view: &ConnectionView,
    preparer: Preparer,
    saved: Saved,
    queue: RelayQueue,
    messages: mpsc::Sender<(u16, SourceMessage)>,
    index: u16,
    stop: watch::Receiver<bool>,
) -> Source {
    let Position {
        seq,
        coordinates,
        gtid_pos,
    } = saved.position;
    let wanted = view.take_orders();
    Source {
        server_id: preparer.own_server_id,
        preparer,
        queue,
        counters: view.counters.clone(),
        messages,
        index,
        stop,
        position: ReadPosition {
            seq,
            needs_gtid: coordinates.file.is_empty() && !gtid_pos.is_empty(),
            coordinates,
            gtid_pos,
            done: saved.done,
            announced: saved.announced,
            executed: saved.executed,
        },
        options: view.options.clone(),
        is_mysql: false,
        batch: Vec::new(),
        open: None,
        receiver: view.receiver().cloned(),
        orders: wanted,
        holds_stop: watch::Sender::new(false),
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

/// Where a connection begins that has never run.
pub(crate) fn first_start(options: &ConnectionOptions) -> Result<Saved, StartError> {
    let (coordinates, gtid_pos) = match &options.start {
        Some(StartPosition::Coordinates(coordinates)) => (coordinates.clone(), GtidPos::new()),
        Some(StartPosition::Gtid(gtid_pos)) => (Coordinates::new("", 4), gtid_pos.clone()),
        None => {
            return Err(StartError::Config(format!(
                "connection {}: the target holds no position of it, and none is given: set {}.master_log_file and {}.master_log_pos \
                 (or gtid_slave_pos) to where the copy of its data was made",
                options.name, options.name, options.name
            )));
        }
    };
    Ok(Saved {
        position: Position {
            seq: GroupSeq(0),
            coordinates,
            gtid_pos,
        },
        done: GtidSet::new(),
        announced: GtidSet::new(),
        executed: GtidSet::new(),
    })
}

/// `sql_log_bin` is off by courtesy for the engine's own rows; without the privilege they are logged.
fn ignore_denied(error: ClientError) -> Result<tributary_client::OkInfo, ClientError> {
    match error {
        ClientError::Server(server) if server.code == 1227 => Ok(tributary_client::OkInfo::default()),
        error => Err(error),
    }
}

/// The lock that a worker holds as long as it lives.
fn slot_lock(schema: &str, slot: usize) -> String {
    format!("tributary/{schema}/{slot}")
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
            end_leftover(login, &mut worker.client, &slot_lock(&settings.schema, slot)).await?;
        }
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

/// Takes the lock that says: an engine works on this target.
async fn hold_target(login: &mut Client, schema: &str) -> Result<(), StartError> {
    let name = format!("tributary/{schema}");
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    if take_lock(login, &name, 3).await.map_err(failed)? {
        return Ok(());
    }
    let holder = format!(
        "SELECT ID,IF(COMMAND='Sleep',TIME,0) FROM information_schema.PROCESSLIST WHERE ID=IS_USED_LOCK('{name}')"
    );
    let holder = login.query(holder.as_bytes()).await.map_err(failed)?;
    let text = |index: usize| holder.rows.first().and_then(|row| row.text(index));
    let silence = Duration::from_secs(text(1).and_then(|text| text.parse().ok()).unwrap_or(0));
    if silence >= SILENCE_MAX {
        tracing::warn!("taking over from an engine that has been silent for {silence:?}");
        end_holder(login, &name).await.map_err(failed)?;
        if take_lock(login, &name, LEFTOVERS_WAIT.as_secs())
            .await
            .map_err(failed)?
        {
            return Ok(());
        }
    }
    Err(StartError::Held(format!(
        "another engine works on this target with the schema {schema} (its session there has number {}, silent for {} s; from {} s on \
         this one takes over): stop it, or give this one a schema of its own",
        text(0).unwrap_or_else(|| "unknown".to_owned()),
        silence.as_secs(),
        SILENCE_MAX.as_secs(),
    )))
}

/// Ends the session of an earlier engine that still works in a slot: its worker holds a lock as long as it lives.
async fn end_leftover(login: &mut Client, worker: &mut Client, name: &str) -> Result<(), StartError> {
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    end_holder(login, name).await.map_err(failed)?;
    if take_lock(worker, name, LEFTOVERS_WAIT.as_secs())
        .await
        .map_err(failed)?
    {
        return Ok(());
    }
    Err(StartError::Held(format!(
        "a session of an earlier engine still works on the target and does not end within {LEFTOVERS_WAIT:?}"
    )))
}

/// Ends the session that holds a lock, when it has executed what it was sent; its number, if there is one.
async fn end_holder(login: &mut Client, name: &str) -> Result<Option<u32>, ClientError> {
    let busy = format!(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID=IS_USED_LOCK('{name}') AND \
         (COMMAND NOT IN ('Sleep','Killed') OR COMMAND='Sleep' AND TIME_MS<{})",
        LEFTOVER_SILENCE.as_millis()
    );
    let begun = Instant::now();
    // What is broken off in the middle, of tables that cannot be rolled back, would be neither there nor not. Between two packets
    // a session sleeps for a moment.
    while begun.elapsed() < LEFTOVER_WORK_WAIT && !login.query(busy.as_bytes()).await?.rows.is_empty() {
        tokio::time::sleep(LEFTOVER_WORK_PAUSE).await;
    }
    let answer = login
        .query(format!("SELECT IS_USED_LOCK('{name}')").as_bytes())
        .await?;
    let holder = answer.first_text().and_then(|text| text.parse::<u32>().ok());
    if let Some(holder) = holder {
        tracing::warn!(
            session = holder,
            "ending a session that an earlier engine left behind"
        );
        // It may have ended by itself meanwhile.
        let _ = login.execute(format!("KILL {holder}").as_bytes()).await;
    }
    Ok(holder)
}

/// Ends sessions of an earlier engine that had more workers than this one.
async fn end_surplus(login: &mut Client, schema: &str, workers: usize) -> Result<(), StartError> {
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    let names: Vec<String> = (workers..SLOTS_MAX).map(|slot| slot_lock(schema, slot)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let columns: Vec<String> = names
        .iter()
        .map(|name| format!("IS_USED_LOCK('{name}')"))
        .collect();
    let used = format!("SELECT {}", columns.join(","));
    let used = login.query(used.as_bytes()).await.map_err(failed)?;
    let is_used = |index: usize| used.rows.first().is_some_and(|row| row.get(index).is_some());
    for (_, name) in names.into_iter().enumerate().filter(|(index, _)| is_used(*index)) {
        let Some(holder) = end_holder(login, &name).await.map_err(failed)? else {
            continue;
        };
        if !take_lock(login, &name, LEFTOVERS_WAIT.as_secs())
            .await
            .map_err(failed)?
        {
            return Err(StartError::Held(format!(
                "session {holder} of an earlier engine does not end within {LEFTOVERS_WAIT:?}"
            )));
        }
        login
            .query(format!("SELECT RELEASE_LOCK('{name}')").as_bytes())
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn take_lock(client: &mut Client, name: &str, seconds: u64) -> Result<bool, ClientError> {
    let answer = client
        .query(format!("SELECT GET_LOCK('{name}',{seconds})").as_bytes())
        .await?;
    Ok(answer.first_text().as_deref() == Some("1"))
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
