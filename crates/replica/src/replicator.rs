//! The engine's face to the program around it: start, watch, stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tributary_client::{ConnectOptions, TlsMode};

use crate::applier::ApplierEnd;
use crate::config::{ConnectionOptions, Options};
use crate::connection_view::{ConnectionView, Views};
use crate::control::{ConnectionDetail, Controller, Threads, detail};
use crate::error::StartError;
use crate::heal;
use crate::prepare::SYSTEM_DATABASES;
use crate::report::Reporter;
use crate::retention::Watch;
use crate::session::{Request, Session};
use crate::status::{ErrorStatus, IoState, SqlState, Status, TargetStatus};

/// Pause between attempts to reach the target again; doubles up to [`TARGET_RETRY_MAX`].
const TARGET_RETRY_MIN: Duration = Duration::from_millis(500);

/// Longest pause between attempts to reach the target again.
const TARGET_RETRY_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    workers: usize,
    target: Mutex<TargetStatus>,
    /// The target's numbers of the sessions that apply.
    worker_sessions: Mutex<Vec<Arc<AtomicU32>>>,
    views: Arc<Views>,
    /// Counts the lives with the target; see [`crate::positions`].
    epoch: AtomicU64,
    /// Look after what sources may purge, by the number of the connection.
    watches: Mutex<HashMap<u16, AbortHandle>>,
}

impl Shared {
    fn set_target(&self, state: &'static str, error: Option<ErrorStatus>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = TargetStatus {
            state,
            last_error: error,
        };
    }

    fn set_worker_sessions(&self, sessions: Vec<Arc<AtomicU32>>) {
        *self
            .worker_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sessions;
    }

    pub(crate) fn worker_sessions(&self) -> Vec<u32> {
        let sessions = self
            .worker_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let numbers = sessions.iter().map(|number| number.load(Ordering::Relaxed));
        numbers.collect()
    }

    pub(crate) fn views(&self) -> &Views {
        &self.views
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Looks after what the source of this connection may purge, from here on.
    pub(crate) fn watch(&self, view: &Arc<ConnectionView>) {
        let watch = tokio::spawn(Watch::new(view.clone()).run()).abort_handle();
        self.end_watch(view.number, Some(watch));
    }

    pub(crate) fn end_watch(&self, number: u16, next: Option<AbortHandle>) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match next {
            Some(next) => watches.insert(number, next),
            None => watches.remove(&number),
        };
        if let Some(before) = before {
            before.abort();
        }
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            workers: self.workers,
            target: self.target.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            connections: self.views.all().iter().map(|view| view.status()).collect(),
        }
    }
}

/// Statements about connections that wait for the session with the target; they come one after the other.
const REQUESTS_MAX: usize = 4;

/// A running engine.
///
/// Dropping it ends it at once, as a crash would: what is committed on the target is safe, and the next start goes on
/// from there. [`Replicator::stop`] ends it at group boundaries.
#[derive(Debug)]
pub struct Replicator {
    shared: Arc<Shared>,
    controller: Controller,
    stop: watch::Sender<bool>,
    stop_timeout: Duration,
    task: JoinHandle<bool>,
    has_ended: Arc<AtomicBool>,
}

/// An engine that has not logged in on the target yet, and tells its status already.
#[derive(Debug)]
pub struct Starting {
    options: Options,
    shared: Arc<Shared>,
}

impl Starting {
    /// A handle that tells the status from anywhere, also of the engine that is started.
    #[must_use]
    pub fn status_handle(&self) -> StatusHandle {
        StatusHandle {
            shared: self.shared.clone(),
        }
    }

    /// Logs in on the target, checks it, and starts all connections.
    ///
    /// # Errors
    /// When the target cannot be reached, is not fit, or is held by another engine, or when a connection has no position to
    /// start from. Sources that cannot be reached are no error here: their connections keep trying.
    pub async fn start(self) -> Result<Replicator, StartError> {
        let Self { options, shared } = self;
        let (views, server_id) = (shared.views.all(), options.server_id);
        let opened = tokio::task::spawn_blocking(move || {
            views.iter().try_for_each(|view| view.open_relay_log(server_id))
        });
        opened
            .await
            .map_err(|error| StartError::Config(format!("open the relay logs: {error}")))??;
        let session = Session::open(&options, &shared.views, None).await?;
        let (request_sender, requests) = mpsc::channel(REQUESTS_MAX);
        let controller = Controller::new(options.clone(), shared.clone(), request_sender);
        let (stop, stopped) = watch::channel(false);
        let stop_timeout = options.apply.stop_timeout;
        let has_ended = Arc::new(AtomicBool::new(false));
        let supervision = supervise(
            options,
            shared.clone(),
            session,
            stopped,
            requests,
            has_ended.clone(),
        );
        let healing = heal::watch(controller.clone(), shared.views.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                is_clean = supervision => is_clean,
                () = healing => false,
            }
        });
        Ok(Replicator {
            shared,
            controller,
            stop,
            stop_timeout,
            task,
            has_ended,
        })
    }
}

/// How a stop went.
#[derive(Debug, Clone)]
pub struct StopReport {
    /// Every connection was at a group boundary with its position saved before the deadline.
    pub is_clean: bool,
    /// The last state of everything.
    pub status: Status,
}

impl Replicator {
    /// [`Self::prepare`] and [`Starting::start`] in one.
    ///
    /// # Errors
    /// Theirs.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        Self::prepare(options)?.start().await
    }

    /// Checks what can be checked without the target.
    ///
    /// # Errors
    /// When options contradict each other.
    pub fn prepare(options: Options) -> Result<Starting, StartError> {
        check(&options)?;
        warn_of_open_lines(&options);
        let connections = options
            .connections
            .iter()
            .cloned()
            .zip(0..)
            .map(|(connection, number)| Arc::new(ConnectionView::new(number, connection, Threads::BOTH)))
            .collect();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            workers: options.apply.workers.max(1),
            target: Mutex::default(),
            worker_sessions: Mutex::default(),
            views: Arc::new(Views::new(connections)),
            epoch: AtomicU64::new(0),
            watches: Mutex::default(),
        });
        shared.set_target("connecting", None);
        Ok(Starting { options, shared })
    }

    /// What everything is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// A handle that tells the status from anywhere, as long as the engine lives.
    #[must_use]
    pub fn status_handle(&self) -> StatusHandle {
        StatusHandle {
            shared: self.shared.clone(),
        }
    }

    /// A handle that starts, stops and changes single connections while the engine runs.
    #[must_use]
    pub fn controller(&self) -> Controller {
        self.controller.clone()
    }

    /// Whether the engine has ended, of itself or replaced by another.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Resolves when every connection has been stopped by an error that time does not heal. Cancel-safe.
    pub async fn wait_all_stopped(&self) {
        const POLL: Duration = Duration::from_millis(200);
        while !self.has_ended.load(Ordering::Acquire)
            && !self.shared.views.all().iter().all(|view| view.is_given_up())
        {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops reading, lets what is under way end, saves positions. What has not ended by the deadline
    /// (`stop_timeout`) is cut off; transactional changes are rolled back by that.
    pub async fn stop(mut self) -> StopReport {
        self.stop.send_replace(true);
        let end = tokio::time::timeout(self.stop_timeout, &mut self.task).await;
        let is_clean = matches!(end, Ok(Ok(true)));
        StopReport {
            is_clean,
            status: self.shared.status(),
        }
    }
}

impl Drop for Replicator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the status of an engine.
#[derive(Debug, Clone)]
pub struct StatusHandle {
    shared: Arc<Shared>,
}

impl StatusHandle {
    /// All connections with what they were told, in the order in which they were made.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionDetail> {
        self.shared.views.all().iter().map(|view| detail(view)).collect()
    }

    /// What everything is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }
}

fn check(options: &Options) -> Result<(), StartError> {
    let mut names = std::collections::HashSet::new();
    for connection in &options.connections {
        if !names.insert(&connection.name) {
            return Err(StartError::Config(format!(
                "two connections are named {}",
                connection.name
            )));
        }
        check_connection(connection, &options.target.schema)?;
    }
    if options.target.schema.is_empty()
        || !options
            .target
            .schema
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(StartError::Config(format!(
            "schema '{}': letters, digits and _ are allowed",
            options.target.schema
        )));
    }
    Ok(())
}

pub(crate) fn check_connection(connection: &ConnectionOptions, schema: &str) -> Result<(), StartError> {
    let is_taken = |name: &str| {
        name.eq_ignore_ascii_case(schema)
            || SYSTEM_DATABASES
                .iter()
                .any(|system| system.eq_ignore_ascii_case(name.as_bytes()))
    };
    match connection.rewrite.pairs().find(|(_, to)| is_taken(to)) {
        None => Ok(()),
        Some((_, to)) => Err(StartError::Config(format!(
            "connection {}: replicate_rewrite_db names {to}, which is the engine's own or the target server's",
            connection.name
        ))),
    }
}

/// Says which lines others can listen to, or answer on in a server's stead.
fn warn_of_open_lines(options: &Options) {
    warn_of_open_line("the target", &options.target.login);
    options.connections.iter().for_each(warn_of_open_source);
}

/// The same of a connection's line to its source.
pub(crate) fn warn_of_open_source(connection: &ConnectionOptions) {
    warn_of_open_line(
        &format!("connection {}: the source", connection.name),
        &connection.source,
    );
}

fn warn_of_open_line(what: &str, login: &ConnectOptions) {
    let risk = match login.tls.mode {
        TlsMode::Off => "without TLS: whoever is in between can read and change everything",
        TlsMode::Required => {
            "with TLS, but no certificate is checked: whoever is in between can answer in its stead"
        }
        TlsMode::VerifyCa | TlsMode::VerifyIdentity => return,
    };
    if !login.address.is_local() {
        tracing::warn!(
            "{what} at {} is on another machine and reached {risk}",
            login.address
        );
    }
}

/// Says that the engine has ended, even if it ends by a panic: nothing may look alive that is not.
struct EndGuard {
    shared: Arc<Shared>,
    has_ended: Arc<AtomicBool>,
    is_orderly: bool,
    /// Why it has ended, if not because it was told to.
    reason: Option<ErrorStatus>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let fault = || {
            ErrorStatus::new(
                crate::error::number::UNKNOWN,
                "the engine has ended by a fault of its own; what is saved on the target is right: start it again",
            )
        };
        let error = self.reason.take().or_else(|| (!self.is_orderly).then(fault));
        for view in self.shared.views.all() {
            self.shared.end_watch(view.number, None);
            view.counters.update(|state| {
                (state.io_state, state.sql_state) = (IoState::Stopped, SqlState::Stopped);
                state.sql_error = state.sql_error.take().or_else(|| error.clone());
            });
        }
        self.shared.set_target("stopped", error);
        self.has_ended.store(true, Ordering::Release);
    }
}

/// Lives with the target, again and again, until told to stop. Whether everything was at rest and saved then: a target that is
/// away can save nothing.
async fn supervise(
    options: Options,
    shared: Arc<Shared>,
    first: Session,
    stop: watch::Receiver<bool>,
    mut requests: mpsc::Receiver<Request>,
    has_ended: Arc<AtomicBool>,
) -> bool {
    let mut guard = EndGuard {
        shared: shared.clone(),
        has_ended,
        is_orderly: false,
        reason: None,
    };
    shared.views.all().iter().for_each(|view| shared.watch(view));
    shared.epoch.store(first.epoch(), Ordering::Release);
    let reporter = Reporter::start(&options, shared.clone());
    let mut session = Some(first);
    let mut pause = TARGET_RETRY_MIN;
    let is_clean = loop {
        if let Some(current) = session.take() {
            shared.epoch.store(current.epoch(), Ordering::Release);
            shared.set_target("running", None);
            shared.set_worker_sessions(current.worker_sessions());
            let end = current.run(&shared.views, stop.clone(), &mut requests).await;
            shared.set_worker_sessions(Vec::new());
            match end {
                ApplierEnd::Stopped => break true,
                ApplierEnd::BeginAgain(reason) => {
                    tracing::warn!("beginning again from the saved positions: {}", reason.message);
                    shared.set_target("connecting", Some(reason.status()));
                }
                ApplierEnd::TargetLost(error) => {
                    tracing::warn!(%error, "target lost");
                    let number = crate::error::client_error_number(&error);
                    shared.set_target("connecting", Some(ErrorStatus::new(number, error.to_string())));
                }
            }
            pause = TARGET_RETRY_MIN;
        }
        if has_been_stopped(stop.clone(), &mut requests, pause).await {
            break false;
        }
        pause = (pause * 2).min(TARGET_RETRY_MAX);
        match Session::open(&options, &shared.views, Some(shared.epoch())).await {
            Ok(next) => session = Some(next),
            Err(StartError::Fenced(message)) => {
                tracing::error!("{message}");
                guard.reason = Some(ErrorStatus::new(crate::error::number::REPLICA_FATAL, message));
                // What is not saved is rolled back, or the other engine's to make.
                break true;
            }
            Err(error) => {
                tracing::warn!("{error}");
                shared.set_target(
                    "connecting",
                    Some(ErrorStatus::new(
                        crate::error::number::CANNOT_CONNECT,
                        error.to_string(),
                    )),
                );
            }
        }
    };
    for view in shared.views.all() {
        if let Some(receiver) = view.receiver() {
            receiver.stop().await;
        }
    }
    if let Some(reporter) = reporter {
        reporter.finish().await;
    }
    guard.is_orderly = true;
    is_clean
}

/// Waits without a target. Whether the engine has been told to stop meanwhile; connections take part in the next session as they are
/// told until then.
async fn has_been_stopped(
    mut stop: watch::Receiver<bool>,
    requests: &mut mpsc::Receiver<Request>,
    pause: Duration,
) -> bool {
    let over = tokio::time::sleep(pause);
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return true,
            // Their senders are dropped: there is nothing to wait for.
            Some(_) = requests.recv() => {}
            () = &mut over => return false,
        }
    }
}
