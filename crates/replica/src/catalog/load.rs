//! Reads the catalogue from the target's `information_schema`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use tributary_binlog::{ColumnType, PeriodEnd};
use tributary_client::{Client, Error, Row, StatementResult};

use super::kind::Definition;
use super::{ColumnInfo, Loaded, TableInfo, ValueClass, Visibility};

/// Ends of the names of collations under which ASCII text is equal only if it differs in case or trailing spaces.
/// Others (Roman, Lithuanian, ...) know different letters as equal; wide character sets are ruled out by name.
const PLAIN_COLLATIONS: [&str; 10] = [
    "_bin",
    "_nopad_bin",
    "_general_ci",
    "_general_nopad_ci",
    "_unicode_ci",
    "_unicode_nopad_ci",
    "_unicode_520_ci",
    "_unicode_520_nopad_ci",
    "_swedish_ci",
    "_swedish_nopad_ci",
];

/// Character sets in which a letter of ASCII is not the one byte that stands for itself.
const WIDE_CHARSETS: [&str; 6] = ["ucs2", "utf16", "utf16le", "utf32", "filename", "swe7"];

fn is_plain_collation(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return false;
    };
    let is_plain = PLAIN_COLLATIONS.iter().any(|end| name.ends_with(end)) || name.contains("uca1400_a");
    is_plain
        && !WIDE_CHARSETS.iter().any(|charset| {
            name.strip_prefix(charset)
                .is_some_and(|rest| rest.starts_with('_'))
        })
}

/// Reads every database but the server's own.
pub(crate) async fn load_all(client: &mut Client) -> Result<Loaded, Error> {
    load(
        client,
        "{schema} NOT IN ('mysql','information_schema','performance_schema','sys')",
    )
    .await
}

/// Reads these databases.
pub(crate) async fn load_databases(client: &mut Client, databases: &[Bytes]) -> Result<Loaded, Error> {
    let list: Vec<String> = databases.iter().map(|name| text_literal(name)).collect();
    load(client, &format!("{{schema}} IN ({})", list.join(","))).await
}

/// Reads these tables.
pub(crate) async fn load_tables(client: &mut Client, tables: &[(Bytes, Bytes)]) -> Result<Loaded, Error> {
    let list: Vec<String> = tables
        .iter()
        .map(|(database, table)| {
            format!(
                "({{schema}}={} AND {{table}}={})",
                text_literal(database),
                text_literal(table)
            )
        })
        .collect();
    load(client, &format!("({})", list.join(" OR "))).await
}

/// The packages of every database, with the database.
pub(crate) async fn load_packages(client: &mut Client) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let text =
        "SELECT ROUTINE_SCHEMA,ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='PACKAGE'";
    let rows = client.query(text.as_bytes()).await?.rows;
    Ok(rows.iter().map(|row| name_pair(row, 0)).collect())
}

/// A name as a literal in the character set of `information_schema`.
fn text_literal(name: &[u8]) -> String {
    let mut out = String::from("_utf8mb3 X'");
    for byte in name {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02X}");
    }
    out.push('\'');
    out
}

/// `ER_WARN_I_S_SKIPPED_TABLE`: another session holds the table exclusively, and the server has left it out.
const SKIPPED_TABLE: &[u8] = b"1684";

/// How often the catalogue is read again when a table was left out or the server had an error.
const READS_MAX: u32 = 10;

/// Pause before that.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// Reads all tables for which `condition` holds, again and again while one of them is left out.
async fn load(client: &mut Client, condition: &str) -> Result<Loaded, Error> {
    let mut reads = 1;
    loop {
        let is_last = reads >= READS_MAX;
        match load_once(client, condition).await {
            Ok((loaded, false)) => return Ok(loaded),
            Ok((loaded, true)) if is_last => {
                tracing::warn!(
                    "other sessions hold tables of the target exclusively: what they are is not known"
                );
                return Ok(loaded);
            }
            Err(Error::Server(error)) if !is_last => {
                tracing::debug!(%error, "the target's definitions are read again");
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        reads += 1;
        tokio::time::sleep(READ_PAUSE).await;
    }
}

/// Reads all tables for which `condition` holds; `{schema}` and `{table}` in it stand for the columns' names.
/// Also returns whether one was left out.
async fn load_once(client: &mut Client, condition: &str) -> Result<(Loaded, bool), Error> {
    let with = |schema: &str, table: &str| condition.replace("{schema}", schema).replace("{table}", table);
    let plain = with("TABLE_SCHEMA", "TABLE_NAME");
    let text = format!(
        "SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,\
           (SELECT e.TRANSACTIONS FROM information_schema.ENGINES e WHERE e.ENGINE=t.ENGINE),ENGINE,CREATE_OPTIONS \
           FROM information_schema.TABLES t WHERE {plain};SHOW WARNINGS;\
         SELECT TABLE_SCHEMA,TABLE_NAME,COLUMN_NAME,DATA_TYPE,COLUMN_TYPE,COLLATION_NAME,EXTRA,\
           CHARACTER_MAXIMUM_LENGTH,IS_NULLABLE,CHARACTER_OCTET_LENGTH,DATETIME_PRECISION,\
           NUMERIC_PRECISION,NUMERIC_SCALE,GENERATION_EXPRESSION,COLUMN_DEFAULT,COLUMN_KEY \
           FROM information_schema.COLUMNS WHERE {plain} ORDER BY TABLE_SCHEMA,TABLE_NAME,ORDINAL_POSITION;SHOW WARNINGS;\
         SELECT TABLE_SCHEMA,TABLE_NAME,INDEX_NAME,COLUMN_NAME,SUB_PART,INDEX_TYPE \
           FROM information_schema.STATISTICS WHERE NON_UNIQUE=0 AND {plain} \
           ORDER BY TABLE_SCHEMA,TABLE_NAME,INDEX_NAME<>'PRIMARY',INDEX_NAME,SEQ_IN_INDEX;SHOW WARNINGS;\
         SELECT DISTINCT EVENT_OBJECT_SCHEMA,EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE {};SHOW WARNINGS;\
         SELECT TABLE_SCHEMA,TABLE_NAME,REFERENCED_TABLE_SCHEMA,REFERENCED_TABLE_NAME \
           FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (({plain}) OR ({}));SHOW WARNINGS;\
         SELECT DISTINCT CONSTRAINT_SCHEMA,TABLE_NAME FROM information_schema.CHECK_CONSTRAINTS WHERE {};SHOW WARNINGS",
        with("EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE"),
        with("REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME"),
        with("CONSTRAINT_SCHEMA", "TABLE_NAME"),
    );
    let (major, minor, _) = client.server().version;
    let period_end = PeriodEnd::of_version(major.into(), minor.into());
    client.queue_query(&[text.as_bytes()]);
    client.flush().await?;
    let reply = client.read_reply().await?;
    if let Some(error) = reply.error {
        return Err(Error::Server(error));
    }
    let mut sets = reply.results.into_iter().filter_map(|result| match result {
        StatementResult::Rows(rows) => Some(rows),
        StatementResult::Ok(_) => None,
    });
    let mut is_left_out = false;
    let mut next = || {
        let rows = sets.next().map(|set| set.rows).unwrap_or_default();
        let warnings = sets.next().map(|set| set.rows).unwrap_or_default();
        is_left_out |= warnings.iter().any(|row| row.get(1) == Some(SKIPPED_TABLE));
        rows
    };
    let base = next();
    let mut tables = base_tables(&base);
    let columns = next();
    add_columns(&mut tables, &columns);
    let keys = next();
    add_hidden_columns(&mut tables, &base, &columns, &keys);
    add_period_ends(&mut tables, &columns, period_end);
    add_keys(&mut tables, &keys);
    for row in next() {
        if let Some(table) = tables.get_mut(&name_pair(&row, 0)) {
            table.has_triggers = true;
        }
    }
    add_relations(&mut tables, &next());
    for row in next() {
        if let Some(table) = tables.get_mut(&name_pair(&row, 0)) {
            table.is_bare = false;
        }
    }
    let loaded = tables
        .into_iter()
        .map(|((database, table), info)| (database, table, info))
        .collect();
    Ok((loaded, is_left_out))
}

type Tables = HashMap<(Bytes, Bytes), TableInfo>;

fn bytes(row: &Row, index: usize) -> Bytes {
    Bytes::copy_from_slice(row.get(index).unwrap_or_default())
}

fn name_pair(row: &Row, index: usize) -> (Bytes, Bytes) {
    (bytes(row, index), bytes(row, index + 1))
}

fn is_partitioned(row: &Row) -> bool {
    let options = row.get(5).unwrap_or_default();
    options.windows(11).any(|part| part == b"partitioned")
}

fn base_tables(rows: &[Row]) -> Tables {
    let info = |row: &Row| TableInfo {
        is_transactional: row.get(3) == Some(b"YES"),
        is_view: !matches!(
            row.get(2),
            Some(b"BASE TABLE" | b"SYSTEM VERSIONED" | b"SEQUENCE")
        ),
        has_triggers: false,
        is_partitioned: is_partitioned(row),
        reads_clock: row.get(2) == Some(b"SYSTEM VERSIONED"),
        columns: Vec::new(),
        unique_keys: Vec::new(),
        has_primary: false,
        period_end: None,
        related: Vec::new(),
        is_bare: row.get(2) == Some(b"BASE TABLE")
            && matches!(row.get(4), Some(b"InnoDB" | b"MyISAM" | b"Aria"))
            && !is_partitioned(row),
    };
    rows.iter().map(|row| (name_pair(row, 0), info(row))).collect()
}

fn add_columns(tables: &mut Tables, rows: &[Row]) {
    for row in rows {
        let Some(table) = tables.get_mut(&name_pair(row, 0)) else {
            continue;
        };
        let is_unsigned = row
            .get(4)
            .is_some_and(|text| text.windows(8).any(|part| part == b"unsigned"));
        let integer = |size| ValueClass::Integer { size, is_unsigned };
        let class = match row.get(3).unwrap_or_default() {
            b"tinyint" => integer(1),
            b"smallint" => integer(2),
            b"mediumint" => integer(3),
            b"int" => integer(4),
            b"bigint" => integer(8),
            b"char" | b"varchar" if row.get(5).is_some_and(is_plain_collation) => ValueClass::Text {
                length_max: row.text(7).and_then(|text| text.parse().ok()).unwrap_or(0),
            },
            _ => ValueClass::Other,
        };
        // What an UPDATE gives another column changes it, too.
        let is_generated = row.get(13).is_some_and(|expression| !expression.is_empty());
        let class = if is_generated { ValueClass::Other } else { class };
        let is_auto_increment = row
            .get(6)
            .is_some_and(|extra| extra.starts_with(b"auto_increment"));
        let number = |index: usize| row.text(index).and_then(|text| text.parse().ok());
        let definition = Definition {
            data_type: row.get(3).unwrap_or_default(),
            column_type: row.get(4).unwrap_or_default(),
            octets: number(9),
            digits: number(10),
            numeric: (number(11), number(12)),
        };
        let is_invisible = row
            .get(6)
            .is_some_and(|extra| extra.windows(9).any(|part| part == b"INVISIBLE"));
        let is_updated = row.get(6).is_some_and(|extra| {
            extra
                .windows(9)
                .any(|part| part.eq_ignore_ascii_case(b"on update"))
        });
        let has_index = row.get(15).is_some_and(|key| !key.is_empty());
        table.is_bare &= !is_generated && !is_updated && !has_index && !is_invisible;
        // NULL stands for the time there.
        let takes_null_as_now = row.get(3) == Some(b"timestamp") && row.get(8) != Some(b"YES");
        table.reads_clock |= is_updated || takes_null_as_now || row.get(14).is_some_and(is_computed);
        table.columns.push(ColumnInfo {
            name: bytes(row, 2).to_ascii_lowercase().into(),
            class,
            is_nullable: row.get(8) == Some(b"YES"),
            is_auto_increment,
            definition: bytes(row, 4),
            kind: definition.kind(),
            digits: definition.digits(),
            visibility: if is_invisible {
                Visibility::Invisible
            } else {
                Visibility::Visible
            },
        });
    }
}

/// Whether a default is more than a literal.
fn is_computed(default: &[u8]) -> bool {
    let is_literal = match default {
        [b'\'', ..] => true,
        b"NULL" => true,
        [first, rest @ ..] => {
            (first.is_ascii_digit() || *first == b'-')
                && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        }
        [] => true,
    };
    !is_literal
}

/// Adds what is in row events and not in `information_schema.COLUMNS`: the period of system versioning, unless it has
/// columns of its own, and a hash for each unique key that is too long to be an index.
fn add_hidden_columns(tables: &mut Tables, base: &[Row], columns: &[Row], keys: &[Row]) {
    let hidden = |name: &str, definition: &'static str, kind: ColumnType, is_nullable: bool| ColumnInfo {
        name: Bytes::copy_from_slice(name.as_bytes()),
        class: ValueClass::Other,
        is_nullable,
        is_auto_increment: false,
        definition: Bytes::from_static(definition.as_bytes()),
        kind: Some(kind),
        digits: kind.meta_bytes()[0],
        visibility: Visibility::Hidden,
    };
    let own_periods: HashSet<(Bytes, Bytes)> = columns
        .iter()
        .filter(|row| row.get(13) == Some(b"ROW START"))
        .map(|row| name_pair(row, 0))
        .collect();
    for row in base.iter().filter(|row| row.get(2) == Some(b"SYSTEM VERSIONED")) {
        let name = name_pair(row, 0);
        if let Some(table) = tables.get_mut(&name).filter(|_| !own_periods.contains(&name)) {
            let period = ColumnType {
                code: ColumnType::TIMESTAMP2,
                meta: 6,
            };
            for column in ["row_start", "row_end"] {
                table.columns.push(hidden(column, "timestamp(6)", period, false));
            }
        }
    }
    // Indexes of MEMORY tables are hashes by nature.
    let memory: HashSet<(Bytes, Bytes)> = base
        .iter()
        .filter(|row| row.get(4) == Some(b"MEMORY"))
        .map(|row| name_pair(row, 0))
        .collect();
    let mut last = None;
    let mut count = 0;
    for row in keys.iter().filter(|row| row.get(5) == Some(b"HASH")) {
        let key = (name_pair(row, 0), bytes(row, 2));
        if last.as_ref() == Some(&key) || memory.contains(&key.0) {
            continue;
        }
        count = if last.as_ref().is_some_and(|(table, _)| *table == key.0) {
            count + 1
        } else {
            1
        };
        if let Some(table) = tables.get_mut(&key.0) {
            let hash = ColumnType {
                code: ColumnType::LONGLONG,
                meta: 0,
            };
            table
                .columns
                .push(hidden(&format!("db_row_hash_{count}"), "bigint(20)", hash, true));
        }
        last = Some(key);
    }
}

/// Finds the ends of periods, own columns and hidden ones.
fn add_period_ends(tables: &mut Tables, columns: &[Row], end: PeriodEnd) {
    for table in tables.values_mut() {
        let is_end =
            |column: &ColumnInfo| column.visibility == Visibility::Hidden && &column.name[..] == b"row_end";
        table.period_end = table.columns.iter().position(is_end).map(|place| (place, end));
    }
    for row in columns.iter().filter(|row| row.get(13) == Some(b"ROW END")) {
        if let Some(table) = tables.get_mut(&name_pair(row, 0)) {
            let place = table.column(row.get(2).unwrap_or_default());
            table.period_end = place.map(|place| (place, end));
        }
    }
}

fn add_keys(tables: &mut Tables, rows: &[Row]) {
    let mut last: Option<((Bytes, Bytes), Bytes)> = None;
    for row in rows {
        let (name, key) = (name_pair(row, 0), bytes(row, 2));
        let Some(table) = tables.get_mut(&name) else {
            continue;
        };
        if key.eq_ignore_ascii_case(b"PRIMARY") {
            table.has_primary = true;
        }
        let current = Some((name, key));
        if last != current {
            table.unique_keys.push(Some(Vec::new()));
            last = current;
        }
        let column = table
            .column(row.get(3).unwrap_or_default())
            .filter(|_| row.get(4).is_none());
        let column = column.filter(|index| table.columns[*index].class != ValueClass::Other);
        if let Some(columns) = table.unique_keys.last_mut() {
            *columns = match (columns.take(), column) {
                (Some(mut list), Some(index)) => {
                    list.push(index);
                    Some(list)
                }
                _ => None,
            };
        }
    }
}

fn add_relations(tables: &mut Tables, rows: &[Row]) {
    for row in rows {
        let (child, parent) = (name_pair(row, 0), name_pair(row, 2));
        if let Some(table) = tables.get_mut(&child) {
            table.related.push(parent.clone());
        }
        if let Some(table) = tables.get_mut(&parent) {
            table.related.push(child);
        }
    }
}
