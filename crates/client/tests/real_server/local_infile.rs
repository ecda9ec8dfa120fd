//! LOAD DATA LOCAL INFILE from memory, and refused everywhere else.

use tributary_client::Error;

use crate::{refused, shared_server};

#[tokio::test]
async fn a_file_is_given_out_by_load_local_and_only_there() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE files").await.unwrap();
    client
        .execute(b"CREATE TABLE files.t (id INT PRIMARY KEY)")
        .await
        .unwrap();
    let sql = b"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE files.t";
    let ok = client.load_local(sql, &b"1\n2\n3\n"[..]).await.unwrap();
    assert_eq!(ok.affected_rows, 3);
    let ok = client.load_local(sql, &b""[..]).await.unwrap();
    assert_eq!(ok.affected_rows, 0);

    let error = client.query(sql).await.unwrap_err();
    assert!(
        matches!(&error, Error::LocalInfileRefused { file } if file == "/etc/hostname"),
        "{error}"
    );
    let count = client.query(b"SELECT COUNT(*) FROM files.t").await.unwrap();
    assert_eq!(
        count.first_text().as_deref(),
        Some("3"),
        "the server got an empty file"
    );

    assert_eq!(
        refused(
            client
                .load_local(b"LOAD DATA LOCAL INFILE 'x' INTO TABLE files.no", &b"1"[..])
                .await
        ),
        1146
    );
    // A statement that asks for no file is just run.
    assert_eq!(
        client
            .load_local(b"INSERT INTO files.t VALUES (9)", &b"ignored"[..])
            .await
            .unwrap()
            .affected_rows,
        1
    );
    client.ping().await.unwrap();
}

/// The server reads the packets that follow as the file: nothing that comes after can be trusted.
#[tokio::test]
async fn a_request_in_the_middle_of_a_pipeline_breaks_the_connection() {
    let server = shared_server().await;
    let mut client = server.connect().await;
    client.execute(b"CREATE DATABASE midway").await.unwrap();
    client
        .execute(b"CREATE TABLE midway.t (line TEXT)")
        .await
        .unwrap();
    client.queue_query(&[b"LOAD DATA LOCAL INFILE 'x' INTO TABLE midway.t"]);
    client.queue_query(&[b"SELECT 1"]);
    client.flush().await.unwrap();
    let error = client.read_reply().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(client.is_broken());
    assert!(matches!(client.read_reply().await, Err(Error::Broken)));
}
