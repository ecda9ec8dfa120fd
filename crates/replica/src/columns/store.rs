//! The lists of columns on the target: table `source_columns` in the engine's schema.

use std::sync::Arc;

use bytes::Bytes;
use tributary_client::{Client, Error as ClientError};

use super::{FullName, List, Names, SourceColumns, TableColumns};
use crate::context::quote_text;

/// Rows written by one statement when tables are seen for the first time.
const ROWS_MAX: usize = 200;

/// Reason shown for a row that somebody has changed into something unreadable.
const UNREADABLE: &str = "its row in source_columns cannot be read";

/// The statement that creates the table.
pub(crate) fn create_table(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS `{schema}`.source_columns (\
         connection VARCHAR(64) NOT NULL COMMENT 'connection name', \
         database_name VARCHAR(64) NOT NULL COMMENT 'as the target calls it', \
         table_name VARCHAR(64) NOT NULL, \
         columns LONGTEXT COMMENT 'columns of the source in order, `a`,`b`; NULL: not known any more', \
         lost TEXT COMMENT 'why they are not known', \
         PRIMARY KEY (connection, database_name, table_name)) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )
}

/// Reads what is known of a connection's tables.
pub(super) async fn load(
    client: &mut Client,
    schema: &str,
    connection: &str,
    columns: &SourceColumns,
) -> Result<(), ClientError> {
    let mut text = format!(
        "SELECT database_name,table_name,columns,lost FROM `{schema}`.source_columns WHERE connection="
    )
    .into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    let rows = client.query(&text).await?;
    for row in &rows.rows {
        let name = |index: usize| Bytes::copy_from_slice(row.get(index).unwrap_or_default());
        let list = match (row.get(2), row.text(3)) {
            (Some(text), _) => parse(text).map_or_else(|| List::Lost(UNREADABLE.into()), List::Known),
            (None, reason) => List::Lost(reason.unwrap_or_default().into()),
        };
        columns.table(&name(0), &name(1)).set(list);
    }
    Ok(())
}

/// Saves lists that were taken from the target, unless something is saved already.
pub(crate) async fn save_seen(
    client: &mut Client,
    schema: &str,
    connection: &str,
    seen: &[(Arc<TableColumns>, Names)],
) -> Result<(), ClientError> {
    for rows in seen.chunks(ROWS_MAX) {
        let mut text = b"INSERT IGNORE".to_vec();
        into(schema, &mut text);
        for (index, (table, names)) in rows.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            values(connection, &table.name, &List::Known(names.clone()), &mut text);
        }
        client.execute(&text).await?;
    }
    Ok(())
}

/// The statement that saves one list as it is now.
pub(crate) fn save_statement(schema: &str, connection: &str, table: &Arc<TableColumns>) -> Vec<u8> {
    let list = table.list();
    if let List::Unseen = list {
        let mut text = format!("DELETE FROM `{schema}`.source_columns WHERE connection=").into_bytes();
        quote_text(connection.as_bytes(), &mut text);
        text.extend_from_slice(b" AND database_name=");
        quote_text(&table.name.0, &mut text);
        text.extend_from_slice(b" AND table_name=");
        quote_text(&table.name.1, &mut text);
        return text;
    }
    let mut text = b"REPLACE".to_vec();
    into(schema, &mut text);
    values(connection, &table.name, &list, &mut text);
    text
}

fn into(schema: &str, text: &mut Vec<u8>) {
    text.extend_from_slice(
        format!(" INTO `{schema}`.source_columns (connection,database_name,table_name,columns,lost) VALUES ")
            .as_bytes(),
    );
}

fn values(connection: &str, name: &FullName, list: &List, text: &mut Vec<u8>) {
    text.push(b'(');
    for value in [connection.as_bytes(), &name.0, &name.1] {
        quote_text(value, text);
        text.push(b',');
    }
    match list {
        List::Known(names) => {
            quote_text(&render(names), text);
            text.extend_from_slice(b",NULL)");
        }
        List::Lost(reason) => {
            text.extend_from_slice(b"NULL,");
            quote_text(reason.as_bytes(), text);
            text.push(b')');
        }
        List::Unseen => text.extend_from_slice(b"NULL,NULL)"),
    }
}

/// `` `a`,`b` ``; backticks in names are doubled.
fn render(names: &[Bytes]) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.push(b'`');
        for byte in name {
            text.push(*byte);
            if *byte == b'`' {
                text.push(b'`');
            }
        }
        text.push(b'`');
    }
    text
}

/// Reads what [`render`] writes, with white space around names.
fn parse(text: &[u8]) -> Option<Names> {
    let mut names = Vec::new();
    let mut rest = text.trim_ascii();
    loop {
        rest = rest.strip_prefix(b"`")?;
        let mut name = Vec::new();
        loop {
            let (byte, tail) = rest.split_first()?;
            rest = tail;
            if *byte == b'`' {
                match rest.strip_prefix(b"`") {
                    Some(tail) => rest = tail,
                    None => break,
                }
            }
            name.push(*byte);
        }
        names.push(Bytes::from(name.to_ascii_lowercase()));
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(names.into());
        }
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let names: Vec<Bytes> = vec!["id".into(), "odd`na,me".into(), "l\u{e4}nge".into()];
        assert_eq!(parse(&render(&names)).unwrap()[..], names[..]);
        assert_eq!(
            parse(b" `ID` , `b` ").unwrap()[..],
            [Bytes::from("id"), Bytes::from("b")]
        );
        for broken in ["", "id", "`id", "`id`,", "`id` `b`"] {
            assert!(parse(broken.as_bytes()).is_none(), "{broken}");
        }
    }
}
