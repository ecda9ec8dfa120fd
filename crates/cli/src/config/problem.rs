//! What is wrong with a configuration, all of it at once.

use std::fmt;

use tributary_optfile::{Entry, Place};

/// One thing that is wrong, or that a person should know. Written `file:line: text`, or only the text when no
/// line is to blame (something is missing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: Option<Place>,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn at(place: &Place, text: impl Into<String>) -> Self {
        Self {
            place: Some(place.clone()),
            text: text.into(),
        }
    }

    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self {
            place: None,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Why there is no configuration to run with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file cannot be read or a line cannot be parsed.
    #[error(transparent)]
    Files(#[from] tributary_optfile::Error),
    /// Values are wrong or missing; at least one.
    #[error("{}", lines(.0))]
    Values(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Most bytes of a value that a message repeats.
const VALUE_SHOWN_MAX: usize = 80;

/// `key = 'value'` for a message: control characters escaped, long values cut.
pub(crate) fn shown(entry: &Entry) -> String {
    let Some(value) = &entry.value else {
        return entry.full_key();
    };
    let text = String::from_utf8_lossy(value);
    let mut short: String = text
        .chars()
        .take(VALUE_SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(VALUE_SHOWN_MAX).is_some() {
        short.push_str("...");
    }
    format!("{} = '{short}'", entry.full_key())
}
