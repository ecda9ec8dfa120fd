//! A TCP relay in front of a server that loses connections, falls silent and delays on command.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes passed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes on their way in one direction of a connection; when there are as many, no more are read.
const ON_THE_WAY_BYTES_MAX: usize = 32 << 20;

/// Below this delay a millisecond more or less, which the runtime's timer has, would be a different line.
const FINE_DELAY_MAX: Duration = Duration::from_millis(5);

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
    /// Bytes the server may still send before a bit of one is turned; `None`: none is.
    flip_in: Mutex<Option<u64>>,
    /// Bytes passed from the server to clients so far.
    bytes_sent: Mutex<u64>,
    /// The most turns that any connection has taken.
    turns_max: AtomicU64,
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
            flip_in: Mutex::new(None),
            bytes_sent: Mutex::new(0),
            turns_max: AtomicU64::new(0),
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

    /// Lets every byte arrive `delay` after it was sent, in both directions, as a long line does: what follows does not
    /// wait for what is on its way.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.faults.send_modify(|faults| faults.delay = delay);
    }

    /// Cuts every connection once the server has sent exactly `count` more bytes, over all connections together.
    /// Happens once; connections made afterwards work.
    pub fn cut_after_bytes(&self, count: u64) {
        *lock(&self.shared.bytes_left) = Some(count);
    }

    /// Turns a bit of the byte that the server sends behind `count` more, over all connections together. Happens once.
    pub fn flip_after_bytes(&self, count: u64) {
        *lock(&self.shared.flip_in) = Some(count);
    }

    /// Connections open now.
    pub fn connection_count(&self) -> usize {
        lock(&self.shared.connections).now
    }

    /// Connections made since the start, those that were cut included.
    pub fn connections_ever(&self) -> usize {
        lock(&self.shared.connections).ever
    }

    /// How often the client of the busiest connection has sent something behind an answer of its server: its round trips.
    pub fn turns_max(&self) -> u64 {
        self.shared.turns_max.load(Ordering::Relaxed)
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

    /// Turns the bit that is to be turned, if it is in these bytes.
    fn flip(&self, bytes: &mut [u8]) {
        let mut left = lock(&self.flip_in);
        let Some(count) = *left else { return };
        let place = usize::try_from(count).ok().and_then(|place| bytes.get_mut(place));
        *left = match place {
            Some(byte) => {
                *byte ^= 0x10;
                None
            }
            None => Some(count - bytes.len() as u64),
        };
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
    let turns = Turns::default();
    let to_server = Way {
        shared: &shared,
        turns: &turns,
        is_from_server: false,
    };
    let to_client = Way {
        is_from_server: true,
        ..to_server
    };
    tokio::select! {
        // A cut first: it must not lose against a stream that always has bytes.
        biased;
        _ = faults.wait_for(|now| now.cuts != cuts) => {}
        // Either side closing ends both: a half-open connection is of no use to the protocol.
        _ = pump(client_read, server_write, to_server, up) => {}
        _ = pump(server_read, client_write, to_client, down) => {}
    }
}

/// How often a connection's client had its turn.
#[derive(Default)]
struct Turns {
    count: AtomicU64,
    /// The server spoke last.
    is_clients: AtomicBool,
}

/// One direction of a connection.
#[derive(Clone, Copy)]
struct Way<'a> {
    shared: &'a Shared,
    turns: &'a Turns,
    is_from_server: bool,
}

impl Way<'_> {
    /// How many of `count` bytes may pass, and whether the connections are to be cut after them.
    fn take_bytes(&self, count: usize) -> (usize, bool) {
        if self.is_from_server {
            self.turns.is_clients.store(true, Ordering::Relaxed);
            return self.shared.take_bytes(count);
        }
        if self.turns.is_clients.swap(false, Ordering::Relaxed) {
            let turns = self.turns.count.fetch_add(1, Ordering::Relaxed) + 1;
            self.shared.turns_max.fetch_max(turns, Ordering::Relaxed);
        }
        (count, false)
    }
}

/// Bytes on their way.
struct Chunk {
    bytes: Vec<u8>,
    due: Instant,
    is_fine: bool,
}

/// Passes bytes on until either end closes.
async fn pump(from: OwnedReadHalf, to: OwnedWriteHalf, way: Way<'_>, faults: watch::Receiver<Faults>) {
    let room = Semaphore::new(ON_THE_WAY_BYTES_MAX);
    let (line, arrivals) = mpsc::unbounded_channel();
    tokio::select! {
        () = send(from, line, &room, faults.clone()) => {}
        () = deliver(to, arrivals, &room, way, faults) => {}
    }
}

/// Puts bytes on the line. At the end of the stream it waits: what is on its way still arrives.
async fn send(
    mut from: OwnedReadHalf,
    line: mpsc::UnboundedSender<Chunk>,
    room: &Semaphore,
    mut faults: watch::Receiver<Faults>,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let delay = faults.borrow_and_update().delay;
        let chunk = Chunk {
            bytes: buffer[..count].to_vec(),
            due: Instant::now() + delay,
            is_fine: delay < FINE_DELAY_MAX,
        };
        // Given back on arrival. A chunk is smaller than a `u32` counts; the semaphore is never closed.
        match room.acquire_many(count as u32).await {
            Ok(taken) => taken.forget(),
            Err(_) => return,
        }
        if line.send(chunk).is_err() {
            return;
        }
    }
    drop(line);
    std::future::pending::<()>().await;
}

/// Takes bytes off the line when they are due.
async fn deliver(
    mut to: OwnedWriteHalf,
    mut arrivals: mpsc::UnboundedReceiver<Chunk>,
    room: &Semaphore,
    way: Way<'_>,
    mut faults: watch::Receiver<Faults>,
) {
    while let Some(Chunk {
        mut bytes,
        due,
        is_fine,
    }) = arrivals.recv().await
    {
        wait_until(due, is_fine).await;
        if faults.wait_for(|now| !now.stalled).await.is_err() {
            return;
        }
        let count = bytes.len();
        if way.is_from_server {
            way.shared.flip(&mut bytes);
        }
        let (passed, is_last) = way.take_bytes(count);
        if to.write_all(&bytes[..passed]).await.is_err() {
            return;
        }
        room.add_permits(count);
        if is_last {
            way.shared.cut();
            // Nothing may follow: the rest of this chunk is lost, and a stream with a gap is no cut stream.
            return;
        }
    }
}

async fn wait_until(due: Instant, is_fine: bool) {
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return;
    }
    if !is_fine {
        return tokio::time::sleep(left).await;
    }
    // A sleeping thread is woken within a tenth of a millisecond.
    let _ = tokio::task::spawn_blocking(move || std::thread::sleep(left)).await;
}
