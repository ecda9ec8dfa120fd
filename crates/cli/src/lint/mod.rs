//! `tributary lint`: what the replication lines of an existing server do there, and what they would do here.
//!
//! Files are read as `run` reads them. [`filters`] judges the rules of each connection by what the server does with them (it
//! renames first and compares then) and by what the engine does (the other way about); [`server`] explains the other
//! settings of replication. Lines about which both say the same are one [`Finding`]. No server is asked.

mod filters;
mod finding;
mod pattern;
mod server;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;

use tributary_optfile::{Entry, Files, GroupNames, Loaded, SERVER_GROUPS};

use crate::args::LintArgs;
use crate::config::{OWN_GROUP, Settings};
use crate::exit::{Exit, Failure};
use crate::world::Machine;
use finding::{Finding, Level, Line, Report};

/// Prints what there is to know about the files.
///
/// # Errors
/// A [`Failure`] when a file cannot be read, or nothing can be printed.
pub(crate) fn lint(args: &LintArgs) -> Result<Exit, Failure> {
    let report = read(&args.files, args.group_suffix.as_deref(), &mut Machine).map_err(Failure::usage)?;
    let text = if args.json { report.json() } else { report.text() };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("print: {error}")));
        }
        _ => {}
    }
    Ok(if report.decisions() > 0 {
        Exit::Failed
    } else {
        Exit::Clean
    })
}

fn read(
    paths: &[PathBuf],
    suffix: Option<&str>,
    files: &mut dyn Files,
) -> Result<Report, tributary_optfile::Error> {
    let loaded = tributary_optfile::load(paths, files)?;
    // What is wrong in the engine's own group is for `check` to say.
    let own = GroupNames::new([OWN_GROUP], suffix);
    let entries = loaded.entries.iter().filter(|entry| !own.contains(&entry.group));
    let entries: Vec<Entry> = entries.cloned().collect();
    let settings = Settings::collect(&entries, suffix);
    let mut report = Report::new(&loaded.files);
    for warning in &loaded.warnings {
        report.add(Finding {
            code: "passed-over",
            level: Level::Differs,
            connections: Vec::new(),
            lines: vec![Line::new(&warning.place, "")],
            server: format!("Passes over this: {}.", warning.text),
            tributary: "Passes over it, too.".to_owned(),
            advice: Some("If something was meant by it, mend the line on both.".to_owned()),
        });
    }
    filters::explain(&settings, &mut report);
    server::explain(&of_server(&loaded, suffix), &loaded, &settings, &mut report);
    report.finish();
    Ok(report)
}

/// The entries of the server's groups.
fn of_server<'a>(loaded: &'a Loaded, suffix: Option<&str>) -> Vec<&'a Entry> {
    let groups = GroupNames::new(SERVER_GROUPS, suffix);
    let entries = loaded.entries.iter();
    entries.filter(|entry| groups.contains(&entry.group)).collect()
}
