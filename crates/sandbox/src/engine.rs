//! The `tributary` program as a child process: started on an option file, asked for its status, stopped or killed.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use serde::Deserialize;

use crate::child::OwnedChild;
use crate::process;
use crate::watchdog::Watchdog;

/// After SIGTERM: the engine's own bound is 30 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
/// One `tributary status`.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a stopping engine is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Lines of the log an error quotes.
const LOG_LINES: usize = 20;

/// A `tributary run` of our own. Dropping it kills the process; a watchdog does so should this process be killed.
pub struct Engine {
    program: PathBuf,
    option_file: PathBuf,
    log: PathBuf,
    /// Declared before the watchdog, which is let go when the process has ended.
    running: Option<OwnedChild>,
    watchdog: Watchdog,
    cpu_seconds_before: f64,
    peak_rss_bytes_before: u64,
}

/// The status document, as far as the sandbox reads it. Keys it does not know are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EngineStatus {
    /// One entry per connection.
    #[serde(default)]
    pub connections: Vec<ConnectionStatus>,
}

impl EngineStatus {
    /// How far a connection has come; nowhere while it is not known.
    pub fn executed(&self, connection: &str) -> Coordinates {
        let own = self.connections.iter().find(|known| known.name == connection);
        own.map(|own| own.executed.clone()).unwrap_or_default()
    }
}

/// One connection in the status document; a missing key reads as nothing done yet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectionStatus {
    /// As in the option file.
    pub name: String,
    /// `running`, `connecting` or `stopped`.
    pub io_state: String,
    /// `running` or `stopped`.
    pub sql_state: String,
    /// Every group up to here is on the target.
    pub executed: Coordinates,
    /// Statements applied since the engine started.
    pub statements_applied: u64,
    /// Row changes applied since the engine started.
    pub rows_applied: u64,
    /// Groups filtered to nothing since the engine started.
    pub groups_ignored: u64,
    /// Statements and rows passed over because of an error that may be skipped.
    pub skipped: u64,
    /// Lag; `None` when it cannot be known.
    pub seconds_behind: Option<u64>,
    /// The last error.
    pub last_error: Option<EngineError>,
    /// Seconds until applying is begun again by itself.
    pub retries_in: Option<u64>,
}

/// An error in the status document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EngineError {
    /// The server's number.
    pub number: u64,
    /// In words.
    pub message: String,
}

/// A place in a source's binary log. Orders by the file's number, then by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Coordinates {
    /// File name; empty before the start.
    pub file: String,
    /// Byte offset.
    pub offset: u64,
}

impl Coordinates {
    /// Whether this place is `other` or behind it.
    pub fn has_reached(&self, other: &Coordinates) -> bool {
        // File names grow a digit after number 999999, so the text alone does not order them.
        let number = |file: &str| {
            file.rsplit_once('.')
                .and_then(|(_, number)| number.parse::<u64>().ok())
        };
        (number(&self.file), self.offset) >= (number(&other.file), other.offset)
    }
}

impl ConnectionStatus {
    /// Whether a person must look: the connection stopped by itself.
    pub fn has_stopped(&self) -> bool {
        self.io_state == "stopped" || self.sql_state == "stopped"
    }
}

impl Engine {
    /// Starts `program run --defaults-file=OPTION_FILE`, logging into `tributary.log` beside the option file.
    ///
    /// # Errors
    /// When the program cannot be started. What happens afterwards, [`Engine::status`] and [`Engine::ensure_running`] tell.
    pub fn start(program: &Path, option_file: &Path) -> anyhow::Result<Engine> {
        let mut engine = Engine::at(program, option_file)?;
        engine.start_again()?;
        Ok(engine)
    }

    /// As [`Engine::start`], but it does not run yet.
    ///
    /// # Errors
    /// When the option file has no directory, or cannot be watched over.
    pub fn at(program: &Path, option_file: &Path) -> anyhow::Result<Engine> {
        let directory = option_file.parent().context("the option file's directory")?;
        Ok(Engine {
            program: program.to_owned(),
            option_file: option_file.to_owned(),
            log: option_file.with_file_name("tributary.log"),
            running: None,
            watchdog: Watchdog::for_process(directory)?,
            cpu_seconds_before: 0.0,
            peak_rss_bytes_before: 0,
        })
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts the program once more on the same option file.
    ///
    /// # Errors
    /// When it is running, or cannot be started.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.start_with(&[])
    }

    /// As [`Engine::start_again`], with more in its environment.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) -> anyhow::Result<()> {
        if self.running.is_some() {
            bail!("tributary is running already");
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("open {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg(self.option_file_arg()).process_group(0);
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log file")?)
            .stderr(log);
        let running = OwnedChild::spawn(&mut command)?;
        self.watchdog.watch(running.id())?;
        self.running = Some(running);
        Ok(())
    }

    /// The process number while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.id())
    }

    /// The log of all starts.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Fails if the engine has ended by itself.
    ///
    /// # Errors
    /// Its exit status and the end of its log.
    pub fn ensure_running(&mut self) -> anyhow::Result<()> {
        let Some(running) = &mut self.running else {
            bail!("tributary is not running")
        };
        if let Some(status) = running.try_wait().context("look at tributary")? {
            self.running = None;
            bail!(
                "tributary ended by itself ({status}); its log ends with:\n{}",
                self.log_end()
            );
        }
        Ok(())
    }

    /// What `tributary status --json` says; `None` while the engine does not answer, as it does not just after a start.
    ///
    /// # Errors
    /// When the engine has ended, when the command cannot be run or hangs, or what it printed cannot be read.
    pub async fn status(&mut self) -> anyhow::Result<Option<EngineStatus>> {
        self.ensure_running()?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(["status", "--json"])
            .arg(self.option_file_arg())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(STATUS_TIMEOUT, command.output())
            .await
            .with_context(|| format!("tributary status did not answer within {STATUS_TIMEOUT:?}"))?
            .context("run tributary status")?;
        if !output.status.success() {
            return Ok(None);
        }
        let status = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "read the status document: {}",
                String::from_utf8_lossy(&output.stdout)
            )
        })?;
        Ok(Some(status))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let running = self.running.as_mut().context("tributary is not running")?;
        running.signal(signal)
    }

    /// Waits until the engine has ended by itself; whether it has, by then.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn wait_for_end(&mut self, deadline: Instant) -> anyhow::Result<bool> {
        while let Some(running) = &mut self.running {
            if running.try_wait().context("look at tributary")?.is_some() {
                self.running = None;
            } else if Instant::now() > deadline {
                return Ok(false);
            } else {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        Ok(true)
    }

    /// Stops the engine in order (SIGTERM) and waits until it is gone.
    ///
    /// # Errors
    /// When it does not stop in time, or not cleanly; with the end of its log.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.end(Signal::TERM).await?;
        if !status.success() {
            bail!(
                "tributary did not stop cleanly ({status}); its log ends with:\n{}",
                self.log_end()
            );
        }
        Ok(())
    }

    /// Kills the engine (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::KILL).await.map(drop)
    }

    /// CPU time in seconds, user and system, all starts included.
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_seconds_before + self.pid().map_or(0.0, process::cpu_seconds)
    }

    /// The most memory any start has held so far, in bytes.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.peak_rss_bytes_before
            .max(self.pid().map_or(0, process::peak_rss_bytes))
    }

    /// The last lines of the log, without stack traces.
    pub fn log_end(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with(' ')).collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn option_file_arg(&self) -> String {
        format!("--defaults-file={}", self.option_file.display())
    }

    async fn end(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        self.ensure_running()?;
        let Some(mut running) = self.running.take() else {
            bail!("tributary is not running")
        };
        // Read before the end: a process that has ended no longer knows its memory.
        self.peak_rss_bytes_before = self
            .peak_rss_bytes_before
            .max(process::peak_rss_bytes(running.id()));
        running.signal(signal)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while !running.has_ended()? {
            if Instant::now() > deadline {
                bail!(
                    "tributary did not stop within {STOP_TIMEOUT:?}; its log ends with:\n{}",
                    self.log_end()
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.cpu_seconds_before += process::cpu_seconds(running.id());
        running.wait().context("read tributary's exit status")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_order_by_number_and_offset() {
        let at = |file: &str, offset| Coordinates {
            file: file.to_owned(),
            offset,
        };
        assert!(at("mysql-bin.000002", 4).has_reached(&at("mysql-bin.000001", 900)));
        assert!(at("mysql-bin.1000000", 4).has_reached(&at("mysql-bin.999999", 900)));
        assert!(at("mysql-bin.000001", 900).has_reached(&at("mysql-bin.000001", 900)));
        assert!(!at("mysql-bin.000001", 899).has_reached(&at("mysql-bin.000001", 900)));
        assert!(!at("", 0).has_reached(&at("mysql-bin.000001", 4)));
    }

    #[test]
    fn a_status_document_with_more_and_fewer_keys_is_read() {
        let text = r#"{"version":"1","connections":[{"name":"master1","io_state":"connecting","sql_state":"running",
            "executed":{"file":"b.000001","offset":4},"seconds_behind":null,"last_error":{"number":2003,"message":"m"},"new":1}]}"#;
        let status: EngineStatus = serde_json::from_str(text).unwrap();
        let connection = &status.connections[0];
        assert_eq!((connection.executed.offset, connection.rows_applied), (4, 0));
        assert!(!connection.has_stopped());
    }
}
