//! `LOAD DATA`, from the client and from a file of the server.

use super::generator::{Generator, Step, Work};
use super::kind::Kind;
use super::rows::IDS;
use super::table::Table;

impl Generator {
    pub(super) fn load_data(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored && !table.has_trigger) else {
            return Step::default();
        };
        let data = self.lines(&table);
        let target = self.load_target(&table);
        let place = if self.kinds.server_files && self.random.once_in(2) {
            ""
        } else {
            "LOCAL "
        };
        let mut duplicates = self.random.pick(&["", "IGNORE ", "REPLACE "]);
        if !self.session.full_image {
            duplicates = "IGNORE ";
        }
        let sql = format!(
            "LOAD DATA {place}INFILE '{}' {duplicates}INTO TABLE {target}",
            self.file.display()
        );
        Step::one(Work {
            file: Some(data),
            ..Work::from(sql)
        })
    }

    fn load_target(&mut self, table: &Table) -> String {
        let name = self.session.table(table, &mut self.random);
        let text = table
            .writable()
            .find(|column| matches!(column.kind, Kind::Text { .. }))
            .map(|column| column.name.clone());
        let charset = self
            .random
            .pick(&["", " CHARACTER SET latin1", " CHARACTER SET utf8mb4"]);
        match (self.random.below(3), text) {
            (0, Some(column)) => format!(
                "{name}{charset} FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' (id, n, {column})"
            ),
            (1, _) => format!(
                "{name}{charset} FIELDS TERMINATED BY ',' LINES TERMINATED BY '\\n' IGNORE 1 LINES (@a, n, @rest) SET id = @a + 1"
            ),
            _ => format!("{name}{charset} FIELDS TERMINATED BY ',' (id, n, @asterisk)"),
        }
    }

    fn lines(&mut self, table: &Table) -> Vec<u8> {
        let mut data = Vec::new();
        let first = self.random.below(IDS);
        // Where nothing refuses an equal id, few lines keep the table small.
        let count = if table.has_unique_id() {
            1 + self.random.below(40)
        } else {
            1 + self.random.below(5)
        };
        for line in 0..count {
            let id = if self.random.once_in(6) {
                first
            } else {
                first + line
            };
            data.extend_from_slice(format!("{id},{},\"", self.random.below(1000)).as_bytes());
            for _ in 0..self.random.below(6) {
                data.push(
                    *self
                        .random
                        .pick(&[&b'a', &b'z', &b'\'', &b'.', &b' ', &0xe9, &0xc3, &0xa9]),
                );
            }
            data.extend_from_slice(b"\"\n");
        }
        data
    }
}
