//! What there is to say about lines, and how it is printed.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tributary_optfile::Place;

/// Width of the printed text, in characters; single words may be longer.
const TEXT_WIDTH: usize = 110;
/// How many lines of a finding are printed in full; more are printed as ranges.
const LINES_SHOWN_MAX: usize = 4;

/// What a line asks of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Data or behaviour will differ, and only a person knows which is wanted.
    Decide,
    /// The engine does it in another way, which needs no decision.
    Differs,
    /// Means the same.
    Same,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Differs => "differs",
            Self::Same => "same",
        }
    }
}

/// A line of an option file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    place: Place,
    /// `key = 'value'`; empty if the place says it all.
    shown: String,
}

impl Line {
    pub(super) fn new(place: &Place, shown: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            shown: shown.into(),
        }
    }

    /// The key without connection and value.
    fn key(&self) -> &str {
        let key = self.shown.split(" = ").next().unwrap_or_default();
        key.split_once('.').map_or(key, |(_, key)| key)
    }
}

/// One thing to know, and the lines it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// A short name that does not change.
    pub(super) code: &'static str,
    pub(super) level: Level,
    /// The connections it is about; none if it is about all of them. `""` is every connection without rules of its own.
    pub(super) connections: Vec<String>,
    /// The lines, in the order of the files; none if something is not there.
    pub(super) lines: Vec<Line>,
    /// What the server does.
    pub(super) server: String,
    /// What the engine does.
    pub(super) tributary: String,
    /// What to do about it.
    pub(super) advice: Option<String>,
}

impl Finding {
    /// Takes the lines and connections of another that says the same.
    fn merge(&mut self, other: &Finding) {
        for line in &other.lines {
            if !self.lines.contains(line) {
                self.lines.push(line.clone());
            }
        }
        for name in &other.connections {
            if !self.connections.contains(name) {
                self.connections.push(name.clone());
            }
        }
    }

    fn says_the_same(&self, other: &Finding) -> bool {
        let of = |finding: &Finding| (finding.code, finding.level, finding.connections.is_empty());
        of(self) == of(other)
            && self.server == other.server
            && self.tributary == other.tributary
            && self.advice == other.advice
    }

    fn names(&self) -> String {
        let shown: Vec<&str> = self
            .connections
            .iter()
            .map(|name| match name.as_str() {
                "" => "every other connection",
                name => name,
            })
            .collect();
        shown.join(", ")
    }

    fn json(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "file": line.place.file.display().to_string(),
                "line": line.place.line,
                "text": line.shown,
            })
        };
        json!({
            "code": self.code,
            "level": self.level.name(),
            "connections": self.connections,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "server": self.server,
            "tributary": self.tributary,
            "advice": self.advice,
        })
    }
}

/// All findings of a run.
#[derive(Debug)]
pub(super) struct Report {
    files: Vec<Arc<Path>>,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(files: &[Arc<Path>]) -> Self {
        Self {
            files: files.to_vec(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding, to one that says the same if there is one.
    pub(super) fn add(&mut self, finding: Finding) {
        match self
            .findings
            .iter_mut()
            .find(|other| other.says_the_same(&finding))
        {
            Some(other) => other.merge(&finding),
            None => self.findings.push(finding),
        }
    }

    /// Puts what needs a decision first, and the rest in the order of the files.
    pub(super) fn finish(&mut self) {
        let files = self.files.clone();
        let rank = |line: &Line| {
            let file = files.iter().position(|file| *file == line.place.file);
            (file, line.place.line)
        };
        for finding in &mut self.findings {
            finding.lines.sort_by_key(rank);
        }
        self.findings
            .sort_by_key(|finding| (finding.level, finding.lines.first().map(rank)));
    }

    pub(super) fn decisions(&self) -> usize {
        self.count(Level::Decide)
    }

    fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }

    pub(super) fn json(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let report = json!({
            "files": files,
            "decisions": self.decisions(),
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let _ = write!(text, "{}: {}", finding.level.name(), finding.code);
            if !finding.connections.is_empty() {
                let _ = write!(text, " (connection {})", finding.names());
            }
            text.push('\n');
            for line in shown_lines(&finding.lines) {
                let _ = writeln!(text, "  {line}");
            }
            paragraph(&mut text, "server", &finding.server);
            paragraph(&mut text, "Tributary", &finding.tributary);
            if let Some(advice) = &finding.advice {
                paragraph(&mut text, "to do", advice);
            }
            text.push('\n');
        }
        let counts = [
            (Level::Decide, "to decide"),
            (Level::Differs, "different"),
            (Level::Same, "the same"),
        ]
        .map(|(level, words)| format!("{} {words}", self.count(level)));
        let files = match self.files.len() {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let _ = writeln!(text, "{files} read: {}", counts.join(", "));
        text
    }
}

fn shown_lines(lines: &[Line]) -> Vec<String> {
    if lines.len() <= LINES_SHOWN_MAX {
        let shown = |line: &Line| match line.shown.as_str() {
            "" => line.place.to_string(),
            text => format!("{}: {text}", line.place),
        };
        return lines.iter().map(shown).collect();
    }
    let mut shown = Vec::new();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        let is_of_file = |line: &&Line| line.place.file == first.place.file;
        let count = rest.iter().take_while(is_of_file).count();
        let (of_file, others) = rest.split_at(count);
        let mut keys: Vec<&str> = of_file.iter().map(Line::key).collect();
        keys.sort_unstable();
        keys.dedup();
        let (file, ranges) = (first.place.file.display(), ranges(of_file));
        shown.push(format!("{file}:{ranges}: {count} lines of {}", keys.join(", ")));
        rest = others;
    }
    shown
}

/// `9-20,22`, of lines that are in order.
fn ranges(lines: &[Line]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines.iter().map(|line| line.place.line) {
        match ranges.last_mut() {
            Some((_, end)) if line == *end + 1 => *end = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown = ranges.iter().map(|(start, end)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

/// A text behind its name, broken at the width, and indented.
fn paragraph(text: &mut String, name: &str, words: &str) {
    let mut line = format!("  {:<11}", format!("{name}:"));
    let indent = line.len();
    let mut width = indent;
    for word in words.split(' ') {
        let length = word.chars().count();
        if width > indent && width + 1 + length > TEXT_WIDTH {
            line.push('\n');
            line.push_str(&" ".repeat(indent));
            width = indent;
        } else if width > indent {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
    }
    text.push_str(&line);
    text.push('\n');
}
