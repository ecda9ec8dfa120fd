//! The side of whoever gives a command.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::args::EngineArgs;
use super::{ALIVE_INTERVAL, Done, Io, Outcome, Reply, Request, State};
use crate::args::Command;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::state_dir::commands_path;
use crate::world::Machine;

/// Longest silence of an engine that works.
const SILENCE_MAX: Duration = Duration::from_secs(6 * ALIVE_INTERVAL.as_secs());
/// Most bytes of a reply: thousands of connections with long messages.
const REPLY_BYTES_MAX: u64 = 16 << 20;

/// Sends a command and prints what came of it.
///
/// # Errors
/// A [`Failure`] when no engine answers.
pub(crate) fn send(command: Command) -> Result<Exit, Failure> {
    let (request, engine) = match command {
        Command::Start(args) => args.into_request(),
        Command::Stop(args) => args.into_request(),
        Command::Reset(args) => args.into_request(),
        Command::Change(args) => (*args).into_request()?,
        Command::Skip(args) => args.into_request(),
        Command::Wait(args) => args.into_request()?,
        _ => return Err(Failure::usage("this is no command for a running engine")),
    };
    let reply = deliver(&request, &engine)?;
    if engine.json {
        let text = serde_json::to_string_pretty(&reply)
            .map_err(|error| Failure::failed(format!("render the reply: {error}")))?;
        print(&format!("{text}\n"))?;
    } else {
        for done in &reply.results {
            match done.outcome {
                Outcome::Done | Outcome::Reached => print(&text(done))?,
                _ => eprintln!("tributary: {}", text(done).trim_end()),
            }
        }
    }
    Ok(exit(&reply))
}

fn deliver(request: &Request, engine: &EngineArgs) -> Result<Reply, Failure> {
    let input = engine.to_input();
    let state_dir = match &input.state_dir {
        Some(state_dir) => state_dir.clone(),
        None => config::load_state_dir(&input, &mut Machine).map_err(Failure::usage)?,
    };
    let socket = commands_path(&state_dir);
    let failed = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "only the user that runs the engine may command it",
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "is `tributary run` active with this state directory?"
            }
            io::ErrorKind::WouldBlock => {
                "it does not answer; what was asked may have happened, see `tributary status`"
            }
            _ => "what was asked may have happened, see `tributary status`",
        };
        Failure::failed(format!(
            "no engine takes commands at {}: {error}; {hint}",
            socket.display()
        ))
    };
    // It may hold a password.
    let mut line = Zeroizing::new(
        serde_json::to_vec(request)
            .map_err(|error| Failure::failed(format!("render the request: {error}")))?,
    );
    line.push(b'\n');
    let reply = ask(&socket, &line).map_err(failed)?;
    serde_json::from_slice(&reply).map_err(|error| {
        Failure::failed(format!(
            "the answer at {} is none: {error}; what was asked may have happened, see `tributary status`",
            socket.display()
        ))
    })
}

fn ask(socket: &Path, line: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    stream.write_all(line)?;
    let mut reply = Vec::new();
    stream.take(REPLY_BYTES_MAX).read_to_end(&mut reply)?;
    Ok(reply)
}

fn exit(reply: &Reply) -> Exit {
    let has = |outcome| reply.results.iter().any(|done| done.outcome == outcome);
    if has(Outcome::Refused) || has(Outcome::NotApplying) {
        Exit::Failed
    } else if has(Outcome::NotReached) {
        Exit::StopTimeout
    } else {
        Exit::Clean
    }
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("print: {error}")))
        }
        _ => Ok(()),
    }
}

/// What came of it, in lines.
fn text(done: &Done) -> String {
    let name = match done.name.as_deref() {
        Some("") => "the default connection: ".to_owned(),
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    let words = match (done.outcome, &done.state) {
        (Outcome::Done, Some(state)) => state_in_words(state).to_owned(),
        (Outcome::Done, None) => "removed".to_owned(),
        (Outcome::Reached, _) => "reached".to_owned(),
        (Outcome::NotReached, _) => "not reached in time".to_owned(),
        (Outcome::NotApplying, _) => "not reached, and applying does not run".to_owned(),
        (Outcome::Refused, _) => done.message.clone().unwrap_or_default(),
    };
    let number = done.number.map(|number| format!(" (error {number})"));
    let mut text = format!("{name}{words}{}\n", number.unwrap_or_default());
    for note in &done.notes {
        text.push_str(&format!("{name}note: {note}\n"));
    }
    text
}

fn state_in_words(state: &State) -> &'static str {
    match (state.io, state.is_applying) {
        (Io::Stopped, false) => "stopped",
        (Io::Stopped, true) => "not receiving, applying",
        (Io::Connecting, false) => "connecting, not applying",
        (Io::Connecting, true) => "connecting, applying",
        (Io::Receiving, false) => "receiving, not applying",
        (Io::Receiving, true) => "receiving, applying",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(outcome: Outcome) -> Done {
        Done {
            name: Some("m".to_owned()),
            outcome,
            number: None,
            message: None,
            notes: Vec::new(),
            state: None,
        }
    }

    #[test]
    fn the_worst_outcome_decides_the_exit_code() {
        let of = |outcomes: &[Outcome]| {
            exit(&Reply {
                results: outcomes.iter().copied().map(done).collect(),
            })
        };
        use Outcome as O;
        assert_eq!(of(&[]), Exit::Clean);
        assert_eq!(of(&[O::Done, O::Reached]), Exit::Clean);
        assert_eq!(of(&[O::Done, O::Refused, O::NotReached]), Exit::Failed);
        assert_eq!(of(&[O::NotReached]), Exit::StopTimeout);
        assert_eq!(of(&[O::NotApplying]), Exit::Failed);
    }

    #[test]
    fn a_person_reads_a_line_for_each_connection() {
        let mut stopped = done(Outcome::Done);
        stopped.state = Some(State {
            io: Io::Stopped,
            is_applying: false,
        });
        stopped.notes.push("Slave already has been stopped".to_owned());
        assert_eq!(
            text(&stopped),
            "m: stopped\nm: note: Slave already has been stopped\n"
        );
        assert_eq!(text(&done(Outcome::Done)), "m: removed\n");
        let refused = Done::refused(None, Some(1617), "there is none");
        assert_eq!(text(&refused), "there is none (error 1617)\n");
    }
}
