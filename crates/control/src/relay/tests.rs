use tributary_binlog::GtidPos;
use tributary_wire::handshake::Greeting;

use super::*;
use crate::engine::{Outcome, Refusal};

#[test]
fn a_greeting_loses_what_cannot_be_looked_into() {
    let greeting = Greeting {
        version_text: "10.11.19-MariaDB".to_owned(),
        connection_id: 7,
        nonce: vec![1; 20],
        capabilities: u64::from(u32::MAX),
        collation: 8,
        status: 2,
        auth_plugin: b"mysql_native_password".to_vec(),
    };
    let mut bytes = Vec::new();
    greeting.encode(&mut bytes).unwrap();
    let mut with_tls = bytes.clone();
    take_offers_out(&mut bytes, false);
    take_offers_out(&mut with_tls, true);
    let left = Greeting::decode(&bytes).unwrap();
    assert_eq!(left.capabilities, greeting.capabilities & !NOT_OFFERED);
    assert_eq!(
        Greeting::decode(&with_tls).unwrap().capabilities,
        left.capabilities | capabilities::SSL
    );
    assert_eq!((left.nonce, left.status), (greeting.nonce, greeting.status));
}

/// An engine without connections. One variable holds what no engine should let in.
struct Nothing;

impl Engine for Nothing {
    fn status(&self) -> Vec<crate::ConnectionStatus> {
        Vec::new()
    }
    async fn change_master(&self, _: &str, _: crate::ChangeMaster) -> Outcome {
        Ok(Vec::new())
    }
    async fn start(&self, _: &str, _: crate::Threads, _: Option<crate::Until>) -> Outcome {
        // `ER_BAD_SLAVE`.
        Err(Refusal::new(1200, "not configured"))
    }
    async fn stop(&self, _: &str, _: crate::Threads) -> Outcome {
        Ok(Vec::new())
    }
    async fn start_all(&self) -> Outcome {
        Ok(Vec::new())
    }
    async fn stop_all(&self) -> Outcome {
        Ok(Vec::new())
    }
    async fn reset(&self, _: &str, _: bool) -> Outcome {
        Ok(Vec::new())
    }
    async fn set(&self, _: &str, _: crate::Variable, _: Option<String>) -> Outcome {
        Ok(Vec::new())
    }
    fn variable(&self, _: &str, _: crate::Variable) -> Option<String> {
        Some("1, 2".to_owned())
    }
    fn gtid_slave_pos(&self) -> GtidPos {
        GtidPos::default()
    }
    async fn set_gtid_slave_pos(&self, _: GtidPos) -> Outcome {
        Ok(Vec::new())
    }
    async fn wait_for_place(&self, _: &str, _: crate::Place, _: Option<Duration>) -> Option<i64> {
        None
    }
    async fn wait_for_gtid(&self, _: GtidPos, _: Option<Duration>) -> bool {
        false
    }
    async fn flush_relay_log(&self, _: &str) -> Outcome {
        Ok(Vec::new())
    }
    fn processes(&self) -> crate::Processes {
        let thread = crate::Thread {
            id: 1 << 32,
            command: "Slave_SQL",
            seconds: 7,
            state: "at rest".to_owned(),
        };
        crate::Processes {
            threads: vec![thread],
            user: "writer".to_owned(),
            worker_sessions: vec![5],
        }
    }
    async fn relay_log_events(&self, _: &str, _: crate::RelayQuery) -> Result<crate::RelayEvents, Refusal> {
        Ok(tokio::sync::mpsc::channel(1).1)
    }
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// How long a client may take nothing.
const WRITE_WAIT: Duration = Duration::from_millis(200);

/// A client that has logged in with these capabilities, and the target that it is connected to.
async fn logged_in(client_can: u64) -> (Peer, Peer) {
    let (mut client, mut target) = greeted().await;
    client.put(
        1,
        &((capabilities::PROTOCOL_41 | client_can) as u32).to_le_bytes(),
    );
    client.flush().await.unwrap();
    target.packet().await.unwrap();
    answer(&mut target, OK).await;
    client.packet().await.unwrap();
    (client, target)
}

/// A client that has heard the greeting, and the target.
async fn greeted() -> (Peer, Peer) {
    let (client, of_client) = tokio::io::duplex(1 << 16);
    let (target, of_target) = tokio::io::duplex(1 << 16);
    let relay = Relay::new(
        Peer::new(Box::new(of_client), WRITE_WAIT),
        Peer::new(Box::new(of_target), Duration::from_secs(60)),
        Arc::new(Nothing),
    );
    tokio::spawn(relay.run(Duration::from_secs(60)));
    let mut client = Peer::new(Box::new(client), Duration::from_secs(60));
    let mut target = Peer::new(Box::new(target), Duration::from_secs(60));
    target.put(0, b"\x0agreeting");
    target.flush().await.unwrap();
    client.packet().await.unwrap();
    (client, target)
}

async fn ask(client: &mut Peer, text: &[u8]) {
    client.send(command::QUERY, text).await.unwrap();
}

async fn answer(target: &mut Peer, payload: &[u8]) {
    target.put(1, payload);
    target.flush().await.unwrap();
}

/// What the target is asked next.
async fn asked(target: &mut Peer) -> String {
    let (_, payload) = target.packet().await.unwrap();
    String::from_utf8_lossy(&payload[1..]).into_owned()
}

#[tokio::test]
async fn statements_are_only_told_apart_for_clients_that_may_send_several() {
    const TEXT: &[u8] = b"STOP SLAVE 'm1'; DROP TABLE t";
    let (mut client, mut target) = logged_in(0).await;
    ask(&mut client, TEXT).await;
    assert_eq!(asked(&mut target).await.as_bytes(), TEXT, "a syntax error there");
    answer(&mut target, OK).await;
    client.packet().await.unwrap();
    client.send(SET_OPTION, &[0, 0]).await.unwrap();
    target.packet().await.unwrap();
    answer(&mut target, OK).await;
    client.packet().await.unwrap();
    ask(&mut client, TEXT).await;
    assert_eq!(
        asked(&mut target).await,
        "STOP SLAVE ''",
        "whether the client may"
    );

    let (mut client, mut target) = logged_in(capabilities::MULTI_STATEMENTS).await;
    ask(&mut client, TEXT).await;
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    answer(&mut target, OK).await;
    assert_eq!(asked(&mut target).await, " DROP TABLE t");
}

#[tokio::test]
async fn what_nobody_has_offered_is_refused_before_the_target_grants_it() {
    for (can, code) in [
        (
            capabilities::PROTOCOL_41 | capabilities::COMPRESS,
            NOT_UNCOMPRESSED,
        ),
        (
            capabilities::PROTOCOL_41 | capabilities::DEPRECATE_EOF,
            NOT_SUPPORTED,
        ),
        (capabilities::MULTI_STATEMENTS, BAD_HANDSHAKE),
    ] {
        let (mut client, mut target) = greeted().await;
        client.put(
            1,
            &[&(can as u32).to_le_bytes()[..], b"the rest of a login"].concat(),
        );
        client.flush().await.unwrap();
        let (head, error) = client.packet().await.unwrap();
        assert_eq!((head.sequence, error.first()), (2, Some(&status::ERR)));
        assert_eq!(error[1..3], code.to_le_bytes());
        assert!(target.packet().await.is_err(), "the target hears nothing");
    }
}

#[tokio::test]
async fn what_the_engine_says_is_a_value_and_no_sql() {
    let (mut client, mut target) = logged_in(0).await;
    ask(&mut client, b"SELECT @@slave_parallel_threads").await;
    assert_eq!(
        asked(&mut target).await,
        "SELECT '1, 2' AS `@@slave_parallel_threads`"
    );
}

#[tokio::test]
async fn warnings_are_those_of_the_statement_and_not_of_our_questions() {
    let (mut client, mut target) = logged_in(0).await;
    let failed = "START SLAVE 'm1'";
    for (statement, show, messages) in [
        ("STOP SLAVE 'm1'", "SHOW WARNINGS", &[][..]),
        (failed, "SHOW WARNINGS", &["not configured"]),
        (failed, "show warnings limit 5;", &["not configured"]),
        (failed, "SHOW WARNINGS LIMIT 1, 5", &[]),
        (failed, "SHOW ERRORS LIMIT 5 OFFSET 0", &["not configured"]),
        ("STOP SLAVE 'm1'", "SHOW ERRORS", &[]),
    ] {
        ask(&mut client, statement.as_bytes()).await;
        asked(&mut target).await;
        answer(&mut target, OK).await;
        client.packet().await.unwrap();
        ask(&mut client, show.as_bytes()).await;
        assert_eq!(asked(&mut target).await, "SHOW WARNINGS", "for the columns");
        let end = [0xFE, 0, 0, 2, 0];
        let row = b"\x04Note\x041255\x06of our";
        for (sequence, payload) in [&[1][..], b"\x03def", &end, row, &end].into_iter().enumerate() {
            target.put(sequence as u8 + 1, payload);
        }
        target.flush().await.unwrap();
        for _ in 0..3 {
            client.packet().await.unwrap();
        }
        for message in messages {
            let (_, row) = client.packet().await.unwrap();
            assert!(
                row.ends_with(message.as_bytes()),
                "{statement}, {show}: {}",
                row.escape_ascii()
            );
        }
        let (_, last) = client.packet().await.unwrap();
        assert_eq!(
            last.first(),
            Some(&0xFE),
            "{statement}, {show}: {}",
            last.escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_process_list_is_handed_on_row_by_row_with_the_engine_in_it() {
    const TEXT: &str = "SHOW PROCESSLIST; SELECT 1";
    let column = |name: &str| {
        let texts = ["def", "", "", "", name, ""];
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        texts.map(text).concat()
    };
    let row = |cells: [&str; 6]| {
        let mut row = Vec::new();
        tributary_wire::row::encode(&mut row, cells.map(|cell| Some(cell.as_bytes().into())));
        row
    };
    let stranger = row(["4", "root", "localhost", "d", "Sleep", ""]);
    let worker = row(["5", "writer", "localhost", "d", "Query", "Updating"]);
    let end = vec![0xFE, 0, 0, 2, 0];
    for may_see_all in [true, false] {
        let (mut client, mut target) = logged_in(capabilities::MULTI_STATEMENTS).await;
        ask(&mut client, TEXT.as_bytes()).await;
        assert_eq!(asked(&mut target).await, "SHOW ENGINE MyISAM STATUS");
        let refused = b"\xff\xcb\x04#42000Access denied";
        answer(&mut target, if may_see_all { OK } else { refused }).await;
        assert_eq!(asked(&mut target).await, "SHOW PROCESSLIST");
        let mut packets = vec![vec![6]];
        packets.extend(["Id", "User", "Host", "db", "Command", "State"].map(column));
        packets.extend([end.clone(), stranger.clone(), worker.clone(), end.clone()]);
        for (sequence, payload) in packets.iter().enumerate() {
            target.put(sequence as u8 + 1, payload);
        }
        target.flush().await.unwrap();
        // The columns, as they came; then more results follow.
        let mut expected = packets[..7].to_vec();
        let more = vec![0xFE, 0, 0, 10, 0];
        expected.extend([more.clone(), stranger.clone()]);
        expected.push(row(["5", "system user", "", "d", "Slave_worker", "Updating"]));
        if may_see_all {
            let mut thread = Vec::new();
            let cells = ["4294967296", "system user", "", "", "Slave_SQL", "at rest"];
            let cell = |cell: &'static str| Some(cell.as_bytes().into());
            let mut cells = cells.map(cell);
            cells[3] = None;
            tributary_wire::row::encode(&mut thread, cells);
            expected.push(thread);
        }
        expected.push(more);
        for expected in expected {
            let (_, packet) = client.packet().await.unwrap();
            assert_eq!(
                packet.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        }
        assert_eq!(asked(&mut target).await, " SELECT 1");
    }

    // In a prepared statement it is the target's.
    let (mut client, mut target) = logged_in(0).await;
    client
        .send(command::STMT_PREPARE, b"SHOW PROCESSLIST")
        .await
        .unwrap();
    assert_eq!(asked(&mut target).await, "SHOW PROCESSLIST");
}

#[tokio::test]
async fn long_texts_bring_nothing_to_the_threads_of_the_target() {
    let (mut client, mut target) = logged_in(capabilities::MULTI_STATEMENTS).await;
    let long = "x".repeat(STATEMENT_BYTES_MAX);
    let statement = format!("INSERT INTO t VALUES ('{long}'); STOP SLAVE");
    ask(&mut client, statement.as_bytes()).await;
    let (_, refused) = client.packet().await.unwrap();
    assert_eq!(refused.get(..3), Some(&[0xFF, 0xD3, 0x04][..]), "error 1235");
    let statement = format!("INSERT INTO slave VALUES ('{long}'); SELECT 1");
    let asking = tokio::spawn(async move {
        ask(&mut client, statement.as_bytes()).await;
        (client, statement)
    });
    let next = asked(&mut target).await;
    let (_client, statement) = asking.await.unwrap();
    assert!(next == statement, "the second text, as it is");
}

/// What a client without privileges hears.
const DENIED: &[u8] = b"\xFF\xCB\x04#42000denied";

#[tokio::test]
async fn commands_that_come_at_once_are_answered_one_by_one() {
    let (mut client, mut target) = logged_in(0).await;
    client.put(0, b"\x03DO 1");
    client.put(0, b"\x03DO 2");
    client.put(0, b"\x03STOP SLAVE 'm1'");
    client.put(0, &[command::STMT_CLOSE, 1, 0, 0, 0]);
    client.put(0, b"\x03STOP SLAVE 'm2'");
    client.put(0, b"\x03DO 3");
    client.flush().await.unwrap();
    assert_eq!(asked(&mut target).await, "DO 1");
    assert_eq!(asked(&mut target).await, "DO 2");
    answer(&mut target, OK).await;
    client.packet().await.unwrap();
    // The answer to the second is not that to the question.
    answer(&mut target, OK).await;
    client.packet().await.unwrap();
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    answer(&mut target, DENIED).await;
    let (_, denied) = client.packet().await.unwrap();
    assert_eq!(denied, DENIED);
    // What has no answer is not waited for.
    target.packet().await.unwrap();
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    answer(&mut target, OK).await;
    let (_, done) = client.packet().await.unwrap();
    assert_eq!(done.first(), Some(&status::OK));
    assert_eq!(asked(&mut target).await, "DO 3");
}

#[tokio::test]
async fn a_row_that_looks_like_an_answer_is_none() {
    let (mut client, mut target) = logged_in(0).await;
    ask(&mut client, b"SELECT forged FROM t").await;
    asked(&mut target).await;
    let end = [0xFE, 0, 0, 2, 0];
    for (sequence, payload) in [&[1][..], b"\x03def", &end].into_iter().enumerate() {
        target.put(sequence as u8 + 1, payload);
    }
    // The row's length, and all of its packet that is in front of what looks like another one.
    let forged = [&[7, 0, 0, 1][..], OK].concat();
    target
        .output
        .extend_from_slice(&[1 + forged.len() as u8, 0, 0, 4, forged.len() as u8]);
    target.flush().await.unwrap();
    for _ in 0..3 {
        client.packet().await.unwrap();
    }
    ask(&mut client, b"STOP SLAVE 'm1'").await;
    let early = tokio::time::timeout(Duration::from_millis(100), target.packet()).await;
    assert!(early.is_err(), "asked in the middle of a row");
    target.output.extend_from_slice(&forged);
    target.put(5, &end);
    target.flush().await.unwrap();
    for _ in 0..2 {
        client.packet().await.unwrap();
    }
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    answer(&mut target, DENIED).await;
    let (_, denied) = client.packet().await.unwrap();
    assert_eq!(denied, DENIED);

    // A packet that does not begin an answer is none.
    ask(&mut client, b"STOP SLAVE 'm1'").await;
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    target.put(2, OK);
    target.flush().await.unwrap();
    assert!(client.packet().await.is_err(), "the line ends");
}

#[tokio::test]
async fn a_command_waits_for_the_end_of_the_login() {
    let (mut client, mut target) = greeted().await;
    client.put(1, &(capabilities::PROTOCOL_41 as u32).to_le_bytes());
    client.put(0, b"\x03DO 1");
    client.put(0, b"\x03STOP SLAVE 'm1'");
    client.flush().await.unwrap();
    target.packet().await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), target.packet()).await;
    assert!(early.is_err(), "a command in front of the end of the login");
    answer(&mut target, OK).await;
    assert_eq!(asked(&mut target).await, "DO 1");
    answer(&mut target, OK).await;
    assert_eq!(asked(&mut target).await, "STOP SLAVE ''");
    answer(&mut target, DENIED).await;
    for expected in [OK, OK, DENIED] {
        let (head, packet) = client.packet().await.unwrap();
        assert_eq!((head.sequence, &packet[..]), (1, expected));
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_ended() {
    let (mut client, mut target) = logged_in(0).await;
    ask(&mut client, b"SELECT REPEAT('x', 10000000)").await;
    asked(&mut target).await;
    target.put(1, &vec![b'x'; 1 << 22]);
    let ended = tokio::time::timeout(Duration::from_secs(30), target.flush()).await;
    assert!(ended.expect("the relay ends by itself").is_err());
}
