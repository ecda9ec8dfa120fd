//! The binlog dump: positions, GTIDs, large events, semi-sync, refusals, dropped futures.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tributary_client::{
    Client, ConnectOptions, DUMP_NON_BLOCKING, DumpPacket, DumpRequest, DumpStream, Error, RegisterReplica,
    TlsMode, TlsOptions,
};

use crate::refused;
use crate::server::Server;

const ROTATE: u8 = 4;
const FORMAT_DESCRIPTION: u8 = 15;
const TABLE_MAP: u8 = 19;
const WRITE_ROWS: u8 = 23;
const HEARTBEAT: u8 = 27;
const GTID: u8 = 162;

const PATIENCE: Duration = Duration::from_secs(60);

async fn source() -> Server {
    Server::start(&["--log-bin=bin", "--binlog-format=ROW", "--max-binlog-size=1G"]).await
}

/// Sets what every dump needs before it starts.
async fn prepare(client: &mut Client) {
    client
        .execute(b"SET @master_binlog_checksum = @@global.binlog_checksum")
        .await
        .unwrap();
    client
        .execute(b"SET @mariadb_slave_capability = 4")
        .await
        .unwrap();
}

fn from_start(flags: u16, server_id: u32) -> DumpRequest {
    DumpRequest {
        file: b"bin.000001".to_vec(),
        offset: 4,
        flags,
        server_id,
    }
}

/// The event's type, after a check that its own length is the payload's.
fn event_type(event: &[u8]) -> u8 {
    let length = u32::from_le_bytes(event[9..13].try_into().unwrap());
    assert_eq!(length as usize, event.len(), "event {:?}", &event[..19]);
    event[4]
}

async fn next_event(stream: &mut DumpStream) -> Bytes {
    match stream.next(PATIENCE).await.unwrap() {
        DumpPacket::Event { payload, .. } => payload,
        DumpPacket::EndOfStream => panic!("the stream ended"),
    }
}

async fn read_to_end(options: &ConnectOptions, server_id: u32) -> Vec<Bytes> {
    let mut client = Client::connect(options).await.unwrap();
    prepare(&mut client).await;
    let mut stream = client
        .dump(&from_start(DUMP_NON_BLOCKING, server_id))
        .await
        .unwrap();
    let mut events = Vec::new();
    while let DumpPacket::Event { payload, ack_wanted } = stream.next(PATIENCE).await.unwrap() {
        assert!(!ack_wanted);
        event_type(&payload);
        events.push(payload);
    }
    assert!(
        matches!(stream.next(PATIENCE).await, Err(Error::Broken)),
        "nothing follows the end"
    );
    let total: usize = events.iter().map(Bytes::len).sum();
    if !options.compress {
        assert!(stream.received_bytes() >= total as u64);
    }
    events
}

/// Thousands of small events, and one of 20 MB, the same over every kind of connection.
#[tokio::test]
async fn every_transport_delivers_the_same_events() {
    let server = source().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE d").await.unwrap();
    client
        .execute(b"CREATE TABLE d.t (id INT PRIMARY KEY, v LONGTEXT)")
        .await
        .unwrap();
    for id in 0..2000 {
        client.queue_query(&[
            b"INSERT INTO d.t VALUES (",
            id.to_string().as_bytes(),
            b", REPEAT('x', RAND() * 300))",
        ]);
    }
    client.queue_query(&[b"INSERT INTO d.t VALUES (-1, REPEAT('y', 20000000))"]);
    client.queue_query(&[b"INSERT INTO d.t VALUES (-2, '')"]);
    client.flush().await.unwrap();
    while client.replies_due() > 0 {
        assert_eq!(client.read_reply().await.unwrap().error, None);
    }
    let events = read_to_end(&server.options(), 100).await;
    assert_eq!(
        (event_type(&events[0]), event_type(&events[1])),
        (ROTATE, FORMAT_DESCRIPTION)
    );
    assert_eq!(
        events.iter().filter(|event| event_type(event) == GTID).count(),
        2004
    );
    assert!(events.iter().any(|event| event.len() > 20_000_000));
    let tls = TlsOptions {
        mode: TlsMode::Required,
        ..TlsOptions::default()
    };
    let encrypted = ConnectOptions {
        tls,
        ..server.options()
    };
    for (server_id, options) in [
        (101, server.unix_options()),
        (
            102,
            ConnectOptions {
                compress: true,
                ..server.options()
            },
        ),
        (103, encrypted.clone()),
        (
            104,
            ConnectOptions {
                compress: true,
                ..encrypted
            },
        ),
    ] {
        assert!(read_to_end(&options, server_id).await == events, "{options:?}");
    }
    dropped_futures_lose_nothing(&server, &events).await;
}

/// Every wait is given up after the first byte or so, again and again.
async fn dropped_futures_lose_nothing(server: &Server, expected: &[Bytes]) {
    let mut client = server.connect().await;
    prepare(&mut client).await;
    let mut stream = client.dump(&from_start(DUMP_NON_BLOCKING, 110)).await.unwrap();
    let (mut events, mut dropped) = (Vec::new(), 0);
    loop {
        tokio::select! {
            biased;
            packet = stream.next(PATIENCE) => match packet.unwrap() {
                DumpPacket::Event { payload, .. } => events.push(payload),
                DumpPacket::EndOfStream => break,
            },
            () = tokio::task::yield_now() => dropped += 1,
        }
    }
    assert!(dropped > 0, "no future was dropped, so this showed nothing");
    assert!(events == expected);
}

#[tokio::test]
async fn a_waiting_stream_delivers_heartbeats_and_new_events() {
    let server = source().await;
    let mut writer = server.connect().await;
    let mut client = server.connect().await;
    prepare(&mut client).await;
    client
        .execute(b"SET @master_heartbeat_period = 300000000")
        .await
        .unwrap();
    let position = client
        .query(b"SELECT @@global.gtid_binlog_pos")
        .await
        .unwrap()
        .first_text()
        .unwrap();
    client
        .execute(format!("SET @slave_connect_state = '{position}'").as_bytes())
        .await
        .unwrap();
    let replica = RegisterReplica {
        server_id: 200,
        host: "here".to_owned(),
        port: 1,
        ..RegisterReplica::default()
    };
    client.register_replica(&replica).await.unwrap();
    let mut stream = client
        .dump(&DumpRequest {
            offset: 4,
            server_id: 200,
            ..DumpRequest::default()
        })
        .await
        .unwrap();
    while event_type(&next_event(&mut stream).await) != HEARTBEAT {}
    let hosts = writer.query(b"SHOW SLAVE HOSTS").await.unwrap();
    assert_eq!(
        (hosts.rows[0].text(0).as_deref(), hosts.rows[0].text(1).as_deref()),
        (Some("200"), Some("here"))
    );
    // Shorter than the heartbeat period: nothing comes, and nothing is lost.
    assert!(matches!(
        stream.next(Duration::from_millis(1)).await,
        Err(Error::Timeout { .. }) | Ok(_)
    ));
    writer.execute(b"CREATE DATABASE news").await.unwrap();
    while event_type(&next_event(&mut stream).await) != GTID {}
    let query = next_event(&mut stream).await;
    assert!(query.windows(4).any(|window| window == b"news"));

    // A second dump with the same server id ends the first.
    let mut second = server.connect().await;
    prepare(&mut second).await;
    let _second = second.dump(&from_start(0, 200)).await.unwrap();
    let error = loop {
        match stream.next(PATIENCE).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.server_code(), Some(4052), "{error:?}");
}

#[tokio::test]
async fn refusals_come_with_the_first_packet() {
    let server = source().await;
    let mut admin = server.connect().await;
    admin
        .execute(b"CREATE USER nobody@'%' IDENTIFIED BY 'pw'")
        .await
        .unwrap();
    let mut client = Client::connect(&server.options_of("nobody", "pw")).await.unwrap();
    prepare(&mut client).await;
    let mut stream = client.dump(&from_start(0, 300)).await.unwrap();
    assert_eq!(refused(stream.next(PATIENCE).await), 1227);
    assert!(matches!(stream.next(PATIENCE).await, Err(Error::Broken)));

    let mut client = server.connect().await;
    prepare(&mut client).await;
    let request = DumpRequest {
        file: b"bin.000999".to_vec(),
        offset: 4,
        flags: 0,
        server_id: 301,
    };
    let mut stream = client.dump(&request).await.unwrap();
    assert_eq!(refused(stream.next(PATIENCE).await), 1236);
}

/// A commit on the source returns only after the acknowledgement.
#[tokio::test]
async fn semi_sync_commits_wait_for_the_acknowledgement() {
    let server = source().await;
    let mut writer = server.connect().await;
    writer.execute(b"CREATE DATABASE semi").await.unwrap();
    writer
        .execute(b"CREATE TABLE semi.t (id INT PRIMARY KEY)")
        .await
        .unwrap();
    writer
        .execute(b"SET GLOBAL rpl_semi_sync_master_enabled = 1")
        .await
        .unwrap();
    writer
        .execute(b"SET GLOBAL rpl_semi_sync_master_timeout = 60000")
        .await
        .unwrap();
    let mut client = server.connect().await;
    prepare(&mut client).await;
    client.execute(b"SET @rpl_semi_sync_slave = 1").await.unwrap();
    let status = writer.query(b"SHOW MASTER STATUS").await.unwrap();
    let start = status.rows[0].text(1).unwrap().parse().unwrap();
    let request = DumpRequest {
        file: b"bin.000001".to_vec(),
        offset: start,
        flags: 0,
        server_id: 400,
    };
    let mut stream = client.dump_semi_sync(&request).await.unwrap();
    while event_type(&next_event(&mut stream).await) != FORMAT_DESCRIPTION {}

    for id in 0..20 {
        let insert = format!("INSERT INTO semi.t VALUES ({id})");
        let mut commit = std::pin::pin!(writer.execute(insert.as_bytes()));
        let end_offset = loop {
            let packet = tokio::select! {
                biased;
                committed = &mut commit => panic!("the commit did not wait: {committed:?}"),
                packet = stream.next(PATIENCE) => packet.unwrap(),
            };
            if let DumpPacket::Event {
                payload,
                ack_wanted: true,
            } = packet
            {
                event_type(&payload);
                break u32::from_le_bytes(payload[13..17].try_into().unwrap());
            }
        };
        stream
            .acknowledge(b"bin.000001", end_offset.into())
            .await
            .unwrap();
        commit.await.unwrap();
    }
    let acknowledged = writer
        .query(b"SHOW STATUS LIKE 'Rpl_semi_sync_master_yes_tx'")
        .await
        .unwrap();
    assert_eq!(acknowledged.rows[0].text(1).as_deref(), Some("20"));
    let not = writer
        .query(b"SHOW STATUS LIKE 'Rpl_semi_sync_master_no_tx'")
        .await
        .unwrap();
    assert_eq!(not.rows[0].text(1).as_deref(), Some("0"));
}

/// 10.11 does not announce results that follow a BINLOG in the same packet. Without a look at packet numbers, the result of the
/// SELECT would be taken for the reply to the next packet.
#[tokio::test]
async fn results_that_the_server_does_not_announce_are_noticed() {
    let server = source().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE again").await.unwrap();
    client.execute(b"CREATE TABLE again.t (id INT)").await.unwrap();
    client.execute(b"INSERT INTO again.t VALUES (1)").await.unwrap();
    let events = read_to_end(&server.options(), 500).await;
    let of_types = |types: &[u8]| {
        let events = events.iter().filter(|event| types.contains(&event_type(event)));
        STANDARD.encode(events.flatten().copied().collect::<Vec<_>>())
    };
    client
        .execute(format!("BINLOG '{}'", of_types(&[FORMAT_DESCRIPTION])).as_bytes())
        .await
        .unwrap();
    let insert_again = format!("BINLOG '{}'", of_types(&[TABLE_MAP, WRITE_ROWS]));
    client.queue_query(&[insert_again.as_bytes(), b"; SELECT 'stray'"]);
    client.queue_query(&[b"SELECT 'wanted'"]);
    client.flush().await.unwrap();
    let first = client.read_reply().await.unwrap();
    assert_eq!(
        (first.error, first.results.len()),
        (None, 1),
        "the server announces what follows a BINLOG now"
    );
    let error = client.read_reply().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(client.is_broken());
}
