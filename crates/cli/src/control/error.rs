//! The engine's refusals in the server's numbers.

use tributary::ControlError;
use tributary_control::{Note, Refusal};

/// `ER_SLAVE_MUST_STOP`.
pub(super) fn must_stop(name: &str) -> Refusal {
    let message = format!(
        "This operation cannot be performed as you have a running slave '{name}'; run STOP SLAVE '{name}' first"
    );
    Refusal::new(1198, message)
}

/// `WARN_NO_MASTER_INFO`.
pub(super) fn unknown(name: &str) -> Refusal {
    Refusal::new(1617, format!("There is no master connection '{name}'"))
}

/// `ER_BAD_SLAVE`.
pub(super) fn no_source() -> Refusal {
    Refusal::new(
        1200,
        "Misconfigured slave: MASTER_HOST was not set; Fix in config file or with CHANGE MASTER TO",
    )
}

/// `ER_SLAVE_WAS_RUNNING`.
pub(super) fn was_running() -> Note {
    note(1254, "Slave is already running")
}

/// `ER_BAD_SLAVE_UNTIL_COND`.
pub(super) fn bad_until() -> Refusal {
    Refusal::new(
        1277,
        "Incorrect parameter or combination of parameters for START SLAVE UNTIL",
    )
}

/// `ER_MISSING_SKIP_SLAVE`.
pub(super) fn starts_after_restart() -> Note {
    note(
        1278,
        "It is recommended to use --skip-slave-start when doing step-by-step replication with START SLAVE UNTIL; otherwise, you will get \
         problems if you get an unexpected slave's mariadbd restart",
    )
}

/// `ER_UNTIL_COND_IGNORED`.
pub(super) fn until_ignored() -> Note {
    note(
        1279,
        "SQL thread is not to be started so UNTIL options are ignored",
    )
}

/// `ER_SLAVE_WAS_NOT_RUNNING`.
pub(super) fn was_not_running() -> Note {
    note(1255, "Slave already has been stopped")
}

/// `ER_SLAVE_STARTED`, `ER_SLAVE_STOPPED`: which connection of all.
pub(super) fn of_all(is_start: bool, name: &str) -> Note {
    match is_start {
        true => note(1937, format!("SLAVE '{name}' started")),
        false => note(1938, format!("SLAVE '{name}' stopped")),
    }
}

fn note(code: u16, message: impl Into<String>) -> Note {
    Note {
        is_warning: false,
        code,
        message: message.into(),
    }
}

/// What the server would say.
pub(super) fn refusal(error: &ControlError) -> Refusal {
    match error {
        ControlError::Unknown(name) => unknown(name),
        ControlError::Running(name) => must_stop(name),
        // `ER_MASTER_INFO`: it could not be set up.
        error => Refusal::new(1201, error.to_string()),
    }
}

/// What is kept cannot be written.
pub(super) fn cannot_keep(error: &std::io::Error) -> Refusal {
    Refusal::new(
        1201,
        format!("write what is to be kept into the state directory: {error}"),
    )
}
