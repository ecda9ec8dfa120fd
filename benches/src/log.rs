//! Logs behind an error.

use anyhow::anyhow;

/// `error`, then the last lines of a log that may explain it.
pub(crate) fn with_log(error: &anyhow::Error, name: &str, log: &str) -> anyhow::Error {
    const LINES_MAX: usize = 20;
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
    anyhow!("{error:#}\n{name} ends with:\n{end}")
}

/// The lines of a server's error log that are more than a note.
pub(crate) fn problems(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("[Note]")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_before_the_last_lines_of_the_log() {
        let log: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let message = with_log(&anyhow!("cause").context("what failed"), "the log", &log).to_string();
        assert!(
            message.starts_with("what failed: cause\nthe log ends with:\nline 10\n"),
            "{message}"
        );
        assert!(message.ends_with("line 29"), "{message}");
    }

    #[test]
    fn notes_are_no_problems() {
        assert_eq!(problems("0 [Note] ready\n1 [ERROR] disk\n"), "1 [ERROR] disk");
    }
}
