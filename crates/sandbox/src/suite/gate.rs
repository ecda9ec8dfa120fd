//! A relay in front of a source that lets the binlog pass up to a place and no further, until told to.

use std::net::Ipv4Addr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tributary_sandbox::engine::Coordinates;

/// A packet of this length is continued by the next one.
const PACKET_BYTES_MAX: usize = 0xff_ffff;
/// The status byte in front of an event, and the event's header.
const EVENT_BYTES_MIN: usize = 1 + 19;
const ROTATE: u8 = 4;
/// `mysql-bin.000001`: the sandbox's servers name all their binlogs so.
const FILE_NAME_BYTES: usize = 16;

/// Listens on a port of its own. Connections must be neither encrypted nor compressed.
pub(crate) struct Gate {
    port: u16,
    limit: watch::Sender<Coordinates>,
    listener: JoinHandle<()>,
}

impl Gate {
    /// Starts a gate in front of `port` on 127.0.0.1. No event passes yet, except those in front of the first position.
    pub(crate) async fn start(port: u16) -> anyhow::Result<Gate> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind a port for the gate")?;
        let own_port = listener.local_addr().context("read the gate's port")?.port();
        let limit = watch::Sender::new(Coordinates::default());
        let listener = tokio::spawn(listen(listener, port, limit.clone()));
        Ok(Gate {
            port: own_port,
            limit,
            listener,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets everything pass up to the event that ends here.
    pub(crate) fn open_to(&self, limit: &Coordinates) {
        self.limit.send_replace(limit.clone());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn listen(listener: TcpListener, to: u16, limit: watch::Sender<Coordinates>) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let limit = limit.subscribe();
                // A connection that ends with an error is closed on both sides, which is what its ends must see.
                tasks.spawn(async move { pass(client, to, limit).await.ok() });
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn pass(client: TcpStream, to: u16, limit: watch::Receiver<Coordinates>) -> anyhow::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut client_read, client_write) = client.into_split();
    let (server_read, mut server_write) = server.into_split();
    tokio::select! {
        result = tokio::io::copy(&mut client_read, &mut server_write) => drop(result?),
        result = pass_events(server_read, client_write, limit) => result?,
    }
    Ok(())
}

async fn pass_events(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut limit: watch::Receiver<Coordinates>,
) -> anyhow::Result<()> {
    let mut at = Coordinates::default();
    let mut is_continued = false;
    loop {
        let header = from.read_u32_le().await?;
        let mut payload = vec![0; (header & 0xff_ffff) as usize];
        from.read_exact(&mut payload).await?;
        let is_event = !is_continued && note_event(&payload, &mut at);
        is_continued = payload.len() == PACKET_BYTES_MAX;
        to.write_u32_le(header).await?;
        to.write_all(&payload).await?;
        if is_event {
            limit.wait_for(|limit| !at.has_reached(limit)).await?;
        }
    }
}

/// Whether the packet is an event of the binlog's file, which moves `at` to its end.
fn note_event(payload: &[u8], at: &mut Coordinates) -> bool {
    let word = |offset: usize| {
        payload.get(offset..offset + 4).map_or(0, |bytes| {
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        })
    };
    let is_event = payload.len() >= EVENT_BYTES_MIN
        && payload[0] == 0
        && (word(10) as usize == payload.len() - 1 || payload.len() == PACKET_BYTES_MAX);
    if !is_event {
        return false;
    }
    let end = u64::from(word(14));
    if payload[5] == ROTATE {
        let name = payload.get(28..28 + FILE_NAME_BYTES).unwrap_or_default();
        at.file = String::from_utf8_lossy(name).into_owned();
        at.offset = 4;
        return false;
    }
    if end == 0 {
        return false;
    }
    at.offset = end;
    true
}
