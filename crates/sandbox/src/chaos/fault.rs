//! What goes wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use tributary_sandbox::fan_in::{FanIn, STATUS_INTERVAL};
use tributary_sandbox::random::Random;

use crate::disks;
use crate::traffic::Engines;

/// Where the engine can be made to die: the names that `TRIBUTARY_FAILPOINT` takes.
const FAILPOINTS: [&str; 8] = [
    "before_send",
    "after_send",
    "before_mark",
    "after_mark",
    "before_commit",
    "after_commit",
    "in_relay_write",
    "in_rotation",
];
/// An engine that comes to its failpoint under traffic does so soon.
const FAILPOINT_PATIENCE: Duration = Duration::from_secs(20);
/// How long another engine may take to take over from one that stands still.
const TAKE_OVER: Duration = Duration::from_secs(60);
/// No connection is further behind than this in any round, in seconds.
const LAG_MAX: u64 = 300;
/// How long a connection may take to notice that what it needs is gone.
pub(crate) const NOTICE: Duration = Duration::from_secs(30);

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9` of the engine, at a random moment, once to three times.
    EngineKilled,
    /// `kill -9` of the engine while it catches up, with files that are loaded into tables that cannot be rolled back.
    EngineKilledLoads,
    /// The engine ends at a named place.
    Failpoint,
    /// The engine stands still, another takes over, and the first wakes.
    TwoEngines,
    /// `kill -9` of the target, which has only tables with transactions.
    TargetKilled,
    /// `kill -9` of the target, with tables that cannot be rolled back.
    TargetKilledTables,
    /// `kill -9` of a source.
    SourceKilled,
    /// Connections to the sources are cut.
    Cut,
    /// A line is silent for longer than `slave_net_timeout`.
    Stall,
    /// A connection is cut behind some byte.
    Truncate,
    /// A bit is another on its way.
    Flip,
    /// The lines are long.
    Delay,
    /// What comes next is purged while the engine is away.
    Purge,
    /// The engine's clock jumps.
    ClockJump,
    /// There is no room for relay logs.
    RelayLogFull,
    /// There is no room for the target's data.
    TargetFull,
}

impl Kind {
    pub(crate) const ALL: [Kind; 16] = [
        Self::EngineKilled,
        Self::EngineKilledLoads,
        Self::Failpoint,
        Self::TwoEngines,
        Self::TargetKilled,
        Self::TargetKilledTables,
        Self::SourceKilled,
        Self::Cut,
        Self::Stall,
        Self::Truncate,
        Self::Flip,
        Self::Delay,
        Self::Purge,
        Self::ClockJump,
        Self::RelayLogFull,
        Self::TargetFull,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EngineKilled => "engine-killed",
            Self::EngineKilledLoads => "engine-killed-loads",
            Self::Failpoint => "failpoint",
            Self::TwoEngines => "two-engines",
            Self::TargetKilled => "target-killed",
            Self::TargetKilledTables => "target-killed-tables",
            Self::SourceKilled => "source-killed",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Truncate => "truncate",
            Self::Flip => "flip",
            Self::Delay => "delay",
            Self::Purge => "purge",
            Self::ClockJump => "clock-jump",
            Self::RelayLogFull => "relay-log-full",
            Self::TargetFull => "target-full",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What may be written meanwhile so that both sides are exact. A server that is killed may have other rows in its tables without
    /// transactions than in its binlog, or the rows of a statement in part.
    pub(crate) fn engines(self) -> Engines {
        match self {
            Self::TargetKilled | Self::SourceKilled | Self::TargetFull => Engines::InnoDb,
            Self::TargetKilledTables | Self::EngineKilledLoads => Engines::OnDisk,
            _ => Engines::All,
        }
    }

    /// The storage engines whose tables are loaded from files. What a load of a table that cannot be rolled back has left is in doubt.
    pub(crate) fn loads(self) -> &'static [&'static str] {
        match self.leaves_doubts() {
            true => &["MyISAM", "Aria", "InnoDB"],
            false => &["InnoDB"],
        }
    }

    /// Whether a person would have to do something for the connections to go on.
    pub(crate) fn ends_stream(self) -> bool {
        self == Self::Purge
    }

    /// Whether tables may differ afterwards, if the engine says which.
    pub(crate) fn leaves_doubts(self) -> bool {
        matches!(self, Self::TargetKilledTables | Self::EngineKilledLoads)
    }

    /// Whether it takes disks of their own.
    pub(crate) fn needs_disks(self) -> bool {
        matches!(self, Self::RelayLogFull | Self::TargetFull)
    }

    /// Lets it happen, under traffic. Everything goes on by itself afterwards, but for [`Kind::ends_stream`].
    pub(crate) async fn happen(self, stage: &mut FanIn, random: &mut Random) -> anyhow::Result<String> {
        let source = random.below(stage.sources.len() as u64) as usize;
        match self {
            Self::EngineKilled => {
                let times = 1 + random.below(3);
                for _ in 0..times {
                    pause(random, 400).await;
                    stage.engine.kill().await?;
                    stage.start_engine().await?;
                }
                Ok(format!("{times} times"))
            }
            Self::EngineKilledLoads => {
                let times = 2 + random.below(5);
                for _ in 0..times {
                    pause(random, 600).await;
                    stage.engine.kill().await?;
                    stage.engine.start_again()?;
                }
                Ok(format!("{times} times"))
            }
            Self::Failpoint => die_at_failpoint(stage, random).await,
            Self::TwoEngines => two_engines(stage).await,
            Self::TargetKilled | Self::TargetKilledTables => {
                if self == Self::TargetKilledTables {
                    // It dies while it catches up: packets are long then.
                    stage.engine.kill().await?;
                    pause(random, 1500).await;
                    stage.engine.start_again()?;
                    pause(random, 400).await;
                }
                stage.target.kill().await;
                pause(random, 800).await;
                stage.target.start_again().await?;
                // It ends if it finds no target where it begins.
                if self == Self::TargetKilledTables && stage.engine.ensure_running().is_err() {
                    stage.engine.start_again()?;
                }
                let orphans =
                    remove_orphans(stage.target.data_dir()).context("look through the target's files")?;
                Ok(format!("{orphans:?} removed"))
            }
            Self::SourceKilled => {
                let server = &mut stage.sources[source].server;
                server.kill().await;
                server.start_again().await?;
                Ok(stage.sources[source].name.clone())
            }
            Self::Cut => {
                let times = 1 + random.below(5);
                for _ in 0..times {
                    stage.sources[source].line.cut_all();
                    pause(random, 300).await;
                }
                Ok(format!("{times} times"))
            }
            Self::Stall => {
                let line = &stage.sources[source].line;
                line.stall(true);
                tokio::time::sleep(Duration::from_millis(2000 + random.below(2000))).await;
                line.stall(false);
                Ok(String::new())
            }
            Self::Truncate => {
                let bytes = 1 + random.below(200_000);
                stage.sources[source].line.cut_after_bytes(bytes);
                pause(random, 1000).await;
                Ok(format!("behind {bytes} bytes"))
            }
            Self::Flip => {
                let bytes = 1 + random.below(200_000);
                stage.sources[source].line.flip_after_bytes(bytes);
                pause(random, 1000).await;
                Ok(format!("behind {bytes} bytes"))
            }
            Self::Delay => {
                for source in &stage.sources {
                    source.line.set_delay(Duration::from_millis(1 + random.below(80)));
                }
                pause(random, 2000).await;
                for source in &stage.sources {
                    source.line.set_delay(Duration::ZERO);
                }
                Ok(String::new())
            }
            Self::Purge => purge(stage, random, source).await,
            Self::ClockJump => clock_jump(stage, random).await,
            Self::RelayLogFull => disks::relay_log_full(stage, random).await,
            Self::TargetFull => disks::target_full(stage, random).await,
        }
    }
}

/// A random time up to so many milliseconds.
pub(crate) async fn pause(random: &mut Random, milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(random.below(milliseconds))).await;
}

/// Removes what a server that died in the middle of a definition has left: files without a table, for which `DROP DATABASE` fails
/// (1010). Their names.
fn remove_orphans(data_dir: &Path) -> std::io::Result<Vec<String>> {
    let mut removed = Vec::new();
    for directory in std::fs::read_dir(data_dir)? {
        let directory = directory?.path();
        if !directory.to_string_lossy().ends_with("_asterisk") {
            continue;
        }
        for file in std::fs::read_dir(&directory)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            let table = name.split(['.', '#']).next().unwrap_or_default();
            let is_orphan = name != "db.opt" && !directory.join(format!("{table}.frm")).exists();
            if is_orphan {
                std::fs::remove_file(file.path())?;
                removed.push(name);
            }
        }
    }
    Ok(removed)
}

async fn die_at_failpoint(stage: &mut FanIn, random: &mut Random) -> anyhow::Result<String> {
    let place = FAILPOINTS[random.below(FAILPOINTS.len() as u64) as usize];
    let times = match place {
        // Files are small, but not that small.
        "in_rotation" => 1,
        _ => 1 + random.below(60),
    };
    let armed = format!("{place}:{times}");
    stage.engine.kill().await?;
    stage.engine.start_with(&[("TRIBUTARY_FAILPOINT", &armed)])?;
    let has_died = stage
        .engine
        .wait_for_end(Instant::now() + FAILPOINT_PATIENCE)
        .await?;
    ensure!(has_died, "the engine has not come to {armed}");
    stage.start_engine().await?;
    Ok(armed)
}

/// The engine's clock jumps by hours or years while it runs, and stays there.
async fn clock_jump(stage: &mut FanIn, random: &mut Random) -> anyhow::Result<String> {
    let jump = random.pick(&[
        "1:3600",
        "1:-3600",
        "2:864000",
        "2:-864000",
        "0:100000000",
        "1:-1000000000",
    ]);
    stage.engine.kill().await?;
    stage.engine.start_with(&[("TRIBUTARY_CLOCK_JUMP", jump)])?;
    stage.wait_for_engine().await?;
    for _ in 0..8 {
        let status = stage.look().await?.unwrap_or_default();
        // Before the stream runs nobody knows the source's clock.
        let streams = status.connections.iter().filter(|one| one.io_state == "running");
        for connection in streams {
            let lag = connection.seconds_behind;
            ensure!(
                lag.is_none_or(|seconds| seconds <= LAG_MAX),
                "{} says it is {lag:?} seconds behind",
                connection.name
            );
        }
        tokio::time::sleep(STATUS_INTERVAL).await;
    }
    Ok(jump.to_owned())
}

/// The engine is stopped (SIGSTOP) until another has taken over; when it wakes it must end, and write nothing before that.
async fn two_engines(stage: &mut FanIn) -> anyhow::Result<String> {
    let number = stage.engine.pid().context("the engine runs")?;
    stage.engine.signal(Signal::STOP)?;
    let mut other = stage.another_engine(&format!("other-{number}"))?;
    let deadline = Instant::now() + TAKE_OVER;
    // Until the first has been silent for long enough, the second is refused.
    loop {
        other.start_again()?;
        let is_refused = loop {
            if other.wait_for_end(Instant::now() + STATUS_INTERVAL).await? {
                break true;
            }
            if other.status().await.is_ok_and(|status| {
                status.is_some_and(|status| status.connections.iter().any(|one| one.io_state == "running"))
            }) {
                break false;
            }
            ensure!(Instant::now() < deadline, "nobody took over: {}", other.log_end());
        };
        if !is_refused {
            break;
        }
        ensure!(Instant::now() < deadline, "nobody took over: {}", other.log_end());
    }
    let mut first = std::mem::replace(&mut stage.engine, other);
    first.signal(Signal::CONT)?;
    let has_ended = first.wait_for_end(Instant::now() + TAKE_OVER).await?;
    ensure!(has_ended, "the engine that woke goes on: {}", first.log_end());
    // The first one's files are those that later rounds use.
    stage.engine.stop().await?;
    stage.engine = first;
    stage.start_engine().await?;
    Ok(String::new())
}

/// The engine is away while the source writes on and purges: the connection must stop with error 1236, and no other.
async fn purge(stage: &mut FanIn, random: &mut Random, source: usize) -> anyhow::Result<String> {
    stage.engine.stop().await?;
    pause(random, 300).await;
    let (name, server) = (stage.sources[source].name.clone(), &stage.sources[source].server);
    server
        .run("INSERT INTO asterisk.keyless_InnoDB VALUES (1,'gone'); FLUSH BINARY LOGS")
        .await?;
    let newest = server.rows("SHOW MASTER STATUS").await?;
    let newest = newest.first().and_then(|row| row.first().cloned().flatten());
    let newest = newest.context("the newest binlog")?;
    let deadline = Instant::now() + NOTICE;
    // A dump thread that is about to end still holds its file.
    while server.value("SHOW BINARY LOGS").await? != newest {
        ensure!(
            Instant::now() < deadline,
            "the source does not purge up to {newest}"
        );
        server.run(&format!("PURGE BINARY LOGS TO '{newest}'")).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.engine.start_again()?;
    loop {
        let status = stage.engine.status().await?.unwrap_or_default();
        let number = |name: &str| {
            let connection = status.connections.iter().find(|one| one.name == name)?;
            Some(connection.last_error.as_ref()?.number)
        };
        if let Some(other) = status
            .connections
            .iter()
            .find(|one| one.name != name && one.has_stopped())
        {
            bail!("{} stopped, too: {:?}", other.name, other.last_error);
        }
        match number(&name) {
            Some(1236) => break,
            Some(0) | None => {}
            Some(other) => bail!("{name} stopped by {other} instead of 1236"),
        }
        ensure!(
            Instant::now() < deadline,
            "{name} has not noticed: {}",
            stage.engine.log_end()
        );
        tokio::time::sleep(STATUS_INTERVAL).await;
    }
    Ok(name)
}
