//! Transactions: savepoints, rollbacks, both sorts of engines, XA.

use super::generator::{Generator, Step};
use super::table::Table;

/// Statements in one transaction, at most.
const STATEMENTS_MAX: u64 = 8;

impl Generator {
    /// A transaction over a few tables.
    pub(super) fn transaction(&mut self) -> Step {
        let mixes = self.kinds.mixed_engines && self.random.once_in(3);
        let wanted = move |table: &Table| {
            !table.is_ignored && (mixes || (table.is_transactional() && !table.has_trigger))
        };
        let mut step = Step {
            killable: !mixes,
            ..Step::default()
        };
        step.push(self.random.pick(&[
            "BEGIN",
            "START TRANSACTION",
            "begin work",
            "START TRANSACTION READ WRITE",
            "SET autocommit = 0",
        ]));
        let implicit = step.work.first().is_some_and(|work| work.sql.starts_with(b"SET"));
        let mut savepoint = false;
        for _ in 0..1 + self.random.below(STATEMENTS_MAX) {
            let Some(table) = self.pick_table(wanted) else {
                break;
            };
            match self.random.below(8) {
                0 => {
                    step.push(
                        self.random
                            .pick(&["SAVEPOINT a", "savepoint `asterisk`", "SAVEPOINT `b c`"]),
                    );
                    savepoint = true;
                }
                1 if savepoint => step.push(self.random.pick(&[
                    "ROLLBACK TO SAVEPOINT a",
                    "ROLLBACK TO `asterisk`",
                    "RELEASE SAVEPOINT a",
                ])),
                _ => {
                    let statement = self.row_statement(&table);
                    step.push(statement);
                }
            }
        }
        if self.kinds.ddl && self.random.once_in(15) {
            // Commits what is open.
            step.work.extend(self.ddl().work);
            step.killable = false;
        }
        step.push(self.random.pick(&[
            "COMMIT",
            "COMMIT",
            "COMMIT",
            "commit work",
            "ROLLBACK",
            "COMMIT AND CHAIN",
        ]));
        step.push("COMMIT");
        if implicit {
            step.push("SET autocommit = 1");
        }
        step.cleanup = vec!["ROLLBACK".to_owned(), "SET autocommit = 1".to_owned()];
        step
    }

    /// A transaction in two phases. Several sources and clients use equal ids, one after the other.
    pub(super) fn xa(&mut self) -> Step {
        // Without a primary key, row events of others look for their rows among those that are locked until XA COMMIT: a replica,
        // which gets that only behind them, waits for ever.
        let wanted = |table: &Table| {
            !table.is_ignored && table.may_be_prepared() && !table.has_trigger && table.has_unique_id()
        };
        let number = self.random.below(3);
        let id = match self.random.below(3) {
            0 => format!("'client{}-{number}'", self.client),
            1 => format!("'client{}', 'branch{number}', 7", self.client),
            _ => format!("X'00{:02x}{number:02x}'", self.client),
        };
        let mut step = Step::one(format!("XA START {id}"));
        for _ in 0..1 + self.random.below(STATEMENTS_MAX) {
            let Some(table) = self.pick_table(wanted) else {
                break;
            };
            let statement = self.row_statement(&table);
            step.push(statement);
        }
        step.push(format!("XA END {id}"));
        if self.random.once_in(4) {
            step.push(format!("XA COMMIT {id} ONE PHASE"));
        } else {
            step.push(format!("XA PREPARE {id}"));
            let end = self.random.pick(&["COMMIT", "COMMIT", "ROLLBACK"]);
            step.push(format!("XA {end} {id}"));
        }
        step.cleanup = vec![format!("XA END {id}"), format!("XA ROLLBACK {id}")];
        step
    }
}
