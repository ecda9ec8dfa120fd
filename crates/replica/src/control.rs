//! Single connections of a running engine: started, stopped, changed, made and removed by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tributary_binlog::{Coordinates, GtidPos, GtidSet};
use tributary_client::Client;
use tributary_relaylog::LogView;
use tributary_schedule::GroupSeq;

use crate::config::{ConnectionOptions, Options};
use crate::connection_view::ConnectionView;
use crate::context::quote_text;
use crate::error::StartError;
use crate::heal::Heal;
use crate::positions::{self, Saved};
use crate::progress::Position;
use crate::replicator::{Shared, check_connection, warn_of_open_source};
use crate::session::{Request, own_login};
use crate::source::{StreamStart, has_reached};
use crate::status::{ConnectionState, ConnectionStatus, IoState, SqlState, ThreadRun};

/// How often it is looked whether a connection has come to a place, or to rest.
const LOOK: Duration = Duration::from_millis(2);

/// How long a start waits for the target, where somebody may hold all tables locked.
const START_WAIT: Duration = Duration::from_secs(5);

/// How long a stream may take to end that has been told to.
const STREAM_END_WAIT: Duration = Duration::from_secs(10);

/// Which threads of a connection. Without a relay log, there is one for both: it runs if either is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Threads {
    /// That which receives (`IO_THREAD`).
    pub io: bool,
    /// That which applies (`SQL_THREAD`).
    pub sql: bool,
}

impl Threads {
    /// Both.
    pub const BOTH: Self = Self { io: true, sql: true };
    /// The one that applies.
    pub const SQL: Self = Self { io: false, sql: true };
}

/// Where applying ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Behind the group that reaches this place in the source's binlog.
    Coordinates(Coordinates),
    /// Behind the groups with these GTIDs.
    Gtid(GtidPos),
    /// Behind the group that reaches this place in the relay log; at once where the name is none of its files'.
    RelayLog(Coordinates),
}

/// Why a connection was not started, stopped or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is none of this name.
    #[error("there is no connection '{0}'")]
    Unknown(String),
    /// It must be stopped first.
    #[error("connection '{0}' runs: stop it first")]
    Running(String),
    /// It cannot run as it is, or the target is in the way.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The target has refused a statement of the engine's own.
    #[error("target: {0}")]
    Target(#[from] tributary_client::Error),
    /// There is no room for more.
    #[error("there are {0} connections, which is as many as there may be")]
    TooMany(usize),
    /// A thread has not ended in time.
    #[error("connection '{0}' does not stop")]
    Stuck(String),
}

/// A connection, with what it was told.
#[derive(Debug, Clone)]
pub struct ConnectionDetail {
    /// Its options.
    pub options: ConnectionOptions,
    /// What it does.
    pub status: ConnectionStatus,
    /// What receives, if it runs.
    pub io_thread: Option<ThreadRun>,
    /// What applies, if it runs.
    pub sql_thread: Option<ThreadRun>,
    /// Where applying ends by itself.
    pub until: Option<Until>,
    /// Events that the next start passes over.
    pub skip_events: u64,
}

/// Starts, stops and changes connections of a running engine. One statement at a time; others wait.
#[derive(Debug, Clone)]
pub struct Controller {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    /// Held while a statement is carried out.
    turn: tokio::sync::Mutex<()>,
}

impl Controller {
    pub(crate) fn new(options: Options, shared: Arc<Shared>, requests: mpsc::Sender<Request>) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                shared,
                requests,
                turn: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// All connections, in the order in which they were made.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionDetail> {
        self.inner
            .shared
            .views()
            .all()
            .iter()
            .map(|view| detail(view))
            .collect()
    }

    /// The connection of this name, in letters of either case.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<ConnectionDetail> {
        self.inner.shared.views().find(name).map(|view| detail(&view))
    }

    /// The engine's account on the target.
    #[must_use]
    pub fn target_user(&self) -> &str {
        &self.inner.options.target.login.user
    }

    /// The target's numbers of the sessions that apply; none while it cannot be reached.
    #[must_use]
    pub fn worker_sessions(&self) -> Vec<u32> {
        self.inner.shared.worker_sessions()
    }

    /// The relay log of a connection, to look at. `None`: there is no such connection, or it has none, or has not been started.
    #[must_use]
    pub fn relay_log(&self, name: &str) -> Option<LogView> {
        let view = self.inner.shared.views().find(name)?;
        view.receiver().map(|receiver| receiver.view.clone())
    }

    /// Starts threads of a connection; those that run go on. `until` counts if the thread that applies is started.
    ///
    /// Returns when they run; that the source is reached is not waited for.
    ///
    /// # Errors
    /// When there is no such connection, or it cannot begin where it stands.
    pub async fn start(
        &self,
        name: &str,
        threads: Threads,
        until: Option<Until>,
    ) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        if threads.sql {
            view.stays_stopped();
        }
        self.start_threads(&view, threads, until).await
    }

    /// Starts a connection that has stopped by an error that time heals.
    pub(crate) async fn start_again(&self, view: &Arc<ConnectionView>) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        // It may have been stopped, started, changed or removed meanwhile.
        let is_current = self
            .view(&view.options.name)
            .is_ok_and(|current| Arc::ptr_eq(&current, view));
        if !is_current || view.heals_in().is_none() {
            return Ok(());
        }
        let begin = |state: &mut ConnectionState| state.heal.iter_mut().for_each(Heal::begin);
        view.counters.update(begin);
        let error = view.counters.state().sql_error;
        let started = self.start_threads(view, Threads::SQL, view.wanted().until).await;
        if started.is_err() {
            view.counters.update(|state| {
                state.sql_error = error;
                state.heal = state
                    .heal
                    .take()
                    .and_then(|heal| heal.put_off(std::time::Instant::now()));
            });
        }
        started
    }

    async fn start_threads(
        &self,
        view: &Arc<ConnectionView>,
        threads: Threads,
        until: Option<Until>,
    ) -> Result<(), ControlError> {
        let running = running(view);
        let lives = view.lives();
        let threads = with_both(view, threads);
        let all = Threads {
            io: running.io || threads.io,
            sql: running.sql || threads.sql,
        };
        let until = if running.sql { view.wanted().until } else { until };
        view.counters.update(|state| {
            state.io_error.take_if(|_| threads.io);
            state.sql_error.take_if(|_| threads.sql);
        });
        view.want(all, until.clone());
        let (opened, server_id) = (view.clone(), self.inner.options.server_id);
        let opening = tokio::task::spawn_blocking(move || opened.open_relay_log(server_id));
        let result = match opening.await {
            Ok(Ok(())) => self.begin(view, lives, running, all).await,
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(StartError::Config(format!("open the relay log: {error}")).into()),
        };
        if result.is_err() {
            view.want(running, until);
        }
        result
    }

    async fn begin(
        &self,
        view: &Arc<ConnectionView>,
        lives: u64,
        running: Threads,
        all: Threads,
    ) -> Result<(), ControlError> {
        if let Some(receiver) = view.receiver()
            && all.io
            && !running.io
        {
            receiver.receive(true);
        }
        if all.sql && running != all {
            let (reply, answer) = oneshot::channel();
            let request = match running.sql {
                // A life ends with its stream, if that ends inside a group.
                true => Request::JoinIfEnded(view.clone(), reply),
                false => Request::Join(view.clone(), lives, reply),
            };
            if self.inner.requests.send(request).await.is_ok()
                && let Ok(Ok(joined)) = tokio::time::timeout(START_WAIT, answer).await
            {
                joined?;
            }
            // Otherwise the target is away or locked, and the connection takes part when it is not.
        } else if let Some(receiver) = view.receiver()
            && all.io
            && !running.io
            && !running.sql
        {
            let start = self.stream_start(view).await?;
            // Nobody reads yet, but the stream begins there.
            if let Some(reader) = receiver.read_from(start, None).await {
                view.stands_in_relay_log(reader.place());
            }
        }
        Ok(())
    }

    /// Where the stream of a connection begins that is not applied.
    async fn stream_start(&self, view: &ConnectionView) -> Result<StreamStart, ControlError> {
        let mut login = own_login(&self.inner.options).await?;
        let saved = self.saved(&mut login, view).await?;
        let Position {
            coordinates,
            gtid_pos,
            ..
        } = saved.position;
        Ok(StreamStart {
            needs_gtid: coordinates.file.is_empty() && !gtid_pos.is_empty(),
            coordinates,
            gtid_pos,
        })
    }

    async fn saved(&self, login: &mut Client, view: &ConnectionView) -> Result<Saved, ControlError> {
        let schema = &self.inner.options.target.schema;
        let saved = positions::load(login, schema, &view.options.name).await?;
        match saved.map_err(StartError::Config)? {
            Some(saved) => Ok(saved),
            None => Ok(crate::session::first_start(&view.options)?),
        }
    }

    /// Stops threads of a connection, at the end of a group. Returns when they have ended.
    ///
    /// # Errors
    /// When there is no such connection, or its stream does not end.
    pub async fn stop(&self, name: &str, threads: Threads) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        let running = running(&view);
        let threads = with_both(&view, threads);
        let left = Threads {
            io: running.io && !threads.io,
            sql: running.sql && !threads.sql,
        };
        if threads.sql {
            view.stays_stopped();
            let (reply, done) = oneshot::channel();
            if self
                .inner
                .requests
                .send(Request::Leave(view.clone(), reply))
                .await
                .is_ok()
            {
                // Its sender is dropped when all is done. Where somebody holds all tables locked, that is later.
                let _ = tokio::time::timeout(self.inner.options.apply.stop_timeout, done).await;
            }
        }
        if let Some(receiver) = view.receiver()
            && threads.io
        {
            receiver.receive(false);
            self.wait_for_stream_end(&view).await?;
        }
        if threads.sql {
            // What was under way may have ended in such an error.
            view.stays_stopped();
        }
        view.want(left, view.wanted().until);
        Ok(())
    }

    async fn wait_for_stream_end(&self, view: &ConnectionView) -> Result<(), ControlError> {
        let deadline = Instant::now() + STREAM_END_WAIT;
        while view.counters.state().io_state != IoState::Stopped {
            if Instant::now() > deadline {
                return Err(ControlError::Stuck(view.options.name.clone()));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Makes a connection, or gives the one of this name other options; it is stopped then. With `place`, it begins there.
    ///
    /// # Errors
    /// When it runs, when its rules make no sense, or when the target does not save the place.
    pub async fn put(
        &self,
        options: ConnectionOptions,
        place: Option<(Coordinates, GtidPos)>,
    ) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        check_connection(&options, &self.inner.options.target.schema)?;
        warn_of_open_source(&options);
        let shared = &self.inner.shared;
        let before = shared.views().find(&options.name);
        let number = match &before {
            Some(view) => {
                refuse_running(view)?;
                close(view).await;
                Some(view.number)
            }
            None => shared.views().free_number(),
        };
        let Some(number) = number else {
            return Err(ControlError::TooMany(shared.views().all().len()));
        };
        let view = Arc::new(ConnectionView::new(number, options, Threads::default()));
        if let Some(before) = &before {
            view.counters.groups.go_on_from(&before.counters.groups);
            // From another place on they would be other events.
            if place.is_none() {
                view.skip_events(before.wanted().skip_events.load(Ordering::Relaxed));
            }
        }
        match (place, before.and_then(|before| before.position())) {
            (Some((coordinates, gtid_pos)), _) => self.save(&view, coordinates, gtid_pos).await?,
            (None, Some(position)) => {
                view.reads_from(&position);
                view.stands_at(position);
            }
            (None, None) => self.recall(&view).await?,
        }
        shared.watch(&view);
        shared.views().put(view);
        Ok(())
    }

    /// Learns where a connection stands that an earlier engine had.
    async fn recall(&self, view: &ConnectionView) -> Result<(), ControlError> {
        let mut login = own_login(&self.inner.options).await?;
        let schema = &self.inner.options.target.schema;
        let saved = positions::load(&mut login, schema, &view.options.name).await?;
        if let Some(saved) = saved.map_err(StartError::Config)? {
            view.reads_from(&saved.position);
            view.stands_at(saved.position);
        }
        Ok(())
    }

    /// Has a stopped connection begin at another place. What is `None` stays.
    ///
    /// # Errors
    /// When it is unknown or runs, or when the target does not save the place.
    pub async fn move_to(
        &self,
        name: &str,
        coordinates: Option<Coordinates>,
        gtid_pos: Option<GtidPos>,
    ) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        refuse_running(&view)?;
        let before = view.position();
        let nowhere = || (Coordinates::new("", 4), GtidPos::new());
        let (old, old_gtid) =
            before.map_or_else(nowhere, |position| (position.coordinates, position.gtid_pos));
        self.save(&view, coordinates.unwrap_or(old), gtid_pos.unwrap_or(old_gtid))
            .await
    }

    /// Writes a place down, as the newest there is.
    async fn save(
        &self,
        view: &ConnectionView,
        coordinates: Coordinates,
        gtid_pos: GtidPos,
    ) -> Result<(), ControlError> {
        let Options { target, apply, .. } = &self.inner.options;
        view.stays_stopped();
        let mut login = own_login(&self.inner.options).await?;
        let before = positions::load(&mut login, &target.schema, &view.options.name).await?;
        let before = before.map_err(StartError::Config)?;
        let known = [before.map(|saved| saved.position), view.position()];
        let newest = known
            .into_iter()
            .flatten()
            .map(|position| position.seq.0 + 1)
            .max();
        let seq = newest.unwrap_or(0);
        let position = Position {
            seq: GroupSeq(seq),
            coordinates,
            gtid_pos,
        };
        let saved = Saved {
            position: position.clone(),
            done: GtidSet::new(),
            announced: GtidSet::new(),
            executed: GtidSet::new(),
            begun: GtidSet::new(),
        };
        let rows = u16::try_from(apply.workers.max(1) + 1).unwrap_or(u16::MAX);
        let epoch = self.inner.shared.epoch();
        positions::save_all(
            &mut login,
            &target.schema,
            &view.options.name,
            &saved,
            (rows, epoch),
        )
        .await?;
        view.reads_from(&position);
        view.stands_at(position);
        Ok(())
    }

    /// Removes a stopped connection, its place and its relay log. What it has brought stays on the target.
    ///
    /// # Errors
    /// When it is unknown or runs, or when the target does not forget it.
    pub async fn remove(&self, name: &str) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        refuse_running(&view)?;
        close(&view).await;
        self.remove_relay_log(&view);
        let mut login = own_login(&self.inner.options).await?;
        let schema = &self.inner.options.target.schema;
        for table in ["position", "temporary_table", "source_columns"] {
            let mut text = format!("DELETE FROM `{schema}`.{table} WHERE connection=").into_bytes();
            quote_text(view.options.name.as_bytes(), &mut text);
            login.execute(&text).await?;
        }
        self.inner.shared.end_watch(view.number, None);
        self.inner.shared.views().remove(view.number);
        Ok(())
    }

    /// Throws away what a stopped connection has received; it is fetched again.
    ///
    /// # Errors
    /// When it is unknown or runs.
    pub async fn forget_received(&self, name: &str) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        refuse_running(&view)?;
        close(&view).await;
        self.remove_relay_log(&view);
        let next = ConnectionView::new(view.number, view.options.clone(), Threads::default());
        if let Some(position) = view.position() {
            next.stands_at(position);
        }
        let next = Arc::new(next);
        self.inner.shared.watch(&next);
        self.inner.shared.views().put(next);
        Ok(())
    }

    fn remove_relay_log(&self, view: &ConnectionView) {
        let Some(relay) = &view.options.relay_log else {
            return;
        };
        match std::fs::remove_dir_all(&relay.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(connection = %view.options.name, "remove {}: {error}", relay.dir.display());
            }
            _ => {}
        }
    }

    /// Passes over so many events at the next start of the thread that applies, to the end of a group (`sql_slave_skip_counter`).
    ///
    /// # Errors
    /// When the connection is unknown, or that thread runs.
    pub async fn skip_events(&self, name: &str, count: u64) -> Result<(), ControlError> {
        let _turn = self.inner.turn.lock().await;
        let view = self.view(name)?;
        if running(&view).sql {
            return Err(ControlError::Running(view.options.name.clone()));
        }
        view.skip_events(count);
        Ok(())
    }

    /// Waits until everything up to a place in the source's binlog is on the target. `None`: applying does not run, or has stopped.
    /// `Some(false)`: not within `timeout`.
    pub async fn wait_for_place(
        &self,
        name: &str,
        place: &Coordinates,
        timeout: Option<Duration>,
    ) -> Option<bool> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let view = self.inner.shared.views().find(name)?;
            if view
                .position()
                .is_some_and(|position| !position.coordinates.is_before(place))
            {
                return Some(true);
            }
            if !running(&view).sql {
                return None;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Some(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until groups with these GTIDs, or later ones, are on the target, whichever connections bring them.
    pub async fn wait_for_gtid(&self, place: &GtidPos, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let position = self.gtid_pos();
            if place.iter().all(|gtid| has_reached(&position, gtid)) {
                return true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The GTID positions of all connections in one.
    #[must_use]
    pub fn gtid_pos(&self) -> GtidPos {
        let mut all = GtidPos::new();
        for view in self.inner.shared.views().all() {
            let Some(position) = view.position() else { continue };
            for gtid in position.gtid_pos.iter() {
                if !has_reached(&all, gtid) {
                    all.advance(gtid);
                }
            }
        }
        all
    }

    fn view(&self, name: &str) -> Result<Arc<ConnectionView>, ControlError> {
        let view = self.inner.shared.views().find(name);
        view.ok_or_else(|| ControlError::Unknown(name.to_owned()))
    }
}

pub(crate) fn detail(view: &ConnectionView) -> ConnectionDetail {
    let (wanted, state) = (view.wanted(), view.counters.state());
    ConnectionDetail {
        options: view.options.clone(),
        status: view.status(),
        io_thread: state.io_thread,
        sql_thread: state.sql_thread,
        until: wanted.until,
        skip_events: wanted.skip_events.load(Ordering::Relaxed),
    }
}

/// What runs: told to, and not stopped since.
fn running(view: &ConnectionView) -> Threads {
    let (wanted, state) = (view.wanted().threads, view.counters.state());
    Threads {
        io: wanted.io && state.io_state != IoState::Stopped,
        sql: wanted.sql && state.sql_state != SqlState::Stopped,
    }
}

/// Without a relay log, both are one.
fn with_both(view: &ConnectionView, threads: Threads) -> Threads {
    match view.options.relay_log {
        None => Threads::BOTH,
        Some(_) => threads,
    }
}

fn refuse_running(view: &ConnectionView) -> Result<(), ControlError> {
    match running(view) == Threads::default() {
        true => Ok(()),
        false => Err(ControlError::Running(view.options.name.clone())),
    }
}

/// Ends what a stopped connection still has open.
async fn close(view: &ConnectionView) {
    if let Some(receiver) = view.receiver() {
        receiver.stop().await;
    }
}
