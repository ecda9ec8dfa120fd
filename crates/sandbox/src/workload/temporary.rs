//! Temporary tables: equal names in all clients, read into real tables, some left for the end of the session.

use super::generator::{Generator, Step};
use super::rows::IDS;

impl Generator {
    pub(super) fn temporary_tables(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored && !table.has_trigger) else {
            return Step::default();
        };
        let name = self
            .random
            .pick(&["tmp", "tmp_calls", "asterisk.tmp", "`tools`.`tmp`"]);
        let grammar = self.session.grammar;
        let engine = grammar.engine(self.random.pick(&["InnoDB", "MyISAM", "MEMORY", "Aria"]));
        let create = match self.random.below(3) {
            0 => format!(
                "CREATE TEMPORARY TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, n INT, w VARCHAR(20)) ENGINE={engine}"
            ),
            1 => format!(
                "{} TEMPORARY TABLE {name} (id INT PRIMARY KEY, n INT, w VARCHAR(20) DEFAULT 'x') ENGINE={engine}",
                grammar.create_or_replace()
            ),
            _ => {
                let (from, id) = (
                    self.session.table(&table, &mut self.random),
                    self.random.below(IDS),
                );
                format!(
                    "CREATE TEMPORARY TABLE {name} (KEY (id)) ENGINE={engine} SELECT DISTINCT id, 1 AS n, 'w' AS w FROM {from} WHERE id BETWEEN {id} AND {} ORDER BY id",
                    id + 10
                )
            }
        };
        let mut step = Step::new([create]);
        for _ in 0..1 + self.random.below(6) {
            let id = 1 + self.random.below(IDS);
            let statement = match self.random.below(8) {
                0..=2 => format!(
                    "INSERT IGNORE INTO {name} (id, n, w) VALUES ({id}, {}, 'a'), ({}, 5, 'asterisk.t')",
                    id % 9,
                    id + 1
                ),
                3 => format!("UPDATE {name} SET n = n + 1 WHERE id > {id}"),
                4 => format!("DELETE FROM {name} WHERE id % 3 = 0"),
                5 => format!(
                    "ALTER TABLE {name} ADD COLUMN {}z INT DEFAULT {id}",
                    if grammar.is_mysql() { "" } else { "IF NOT EXISTS " }
                ),
                6 if self.session.unsafe_functions => format!(
                    "INSERT INTO {name} (id, n) VALUES ({}, CRC32(UUID()) % 100)",
                    id + IDS
                ),
                _ => {
                    let into = self.session.table(&table, &mut self.random);
                    format!("INSERT IGNORE INTO {into} (id, n) SELECT id, n FROM {name} ORDER BY id")
                }
            };
            step.push(statement);
            if self.random.once_in(6) {
                let statement = self.row_statement(&table);
                step.push(statement);
            }
        }
        if !self.random.once_in(3) {
            let drop = self.random.pick(&[
                "DROP TEMPORARY TABLE",
                "DROP TABLE",
                "DROP TEMPORARY TABLE IF EXISTS",
            ]);
            step.push(format!("{drop} {name}"));
        }
        // Whatever is left is dropped now and then, or else by the end of the session.
        step.cleanup = vec![format!("DROP TEMPORARY TABLE IF EXISTS {name}")];
        step
    }
}
