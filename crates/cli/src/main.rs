//! The `tributary` command: reads the configuration, runs the engine, shows its status, decodes binary logs.
//!
//! Everything that replicates is in the library `tributary`; here are flags, option files, logs, signals and
//! exit codes.
#![forbid(unsafe_code)]

mod args;
mod check;
mod check_config;
mod command;
mod config;
mod control;
mod decode;
mod exit;
mod lint;
mod logging;
mod metrics;
mod run;
mod signals;
mod state_dir;
mod status;
mod status_server;
mod status_table;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, LogFormat};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Its own exit codes hold from its name on: 2 would say that something is broken.
        Err(error) if error.use_stderr() && is_check() => return check::wrong_usage(&error.to_string()),
        // Wrong usage ends the process here, with code 2; so do --help and --version, with 0.
        Err(error) => error.exit(),
    };
    if let Command::Check(args) = &cli.command {
        return check::check(args);
    }
    let log_format = cli.log.log_format;
    if let Err(failure) = logging::start(&cli.log) {
        eprintln!("tributary: {failure}");
        return failure.exit.into();
    }
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            match log_format {
                LogFormat::Human => eprintln!("tributary: {failure}"),
                // Whoever reads objects from standard error gets nothing else.
                LogFormat::Json => tracing::error!("{failure}"),
            }
            failure.exit.into()
        }
    }
}

/// Whether the command line begins with the command `check`.
fn is_check() -> bool {
    std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "check")
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Run { config, state_dir } => run::run(&config.into_input(state_dir)),
        Command::Status(args) => status::status(&args),
        command @ (Command::Start(_)
        | Command::Stop(_)
        | Command::Change(_)
        | Command::Reset(_)
        | Command::Skip(_)
        | Command::Wait(_)) => command::send(command),
        Command::Lint(args) => lint::lint(&args),
        Command::CheckConfig { config } => check_config::check_config(&config.into_input(None)),
        // It has exit codes of its own; see `main`.
        Command::Check(_) => Ok(Exit::Clean),
        Command::Decode { files, json } => decode::decode(&files, json),
    }
}
