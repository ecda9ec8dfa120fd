//! How fast binlog files are read: by [`crate::null_target`], and by `mariadb-binlog` printing them to `/dev/null`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use tributary_sandbox::process;

use crate::measure::{self, Run};
use crate::report::Line;
use crate::settings::Settings;
use crate::source::Sources;
use crate::workload::Workload;

/// Bytes read at scale 1.
const BYTES: f64 = 1e9;

/// The files: what is in them, and the workload that writes it.
const FILES: [(&str, Workload); 2] = [
    ("decode-mixed", Workload::MixedMyisam),
    ("decode-row", Workload::RowMyisam),
];

/// A program that ends is seen within this time.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// The name of a program in results.
const PROGRAMS: [&str; 2] = ["tributary", "mariadb-binlog"];

/// Writes a file of each kind and lets both programs read it, in rounds.
///
/// # Errors
/// A program that fails.
pub(crate) async fn run(settings: &Settings) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, workload) in FILES {
        let mut sources = Sources::fill(workload, settings).await?;
        let source = &mut sources.all[0];
        let server = source.server.as_mut().context("a source of our own")?;
        let file = server.data_dir().join(&source.end.file);
        // All of it is in the file, and nobody writes on while it is read.
        server.shutdown().await;
        let bytes = fs::metadata(&file)?.len();
        let copies = ((BYTES * settings.scale / bytes as f64).ceil() as usize).max(1);
        eprintln!("{name}: {bytes} bytes, read {copies} times");
        let read = tokio::task::spawn_blocking({
            let runs = settings.runs;
            move || rounds(name, runs, &file, copies)
        });
        for (program, runs) in PROGRAMS.into_iter().zip(read.await??) {
            let count = copies as u64;
            let line = Line::of(
                name,
                program,
                sources.transactions() * count,
                sources.rows() * count,
                runs,
            );
            lines.extend(line.map(|line| Line {
                bytes: Some(bytes * count),
                ..line
            }));
        }
    }
    Ok(lines)
}

/// The runs of each program, in turns.
fn rounds(name: &str, runs: usize, file: &Path, copies: usize) -> Result<[Vec<Run>; 2]> {
    let mut all = [Vec::new(), Vec::new()];
    for round in 0..runs {
        for turn in 0..PROGRAMS.len() {
            let index = (round + turn) % PROGRAMS.len();
            let run = measured(command(index, file, copies)?).with_context(|| PROGRAMS[index])?;
            eprintln!("{name}: run {} of {runs}: {}: {run}", round + 1, PROGRAMS[index]);
            all[index].push(run);
        }
    }
    Ok(all)
}

fn command(program: usize, file: &Path, copies: usize) -> Result<Command> {
    let mut command = match program {
        0 => {
            let mut command = Command::new(std::env::current_exe().context("find this program")?);
            command.arg("null-target");
            command
        }
        _ => {
            let mut command = Command::new("mariadb-binlog");
            // The same file again begins with GTIDs that have been.
            command.arg("--skip-gtid-strict-mode");
            command
        }
    };
    command.args(vec![file; copies]);
    Ok(command)
}

/// One program from its start to its end.
fn measured(mut command: Command) -> Result<Run> {
    let machine = measure::machine_cpu_seconds()?;
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start the program")?;
    let peak = wait_until_ended(&child)?;
    let seconds = began.elapsed().as_secs_f64();
    // A process that has ended keeps its clock until it is waited for.
    let cpu = process::cpu_seconds(child.id());
    let status = child.wait()?;
    ensure!(status.success(), "ended with {status}");
    Ok(Run {
        seconds,
        target_cpu_seconds: Some(0.0),
        engine_cpu_seconds: Some(cpu),
        target_peak_rss_bytes: None,
        engine_peak_rss_bytes: Some(peak),
        other_cpu_seconds: (measure::machine_cpu_seconds()? - machine - cpu).max(0.0),
    })
}

/// Looks at a child until it has ended; gives the most memory it was seen with.
fn wait_until_ended(child: &Child) -> Result<u64> {
    let mut peak = 0;
    loop {
        peak = peak.max(process::peak_rss_bytes(child.id()));
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).context("look at the program")?;
        // The state follows the name, which is in parentheses.
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
        if state.context("/proc/PID/stat has no state")? {
            return Ok(peak);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_measured_to_its_end() {
        let run = measured({
            let mut command = Command::new("sh");
            command.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
            command
        })
        .unwrap();
        assert!(run.seconds > 0.0);
        assert!(run.engine_cpu_seconds.unwrap() > 0.0);
        assert!(run.engine_peak_rss_bytes.unwrap() > 100_000);
        assert!(measured(Command::new("false")).is_err());
    }
}
