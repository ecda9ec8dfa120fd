//! MEMORY tables of a target that was restarted: they are empty, and no source knows that it would have to send their rows again.
//!
//! A MEMORY table of the engine's own says whether that has happened: its row is there as long as the rows of the others are.

use std::sync::Arc;

use tributary_client::{Client, Error as ClientError, Row};

use crate::connection_view::ConnectionView;
use crate::context::quote_text;
use crate::positions;
use crate::progress::Position;
use crate::records::{RecordKind, full_name};

/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

/// Records the MEMORY tables that have lost their rows since an engine was here last, for each connection that has been applied before.
pub(super) async fn record_emptied(
    login: &mut Client,
    schema: &str,
    views: &[Arc<ConnectionView>],
) -> Result<(), ClientError> {
    let rows = format!("SELECT COUNT(*) FROM `{schema}`.memory_since");
    match login.query(rows.as_bytes()).await {
        Ok(rows) if rows.first_text().as_deref() == Some("0") => {}
        Ok(_) => return Ok(()),
        // Nothing is known of the time before.
        Err(ClientError::Server(error)) if error.code == NO_SUCH_TABLE => {
            let create = format!("{};{}", create_table(schema), add_row(schema));
            return login.query_all(create.as_bytes()).await.map(drop);
        }
        Err(error) => return Err(error),
    }
    let mut stands = Vec::new();
    for view in views {
        // What cannot be read is told where the connection is opened.
        if let Ok(Some(saved)) = positions::load(login, schema, &view.options.name).await? {
            stands.push((view, saved.position));
        }
    }
    let mut text = b"START TRANSACTION".to_vec();
    for (database, table) in memory_tables(login, schema, &stands).await? {
        for (view, position) in owners(&stands, &database) {
            let name = full_name(database.as_bytes(), table.as_bytes());
            tracing::warn!(connection = %view.options.name, table = %name, "the target was restarted: this MEMORY table has lost its rows; copy them from the source");
            view.counters.records.add(RecordKind::Emptied, &name, 0);
            let record = format!(
                ";INSERT INTO `{schema}`.skipped (skipped_at,kind,log_offset,gtid,error_number,error_message,statement,\
                 connection,log_file,database_name,table_name) VALUES (NOW(6),'{}',{},'',0,\
                 'the target was restarted and the table, a MEMORY table, has lost its rows: copy them from the source',''",
                RecordKind::Emptied.name(),
                position.coordinates.offset,
            );
            text.extend_from_slice(record.as_bytes());
            let log_file = &*position.coordinates.file;
            let names: [&str; 4] = [&view.options.name, log_file, &database, &table];
            for name in names {
                text.push(b',');
                quote_text(name.as_bytes(), &mut text);
            }
            text.push(b')');
        }
    }
    // Only now: an engine that is killed before it tells it once more.
    text.extend_from_slice(format!(";COMMIT;{}", add_row(schema)).as_bytes());
    login.query_all(&text).await.map(drop)
}

fn create_table(schema: &str) -> String {
    format!(
        "CREATE TABLE `{schema}`.memory_since (\
         id TINYINT UNSIGNED NOT NULL PRIMARY KEY, \
         since DATETIME NOT NULL COMMENT 'when an engine first came to the server that runs') \
         ENGINE=MEMORY COMMENT 'has its row as long as MEMORY tables have theirs'"
    )
}

fn add_row(schema: &str) -> String {
    format!("INSERT IGNORE INTO `{schema}`.memory_since VALUES (1,NOW())")
}

/// The target's MEMORY tables, as far as connections are applied; database and table.
async fn memory_tables(
    login: &mut Client,
    schema: &str,
    stands: &[(&Arc<ConnectionView>, Position)],
) -> Result<Vec<(String, String)>, ClientError> {
    if stands.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT TABLE_SCHEMA,TABLE_NAME FROM information_schema.TABLES WHERE ENGINE='MEMORY' AND TABLE_TYPE='BASE TABLE' \
         AND TABLE_SCHEMA NOT IN ('information_schema','mysql','performance_schema','sys','{schema}')"
    );
    let found = login.query(text.as_bytes()).await?;
    let name = |row: &Row| Some((row.text(0)?, row.text(1)?));
    Ok(found.rows.iter().filter_map(name).collect())
}

/// Whose rules lead to the database; where no rules do, it may be anybody's.
fn owners<'a>(
    stands: &'a [(&'a Arc<ConnectionView>, Position)],
    database: &str,
) -> impl Iterator<Item = &'a (&'a Arc<ConnectionView>, Position)> {
    let leads_there = |view: &ConnectionView| {
        let mut pairs = view.options.rewrite.pairs();
        pairs.any(|(_, to)| to.eq_ignore_ascii_case(database))
    };
    let leads: Vec<bool> = stands.iter().map(|(view, _)| leads_there(view)).collect();
    let is_anybodys = !leads.contains(&true);
    let owners = stands.iter().zip(leads);
    owners.filter_map(move |(stand, leads)| (leads || is_anybodys).then_some(stand))
}
