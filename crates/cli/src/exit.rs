//! How the command ends: exit codes and the message that goes with them.

use std::fmt;
use std::process::ExitCode;

/// Why the command ends, as a number for scripts. `tributary --help` prints this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or stopped cleanly on request.
    Clean = 0,
    /// A failure at run: a connection stopped with an error, a file could not be decoded, no process answers.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The target lacks something the engine needs.
    TargetCheck = 3,
    /// The stop did not finish in time; the next start resumes from the saved position. Or what was waited for was not there in time.
    StopTimeout = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: an exit code and a message for a person.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
