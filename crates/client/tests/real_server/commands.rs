//! Statements, replies, pipelining.

use std::time::Duration;

use tributary_client::{Error, OkInfo, StatementResult};

use crate::{refused, shared_server};

fn affected(result: &StatementResult) -> u64 {
    match result {
        StatementResult::Ok(OkInfo { affected_rows, .. }) => *affected_rows,
        StatementResult::Rows(rows) => panic!("rows instead of OK: {rows:?}"),
    }
}

#[tokio::test]
async fn a_query_returns_rows_and_the_server_its_version() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    assert!(client.server().is_mariadb, "{:?}", client.server());
    let rows = client
        .query(b"SELECT 1 AS one, NULL AS two, '' AS three, VERSION()")
        .await
        .unwrap();
    assert_eq!(rows.column_index("THREE"), Some(2));
    let row = &rows.rows[0];
    assert_eq!(
        (row.get(0), row.get(1), row.get(2)),
        (Some(&b"1"[..]), None, Some(&b""[..]))
    );
    assert_eq!(row.text(3).unwrap(), client.server().version_text);
    let id = client.query(b"SELECT CONNECTION_ID()").await.unwrap();
    assert_eq!(id.first_text(), Some(client.server().connection_id.to_string()));
    client.ping().await.unwrap();
    client.quit().await;
}

#[tokio::test]
async fn updates_count_changed_rows_not_found_ones() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE changed").await.unwrap();
    client
        .execute(b"CREATE TABLE changed.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
        .await
        .unwrap();
    let ok = client
        .execute(b"INSERT INTO changed.t (v) VALUES (1), (2)")
        .await
        .unwrap();
    assert_eq!((ok.affected_rows, ok.last_insert_id), (2, 1));
    assert_eq!(
        client
            .execute(b"UPDATE changed.t SET v = 2")
            .await
            .unwrap()
            .affected_rows,
        1
    );
    client.execute(b"BEGIN").await.unwrap();
    assert!(
        client
            .execute(b"DELETE FROM changed.t")
            .await
            .unwrap()
            .is_in_transaction()
    );
    client.reset_session().await.unwrap();
    let count = client.query(b"SELECT COUNT(*) FROM changed.t").await.unwrap();
    assert_eq!(
        count.first_text().as_deref(),
        Some("2"),
        "a reset session rolls back"
    );
}

#[tokio::test]
async fn a_statement_without_rows_gives_an_empty_set_and_a_call_its_rows() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE calls").await.unwrap();
    let set = client.query(b"SET @a = 1").await.unwrap();
    assert!(set.columns.is_empty() && set.rows.is_empty());
    client
        .execute(b"CREATE PROCEDURE calls.p() BEGIN DO 1; SELECT 5 AS five; END")
        .await
        .unwrap();
    let set = client.query(b"CALL calls.p()").await.unwrap();
    assert_eq!(set.first_text().as_deref(), Some("5"));
    client.execute(b"CALL calls.p()").await.unwrap();
    let empty = client.query(b"SELECT 1 FROM dual WHERE 1 = 0").await.unwrap();
    assert_eq!(
        (empty.columns.len(), empty.rows.len(), empty.first_text()),
        (1, 0, None)
    );
}

#[tokio::test]
async fn a_pipelined_packet_that_fails_does_not_stop_the_next_ones() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE pipe").await.unwrap();
    client
        .execute(b"CREATE TABLE pipe.t (id INT PRIMARY KEY)")
        .await
        .unwrap();
    for values in ["(1)", "(2),(3)", "(1)", "(4)"] {
        client.queue_query(&[b"INSERT INTO pipe.t VALUES ", values.as_bytes()]);
    }
    client.queue_query(&[
        b"INSERT INTO pipe.t VALUES (5);",
        b"INSERT INTO pipe.t VALUES (2);",
        b"SELECT 1",
    ]);
    assert_eq!(client.replies_due(), 5);
    client.flush().await.unwrap();
    assert_eq!(client.queued_bytes(), 0);
    let mut replies = Vec::new();
    while client.replies_due() > 0 {
        replies.push(client.read_reply().await.unwrap());
    }
    let codes: Vec<_> = replies
        .iter()
        .map(|reply| reply.error.as_ref().map(|error| error.code))
        .collect();
    assert_eq!(codes, [None, None, Some(1062), None, Some(1062)]);
    assert_eq!(affected(&replies[1].results[0]), 2);
    assert_eq!(
        replies[4].results.len(),
        1,
        "the second statement of the packet is the one that failed"
    );
    let count = client.query(b"SELECT COUNT(*) FROM pipe.t").await.unwrap();
    assert_eq!(count.first_text().as_deref(), Some("5"));
}

#[tokio::test]
async fn a_packet_of_many_statements_has_one_result_for_each() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.queue_query(&["DO 1;".repeat(200).as_bytes(), b"SELECT 7; SELECT 8 WHERE 0"]);
    client.flush().await.unwrap();
    let reply = client.read_reply().await.unwrap();
    assert_eq!((reply.results.len(), reply.error), (202, None));
    let StatementResult::Rows(rows) = &reply.results[200] else {
        panic!("{:?}", reply.results[200])
    };
    assert_eq!(rows.first_text().as_deref(), Some("7"));
    assert!(!rows.columns.is_empty());
}

#[tokio::test]
async fn a_server_error_leaves_the_connection_usable() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    assert_eq!(refused(client.query(b"SELECT nonsense").await), 1054);
    assert_eq!(refused(client.execute(b"SELEC 1").await), 1064);
    let error = client
        .query(b"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'own'")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "30001 (45000): own");
    assert!(!client.is_broken());
    assert_eq!(
        client.query(b"SELECT 7").await.unwrap().first_text().as_deref(),
        Some("7")
    );
}

/// Rows first, then an error within the same statement.
#[tokio::test]
async fn an_error_after_the_first_rows_is_the_statements_error() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    // The division fails only when the last of many rows is read.
    let sql = b"SELECT seq, IF(seq < 99999, 1, (SELECT 1 UNION SELECT 2)) FROM mysql.seq_1_to_100000";
    assert_eq!(refused(client.query(sql).await), 1242);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn calls_out_of_order_are_refused_and_change_nothing() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    assert!(matches!(client.read_reply().await, Err(Error::Misuse(_))));
    client.queue_query(&[b"SELECT 1"]);
    assert!(matches!(client.query(b"SELECT 2").await, Err(Error::Misuse(_))));
    assert!(matches!(client.read_reply().await, Err(Error::Misuse(_))));
    client.flush().await.unwrap();
    assert!(matches!(client.ping().await, Err(Error::Misuse(_))));
    assert!(client.read_reply().await.unwrap().error.is_none());
    client.ping().await.unwrap();
}

/// The server blocks on its replies until we read them: 200 packets of 200 KB, each answered by 500 KB.
#[tokio::test]
async fn sending_does_not_wait_for_a_server_that_waits_for_us() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.set_reply_timeout(Duration::from_secs(30));
    let padding = vec![b'x'; 200_000];
    for _ in 0..200 {
        client.queue_query(&[b"SELECT REPEAT('y', 500000) /* ", &padding, b" */"]);
    }
    client.flush().await.unwrap();
    while client.replies_due() > 0 {
        let reply = client.read_reply().await.unwrap();
        let StatementResult::Rows(rows) = &reply.results[0] else {
            panic!("no rows")
        };
        assert_eq!(rows.rows[0].get(0).map(<[u8]>::len), Some(500_000));
    }
}

#[tokio::test]
async fn a_packet_larger_than_the_server_takes_is_answered_by_the_servers_reason() {
    let server = shared_server().await;
    let mut admin = server.connect().await;
    admin
        .execute(b"SET GLOBAL max_allowed_packet = 1048576")
        .await
        .unwrap();
    let mut client = server.connect().await;
    admin
        .execute(b"SET GLOBAL max_allowed_packet = 67108864")
        .await
        .unwrap();
    let outcome = client
        .query(&[b"SELECT '", vec![b'x'; 40_000_000].as_slice(), b"'"].concat())
        .await;
    match outcome {
        Err(Error::Server(error)) => assert_eq!(error.code, 1153, "{error}"),
        other => panic!("expected the server's reason: {other:?}"),
    }
    assert!(client.ping().await.is_err(), "the server closes the connection");
    assert!(client.is_broken());
}
