//! Stored code: procedures, functions, triggers, views, events.

use std::sync::Arc;

use super::generator::{Generator, Step, Work};
use super::model::Change;
use super::rows::IDS;

/// How many procedures and functions there are at most; a new one takes an old one's name.
const ROUTINES: u64 = 4;

impl Generator {
    /// Replaces a procedure or a function by one over other tables.
    pub(super) fn define_routine(&mut self) -> Step {
        let Some(table) =
            self.pick_table(|table| !table.is_ignored && !table.has_trigger && table.has_unique_id())
        else {
            return Step::default();
        };
        let name = self.random.below(ROUTINES);
        let own = format!("`{}`.`{}`", table.database, table.name);
        let create = self.session.grammar.create_or_replace();
        let is_procedure = self.random.once_in(2);
        let body = if is_procedure {
            format!(
                "{create} PROCEDURE asterisk.p{name}(IN first INT, IN word VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci) BEGIN \
                 DECLARE i INT DEFAULT 0; WHILE i < 4 DO \
                 INSERT IGNORE INTO {own} (id, n) VALUES (first + i, LENGTH(word)); \
                 UPDATE {own} SET n = (n + i + first) % 1000 WHERE id = first + i; SET i = i + 1; END WHILE; \
                 DELETE FROM {own} WHERE id = first + 2 AND n > 10; END"
            )
        } else {
            format!(
                "{create} FUNCTION asterisk.f{name}(first INT) RETURNS INT {} BEGIN \
                 INSERT IGNORE INTO {own} (id, n) VALUES (first, first % 100); \
                 UPDATE {own} SET n = (n + 1) % 1000 WHERE id = first + 1; RETURN first * 2; END",
                self.random
                    .pick(&["DETERMINISTIC", "NOT DETERMINISTIC MODIFIES SQL DATA"])
            )
        };
        // The body is written for the plain modes, and keeps the ones it was created under.
        let mut step = Step::one("SET @saved_mode = @@sql_mode");
        step.push("SET sql_mode = 'STRICT_TRANS_TABLES'");
        if self.session.grammar.is_mysql() {
            step.push(if is_procedure {
                format!("DROP PROCEDURE IF EXISTS asterisk.p{name}")
            } else {
                format!("DROP FUNCTION IF EXISTS asterisk.f{name}")
            });
        }
        step.push(body);
        step.push("SET sql_mode = @saved_mode");
        step
    }

    /// Runs a procedure or function.
    pub(super) fn call(&mut self) -> Step {
        let name = self.random.below(ROUTINES);
        let first = self.random.below(IDS);
        let statement = match self.random.below(4) {
            0 | 1 => format!(
                "CALL asterisk.p{name}({first}, {})",
                self.random.pick(&["'word'", "NULL", "REPEAT('x', 9)", "'it''s'"])
            ),
            2 => format!("SELECT asterisk.f{name}({first})"),
            _ => format!("DO asterisk.f{name}({first})"),
        };
        Step::one(statement)
    }

    /// A trigger that writes another table of the same sort of engine, or sets a column.
    pub(super) fn define_trigger(&mut self) -> Step {
        let Some(table) =
            self.pick_table(|table| !table.is_ignored && !table.has_foreign_key && !table.is_partitioned)
        else {
            return Step::default();
        };
        let own = format!("`{}`.`{}`", table.database, table.name);
        let name = format!("`{}`.tr_{}", table.database, table.number);
        let mut new = (*table).clone();
        if table.has_trigger {
            new.has_trigger = false;
            return Step::changing(format!("DROP TRIGGER {name}"), Change::Put(Arc::new(new)));
        }
        new.has_trigger = true;
        let sort = table.is_transactional();
        let log = self.pick_table(|other| {
            !other.is_ignored
                && other.is_transactional() == sort
                && !other.has_trigger
                && other.number != table.number
                && !other.has_foreign_key
                && other.has_unique_id()
        });
        let body = match (self.random.below(2), log) {
            (0, Some(log)) => format!(
                "AFTER INSERT ON {own} FOR EACH ROW INSERT IGNORE INTO `{}`.`{}` (id, n) VALUES (NEW.id + 1, NEW.n)",
                log.database, log.name
            ),
            _ => format!(
                "BEFORE {} ON {own} FOR EACH ROW SET NEW.n = (NEW.n * 3 + 1) % 1000",
                self.random.pick(&["INSERT", "UPDATE"])
            ),
        };
        let mut step = Step::one("SET @saved_mode = @@sql_mode");
        step.push("SET sql_mode = 'STRICT_TRANS_TABLES'");
        step.push(Work {
            then: Some(Change::Put(Arc::new(new))),
            ..Work::from(format!("CREATE TRIGGER {name} {body}"))
        });
        step.push("SET sql_mode = @saved_mode");
        step
    }

    /// A view, replaced or dropped, and written through now and then.
    pub(super) fn define_view(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored && !table.has_trigger) else {
            return Step::default();
        };
        let view = format!("asterisk.v{}", self.random.below(3));
        let id = self.random.below(IDS);
        let own = format!("`{}`.`{}`", table.database, table.name);
        match self.random.below(4) {
            0 => Step::one(format!("DROP VIEW IF EXISTS {view}")),
            _ => Step::new([
                format!(
                    "CREATE OR REPLACE ALGORITHM=MERGE VIEW {view} AS SELECT id, n FROM {own} WHERE id < 300"
                ),
                format!("UPDATE {view} SET n = n % 7 WHERE id = {id}"),
                format!("DELETE FROM {view} WHERE id = {}", id + 1),
                // A view over a table that has gone cannot be compared.
                format!("DROP VIEW {view}"),
            ]),
        }
    }

    /// An event that runs once, soon, or never.
    pub(super) fn event(&mut self) -> Step {
        let Some(table) =
            self.pick_table(|table| !table.is_ignored && !table.has_trigger && table.has_unique_id())
        else {
            return Step::default();
        };
        let name = format!("`{}`.ev{}", table.database, self.random.below(3));
        let own = format!("`{}`.`{}`", table.database, table.name);
        let id = self.random.below(IDS);
        let create = self.session.grammar.create_or_replace();
        let mut step = Step::default();
        let what = self.random.below(4);
        if self.session.grammar.is_mysql() && what != 2 {
            step.push(format!("DROP EVENT IF EXISTS {name}"));
        }
        step.push(match what {
            0 => format!("DROP EVENT IF EXISTS {name}"),
            1 => format!(
                "{create} EVENT {name} ON SCHEDULE EVERY 1 YEAR STARTS '2031-01-01 00:00:00' DO DELETE FROM {own}"
            ),
            2 => format!(
                "ALTER EVENT {name} {}",
                self.random.pick(&["ENABLE", "DISABLE", "COMMENT 'asterisk.t'"])
            ),
            _ => format!(
                "{create} EVENT {name} ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE DO INSERT IGNORE INTO {own} (id, n) VALUES ({id}, 1), ({}, 2)",
                id + 3
            ),
        });
        step
    }
}
