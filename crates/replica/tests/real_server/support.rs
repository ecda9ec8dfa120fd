//! A source, a target and the engine between them, for tests with real servers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tributary::{
    ApplyOptions, ConnectionOptions, Options, RelayLogOptions, Replicator, StartPosition, TargetOptions,
};
use tributary_binlog::Coordinates;
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_rules::{Filter, Rewrite};
use tributary_sandbox::{Server, ServerOptions, compare, compare_code};

/// Longest wait for the engine to catch up in a test.
pub const CATCH_UP: Duration = Duration::from_secs(180);

/// What the tests replicate, and what it is called on the target.
pub const SOURCE_DB: &str = "asterisk";
pub const TARGET_DB: &str = "m1_asterisk";

/// Starts a source and a target.
pub async fn pair(source: ServerOptions) -> anyhow::Result<(Server, Server)> {
    let (source, target) = tokio::join!(
        Server::start(source),
        Server::start(ServerOptions::target().arg("--local-infile=ON"))
    );
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
        relay_bytes_max: 16 << 20,
        relay_groups_max: 4096,
        ..ConnectionOptions::new(name, root(source))
    }
}

/// Where the relay log of [`options`] is. It lives as long as the target; the server passes over names with a dot.
pub fn relay_dir(target: &Server) -> PathBuf {
    target.data_dir().join(".relay-m1")
}

/// An engine from `source` to `target`, with a relay log.
pub fn options(source: &Server, target: &Server) -> Options {
    let connection = ConnectionOptions {
        relay_log: Some(RelayLogOptions::new(relay_dir(target))),
        ..connection("m1", source, &format!("{SOURCE_DB}->{TARGET_DB}"))
    };
    Options {
        server_id: 77,
        target: TargetOptions {
            login: root(target),
            schema: "tributary".to_owned(),
            status_interval: Duration::from_secs(1),
        },
        connections: vec![connection],
        apply: ApplyOptions::default(),
    }
}

/// Waits until everything in the source's binlog is on the target.
pub async fn caught_up(engine: &Replicator, connection: &str, source: &Server) -> anyhow::Result<()> {
    let status = source.rows("SHOW MASTER STATUS").await?;
    let (file, offset) = (
        status[0][0].clone().context("file")?,
        status[0][1].clone().context("offset")?.parse::<u64>()?,
    );
    until(&format!("{connection} to reach {file}:{offset}"), || {
        let status = engine.status();
        let state = status
            .connections
            .iter()
            .find(|c| c.name == connection)
            .context("no such connection")?;
        ensure!(
            state.last_error.is_none()
                || state.sql_state == tributary::SqlState::Running
                || state.retries_in.is_some(),
            "{:?}",
            state.last_error
        );
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
pub async fn assert_equal(
    source: &Server,
    target: &Server,
    target_db: &str,
    ignored: &[&str],
) -> anyhow::Result<()> {
    let comparison = compare(source, SOURCE_DB, target, target_db, ignored).await?;
    ensure!(comparison.is_equal(), "{comparison}");
    let code = compare_code(source, target, &[(SOURCE_DB, target_db)], ignored).await?;
    ensure!(code.is_equal(), "{code}");
    Ok(())
}

/// One connection's status now.
pub fn status(engine: &Replicator, connection: &str) -> tributary::ConnectionStatus {
    engine
        .status()
        .connections
        .into_iter()
        .find(|c| c.name == connection)
        .unwrap()
}

/// Waits until a connection has stopped with an error, and tells which.
pub async fn stopped(engine: &Replicator, connection: &str) -> anyhow::Result<tributary::ErrorStatus> {
    let has_stopped = || {
        let now = status(engine, connection);
        let is_stopped =
            now.sql_state == tributary::SqlState::Stopped || now.io_state == tributary::IoState::Stopped;
        Ok(is_stopped && now.last_error.is_some())
    };
    until(&format!("{connection} to stop"), has_stopped)
        .await
        .with_context(|| format!("{:#?}", engine.status()))?;
    status(engine, connection).last_error.context("the reason")
}

/// Waits until a connection shows this error while it keeps trying.
pub async fn keeps_trying(engine: &Replicator, connection: &str, number: u16) -> anyhow::Result<String> {
    let has_failed = || {
        let now = status(engine, connection);
        ensure!(
            now.io_state != tributary::IoState::Stopped,
            "it has stopped: {:?}",
            now.last_error
        );
        Ok(now.io_state == tributary::IoState::Connecting
            && now.last_error.is_some_and(|error| error.number == number))
    };
    until(&format!("{connection} to fail with {number}"), has_failed)
        .await
        .with_context(|| format!("{:#?}", engine.status()))?;
    Ok(status(engine, connection)
        .last_error
        .context("the reason")?
        .message)
}

/// Logs in over TCP as `root` without a password; see [`open_tcp`].
pub fn tcp(port: u16) -> ConnectOptions {
    ConnectOptions::new(
        Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port,
        },
        "root",
        Secret::new(""),
    )
}

/// Lets `root` in over TCP. The binary log does not see it.
pub async fn open_tcp(server: &Server) -> anyhow::Result<()> {
    server.run("SET sql_log_bin=0; CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION").await
}

/// Creates the call centre with every table in InnoDB, which is what can be rolled back.
pub async fn create_innodb(source: &Server, seed: u64) -> anyhow::Result<()> {
    tributary_sandbox::schema::create(source, seed).await?;
    let others = "SELECT table_schema, table_name FROM information_schema.tables \
        WHERE table_schema IN ('asterisk','tools') AND table_type='BASE TABLE' AND engine<>'InnoDB'";
    for row in source.rows(others).await? {
        let name = |index: usize| row[index].as_deref().unwrap_or_default();
        source
            .run(&format!("ALTER TABLE {}.{} ENGINE=InnoDB", name(0), name(1)))
            .await?;
    }
    Ok(())
}

/// Shows the engine's log when `RUST_LOG` is set.
pub fn log() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
}
