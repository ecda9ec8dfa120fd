//! The server's end of a connection, played by a test.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_wire::capabilities as cap;
use tributary_wire::handshake::Greeting;
use tributary_wire::packet;
use tributary_wire::status::{OK, OkInfo};

pub(crate) const NONCE: &[u8] = b"abcdefghijklmnopqrst";

/// A port with nobody behind it yet.
pub(crate) async fn listen() -> (TcpListener, ConnectOptions) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
    };
    (
        listener,
        ConnectOptions::new(address, "someone", Secret::new("secret")),
    )
}

/// One connection, seen from the server.
pub(crate) struct Fake<S> {
    pub(crate) stream: S,
    /// The number of the next packet to send.
    next: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Fake<S> {
    pub(crate) fn new(stream: S) -> Fake<S> {
        Fake { stream, next: 0 }
    }

    pub(crate) async fn send(&mut self, payload: &[u8]) {
        let mut out = Vec::new();
        self.next = packet::encode(&mut out, self.next, [payload]);
        self.stream.write_all(&out).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One packet and not a byte more: what follows may be the beginning of a TLS handshake, which another reader takes.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        let header = self.stream.read_u32_le().await.expect("a packet's header");
        self.next = ((header >> 24) as u8).wrapping_add(1);
        let mut payload = vec![0; (header & 0xff_ffff) as usize];
        self.stream
            .read_exact(&mut payload)
            .await
            .expect("a packet's payload");
        payload
    }

    pub(crate) async fn send_ok(&mut self) {
        let mut payload = Vec::new();
        OkInfo::default().encode(&mut payload, OK);
        self.send(&payload).await;
    }

    /// Greets, asking for a plugin.
    pub(crate) async fn greet(&mut self, plugin: &[u8], more_capabilities: u64) {
        self.send(&greeting(plugin, more_capabilities)).await;
    }

    /// Greets, and sends another payload in the same write.
    pub(crate) async fn greet_and(&mut self, plugin: &[u8], more_capabilities: u64, payload: &[u8]) {
        let mut out = Vec::new();
        let next = packet::encode(&mut out, 0, [&greeting(plugin, more_capabilities)[..]]);
        packet::encode(&mut out, next, [payload]);
        self.stream.write_all(&out).await.unwrap();
    }
}

fn greeting(plugin: &[u8], more_capabilities: u64) -> Vec<u8> {
    let greeting = Greeting {
        version_text: "8.4.0-fake".to_owned(),
        connection_id: 7,
        nonce: NONCE.to_vec(),
        capabilities: cap::MYSQL
            | cap::PROTOCOL_41
            | cap::SECURE_CONNECTION
            | cap::PLUGIN_AUTH
            | cap::PLUGIN_AUTH_LENENC
            | more_capabilities,
        collation: 45,
        status: 2,
        auth_plugin: plugin.to_vec(),
    };
    let mut payload = Vec::new();
    greeting.encode(&mut payload).unwrap();
    payload
}

impl Fake<TcpStream> {
    /// Accepts a connection and lets it in.
    pub(crate) async fn let_in(listener: &TcpListener, more_capabilities: u64) -> Fake<TcpStream> {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.greet(b"mysql_native_password", more_capabilities).await;
        fake.receive().await;
        fake.send_ok().await;
        fake
    }
}
