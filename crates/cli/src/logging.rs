//! Logs to standard error, for people or for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::EnvFilter;

use crate::args::{LogArgs, LogFormat};
use crate::exit::Failure;

/// Sets up logging for the process.
///
/// # Errors
/// A [`Failure`] that says which directive is wrong.
pub(crate) fn start(args: &LogArgs) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(&args.log_level).map_err(|error| {
        Failure::usage(format!(
            "--log-level={}: {error}; allowed: error, warn, info, debug, trace, off, or directives such as \
                info,tributary=debug",
            args.log_level
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let is_set = match args.log_format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    is_set.map_err(|error| Failure::failed(format!("set up logging: {error}")))
}
