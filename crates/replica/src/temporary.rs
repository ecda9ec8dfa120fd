//! Temporary tables of the sources, as far as they outlast one group.
//!
//! They live in a session of the target, under the number of the source's thread and a server id. The engine's table
//! `temporary_table` lists which are open, written together with the position, so that after a restart a statement that needs one
//! of them stops its connection instead of reaching a table of the same name.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tributary_client::{Client, Error as ClientError};

use crate::context::quote_text;

/// A session of the source: server id and thread.
pub(crate) type SourceThread = (u32, u32);

/// Database and table, in the source's names.
pub(crate) type TableKey = (Bytes, Bytes);

/// A temporary table that is open or no longer so once its group is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemporaryNote {
    pub(crate) is_open: bool,
    pub(crate) thread: SourceThread,
    pub(crate) table: TableKey,
}

/// The columns that name one temporary table.
const KEY: [&str; 5] = [
    "connection",
    "server_id",
    "thread_id",
    "database_name",
    "table_name",
];

/// The statements that write down what a group opens and closes, separated as in one packet.
pub(crate) fn render_notes(schema: &str, connection: &str, notes: &[TemporaryNote]) -> Vec<u8> {
    let mut text = Vec::new();
    for note in notes {
        if !text.is_empty() {
            text.extend_from_slice(b";\n");
        }
        let (database, table) = &note.table;
        let mut values = [Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        quote_text(connection.as_bytes(), &mut values[0]);
        values[1].extend_from_slice(note.thread.0.to_string().as_bytes());
        values[2].extend_from_slice(note.thread.1.to_string().as_bytes());
        quote_text(database, &mut values[3]);
        quote_text(table, &mut values[4]);
        // Writing to a Vec cannot fail.
        if note.is_open {
            let _ = write!(
                text,
                "REPLACE INTO `{schema}`.temporary_table ({}) VALUES (",
                KEY.join(",")
            );
            text.extend_from_slice(&values.join(&b","[..]));
            text.push(b')');
        } else {
            let _ = write!(text, "DELETE FROM `{schema}`.temporary_table WHERE ");
            for (index, (name, value)) in KEY.iter().zip(&values).enumerate() {
                let and = if index == 0 { "" } else { " AND " };
                let _ = write!(text, "{and}{name}=");
                text.extend_from_slice(value);
            }
        }
    }
    text
}

/// The temporary tables of a connection that were open when the last session of the target ended.
pub(crate) async fn load(
    client: &mut Client,
    schema: &str,
    connection: &str,
) -> Result<Vec<(SourceThread, TableKey)>, ClientError> {
    let mut text = format!(
        "SELECT server_id,thread_id,database_name,table_name FROM `{schema}`.temporary_table WHERE connection="
    )
    .into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    let rows = client.query(&text).await?;
    let entry = |row: &tributary_client::Row| {
        let number = |index: usize| row.text(index)?.parse::<u32>().ok();
        let bytes = |index: usize| row.get(index).map(Bytes::copy_from_slice);
        Some(((number(0)?, number(1)?), (bytes(2)?, bytes(3)?)))
    };
    Ok(rows.rows.iter().filter_map(entry).collect())
}

/// Whether any connection has a temporary table open.
pub(crate) async fn are_any_open(client: &mut Client, schema: &str) -> Result<bool, ClientError> {
    let text = format!("SELECT 1 FROM `{schema}`.temporary_table LIMIT 1");
    Ok(!client.query(text.as_bytes()).await?.rows.is_empty())
}

/// `database.table` of each, for people.
pub(crate) fn names<'a>(tables: impl IntoIterator<Item = &'a TableKey>) -> String {
    const SHOWN_MAX: usize = 20;
    let mut names: Vec<String> = tables
        .into_iter()
        .map(|(database, table)| {
            format!(
                "{}.{}",
                String::from_utf8_lossy(database),
                String::from_utf8_lossy(table)
            )
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Server ids under which the sources' temporary tables are kept on the target.
///
/// Two sources may have one server id, and both a thread with the same number. The first connection that needs an id gets the
/// real one; another gets one that nobody uses.
#[derive(Debug, Default)]
pub(crate) struct ServerIds {
    inner: Mutex<ServerIdsInner>,
}

#[derive(Debug, Default)]
struct ServerIdsInner {
    by_source: HashMap<(u16, u32), u32>,
    taken: HashSet<u32>,
}

impl ServerIds {
    /// The id that stands on the target for a server of a connection.
    pub(crate) fn on_target(&self, connection: u16, server_id: u32) -> u32 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = inner.by_source.get(&(connection, server_id)) {
            return *id;
        }
        let id = if inner.taken.contains(&server_id) {
            (1..=u32::MAX)
                .rev()
                .find(|id| !inner.taken.contains(id))
                .unwrap_or(server_id)
        } else {
            server_id
        };
        inner.taken.insert(id);
        inner.by_source.insert((connection, server_id), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_with_one_server_id_get_different_ones() {
        let ids = ServerIds::default();
        assert_eq!(ids.on_target(0, 1), 1);
        assert_eq!(ids.on_target(1, 1), u32::MAX);
        assert_eq!(ids.on_target(2, u32::MAX), u32::MAX - 1);
        assert_eq!(ids.on_target(2, 1), u32::MAX - 2);
        assert_eq!((ids.on_target(0, 1), ids.on_target(1, 1)), (1, u32::MAX));
    }

    #[test]
    fn notes_are_statements() {
        let note = |is_open| TemporaryNote {
            is_open,
            thread: (1, 2),
            table: (Bytes::from_static(b"d"), Bytes::from_static(b"t")),
        };
        let text = render_notes("s", "m", &[note(true), note(false)]);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "REPLACE INTO `s`.temporary_table (connection,server_id,thread_id,database_name,table_name) VALUES (X'6D',1,2,X'64',X'74');\n\
             DELETE FROM `s`.temporary_table WHERE connection=X'6D' AND server_id=1 AND thread_id=2 AND database_name=X'64' AND table_name=X'74'"
        );
    }
}
