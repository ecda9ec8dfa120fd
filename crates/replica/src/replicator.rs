//! The engine's face to the program around it: start, watch, stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tributary_client::TlsMode;

use crate::applier::ApplierEnd;
use crate::config::{ConnectionOptions, Options};
use crate::error::StartError;
use crate::prepare::SYSTEM_DATABASES;
use crate::receiver::Receiver;
use crate::relay::Used;
use crate::retention::Watch;
use crate::session::Session;
use crate::status::{
    self, ConnectionCounters, ConnectionState, ConnectionStatus, CoordinatesStatus, ErrorStatus, IoState,
    SqlState, Status, TargetStatus,
};
use crate::worker::ConnectionShared;

/// Pause between attempts to reach the target again; doubles up to [`TARGET_RETRY_MAX`].
const TARGET_RETRY_MIN: Duration = Duration::from_millis(500);

/// Longest pause between attempts to reach the target again.
const TARGET_RETRY_MAX: Duration = Duration::from_secs(10);

/// A connection as status sees it, across lives of the target.
#[derive(Debug)]
pub(crate) struct ConnectionView {
    pub(crate) options: ConnectionOptions,
    pub(crate) counters: Arc<ConnectionCounters>,
    /// Receives, if there is a relay log.
    receiver: OnceLock<Arc<Receiver>>,
    current: Mutex<Option<(Arc<ConnectionShared>, Arc<Used>)>>,
}

impl ConnectionView {
    fn new(options: ConnectionOptions) -> Self {
        Self {
            options,
            counters: Arc::new(ConnectionCounters::new()),
            receiver: OnceLock::new(),
            current: Mutex::new(None),
        }
    }

    /// Opens the connection's relay log, if it has one. Blocks: an earlier end of the log is looked at.
    fn open_relay_log(&self, server_id: u32) -> Result<(), StartError> {
        let Some(relay) = &self.options.relay_log else {
            return Ok(());
        };
        let server_id = self.options.server_id.unwrap_or(server_id);
        let receiver = Receiver::start(&self.options, relay, server_id, self.counters.clone())?;
        // It is opened once.
        let _ = self.receiver.set(Arc::new(receiver));
        Ok(())
    }

    /// Who receives, if there is a relay log.
    pub(crate) fn receiver(&self) -> Option<&Arc<Receiver>> {
        self.receiver.get()
    }

    /// The connection has begun a new life.
    pub(crate) fn attach(&self, shared: Arc<ConnectionShared>, used: Arc<Used>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((shared, used));
    }

    /// Whether an error has stopped it for good.
    pub(crate) fn has_stopped(&self) -> bool {
        let state = self.counters.state();
        state.sql_state == SqlState::Stopped
            || (state.io_state == IoState::Stopped && state.io_error.is_some() && !self.has_unapplied(&state))
    }

    /// Whether the relay log has more than the target.
    fn has_unapplied(&self, state: &ConnectionState) -> bool {
        let Some((shared, _)) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner) else {
            return self.receiver().is_some();
        };
        let executed = shared.progress.low_water().coordinates;
        self.receiver().is_some()
            && (&*executed.file, executed.offset) != (state.read.file.as_str(), state.read.offset)
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        let state = self.counters.state();
        let current = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let position = current.as_ref().map(|(shared, _)| shared.progress.low_water());
        let oldest = current
            .as_ref()
            .and_then(|(shared, _)| shared.progress.oldest_open());
        let count = status::count;
        let counters = &self.counters;
        let left_out = counters.left_out();
        ConnectionStatus {
            name: self.options.name.clone(),
            source: self.options.source.address.to_string(),
            io_state: state.io_state,
            sql_state: state.sql_state,
            executed: position.as_ref().map_or_else(
                || CoordinatesStatus {
                    file: String::new(),
                    offset: 0,
                },
                |position| CoordinatesStatus {
                    file: position.coordinates.file.to_string(),
                    offset: position.coordinates.offset,
                },
            ),
            gtid: position.map_or_else(String::new, |position| position.gtid_pos.to_string()),
            read: state.read,
            groups_applied: count(&counters.groups_applied),
            statements_applied: count(&counters.statements_applied),
            rows_applied: count(&counters.rows_applied),
            groups_ignored: count(&counters.groups_ignored),
            skipped: count(&counters.skipped),
            records: counters.records.counts(),
            retried: count(&counters.retried),
            statements_left_out: left_out.accounts + left_out.housekeeping + left_out.system,
            left_out,
            heartbeats: count(&counters.heartbeats),
            seconds_behind: status::seconds_behind(
                state.io_state,
                oldest.map(|(timestamp, _)| timestamp),
                state.clock_difference,
                status::now_seconds(),
            ),
            last_error: state.sql_error.or(state.io_error),
            purge_warning: state.purge_warning,
            queue_groups: current
                .as_ref()
                .map_or(0, |(_, used)| used.groups.load(Ordering::Relaxed)),
            queue_bytes: current
                .as_ref()
                .map_or(0, |(_, used)| used.bytes.load(Ordering::Relaxed)),
            relay_log_bytes: self
                .receiver()
                .map(|receiver| receiver.shared.bytes.load(Ordering::Relaxed)),
        }
    }
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    target: Mutex<TargetStatus>,
    connections: Vec<Arc<ConnectionView>>,
}

impl Shared {
    fn set_target(&self, state: &'static str, error: Option<ErrorStatus>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = TargetStatus {
            state,
            last_error: error,
        };
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            target: self.target.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            connections: self.connections.iter().map(|view| view.status()).collect(),
        }
    }
}

/// A running engine.
///
/// Dropping it ends it at once, as a crash would: what is committed on the target is safe, and the next start goes on
/// from there. [`Replicator::stop`] ends it at group boundaries.
#[derive(Debug)]
pub struct Replicator {
    shared: Arc<Shared>,
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
        let (views, server_id) = (shared.connections.clone(), options.server_id);
        let opened = tokio::task::spawn_blocking(move || {
            views.iter().try_for_each(|view| view.open_relay_log(server_id))
        });
        opened
            .await
            .map_err(|error| StartError::Config(format!("open the relay logs: {error}")))??;
        let session = Session::open(&options, &shared.connections, None).await?;
        let (stop, stopped) = watch::channel(false);
        let stop_timeout = options.apply.stop_timeout;
        let has_ended = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(supervise(
            options,
            shared.clone(),
            session,
            stopped,
            has_ended.clone(),
        ));
        Ok(Replicator {
            shared,
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
            .map(ConnectionView::new)
            .map(Arc::new)
            .collect();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            target: Mutex::default(),
            connections,
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

    /// Resolves when every connection has been stopped by an error. Cancel-safe.
    pub async fn wait_all_stopped(&self) {
        const POLL: Duration = Duration::from_millis(200);
        while !self.has_ended.load(Ordering::Acquire)
            && !self.shared.connections.iter().all(|view| view.has_stopped())
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
        let is_taken = |name: &str| {
            name.eq_ignore_ascii_case(&options.target.schema)
                || SYSTEM_DATABASES
                    .iter()
                    .any(|system| system.eq_ignore_ascii_case(name.as_bytes()))
        };
        if let Some((_, to)) = connection.rewrite.pairs().find(|(_, to)| is_taken(to)) {
            return Err(StartError::Config(format!(
                "connection {}: replicate_rewrite_db names {to}, which is the engine's own or the target server's",
                connection.name
            )));
        }
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

/// Says which lines others can listen to, or answer on in a server's stead.
fn warn_of_open_lines(options: &Options) {
    let sources = options
        .connections
        .iter()
        .map(|c| (format!("connection {}: the source", c.name), &c.source));
    for (what, login) in std::iter::once(("the target".to_owned(), &options.target.login)).chain(sources) {
        let risk = match login.tls.mode {
            TlsMode::Off => "without TLS: whoever is in between can read and change everything",
            TlsMode::Required => {
                "with TLS, but no certificate is checked: whoever is in between can answer in its stead"
            }
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => continue,
        };
        if !login.address.is_local() {
            tracing::warn!(
                "{what} at {} is on another machine and reached {risk}",
                login.address
            );
        }
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
            ErrorStatus {
            number: crate::error::number::UNKNOWN,
            message: "the engine has ended by a fault of its own; what is saved on the target is right: start it again".to_owned(),
        }
        };
        let error = self.reason.take().or_else(|| (!self.is_orderly).then(fault));
        for view in &self.shared.connections {
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
    has_ended: Arc<AtomicBool>,
) -> bool {
    let mut guard = EndGuard {
        shared: shared.clone(),
        has_ended,
        is_orderly: false,
        reason: None,
    };
    let mut watches = JoinSet::new();
    for view in &shared.connections {
        watches.spawn(Watch::new(view.clone()).run());
    }
    let mut epoch = first.epoch();
    let mut session = Some(first);
    let mut pause = TARGET_RETRY_MIN;
    let is_clean = loop {
        if let Some(current) = session.take() {
            shared.set_target("running", None);
            match current.run(&options, stop.clone()).await {
                ApplierEnd::Stopped => break true,
                ApplierEnd::BeginAgain(reason) => {
                    tracing::warn!("beginning again from the saved positions: {}", reason.message);
                    shared.set_target("connecting", Some(reason.status()));
                }
                ApplierEnd::TargetLost(error) => {
                    tracing::warn!(%error, "target lost");
                    let number = crate::error::client_error_number(&error);
                    shared.set_target(
                        "connecting",
                        Some(ErrorStatus {
                            number,
                            message: error.to_string(),
                        }),
                    );
                }
            }
            pause = TARGET_RETRY_MIN;
        }
        let mut told = stop.clone();
        tokio::select! {
            biased;
            _ = told.wait_for(|stop| *stop) => break false,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(TARGET_RETRY_MAX);
        match Session::open(&options, &shared.connections, Some(epoch)).await {
            Ok(next) => {
                epoch = next.epoch();
                session = Some(next);
            }
            Err(StartError::Fenced(message)) => {
                tracing::error!("{message}");
                guard.reason = Some(ErrorStatus {
                    number: crate::error::number::REPLICA_FATAL,
                    message,
                });
                // What is not saved is rolled back, or the other engine's to make.
                break true;
            }
            Err(error) => {
                tracing::warn!("{error}");
                shared.set_target(
                    "connecting",
                    Some(ErrorStatus {
                        number: crate::error::number::CANNOT_CONNECT,
                        message: error.to_string(),
                    }),
                );
            }
        }
    };
    for receiver in shared.connections.iter().filter_map(|view| view.receiver()) {
        receiver.stop().await;
    }
    guard.is_orderly = true;
    is_clean
}
