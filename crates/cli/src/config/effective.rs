//! What holds, and why: the configuration as one option file, each line with where its value comes from.

use std::fmt;

use tributary_optfile::Place;

use super::keys::{Key, Scope};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file.
    Line(Place),
    /// The default.
    Default,
    /// Other values; the text says which.
    Derived(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(place) => place.fmt(f),
            Self::Default => f.write_str("default"),
            Self::Derived(from) => write!(f, "from {from}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Every value that was read. Displays as an option file that means the same; secrets are only named by where
/// they are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effective {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    connection: Option<String>,
    key: &'static Key,
    text: String,
    origin: Origin,
}

impl Effective {
    /// Adds a value; a second one for the same key replaces the first, except for rules.
    pub(crate) fn record(&mut self, connection: Option<&str>, key: &'static Key, text: &str, origin: Origin) {
        let line = Line {
            connection: connection.map(str::to_owned),
            key,
            text: text.to_owned(),
            origin,
        };
        let earlier = self
            .lines
            .iter_mut()
            .find(|earlier| earlier.key.name == key.name && earlier.connection == line.connection);
        match earlier {
            Some(earlier) if key.scope != Scope::Rules => *earlier = line,
            _ => self.lines.push(line),
        }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[{}]", super::settings::OWN_GROUP)?;
        let mut section = None;
        for line in &self.lines {
            if section != line.connection.as_deref() {
                section = line.connection.as_deref();
                writeln!(f)?;
            }
            let prefix = line
                .connection
                .as_deref()
                .map(|name| format!("{name}."))
                .unwrap_or_default();
            let setting = format!("{prefix}{} = {}", line.key.name, quoted(&line.text));
            writeln!(f, "{setting:<60} # {}", line.origin)?;
        }
        Ok(())
    }
}

/// The text so that an option file gives it back: quoted and escaped where it must be.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:,%>@+~$*? ".contains(letter);
    if !text.is_empty() && text.trim() == text && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::super::testing::entries;
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "a->b",
            "50%_x.%",
            "a b",
            " a",
            "",
            "a#b",
            "it's",
            "\"q\"",
            "c:\\new",
            "tab\there",
            "é",
        ] {
            let mut effective = Effective::default();
            effective.record(Some("m-1"), keys::MASTER_USER, text, Origin::Default);
            let printed = effective.to_string();
            let entry = entries(&printed).remove(0);
            assert_eq!(entry.connection.as_deref(), Some("m-1"), "{printed}");
            assert_eq!(entry.text().ok().flatten(), Some(text), "{printed}");
        }
    }

    #[test]
    fn rules_add_up_and_values_replace() {
        let mut effective = Effective::default();
        for text in ["a.b", "a.c"] {
            effective.record(Some("m"), keys::REPLICATE_IGNORE_TABLE, text, Origin::Default);
            effective.record(None, keys::SCHEMA, text, Origin::Default);
        }
        let printed = effective.to_string();
        assert_eq!(printed.matches("replicate_ignore_table").count(), 2);
        assert_eq!(printed.matches("schema").count(), 1);
    }
}
