//! `tributary status`: asks a running engine over its status socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::args::StatusArgs;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::state_dir::socket_path;
use crate::status_table;
use crate::world::Machine;

/// Longest time to wait for the next bytes of the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer: thousands of connections with long error messages.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;

/// Prints the status, as a table or as it comes.
///
/// # Errors
/// A [`Failure`] when the configuration cannot be read or no engine answers.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let input = args.to_input();
    let state_dir = match &input.state_dir {
        Some(state_dir) => state_dir.clone(),
        None => config::load_state_dir(&input, &mut Machine).map_err(Failure::usage)?,
    };
    let socket = socket_path(&state_dir);
    let document = ask(&socket).map_err(|error| {
        Failure::failed(format!(
            "no engine answers at {}: {error}; is `tributary run` active with this state directory?",
            socket.display()
        ))
    })?;
    let status: Value = serde_json::from_slice(&document).map_err(|error| {
        Failure::failed(format!(
            "the answer at {} is no status: {error}",
            socket.display()
        ))
    })?;
    let text = if args.json {
        format!("{status:#}\n")
    } else {
        status_table::render(&status)
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("print: {error}")))
        }
        _ => Ok(Exit::Clean),
    }
}

/// The status document of the engine at `socket`.
pub(crate) fn ask(socket: &Path) -> io::Result<Vec<u8>> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut document = Vec::new();
    let read = stream.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut document);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it says nothing within {} s", READ_TIMEOUT.as_secs()),
        ),
        _ => error,
    })?;
    if document.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("more than {DOCUMENT_BYTES_MAX} bytes"),
        ));
    }
    Ok(document)
}
