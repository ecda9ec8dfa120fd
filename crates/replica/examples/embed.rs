//! A program with a replicator inside: one source into one target until Ctrl-C, with a line of status each second.
//!
//! `cargo run -p tributary --example embed`, with SOURCE_PASSWORD and TARGET_PASSWORD in the environment.
use std::time::Duration;

use tributary::{ApplyOptions, ConnectionOptions, Options, Replicator, StartPosition, TargetOptions};
use tributary_client::{Address, ConnectOptions, Secret};

fn login(host: &str, user: &str, password: &str) -> anyhow::Result<ConnectOptions> {
    let (host, port) = (host.to_owned(), 3306);
    Ok(ConnectOptions::new(
        Address::Tcp { host, port },
        user,
        Secret::new(std::env::var(password)?),
    ))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut eu = ConnectionOptions::new("eu", login("eu.example", "repl_replica", "SOURCE_PASSWORD")?);
    eu.start = Some(StartPosition::Gtid("0-1-42".parse()?));
    eu.use_gtid = true;
    eu.rewrite.add("asterisk->eu_asterisk")?;
    let login = login("target.example", "tributary", "TARGET_PASSWORD")?;
    let target = TargetOptions {
        login,
        schema: "tributary".to_owned(),
        status_interval: Duration::from_secs(1),
    };
    let options = Options {
        server_id: 10,
        target,
        connections: vec![eu],
        apply: ApplyOptions::default(),
    };
    let engine = Replicator::start(options).await?;
    while tokio::time::timeout(Duration::from_secs(1), tokio::signal::ctrl_c())
        .await
        .is_err()
    {
        let eu = &engine.status().connections[0];
        println!(
            "{:?} {:?} at {}, {:?} s behind",
            eu.io_state, eu.sql_state, eu.gtid, eu.seconds_behind
        );
    }
    anyhow::ensure!(
        engine.stop().await.is_clean,
        "not stopped in time; the next start resumes where it was saved"
    );
    Ok(())
}
