//! What a connection does with errors in rows, and with statements that not every target wants.

use tributary_rules::{EngineRules, SkipErrors, TableSkips, Tolerance, Tolerances};

/// The policies of one connection. The default applies what belongs to the replicated databases, strictly.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// Errors that are passed over for single tables, and tables where none ever is (`tributary_skip_errors`,
    /// `tributary_never_skip`).
    pub table_skips: TableSkips,
    /// What happens to rows that are on the target already or missing there (`slave_exec_mode`).
    pub exec_mode: ExecMode,
    /// What happens to statements that fill replicated tables from others (`tributary_ignored_reads`).
    pub ignored_reads: IgnoredReads,
    /// Whether `CREATE USER`, `GRANT` and their kin are applied (`tributary_apply_accounts`).
    pub applies_accounts: bool,
    /// Whether `OPTIMIZE`, `ANALYZE`, `REPAIR` and `FLUSH` are applied (`tributary_apply_housekeeping`).
    pub applies_housekeeping: bool,
    /// Whether every statement is sent as text, none together with others of its shape (`tributary_bulk=OFF`).
    pub sends_text: bool,
    /// Storage engines that are replaced (`tributary_rewrite_engine`, `tributary_keep_engine`).
    pub engines: EngineRules,
}

impl Policies {
    /// What is tolerated for each table when `skip` is passed over everywhere.
    pub(crate) fn tolerances(&self, skip: &SkipErrors) -> Tolerances {
        let everywhere = Tolerance {
            skip: skip.clone(),
            is_idempotent: self.exec_mode == ExecMode::Idempotent,
        };
        Tolerances::new(everywhere, self.table_skips.clone())
    }
}

/// `slave_exec_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecMode {
    /// A row that cannot be changed as on the source is an error.
    #[default]
    Strict,
    /// An inserted row replaces the rows that are in its way; rows to update or delete that are missing, and changes that
    /// a foreign key or another row forbids, are passed over. Row events only. Each such row is recorded.
    Idempotent,
}

/// What happens to a statement that writes a replicated table and reads one that is not (`tributary_ignored_reads`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IgnoredReads {
    /// It is applied to what the target has, counted and recorded: the tables will differ.
    #[default]
    Warn,
    /// The connection stops in front of it.
    Stop,
}
