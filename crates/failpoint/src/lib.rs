//! Places where the engine can be made to die, and a clock that can be made to jump, to see what becomes of it.
//!
//! The environment variable `TRIBUTARY_FAILPOINT=NAME:N` ends the process the `N`th time it comes to the place, at once, as
//! `kill -9` would: nothing is flushed, closed or said. Without the variable a place costs one load.
//!
//! ```
//! use tributary_failpoint::{Place, reach};
//! reach(Place::BeforeCommit); // nothing happens: it is not armed
//! assert_eq!("before_commit".parse::<Place>().unwrap(), Place::BeforeCommit);
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What arms a place.
pub const VARIABLE: &str = "TRIBUTARY_FAILPOINT";

/// What lets the clock jump: `TRIBUTARY_CLOCK_JUMP=AFTER:BY` has it be off by `BY` seconds, which may be negative, from `AFTER`
/// seconds after the start on.
pub const CLOCK_VARIABLE: &str = "TRIBUTARY_CLOCK_JUMP";

/// Where the process can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Changes are put together for the target, and not sent.
    BeforeSend,
    /// Changes are sent; no reply is read.
    AfterSend,
    /// The changes of a run are put together, and some are sent; its position is not among them.
    BeforeMark,
    /// The position is among them.
    AfterMark,
    /// The commit is what lacks.
    BeforeCommit,
    /// The target has said that it has committed.
    AfterCommit,
    /// Half of what was received is written to the relay log.
    InRelayWrite,
    /// A new file of the relay log has its head, and nothing knows of it.
    InRotation,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 8] = [
        Self::BeforeSend,
        Self::AfterSend,
        Self::BeforeMark,
        Self::AfterMark,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::InRelayWrite,
        Self::InRotation,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::BeforeSend => "before_send",
            Self::AfterSend => "after_send",
            Self::BeforeMark => "before_mark",
            Self::AfterMark => "after_mark",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::InRelayWrite => "in_relay_write",
            Self::InRotation => "in_rotation",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|place| place.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("{VARIABLE} '{text}': there are {names}")
            })
    }
}

/// A place, and how many times it is still passed.
#[derive(Debug)]
struct Armed {
    place: Place,
    left: AtomicU64,
}

impl FromStr for Armed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, times) = text.split_once(':').unwrap_or((text, "1"));
        let left = times.parse::<u64>().ok().filter(|times| *times > 0);
        Ok(Self {
            place: place.parse()?,
            left: left
                .ok_or_else(|| format!("{VARIABLE} '{text}': a number from 1 on follows the colon"))?
                .into(),
        })
    }
}

impl Armed {
    /// Counts one time at `place`. Whether this is the one.
    fn is_due(&self, place: Place) -> bool {
        self.place == place && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// By how much the clock is off, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump {
    after: Duration,
    by: i64,
}

impl FromStr for Jump {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(after, by)| {
                Some(Jump {
                    after: Duration::from_secs(after.parse().ok()?),
                    by: by.parse().ok()?,
                })
            })
            .ok_or_else(|| format!("{CLOCK_VARIABLE} '{text}': seconds, a colon and seconds, as in 5:-3600"))
    }
}

impl Jump {
    fn at(self, since_start: Duration) -> i64 {
        if since_start >= self.after { self.by } else { 0 }
    }
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
static JUMP: OnceLock<Option<(Jump, Instant)>> = OnceLock::new();

/// How many seconds the clock is to be off by now.
pub fn clock_offset() -> i64 {
    match JUMP.get() {
        Some(Some((jump, start))) => jump.at(start.elapsed()),
        _ => 0,
    }
}

/// Reads the variables. Whoever does not call this has no places to die at.
///
/// # Errors
/// When it cannot be read: what is wrong with it.
pub fn arm() -> Result<(), String> {
    let armed = match std::env::var(VARIABLE) {
        Ok(text) => Some(text.parse()?),
        Err(_) => None,
    };
    let jump = match std::env::var(CLOCK_VARIABLE) {
        Ok(text) => Some((text.parse()?, Instant::now())),
        Err(_) => None,
    };
    // It is armed once.
    let _ = (ARMED.set(armed), JUMP.set(jump));
    Ok(())
}

/// Whether the process is to end here and now: [`die`] follows, with what is to be half done before.
pub fn is_due(place: Place) -> bool {
    matches!(ARMED.get(), Some(Some(armed)) if armed.is_due(place))
}

/// Ends the process if this is where it is to end.
pub fn reach(place: Place) {
    if is_due(place) {
        die();
    }
}

/// Ends the process without a trace.
pub fn die() -> ! {
    std::process::abort()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn the_nth_time_at_a_place_is_the_one() {
        let armed: Armed = "after_send:3".parse().unwrap();
        let due = [
            Place::AfterSend,
            Place::AfterSend,
            Place::BeforeSend,
            Place::AfterSend,
            Place::AfterSend,
        ]
        .map(|place| armed.is_due(place));
        assert_eq!(due, [false, false, false, true, false]);
    }

    #[test]
    fn a_clock_jumps_when_its_time_has_come() {
        let jump: Jump = "5:-3600".parse().unwrap();
        assert_eq!(jump.at(Duration::from_millis(4999)), 0);
        assert_eq!(jump.at(Duration::from_secs(5)), -3600);
        for text in ["5", "x:1", "-1:1", "1:"] {
            assert!(text.parse::<Jump>().unwrap_err().contains(text));
        }
    }

    #[test]
    fn places_have_names_and_others_are_refused() {
        for place in Place::ALL {
            assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
        let error = "tomorrow".parse::<Armed>().unwrap_err();
        assert!(
            error.contains("tomorrow") && error.contains("before_commit"),
            "{error}"
        );
        assert!("after_send:0".parse::<Armed>().is_err());
        assert!("after_send:x".parse::<Armed>().is_err());
    }
}
