//! Over TCP, a unix socket, TLS and the compressed protocol the same arrives.

use std::path::{Path, PathBuf};

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, keeps_trying, log, open_tcp, options, pair, tcp,
};
use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tributary::{Options, Replicator};
use tributary_client::{TlsMode, TlsOptions};
use tributary_sandbox::{ScratchDirectory, Server, ServerOptions, Traffic, TrafficPlan, schema};

/// Files of a server's certificate, its key, and of the authority that signed it.
struct Certificate {
    file: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

/// A new authority and a certificate for 127.0.0.1 by it.
fn certify(dir: &Path, name: &str) -> anyhow::Result<Certificate> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("authority {name}"));
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let files = Certificate {
        file: dir.join(format!("{name}.pem")),
        key: dir.join(format!("{name}-key.pem")),
        authority: dir.join(format!("{name}-ca.pem")),
    };
    std::fs::write(&files.file, params.signed_by(&key, &issuer)?.pem())?;
    std::fs::write(&files.key, key.serialize_pem())?;
    std::fs::write(&files.authority, issuer.pem())?;
    Ok(files)
}

/// Traffic over whatever the options say is equal on both sides.
async fn traffic_arrives(source: &Server, target: &Server, options: Options) -> anyhow::Result<()> {
    schema::create(source, 1).await?;
    let engine = Replicator::start(options).await?;
    let traffic = Traffic::start(
        source,
        TrafficPlan {
            statements_max: Some(800),
            ..TrafficPlan::new(51)
        },
    )?;
    traffic.wait().await?;
    // Longer than one packet of the compressed protocol, and more than it compresses well.
    source
        .run(&format!("CREATE TABLE {SOURCE_DB}.big (a LONGBLOB); INSERT INTO {SOURCE_DB}.big VALUES (REPEAT(MD5(RAND()), 100000)), (RANDOM_BYTES(1024))"))
        .await?;
    caught_up(&engine, "m1", source).await?;
    assert_equal(source, target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_an_own_authority_on_both_sides() -> anyhow::Result<()> {
    log();
    let dir = ScratchDirectory::create("tributary-")?;
    let certificate = certify(dir.path(), "server")?;
    let with_tls = |options: ServerOptions| {
        options
            .arg(&format!("--ssl-cert={}", certificate.file.display()))
            .arg(&format!("--ssl-key={}", certificate.key.display()))
            .arg("--log-warnings=0")
    };
    let (source, target) = tokio::try_join!(
        Server::start(with_tls(ServerOptions::source(1))),
        Server::start(with_tls(ServerOptions::target()))
    )?;
    let only_tls = "ALTER USER root@'127.0.0.1' REQUIRE SSL";
    for server in [&source, &target] {
        open_tcp(server).await?;
        server.run(&format!("SET sql_log_bin=0; {only_tls}")).await?;
    }
    let mut options = options(&source, &target);
    options.connections[0].source = tcp(source.port());
    options.target.login = tcp(target.port());
    let tls = TlsOptions {
        mode: TlsMode::VerifyCa,
        ca_file: Some(certificate.authority.clone()),
        ..TlsOptions::default()
    };
    options.connections[0].source.tls = tls.clone();
    options.target.login.tls = tls;
    traffic_arrives(&source, &target, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_a_certificate_of_somebody_else_is_not_talked_to() -> anyhow::Result<()> {
    log();
    let dir = ScratchDirectory::create("tributary-")?;
    let (right, wrong) = (certify(dir.path(), "right")?, certify(dir.path(), "wrong")?);
    let source = ServerOptions::source(1)
        .arg(&format!("--ssl-cert={}", wrong.file.display()))
        .arg(&format!("--ssl-key={}", wrong.key.display()));
    let (source, target) = pair(source).await?;
    open_tcp(&source).await?;
    let mut options = options(&source, &target);
    options.connections[0].source = tcp(source.port());
    options.connections[0].source.tls = TlsOptions {
        mode: TlsMode::VerifyCa,
        ca_file: Some(right.authority),
        ..TlsOptions::default()
    };
    let engine = Replicator::start(options).await?;
    let error = keeps_trying(&engine, "m1", 2026)
        .await
        .context("error 2026, as the servers' own client has it")?;
    assert!(error.contains("certificate"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compressed_protocol_on_both_sides() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    open_tcp(&source).await?;
    let mut options = options(&source, &target);
    options.connections[0].source = tcp(source.port());
    options.connections[0].source.compress = true;
    options.target.login.compress = true;
    traffic_arrives(&source, &target, options).await
}
