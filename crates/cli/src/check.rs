//! `tributary check`: the health of a running engine as a plugin of Nagios, Icinga, Zabbix and the like reports it.
//!
//! One line on standard output, whatever happens, and the plugins' exit codes. It reads the status document, as
//! `tributary status` does, so that it may be newer or older than the engine.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::config::{self, Input};
use crate::state_dir::socket_path;
use crate::status;
use crate::world::Machine;

/// Longest wait for the engine: monitoring systems give up on a plugin after a minute or less, without its text.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Most letters of an error message: the line should be read on a telephone.
const MESSAGE_LETTERS_MAX: usize = 200;

/// Seconds behind that are still fine, as in the scripts that this command replaces.
const LAG_DEFAULT: u64 = 60;

/// What to check, and against what.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Option file of the engine; may be repeated. Every connection that it describes must be there
    #[arg(
        long = "defaults-file",
        value_name = "FILE",
        required_unless_present = "state_dir"
    )]
    files: Vec<PathBuf>,
    /// Also read groups with this suffix
    #[arg(
        long = "defaults-group-suffix",
        value_name = "SUFFIX",
        allow_hyphen_values = true
    )]
    group_suffix: Option<String>,
    /// State directory of the engine, instead of option files
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Check this connection only, which must be there; may be repeated
    #[arg(long = "connection", value_name = "NAME")]
    connections: Vec<String>,
    /// More seconds behind than this are a warning
    #[arg(long, value_name = "SECONDS", default_value_t = LAG_DEFAULT)]
    lag: u64,
    /// More seconds behind than this are critical; without it, lag alone never is
    #[arg(long, value_name = "SECONDS")]
    lag_critical: Option<u64>,
    /// Print a JSON object instead of the line
    #[arg(long)]
    json: bool,
}

/// How it is, as plugins say it; the worst comes last but for the unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum Verdict {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    /// The check itself could not be made.
    Unknown = 3,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(verdict as u8)
    }
}

/// Checks, and prints what was found.
pub(crate) fn check(args: &CheckArgs) -> ExitCode {
    let report = report(args);
    let text = if args.json {
        serde_json::to_string(&report).unwrap_or_else(|error| format!("TRIBUTARY UNKNOWN - print: {error}"))
    } else {
        report.line()
    };
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => report.state.into(),
        Err(_) => Verdict::Unknown.into(),
    }
}

/// The line of a check that was asked for in a way that is not understood; `message` may have many lines.
pub(crate) fn wrong_usage(message: &str) -> ExitCode {
    let report = Report::without_connections(Verdict::Unknown, one_line(message));
    // With standard output gone, the exit code still tells.
    let _ = writeln!(io::stdout(), "{}", report.line());
    report.state.into()
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    state: Verdict,
    /// The exit code.
    code: u8,
    text: String,
    connections: Vec<Finding>,
}

/// What was found of one connection.
#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    state: Verdict,
    /// What is wrong with it.
    problems: Vec<String>,
    seconds_behind: Option<u64>,
    /// The line's figures.
    #[serde(skip)]
    figures: String,
}

/// From where on lag is a matter.
#[derive(Debug, Clone, Copy)]
struct Limits {
    warning: u64,
    critical: Option<u64>,
}

fn report(args: &CheckArgs) -> Report {
    let limits = Limits {
        warning: args.lag,
        critical: args.lag_critical,
    };
    if let Some(critical) = limits.critical.filter(|critical| *critical < limits.warning) {
        let text = format!("--lag-critical={critical} is less than --lag={}", limits.warning);
        return Report::without_connections(Verdict::Unknown, text);
    }
    let input = Input {
        files: args.files.clone(),
        group_suffix: args.group_suffix.clone(),
        state_dir: args.state_dir.clone(),
    };
    let (state_dir, described) = match config::load_outline(&input, &mut Machine) {
        Ok(outline) => outline,
        Err(error) => return Report::without_connections(Verdict::Unknown, one_line(&error.to_string())),
    };
    let socket = socket_path(&state_dir);
    let document = match ask(socket.clone()) {
        Ok(document) => document,
        Err(error) => {
            let text = format!("no engine answers at {}: {error}", socket.display());
            return Report::without_connections(Verdict::Critical, one_line(&text));
        }
    };
    match serde_json::from_slice::<Value>(&document) {
        Ok(status) if status["connections"].is_array() => {
            let only = !args.connections.is_empty();
            let wanted = if only { &args.connections } else { &described };
            judge(&status, wanted, only, limits)
        }
        _ => {
            let text = format!("the answer at {} is no status", socket.display());
            Report::without_connections(Verdict::Unknown, one_line(&text))
        }
    }
}

/// Asks the engine, and gives up on one that takes connections and says nothing, or does not even take them.
fn ask(socket: PathBuf) -> io::Result<Vec<u8>> {
    let (sender, answer) = mpsc::channel();
    // Ends with the process if it never comes back.
    thread::spawn(move || sender.send(status::ask(&socket)));
    answer
        .recv_timeout(ANSWER_TIMEOUT)
        .unwrap_or_else(|_| Err(io::Error::other(format!("nothing within {ANSWER_TIMEOUT:?}"))))
}

/// Judges the connections of a status document: those in `wanted`, which must be there, and unless `only` they count all others too.
fn judge(status: &Value, wanted: &[String], only: bool, limits: Limits) -> Report {
    let there = status["connections"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let name_of = |connection: &Value| connection["name"].as_str().unwrap_or_default().to_owned();
    let find = |name: &str| {
        there
            .iter()
            .find(|connection| name_of(connection).eq_ignore_ascii_case(name))
    };
    let mut findings: Vec<Finding> = wanted
        .iter()
        .map(|name| match find(name) {
            Some(connection) => look_at(name_of(connection), connection, limits),
            None => Finding::missing(name),
        })
        .collect();
    if !only {
        let others = there.iter().filter(|connection| {
            !wanted
                .iter()
                .any(|name| name_of(connection).eq_ignore_ascii_case(name))
        });
        findings.extend(others.map(|connection| look_at(name_of(connection), connection, limits)));
    }

    let mut problems = Vec::new();
    let mut verdict = Verdict::Ok;
    if status["target"]["state"].as_str() != Some("running") {
        verdict = Verdict::Critical;
        let state = status["target"]["state"]
            .as_str()
            .unwrap_or("in an unknown state");
        problems.push(format!(
            "target {}{}",
            one_line(state),
            error_words(&status["target"]["last_error"])
        ));
    }
    if findings.is_empty() {
        verdict = Verdict::Critical;
        problems.push("the engine has no connection".to_owned());
    }
    for finding in &findings {
        verdict = verdict.max(finding.state);
        if !finding.problems.is_empty() {
            problems.push(format!(
                "{}: {}",
                one_line(&finding.name),
                finding.problems.join(", ")
            ));
        }
    }
    let fine = findings
        .iter()
        .filter(|finding| finding.state == Verdict::Ok)
        .count();
    problems.push(summary(&findings, fine));
    Report {
        state: verdict,
        code: verdict as u8,
        text: problems.join("; "),
        connections: findings,
    }
}

fn summary(findings: &[Finding], fine: usize) -> String {
    let count = findings.len();
    if fine < count || count == 0 {
        return format!("{fine} of {count} connections fine");
    }
    let lag = findings.iter().filter_map(|finding| finding.seconds_behind).max();
    let plural = if count == 1 {
        "connection runs"
    } else {
        "connections run"
    };
    format!("{count} {plural}, at most {} s behind", lag.unwrap_or(0))
}

fn look_at(name: String, connection: &Value, limits: Limits) -> Finding {
    let mut state = Verdict::Ok;
    let mut problems = Vec::new();
    let mut note = |verdict: Verdict, problem: String| {
        state = state.max(verdict);
        problems.push(problem);
    };
    for (thread, runs, error) in [
        ("io", &["running", "waiting"][..], "io_error"),
        ("sql", &["running"][..], "sql_error"),
    ] {
        let now = connection[format!("{thread}_state")]
            .as_str()
            .unwrap_or("unknown");
        if !runs.contains(&now) {
            let words = error_words(&connection[error]);
            note(Verdict::Critical, format!("{thread} {}{words}", one_line(now)));
        }
    }
    let lag = connection["seconds_behind"].as_u64();
    match lag {
        None => note(Verdict::Critical, "lag unknown".to_owned()),
        Some(lag) if limits.critical.is_some_and(|critical| lag > critical) => {
            note(Verdict::Critical, format!("{lag} s behind"));
        }
        Some(lag) if lag > limits.warning => note(Verdict::Warning, format!("{lag} s behind")),
        Some(_) => {}
    }
    if let Some(warning) = connection["purge_warning"].as_str() {
        note(Verdict::Warning, shortened(warning));
    }
    Finding {
        figures: figures(&name, lag, limits, connection),
        name,
        state,
        problems,
        seconds_behind: lag,
    }
}

/// Performance data: `'label'=value[unit];warning;critical;least`.
fn figures(name: &str, lag: Option<u64>, limits: Limits, connection: &Value) -> String {
    let name: String = one_line(name)
        .chars()
        .map(|letter| if letter == '=' { '_' } else { letter })
        .collect();
    let name = name.replace('\'', "''");
    let critical = limits.critical.map(|limit| limit.to_string()).unwrap_or_default();
    let lag = lag.map_or_else(|| "U".to_owned(), |lag| format!("{lag}s"));
    // Writing to a String cannot fail.
    let mut text = format!("'{name}_lag'={lag};{};{critical};0", limits.warning);
    for (key, label, unit) in [
        ("groups_applied", "applied", "c"),
        ("skipped", "skipped", "c"),
        ("relay_log_bytes", "relay_log", "B"),
    ] {
        if let Some(number) = connection[key].as_u64() {
            let _ = write!(text, " '{name}_{label}'={number}{unit};;;0");
        }
    }
    text
}

fn error_words(error: &Value) -> String {
    match error["message"].as_str() {
        Some(message) => format!(
            " (error {}: {})",
            error["number"].as_u64().unwrap_or(0),
            shortened(message)
        ),
        None => String::new(),
    }
}

fn shortened(text: &str) -> String {
    let text = one_line(text);
    match text.char_indices().nth(MESSAGE_LETTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Text that ends neither the line nor, with `|`, the part for people.
fn one_line(text: &str) -> String {
    let text: String = text
        .trim()
        .chars()
        .map(|letter| match letter {
            '|' => '/',
            letter if letter.is_control() => ' ',
            letter => letter,
        })
        .collect();
    text
}

impl Finding {
    fn missing(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Verdict::Critical,
            problems: vec!["missing, the engine has no such connection".to_owned()],
            seconds_behind: None,
            figures: String::new(),
        }
    }
}

impl Report {
    fn without_connections(state: Verdict, text: String) -> Self {
        Self {
            state,
            code: state as u8,
            text,
            connections: Vec::new(),
        }
    }

    fn line(&self) -> String {
        let figures: Vec<&str> = self
            .connections
            .iter()
            .map(|finding| finding.figures.as_str())
            .filter(|figures| !figures.is_empty())
            .collect();
        let mut line = format!("TRIBUTARY {} - {}", self.state, self.text);
        if !figures.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(line, " | {}", figures.join(" "));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits {
        warning: 60,
        critical: None,
    };

    fn connection(name: &str, io: &str, sql: &str, lag: Value) -> Value {
        json!({"name": name, "io_state": io, "sql_state": sql, "seconds_behind": lag})
    }

    fn judged(connections: &[Value], wanted: &[&str], limits: Limits) -> (Verdict, String) {
        let status = json!({"target": {"state": "running"}, "connections": connections});
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let report = judge(&status, &wanted, false, limits);
        (report.state, report.line())
    }

    #[test]
    fn all_is_well_in_one_line_with_figures() {
        let mut eu = connection("eu", "running", "running", json!(3));
        eu["groups_applied"] = json!(70);
        eu["skipped"] = json!(2);
        eu["relay_log_bytes"] = json!(4096);
        let us = connection("us", "waiting", "running", json!(60));
        assert_eq!(
            judged(&[eu, us], &["EU"], LIMITS),
            (
                Verdict::Ok,
                "TRIBUTARY OK - 2 connections run, at most 60 s behind | 'eu_lag'=3s;60;;0 'eu_applied'=70c;;;0 \
                 'eu_skipped'=2c;;;0 'eu_relay_log'=4096B;;;0 'us_lag'=60s;60;;0"
                    .to_owned()
            )
        );
    }

    #[test]
    fn lag_warns_above_its_limit_and_is_critical_above_the_other() {
        let both = Limits {
            warning: 60,
            critical: Some(600),
        };
        for (lag, limits, verdict) in [
            (60, LIMITS, Verdict::Ok),
            (61, LIMITS, Verdict::Warning),
            (u64::MAX, LIMITS, Verdict::Warning),
            (600, both, Verdict::Warning),
            (601, both, Verdict::Critical),
        ] {
            let (found, line) = judged(&[connection("eu", "running", "running", json!(lag))], &[], limits);
            assert_eq!(found, verdict, "{lag}: {line}");
        }
        let (_, line) = judged(&[connection("eu", "running", "running", json!(61))], &[], both);
        assert_eq!(
            line,
            "TRIBUTARY WARNING - eu: 61 s behind; 0 of 1 connections fine | 'eu_lag'=61s;60;600;0"
        );
    }

    #[test]
    fn a_lag_that_is_not_known_is_never_fine() {
        let (verdict, line) = judged(
            &[connection("eu", "running", "running", Value::Null)],
            &[],
            LIMITS,
        );
        assert_eq!(verdict, Verdict::Critical);
        assert_eq!(
            line,
            "TRIBUTARY CRITICAL - eu: lag unknown; 0 of 1 connections fine | 'eu_lag'=U;60;;0"
        );
    }

    #[test]
    fn threads_that_do_not_run_are_critical_with_their_error() {
        for (io, sql) in [
            ("connecting", "running"),
            ("stopped", "running"),
            ("running", "stopped"),
            ("a newer word", "running"),
        ] {
            let (verdict, line) = judged(&[connection("eu", io, sql, json!(0))], &[], LIMITS);
            assert_eq!(verdict, Verdict::Critical, "{line}");
        }
        let mut eu = connection("eu", "running", "stopped", json!(5));
        eu["sql_error"] = json!({"number": 1062, "message": "Duplicate | entry\nfor key"});
        let us = connection("us", "running", "running", json!(0));
        let (_, line) = judged(&[eu, us], &[], LIMITS);
        assert_eq!(
            line,
            "TRIBUTARY CRITICAL - eu: sql stopped (error 1062: Duplicate / entry for key); 1 of 2 connections fine \
             | 'eu_lag'=5s;60;;0 'us_lag'=0s;60;;0"
        );
    }

    #[test]
    fn what_is_not_there_is_critical() {
        let eu = connection("eu", "running", "running", json!(0));
        let (verdict, line) = judged(&[eu], &["eu", "us"], LIMITS);
        assert_eq!(verdict, Verdict::Critical);
        assert!(
            line.starts_with(
                "TRIBUTARY CRITICAL - us: missing, the engine has no such connection; 1 of 2 connections fine | "
            ),
            "{line}"
        );
        let (verdict, line) = judged(&[], &[], LIMITS);
        assert_eq!(
            (verdict, line.as_str()),
            (
                Verdict::Critical,
                "TRIBUTARY CRITICAL - the engine has no connection; 0 of 0 connections fine"
            )
        );
    }

    #[test]
    fn named_connections_alone_count() {
        let status = json!({"target": {"state": "running"}, "connections": [
            connection("eu", "running", "running", json!(0)),
            connection("us", "stopped", "stopped", Value::Null),
        ]});
        let report = judge(&status, &["eu".to_owned()], true, LIMITS);
        assert_eq!((report.state, report.connections.len()), (Verdict::Ok, 1));
    }

    #[test]
    fn a_target_that_is_away_and_a_source_that_purges_are_told() {
        let mut eu = connection("eu", "running", "running", json!(0));
        let status = json!({"target": {"state": "connecting", "last_error": {"number": 2002, "message": "gone"}},
            "connections": [eu.clone()]});
        let report = judge(&status, &[], false, LIMITS);
        assert_eq!(report.state, Verdict::Critical);
        assert!(
            report.text.starts_with("target connecting (error 2002: gone); "),
            "{}",
            report.text
        );
        eu["purge_warning"] = json!("x".repeat(1000));
        let (verdict, line) = judged(&[eu], &[], LIMITS);
        assert_eq!(verdict, Verdict::Warning);
        assert!(line.contains(&format!("eu: {}...;", "x".repeat(200))), "{line}");
    }

    #[test]
    fn names_cannot_forge_figures_or_lines() {
        let odd = connection("a'b=c|d\ne", "running", "running", json!(0));
        let (_, line) = judged(&[odd], &[], LIMITS);
        assert!(line.ends_with(" | 'a''b_c/d e_lag'=0s;60;;0"), "{line}");
        assert_eq!(line.matches('|').count(), 1);
    }
}
