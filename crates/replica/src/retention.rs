//! Early warning of purge: how long the source still keeps what this connection needs next.
//!
//! A source deletes binary logs by age or by their sum, whoever may still need them, and a replica learns of it by error 1236 when it
//! is too late. So the source is asked now and then, over a login of its own, also while the connection is stopped; see [`watch`].
//! What is asked needs no more than `REPLICATION SLAVE`.

use std::time::Duration;

mod watch;

pub(crate) use watch::Watch;

/// A warning comes when this much time is left, or half of what the source keeps, whichever is less.
const WARN_BEFORE: Duration = Duration::from_secs(24 * 3600);

/// What a source says of a binary log and of those after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is gone. The oldest one there is, if the source told.
    Purged { oldest: Option<String> },
    /// It is the one that is written to: nothing deletes it.
    Newest,
    /// There is a later one, begun this many seconds ago by the source's clock. Its age by the source's rules counts from then on.
    EndedBefore(Duration),
}

/// The source's rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `binlog_expire_logs_seconds`, `expire_logs_days`; `None`: age deletes nothing.
    pub(crate) age_max: Option<Duration>,
    /// `max_binlog_total_size`, from MariaDB 11.4 on; `None`: their sum deletes nothing.
    pub(crate) bytes_max: Option<u64>,
}

/// What is known of the log that holds what a connection needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// The log.
    pub(crate) file: String,
    pub(crate) rules: Rules,
    pub(crate) held: Held,
    /// Bytes of this log and those after it; `None` where the account may not ask (`BINLOG MONITOR`).
    pub(crate) bytes_from: Option<u64>,
    /// When the connection will have caught up at the rate of late; `None` when it does not come closer.
    pub(crate) caught_up_in: Option<Duration>,
}

impl Outlook {
    /// What to tell a person; `None` when there is nothing to fear.
    pub(crate) fn warning(&self) -> Option<String> {
        let file = &self.file;
        match &self.held {
            Held::Newest => None,
            Held::Purged { oldest } => {
                let oldest = oldest
                    .as_ref()
                    .map_or_else(String::new, |oldest| format!(" (its oldest is {oldest})"));
                Some(format!(
                    "the source has purged {file}{oldest}, which holds what comes next: error 1236 is certain unless the stream is still \
                     reading it; {WAY_OUT}"
                ))
            }
            Held::EndedBefore(age) => self.age_warning(*age).or_else(|| self.size_warning()),
        }
    }

    fn age_warning(&self, age: Duration) -> Option<String> {
        let age_max = self.rules.age_max?;
        let left = age_max.saturating_sub(age);
        if left > WARN_BEFORE.min(age_max / 2) || self.caught_up_in.is_some_and(|time| time < left / 2) {
            return None;
        }
        Some(format!(
            "the source may purge {}, which holds what comes next, in {} (it keeps binary logs for {}): let the connection go on, or \
             raise binlog_expire_logs_seconds on the source; otherwise it stops with error 1236",
            self.file,
            span(left),
            span(age_max)
        ))
    }

    fn size_warning(&self) -> Option<String> {
        let (bytes_max, bytes) = (self.rules.bytes_max?, self.bytes_from?);
        (bytes > bytes_max / 2).then(|| {
            format!(
                "the source purges {}, which holds what comes next, when binary logs exceed max_binlog_total_size={bytes_max}, and those \
                 from it on have {bytes} bytes: let the connection go on, or raise that limit; otherwise it stops with error 1236",
                self.file
            )
        })
    }
}

/// What is left to do when a source has purged what is needed.
pub(crate) const WAY_OUT: &str = "what was in it can only come from a copy: drop this source's databases on the target, load them anew from \
    a dump with its coordinates (mariadb-dump --master-data=2), delete the connection's rows from the engine's table position, and start \
    from master_log_file and master_log_pos of the dump";

/// What to tell a person of a source that has not been reached for `silent`; `None` when that is not long yet.
fn silence_warning(rules: Rules, silent: Duration) -> Option<String> {
    let age_max = rules.age_max?;
    let left = age_max.saturating_sub(silent);
    (left <= WARN_BEFORE.min(age_max / 2)).then(|| {
        format!(
            "the source has not been reached for {}, and keeps binary logs for {}: what comes next may be purged in {}, and error 1236 \
             follow",
            span(silent),
            span(age_max),
            span(left)
        )
    })
}

/// When a lag will be gone that was `before` and, `between` later, is `now`; `None` when it does not shrink.
fn caught_up_in(before: u64, now: u64, between: Duration) -> Option<Duration> {
    let shrunk = before.checked_sub(now).filter(|shrunk| *shrunk > 0)?;
    let seconds = between.as_secs_f64() * now as f64 / shrunk as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A length of time in the unit that a person would take.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The log after `file`: its number is one more, with as many digits or more.
fn file_after(file: &str) -> Option<String> {
    let (base, digits) = file.rsplit_once('.')?;
    let number: u64 = digits.parse().ok()?;
    Some(format!(
        "{base}.{:0width$}",
        number.checked_add(1)?,
        width = digits.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn outlook(days_kept: u64, days_old: u64) -> Outlook {
        Outlook {
            file: "mysql-bin.000007".to_owned(),
            rules: Rules {
                age_max: Some(Duration::from_secs(days_kept * DAY)),
                bytes_max: None,
            },
            held: Held::EndedBefore(Duration::from_secs(days_old * DAY)),
            bytes_from: None,
            caught_up_in: None,
        }
    }

    #[test]
    fn a_day_before_the_purge_there_is_a_warning() {
        assert_eq!(outlook(7, 5).warning(), None);
        let warning = outlook(7, 6).warning().unwrap_or_default();
        assert!(
            warning.contains("mysql-bin.000007")
                && warning.contains("in 24 h")
                && warning.contains("for 7 d"),
            "{warning}"
        );
        assert!(outlook(7, 9).warning().unwrap_or_default().contains("in 0 s"));
    }

    #[test]
    fn where_less_is_kept_half_of_it_is_the_limit() {
        let mut short = outlook(1, 0);
        assert_eq!(short.warning(), None);
        short.held = Held::EndedBefore(Duration::from_secs(DAY / 2));
        assert!(short.warning().is_some());
    }

    #[test]
    fn who_catches_up_in_time_is_not_warned() {
        let mut fast = outlook(7, 6);
        fast.caught_up_in = Some(Duration::from_secs(DAY / 2 - 1));
        assert_eq!(fast.warning(), None);
        fast.caught_up_in = Some(Duration::from_secs(DAY / 2));
        assert!(fast.warning().is_some());
    }

    #[test]
    fn without_a_rule_or_in_the_newest_log_nothing_is_purged() {
        let mut forever = outlook(7, 400);
        forever.rules.age_max = None;
        assert_eq!(forever.warning(), None);
        let mut newest = outlook(7, 400);
        newest.held = Held::Newest;
        assert_eq!(newest.warning(), None);
    }

    #[test]
    fn the_sum_of_the_logs_is_a_limit_too() {
        let mut large = outlook(7, 0);
        large.rules.bytes_max = Some(1000);
        large.bytes_from = Some(500);
        assert_eq!(large.warning(), None);
        large.bytes_from = Some(501);
        let warning = large.warning().unwrap_or_default();
        assert!(warning.contains("max_binlog_total_size=1000"), "{warning}");
    }

    #[test]
    fn what_is_gone_is_named_with_the_way_out() {
        let mut gone = outlook(7, 0);
        gone.held = Held::Purged {
            oldest: Some("mysql-bin.000009".to_owned()),
        };
        let warning = gone.warning().unwrap_or_default();
        assert!(
            warning.contains("mysql-bin.000009") && warning.contains("mariadb-dump"),
            "{warning}"
        );
    }

    #[test]
    fn silence_counts_as_age() {
        let rules = Rules {
            age_max: Some(Duration::from_secs(7 * DAY)),
            bytes_max: None,
        };
        assert_eq!(silence_warning(rules, Duration::from_secs(5 * DAY)), None);
        assert!(silence_warning(rules, Duration::from_secs(6 * DAY)).is_some());
        assert_eq!(
            silence_warning(Rules::default(), Duration::from_secs(900 * DAY)),
            None
        );
    }

    #[test]
    fn the_rate_of_catching_up_is_that_of_the_lag() {
        let minute = Duration::from_secs(60);
        assert_eq!(caught_up_in(1000, 900, minute), Some(minute * 9));
        assert_eq!(caught_up_in(1000, 1000, minute), None);
        assert_eq!(caught_up_in(1000, 1060, minute), None);
    }

    #[test]
    fn logs_are_numbered() {
        assert_eq!(
            file_after("mysql-bin.000009").as_deref(),
            Some("mysql-bin.000010")
        );
        assert_eq!(file_after("a.b.999999").as_deref(), Some("a.b.1000000"));
        assert_eq!(file_after("mysql-bin"), None);
        assert_eq!(file_after("x.18446744073709551615"), None);
    }
}
