//! Control of a running engine in the server's own words: what `CHANGE MASTER` and `SET GLOBAL` say is kept over a restart, and
//! replication statements become calls of the engine.

mod engine;
mod error;
mod kept;
mod options;
mod relay_events;
mod status;
mod tls;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};
use tributary::{Controller, ExecMode, ParallelMode};
use tributary_client::Address;
use tributary_control::{ControlPort, Limits, Target};

use crate::config::{Config, ControlOptions};
use crate::exit::Failure;
pub(crate) use engine::ControlEngine;
use engine::{Configured, Defaults};
use kept::Kept;
pub(crate) use status::of as native_status;

/// A control port that listens and does not answer yet.
pub(crate) struct Control {
    port: ControlPort,
    target: Target,
    limits: Limits,
    configured: Configured,
    kept: Kept,
    skips_start: bool,
}

impl Control {
    /// Takes the connections out of the configuration: from here on they are made by statements, and by what is kept of them.
    ///
    /// # Errors
    /// When the port is taken, or what is kept cannot be read.
    pub(crate) async fn open(options: ControlOptions, config: &mut Config) -> Result<Self, Failure> {
        let kept = Kept::load(&config.state_dir)
            .map_err(|error| Failure::failed(format!("read what was kept of the connections: {error}")))?;
        let tcp = options
            .tcp
            .as_ref()
            .map(|(address, port)| (address.as_str(), *port));
        let port = ControlPort::listen(tcp, options.socket.as_deref())
            .await
            .map_err(|error| Failure::failed(format!("listen for control: {error}")))?
            .with_tls(options.tls.as_ref().map(tls::open).transpose()?);
        warn_of_open_port(&options);
        let target = match &config.options.target.login.address {
            Address::Tcp { host, port } => Target::Tcp(host.clone(), *port),
            Address::Unix(path) => Target::Unix(path.clone()),
        };
        Ok(Self {
            port,
            target,
            limits: Limits {
                connections_max: options.connections_max,
                ..Limits::default()
            },
            configured: configured(config),
            kept,
            skips_start: config.skips_start,
        })
    }

    /// Makes and starts the connections, then answers as long as the program runs. Gives the engine as statements see it.
    pub(crate) async fn serve(self, controller: Controller) -> Arc<ControlEngine> {
        let engine = Arc::new(ControlEngine::new(controller, self.configured, self.kept));
        for fault in engine.begin(self.skips_start).await {
            error!("{fault}");
        }
        info!(port = self.port.tcp_port(), "listening for control");
        tokio::spawn(self.port.serve(self.target, engine.clone(), self.limits));
        engine
    }
}

/// Says that passwords may be heard on their way to the port.
fn warn_of_open_port(options: &ControlOptions) {
    let Some((address, port)) = &options.tcp else {
        return;
    };
    let is_local = address == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if !is_local && !options.tls.as_ref().is_some_and(|tls| tls.is_required) {
        warn!(
            "the control port listens at {address}:{port} and takes clients without TLS: whoever is in between can read and change \
             everything; set control_ssl_cert, control_ssl_key and control_ssl_require=ON"
        );
    }
}

/// What variables of the engine are by the option files.
pub(crate) fn defaults(config: &Config) -> Defaults {
    let apply = &config.options.apply;
    let common = config.templates.make("");
    Defaults {
        parallel_threads: apply.workers,
        parallel_mode: mode_name(apply.mode).to_owned(),
        retries: apply.transaction_retries,
        net_timeout: common
            .as_ref()
            .map_or(Duration::from_secs(60), |common| common.net_timeout),
        is_idempotent: common.is_some_and(|common| common.policies.exec_mode == ExecMode::Idempotent),
    }
}

fn configured(config: &mut Config) -> Configured {
    Configured {
        defaults: defaults(config),
        templates: std::mem::take(&mut config.templates),
        connections: std::mem::take(&mut config.options.connections),
    }
}

fn mode_name(mode: ParallelMode) -> &'static str {
    match mode {
        ParallelMode::None => "none",
        ParallelMode::Minimal => "minimal",
        ParallelMode::Conservative => "conservative",
        ParallelMode::Optimistic => "optimistic",
        ParallelMode::Aggressive => "aggressive",
    }
}
