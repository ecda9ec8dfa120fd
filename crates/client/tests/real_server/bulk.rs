//! Prepared statements and bulk execute.

use tributary_client::{Error, Param, ParamType};

use crate::{refused, shared_server};

#[tokio::test]
async fn rows_of_every_type_arrive_as_they_were_sent() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE bulk_types").await.unwrap();
    client
        .execute(
            b"CREATE TABLE bulk_types.t (a BIGINT, b BIGINT UNSIGNED, c DOUBLE, d TEXT, e BLOB,
              f DECIMAL(30,10), g INT DEFAULT 77)",
        )
        .await
        .unwrap();
    let statement = client
        .prepare(b"INSERT INTO bulk_types.t VALUES (?, ?, ?, ?, ?, ?, ?)")
        .await
        .unwrap();
    assert_eq!((statement.parameter_count(), statement.column_count()), (7, 0));
    let types = [
        ParamType::LongLong { unsigned: false },
        ParamType::LongLong { unsigned: true },
        ParamType::Double,
        ParamType::VarString,
        ParamType::Blob,
        ParamType::NewDecimal,
        ParamType::LongLong { unsigned: false },
    ];
    let bytes = |text: &[u8]| Param::Bytes(text.to_vec());
    let full = vec![
        Param::Int(i64::MIN),
        Param::Uint(u64::MAX),
        Param::Double(-0.5),
        bytes("s\u{fc}\u{df}'\\".as_bytes()),
        bytes(&[0, 255, 128]),
        bytes(b"12345678901234567890.0123456789"),
        Param::Default,
    ];
    let rows = [full, vec![Param::Null; 7]];
    let ok = client.execute_bulk(&statement, &types, &rows).await.unwrap();
    assert_eq!(ok.affected_rows, 2);
    let set = client
        .query(b"SELECT a, b, c, d, HEX(e), f, g FROM bulk_types.t ORDER BY a IS NULL")
        .await
        .unwrap();
    let found: Vec<_> = set.rows[0]
        .cells()
        .map(|cell| String::from_utf8_lossy(cell.unwrap()).into_owned())
        .collect();
    let expected = [
        "-9223372036854775808",
        "18446744073709551615",
        "-0.5",
        "s\u{fc}\u{df}'\\",
        "00FF80",
        "12345678901234567890.0123456789",
        "77",
    ];
    assert_eq!(found, expected);
    assert!(set.rows[1].cells().all(|cell| cell.is_none()));
    client.close_prepared(statement).await.unwrap();
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_failing_row_fails_the_bulk_and_leaves_the_connection() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE bulk_fail").await.unwrap();
    client
        .execute(b"CREATE TABLE bulk_fail.t (id BIGINT PRIMARY KEY)")
        .await
        .unwrap();
    let statement = client
        .prepare(b"INSERT INTO bulk_fail.t VALUES (?)")
        .await
        .unwrap();
    let types = [ParamType::LongLong { unsigned: false }];
    let rows: Vec<_> = [1, 2, 1, 3].map(|id| vec![Param::Int(id)]).into();
    assert_eq!(
        refused(client.execute_bulk(&statement, &types, &rows).await),
        1062
    );
    let count = client.query(b"SELECT COUNT(*) FROM bulk_fail.t").await.unwrap();
    assert_eq!(
        count.first_text().as_deref(),
        Some("0"),
        "InnoDB keeps nothing of a failed bulk insert"
    );

    // Pipelined with text, more than a packet's worth of rows.
    let rows: Vec<_> = (0..1_800_000).map(|id| vec![Param::Int(id)]).collect();
    client.queue_query(&[b"BEGIN"]);
    client.queue_bulk(&statement, &types, &rows).unwrap();
    client.queue_query(&[b"COMMIT"]);
    client.flush().await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.read_reply().await.unwrap().error, None);
    }
    let count = client.query(b"SELECT COUNT(*) FROM bulk_fail.t").await.unwrap();
    assert_eq!(count.first_text().as_deref(), Some("1800000"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_is_queued() {
    let server = shared_server().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    let statement = client.prepare(b"SELECT ?, 1").await.unwrap();
    assert_eq!((statement.parameter_count(), statement.column_count()), (1, 2));
    let types = [ParamType::Double];
    let good = [vec![Param::Double(1.0)]];
    assert!(matches!(
        other.execute_bulk(&statement, &types, &good).await,
        Err(Error::Misuse(_))
    ));
    let bad = [vec![Param::Int(1)]];
    assert!(matches!(
        client.execute_bulk(&statement, &types, &bad).await,
        Err(Error::Protocol { .. })
    ));
    assert!(matches!(
        client.execute_bulk(&statement, &[], &bad).await,
        Err(Error::Misuse(_))
    ));
    assert_eq!(
        (client.queued_bytes(), client.replies_due(), client.is_broken()),
        (0, 0, false)
    );
    assert_eq!(refused(client.prepare(b"SELECT nonsense").await), 1054);
    assert!(matches!(
        other.close_prepared(statement).await,
        Err(Error::Misuse(_))
    ));
    client.ping().await.unwrap();
}
