//! Results: `target/bench/results.json` for programs, tables and a chart for people, all drawn from the same lines.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod chart;
mod line;
mod tables;

pub(crate) use line::{Latency, Line};

/// All results so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// The results of earlier invocations; none if there is no file.
    ///
    /// # Errors
    /// A file that holds something else.
    pub(crate) fn read() -> Result<Report> {
        let path = results_folder().join("results.json");
        if !path.exists() {
            return Ok(Report::default());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let lines = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        Ok(Report { lines })
    }

    /// Adds lines, in place of earlier ones of the same workloads.
    pub(crate) fn add(&mut self, lines: Vec<Line>) {
        self.lines
            .retain(|old| lines.iter().all(|new| new.workload != old.workload));
        self.lines.extend(lines);
        self.lines.sort_by_key(Line::place);
    }

    /// Replaces `target/bench/results.json`, and the tables and the chart beside it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn write(&self) -> Result<()> {
        let folder = results_folder();
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        replace(
            &folder.join("results.json"),
            &(serde_json::to_string_pretty(&self.lines)? + "\n"),
        )?;
        self.publish(&folder)
    }

    /// Writes `results.md` and `catch-up.svg` into a folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn publish(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        replace(&folder.join("results.md"), &self.to_markdown())?;
        replace(&folder.join("catch-up.svg"), &chart::draw(&self.lines))
    }

    /// The tables.
    pub(crate) fn to_markdown(&self) -> String {
        tables::write(&self.lines)
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Writes a file beside its place first, so that it is there whole or not at all.
fn replace(path: &Path, text: &str) -> Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    fs::write(&unfinished, text).with_context(|| format!("write {}", path.display()))?;
    fs::rename(&unfinished, path).with_context(|| format!("write {}", path.display()))
}

/// `bench` in the build directory this program lies in, else in `target` of the current folder.
fn results_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let build = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    build
        .map_or_else(|| PathBuf::from("target"), PathBuf::from)
        .join("bench")
}

/// The shortest time of a native setting on the workload of `line`.
fn best_native(lines: &[Line], line: &Line) -> Option<f64> {
    lines
        .iter()
        .filter(|other| other.workload == line.workload && other.is_native())
        .map(|other| other.seconds)
        .min_by(f64::total_cmp)
}

/// The time of the user's native setting on the workload of `line`.
fn users_native(lines: &[Line], line: &Line) -> Option<f64> {
    lines
        .iter()
        .find(|other| other.workload == line.workload && other.is_users_setting())
        .map(|other| other.seconds)
}

#[cfg(test)]
mod tests {
    use super::line::tests::{lines, runs};
    use super::*;
    use crate::system::System;

    #[test]
    fn new_lines_replace_those_of_their_workload_and_stand_in_the_benchs_order() {
        let mut report = Report { lines: lines() };
        let count = report.lines.len();
        let again = Line::of(
            "mixed-myisam",
            "tributary",
            10,
            10,
            runs(System::Tributary, &[1.0]),
        );
        let first = Line::of("big", "tributary", 1, 1, runs(System::Tributary, &[1.0]));
        report.add(first.into_iter().chain(again).collect());
        assert_eq!(count, 3);
        let names: Vec<&str> = report.lines.iter().map(|line| line.workload.as_str()).collect();
        assert_eq!(names, ["mixed-myisam", "big"]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = serde_json::to_string(&lines()).unwrap();
        let again: Vec<Line> = serde_json::from_str(&text).unwrap();
        assert_eq!(tables::write(&again), tables::write(&lines()));
    }
}
