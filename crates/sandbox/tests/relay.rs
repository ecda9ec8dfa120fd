//! The relay passes bytes unchanged, and loses, holds and counts them on command.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tributary_sandbox::{Server, ServerOptions, TcpRelay, create_replication_user};

/// What must happen is waited for this long.
const DEADLINE: Duration = Duration::from_secs(60);
/// What must not happen is waited for this long.
const QUIET: Duration = Duration::from_millis(200);

/// A server that sends back what it gets; returns its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.ok();
            });
        }
    });
    port
}

async fn connect(relay: &TcpRelay) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port()))
        .await
        .unwrap()
}

async fn exchange(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    timeout(DEADLINE, stream.read_exact(&mut back)).await.unwrap()?;
    Ok(back)
}

#[tokio::test]
async fn cuts_and_refuses() {
    let relay = TcpRelay::start(echo().await).await.unwrap();
    let mut first = connect(&relay).await;
    let mut second = connect(&relay).await;
    assert_eq!(exchange(&mut first, b"hello").await.unwrap(), b"hello");
    assert_eq!(exchange(&mut second, b"there").await.unwrap(), b"there");
    assert_eq!(
        (
            relay.connection_count(),
            relay.connections_ever(),
            relay.bytes_sent()
        ),
        (2, 2, 10)
    );

    relay.cut_all();
    assert!(exchange(&mut first, b"x").await.is_err());
    assert!(exchange(&mut second, b"x").await.is_err());
    let mut third = connect(&relay).await;
    assert_eq!(exchange(&mut third, b"again").await.unwrap(), b"again");
    assert_eq!((relay.connection_count(), relay.connections_ever()), (1, 3));

    relay.refuse(true);
    assert!(exchange(&mut connect(&relay).await, b"x").await.is_err());
    assert_eq!(exchange(&mut third, b"still").await.unwrap(), b"still");
    relay.refuse(false);
    assert!(exchange(&mut connect(&relay).await, b"x").await.is_ok());

    drop(relay);
    assert!(exchange(&mut third, b"x").await.is_err());
}

#[tokio::test]
async fn cuts_after_exactly_so_many_bytes_once() {
    let relay = TcpRelay::start(echo().await).await.unwrap();
    relay.cut_after_bytes(5);
    let mut stream = connect(&relay).await;
    stream.write_all(b"123456789").await.unwrap();
    let mut back = Vec::new();
    // A cut is an end of stream or a reset; either way no more than the allowed bytes came through.
    timeout(DEADLINE, stream.read_to_end(&mut back))
        .await
        .unwrap()
        .ok();
    assert_eq!(back, b"12345");
    let mut stream = connect(&relay).await;
    assert_eq!(exchange(&mut stream, b"123456789").await.unwrap(), b"123456789");
}

#[tokio::test]
async fn stalls_and_delays() {
    let relay = TcpRelay::start(echo().await).await.unwrap();
    let mut stream = connect(&relay).await;
    assert!(exchange(&mut stream, b"x").await.is_ok());
    relay.stall(true);
    stream.write_all(b"held").await.unwrap();
    let mut back = [0; 4];
    assert!(timeout(QUIET, stream.read_exact(&mut back)).await.is_err());
    relay.stall(false);
    // `read_exact` may have been dropped between bytes only if some had arrived, and none had.
    timeout(DEADLINE, stream.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&back, b"held");

    relay.set_delay(Duration::from_millis(100));
    let start = Instant::now();
    exchange(&mut stream, b"slow").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_stalled_connection_can_be_cut() {
    let relay = TcpRelay::start(echo().await).await.unwrap();
    let mut stream = connect(&relay).await;
    assert!(exchange(&mut stream, b"x").await.is_ok());
    relay.stall(true);
    stream.write_all(b"held").await.unwrap();
    relay.cut_all();
    let mut back = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut back))
        .await
        .unwrap()
        .ok();
    assert_eq!(back, b"");
}

#[tokio::test]
async fn a_server_is_reached_through_it() {
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    let account = create_replication_user(&source).await.unwrap();
    let relay = TcpRelay::start(source.port()).await.unwrap();
    let opts = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(relay.port())
        .prefer_socket(false)
        .user(Some(&account.user))
        .pass(Some(&account.password));
    let mut conn = Conn::new(opts).await.unwrap();
    let grants: Vec<String> = conn.query("SHOW GRANTS").await.unwrap();
    assert_eq!(grants.len(), 1);
    assert!(
        grants[0].starts_with("GRANT REPLICATION SLAVE ON *.* TO"),
        "{grants:?}"
    );
    assert!(!format!("{account:?}").contains(&account.password));
}

/// A long line is slow to answer, not narrow: what is on its way does not hold up what follows.
#[tokio::test]
async fn a_delay_takes_nothing_from_the_throughput() {
    const BYTES: usize = 4 << 20;
    let relay = TcpRelay::start(echo().await).await.unwrap();
    relay.set_delay(Duration::from_millis(50));
    let (mut read, mut write) = connect(&relay).await.into_split();
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        write.write_all(&vec![7; BYTES]).await.unwrap();
        // Dropping it would end the stream, and with it what is still on its way back.
        write
    });
    let mut back = vec![0; BYTES];
    timeout(DEADLINE, read.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    let took = start.elapsed();
    assert!(back.iter().all(|byte| *byte == 7));
    // In pieces of 64 KiB one after the other it would be 6.4 seconds.
    assert!(
        (Duration::from_millis(100)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
    drop(writer.await.unwrap());
}

/// The server's last bytes, an error packet for example, arrive although it has hung up behind them.
#[tokio::test]
async fn what_was_sent_before_the_end_arrives() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let relay = TcpRelay::start(listener.local_addr().unwrap().port())
        .await
        .unwrap();
    relay.set_delay(Duration::from_millis(50));
    let mut stream = connect(&relay).await;
    let (mut server, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    server.write_all(b"farewell").await.unwrap();
    drop(server);
    let mut back = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(back, b"farewell");
}
