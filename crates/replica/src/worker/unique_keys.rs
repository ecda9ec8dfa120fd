//! The unique keys of a table of the target, in the server's order, and their values as conditions.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::{Cell, RowImage, TableMap, Value};
use tributary_client::{Error as ClientError, ServerError, StatementResult};

use super::{Login, burst};
use crate::context::{quote_name, quote_text};

/// What must be known of a table to replace its rows.
#[derive(Debug, Default)]
pub(super) struct UniqueKeys {
    /// In the order in which the server looks at them.
    pub(super) keys: Vec<UniqueKey>,
    /// A foreign key of another table, or of its own, refers to it.
    pub(super) is_referenced: bool,
    pub(super) has_delete_trigger: bool,
}

/// A unique key.
#[derive(Debug)]
pub(super) struct UniqueKey {
    pub(super) columns: Vec<KeyColumn>,
    /// It is the one by which the server finds the rows of events.
    pub(super) finds_rows: bool,
}

/// A column of a key.
#[derive(Debug)]
pub(super) struct KeyColumn {
    /// Its place in the table.
    pub(super) position: usize,
    name: String,
    /// Its type, as `SHOW COLUMNS` writes it.
    definition: String,
    charset: Option<String>,
    /// The key holds only the beginning of it.
    has_prefix: bool,
}

/// The keys a login has asked for last.
pub(super) type KnownKeys = Option<((Bytes, Bytes), Arc<UniqueKeys>)>;

impl Login {
    /// The unique keys of a table, asked for once in a row of failures.
    pub(super) async fn unique_keys(
        &mut self,
        database: &Bytes,
        table: &Bytes,
        may_be_referenced: bool,
    ) -> Result<Result<Arc<UniqueKeys>, ServerError>, ClientError> {
        let name = (database.clone(), table.clone());
        if let Some((known, keys)) = &self.known_keys
            && *known == name
        {
            return Ok(Ok(keys.clone()));
        }
        self.session.forget();
        let text = questions(database, table, may_be_referenced);
        let results = match burst::single(&mut self.client, &text).await? {
            Ok(results) => results,
            Err(error) => {
                self.has_old_errors = true;
                self.clear_errors().await?;
                return Ok(Err(error));
            }
        };
        let keys = Arc::new(read(results));
        self.known_keys = Some((name, keys.clone()));
        Ok(Ok(keys))
    }
}

/// Keys, columns, and whether there are triggers and references.
fn questions(database: &[u8], table: &[u8], may_be_referenced: bool) -> Vec<u8> {
    let mut name = Vec::new();
    quote_name(database, &mut name);
    name.push(b'.');
    quote_name(table, &mut name);
    let (mut schema_text, mut table_text) = (Vec::new(), Vec::new());
    quote_text(database, &mut schema_text);
    quote_text(table, &mut table_text);
    let mut text = b"SET NAMES utf8mb4, sql_mode='';SHOW INDEX FROM ".to_vec();
    text.extend_from_slice(&name);
    text.extend_from_slice(b" WHERE Non_unique=0;SHOW FULL COLUMNS FROM ");
    text.extend_from_slice(&name);
    text.extend_from_slice(
        b";SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_MANIPULATION='DELETE' AND EVENT_OBJECT_SCHEMA=",
    );
    text.extend_from_slice(&schema_text);
    text.extend_from_slice(b" AND EVENT_OBJECT_TABLE=");
    text.extend_from_slice(&table_text);
    if may_be_referenced {
        text.extend_from_slice(b";SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA=");
        text.extend_from_slice(&schema_text);
        text.extend_from_slice(b" AND REFERENCED_TABLE_NAME=");
        text.extend_from_slice(&table_text);
    }
    text
}

fn read(results: Vec<StatementResult>) -> UniqueKeys {
    let mut sets = results.into_iter().filter_map(|result| match result {
        StatementResult::Rows(rows) => Some(rows.rows),
        StatementResult::Ok(_) => None,
    });
    let indexes = sets.next().unwrap_or_default();
    let columns = sets.next().unwrap_or_default();
    let mut counts = sets.map(|rows| {
        let count = rows.first().and_then(|row| row.text(0));
        count.is_some_and(|count| count != "0")
    });
    let has_delete_trigger = counts.next().unwrap_or_default();
    let is_referenced = counts.next().unwrap_or_default();
    let mut keys: Vec<(String, UniqueKey)> = Vec::new();
    for row in &indexes {
        // Table, Non_unique, Key_name, Seq_in_index, Column_name, Collation, Cardinality, Sub_part, Packed, Null
        let (name, column) = (row.text(2).unwrap_or_default(), row.text(4).unwrap_or_default());
        let position = columns
            .iter()
            .position(|row| row.text(0).as_deref() == Some(column.as_str()));
        let shown = position.and_then(|position| columns.get(position));
        let collation = shown.and_then(|row| row.text(2));
        let part = KeyColumn {
            position: position.unwrap_or(usize::MAX),
            name: column,
            definition: shown.and_then(|row| row.text(1)).unwrap_or_default(),
            charset: collation.map(|name| name.split('_').next().unwrap_or_default().to_owned()),
            has_prefix: row.text(7).is_some(),
        };
        let is_nullable = row.text(9).is_some_and(|null| null == "YES");
        let is_first = keys.is_empty();
        match keys.last_mut().filter(|(last, _)| *last == name) {
            Some((_, key)) => {
                key.finds_rows &= !is_nullable && !part.has_prefix;
                key.columns.push(part);
            }
            None => {
                let key = UniqueKey {
                    finds_rows: is_first && !is_nullable && !part.has_prefix,
                    columns: vec![part],
                };
                keys.push((name, key));
            }
        }
    }
    UniqueKeys {
        keys: keys.into_iter().map(|(_, key)| key).collect(),
        is_referenced,
        has_delete_trigger,
    }
}

impl UniqueKey {
    /// The condition that holds for the row with the key's values of `image`; `None` when one cannot be written.
    pub(super) fn condition(&self, map: &TableMap, image: &RowImage<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.columns {
            if !text.is_empty() {
                text.push_str(" AND ");
            }
            let mut name = Vec::new();
            quote_name(part.name.as_bytes(), &mut name);
            text.push_str(std::str::from_utf8(&name).ok()?);
            text.push('=');
            text.push_str(&part.literal(map, image)?);
        }
        Some(text)
    }
}

impl KeyColumn {
    fn literal(&self, map: &TableMap, image: &RowImage<'_>) -> Option<String> {
        let Cell::Value(bytes) = image.cell(self.position) else {
            return None;
        };
        let kind = *map.columns.get(self.position)?;
        let definition = self.definition.as_str();
        let is = |names: &[&str]| {
            let word = definition
                .split(|letter: char| !letter.is_ascii_alphabetic())
                .next();
            names.iter().any(|name| word == Some(name))
        };
        if self.has_prefix {
            return None;
        }
        if is(&["char", "varchar"]) {
            let mut text = format!("_{} X'", self.charset.as_deref()?);
            hex(bytes, &mut text);
            return Some(text);
        }
        if is(&["varbinary"]) {
            let mut text = "X'".to_owned();
            hex(bytes, &mut text);
            return Some(text);
        }
        let is_unsigned = definition.contains("unsigned");
        let is_number = is(&["tinyint", "smallint", "mediumint", "int", "bigint", "decimal"]);
        if !is_number && !is(&["date", "datetime"]) {
            return None;
        }
        let value = Value::decode(self.position, kind, Some(is_unsigned), bytes).ok()?;
        Some(value.to_string())
    }
}

/// Closes a literal of hexadecimal digits.
fn hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text.push('\'');
}
