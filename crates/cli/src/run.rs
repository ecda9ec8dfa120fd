//! `tributary run`: replicate until a signal comes or every connection has stopped with an error.
//!
//! The order of a stop: the engine stops at group boundaries, still telling its status; then the state
//! directory is given up. A second signal, or `stop_timeout`, ends the wait; what was not committed is rolled
//! back by the target, and the next start resumes from the saved position.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::{error, info, warn};
use tributary::{
    ConnectionOptions, ConnectionStatus, IoState, Replicator, SqlState, StartError, Status, StatusHandle,
};

use crate::command::{self, Commands};
use crate::config::{self, Config, Input};
use crate::control::{self, Control, ControlEngine};
use crate::exit::{Exit, Failure};
use crate::metrics::MetricsPort;
use crate::signals::StopSignals;
use crate::state_dir::StateDir;
use crate::status_server;
use crate::world::Machine;

/// Time beyond `stop_timeout` in which the engine itself, which knows the same limit, may roll back and close.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether connections that were stopped by a command have been started again.
const HELD_POLL: Duration = Duration::from_millis(500);

/// Runs the engine.
///
/// # Errors
/// A [`Failure`] when the configuration is wrong or the engine cannot start.
pub(crate) fn run(input: &Input) -> Result<Exit, Failure> {
    tributary_failpoint::arm().map_err(Failure::usage)?;
    let config = config::load(input, &mut Machine).map_err(Failure::usage)?;
    announce(&config);
    let state_dir = StateDir::claim(&config.state_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("start the runtime: {error}")))?;
    let exit = runtime.block_on(replicate(config, &state_dir));
    // After a stop in time nothing is left to wait for; after one that was not in time, nothing is worth it.
    runtime.shutdown_background();
    exit
}

fn announce(config: &Config) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    for note in &config.notes {
        info!("{note}");
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        target_address = %config.options.target.login.address,
        state_dir = %config.state_dir.display(),
        workers = config.options.apply.workers,
        "starting"
    );
    for connection in &config.options.connections {
        info!(connection = connection.name, source = %connection.source.address, "{}", rules_in_words(connection));
    }
}

fn rules_in_words(connection: &ConnectionOptions) -> String {
    let renames: Vec<String> = connection
        .rewrite
        .pairs()
        .map(|(from, to)| format!("{from} as {to}"))
        .collect();
    let renames = if renames.is_empty() {
        "no database renamed".to_owned()
    } else {
        renames.join(", ")
    };
    format!("{renames}; {} filter rules", connection.filter.rules().count())
}

async fn replicate(mut config: Config, state_dir: &StateDir) -> Result<Exit, Failure> {
    let mut signals =
        StopSignals::listen().map_err(|error| Failure::failed(format!("listen for signals: {error}")))?;
    let stop_timeout = config.options.apply.stop_timeout;
    let listener = status_server::listen(&state_dir.free_socket_path()?)?;
    let command_listener = command::listen(&state_dir.free_commands_path()?)?;
    let defaults = control::defaults(&config);
    let control = match config.control.take() {
        Some(options) => Some(Control::open(options, &mut config).await?),
        None => None,
    };
    let metrics = match &config.metrics {
        Some(options) => Some(MetricsPort::listen(options).await?),
        None => None,
    };
    let starting =
        Replicator::prepare(config.options).map_err(|error| Failure::new(exit_of(&error), &error))?;
    let status = starting.status_handle();
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.serve(status.clone()));
    }
    // Answers also while the target is logged in to, and while the engine stops. It ends with the runtime, and owns nothing that must
    // be given up in order.
    tokio::spawn(status_server::serve(listener, move || document(&status)));
    let commands = Arc::new(Commands::default());
    tokio::spawn(command::serve(command_listener, commands.clone()));
    let started = tokio::select! {
        // A signal comes first: whoever stops a start that hangs wants it stopped.
        biased;
        signal = signals.next() => {
            info!(signal, "stopped before the start was complete");
            return Ok(Exit::Clean);
        }
        started = starting.start() => started,
    };
    let replicator = started.map_err(|error| Failure::new(exit_of(&error), &error))?;
    let has_control = control.is_some();
    let engine = match control {
        Some(control) => control.serve(replicator.controller()).await,
        None => Arc::new(ControlEngine::of_files(replicator.controller(), defaults)),
    };
    commands.begin(engine);
    info!("replicating");

    tokio::select! {
        biased;
        signal = signals.next() => {
            info!(signal, ?stop_timeout, "stopping at the next group boundaries; a second signal stops at \
                once");
        }
        () = wait_all_failed(&replicator, &commands), if !has_control => error!("every connection has stopped with an error"),
    }
    let is_meant = |name: &str| has_control || commands.holds(name);
    Ok(stop(replicator, &mut signals, stop_timeout, is_meant).await)
}

/// Resolves when every connection has stopped by itself, or the engine has ended. While some stand because somebody said so, the others
/// are waited for. Cancel-safe.
async fn wait_all_failed(replicator: &Replicator, commands: &Commands) {
    loop {
        replicator.wait_all_stopped().await;
        if replicator.has_ended() || !commands.holds_any() {
            return;
        }
        tokio::time::sleep(HELD_POLL).await;
    }
}

/// Stops the engine. A connection that had stopped before makes the whole run a failure, unless it had no error and was meant to.
async fn stop(
    replicator: Replicator,
    signals: &mut StopSignals,
    stop_timeout: Duration,
    is_meant: impl Fn(&str) -> bool,
) -> Exit {
    let mut failed = stopped_connections(&replicator.status());
    failed.retain(|connection| connection.last_error.is_some() || !is_meant(&connection.name));
    let report = tokio::select! {
        biased;
        signal = signals.next() => {
            warn!(signal, "stopped at once; the next start resumes from the saved position");
            return Exit::StopTimeout;
        }
        report = timeout(stop_timeout + STOP_GRACE, replicator.stop()) => report,
    };
    if !report.is_ok_and(|report| report.is_clean) {
        warn!(
            ?stop_timeout,
            "not every group was finished in time; the next start resumes from the saved position"
        );
        return Exit::StopTimeout;
    }
    for connection in &failed {
        let error = connection.last_error.as_ref();
        let (number, message) = error.map_or((0, "no reason known"), |error| (error.number, &error.message));
        error!(connection = connection.name, number, "stopped before: {message}");
    }
    info!("stopped cleanly");
    if failed.is_empty() {
        Exit::Clean
    } else {
        Exit::Failed
    }
}

/// The connections that have stopped by themselves.
fn stopped_connections(status: &Status) -> Vec<ConnectionStatus> {
    let has_stopped = |connection: &&ConnectionStatus| {
        connection.io_state == IoState::Stopped || connection.sql_state == SqlState::Stopped
    };
    status.connections.iter().filter(has_stopped).cloned().collect()
}

fn exit_of(error: &StartError) -> Exit {
    match error {
        StartError::Config(_) => Exit::Usage,
        StartError::Preflight(_) => Exit::TargetCheck,
        // The target cannot be reached, or another engine holds it.
        _ => Exit::Failed,
    }
}

/// The engine's status with the process id, as the status socket gives it.
fn document(engine: &StatusHandle) -> Vec<u8> {
    let mut status = serde_json::to_value(engine.status())
        .unwrap_or_else(|error| json!({"connections": [], "error": format!("render the status: {error}")}));
    if let Value::Object(fields) = &mut status {
        fields.insert("pid".to_owned(), std::process::id().into());
    }
    let mut text = status.to_string().into_bytes();
    text.push(b'\n');
    text
}
