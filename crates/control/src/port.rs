//! Where clients come in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::peer::{Peer, Socket};
use crate::relay::{Relay, refusal};
use crate::tls::Tls;

/// How long the target may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// `ER_CON_COUNT_ERROR`.
const TOO_MANY: u16 = 1040;

/// `ER_SERVER_SHUTDOWN`: clients know it as an error that passes, and refuse a number of their own from a server.
const NOT_REACHED: u16 = 1053;

/// Pause after a connection could not be accepted: for want of file descriptors, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server behind the port.
#[derive(Debug, Clone)]
pub enum Target {
    /// Host and port.
    Tcp(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// Bounds of a port.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients at a time; others get error 1040. Memory: up to 2 MiB each, 34 MiB while one sends a text of up to
    /// 16 MiB, and what an answer to a statement about replication takes.
    pub connections_max: usize,
    /// A connection on which nothing moves for so long is ended.
    pub silence_max: Duration,
    /// A client that takes nothing for so long of what there is for it is ended: the server's `net_write_timeout`.
    pub write_wait_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 151,
            silence_max: Duration::from_secs(8 * 3600),
            write_wait_max: Duration::from_secs(60),
        }
    }
}

/// A listening port. Dropping it ends all its connections.
#[derive(Debug)]
pub struct ControlPort {
    listeners: Vec<Listener>,
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl ControlPort {
    /// Listens where it is told.
    ///
    /// # Errors
    /// When a place is taken or not allowed.
    pub async fn listen(tcp: Option<(&str, u16)>, socket: Option<&Path>) -> io::Result<Self> {
        let mut listeners = Vec::new();
        if let Some(address) = tcp {
            listeners.push(Listener::Tcp(TcpListener::bind(address).await?));
        }
        if let Some(path) = socket {
            remove_stale(path).await?;
            listeners.push(Listener::Unix(UnixListener::bind(path)?, path.to_owned()));
        }
        Ok(Self { listeners, tls: None })
    }

    /// Offers TLS to clients.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// The TCP port, if there is one.
    #[must_use]
    pub fn tcp_port(&self) -> Option<u16> {
        self.listeners.iter().find_map(|listener| match listener {
            Listener::Tcp(listener) => Some(listener.local_addr().ok()?.port()),
            Listener::Unix(..) => None,
        })
    }

    /// Serves clients for ever.
    pub async fn serve<E: Engine>(self, target: Target, engine: Arc<E>, limits: Limits) {
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let mut serving = JoinSet::new();
        for listener in self.listeners {
            let (target, engine, room) = (target.clone(), engine.clone(), room.clone());
            serving.spawn(serve_one(
                listener,
                self.tls.clone(),
                target,
                engine,
                room,
                limits,
            ));
        }
        while serving.join_next().await.is_some() {}
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // It may have been removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A socket that nobody listens on is what an engine has left that was killed.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("somebody listens on {}", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

async fn serve_one<E: Engine>(
    listener: Listener,
    tls: Option<Tls>,
    target: Target,
    engine: Arc<E>,
    room: Arc<Semaphore>,
    limits: Limits,
) {
    let mut clients = JoinSet::new();
    // Nobody listens in on a unix socket.
    let needs_tls = matches!(listener, Listener::Tcp(_)) && tls.as_ref().is_some_and(Tls::is_required);
    loop {
        while clients.try_join_next().is_some() {}
        let accepted: io::Result<Box<dyn Socket>> = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // Statements are short, and their answers are waited for.
                let _ = stream.set_nodelay(true);
                Box::new(stream) as Box<dyn Socket>
            }),
            Listener::Unix(listener, _) => listener
                .accept()
                .await
                .map(|(stream, _)| Box::new(stream) as Box<dyn Socket>),
        };
        let mut client = match accepted {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!("control port: accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            clients.spawn(async move {
                let _ = client.write_all(&refusal(TOO_MANY, "Too many connections")).await;
            });
            continue;
        };
        let (target, engine, tls) = (target.clone(), engine.clone(), tls.clone());
        clients.spawn(async move {
            if let Err(error) = one_client(client, (tls, needs_tls), &target, engine, limits).await {
                tracing::debug!("control port: {error}");
            }
            drop(place);
        });
    }
}

async fn one_client<E: Engine>(
    mut client: Box<dyn Socket>,
    (tls, needs_tls): (Option<Tls>, bool),
    target: &Target,
    engine: Arc<E>,
    limits: Limits,
) -> io::Result<()> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(target)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let target = match connected {
        Ok(target) => target,
        Err(error) => {
            let message = format!("Tributary cannot reach the target: {error}");
            return client.write_all(&refusal(NOT_REACHED, &message)).await;
        }
    };
    let client = Peer::new(client, limits.write_wait_max);
    // A statement that waits for locks may keep the target from reading on, of a file for one.
    let target = Peer::new(target, limits.silence_max);
    let relay = Relay::new(client, target, engine).offer(tls, needs_tls);
    relay.run(limits.silence_max).await
}

async fn connect(target: &Target) -> io::Result<Box<dyn Socket>> {
    match target {
        Target::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        Target::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}
