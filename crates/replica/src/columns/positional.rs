//! Statements that go by the order of columns: `INSERT INTO t VALUES (...)`, `SELECT *`.

use std::sync::Arc;

use bytes::Bytes;
use tributary_sql::{Dialect, with_columns};

use super::{List, SourceColumns, TableColumns};
use crate::catalog::{TableInfo, Visibility};

/// What a statement takes by the order of columns.
#[derive(Debug)]
pub(crate) struct Positional {
    pub(crate) source: Arc<SourceColumns>,
    /// The table written without a list of columns.
    pub(crate) written: Option<Arc<TableColumns>>,
    /// Tables that may be read by `SELECT *`.
    pub(crate) read: Vec<Arc<TableColumns>>,
    pub(crate) dialect: Dialect,
}

impl Positional {
    /// The statement with the list of columns it needs on a table that differs; `None` when it needs none.
    ///
    /// # Errors
    /// Why it cannot be applied.
    pub(crate) fn resolve(&self, text: &[u8]) -> Result<Option<Bytes>, String> {
        for table in &self.read {
            if !self.source.is_same(table) {
                return Err(format!(
                    "the statement may read {} by `*`, whose columns on the target differ{}",
                    table.full_name(),
                    self.source.lists(table)
                ));
            }
        }
        let Some(table) = self.written.as_ref().filter(|table| !self.source.is_same(table)) else {
            return Ok(None);
        };
        self.with_list(table, text)
            .map(|text| Some(text.into()))
            .ok_or_else(|| {
                format!(
                    "the statement names no columns of {}, whose columns on the target differ{}",
                    table.full_name(),
                    self.source.lists(table)
                )
            })
    }

    fn with_list(&self, table: &TableColumns, text: &[u8]) -> Option<Vec<u8>> {
        let List::Known(names) = table.list() else {
            return None;
        };
        let info = self.source.catalog().info(table.id)?;
        let is_meant = |name: &&Bytes| {
            let column = info.column(name).map(|place| &info.columns[place]);
            column.is_none_or(|column| column.visibility == Visibility::Visible)
        };
        let list: Vec<&[u8]> = names.iter().filter(is_meant).map(|name| &name[..]).collect();
        // Names are UTF-8 here and in the client's character set there.
        let is_plain = list.iter().all(|name| name.is_ascii());
        with_columns(text, &self.dialect, &list).filter(|_| is_plain)
    }
}

impl SourceColumns {
    /// Whether the target's table has exactly the source's columns, as far as statements see them.
    pub(crate) fn is_same(&self, table: &TableColumns) -> bool {
        let Some(info) = self.catalog.info(table.id) else {
            // No such table: the server says so better.
            return true;
        };
        let state = table
            .state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match &state.list {
            List::Unseen => true,
            List::Known(names) => {
                let is_aligned = state
                    .aligned
                    .as_ref()
                    .is_some_and(|known| Arc::ptr_eq(known, &info));
                (is_aligned && names.len() == info.columns.len()) || is_equal(names, &info)
            }
            List::Lost(_) => false,
        }
    }

    fn lists(&self, table: &TableColumns) -> String {
        let join = |names: &mut dyn Iterator<Item = &Bytes>| {
            let names: Vec<String> = names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect();
            names.join(", ")
        };
        let source = match table.list() {
            List::Known(names) => format!("({})", join(&mut names.iter())),
            List::Unseen => "unknown".to_owned(),
            List::Lost(reason) => format!("unknown: {reason}"),
        };
        let info = self.catalog.info(table.id);
        let target = info.map_or_else(String::new, |info| {
            join(&mut info.columns.iter().map(|column| &column.name))
        });
        format!("; source: {source}; target: ({target})")
    }
}

/// Hidden columns come last and are seen by no statement.
fn is_equal(names: &[Bytes], info: &TableInfo) -> bool {
    let is_seen = |column: &&crate::catalog::ColumnInfo| column.visibility != Visibility::Hidden;
    let seen = info.columns.iter().filter(is_seen).map(|column| &column.name);
    let hidden: Vec<&Bytes> = info.hidden_columns().map(|column| &column.name).collect();
    names.iter().filter(|name| !hidden.contains(name)).eq(seen)
}
