//! The engine's side: the socket, and what requests become.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use tributary_binlog::GtidPos;
use tributary_control as control;
use tributary_control::{Engine, Place, Refusal, Running, Threads, Until, Variable};
use zeroize::Zeroizing;

use super::{
    ALIVE_INTERVAL, Change, Done, Goal, Io, Names, Outcome, Reply, Request, State, WAIT_SECONDS_MAX, Which,
};
use crate::control::ControlEngine;
use crate::exit::Failure;

/// Most bytes of a request.
const REQUEST_BYTES_MAX: u64 = 256 << 10;
/// Longest time until a request is there, and until a reply is taken.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests at a time; others wait until one is over.
const REQUESTS_MAX: usize = 32;
/// How many of them may be waits, so that there is room for others.
const WAITS_MAX: usize = 24;
/// Pause after the system refused a connection, so that a lack of file descriptors is not made worse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How often it is looked whether a connection has come to its GTIDs.
const LOOK: Duration = Duration::from_millis(10);

/// A socket for commands.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: UnixListener,
    /// Whose socket it is.
    owner: u32,
}

/// Opens the socket at `path`, which nothing else uses. Only this user may connect.
///
/// # Errors
/// A [`Failure`] when it cannot be opened.
pub(crate) fn listen(path: &Path) -> Result<Listener, Failure> {
    let failed =
        |error: io::Error| Failure::failed(format!("open command socket {}: {error}", path.display()));
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let owner = fs::metadata(path).map_err(failed)?.uid();
    Ok(Listener { listener, owner })
}

/// Serves requests until it is dropped.
pub(crate) async fn serve(listener: Listener, commands: Arc<Commands>) {
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    let owner = listener.owner;
    loop {
        // It is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        match listener.listener.accept().await {
            Ok((stream, _)) => {
                let commands = commands.clone();
                tokio::spawn(async move {
                    if let Err(error) = one_request(stream, owner, &commands).await {
                        warn!(%error, "command socket");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "accept on the command socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn one_request(stream: UnixStream, owner: u32, commands: &Commands) -> io::Result<()> {
    // The mode of the file says the same; here it does not matter when it was set.
    let peer = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    if !may_command(peer, owner) {
        let refused = Done::refused(None, None, "only the user that runs the engine may command it");
        return reply(&mut writer, vec![refused]).await;
    }
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX));
    let mut line = Zeroizing::new(Vec::new());
    let read = timeout(TRANSFER_TIMEOUT, reader.read_until(b'\n', &mut line)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let request = match serde_json::from_slice::<Request>(&line) {
        Ok(request) if line.ends_with(b"\n") => request,
        // Nothing of the request is repeated: it may hold a password.
        _ => {
            let refused = Done::refused(
                None,
                None,
                "the request is not understood; is this the program that runs?",
            );
            return reply(&mut writer, vec![refused]).await;
        }
    };
    info!(uid = peer, "command: {}", in_words(&request));
    let is_wait = matches!(request, Request::Wait { .. });
    let mut answer = std::pin::pin!(commands.answer(request));
    let mut alive = tokio::time::interval_at(Instant::now() + ALIVE_INTERVAL, ALIVE_INTERVAL);
    let mut rest = Vec::new();
    let results = loop {
        tokio::select! {
            // What is done is told first; that somebody went away ends a wait, and nothing else.
            biased;
            results = &mut answer => break results,
            _ = reader.read_until(b'\n', &mut rest), if is_wait => return Ok(()),
            // Blanks in front of the reply say that it is being worked on.
            _ = alive.tick() => { let _ = timeout(TRANSFER_TIMEOUT, writer.write_all(b"\n")).await; }
        }
    };
    reply(&mut writer, results).await
}

/// Whether a user may command the engine of another: root may.
fn may_command(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

async fn reply(writer: &mut (impl AsyncWriteExt + Unpin), results: Vec<Done>) -> io::Result<()> {
    let mut text = serde_json::to_vec(&Reply { results })?;
    text.push(b'\n');
    let write = async {
        writer.write_all(&text).await?;
        writer.shutdown().await
    };
    // A client that went away has nothing to know.
    let _ = timeout(TRANSFER_TIMEOUT, write).await;
    Ok(())
}

/// A request without what may be secret, for the log.
fn in_words(request: &Request) -> String {
    let names = |names: &Names| match names {
        Names::All => "all".to_owned(),
        Names::These(names) => format!("{names:?}"),
    };
    match request {
        Request::Start { names: which, .. } => format!("start {}", names(which)),
        Request::Stop { names: which, .. } => format!("stop {}", names(which)),
        Request::Reset { name, all: true } => format!("reset {name:?}, all of it"),
        Request::Reset { name, .. } => format!("reset {name:?}"),
        Request::Change { name, .. } => format!("change {name:?}"),
        Request::Skip { name, count } => format!("skip {count} on {name:?}"),
        Request::Wait { name: Some(name), .. } => format!("wait for {name:?}"),
        Request::Wait { .. } => "wait".to_owned(),
    }
}

/// What requests become.
pub(crate) struct Commands {
    /// Set when the engine has started.
    engine: OnceLock<Arc<ControlEngine>>,
    /// Connections, in lower case, that somebody has stopped, or told to stop.
    held: Mutex<HashSet<String>>,
    /// Room for waits.
    waits: Semaphore,
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            engine: OnceLock::new(),
            held: Mutex::default(),
            waits: Semaphore::new(WAITS_MAX),
        }
    }
}

impl Commands {
    /// From now on requests are carried out.
    pub(crate) fn begin(&self, engine: Arc<ControlEngine>) {
        let _ = self.engine.set(engine);
    }

    /// Whether connections stand because somebody said so.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held().is_empty()
    }

    /// Whether this connection stands because somebody said so.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.held().contains(&name.to_ascii_lowercase())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request) -> Vec<Done> {
        let Some(engine) = self.engine.get() else {
            let text = "the engine is starting; try again when `tributary status` shows its connections";
            return vec![Done::refused(None, None, text)];
        };
        match request {
            Request::Start {
                names,
                threads,
                until,
            } => self.start(engine, names, threads, until).await,
            Request::Stop { names, threads } => self.stop(engine, names, threads).await,
            Request::Reset { name, all } => vec![self.reset(engine, &name, all).await],
            Request::Change { name, change } => vec![change_source(engine, &name, *change).await],
            Request::Skip { name, count } => vec![skip(engine, &name, count).await],
            Request::Wait { name, goal, seconds } => {
                let Ok(_room) = self.waits.try_acquire() else {
                    let text = format!("{WAITS_MAX} commands wait already; try again when one has ended");
                    return vec![Done::refused(None, None, text)];
                };
                let timeout = Duration::from_secs(seconds.min(WAIT_SECONDS_MAX));
                vec![wait(engine, name.as_deref(), goal, timeout).await]
            }
        }
    }

    async fn start(
        &self,
        engine: &ControlEngine,
        names: Names,
        threads: Which,
        until: Option<Goal>,
    ) -> Vec<Done> {
        let until = match until.map(until_of).transpose() {
            Ok(until) => until,
            Err(refused) => return vec![refused],
        };
        let mut results = Vec::new();
        for name in names_of(engine, names) {
            if let Err(refused) = known(engine, &name) {
                results.push(refused);
                continue;
            }
            let asked = threads_of(threads);
            let before = state(engine, &name);
            if until.is_some() {
                // One that stops where it was told to has not failed.
                self.held().insert(name.to_ascii_lowercase());
            }
            let started = engine.start(&name, asked, until.clone()).await;
            let runs_whole = before.is_some_and(|before| {
                (asked.io || before.io != Io::Stopped) && (asked.sql || before.is_applying)
            });
            if started.is_ok() && until.is_none() && runs_whole {
                self.held().remove(&name.to_ascii_lowercase());
            }
            results.push(done(engine, &name, started));
        }
        results
    }

    async fn stop(&self, engine: &ControlEngine, names: Names, threads: Which) -> Vec<Done> {
        let mut results = Vec::new();
        for name in names_of(engine, names) {
            if let Err(refused) = known(engine, &name) {
                results.push(refused);
                continue;
            }
            // Before it stops: somebody looks whether all have failed.
            self.held().insert(name.to_ascii_lowercase());
            let stopped = engine.stop(&name, threads_of(threads)).await;
            results.push(done(engine, &name, stopped));
        }
        results
    }

    async fn reset(&self, engine: &ControlEngine, name: &str, all: bool) -> Done {
        if let Err(refused) = known(engine, name).and_then(|()| keeps(engine, name)) {
            return refused;
        }
        let reset = engine.reset(name, all).await;
        if reset.is_ok() && all {
            self.held().remove(&name.to_ascii_lowercase());
        }
        done(engine, name, reset)
    }
}

async fn change_source(engine: &ControlEngine, name: &str, change: Change) -> Done {
    if let Err(refused) = keeps(engine, name) {
        return refused;
    }
    // The default connection has none.
    if !name.is_empty()
        && let Err(text) = crate::config::check_connection_name(name)
    {
        return Done::refused(Some(name), None, text);
    }
    let changed = match change.into_statement() {
        Ok(change) => engine.change_master(name, change).await,
        Err(refusal) => Err(refusal),
    };
    done(engine, name, changed)
}

async fn skip(engine: &ControlEngine, name: &str, count: u64) -> Done {
    if let Err(refused) = known(engine, name) {
        return refused;
    }
    let counter = Variable::SqlSlaveSkipCounter;
    let set = engine.set(name, counter, Some(count.to_string())).await;
    done(engine, name, set)
}

async fn wait(engine: &ControlEngine, name: Option<&str>, goal: Goal, timeout: Duration) -> Done {
    if let Some(refused) = name.and_then(|name| known(engine, name).err()) {
        return refused;
    }
    let outcome = match (until_of(goal), name) {
        (Err(refused), _) => return refused,
        (Ok(Until::Place(place)), Some(name)) => {
            match engine.wait_for_place(name, place, Some(timeout)).await {
                None => Outcome::NotApplying,
                Some(events) if events < 0 => Outcome::NotReached,
                Some(_) => Outcome::Reached,
            }
        }
        (Ok(Until::Gtid(position)), None) => match engine.wait_for_gtid(position, Some(timeout)).await {
            true => Outcome::Reached,
            false => Outcome::NotReached,
        },
        (Ok(Until::Gtid(position)), Some(name)) => wait_for_own_gtid(engine, name, &position, timeout).await,
        (Ok(_), _) => return Done::refused(None, None, "name the connection whose source has the file"),
    };
    Done {
        name: name.map(str::to_owned),
        outcome,
        number: None,
        message: None,
        notes: Vec::new(),
        state: name.and_then(|name| state(engine, name)),
    }
}

async fn wait_for_own_gtid(
    engine: &ControlEngine,
    name: &str,
    position: &GtidPos,
    timeout: Duration,
) -> Outcome {
    let deadline = Instant::now() + timeout;
    loop {
        let own = engine.gtid_pos_of(name).unwrap_or_default();
        let has = |gtid: tributary_binlog::Gtid| {
            own.get(gtid.domain)
                .is_some_and(|own| own.sequence >= gtid.sequence)
        };
        if position.iter().all(has) {
            return Outcome::Reached;
        }
        if !state(engine, name).is_some_and(|state| state.is_applying) {
            return Outcome::NotApplying;
        }
        if Instant::now() >= deadline {
            return Outcome::NotReached;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The connections that are meant; all of them in the order of their names.
fn names_of(engine: &ControlEngine, names: Names) -> Vec<String> {
    match names {
        Names::All => engine
            .status()
            .into_iter()
            .map(|status| status.connection_name)
            .collect(),
        Names::These(names) => names,
    }
}

fn threads_of(threads: Which) -> Threads {
    match threads {
        Which {
            io: false,
            sql: false,
        } => Threads::BOTH,
        Which { io, sql } => Threads { io, sql },
    }
}

fn until_of(goal: Goal) -> Result<Until, Done> {
    match goal {
        Goal::Place { file, offset } => Ok(Until::Place(Place { file, offset })),
        Goal::Gtid(text) => match text.parse::<GtidPos>() {
            Ok(position) if !position.is_empty() => Ok(Until::Gtid(position)),
            _ => {
                let text = "write GTIDs as DOMAIN-SERVER-SEQUENCE, one for each domain, separated by commas";
                Err(Done::refused(None, None, text))
            }
        },
    }
}

/// Says so if there is no such connection.
fn known(engine: &ControlEngine, name: &str) -> Result<(), Done> {
    if state(engine, name).is_some() {
        return Ok(());
    }
    let names: Vec<String> = engine
        .status()
        .into_iter()
        .map(|status| format!("'{}'", status.connection_name))
        .collect();
    let others = match names.as_slice() {
        [] => "there is none at all".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    let text = format!("there is no connection '{name}'; {others}");
    Err(Done::refused(Some(name), Some(1617), text))
}

/// Says so if connections are those of the option files and nothing else.
fn keeps(engine: &ControlEngine, name: &str) -> Result<(), Done> {
    if engine.keeps_changes() {
        return Ok(());
    }
    let text = "the engine has its connections from the option files alone: change these and start it again, or set control_socket or \
        control_port, with which connections are changed while it runs";
    Err(Done::refused(Some(name), None, text))
}

fn state(engine: &ControlEngine, name: &str) -> Option<State> {
    let all = engine.status();
    let status = all
        .iter()
        .find(|status| status.connection_name.eq_ignore_ascii_case(name))?;
    Some(State {
        io: match status.slave_io_running {
            Running::No => Io::Stopped,
            Running::Connecting | Running::Preparing => Io::Connecting,
            Running::Yes => Io::Receiving,
        },
        is_applying: status.slave_sql_running,
    })
}

fn done(engine: &ControlEngine, name: &str, outcome: control::Outcome) -> Done {
    match outcome {
        Ok(notes) => Done {
            name: Some(name.to_owned()),
            outcome: Outcome::Done,
            number: None,
            message: None,
            notes: notes.into_iter().map(|note| note.message).collect(),
            state: state(engine, name),
        },
        Err(refusal) => Done {
            state: state(engine, name),
            ..Done::refused(Some(name), Some(refusal.code), message(name, refusal))
        },
    }
}

/// The text of a refusal, where the statement's own means a statement.
fn message(name: &str, refusal: Refusal) -> String {
    match refusal.code {
        1198 => format!("it runs; stop it first: tributary stop '{name}'"),
        _ => refusal.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_user_and_root_may_command_it() {
        assert!(may_command(1000, 1000) && may_command(0, 1000) && may_command(0, 0));
        assert!(!may_command(1001, 1000) && !may_command(1000, 0));
    }

    /// What the socket says to `request`.
    async fn told(path: &Path, request: &[u8]) -> Reply {
        let mut stream = UnixStream::connect(path).await.unwrap();
        // The other side may have heard enough.
        let _ = stream.write_all(request).await;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_nothing_of_it_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let serving = tokio::spawn(serve(listener, Arc::default()));
        // As long as may be, and not at its end.
        let long = vec![b' '; usize::try_from(REQUEST_BYTES_MAX).unwrap()];
        for request in [
            &b"geheim\n"[..],
            b"{\"command\":\"geheim\"}\n",
            b"\n",
            b"\xff\xfe\n",
            &long,
        ] {
            let reply = told(&path, request).await;
            assert_eq!(reply.results[0].outcome, Outcome::Refused);
            let message = reply.results[0].message.clone().unwrap();
            assert!(message.starts_with("the request is not understood"), "{message}");
            assert!(!message.contains("geheim"));
        }
        // Somebody who says nothing is in nobody's way.
        let _silent = UnixStream::connect(&path).await.unwrap();
        let early = told(&path, b"{\"command\":\"skip\",\"name\":\"m\",\"count\":1}\n").await;
        let message = early.results[0].message.clone().unwrap();
        assert!(message.starts_with("the engine is starting"), "{message}");
        serving.abort();
    }
}
