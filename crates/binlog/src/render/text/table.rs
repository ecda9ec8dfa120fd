//! Table maps and rows as text.

use std::fmt::{self, Write};

use super::INDENT;
use crate::events::{RowsEvent, RowsOp, TableMap};
use crate::render::escape::Escaped;
use crate::render::{Renderer, Table};
use crate::row::RowImage;
use crate::value::type_name;

pub(super) fn table_map(renderer: &Renderer, map: &TableMap, out: &mut impl Write) -> fmt::Result {
    let (db, table) = (Escaped(&map.db), Escaped(&map.table));
    writeln!(
        out,
        "{INDENT}`{db}`.`{table}` is table {}, flags {:#06x}",
        map.table_id, map.flags
    )?;
    let known = renderer.tables.get(&map.table_id);
    for (index, &column) in map.columns.iter().enumerate() {
        let name = known.map_or_else(
            || format!("@{}", index + 1).into(),
            |table| table.column_name(index),
        );
        write!(out, "{INDENT}  {name} {}", type_name(column))?;
        if let Some(table) = known {
            column_extras(table, index, out)?;
        }
        writeln!(
            out,
            "{}",
            if map.nullable.is_set(index) {
                ""
            } else {
                " NOT NULL"
            }
        )?;
    }
    match known.and_then(|table| table.metadata.primary_key.as_ref()) {
        None => Ok(()),
        Some(key) => {
            let part = |&(column, prefix): &(usize, u64)| match prefix {
                0 => format!("@{}", column + 1),
                prefix => format!("@{}({prefix})", column + 1),
            };
            let parts: Vec<String> = key.iter().map(part).collect();
            writeln!(out, "{INDENT}  PRIMARY KEY ({})", parts.join(", "))
        }
    }
}

fn column_extras(table: &Table, index: usize, out: &mut impl Write) -> fmt::Result {
    let columns = &table.map.columns;
    if table.metadata.is_unsigned(columns, index) == Some(true) {
        write!(out, " UNSIGNED")?;
    }
    if let Some(collation) = table.metadata.collation(columns, index) {
        write!(out, " collation {collation}")?;
    }
    let members = table
        .metadata
        .enum_values(columns, index)
        .or(table.metadata.set_members(columns, index));
    if let Some(members) = members {
        let quoted: Vec<String> = members
            .iter()
            .map(|member| format!("'{}'", Escaped(member)))
            .collect();
        write!(out, " ({})", quoted.join(","))?;
    }
    Ok(())
}

pub(super) fn rows(renderer: &Renderer, event: &RowsEvent, out: &mut impl Write) -> fmt::Result {
    let verb = match event.op {
        RowsOp::Write => "INSERT",
        RowsOp::Update => "UPDATE",
        RowsOp::Delete => "DELETE",
    };
    write!(
        out,
        "{INDENT}{verb} table {}, flags {:#06x}",
        event.table_id, event.flags
    )?;
    if event.was_compressed {
        write!(out, ", was compressed")?;
    }
    let Some(table) = renderer.tables.get(&event.table_id) else {
        return writeln!(out, ", {} bytes of rows of an unknown table", event.rows.len());
    };
    writeln!(
        out,
        " `{}`.`{}`",
        Escaped(&table.map.db),
        Escaped(&table.map.table)
    )?;
    for row in event.row_images(&table.map) {
        match row {
            Ok(row) => {
                image("-", table, row.before, out)?;
                image("+", table, row.after, out)?;
            }
            Err(error) => writeln!(out, "{INDENT}  rows do not read: {error}")?,
        }
    }
    Ok(())
}

fn image(sign: &str, table: &Table, image: Option<RowImage<'_>>, out: &mut impl Write) -> fmt::Result {
    let Some(image) = image else { return Ok(()) };
    write!(out, "{INDENT}  {sign}")?;
    for value in table.values(image) {
        write!(out, " {}={}", value.name, value.value)?;
    }
    writeln!(out)
}
