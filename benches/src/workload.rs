//! The workloads: what is written, into tables of which engine, in which binlog format, by how many sources.

use crate::traffic::{self, Traffic};

/// The database a source writes, which replicas rename.
pub(crate) const SOURCE_DATABASE: &str = "asterisk";

/// One line of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Statements over MyISAM tables: what the user's sources write.
    MixedMyisam,
    /// Statements over InnoDB tables.
    MixedInnodb,
    /// Row events over InnoDB tables.
    RowInnodb,
    /// Row events over MyISAM tables.
    RowMyisam,
    /// Three sources of [`Self::MixedMyisam`] at once.
    FanIn,
    /// Statements that take 10 ms, over 4 tables.
    SlowStatements,
    /// Row events in tables without keys.
    NoKey,
    /// Short transactions of 16 clients, as statements.
    SysbenchMixed,
    /// The same as row events.
    SysbenchRow,
    /// Ten rows that every transaction wants.
    HotRow,
    /// One transaction of a million rows.
    Big,
    /// The way of single commits while three sources write at a steady rate.
    Steady,
    /// Stopping and starting connections while three sources write at a steady rate.
    StopStart,
    /// Three sources that write nothing.
    Idle,
    /// Statements and row events from files into nothing.
    Decode,
    /// What a source of the user's holds; run instead of all others when one is named.
    Named,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How long it takes to apply a full binlog.
    CatchUp,
    /// How long a commit takes from source to target.
    Steady,
    /// How long `STOP SLAVE` and `START SLAVE` take.
    StopStart,
    /// What waiting costs.
    Idle,
    /// How fast binlog files are read.
    Decode,
}

impl Workload {
    /// Every workload, in the order of the bench.
    pub(crate) const ALL: [Workload; 15] = [
        Workload::MixedMyisam,
        Workload::MixedInnodb,
        Workload::RowInnodb,
        Workload::RowMyisam,
        Workload::FanIn,
        Workload::SlowStatements,
        Workload::NoKey,
        Workload::SysbenchMixed,
        Workload::SysbenchRow,
        Workload::HotRow,
        Workload::Big,
        Workload::Steady,
        Workload::StopStart,
        Workload::Idle,
        Workload::Decode,
    ];

    /// The name in results, filters and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::MixedMyisam => "mixed-myisam",
            Workload::MixedInnodb => "mixed-innodb",
            Workload::RowInnodb => "row-innodb",
            Workload::RowMyisam => "row-myisam",
            Workload::FanIn => "fan-in",
            Workload::SlowStatements => "slow-statements",
            Workload::NoKey => "no-key",
            Workload::SysbenchMixed => "sysbench-like-mixed",
            Workload::SysbenchRow => "sysbench-like-row",
            Workload::HotRow => "hot-row",
            Workload::Big => "big",
            Workload::Steady => "steady",
            Workload::StopStart => "stop-start",
            Workload::Idle => "idle",
            Workload::Decode => "decode",
            Workload::Named => "named",
        }
    }

    /// Whether a filter that says `name` means this one too: `sysbench-like` is both of its formats.
    pub(crate) fn is_called(self, name: &str) -> bool {
        let own = self.name();
        own == name || (name == "sysbench-like" && own.starts_with("sysbench-like-"))
    }

    /// What is measured.
    pub(crate) fn measure(self) -> Measure {
        match self {
            Workload::Steady => Measure::Steady,
            Workload::StopStart => Measure::StopStart,
            Workload::Idle => Measure::Idle,
            Workload::Decode => Measure::Decode,
            _ => Measure::CatchUp,
        }
    }

    /// The sources' `binlog_format`.
    pub(crate) fn binlog_format(self) -> &'static str {
        match self {
            Workload::RowInnodb
            | Workload::RowMyisam
            | Workload::NoKey
            | Workload::SysbenchRow
            | Workload::Big => "ROW",
            _ => "MIXED",
        }
    }

    /// The tables' engine.
    pub(crate) fn engine(self) -> &'static str {
        match self {
            Workload::MixedInnodb
            | Workload::RowInnodb
            | Workload::SysbenchMixed
            | Workload::SysbenchRow
            | Workload::HotRow
            | Workload::Big => "InnoDB",
            _ => "MyISAM",
        }
    }

    /// How many sources there are, numbered from 1.
    pub(crate) fn sources(self) -> u32 {
        match self {
            Workload::FanIn | Workload::Steady | Workload::StopStart | Workload::Idle => 3,
            _ => 1,
        }
    }

    /// What each source writes.
    pub(crate) fn traffic(self) -> &'static Traffic {
        match self {
            Workload::SlowStatements => &traffic::SLOW,
            Workload::NoKey => &traffic::NO_KEY,
            Workload::SysbenchMixed | Workload::SysbenchRow => &traffic::SYSBENCH,
            Workload::HotRow => &traffic::HOT_ROW,
            Workload::Big => &traffic::BIG,
            Workload::Steady | Workload::StopStart => &traffic::STEADY,
            _ => &traffic::CALLS,
        }
    }
}

/// The name of a source's connection, in the native replica and in Tributary.
pub(crate) fn connection(source: u32) -> String {
    format!("master{source}")
}

/// The database in which the target holds what a source calls [`SOURCE_DATABASE`].
pub(crate) fn target_database(source: u32) -> String {
    format!("{}_{SOURCE_DATABASE}", connection(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_each_its_own_and_one_name_may_mean_two() {
        for workload in Workload::ALL {
            let called: Vec<Workload> = Workload::ALL
                .into_iter()
                .filter(|w| w.is_called(workload.name()))
                .collect();
            assert_eq!(called, [workload]);
        }
        let both = Workload::ALL.into_iter().filter(|w| w.is_called("sysbench-like"));
        assert_eq!(both.count(), 2);
    }
}
