//! From an event group of the source to a group of changes for the target: filtered by source names, then renamed.
//!
//! A group of which nothing is left still moves the position. What cannot be judged or renamed with proof is an error
//! that stops the connection; nothing is guessed and nothing is passed over in silence.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tributary_binlog::{AlterPhase, EventGroup, FormatDescription, GroupEnd, GroupItem};
use tributary_rules::{Filter, Rewrite, Tolerances};
use tributary_schedule::{Access, GroupSeq, Scope, WorkerId};

use crate::bulk::Shapes;
use crate::catalog::{Catalog, TableUseDraft};
use crate::change::{Change, Changes, Defines, GroupLabel, PreparedGroup};
use crate::collations::Collations;
use crate::columns::SourceColumns;
use crate::context::{Context, known_flags};
use crate::error::StopReason;
use crate::load_file::Spool;
use crate::policies::Policies;
use crate::status::{self, ConnectionCounters};
use crate::temporary::{ServerIds, TemporaryNote};
use crate::xa::XaStep;

mod bounds;
mod effects;
mod load;
mod packages;
mod patterns;
mod policy;
mod rows;
mod shapes;
mod statement;
mod temporary;
mod xa;

use bounds::Owner;

pub(crate) use bounds::Bounds;
pub(crate) use patterns::Patterns;
pub(crate) use temporary::TemporaryTables;
pub(crate) use xa::XaFootprints;

/// Databases that belong to each server itself; changes in them are left out and counted.
pub(crate) const SYSTEM_DATABASES: [&[u8]; 4] =
    [b"mysql", b"information_schema", b"performance_schema", b"sys"];

/// The worker whose session holds the temporary tables of all connections.
pub(crate) const TEMPORARY_TABLES_WORKER: WorkerId = WorkerId(0);

/// Turns the groups of one connection into changes for the target.
#[derive(Debug)]
pub(crate) struct Preparer {
    pub(crate) filter: Filter,
    pub(crate) rewrite: Rewrite,
    pub(crate) bounds: Bounds,
    pub(crate) policies: Policies,
    pub(crate) tolerances: Tolerances,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) columns: Arc<SourceColumns>,
    pub(crate) collations: Arc<Collations>,
    pub(crate) counters: Arc<ConnectionCounters>,
    /// The engine's own database on the target.
    pub(crate) schema: Bytes,
    /// The connection's name.
    pub(crate) connection: String,
    /// The id under which the engine replicates: what it wrote itself does not come back.
    pub(crate) own_server_id: u32,
    /// The account under which the engine writes.
    pub(crate) own_account: Bytes,
    /// The source's version, as (10, 11, 19) and as 101119.
    pub(crate) version: ((u16, u16, u16), u32),
    /// The layout of the events that come now.
    pub(crate) format: Option<Arc<FormatDescription>>,
    /// Option bits that this version writes.
    pub(crate) known_flags: u32,
    /// Sessions seen last; most statements share one of a few.
    pub(crate) contexts: Vec<Arc<Context>>,
    /// Whether rows may be brought together with those of other changes.
    pub(crate) merges_rows: bool,
    /// Whether rows of tables without an index may be found by statements.
    pub(crate) sets_rows: bool,
    /// Shapes of statements seen.
    pub(crate) shapes: Shapes,
    /// Statements of kinds seen.
    pub(crate) patterns: Patterns,
    /// XA transactions that are prepared, with what they touch; what is not known here may touch anything.
    pub(crate) xa: XaFootprints,
    /// Whether a warning has named statements of a MySQL source.
    pub(crate) warned_statements: bool,
    /// Temporary tables of the source's sessions.
    pub(crate) temporary: TemporaryTables,
    /// Under which server ids they are kept on the target.
    pub(crate) server_ids: Arc<ServerIds>,
    /// The connection's number.
    pub(crate) index: u16,
    /// Files whose `LOAD DATA` has not come yet.
    pub(crate) spool: Spool,
}

/// A group while it is put together.
#[derive(Debug, Default)]
struct Draft {
    changes: Changes,
    tables: SmallVec<[TableUseDraft; 2]>,
    scope: Scope,
    is_alone: bool,
    is_pinned: bool,
    uses_temporary: bool,
    fills_temporary: bool,
    /// See [`PreparedGroup`].
    did_more: bool,
    may_be_mapped: bool,
    /// Bytes on disk that belong to the group.
    spooled_bytes: u64,
    defined_tables: Vec<(Bytes, Bytes)>,
    defined_databases: Vec<Bytes>,
    temporary: Vec<TemporaryNote>,
}

/// Where in the source a message is about.
struct Place<'a> {
    label: &'a GroupLabel,
}

impl Place<'_> {
    fn stop(&self, number: u16, what: impl std::fmt::Display) -> StopReason {
        StopReason::new(number, format!("{what} ({})", self.label))
    }
}

impl Preparer {
    /// Whether the source is a MySQL server.
    fn is_mysql(&self) -> bool {
        (1..10).contains(&self.version.0.0)
    }

    /// The source runs this version from here on.
    pub(crate) fn set_version(&mut self, version: (u16, u16, u16), number: u32) {
        self.known_flags = known_flags(version);
        self.version = (version, number);
        self.patterns.clear();
    }

    /// Filters and renames one group, or one part of it.
    ///
    /// # Errors
    /// When the connection must stop here, with what a person needs to know.
    pub(crate) fn prepare(
        &mut self,
        group: Box<EventGroup>,
        seq: GroupSeq,
    ) -> Result<Box<PreparedGroup>, StopReason> {
        let gtid = group.gtid.as_ref();
        let mut label = GroupLabel::of(&group);
        label.counted.take_if(|_| group.server_id == self.own_server_id);
        let commit_id = gtid.and_then(|event| event.commit_id);
        let is_left_out = group.server_id == self.own_server_id
            || gtid.is_some_and(|event| {
                matches!(event.alter, Some(AlterPhase::Start | AlterPhase::Rollback { .. }))
            });
        let mut draft = Draft::default();
        let mut xa = None;
        if !is_left_out {
            let place = Place { label: &label };
            xa = self.xa_change(&group);
            if xa.is_none() {
                self.drop_leftovers(group.timestamp, &mut draft);
            }
            if xa.as_ref().is_none_or(|xa| xa.step == XaStep::Prepare) {
                for item in group.items {
                    self.prepare_item(item, group.server_id, &mut draft, &place)?;
                }
            }
            if let Some(xa) = &xa {
                self.xa.note(xa, &mut draft);
            }
        }
        let (is_open, part) = (group.end_kind == GroupEnd::Open, group.part);
        let rolls_back = group.end_kind == GroupEnd::Rollback;
        let pinned = Self::temporary_worker(&draft);
        let values: usize = draft.changes.iter().map(Change::bulk_bytes).sum();
        let prepared = Box::new(PreparedGroup {
            seq,
            label,
            bytes: group
                .bytes
                .saturating_add(values)
                .saturating_add(usize::try_from(draft.spooled_bytes).unwrap_or(usize::MAX)),
            defines: draft.defines(),
            is_alone: draft.is_alone || rolls_back,
            changes: draft.changes,
            tables: draft.tables,
            scope: draft.scope,
            commit_id,
            pinned,
            rolls_back,
            did_more: draft.did_more,
            may_be_mapped: draft.may_be_mapped,
            xa,
            temporary: draft.temporary,
            uses_temporary: draft.uses_temporary,
            fills_temporary: draft.fills_temporary,
            is_open,
            pieces: None,
            may_be_made: false,
            is_executed: false,
            was_begun: false,
            permit: None,
        });
        // Of a group in parts, the source task counts.
        if prepared.is_empty() && part == 0 && !is_open {
            status::add(&self.counters.groups_ignored, 1);
        }
        Ok(prepared)
    }

    fn prepare_item(
        &mut self,
        item: GroupItem,
        server_id: u32,
        draft: &mut Draft,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        match item {
            GroupItem::Statement(item) => self.prepare_statement(item, server_id, draft, place),
            GroupItem::Rows(item) => {
                let Some(format) = self.format.clone() else {
                    return Err(place.stop(
                        crate::error::number::RELAY_READ_FAILURE,
                        "row events before a format description",
                    ));
                };
                self.prepare_rows(item, &format, draft, place)
            }
            GroupItem::LoadData(item) => self.prepare_load(*item, server_id, draft, place),
            GroupItem::LoadFile(piece) => self
                .spool
                .append(&piece)
                .map_err(|message| place.stop(crate::error::number::REPLICA_FATAL, message)),
        }
    }

    /// The target's name of a source database.
    fn target_database(&self, source: &Bytes) -> Bytes {
        match self.rewrite.target_name(source) {
            name if name == source.as_ref() => source.clone(),
            name => Bytes::copy_from_slice(name),
        }
    }

    /// Whether nothing is written there, whatever the filters say, and what a source does there is left out.
    fn is_reserved(&self, source_database: &[u8]) -> bool {
        SYSTEM_DATABASES
            .iter()
            .any(|name| name.eq_ignore_ascii_case(source_database))
            || self.bounds.owner(self.rewrite.target_name(source_database)) == Some(Owner::Engine)
    }
}

impl Draft {
    /// Notes the use of a table.
    fn add_table(&mut self, use_draft: TableUseDraft) {
        if use_draft.info.as_ref().is_some_and(|info| info.is_view) {
            self.widen(Scope::Everything);
        }
        self.tables.push(use_draft);
    }

    /// Notes that more may be touched than the tables.
    fn widen(&mut self, scope: Scope) {
        self.is_alone = true;
        self.scope = wider(self.scope, scope);
    }

    fn defines(&self) -> Option<Defines> {
        if !self.defined_databases.is_empty() {
            let mut databases = self.defined_databases.clone();
            databases.extend(self.defined_tables.iter().map(|(database, _)| database.clone()));
            databases.sort_unstable();
            databases.dedup();
            return Some(Defines::Databases(databases));
        }
        (!self.defined_tables.is_empty()).then(|| Defines::Tables(self.defined_tables.clone()))
    }
}

/// What both reach.
pub(crate) fn wider(known: Scope, scope: Scope) -> Scope {
    match (known, scope) {
        (Scope::Tables, wider) => wider,
        (known, Scope::Tables) => known,
        (known, scope) if known == scope => known,
        _ => Scope::Everything,
    }
}

/// Adds the tables that foreign keys tie to one that is written.
fn add_related(catalog: &Catalog, draft: &mut Draft, first: usize) {
    let mut index = first;
    while index < draft.tables.len() {
        let related = match &draft.tables[index].info {
            Some(info) if draft.tables[index].access != Access::Read => info.related.clone(),
            _ => Vec::new(),
        };
        for (database, table) in related {
            let (name, info) = catalog.table(&database, &table);
            if draft.tables.iter().all(|known| known.name.id != name.id) {
                draft.tables.push(TableUseDraft {
                    name,
                    access: Access::Whole,
                    info,
                    is_written: true,
                });
            }
        }
        index += 1;
    }
}
