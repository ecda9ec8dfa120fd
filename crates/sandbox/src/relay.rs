//! A TCP relay in front of a server that loses connections, falls silent and delays on command.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes passed on at a time; with a delay, each such chunk waits on its own.
const CHUNK_BYTES: usize = 64 * 1024;

/// Listens on a port of its own and passes bytes to and from a server's port.
///
/// The server's end of a relayed connection is a plain client on 127.0.0.1. Dropping the relay closes everything.
pub struct TcpRelay {
    port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    faults: watch::Sender<Faults>,
    /// Bytes the server may still send before every connection is cut; `None` means any number.
    bytes_left: Mutex<Option<u64>>,
    /// Bytes passed from the server to clients so far.
    bytes_sent: Mutex<u64>,
    connections: Mutex<Connections>,
}

#[derive(Clone, Copy, Default)]
struct Connections {
    now: usize,
    ever: usize,
}

#[derive(Clone, Copy, Default)]
struct Faults {
    /// Grows with every cut: a connection that started under an older number closes.
    cuts: u64,
    stalled: bool,
    refusing: bool,
    delay: Duration,
}

impl TcpRelay {
    /// Starts a relay to `port` on 127.0.0.1. The server need not be up.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(port: u16) -> anyhow::Result<TcpRelay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind a port for the relay")?;
        let own_port = listener.local_addr().context("read the relay's port")?.port();
        let shared = Arc::new(Shared {
            faults: watch::Sender::new(Faults::default()),
            bytes_left: Mutex::new(None),
            bytes_sent: Mutex::new(0),
            connections: Mutex::new(Connections::default()),
        });
        let listener = tokio::spawn(listen(listener, port, shared.clone()));
        Ok(TcpRelay {
            port: own_port,
            shared,
            listener,
        })
    }

    /// The port to connect to instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection that is open now. Later ones work.
    pub fn cut_all(&self) {
        self.shared.cut();
    }

    /// While `true`, connections stay open but no byte passes in either direction: a lost network.
    pub fn stall(&self, stalled: bool) {
        self.shared.faults.send_modify(|faults| faults.stalled = stalled);
    }

    /// While `true`, new connections are closed as soon as they are made: a server that is down.
    pub fn refuse(&self, refusing: bool) {
        self.shared
            .faults
            .send_modify(|faults| faults.refusing = refusing);
    }

    /// Holds every chunk back for `delay`, in both directions.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Cuts every connection once the server has sent exactly `count` more bytes, over all connections together.
    /// Happens once; connections made afterwards work.
    pub fn cut_after_bytes(&self, count: u64) {
        *lock(&self.shared.bytes_left) = Some(count);
    }

    /// Connections open now.
    pub fn connection_count(&self) -> usize {
        lock(&self.shared.connections).now
    }

    /// Connections made since the start, those that were cut included.
    pub fn connections_ever(&self) -> usize {
        lock(&self.shared.connections).ever
    }

    /// Bytes passed from the server to clients since the start.
    pub fn bytes_sent(&self) -> u64 {
        *lock(&self.shared.bytes_sent)
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        // The task owns the connections' tasks, which end with it.
        self.listener.abort();
    }
}

impl Shared {
    fn cut(&self) {
        self.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// How many of `count` bytes may pass, and whether the connections are to be cut after them.
    fn take_bytes(&self, count: usize) -> (usize, bool) {
        let mut left = lock(&self.bytes_left);
        let (passed, is_last) = match *left {
            Some(bytes) if bytes <= count as u64 => {
                *left = None;
                (bytes as usize, true)
            }
            Some(bytes) => {
                *left = Some(bytes - count as u64);
                (count, false)
            }
            None => (count, false),
        };
        *lock(&self.bytes_sent) += passed as u64;
        (passed, is_last)
    }
}

/// No code panics while it holds one of these locks, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(listener: TcpListener, to: u16, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let faults = shared.faults.subscribe();
                if faults.borrow().refusing {
                    continue;
                }
                tasks.spawn(relay(client, to, shared.clone(), faults));
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Counts one connection for as long as it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Counted {
        let mut connections = lock(&shared.connections);
        connections.now += 1;
        connections.ever += 1;
        drop(connections);
        Counted(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.0.connections).now -= 1;
    }
}

async fn relay(client: TcpStream, to: u16, shared: Arc<Shared>, mut faults: watch::Receiver<Faults>) {
    let _counted = Counted::new(shared.clone());
    let cuts = faults.borrow_and_update().cuts;
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else {
        return;
    };
    // Small packets are passed on as they come; the protocol above knows when to wait.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let (up, down) = (faults.clone(), faults.clone());
    tokio::select! {
        // A cut first: it must not lose against a stream that always has bytes.
        biased;
        _ = faults.wait_for(|now| now.cuts != cuts) => {}
        // Either side closing ends both: a half-open connection is of no use to the protocol.
        _ = pump(client_read, server_write, None, up) => {}
        _ = pump(server_read, client_write, Some(&shared), down) => {}
    }
}

/// Passes bytes on until either end closes. `counted` is given for the direction from server to client.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    counted: Option<&Shared>,
    mut faults: watch::Receiver<Faults>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(count @ 1..) = from.read(&mut chunk).await else {
            return;
        };
        let delay = faults.borrow_and_update().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if faults.wait_for(|now| !now.stalled).await.is_err() {
            return;
        }
        let (passed, is_last) = counted.map_or((count, false), |shared| shared.take_bytes(count));
        if to.write_all(&chunk[..passed]).await.is_err() {
            return;
        }
        if let (Some(shared), true) = (counted, is_last) {
            shared.cut();
            // Nothing may follow: the rest of this chunk is lost, and a stream with a gap is no cut stream.
            return;
        }
    }
}
