//! A line to a real server on which one packet is another than the server has sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tributary_sandbox::random::Random;

use crate::lies;

/// A line that is silent at the end is so for this long.
const SILENCE: Duration = Duration::from_millis(1200);
/// A packet that is sent without end is sent for so long, or until so many bytes are.
const ENDLESS: (Duration, usize) = (Duration::from_millis(700), 64 << 20);

/// Where the lie is: the how-manieth packet of the how-manieth connection.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub connection: u64,
    pub packet: u64,
}

/// A listener in front of a server.
pub struct Line {
    pub port: u16,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    server_port: u16,
    place: Place,
    seed: u64,
    accepted: AtomicU64,
    has_lied: AtomicBool,
    /// Nobody is let through any more, and whoever was is cut off.
    closed: watch::Sender<bool>,
}

impl Line {
    pub async fn to(server_port: u16, place: Place, seed: u64) -> std::io::Result<Line> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            server_port,
            place,
            seed,
            accepted: AtomicU64::new(0),
            has_lied: AtomicBool::new(false),
            closed: watch::Sender::new(false),
        });
        let own = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*own.closed.borrow() {
                    tokio::spawn(Arc::clone(&own).serve(client));
                }
            }
        });
        Ok(Line { port, state, task })
    }

    /// Whether the packet has been reached.
    pub fn has_lied(&self) -> bool {
        self.state.has_lied.load(Ordering::Relaxed)
    }

    /// Cuts everybody off for good.
    pub fn close(&self) {
        self.state.closed.send_replace(true);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
        self.task.abort();
    }
}

impl State {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server_port)).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((mut from_client, to_client), (from_server, mut to_server)) =
            (client.into_split(), server.into_split());
        let mut closed = self.closed.subscribe();
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => {}
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            _ = self.answers(number, from_server, to_client) => {}
        }
        if self.has_lied.load(Ordering::Relaxed) {
            // Otherwise the next attempt succeeds, and nobody sees what was said of this one.
            self.closed.send_replace(true);
        }
    }

    /// The server's packets as they are, up to the one that is not.
    async fn answers(
        &self,
        number: u64,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let mut random = Random::new(self.seed);
        let mut count = 0;
        let mut left = None;
        while left != Some(0) {
            let mut head = [0; 4];
            from.read_exact(&mut head).await?;
            let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
            from.read_exact(&mut payload).await?;
            if number == self.place.connection && count == self.place.packet {
                self.has_lied.store(true, Ordering::Relaxed);
                // A lie may be answered before the line below is reached.
                if random.once_in(20) {
                    endless(&mut to, head[3], &payload).await?;
                    left = Some(0);
                } else {
                    to.write_all(&lies::instead_of(&mut random, head[3], &payload))
                        .await?;
                    left = Some(random.below(20));
                }
            } else {
                to.write_all(&head).await?;
                to.write_all(&payload).await?;
                left = left.map(|left| left - 1);
            }
            count += 1;
        }
        if random.below(4) == 0 {
            tokio::time::sleep(SILENCE).await;
        }
        Ok(())
    }
}

/// The packet again and again.
async fn endless(to: &mut tokio::net::tcp::OwnedWriteHalf, first: u8, payload: &[u8]) -> std::io::Result<()> {
    let (began, mut sent, mut sequence) = (Instant::now(), 0, first);
    while began.elapsed() < ENDLESS.0 && sent < ENDLESS.1 {
        let mut block = Vec::new();
        while block.len() < 64 << 10 {
            block.extend(lies::frame(sequence, payload));
            sequence = sequence.wrapping_add(1);
        }
        sent += block.len();
        match tokio::time::timeout(ENDLESS.0, to.write_all(&block)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
