//! Accounts and their authentication plugins, against a real server.

use tributary_client::{Client, ConnectOptions, Error};

use crate::{refused, shared_server};

#[tokio::test]
async fn native_passwords() {
    let server = shared_server().await;
    let mut admin = server.connect().await;
    admin
        .execute(b"CREATE USER native@'%' IDENTIFIED BY 'p\xc3\xa4ss'")
        .await
        .unwrap();
    admin.execute(b"CREATE USER bare@'%'").await.unwrap();
    let mut client = Client::connect(&server.options_of("native", "p\u{e4}ss"))
        .await
        .unwrap();
    let user = client.query(b"SELECT USER()").await.unwrap();
    assert!(user.first_text().unwrap().starts_with("native@"));
    let refusal = Client::connect(&server.options_of("native", "wrong")).await;
    assert!(
        !format!("{refusal:?}").contains("wrong"),
        "errors do not hold the password"
    );
    assert_eq!(refused(refusal), 1045);
    assert_eq!(
        refused(Client::connect(&server.options_of("native", "")).await),
        1045
    );
    Client::connect(&server.options_of("bare", ""))
        .await
        .unwrap()
        .ping()
        .await
        .unwrap();
}

#[tokio::test]
async fn ed25519_and_accounts_with_several_plugins() {
    let server = shared_server().await;
    let mut admin = server.connect().await;
    admin.execute(b"INSTALL SONAME 'auth_ed25519'").await.unwrap();
    admin
        .execute(b"CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('first')")
        .await
        .unwrap();
    let sql = b"CREATE USER many@'%' IDENTIFIED VIA ed25519 USING PASSWORD('first')
        OR mysql_native_password USING PASSWORD('second')";
    admin.execute(sql).await.unwrap();
    Client::connect(&server.options_of("ed", "first"))
        .await
        .unwrap()
        .ping()
        .await
        .unwrap();
    assert_eq!(
        refused(Client::connect(&server.options_of("ed", "second")).await),
        1045
    );
    for password in ["first", "second"] {
        Client::connect(&server.options_of("many", password))
            .await
            .unwrap()
            .ping()
            .await
            .unwrap();
    }
    assert_eq!(
        refused(Client::connect(&server.options_of("many", "third")).await),
        1045
    );
}

#[tokio::test]
async fn the_default_database_is_used() {
    let server = shared_server().await;
    let options = ConnectOptions {
        database: Some("mysql".to_owned()),
        ..server.options()
    };
    let mut client = Client::connect(&options).await.unwrap();
    assert_eq!(
        client
            .query(b"SELECT DATABASE()")
            .await
            .unwrap()
            .first_text()
            .as_deref(),
        Some("mysql")
    );
    let options = ConnectOptions {
        database: Some("nowhere".to_owned()),
        ..server.options()
    };
    assert_eq!(refused(Client::connect(&options).await), 1049);
}

#[tokio::test]
async fn a_server_that_is_full_says_so() {
    let server = crate::server::Server::start(&["--max-connections=10"]).await;
    let mut clients = Vec::new();
    let error = loop {
        match Client::connect(&server.options()).await {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 20, "no limit was met");
    };
    assert_eq!(error.server_code(), Some(1040));
    assert!(error.is_network(), "trying again may help");
}

#[tokio::test]
async fn a_user_name_with_a_zero_byte_is_refused_here() {
    let server = shared_server().await;
    let error = Client::connect(&server.options_of("ro\0ot", ""))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Auth { .. }), "{error}");
}
