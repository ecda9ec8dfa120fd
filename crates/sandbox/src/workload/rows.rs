//! Statements that add rows.

use super::generator::Generator;
use super::table::{Column, Key, Table};
use super::value::literal;

/// Values of `id` lie below this, so that rows meet.
pub(super) const IDS: u64 = 400;
/// Rows one `INSERT` carries, at most.
const ROWS_MAX: u64 = 6;

impl Generator {
    /// Some `INSERT` or `REPLACE` with values.
    pub(super) fn insert(&mut self, table: &Table) -> Vec<u8> {
        let form = self.random.below(10);
        match form {
            0 => self.insert_set(table),
            1 => self.insert_on_duplicate(table),
            _ => self.insert_values(table),
        }
    }

    fn insert_values(&mut self, table: &Table) -> Vec<u8> {
        let verbs = [
            "INSERT INTO",
            "INSERT INTO",
            "INSERT INTO",
            "insert",
            "INSERT IGNORE INTO",
            "INSERT /*! IGNORE */ INTO",
            "REPLACE INTO",
            "REPLACE",
            "INSERT LOW_PRIORITY INTO",
            "INSERT /* asterisk.t1 */ INTO",
        ];
        let verb = self.random.pick(&verbs);
        let mut sql = self.session.verb(verb).as_bytes().to_vec();
        sql.push(b' ');
        sql.extend(self.session.table(table, &mut self.random).into_bytes());
        let columns = self.some_columns(table);
        let with_id = table.key != Key::AutoPrimary || self.random.once_in(3);
        let names = self.column_list(table, &columns, with_id);
        sql.extend_from_slice(
            format!(" ({names}) {} ", self.random.pick(&["VALUES", "VALUES", "VALUE"])).as_bytes(),
        );
        // Which row of one REPLACE may replace another of it depends on the version (10.5.23, 10.11.19).
        let differs = verb.starts_with("REPLACE") && !self.session.grammar.is_one_version();
        let rows = if self.random.once_in(2) || differs {
            1
        } else {
            1 + self.random.below(ROWS_MAX)
        };
        for row in 0..rows {
            if row > 0 {
                sql.extend_from_slice(b", ");
            }
            sql.push(b'(');
            sql.extend(self.row(table, &columns, with_id));
            sql.push(b')');
        }
        sql
    }

    fn insert_set(&mut self, table: &Table) -> Vec<u8> {
        let verb = self.random.pick(&["INSERT INTO", "REPLACE INTO", "INSERT"]);
        let verb = self.session.verb(verb);
        let mut sql = format!(
            "{verb} {} SET n = {}",
            self.session.table(table, &mut self.random),
            self.random.below(100)
        )
        .into_bytes();
        if table.key != Key::AutoPrimary {
            sql.extend_from_slice(format!(", id = {}", self.random.below(IDS)).as_bytes());
        }
        for column in self.some_columns(table) {
            sql.extend_from_slice(
                format!(", {} = ", self.session.name(&column.name, &mut self.random)).as_bytes(),
            );
            sql.extend(literal(&column.kind, &mut self.random, &self.session));
        }
        sql
    }

    fn insert_on_duplicate(&mut self, table: &Table) -> Vec<u8> {
        let mut sql = format!(
            "INSERT INTO {} (id, n) VALUES ({}, {})",
            self.session.table(table, &mut self.random),
            1 + self.random.below(IDS),
            self.random.below(100)
        )
        .into_bytes();
        let update = self.random.pick(&[
            " ON DUPLICATE KEY UPDATE n = n + 1",
            " ON DUPLICATE KEY UPDATE n = VALUES(n) + n",
            " ON DUPLICATE KEY UPDATE n = 3, id = id",
        ]);
        sql.extend_from_slice(update.as_bytes());
        sql
    }

    /// `INSERT ... SELECT` from another table or the same.
    pub(super) fn insert_select(&mut self, table: &Table, from: &Table) -> Vec<u8> {
        let verb = self
            .random
            .pick(&["INSERT INTO", "INSERT IGNORE INTO", "REPLACE INTO"]);
        let verb = self.session.verb(verb);
        let (into, source) = (
            self.session.table(table, &mut self.random),
            self.session.table(from, &mut self.random),
        );
        let id = if table.key == Key::AutoPrimary {
            "NULL".to_owned()
        } else {
            format!("x.id + {}", self.random.below(IDS))
        };
        let low = self.random.below(IDS);
        let mut sql = format!(
            "{verb} {into} (id, n) SELECT {id}, x.n + 1 FROM {source} AS x WHERE x.id BETWEEN {low} AND {}",
            low + 20
        );
        if from.has_unique_id() {
            sql.push_str(" ORDER BY x.id");
        } else {
            // Without a key there is no order of rows to rely on: all are equal but for n.
            sql = format!(
                "{verb} {into} (id, n) SELECT {}, COUNT(*) FROM {source} AS x WHERE x.id = {low}",
                if table.key == Key::AutoPrimary {
                    "NULL".to_owned()
                } else {
                    low.to_string()
                }
            );
        }
        sql.into_bytes()
    }

    /// Columns a statement gives values for.
    pub(super) fn some_columns(&mut self, table: &Table) -> Vec<Column> {
        let all = self.random.once_in(3);
        table
            .writable()
            .filter(|_| all || !self.random.once_in(3))
            .cloned()
            .collect()
    }

    fn column_list(&mut self, table: &Table, columns: &[Column], with_id: bool) -> String {
        let mut names = vec!["n".to_owned()];
        if with_id {
            names.insert(0, self.session.name("id", &mut self.random));
        }
        if table.second_key {
            names.push("u".to_owned());
        }
        for column in columns {
            names.push(self.session.name(&column.name, &mut self.random));
        }
        names.join(", ")
    }

    fn row(&mut self, table: &Table, columns: &[Column], with_id: bool) -> Vec<u8> {
        let mut sql = Vec::new();
        if with_id {
            let id = match self.random.below(12) {
                0 if table.key == Key::AutoPrimary => "NULL".to_owned(),
                1 if table.key == Key::AutoPrimary => "DEFAULT".to_owned(),
                _ => (1 + self.random.below(IDS)).to_string(),
            };
            sql.extend_from_slice(format!("{id}, ").as_bytes());
        }
        sql.extend_from_slice(self.number().as_bytes());
        if table.second_key {
            let u = if self.random.once_in(4) {
                "NULL".to_owned()
            } else {
                self.random.below(IDS * 2).to_string()
            };
            sql.extend_from_slice(format!(", {u}").as_bytes());
        }
        for column in columns {
            sql.extend_from_slice(b", ");
            sql.extend(literal(&column.kind, &mut self.random, &self.session));
        }
        sql
    }

    /// A value for `n`.
    fn number(&mut self) -> String {
        match self.random.below(20) {
            0 => "FLOOR(RAND() * 1000)".to_owned(),
            1 => "LAST_INSERT_ID() % 1000".to_owned(),
            2 if self.session.user_variables => "IFNULL(@number, 5) % 90".to_owned(),
            3 if self.session.clock => "UNIX_TIMESTAMP() % 1000".to_owned(),
            4 if self.session.unsafe_functions => "CONNECTION_ID() % 100".to_owned(),
            5 if self.session.unsafe_functions => "CRC32(UUID()) % 1000".to_owned(),
            _ => self.random.below(1000).to_string(),
        }
    }
}
