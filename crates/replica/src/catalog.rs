//! What the engine knows of the target's tables: engine, keys, triggers, foreign keys.
//!
//! Read from `information_schema` at start, and again for what a DDL group touched, before that group counts as applied.
//! Footprints are computed from it; what it does not know makes a footprint wider.

use std::collections::HashSet;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use bytes::Bytes;
use tributary_binlog::{ColumnType, PeriodEnd};
use tributary_schedule::{Access, DatabaseId, QuickMap, TableId};

mod kind;
mod load;

pub(crate) use load::{load_all, load_databases, load_packages, load_tables};

/// How the coordinator sees a table that the catalogue does not know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableName {
    pub(crate) id: TableId,
    pub(crate) database: DatabaseId,
}

/// What can stand in a column, as far as key values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueClass {
    /// A whole number of this many bytes.
    Integer { size: u8, is_unsigned: bool },
    /// Text of at most this many characters, in an ASCII-compatible character set and under a collation in which
    /// different letters of ASCII are equal only if they differ in case.
    Text { length_max: usize },
    /// Anything whose equality is not plain to see from its bytes.
    Other,
}

/// A column of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnInfo {
    /// Lower case, since column names compare without case.
    pub(crate) name: Bytes,
    pub(crate) class: ValueClass,
    pub(crate) is_nullable: bool,
    pub(crate) is_auto_increment: bool,
    /// `COLUMN_TYPE`, for messages.
    pub(crate) definition: Bytes,
    /// The type that the target's own table map would tell; `None` for one this version does not know.
    pub(crate) kind: Option<ColumnType>,
    /// Fractional digits of a temporal column.
    pub(crate) digits: u8,
    pub(crate) visibility: Visibility,
}

/// Who sees a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Visible,
    /// Only who names it: a statement without a list of columns passes over it.
    Invisible,
    /// Nobody but row events: the period of system versioning, hashes of long unique keys. Behind all others.
    Hidden,
}

/// A table of the target.
#[derive(Debug)]
pub(crate) struct TableInfo {
    pub(crate) is_transactional: bool,
    /// A view, or anything else that is not a base table.
    pub(crate) is_view: bool,
    pub(crate) has_triggers: bool,
    pub(crate) is_partitioned: bool,
    /// Whether a value that no statement gives may depend on when it runs, or on more: defaults that are computed, `ON UPDATE`,
    /// system versioning.
    pub(crate) reads_clock: bool,
    /// In the order of row events.
    pub(crate) columns: Vec<ColumnInfo>,
    /// Columns of each unique key, primary first. `None`: a key whose values cannot be told apart by us (prefixes,
    /// expressions, odd types).
    pub(crate) unique_keys: Vec<Option<Vec<usize>>>,
    /// Whether `unique_keys[0]` identifies every row: a primary key.
    pub(crate) has_primary: bool,
    /// The column that tells until when a row was current, and how this server says that it still is.
    pub(crate) period_end: Option<(usize, PeriodEnd)>,
    /// Tables that a change here may reach, or that may reach here, by foreign keys.
    pub(crate) related: Vec<(Bytes, Bytes)>,
    /// Whether it has no index, and a statement that gives all columns of a row does no more than a row event does: no generated
    /// columns, constraints, `ON UPDATE`, history or partitions, and a storage engine of the usual ones.
    pub(crate) is_bare: bool,
}

impl TableInfo {
    /// The columns that are in no list but that of row events.
    pub(crate) fn hidden_columns(&self) -> impl Iterator<Item = &ColumnInfo> {
        let is_hidden = |column: &&ColumnInfo| column.visibility == Visibility::Hidden;
        self.columns.iter().filter(is_hidden)
    }

    /// The place of a column.
    pub(crate) fn column(&self, name: &[u8]) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The column that generates ids.
    pub(crate) fn auto_increment(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.is_auto_increment)
    }

    /// Whether a row can only be found by reading the table, and statements may do what row events do.
    pub(crate) fn is_read_through(&self) -> bool {
        self.is_bare && !self.is_view && !self.has_triggers && self.related.is_empty()
    }

    /// Whether every unique key can be compared by us, and there is one.
    pub(crate) fn has_plain_keys(&self) -> bool {
        self.has_primary && self.related.is_empty() && self.unique_keys.iter().all(Option::is_some)
    }
}

/// A table in the footprint of a prepared group, with the knowledge it was made from.
#[derive(Debug, Clone)]
pub(crate) struct TableUseDraft {
    pub(crate) name: TableName,
    pub(crate) access: Access,
    /// What the catalogue said; `None` when it did not know the table.
    pub(crate) info: Option<Arc<TableInfo>>,
    pub(crate) is_written: bool,
}

/// What is known of one table.
#[derive(Debug, Default)]
struct Known {
    info: Option<Arc<TableInfo>>,
    /// The reading it comes from.
    reading: u64,
}

#[derive(Debug, Default)]
struct Inner {
    tables: QuickMap<Bytes, QuickMap<Bytes, TableName>>,
    databases: QuickMap<Bytes, DatabaseId>,
    /// What is known of each table, by id.
    by_id: Vec<Known>,
    /// How often something was replaced.
    readings: u64,
    /// Packages, with their databases, in lower case. Those that were dropped stay.
    packages: HashSet<(Bytes, Bytes)>,
}

/// The catalogue, shared by source tasks (which read) and the applier (which refreshes).
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    inner: RwLock<Inner>,
}

/// Everything that one refresh read: database, table, and what it is.
pub(crate) type Loaded = Vec<(Bytes, Bytes, TableInfo)>;

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The ids of a table, and what is known of it.
    pub(crate) fn table(&self, database: &[u8], table: &[u8]) -> (TableName, Option<Arc<TableInfo>>) {
        {
            let inner = self.read();
            if let Some(name) = inner.tables.get(database).and_then(|tables| tables.get(table)) {
                return (*name, inner.info(name.id));
            }
        }
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = inner.table(database, table);
        (name, inner.info(name.id))
    }

    /// What is known of a table now.
    pub(crate) fn info(&self, table: TableId) -> Option<Arc<TableInfo>> {
        self.read().info(table)
    }

    /// The tables that are known of a database.
    pub(crate) fn tables_of(&self, database: &[u8]) -> Vec<(Bytes, Bytes)> {
        let inner = self.read();
        let Some((database, tables)) = inner.tables.get_key_value(database) else {
            return Vec::new();
        };
        let is_known = |(_, name): &(&Bytes, &TableName)| inner.info(name.id).is_some();
        let known = tables.iter().filter(is_known);
        known
            .map(|(table, _)| (database.clone(), table.clone()))
            .collect()
    }

    /// The id of a database.
    pub(crate) fn database(&self, name: &[u8]) -> DatabaseId {
        if let Some(id) = self.read().databases.get(name) {
            return *id;
        }
        self.inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .database(name)
    }

    /// Whether a database has, or had, a package of this name; `None` if the name cannot be compared.
    pub(crate) fn has_package(&self, database: &[u8], package: &[u8]) -> Option<bool> {
        let key = (lower_case(database), lower_case(package));
        package.is_ascii().then(|| self.read().packages.contains(&key))
    }

    /// Notes a package that is on the target, or will be when what is being prepared is applied.
    pub(crate) fn add_package(&self, database: &[u8], package: &[u8]) {
        let key = (lower_case(database), lower_case(package));
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.packages.insert(key);
    }

    /// Replaces all that is known of these databases (`None`: of all).
    pub(crate) fn replace_databases(&self, databases: Option<&[Bytes]>, loaded: Loaded) {
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_meant = |name: &Bytes| databases.is_none_or(|list| list.contains(name));
        let meant = inner
            .tables
            .iter()
            .filter(|(name, _)| is_meant(name))
            .flat_map(|(_, tables)| tables.values());
        let forgotten: Vec<TableId> = meant.map(|table| table.id).collect();
        inner.replace(forgotten, loaded);
    }

    /// Replaces what is known of these tables.
    pub(crate) fn replace_tables(&self, tables: &[(Bytes, Bytes)], loaded: Loaded) {
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let forgotten: Vec<TableId> = tables
            .iter()
            .map(|(database, table)| inner.table(database, table).id)
            .collect();
        inner.replace(forgotten, loaded);
    }

    /// The newest reading: what begins now cannot be older.
    pub(crate) fn reading(&self) -> u64 {
        self.read().readings
    }

    /// Replaces what is known of those tables whose columns have changed, and tells which. A table that is gone stays: the
    /// server says so better. What was replaced after `since`, when this reading began, is newer, and stays as well.
    pub(crate) fn replace_changed(&self, loaded: Loaded, since: u64) -> Vec<(Bytes, Bytes)> {
        let mut inner = self
            .inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut changed = Vec::new();
        let mut news = Loaded::new();
        for (database, table, info) in loaded {
            let id = inner.table(&database, &table).id;
            let known = &inner.by_id[id.0 as usize];
            let is_other = known
                .info
                .as_ref()
                .is_none_or(|known| known.columns != info.columns);
            if is_other && known.reading <= since {
                changed.push((database.clone(), table.clone()));
                news.push((database, table, info));
            }
        }
        inner.replace(Vec::new(), news);
        changed
    }
}

fn lower_case(name: &[u8]) -> Bytes {
    name.to_ascii_lowercase().into()
}

impl Inner {
    fn database(&mut self, name: &[u8]) -> DatabaseId {
        if let Some(id) = self.databases.get(name) {
            return *id;
        }
        let id = DatabaseId(u32::try_from(self.databases.len()).unwrap_or(u32::MAX));
        self.databases.insert(Bytes::copy_from_slice(name), id);
        id
    }

    fn table(&mut self, database: &[u8], table: &[u8]) -> TableName {
        let database_id = self.database(database);
        let tables = self.tables.entry(Bytes::copy_from_slice(database)).or_default();
        if let Some(name) = tables.get(table) {
            return *name;
        }
        let id = TableId(u32::try_from(self.by_id.len()).unwrap_or(u32::MAX));
        let name = TableName {
            id,
            database: database_id,
        };
        tables.insert(Bytes::copy_from_slice(table), name);
        self.by_id.push(Known::default());
        name
    }

    fn info(&self, table: TableId) -> Option<Arc<TableInfo>> {
        self.by_id.get(table.0 as usize)?.info.clone()
    }

    /// Takes what was read, and what is no more.
    fn replace(&mut self, forgotten: Vec<TableId>, loaded: Loaded) {
        self.readings += 1;
        let reading = self.readings;
        for id in forgotten {
            self.by_id[id.0 as usize] = Known { info: None, reading };
        }
        for (database, table, info) in loaded {
            let id = self.table(&database, &table).id;
            let info = Some(Arc::new(info));
            self.by_id[id.0 as usize] = Known { info, reading };
        }
    }
}
