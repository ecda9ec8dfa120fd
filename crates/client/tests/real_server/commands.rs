//! Statements, replies, pipelining, large packets.

use tributary_client::{Client, Error, OkInfo, StatementResult};

use crate::shared_server;

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
    client.ping().await.unwrap();
    client.quit().await;
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

async fn refused(client: &mut Client, sql: &[u8]) -> u16 {
    match client.query(sql).await {
        Err(Error::Server(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_error_leaves_the_connection_usable() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    assert_eq!(refused(&mut client, b"SELECT nonsense").await, 1054);
    assert_eq!(refused(&mut client, b"SELEC 1").await, 1064);
    assert!(!client.is_broken());
    assert_eq!(
        client.query(b"SELECT 7").await.unwrap().first_text().as_deref(),
        Some("7")
    );
}
