//! The `tributary` command: reads the configuration, runs the engine, shows its status, decodes binary logs.
//!
//! Everything that replicates is in the library `tributary`; here are flags, option files, logs, signals and exit codes.
#![forbid(unsafe_code)]

mod args;
mod check;
mod config;
mod decode;
mod exit;
mod logging;
mod run;
mod signals;
mod state_dir;
mod status;
mod status_server;
mod status_table;
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    // Wrong usage ends the process here, with code 2; so do --help and --version, with 0.
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("tributary: {failure}");
            failure.exit.into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    logging::start(&cli.log)?;
    match cli.command {
        Command::Run { config, state_dir } => run::run(&config.into_input(state_dir)),
        Command::Status(args) => status::status(&args),
        Command::Check { config } => check::check(&config.into_input(None)),
        Command::Decode { files, json } => decode::decode(&files, json),
    }
}
