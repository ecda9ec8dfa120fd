//! Which columns a source's tables have, and where they lie in the target's.
//!
//! Row events name no columns unless the source logs their names: the server that applies them goes by place. So the engine
//! remembers, per connection and table, the list of columns the source is known to have: taken from the target when the
//! table is first seen (a fresh copy equals the source) and carried on through every statement of the stream that changes
//! it, applied or skipped. The lists are kept in the table `source_columns` on the target, written in the transaction that
//! saves the position behind such a statement.
//!
//! Where the list is a beginning of the target's own list, row events go on as they came. Where it is not, columns are moved
//! to the places of their names ([`plan`]). Where the list is not known, or does not fit, rows are refused with both
//! definitions: they are never put into columns that may be the wrong ones.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use smallvec::SmallVec;
use tributary_binlog::{FormatDescription, PeriodEnd, TableMap};
use tributary_client::{Client, Error as ClientError};
use tributary_schedule::{DatabaseId, QuickMap, TableId};

use crate::applier::OwnDefinitions;
use crate::catalog::{Catalog, TableInfo};
use crate::change::RowsChange;
use crate::config::ConnectionOptions;

mod effect;
mod plan;
mod positional;
mod store;

pub(crate) use effect::{Created, Effect, Ended, IfNotExists, Watch, realign};
pub(crate) use plan::Plan;
pub(crate) use positional::Positional;
pub(crate) use store::{create_table, save_seen, save_statement};

/// Names of columns in the order of row events, in lower case.
pub(crate) type Names = Arc<[Bytes]>;

/// A table's database and name, as the target calls them.
pub(crate) type FullName = (Bytes, Bytes);

/// What is known of the columns of a source's table.
#[derive(Debug, Clone)]
pub(crate) enum List {
    /// Nothing yet: no row event has come, no definition has changed.
    Unseen,
    Known(Names),
    /// A statement that was skipped, or could not be followed, may have changed them.
    Lost(Arc<str>),
}

/// What one connection knows of the columns of one table.
#[derive(Debug)]
pub(crate) struct TableColumns {
    pub(crate) id: TableId,
    pub(crate) database: DatabaseId,
    pub(crate) name: FullName,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    list: List,
    /// The target's definition of which the list is known to be a beginning.
    aligned: Option<Arc<TableInfo>>,
}

/// What one connection knows of all tables.
#[derive(Debug)]
pub(crate) struct SourceColumns {
    catalog: Arc<Catalog>,
    /// Statements that define tables and were sent by workers, of all connections.
    own_definitions: Arc<OwnDefinitions>,
    /// Whether values of columns that the target lacks are dropped instead of refused.
    drops_missing: bool,
    tables: RwLock<QuickMap<TableId, Arc<TableColumns>>>,
    /// Tables seen for the first time, whose lists are not saved yet.
    seen: Mutex<Vec<(Arc<TableColumns>, Names)>>,
}

impl SourceColumns {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        own_definitions: Arc<OwnDefinitions>,
        drops_missing: bool,
    ) -> Self {
        Self {
            catalog,
            own_definitions,
            drops_missing,
            tables: RwLock::default(),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn own_definitions(&self) -> &Arc<OwnDefinitions> {
        &self.own_definitions
    }

    /// The entry of a table.
    pub(crate) fn table(&self, database: &[u8], table: &[u8]) -> Arc<TableColumns> {
        let ids = self.catalog.table(database, table).0;
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = tables.get(&ids.id) {
            return found.clone();
        }
        drop(tables);
        let new = || {
            Arc::new(TableColumns {
                id: ids.id,
                database: ids.database,
                // Copies: slices would keep all that was read with them.
                name: (Bytes::copy_from_slice(database), Bytes::copy_from_slice(table)),
                state: RwLock::new(State {
                    list: List::Unseen,
                    aligned: None,
                }),
            })
        };
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.entry(ids.id).or_insert_with(new).clone()
    }

    /// Every table of a database of which something is known.
    fn tables_of(&self, database: &[u8]) -> Vec<Arc<TableColumns>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let is_of = |table: &&Arc<TableColumns>| table.name.0 == database;
        tables.values().filter(is_of).cloned().collect()
    }

    /// How rows of a table go to the target now. The first look at a table takes the target's definition for the source's,
    /// if the event agrees as far as it can.
    pub(crate) fn plan(&self, map: &TableMap, table: &Arc<TableColumns>, format: &FormatDescription) -> Plan {
        let Some(info) = self.catalog.info(table.id) else {
            // No such table, or none that is known: the server says so better.
            return Plan::AsIs;
        };
        let period_end = info.period_end.filter(|(_, end)| {
            let (major, minor, _) = format.version().unwrap_or_default();
            *end != PeriodEnd::of_version(major, minor)
        });
        if period_end.is_none()
            && let Some(plan) = table.plan_at_once(map, &info)
        {
            return plan;
        }
        let mut plan = plan::make(map, &table.list(), &info, self.drops_missing);
        if let Some(period_end) = period_end {
            plan = plan.with_period_end(map, &info, period_end);
        }
        if !matches!(plan, Plan::Refused(_)) {
            self.note(map, table, info);
        }
        plan
    }

    /// Notes what a table's first row event shows, or that the list is a beginning of the target's.
    fn note(&self, map: &TableMap, table: &Arc<TableColumns>, info: Arc<TableInfo>) {
        let mut state = table.state.write().unwrap_or_else(PoisonError::into_inner);
        match &state.list {
            List::Unseen => {
                let names = plan::own_names(map).map_or_else(|| names_of(&info), Arc::from);
                state.list = List::Known(names.clone());
                drop(state);
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push((table.clone(), names));
            }
            List::Known(names) if plan::is_beginning(names, &info) => state.aligned = Some(info),
            _ => {}
        }
    }

    /// Takes the target's definition for the source's where nothing is known, as long as nothing has been applied.
    pub(crate) fn adopt(&self, database: &Bytes, table: &Bytes) {
        let entry = self.table(database, table);
        let Some(info) = self.catalog.info(entry.id).filter(|info| !info.is_view) else {
            return;
        };
        if matches!(entry.list(), List::Unseen) {
            let names = names_of(&info);
            entry.set(List::Known(names.clone()));
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((entry, names));
        }
    }

    /// Tables whose target has the columns of the source, and at other places.
    pub(crate) fn differing(&self) -> Vec<FullName> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let differs = |table: &&Arc<TableColumns>| match (table.list(), self.catalog.info(table.id)) {
            (List::Known(names), Some(info)) => !plan::is_beginning(&names, &info),
            _ => false,
        };
        tables
            .values()
            .filter(differs)
            .map(|table| table.name.clone())
            .collect()
    }

    /// Lists that were taken from the target since the last call, and still hold.
    pub(crate) fn take_seen(&self) -> Vec<(Arc<TableColumns>, Names)> {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        seen.retain(|(table, names)| matches!(table.list(), List::Known(now) if Arc::ptr_eq(&now, names)));
        seen
    }

    /// Keeps lists that could not be saved for the next call.
    pub(crate) fn give_back(&self, seen: Vec<(Arc<TableColumns>, Names)>) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(seen);
    }

    /// The change with its columns at the places of their names; `None` when they are there already.
    ///
    /// # Errors
    /// What keeps the rows from being applied, with both definitions.
    pub(crate) fn resolve(&self, change: &RowsChange) -> Result<Option<RowsChange>, String> {
        let plans: SmallVec<[Plan; 1]> = change
            .item
            .maps
            .iter()
            .zip(&change.columns)
            .map(|((_, map), columns)| {
                // Maps of tables that the statement names without changing them.
                let is_changed = change
                    .item
                    .events
                    .iter()
                    .any(|(_, event)| event.table_id == map.table_id);
                if is_changed {
                    self.plan(map, columns, &change.format)
                } else {
                    Plan::AsIs
                }
            })
            .collect();
        if plans.iter().all(|plan| matches!(plan, Plan::AsIs)) {
            return Ok(None);
        }
        plan::carry_out(change, &plans).map(Some)
    }

    /// Fractional digits of columns in the temporal formats before 10.1, which the event does not tell: the target's. Empty when
    /// there are none.
    pub(crate) fn old_digits(
        &self,
        map: &TableMap,
        table: &Arc<TableColumns>,
        format: &FormatDescription,
    ) -> Vec<u8> {
        if !map.has_old_temporal() {
            return Vec::new();
        }
        match (self.plan(map, table, format), self.catalog.info(table.id)) {
            (Plan::Moved(columns), _) => columns.old_digits,
            (_, Some(info)) => info.columns.iter().map(|column| column.digits).collect(),
            (_, None) => Vec::new(),
        }
    }

    /// Both definitions of the tables that a change writes, for messages.
    pub(crate) fn describe(&self, change: &RowsChange) -> String {
        let mut text = String::new();
        for ((_, map), columns) in change.item.maps.iter().zip(&change.columns) {
            if let Some(info) = self.catalog.info(columns.id) {
                text.push_str(&plan::both_definitions(map, &columns.list(), &info));
            }
        }
        text
    }
}

impl TableColumns {
    /// `database.table`, for messages.
    fn full_name(&self) -> String {
        let (database, table) = &self.name;
        format!(
            "{}.{}",
            String::from_utf8_lossy(database),
            String::from_utf8_lossy(table)
        )
    }

    pub(crate) fn list(&self) -> List {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .list
            .clone()
    }

    pub(crate) fn set(&self, list: List) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { list, aligned: None };
    }

    /// The plan that needs no look at the lists: the hot path.
    fn plan_at_once(&self, map: &TableMap, info: &Arc<TableInfo>) -> Option<Plan> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let List::Known(names) = &state.list else {
            return None;
        };
        let is_aligned = state
            .aligned
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, info));
        let is_plain = is_aligned
            && names.len() == map.columns.len()
            && !plan::needs_conversion(map, info)
            && plan::agrees(map, info);
        is_plain.then_some(Plan::AsIs)
    }
}

/// What is known of the columns of a connection's tables. Tables of databases that are renamed for this connection, and of
/// which nothing is known, are taken to be as the source has them: nothing else writes there.
pub(crate) async fn open(
    login: &mut Client,
    schema: &str,
    options: &ConnectionOptions,
    catalog: &Arc<Catalog>,
    own_definitions: &Arc<OwnDefinitions>,
) -> Result<Arc<SourceColumns>, ClientError> {
    let columns = Arc::new(SourceColumns::new(
        catalog.clone(),
        own_definitions.clone(),
        options.drop_missing_columns,
    ));
    store::load(login, schema, &options.name, &columns).await?;
    for (from, to) in options.rewrite.pairs() {
        for (database, table) in catalog.tables_of(to.as_bytes()) {
            if options.filter.accepts_table(from.as_bytes(), &table).accepted {
                columns.adopt(&database, &table);
            }
        }
    }
    for (database, table) in columns.differing() {
        let table = format!(
            "{}.{}",
            String::from_utf8_lossy(&database),
            String::from_utf8_lossy(&table)
        );
        tracing::info!(connection = %options.name, %table, "its columns are not those of the source: rows are mapped by name");
    }
    store::save_seen(login, schema, &options.name, &columns.take_seen()).await?;
    Ok(columns)
}

/// The target's columns as a list.
pub(crate) fn names_of(info: &TableInfo) -> Names {
    info.columns.iter().map(|column| column.name.clone()).collect()
}
