//! Errors of the target that time heals: there is no room on its disks, or it is read-only for now.
//!
//! The connection stops, as on a native replica, with the reason in its status, and the engine starts it again: after a second, then
//! ever later, until it is stopped by hand or a day is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_schedule::GroupSeq;

use crate::connection_view::Views;
use crate::control::Controller;
use crate::error::StopReason;

/// Until the first attempt; the next ones come after twice the time each, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long it is tried without a single group having been applied.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// How often it is looked for connections that are due.
const TICK: Duration = Duration::from_millis(250);

/// A connection that has stopped by such an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heal {
    /// The first time here.
    since: Instant,
    /// Everything up to this group is applied.
    at: GroupSeq,
    pause: Duration,
    /// When it is to be started again; `None` while it runs.
    due: Option<Instant>,
}

impl Heal {
    /// What follows from another stop. `None`: it has been tried for long enough.
    pub(crate) fn next(before: Option<Heal>, at: GroupSeq, now: Instant) -> Option<Heal> {
        let again = before.filter(|before| before.at == at);
        let since = again.map_or(now, |before| before.since);
        let pause = again.map_or(PAUSE_MIN, |before| (before.pause * 2).min(PAUSE_MAX));
        (now.duration_since(since) < PATIENCE).then_some(Heal {
            since,
            at,
            pause,
            due: Some(now + pause),
        })
    }

    /// Until it is tried again.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }

    /// It is tried.
    pub(crate) fn begin(&mut self) {
        self.due = None;
    }

    /// It could not be tried.
    pub(crate) fn put_off(self, now: Instant) -> Option<Heal> {
        Self::next(Some(self), self.at, now)
    }
}

/// Whether the reason may vanish by itself.
pub(crate) fn heals(reason: &StopReason) -> bool {
    /// `ER_DISK_FULL`, `ER_RECORD_FILE_FULL`.
    const FULL: [u16; 2] = [1021, 1114];
    /// Of any file, with the system's error: `EE_WRITE`, `EE_DISK_FULL`, `ER_CANT_CREATE_FILE`, `ER_CANT_CREATE_TABLE`,
    /// `ER_ERROR_ON_WRITE`, `ER_GET_ERRNO`.
    const OF_FILES: [u16; 6] = [3, 28, 1004, 1005, 1026, 1030];
    /// `ER_OPTION_PREVENTS_STATEMENT`.
    const OPTION: u16 = 1290;
    let says = |word: &str| reason.message.contains(word);
    FULL.contains(&reason.number)
        || OF_FILES.contains(&reason.number)
            && [
                "No space left on device",
                "error 28 ",
                "No more room in record file",
            ]
            .into_iter()
            .any(says)
        || reason.number == OPTION && says("--read-only")
}

/// Starts connections again that are due, as long as it is polled.
pub(crate) async fn watch(controller: Controller, views: Arc<Views>) {
    loop {
        tokio::time::sleep(TICK).await;
        for view in views.all() {
            if view.heals_in().is_some_and(|remaining| remaining.is_zero())
                && let Err(error) = controller.start_again(&view).await
            {
                tracing::warn!(connection = %view.options.name, %error, "cannot be started again yet");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_until_a_group_is_applied() {
        let now = Instant::now();
        let first = Heal::next(None, GroupSeq(7), now).unwrap();
        assert_eq!(first.remaining(now), Some(PAUSE_MIN));
        let second = Heal::next(Some(first), GroupSeq(7), now).unwrap();
        assert_eq!(second.remaining(now), Some(PAUSE_MIN * 2));
        let long = (0..20).fold(second, |heal, _| {
            Heal::next(Some(heal), GroupSeq(7), now).unwrap()
        });
        assert_eq!(long.remaining(now), Some(PAUSE_MAX));
        let further = Heal::next(Some(long), GroupSeq(8), now).unwrap();
        assert_eq!(further.remaining(now), Some(PAUSE_MIN));
        assert!(Heal::next(Some(long), GroupSeq(7), now + PATIENCE).is_none());
    }

    #[test]
    fn a_full_disk_and_a_read_only_server_heal() {
        let heals = |number, message: &str| heals(&StopReason::new(number, message));
        assert!(heals(1114, "The table 't' is full"));
        assert!(heals(
            1030,
            "Got error 28 \"No space left on device\" from storage engine"
        ));
        assert!(!heals(1030, "Got error 122 from storage engine"));
        assert!(heals(
            1290,
            "The MariaDB server is running with the --read-only option"
        ));
        assert!(!heals(1290, "... the --secure-file-priv option") && !heals(1062, "Duplicate entry"));
    }
}
