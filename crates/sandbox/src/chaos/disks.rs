//! Disks of their own, small ones, for the relay logs and for the target's data; and what happens when they are full.
//!
//! They are mounted in a mount namespace of this program and its children, and are gone with them, however they end.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tributary_sandbox::engine::ConnectionStatus;
use tributary_sandbox::fan_in::{FanIn, STATUS_INTERVAL};
use tributary_sandbox::random::Random;

use crate::fault::{NOTICE, pause};

/// Set in the namespace.
const VARIABLE: &str = "CHAOS_NAMESPACE";
/// What is free on the target's disk at first.
const TARGET_FREE: u64 = 256 << 20;
/// Relay logs of a round stay far below this.
const RELAY_BYTES: u64 = 64 << 20;
/// Numbers with which a target says that it has no room: `ER_DISK_FULL`, `ER_RECORD_FILE_FULL`, and what it says of a definition.
const NO_ROOM: [u64; 8] = [3, 28, 1004, 1005, 1021, 1026, 1030, 1114];

/// Runs this program again in a mount namespace of its own. Returns where it has one, or cannot have one: whether it has.
pub(crate) fn enter_namespace() -> bool {
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let probe = unshare().arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return false;
    }
    let Ok(program) = std::env::current_exe() else {
        return false;
    };
    let failure = unshare()
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, "1")
        .exec();
    eprintln!("chaos: unshare: {failure}");
    false
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command
}

/// Puts the engine's state and the target's data on disks of their own. Both are stopped meanwhile.
pub(crate) async fn mount(stage: &mut FanIn) -> anyhow::Result<()> {
    stage.engine.stop().await?;
    stage.target.shutdown().await;
    let data = stage.target.data_dir().to_owned();
    let used = bytes_of(&data)?;
    move_to_disk(&data, used + TARGET_FREE)?;
    move_to_disk(&stage.state_dir(), RELAY_BYTES)?;
    stage.target.start_again().await?;
    stage.start_engine().await
}

/// A disk of `bytes` in place of the directory, with what is in it.
fn move_to_disk(directory: &Path, bytes: u64) -> anyhow::Result<()> {
    let beside = directory.with_extension("beside");
    run(Command::new("cp").arg("-a").arg(directory).arg(&beside))?;
    run(Command::new("mount")
        .args(["-t", "tmpfs", "-o"])
        .arg(format!("size={bytes}"))
        .arg("tmpfs")
        .arg(directory))?;
    // The directory's own owner and mode, too.
    run(Command::new("cp").arg("-a").arg("-T").arg(&beside).arg(directory))?;
    std::fs::remove_dir_all(&beside).with_context(|| format!("remove {}", beside.display()))
}

fn bytes_of(directory: &Path) -> anyhow::Result<u64> {
    let output = Command::new("du")
        .args(["-s", "--block-size=1"])
        .arg(directory)
        .output();
    let output = output.context("run du")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.split_whitespace().next().context("du")?;
    number.parse().with_context(|| format!("du: {text}"))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A file that takes all room there is, until it is dropped.
struct Filler(PathBuf);

impl Filler {
    fn fill(directory: &Path) -> anyhow::Result<Filler> {
        // Servers pass over names with a dot.
        let filler = Filler(directory.join(".filler"));
        filler.fill_up()?;
        Ok(filler)
    }

    /// Takes what others have given up meanwhile, too.
    fn fill_up(&self) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(&self.0)?;
        for size in [1 << 20, 4096, 1] {
            loop {
                match file.write_all(&vec![0; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("fill a disk"),
                }
            }
        }
        Ok(())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Relay logs have no room: connections wait, and go on when there is some.
pub(crate) async fn relay_log_full(stage: &mut FanIn, random: &mut Random) -> anyhow::Result<String> {
    let filler = Filler::fill(&stage.state_dir())?;
    let deadline = Instant::now() + NOTICE;
    loop {
        let status = stage.look().await?.unwrap_or_default();
        let number = |one: &ConnectionStatus| one.last_error.as_ref().map(|error| error.number);
        if status
            .connections
            .iter()
            .any(|one| one.io_state == "waiting" && number(one) == Some(1021))
        {
            break;
        }
        ensure!(Instant::now() < deadline, "nobody waits for room: {status:?}");
        filler.fill_up()?;
        tokio::time::sleep(STATUS_INTERVAL).await;
    }
    pause(random, 1500).await;
    let is_killed = random.once_in(2);
    if is_killed {
        // Half an event is at the end of a log, with nothing free behind it.
        stage.engine.kill().await?;
    }
    drop(filler);
    if is_killed {
        stage.start_engine().await?;
    }
    Ok(if is_killed { "and killed" } else { "" }.to_owned())
}

/// The target has no room: connections stop with the reason, and begin again when there is some.
pub(crate) async fn target_full(stage: &mut FanIn, random: &mut Random) -> anyhow::Result<String> {
    let data = stage.target.data_dir().to_owned();
    // What earlier rounds have left there is no reason for it to be full when this one is over.
    let size = bytes_of(&data)? + TARGET_FREE;
    run(Command::new("mount")
        .args(["-o", &format!("remount,size={size}")])
        .arg(&data))?;
    let filler = Filler::fill(&data)?;
    for source in &stage.sources {
        let text = "USE asterisk; CREATE TABLE large (a LONGBLOB) ENGINE=InnoDB;\
            INSERT INTO large SELECT REPEAT('x',50000) FROM seq_1_to_60";
        source.server.run(text).await?;
    }
    let deadline = Instant::now() + NOTICE;
    let detail = loop {
        // It ends when no connection is left; it has said why.
        if stage.engine.wait_for_end(Instant::now()).await? {
            let log = stage.engine.log_end();
            // Some errors are about any file; those quote the system.
            let reasons = ["the target has no room left", "No space left on device"];
            ensure!(
                reasons.iter().any(|reason| log.contains(reason)),
                "tributary has ended: {log}"
            );
            break "all stopped".to_owned();
        }
        let Ok(status) = stage.engine.status().await else {
            continue;
        };
        let status = status.unwrap_or_default();
        let stopped: Vec<_> = status
            .connections
            .iter()
            .filter(|one| one.has_stopped())
            .collect();
        let errors: Vec<_> = stopped.iter().filter_map(|one| one.last_error.clone()).collect();
        if let Some(other) = errors.iter().find(|error| !NO_ROOM.contains(&error.number)) {
            bail!("a full disk is error {}: {}", other.number, other.message);
        }
        if let Some(error) = errors.first() {
            break format!("{} stopped by {}", stopped.len(), error.number);
        }
        if stage.target.has_died()? {
            break "the target died of it".to_owned();
        }
        ensure!(Instant::now() < deadline, "nobody misses room: {status:?}");
        filler.fill_up()?;
        tokio::time::sleep(STATUS_INTERVAL).await;
    };
    pause(random, 1000).await;
    drop(filler);
    if stage.target.has_died()? {
        stage.target.kill().await;
        stage.target.start_again().await?;
    }
    let has_ended = stage.engine.wait_for_end(Instant::now()).await?;
    // Left alone, it begins again by itself.
    if !has_ended && random.once_in(2) {
        return Ok(detail);
    }
    if !has_ended {
        stage.engine.kill().await?;
    }
    tokio::time::sleep(Duration::from_millis(random.below(300))).await;
    stage.start_engine().await?;
    Ok(format!("{detail}, and killed"))
}
