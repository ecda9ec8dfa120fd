//! `caching_sha2_password`, which MariaDB 10.11 does not have: against a server played by the test. The encryption itself is
//! tested in `tributary-wire`, where the private key is.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::UnixListener;
use tokio_rustls::TlsAcceptor;
use tributary_client::{Address, Client, ConnectOptions, Error, TlsMode, TlsOptions};
use tributary_wire::capabilities as cap;

use crate::certificates::Authority;
use crate::fake::{Fake, listen};

const PLUGIN: &[u8] = b"caching_sha2_password";
const FAST_OK: &[u8] = &[1, 3];
const FULL: &[u8] = &[1, 4];

/// SHA2 of "secret" and the fake's nonce: SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce).
const SCRAMBLE_LENGTH: u8 = 32;

const PUBLIC_KEY: &[u8] = b"\x01-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1HbXepNzpuEIwtbfTmso
PzutiQs8AkCJ50Gn6SCw/k8Jh1ed5/oE5nBQlYfDc3g7iWheNw20ElDrDPjqUXYi
ZyB8IHwXZtA45PouuXXcb9Gzy3B/FsxCEWehsmKvZkfkk7uPEmQlUvh5NpEHhqIt
e6aBVqpbcF7fcgO5iXSJSdooSNT7UUbA2H0+6Mzt6vJKiEGm8ASz769wqgD3227n
dPwy2GsUd2O0cN9NfM705u9sYlShEFvpR/cMmS6DVj6MMLphoWJn1fgjsBvHw6/V
LK72f3NldQ67E7eJI3/Nx5dBeRfkmUNkvEeVBDYMFktDW1nijYLvskk/NBu8YsL+
5wIDAQAB
-----END PUBLIC KEY-----
";

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_cached_password_needs_no_more() {
    let (listener, options) = listen().await;
    let server = async {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.greet(PLUGIN, 0).await;
        let response = fake.receive().await;
        // User, then the length of the scramble.
        let user = response
            .windows(8)
            .position(|window| window == b"someone\0")
            .unwrap();
        assert_eq!(response[user + 8], SCRAMBLE_LENGTH);
        assert!(holds(&response, PLUGIN) && !holds(&response, b"secret"));
        fake.send(FAST_OK).await;
        fake.send_ok().await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    assert_eq!(client.unwrap().server().version, (8, 4, 0));
}

#[tokio::test]
async fn on_tcp_the_password_is_encrypted_with_the_servers_key() {
    let (listener, options) = listen().await;
    let server = async {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.greet(b"mysql_native_password", 0).await;
        fake.receive().await;
        fake.send(&[b"\xfe", PLUGIN, b"\0", crate::fake::NONCE, b"\0"].concat())
            .await;
        assert_eq!(fake.receive().await.len(), usize::from(SCRAMBLE_LENGTH));
        fake.send(FULL).await;
        assert_eq!(fake.receive().await, [2], "the key is asked for");
        fake.send(PUBLIC_KEY).await;
        let encrypted = fake.receive().await;
        assert_eq!(encrypted.len(), 256);
        fake.send_ok().await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    client.unwrap();
}

#[tokio::test]
async fn a_server_that_sends_no_key_gets_no_password() {
    let (listener, options) = listen().await;
    let server = async {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.greet(PLUGIN, 0).await;
        fake.receive().await;
        fake.send(FULL).await;
        fake.receive().await;
        fake.send(b"\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")
            .await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    let error = client.unwrap_err();
    assert!(
        matches!(&error, Error::Auth { user, .. } if user == "someone"),
        "{error}"
    );
}

#[tokio::test]
async fn on_a_unix_socket_the_password_travels_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (_unused, options) = listen().await;
    let options = ConnectOptions {
        address: Address::Unix(path),
        ..options
    };
    let server = async {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        fake.greet(PLUGIN, 0).await;
        fake.receive().await;
        fake.send(FULL).await;
        assert_eq!(fake.receive().await, b"secret\0");
        fake.send_ok().await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    client.unwrap();
}

#[tokio::test]
async fn under_tls_the_password_travels_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "test authority");
    let (certificate, key) = authority.certify("server", "localhost");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
    let (listener, options) = listen().await;
    let tls = TlsOptions {
        mode: TlsMode::VerifyCa,
        ca_file: Some(authority.file()),
        ..TlsOptions::default()
    };
    let options = ConnectOptions { tls, ..options };
    let server = async {
        let mut plain = Fake::new(listener.accept().await.unwrap().0);
        plain.greet(PLUGIN, cap::SSL).await;
        let request = plain.receive().await;
        assert_eq!(request.len(), 32, "the request for TLS names nobody");
        let stream = TlsAcceptor::from(Arc::new(config))
            .accept(plain.stream)
            .await
            .unwrap();
        let mut fake = Fake::new(stream);
        assert!(holds(&fake.receive().await, b"someone\0"));
        fake.send(FULL).await;
        assert_eq!(fake.receive().await, b"secret\0");
        fake.send_ok().await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    assert!(client.unwrap().server().is_encrypted);
}

#[tokio::test]
async fn bytes_before_the_encryption_are_not_believed() {
    let (listener, options) = listen().await;
    let tls = TlsOptions {
        mode: TlsMode::Required,
        ..TlsOptions::default()
    };
    let options = ConnectOptions { tls, ..options };
    let server = async {
        let mut fake = Fake::new(listener.accept().await.unwrap().0);
        // The OK must lie in the client's buffer when it reads the greeting.
        let mut payload = Vec::new();
        tributary_wire::status::OkInfo::default().encode(&mut payload, 0);
        fake.greet_and(PLUGIN, cap::SSL, &payload).await;
        fake
    };
    let (client, _fake) = tokio::join!(Client::connect(&options), server);
    let error = client.unwrap_err().to_string();
    assert!(error.contains("before the encryption"), "{error}");
}
