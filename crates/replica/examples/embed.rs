//! A program with a replicator inside: one source into one target until Ctrl-C, with a line of status each second.
//!
//! `cargo run -p tributary --example embed`, with SOURCE_PASSWORD and TARGET_PASSWORD in the environment.
use std::time::Duration;

use tributary::{
    ApplyOptions, ConnectionOptions, Options, Replicator, SkipErrors, StartPosition, TargetOptions,
};
use tributary_client::{Address, ConnectOptions, Secret};

fn login(host: &str, user: &str, password: &str) -> anyhow::Result<ConnectOptions> {
    let address = Address::Tcp {
        host: host.to_owned(),
        port: 3306,
    };
    Ok(ConnectOptions::new(
        address,
        user,
        Secret::new(std::env::var(password)?),
    ))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut rewrite = tributary_rules::Rewrite::new();
    rewrite.add("asterisk->eu_asterisk")?;
    let eu = ConnectionOptions {
        name: "eu".to_owned(),
        source: login("eu.example", "repl_replica", "SOURCE_PASSWORD")?,
        server_id: None,
        start: Some(StartPosition::Gtid("0-1-42".parse()?)),
        use_gtid: true,
        connect_retry: Duration::from_secs(60),
        heartbeat_period: Duration::from_secs(30),
        net_timeout: Duration::from_secs(60),
        filter: tributary_rules::Filter::new(),
        rewrite,
        skip_errors: SkipErrors::None,
        relay_bytes_max: 64 << 20,
        relay_groups_max: 16384,
    };
    let target = TargetOptions {
        login: login("target.example", "tributary", "TARGET_PASSWORD")?,
        schema: "tributary".to_owned(),
    };
    let engine = Replicator::start(Options {
        server_id: 10,
        target,
        connections: vec![eu],
        apply: ApplyOptions::default(),
    })
    .await?;
    while tokio::time::timeout(Duration::from_secs(1), tokio::signal::ctrl_c())
        .await
        .is_err()
    {
        let status = engine.status();
        let eu = &status.connections[0];
        println!(
            "{:?} {:?} at {}, {:?} s behind",
            eu.io_state, eu.sql_state, eu.gtid, eu.seconds_behind
        );
    }
    anyhow::ensure!(
        engine.stop().await.is_clean,
        "not stopped in time; the next start goes on from the saved position"
    );
    Ok(())
}
