//! Sequences, foreign keys, partitions, prepared statements.

use std::sync::Arc;

use super::generator::{Generator, Step, Work};
use super::model::Change;
use super::rows::IDS;
use super::table::{Key, Table};

/// How many sequences there are at most.
const SEQUENCES: u64 = 3;

impl Generator {
    /// Makes, reads, sets or drops a sequence.
    pub(super) fn sequence(&mut self) -> Step {
        let name = self.session.qualified(
            "asterisk",
            &format!("seq{}", self.random.below(SEQUENCES)),
            &mut self.random,
        );
        let statement = match self.random.below(12) {
            0 if self.kinds.ddl => format!(
                "CREATE SEQUENCE IF NOT EXISTS {name} START WITH {} INCREMENT BY 3 CACHE {} ENGINE={}",
                1 + self.random.below(50),
                self.random.below(20),
                self.random.pick(&["InnoDB", "MyISAM"])
            ),
            1 if self.kinds.ddl => {
                // With an engine: the binlog does not tell the session's default.
                format!(
                    "CREATE OR REPLACE SEQUENCE {name} MINVALUE 1 MAXVALUE 1000 CYCLE NOCACHE ENGINE=MyISAM"
                )
            }
            2 if self.kinds.ddl => format!("DROP SEQUENCE IF EXISTS {name}"),
            3 if self.kinds.ddl => format!("ALTER SEQUENCE {name} RESTART {}", 1 + self.random.below(500)),
            4 => format!("SELECT SETVAL({name}, {})", self.random.below(900)),
            5..=8 => format!("SELECT NEXTVAL({name})"),
            _ => {
                let Some(table) = self.pick_table(|table| !table.is_ignored && table.key != Key::AutoPrimary)
                else {
                    return Step::default();
                };
                format!(
                    "INSERT INTO {} (id, n) VALUES (NEXT VALUE FOR {name}, 5)",
                    self.session.table(&table, &mut self.random)
                )
            }
        };
        Step::one(statement)
    }

    /// Two tables with a foreign key between them, made, filled, and dropped after a while. By one client only: without
    /// `foreign_key_checks` the server may log a child in front of the drop of a parent that came before it (10.11.19).
    pub(super) fn foreign_keys(&mut self) -> Step {
        let is_maker = self.client == 0;
        match self.pick_table(|table| table.has_foreign_key) {
            Some(table) if !is_maker || !self.random.once_in(8) => return self.rows_of_family(&table),
            None if !is_maker => return Step::default(),
            _ => {}
        }
        let number = self.model.new_number();
        let (parent, child) = ("asterisk.fk_parent", "asterisk.fk_child");
        let action = self.random.pick(&["CASCADE", "SET NULL", "RESTRICT"]);
        let family = |number: u64, name: &str| Table {
            number,
            database: "asterisk",
            name: name.to_owned(),
            engine: "InnoDB",
            key: Key::Primary,
            second_key: false,
            columns: Vec::new(),
            is_partitioned: false,
            is_versioned: false,
            has_trigger: false,
            is_ignored: false,
            has_foreign_key: true,
        };
        // Numbers of their own, so that the two are replaced by their successors.
        let [first, second] = [u64::MAX - 1, u64::MAX];
        let mut step = Step::new([
            Work {
                then: Some(Change::Remove(second)),
                ..Work::from(format!("DROP TABLE IF EXISTS {child}"))
            },
            Work {
                then: Some(Change::Remove(first)),
                ..Work::from(format!("DROP TABLE IF EXISTS {parent}"))
            },
        ]);
        step.push(Work { then: Some(Change::Put(Arc::new(family(first, "fk_parent")))), ..Work::from(format!("CREATE TABLE {parent} (id INT NOT NULL PRIMARY KEY, n INT NOT NULL DEFAULT 0) ENGINE=InnoDB COMMENT='{number}'")) });
        step.push(Work {
            then: Some(Change::Put(Arc::new(family(second, "fk_child")))),
            ..Work::from(format!("CREATE TABLE {child} (id INT NOT NULL PRIMARY KEY, n INT NOT NULL DEFAULT 0, p INT NULL, KEY (p), CONSTRAINT fk_{number} FOREIGN KEY (p) REFERENCES {parent} (id) ON DELETE {action} ON UPDATE {action}) ENGINE=InnoDB"))
        });
        step
    }

    fn rows_of_family(&mut self, table: &Table) -> Step {
        let (id, other) = (self.random.below(40), self.random.below(40));
        Step::one(match self.random.below(6) {
            0 | 1 => format!("INSERT IGNORE INTO asterisk.fk_parent (id, n) VALUES ({id}, 1), ({other}, 2)"),
            2 => format!(
                "INSERT INTO asterisk.fk_child (id, n, p) VALUES ({}, 3, {other})",
                self.random.below(IDS)
            ),
            3 => format!("UPDATE asterisk.fk_parent SET id = {} WHERE id = {id}", id + 40),
            4 => format!("DELETE FROM asterisk.fk_parent WHERE id = {id}"),
            _ => format!(
                "DELETE FROM {} WHERE id % 5 = {}",
                self.session.table(table, &mut self.random),
                id % 5
            ),
        })
    }

    /// Changes to partitions.
    pub(super) fn partition(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| table.is_partitioned && !table.is_ignored) else {
            return Step::default();
        };
        let own = self.session.table(&table, &mut self.random);
        Step::one(match self.random.below(4) {
            0 => format!("ALTER TABLE {own} TRUNCATE PARTITION p1"),
            1 => format!("ALTER TABLE {own} ADD PARTITION PARTITIONS 1"),
            2 => format!("ALTER TABLE {own} COALESCE PARTITION 1"),
            _ => format!("DELETE FROM {own} PARTITION (p0) WHERE id % 3 = 1"),
        })
    }

    /// A statement prepared from a string and executed with user variables.
    pub(super) fn prepared(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored) else {
            return Step::default();
        };
        let own = format!("`{}`.`{}`", table.database, table.name);
        let (id, n) = (self.random.below(IDS), self.random.below(1000));
        let text = self
            .random
            .pick(&[
                "INSERT INTO # (id, n) VALUES (?, ?)",
                "UPDATE # SET n = ? WHERE id = ?",
                "INSERT INTO # SET id = ?, n = ?",
            ])
            .replace('#', &own);
        let arguments = if text.starts_with("UPDATE") {
            (n, id)
        } else {
            (id, n)
        };
        Step::new([
            format!("PREPARE s FROM '{text}'"),
            format!("SET @one = {}, @two = {}", arguments.0, arguments.1),
            "EXECUTE s USING @one, @two".to_owned(),
            "DEALLOCATE PREPARE s".to_owned(),
        ])
    }
}
