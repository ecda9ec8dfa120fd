//! Whether everything runs, in a line per connection.

use std::fmt::Write;

use tributary::{ConnectionStatus, ErrorStatus, IoState, SqlState, Status};

/// Whether everything that there is replicates, and a line on the target and on each connection. How far behind a connection is does
/// not count: that is for alerts with a threshold, and `tributary check`.
pub(super) fn render(status: &Status) -> (bool, String) {
    let mut text = String::new();
    let target_runs = status.target.state == "running";
    line(
        &mut text,
        "target",
        target_runs,
        status.target.state,
        status.target.last_error.as_ref(),
    );
    if status.connections.is_empty() {
        text.push_str("no connection is configured\n");
    }
    let mut is_healthy = target_runs && !status.connections.is_empty();
    for connection in &status.connections {
        let runs = runs(connection);
        is_healthy &= runs;
        let name = format!("connection '{}'", connection.name);
        let words = format!(
            "io {}, sql {}, {}",
            io_word(connection.io_state),
            sql_word(connection.sql_state),
            connection
                .seconds_behind
                .map_or_else(|| "lag unknown".to_owned(), |lag| format!("{lag} s behind"))
        );
        line(&mut text, &name, runs, &words, connection.last_error.as_ref());
    }
    (is_healthy, text)
}

fn line(text: &mut String, what: &str, is_good: bool, words: &str, error: Option<&ErrorStatus>) {
    let verdict = if is_good { "ok" } else { "failed" };
    // Writing to a String cannot fail.
    let _ = write!(text, "{}: {verdict}: {words}", one_line(what));
    if let Some(error) = error {
        let _ = write!(text, "; error {}: {}", error.number, one_line(&error.message));
    }
    text.push('\n');
}

fn runs(connection: &ConnectionStatus) -> bool {
    matches!(connection.io_state, IoState::Running | IoState::Waiting)
        && connection.sql_state == SqlState::Running
}

/// The word of the status document.
pub(super) fn io_word(state: IoState) -> &'static str {
    match state {
        IoState::Connecting => "connecting",
        IoState::Running => "running",
        IoState::Waiting => "waiting",
        IoState::Stopped => "stopped",
    }
}

fn sql_word(state: SqlState) -> &'static str {
    match state {
        SqlState::Running => "running",
        SqlState::Stopped => "stopped",
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{connection, engine};
    use super::*;

    #[test]
    fn what_runs_is_healthy_also_when_it_is_behind_or_waits_for_room() {
        let mut waiting = connection("us");
        waiting.io_state = IoState::Waiting;
        waiting.seconds_behind = Some(4000);
        let (is_healthy, text) = render(&engine(vec![connection("eu"), waiting]));
        assert!(is_healthy);
        assert_eq!(
            text,
            "target: ok: running\n\
             connection 'eu': ok: io running, sql running, 0 s behind\n\
             connection 'us': ok: io waiting, sql running, 4000 s behind\n"
        );
    }

    #[test]
    fn one_connection_that_does_not_run_is_enough() {
        let mut stopped = connection("us");
        (stopped.sql_state, stopped.seconds_behind) = (SqlState::Stopped, None);
        stopped.last_error = Some(ErrorStatus::new(1062, "Duplicate entry\nfor key"));
        let (is_healthy, text) = render(&engine(vec![connection("eu"), stopped]));
        assert!(!is_healthy);
        assert!(
            text.ends_with(
                "\nconnection 'us': failed: io running, sql stopped, lag unknown; error 1062: Duplicate entry for key\n"
            ),
            "{text}"
        );
        for state in [IoState::Connecting, IoState::Stopped] {
            let mut away = connection("eu");
            away.io_state = state;
            assert!(!render(&engine(vec![away])).0, "{state:?}");
        }
    }

    #[test]
    fn nothing_to_replicate_and_no_target_are_not_healthy() {
        let (is_healthy, text) = render(&engine(Vec::new()));
        assert_eq!(
            (is_healthy, text.as_str()),
            (false, "target: ok: running\nno connection is configured\n")
        );
        let mut status = engine(vec![connection("eu")]);
        status.target.state = "connecting";
        let (is_healthy, text) = render(&status);
        assert!(
            !is_healthy && text.starts_with("target: failed: connecting\n"),
            "{text}"
        );
    }
}
