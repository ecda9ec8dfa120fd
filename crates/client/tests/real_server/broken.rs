//! Connections that fail: silent peers, closed sockets, bytes that are no protocol, futures that were dropped.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tributary_client::{Client, ConnectOptions, DumpRequest, Error};
use tributary_wire::compress::FrameWriter;
use tributary_wire::{capabilities, packet};

use crate::fake::{Fake, listen};
use crate::shared_server;

const SOON: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_reply_that_is_late_breaks_the_connection() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.set_reply_timeout(SOON);
    let error = client.query(b"SELECT SLEEP(5)").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { after: SOON, .. }), "{error}");
    assert!(error.is_network() && client.is_broken());
    // The answer of the first must never be taken for the answer of the second.
    assert!(matches!(client.query(b"SELECT 1").await, Err(Error::Broken)));
    assert!(matches!(client.flush().await, Err(Error::Broken)));
    client.quit().await;
}

#[tokio::test]
async fn a_dropped_future_breaks_the_connection() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    let dropped = tokio::time::timeout(SOON, client.query(b"SELECT SLEEP(5)")).await;
    assert!(dropped.is_err());
    assert!(client.is_broken());
    assert!(matches!(client.ping().await, Err(Error::Broken)));
    assert!(matches!(
        client.dump(&DumpRequest::default()).await,
        Err(Error::Broken)
    ));
}

#[tokio::test]
async fn a_killed_connection_is_a_network_error() {
    let server = shared_server().await;
    let (mut client, mut admin) = (server.connect().await, server.connect().await);
    let kill = format!("KILL {}", client.server().connection_id);
    admin.execute(kill.as_bytes()).await.unwrap();
    // The server may or may not manage to tell its reason (1927) before it closes.
    let error = loop {
        match client.ping().await {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(error.is_network(), "{error:?}");
}

#[tokio::test]
async fn nobody_there() {
    let (listener, options) = listen().await;
    drop(listener);
    let error = Client::connect(&options).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&options.address.to_string()) && error.is_network());
}

#[tokio::test]
async fn a_peer_that_does_not_greet_times_out() {
    let (listener, options) = listen().await;
    let options = ConnectOptions {
        connect_timeout: SOON,
        ..options
    };
    let (outcome, _peer) = tokio::join!(Client::connect(&options), listener.accept());
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Timeout { after: SOON, .. }), "{error}");
    assert!(
        error.to_string().contains(&options.address.to_string()),
        "{error}"
    );
}

/// What the client says to a peer that sends these bytes instead of a greeting, then closes.
async fn greeted_with(bytes: &[u8]) -> Error {
    let (listener, options) = listen().await;
    let peer = async {
        let mut stream = listener.accept().await.unwrap().0;
        stream.write_all(bytes).await.unwrap();
    };
    tokio::join!(Client::connect(&options), peer).0.unwrap_err()
}

#[tokio::test]
async fn peers_of_another_kind_are_errors() {
    assert!(matches!(greeted_with(b"").await, Error::Closed { .. }));
    assert!(matches!(
        greeted_with(b"SSH-2.0-OpenSSH_9.2\r\n").await,
        Error::Closed { .. }
    ));
    assert!(matches!(
        greeted_with(b"\x03\x00\x00\x00\x0a10").await,
        Error::Protocol { .. }
    ));
    assert!(matches!(
        greeted_with(b"\x02\x00\x00\x00\x09x").await,
        Error::Protocol { .. }
    ));
    let full = greeted_with(b"\x17\x00\x00\x00\xff\x10\x04Too many connections").await;
    assert_eq!(full.server_code(), Some(1040));
}

/// What a query gets from a server that answers with these bytes, then closes.
async fn answered_with(listener: &TcpListener, options: &ConnectOptions, bytes: &[u8]) -> Error {
    let server = async {
        let mut fake = Fake::let_in(listener, 0).await;
        fake.receive().await;
        fake.stream.write_all(bytes).await.unwrap();
    };
    let query = async {
        let mut client = Client::connect(options).await.unwrap();
        let error = client.query(b"SELECT 1").await.unwrap_err();
        assert!(client.is_broken());
        assert!(matches!(client.ping().await, Err(Error::Broken)));
        error
    };
    tokio::join!(query, server).0
}

#[tokio::test]
async fn answers_that_are_no_protocol_break_the_connection() {
    let (listener, options) = listen().await;
    let options = ConnectOptions {
        packet_bytes_max: 10_000,
        reply_bytes_max: 100_000,
        ..options
    };
    let cut_off: &[&[u8]] = &[b"", b"\x07", b"\x07\x00\x00\x01\x00\x00"];
    for bytes in cut_off {
        let error = answered_with(&listener, &options, bytes).await;
        assert!(matches!(error, Error::Closed { .. }), "{bytes:?}: {error:?}");
    }
    let nonsense: &[&[u8]] = &[
        // An OK that ends early, a column count that is none, a column that is none, an empty packet.
        b"\x02\x00\x00\x01\x00\x00",
        b"\x04\x00\x00\x01\xfc\x01\x02\x03",
        b"\x01\x00\x00\x01\x01\x02\x00\x00\x02ab",
        b"\x00\x00\x00\x01",
        // A good OK, but as the second packet of some other reply.
        b"\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00",
    ];
    for bytes in nonsense {
        let error = answered_with(&listener, &options, bytes).await;
        assert!(matches!(error, Error::Protocol { .. }), "{bytes:?}: {error:?}");
    }
    // A payload of 16 MiB is announced, against a limit of 10,000 bytes.
    let error = answered_with(&listener, &options, b"\xff\xff\xff\x01").await;
    assert!(
        matches!(error, Error::TooLarge { limit: 10_000, .. }),
        "{error:?}"
    );
    // Results without end.
    let more_follows = b"\x07\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00".repeat(10_000);
    let error = answered_with(&listener, &options, &more_follows).await;
    assert!(
        matches!(error, Error::TooLarge { limit: 100_000, .. }),
        "{error:?}"
    );
}

/// The OK is there when the socket dies, so it is delivered; the failure comes after it.
#[tokio::test]
async fn replies_that_arrived_before_the_failure_are_delivered() {
    let (listener, options) = listen().await;
    let server = async {
        let mut fake = Fake::let_in(&listener, 0).await;
        fake.receive().await;
        fake.send_ok().await;
        fake.receive().await;
    };
    let work = async {
        let mut client = Client::connect(&options).await.unwrap();
        client.queue_query(&[b"SELECT 1"]);
        client.queue_query(&[b"SELECT 2"]);
        client.flush().await.unwrap();
        client
    };
    let (mut client, ()) = tokio::join!(work, server);
    assert_eq!(client.read_reply().await.unwrap().results.len(), 1);
    assert!(client.read_reply().await.unwrap_err().is_network());
    assert!(client.is_broken());
}

/// How a stream ends whose source sends `beginning` and then `trickle` again and again, with pauses shorter than the silence
/// that is allowed.
async fn stream_of(compressed: bool, beginning: &[u8], trickle: &[u8]) -> Error {
    let (listener, options) = listen().await;
    let options = ConnectOptions {
        compress: compressed,
        ..options
    };
    let source = async {
        let capabilities = if compressed { capabilities::COMPRESS } else { 0 };
        let mut fake = Fake::let_in(&listener, capabilities).await;
        fake.stream.write_all(beginning).await.unwrap();
        while fake.stream.write_all(trickle).await.is_ok() {
            tokio::time::sleep(SOON / 4).await;
        }
    };
    let replica = async {
        let client = Client::connect(&options).await.unwrap();
        let mut stream = client.dump(&DumpRequest::default()).await.unwrap();
        stream.next(SOON).await.unwrap_err()
    };
    tokio::join!(replica, source).0
}

/// A heartbeat as it travels.
fn heartbeat(sequence: u8) -> Vec<u8> {
    const EVENT_BYTES: u8 = 19 + 10;
    let mut payload = vec![0; 1 + usize::from(EVENT_BYTES)];
    payload[1 + 4] = 27;
    payload[1 + 9] = EVENT_BYTES;
    let mut packet = Vec::new();
    packet::encode(&mut packet, sequence, [&payload[..]]);
    packet
}

/// A bit of a length was changed on the way, and the source goes on with heartbeats, which must not be taken for the rest.
#[tokio::test]
async fn a_stream_does_not_stand_still_after_a_false_length() {
    let heartbeats = heartbeat(2);
    // Of a packet: the event in it knows better.
    let mut packet = heartbeat(1);
    packet[2] ^= 0x40;
    let error = stream_of(false, &packet, &heartbeats).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    // Of a packet without an event.
    let error = stream_of(false, b"\x00\x40\x00\x01\xff\xd4\x04", &heartbeats).await;
    assert!(matches!(error, Error::Timeout { after: SOON, .. }), "{error}");
    // Of a compressed frame: its data knows better, if it is compressed.
    let mut frames = Vec::new();
    let mut writer = FrameWriter::new();
    writer.encode(&mut frames, 1, &heartbeat(1).repeat(4));
    frames[1] ^= 0x40;
    let error = stream_of(true, &frames, &heartbeats).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    frames.clear();
    writer.encode(&mut frames, 1, &heartbeat(1));
    frames[1] ^= 0x40;
    let error = stream_of(true, &frames, &heartbeats).await;
    assert!(matches!(error, Error::Timeout { after: SOON, .. }), "{error}");
}
