//! The same work over every kind of connection: TCP, unix socket, TLS, compression, and both.

use tributary_client::{Client, ConnectOptions, StatementResult, TlsMode, TlsOptions};

use crate::certificates::Authority;
use crate::server::Server;
use crate::{refused, shared_server};

/// 20 MB each way in one packet, a thousand pipelined packets, and a file: every path through the buffers.
async fn exercise(options: &ConnectOptions) -> Client {
    let mut client = Client::connect(options).await.unwrap();
    assert_eq!(client.server().is_encrypted, options.tls.mode != TlsMode::Off);
    assert_eq!(client.server().is_compressed, options.compress);
    let large: Vec<u8> = (0..20_000_000u32).map(|i| b'a' + (i % 23) as u8).collect();
    for size in [
        0, 1, 249, 250, 251, 65_535, 65_536, 16_777_204, 16_777_205, 16_777_206, 16_777_215, 20_000_000,
    ] {
        let text = &large[..size];
        client.queue_query(&[b"SELECT '", text, b"', LENGTH('", b"abc", b"')"]);
        client.flush().await.unwrap();
        let reply = client
            .read_reply()
            .await
            .unwrap_or_else(|error| panic!("{size} bytes: {error}"));
        let StatementResult::Rows(rows) = &reply.results[0] else {
            panic!("{:?}", reply.error)
        };
        assert!(
            rows.rows[0].get(0) == Some(text),
            "{size} bytes did not come back"
        );
        assert_eq!(rows.rows[0].get(1), Some(&b"3"[..]));
    }
    for i in 0..1000 {
        client.queue_query(&[b"SELECT ", i.to_string().as_bytes()]);
    }
    client.flush().await.unwrap();
    for i in 0..1000 {
        let reply = client.read_reply().await.unwrap();
        let StatementResult::Rows(rows) = &reply.results[0] else {
            panic!("{:?}", reply.error)
        };
        assert_eq!(rows.first_text(), Some(i.to_string()));
    }
    client
        .execute(b"CREATE TEMPORARY TABLE mysql.files (line LONGTEXT)")
        .await
        .unwrap();
    let lines = b"one\ntwo\nthree\n".repeat(100_000);
    let ok = client
        .load_local(b"LOAD DATA LOCAL INFILE 'any' INTO TABLE mysql.files", &lines[..])
        .await
        .unwrap();
    assert_eq!(ok.affected_rows, 300_000);
    let rows = client.query(b"SELECT line FROM mysql.files").await.unwrap();
    assert_eq!(rows.rows.len(), 300_000);
    assert_eq!(rows.rows[299_999].get(0), Some(&b"three"[..]));
    client
}

fn tls(server: &Server, mode: TlsMode) -> TlsOptions {
    TlsOptions {
        mode,
        ca_file: Some(server.authority.file()),
        ..TlsOptions::default()
    }
}

fn on_localhost(mut options: ConnectOptions) -> ConnectOptions {
    if let tributary_client::Address::Tcp { host, .. } = &mut options.address {
        *host = "localhost".to_owned();
    }
    options
}

#[tokio::test]
async fn tcp() {
    let server = shared_server().await;
    exercise(&server.options()).await.quit().await;
}

#[tokio::test]
async fn unix_socket() {
    exercise(&shared_server().await.unix_options()).await.quit().await;
}

#[tokio::test]
async fn compressed() {
    let server = shared_server().await;
    let options = ConnectOptions {
        compress: true,
        ..server.options()
    };
    exercise(&options).await.quit().await;
}

#[tokio::test]
async fn tls_with_any_certificate() {
    let server = shared_server().await;
    let tls = TlsOptions {
        mode: TlsMode::Required,
        ..TlsOptions::default()
    };
    let mut client = exercise(&ConnectOptions {
        tls,
        ..server.options()
    })
    .await;
    let cipher = client.query(b"SHOW STATUS LIKE 'Ssl_cipher'").await.unwrap();
    assert!(!cipher.rows[0].text(1).unwrap().is_empty());
}

#[tokio::test]
async fn tls_and_compression() {
    let server = shared_server().await;
    let options = ConnectOptions {
        compress: true,
        tls: tls(&server, TlsMode::VerifyCa),
        ..server.options()
    };
    exercise(&options).await.quit().await;
}

#[tokio::test]
async fn the_certificate_must_name_the_host_when_asked_to() {
    let server = shared_server().await;
    let options = ConnectOptions {
        tls: tls(&server, TlsMode::VerifyIdentity),
        ..server.options()
    };
    let error = Client::connect(&options).await.unwrap_err().to_string();
    assert!(
        error.contains("TLS with 127.0.0.1") && error.contains("subject alternative names"),
        "{error}"
    );
    let mut client = Client::connect(&on_localhost(options)).await.unwrap();
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let server = shared_server().await;
    for name in ["test authority", "another name"] {
        let dir = tempfile::tempdir().unwrap();
        let other = Authority::new(dir.path(), name);
        for mode in [TlsMode::VerifyCa, TlsMode::VerifyIdentity] {
            let tls = TlsOptions {
                mode,
                ca_file: Some(other.file()),
                ..TlsOptions::default()
            };
            let options = on_localhost(ConnectOptions {
                tls,
                ..server.options()
            });
            let error = Client::connect(&options).await.unwrap_err();
            assert!(!error.is_network());
            assert!(error.to_string().contains("authority in ca_file"), "{error}");
        }
    }
}

#[tokio::test]
async fn wrong_tls_files_are_named() {
    let server = shared_server().await;
    let (certificate, key) = server.authority.certify("spare", "client.test");
    let missing = server.authority.file().with_file_name("missing.pem");
    let base = tls(&server, TlsMode::VerifyCa);
    for (tls, expected) in [
        (
            TlsOptions {
                ca_file: None,
                ..base.clone()
            },
            "needs ca_file",
        ),
        (
            TlsOptions {
                ca_file: Some(missing.clone()),
                ..base.clone()
            },
            "missing.pem",
        ),
        (
            TlsOptions {
                ca_file: Some(key.clone()),
                ..base.clone()
            },
            "no certificate",
        ),
        (
            TlsOptions {
                cert_file: Some(certificate.clone()),
                ..base.clone()
            },
            "go together",
        ),
        (
            TlsOptions {
                cert_file: Some(certificate.clone()),
                key_file: Some(certificate.clone()),
                ..base.clone()
            },
            "no key",
        ),
        (
            TlsOptions {
                cert_file: Some(certificate),
                key_file: Some(server.authority.file()),
                ..base
            },
            "others may read",
        ),
    ] {
        let error = Client::connect(&ConnectOptions {
            tls,
            ..server.options()
        })
        .await
        .unwrap_err()
        .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_account_that_requires_a_certificate_gets_one() {
    let server = shared_server().await;
    let mut admin = server.connect().await;
    admin
        .execute(b"CREATE USER certified@'%' IDENTIFIED BY 'pw' REQUIRE X509")
        .await
        .unwrap();
    let without = ConnectOptions {
        tls: tls(&server, TlsMode::VerifyCa),
        ..server.options_of("certified", "pw")
    };
    assert_eq!(refused(Client::connect(&without).await), 1045);
    let (certificate, key) = server.authority.certify("client", "client.test");
    let tls = TlsOptions {
        cert_file: Some(certificate),
        key_file: Some(key),
        ..without.tls.clone()
    };
    let mut client = Client::connect(&ConnectOptions { tls, ..without }).await.unwrap();
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_not_used_without() {
    let server = Server::start(&["--skip-ssl"]).await;
    let options = ConnectOptions {
        tls: tls(&server, TlsMode::Required),
        ..server.options()
    };
    let error = Client::connect(&options).await.unwrap_err().to_string();
    assert!(error.contains("does not offer it"), "{error}");
}
