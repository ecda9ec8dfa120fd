//! A source, a target and the engine between them, for tests with real servers.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(missing_docs, clippy::unwrap_used, reason = "a failed step ends the test")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tributary::{ApplyOptions, ConnectionOptions, Options, Replicator, SkipErrors, StartPosition, TargetOptions};
use tributary_binlog::Coordinates;
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_rules::{Filter, Rewrite};
use tributary_sandbox::{Server, ServerOptions, compare};

/// Longest wait for the engine to catch up in a test.
pub const CATCH_UP: Duration = Duration::from_secs(60);

/// What the tests replicate, and what it is called on the target.
pub const SOURCE_DB: &str = "asterisk";
pub const TARGET_DB: &str = "m1_asterisk";

/// Starts a source and a target.
pub async fn pair(source: ServerOptions) -> anyhow::Result<(Server, Server)> {
    let (source, target) = tokio::join!(Server::start(source), Server::start(ServerOptions::target().arg("--local-infile=ON")));
    Ok((source?, target?))
}

/// Login as root over the socket.
pub fn root(server: &Server) -> ConnectOptions {
    ConnectOptions::new(Address::Unix(server.socket().to_owned()), "root", Secret::new(""))
}

/// One connection `m1` from the source's oldest binlog.
pub fn connection(name: &str, source: &Server, rewrite: &str) -> ConnectionOptions {
    let mut rules = Rewrite::new();
    rules.add(rewrite).unwrap();
    ConnectionOptions {
        name: name.to_owned(),
        source: root(source),
        server_id: None,
        start: Some(StartPosition::Coordinates(Coordinates::new("", 4))),
        use_gtid: false,
        connect_retry: Duration::from_millis(200),
        heartbeat_period: Duration::from_secs(1),
        net_timeout: Duration::from_secs(10),
        filter: Filter::new(),
        rewrite: rules,
        skip_errors: SkipErrors::None,
        relay_bytes_max: 16 << 20,
        relay_groups_max: 4096,
    }
}

/// An engine from `source` to `target`.
pub fn options(source: &Server, target: &Server) -> Options {
    Options {
        server_id: 77,
        target: TargetOptions { login: root(target), schema: "tributary".to_owned() },
        connections: vec![connection("m1", source, &format!("{SOURCE_DB}->{TARGET_DB}"))],
        apply: ApplyOptions::default(),
    }
}

/// Waits until everything in the source's binlog is on the target.
pub async fn caught_up(engine: &Replicator, connection: &str, source: &Server) -> anyhow::Result<()> {
    let status = source.rows("SHOW MASTER STATUS").await?;
    let (file, offset) = (status[0][0].clone().context("file")?, status[0][1].clone().context("offset")?.parse::<u64>()?);
    until(&format!("{connection} to reach {file}:{offset}"), || {
        let status = engine.status();
        let state = status.connections.iter().find(|c| c.name == connection).context("no such connection")?;
        ensure!(state.last_error.is_none() || state.sql_state == tributary::SqlState::Running, "{:?}", state.last_error);
        Ok((state.executed.file.as_str(), state.executed.offset) >= (file.as_str(), offset))
    })
    .await
    .with_context(|| format!("{:#?}", engine.status()))
}

/// Waits for a condition with a deadline.
pub async fn until(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    while !holds().with_context(|| format!("while waiting for {what}"))? {
        ensure!(Instant::now() < deadline, "waited {CATCH_UP:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Source and target hold the same, table by table, row by row.
pub async fn assert_equal(source: &Server, target: &Server, target_db: &str, ignored: &[&str]) -> anyhow::Result<()> {
    let comparison = compare(source, SOURCE_DB, target, target_db, ignored).await?;
    ensure!(comparison.is_equal(), "{comparison}");
    Ok(())
}

/// Shows the engine's log when `RUST_LOG` is set.
pub fn log() {
    let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_test_writer().try_init();
}
