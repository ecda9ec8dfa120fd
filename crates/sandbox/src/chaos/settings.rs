//! What the environment sets.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use tributary_sandbox::environment::{number, switch, tributary_program};

use crate::fault::Kind;

/// Rounds without `CHAOS_ROUNDS`.
const ROUNDS_DEFAULT: u64 = 30;

pub(crate) struct Settings {
    /// `CHAOS_ROUNDS`: how many rounds there are.
    pub(crate) rounds: u64,
    /// `CHAOS_SEED`: what traffic and faults follow from; 1 when it is not set.
    pub(crate) seed: u64,
    /// `CHAOS_ONLY`: kinds of faults, with commas between; all when it is not set.
    pub(crate) kinds: Vec<Kind>,
    /// `CHAOS_EACH=1`: the kinds come one after the other instead of at random.
    pub(crate) is_in_turn: bool,
    /// `TRIBUTARY_BIN`, or the program beside this one.
    pub(crate) program: PathBuf,
}

impl Settings {
    pub(crate) fn from_environment() -> anyhow::Result<Settings> {
        let only = std::env::var("CHAOS_ONLY").unwrap_or_default();
        let names = only.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut kinds = names
            .map(|name| {
                let known = Kind::ALL.map(Kind::name).join(", ");
                Kind::named(name).with_context(|| format!("CHAOS_ONLY names {name}; there are {known}"))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        if kinds.is_empty() {
            kinds = Kind::ALL.into();
        }
        let rounds = number("CHAOS_ROUNDS")?.unwrap_or(ROUNDS_DEFAULT);
        ensure!(
            (1..=100_000).contains(&rounds),
            "CHAOS_ROUNDS is {rounds}, allowed are 1 to 100000"
        );
        Ok(Settings {
            rounds,
            seed: number("CHAOS_SEED")?.unwrap_or(1),
            kinds,
            is_in_turn: switch("CHAOS_EACH")?,
            program: tributary_program()?,
        })
    }
}
