//! What the environment sets.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use tributary_sandbox::environment::{number, switch, tributary_program};
use tributary_sandbox::workload::Kinds;

/// Length of the traffic without `SOAK_SECONDS`.
const SECONDS_DEFAULT: u64 = 60;
/// Length of one round without `SOAK_ROUND_SECONDS`.
const ROUND_SECONDS_DEFAULT: u64 = 30;
/// Clients per source without `SOAK_CLIENTS`.
const CLIENTS_DEFAULT: usize = 4;

pub(crate) struct Settings {
    /// `SOAK_SECONDS`: how long statements are run, all rounds together.
    pub(crate) seconds: u64,
    /// `SOAK_ROUND_SECONDS`: how long statements are run between two comparisons.
    pub(crate) round_seconds: u64,
    /// `SOAK_SEED`: what the statements follow from; a random one when it is not set.
    pub(crate) seed: u64,
    /// `SOAK_CLIENTS`: connections to each source.
    pub(crate) clients: usize,
    /// `SOAK_RATE`: statements per second and source; without it as fast as it goes.
    pub(crate) rate: Option<u32>,
    /// `SOAK_RESTART_SECONDS`: after how long the engine is started again, and again; without it once in every other round.
    pub(crate) restart_seconds: Option<u64>,
    /// `SOAK_WITHOUT`: kinds of statements to leave out, with commas between.
    pub(crate) kinds: Kinds,
    /// `SOAK_SOURCE_SERVER`: the sources' server program, in the `sbin` folder of its base directory; the installed one without.
    pub(crate) source_program: Option<PathBuf>,
    /// `SOAK_TARGET_SERVER`: the target's.
    pub(crate) target_program: Option<PathBuf>,
    /// `SOAK_KEEP=1`: after a difference everything stays up, until Ctrl-C.
    pub(crate) keep: bool,
    /// `TRIBUTARY_BIN`, or the program beside this one.
    pub(crate) program: PathBuf,
}

impl Settings {
    pub(crate) fn from_environment() -> anyhow::Result<Settings> {
        let without = env::var("SOAK_WITHOUT").unwrap_or_default();
        let without: Vec<&str> = without
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let settings = Settings {
            seconds: number("SOAK_SECONDS")?.unwrap_or(SECONDS_DEFAULT),
            round_seconds: number("SOAK_ROUND_SECONDS")?.unwrap_or(ROUND_SECONDS_DEFAULT),
            seed: number("SOAK_SEED")?.unwrap_or_else(random_seed),
            clients: number("SOAK_CLIENTS")?.unwrap_or(CLIENTS_DEFAULT),
            rate: number("SOAK_RATE")?,
            restart_seconds: number("SOAK_RESTART_SECONDS")?,
            kinds: Kinds::ALL.without(&without).context("SOAK_WITHOUT")?,
            source_program: env::var_os("SOAK_SOURCE_SERVER").map(PathBuf::from),
            target_program: env::var_os("SOAK_TARGET_SERVER").map(PathBuf::from),
            keep: switch("SOAK_KEEP")?,
            program: tributary_program()?,
        };
        ensure!(
            (1..=604_800).contains(&settings.seconds),
            "SOAK_SECONDS is {}, allowed are 1 to 604800",
            settings.seconds
        );
        ensure!(
            (1..=3600).contains(&settings.round_seconds),
            "SOAK_ROUND_SECONDS is {}, allowed are 1 to 3600",
            settings.round_seconds
        );
        ensure!(
            (1..=30).contains(&settings.clients),
            "SOAK_CLIENTS is {}, allowed are 1 to 30",
            settings.clients
        );
        ensure!(
            settings.restart_seconds != Some(0),
            "SOAK_RESTART_SECONDS is 0, the least allowed is 1"
        );
        Ok(settings)
    }
}

/// From the keys the standard library draws for its hash maps; small enough to be typed.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() % 1_000_000_000
}
