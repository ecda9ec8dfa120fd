//! What the environment sets.

use std::env;
use std::path::PathBuf;

use anyhow::ensure;
use tributary_sandbox::environment::{number, switch, tributary_program};

/// Length of the traffic without `DEMO_SECONDS`.
const SECONDS_DEFAULT: u64 = 30;
/// Statements per second and source without `DEMO_RATE`: a busy centre, on a machine shared with all four servers.
const RATE_DEFAULT: u32 = 600;

pub(crate) struct Settings {
    /// `DEMO_SECONDS`: how long traffic flows.
    pub(crate) seconds: u64,
    /// `DEMO_RATE`: statements per second on each source.
    pub(crate) rate: u32,
    /// `DEMO_SEED`: what the traffic follows from.
    pub(crate) seed: u64,
    /// `DEMO_KEEP=1`: everything stays up at the end, until Ctrl-C.
    pub(crate) keep: bool,
    /// `DEMO_SOURCES`: URLs of three servers that run elsewhere, with commas between; without it we start our own.
    pub(crate) sources: Vec<String>,
    /// `DEMO_TARGET`: the URL of the target then.
    pub(crate) target: Option<String>,
    /// `DEMO_SOURCE_SERVER`: the sources' server program, in the `sbin` folder of its base directory; the installed one without.
    pub(crate) source_program: Option<PathBuf>,
    /// `DEMO_TARGET_SERVER`: the target's.
    pub(crate) target_program: Option<PathBuf>,
    /// `TRIBUTARY_BIN`, or the program beside this one.
    pub(crate) program: PathBuf,
}

impl Settings {
    pub(crate) fn from_environment() -> anyhow::Result<Settings> {
        let settings = Settings {
            seconds: number("DEMO_SECONDS")?.unwrap_or(SECONDS_DEFAULT),
            rate: number("DEMO_RATE")?.unwrap_or(RATE_DEFAULT),
            seed: number("DEMO_SEED")?.unwrap_or(1),
            keep: switch("DEMO_KEEP")?,
            sources: env::var("DEMO_SOURCES")
                .map_or(Vec::new(), |urls| urls.split(',').map(str::to_owned).collect()),
            target: env::var("DEMO_TARGET").ok(),
            source_program: env::var_os("DEMO_SOURCE_SERVER").map(PathBuf::from),
            target_program: env::var_os("DEMO_TARGET_SERVER").map(PathBuf::from),
            program: tributary_program()?,
        };
        ensure!(
            (3..=86_400).contains(&settings.seconds),
            "DEMO_SECONDS is {}, allowed are 3 to 86400",
            settings.seconds
        );
        let elsewhere_count = if settings.target.is_some() {
            crate::SOURCE_COUNT as usize
        } else {
            0
        };
        ensure!(
            settings.sources.len() == elsewhere_count,
            "DEMO_SOURCES needs {} URLs with commas between, and DEMO_TARGET one; or neither is set",
            crate::SOURCE_COUNT
        );
        ensure!(settings.rate > 0, "DEMO_RATE must be at least 1");
        Ok(settings)
    }
}
