//! `tributary check-config`: what would hold, and why.

use std::io::{self, Write};

use crate::config::{self, Input};
use crate::exit::{Exit, Failure};
use crate::world::Machine;

/// Prints the effective configuration, and warnings to standard error.
///
/// # Errors
/// A [`Failure`] with every problem of the configuration.
pub(crate) fn check_config(input: &Input) -> Result<Exit, Failure> {
    let config = config::load(input, &mut Machine).map_err(Failure::usage)?;
    for warning in &config.warnings {
        eprintln!("warning: {warning}");
    }
    for note in &config.notes {
        eprintln!("note: {note}");
    }
    match write!(io::stdout(), "{}", config.effective) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("print: {error}")))
        }
        _ => Ok(Exit::Clean),
    }
}
