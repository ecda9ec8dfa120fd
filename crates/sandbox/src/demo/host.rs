//! Where a server of the demo runs: here, started by us; or elsewhere, as in `docker-compose.yml`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tributary_sandbox::{Server, ServerOptions, Site};

/// How long a server elsewhere may take to end and come back.
const RESTART_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it is tried meanwhile.
const RESTART_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) enum Host {
    Here(Box<Server>),
    /// Its keeper starts it again whenever it ends.
    Elsewhere(Site),
}

impl Host {
    /// The server at `url`, or one of our own.
    pub(crate) async fn start(url: Option<&str>, options: ServerOptions) -> anyhow::Result<Host> {
        match url {
            Some(url) => Ok(Host::Elsewhere(Site::from_url(url)?)),
            None => Ok(Host::Here(Box::new(Server::start(options).await?))),
        }
    }

    pub(crate) fn site(&self) -> &Site {
        match self {
            Host::Here(server) => (**server).as_ref(),
            Host::Elsewhere(site) => site,
        }
    }

    /// Host name and port for clients.
    pub(crate) fn address(&self) -> (&str, u16) {
        match self {
            Host::Here(server) => ("127.0.0.1", server.port()),
            Host::Elsewhere(site) => (site.host(), site.port()),
        }
    }

    pub(crate) fn socket(&self) -> Option<&Path> {
        match self {
            Host::Here(server) => Some(server.socket()),
            Host::Elsewhere(_) => None,
        }
    }

    /// CPU time so far; unknown elsewhere.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        match self {
            Host::Here(server) => Some(server.cpu_seconds()),
            Host::Elsewhere(_) => None,
        }
    }

    /// Ends the server in order and waits until it is back.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Host::Here(server) => {
                server.shutdown().await;
                server.start_again().await
            }
            Host::Elsewhere(site) => restart_elsewhere(site).await,
        }
    }
}

async fn restart_elsewhere(site: &Site) -> anyhow::Result<()> {
    let uptime = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'UPTIME'";
    let before: u64 = site.value(uptime).await?.parse().context("the server's uptime")?;
    let asked = Instant::now();
    site.run("SHUTDOWN").await?;
    // The server is back once it has run for less time than before, and for no longer than since it was asked to end.
    loop {
        let now = site
            .value(uptime)
            .await
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        if now.is_some_and(|now| now < before && now <= asked.elapsed().as_secs()) {
            return Ok(());
        }
        ensure!(
            asked.elapsed() < RESTART_TIMEOUT,
            "{} did not come back after SHUTDOWN",
            site.name()
        );
        tokio::time::sleep(RESTART_INTERVAL).await;
    }
}

/// How to reach it with the command line client.
impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Here(server) => write!(f, "mariadb -uroot --socket={}", server.socket().display()),
            Host::Elsewhere(site) => write!(f, "mariadb -uroot -p -h{} -P{}", site.host(), site.port()),
        }
    }
}
