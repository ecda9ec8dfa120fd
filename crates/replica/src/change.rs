//! What one event group asks of the target, after filters and renaming: the unit that workers apply.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tributary_binlog::{Coordinates, EventGroup, FormatDescription, Gtid, GtidFlags, RowsItem, UserVar};
use tributary_rules::Tolerance;
use tributary_schedule::{Access, GroupSeq, Scope, TableId, WorkerId};
use tributary_sql::StatementKind;

use crate::bulk::BulkRow;
use crate::catalog::{Catalog, TableInfo, TableUseDraft};
use crate::columns::{Effect, Positional, SourceColumns, TableColumns};
use crate::context::Context;
use crate::load_file::LoadFile;
use crate::pieces::Pieces;
use crate::relay::Permit;
use crate::spans::RowSpans;
use crate::temporary::TemporaryNote;
use crate::xa::XaChange;

/// Which group it is, in the source's terms; the identity under which it is saved.
#[derive(Debug, Clone)]
pub(crate) struct GroupLabel {
    pub(crate) gtid: Option<Gtid>,
    /// The byte after the group's last event.
    pub(crate) end: Coordinates,
    /// When the source executed it, in seconds since 1970.
    pub(crate) timestamp: u32,
    /// What it is counted as; `None` for one that is passed over, and for those of MySQL.
    pub(crate) counted: Option<CountedAs>,
}

/// What a native replica counts a group as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedAs {
    /// `Slave_DDL_Groups`.
    Ddl,
    /// `Slave_Non_Transactional_Groups`.
    NonTransactional,
    /// `Slave_Transactional_Groups`.
    Transactional,
}

impl CountedAs {
    /// By what the source says at the group's beginning.
    fn of(flags: GtidFlags) -> Self {
        match (flags.is_ddl(), flags.is_transactional()) {
            (true, _) => Self::Ddl,
            (false, true) => Self::Transactional,
            (false, false) => Self::NonTransactional,
        }
    }
}

impl GroupLabel {
    pub(crate) fn of(group: &EventGroup) -> Self {
        let gtid = group.gtid.as_ref();
        Self {
            gtid: gtid.map(|event| event.gtid),
            end: group.end.clone(),
            timestamp: group.timestamp,
            counted: gtid.map(|event| CountedAs::of(event.flags)),
        }
    }

    /// What tells the group from all others of its connection.
    pub(crate) fn identity(&self) -> Gtid {
        self.gtid.unwrap_or_else(|| stand_in(&self.end))
    }
}

/// Stands in for the GTID of a group that has none, as those of MySQL: where it ends. It is saved as the identity of a group that
/// is done ahead of others, and never shown or sent.
///
/// Sequences grow along the binlog: 28 bits of the file's number, then 36 of the offset.
pub(crate) fn stand_in(end: &Coordinates) -> Gtid {
    const OFFSET_BITS: u32 = 36;
    let (_, number) = end.file.rsplit_once('.').unwrap_or_default();
    let number = number.parse::<u64>().unwrap_or(0) & ((1 << (64 - OFFSET_BITS)) - 1);
    Gtid {
        domain: u32::MAX,
        server: 0,
        sequence: number << OFFSET_BITS | end.offset & ((1 << OFFSET_BITS) - 1),
    }
}

impl std::fmt::Display for GroupLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.gtid {
            Some(gtid) => write!(f, "GTID {gtid}, ending at {}", self.end),
            None => write!(f, "the group ending at {}", self.end),
        }
    }
}

/// Changes of a group; most have one.
pub(crate) type Changes = SmallVec<[Change; 1]>;

/// Groups on their way to a worker: boxed, because they change hands several times.
#[allow(clippy::vec_box, reason = "a group is large")]
pub(crate) type PreparedGroups = Vec<Box<PreparedGroup>>;

/// One event group, ready for a worker.
#[derive(Debug)]
pub(crate) struct PreparedGroup {
    pub(crate) seq: GroupSeq,
    pub(crate) label: GroupLabel,
    pub(crate) changes: Changes,
    /// Size of the source's events.
    pub(crate) bytes: usize,
    /// The tables touched, as far as the catalogue knew them when the group was prepared.
    pub(crate) tables: SmallVec<[TableUseDraft; 2]>,
    /// How much more than `tables` the group may touch.
    pub(crate) scope: Scope,
    /// Whether the group must be applied by itself whatever its tables are: DDL, an expected error, a `ROLLBACK` at its
    /// end, something not understood in detail.
    pub(crate) is_alone: bool,
    /// What must be read again from the target once the group is applied.
    pub(crate) defines: Option<Defines>,
    pub(crate) commit_id: Option<u64>,
    /// The worker that holds the session this group needs.
    pub(crate) pinned: Option<WorkerId>,
    /// Whether the group ends in `ROLLBACK`: transactional parts are undone, the others stay.
    pub(crate) rolls_back: bool,
    /// Whether the source's group also changed what is not among `tables`: tables that are left out, or temporary ones.
    pub(crate) did_more: bool,
    /// Whether a table that is written may have another storage engine than on the source.
    pub(crate) may_be_mapped: bool,
    /// The XA transaction that the group prepares or completes.
    pub(crate) xa: Option<Box<XaChange>>,
    /// Temporary tables that are open, or no longer so, once the group is applied.
    pub(crate) temporary: Vec<TemporaryNote>,
    /// Whether it names temporary tables, which are not in `tables`: it keeps its place among those of its connection.
    pub(crate) uses_temporary: bool,
    /// Whether rows it writes to temporary tables may stay when it is rolled back.
    pub(crate) fills_temporary: bool,
    /// Whether more of the group follows: this is a piece of it, and not the last.
    pub(crate) is_open: bool,
    /// Where the changes are, when this is the head of a group that is applied as it arrives.
    pub(crate) pieces: Option<Pieces>,
    /// Whether an engine that was killed may have made it without saving so. It does no harm to make it once more, but rows that
    /// it inserts may be there already.
    pub(crate) may_be_made: bool,
    /// An earlier life has executed its statement, which defines tables, and has not saved that.
    pub(crate) is_executed: bool,
    /// An earlier life has begun it, or the target was lost meanwhile: it may be there in part.
    pub(crate) was_begun: bool,
    /// Room in the relay queue, given back when the group is dropped.
    pub(crate) permit: Option<Permit>,
}

impl PreparedGroup {
    /// Whether nothing is to be done on the target.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.xa.is_none() && self.temporary.is_empty() && self.pieces.is_none()
    }

    /// Forgets how its changes could be made together: their tables are no longer what they were then.
    pub(crate) fn send_one_by_one(&mut self) {
        for change in &mut self.changes {
            match change {
                Change::Statement(statement) => statement.bulk = None,
                Change::Rows(rows) => {
                    rows.spans = None;
                    rows.read_through = None;
                }
                Change::Load(_) => {}
            }
        }
    }

    /// Whether foreign keys may tie a table of the group to another.
    pub(crate) fn may_have_foreign_keys(&self) -> bool {
        self.tables
            .iter()
            .any(|table| table.info.as_ref().is_none_or(|info| !info.related.is_empty()))
    }

    /// Whether it may wait for locks of rows, which come in its middle.
    pub(crate) fn locks_rows(&self) -> bool {
        let has_locks = |used: &TableUseDraft| {
            let info = used.info.as_ref();
            info.is_none_or(|info| info.is_transactional || info.is_view || info.has_triggers)
        };
        !matches!(self.scope, Scope::Tables) || self.tables.iter().any(has_locks)
    }

    /// A group of which nothing is to be applied.
    pub(crate) fn empty(group: &EventGroup, seq: GroupSeq) -> Self {
        Self {
            seq,
            label: GroupLabel::of(group),
            changes: Changes::new(),
            bytes: 0,
            tables: SmallVec::new(),
            scope: Scope::Tables,
            is_alone: false,
            defines: None,
            commit_id: None,
            pinned: None,
            rolls_back: false,
            did_more: false,
            may_be_mapped: false,
            xa: None,
            temporary: Vec::new(),
            uses_temporary: false,
            fills_temporary: false,
            is_open: false,
            pieces: None,
            may_be_made: false,
            is_executed: false,
            was_begun: false,
            permit: None,
        }
    }

    /// The head of a group in pieces, of which this is the first: what the applier must know. Nobody knows yet what the
    /// others touch, so it is alone on its connection.
    pub(crate) fn head(&self, pieces: Pieces) -> Self {
        Self {
            seq: self.seq,
            label: self.label.clone(),
            changes: Changes::new(),
            bytes: 0,
            tables: whole(&self.tables),
            scope: Scope::Connection,
            is_alone: true,
            defines: self.defines.clone(),
            commit_id: self.commit_id,
            pinned: self.pinned,
            rolls_back: false,
            did_more: false,
            may_be_mapped: false,
            xa: None,
            temporary: Vec::new(),
            uses_temporary: self.uses_temporary,
            fills_temporary: self.fills_temporary,
            is_open: true,
            pieces: Some(pieces),
            may_be_made: false,
            is_executed: false,
            was_begun: false,
            permit: None,
        }
    }

    /// Takes what is known of its tables now: definitions in front of the group are made, that were not when it was prepared.
    pub(crate) fn look_again(&mut self, catalog: &Catalog) {
        for used in &mut self.tables {
            used.info = catalog.info(used.name.id);
        }
    }

    /// Whether everything the group does can be undone.
    pub(crate) fn can_roll_back(&self) -> bool {
        let is_transactional = |used: &TableUseDraft| {
            !used.is_written || used.info.as_ref().is_some_and(|info| info.is_transactional)
        };
        self.tables.iter().all(is_transactional) && self.defines.is_none() && !self.fills_temporary
    }
}

/// The same tables, of which any row may be written.
fn whole(tables: &[TableUseDraft]) -> SmallVec<[TableUseDraft; 2]> {
    let whole = |used: &TableUseDraft| TableUseDraft {
        access: Access::Whole,
        ..used.clone()
    };
    tables.iter().map(whole).collect()
}

/// What a group changes in the target's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Defines {
    /// These tables, as (database, table).
    Tables(Vec<(Bytes, Bytes)>),
    /// Everything in these databases.
    Databases(Vec<Bytes>),
}

/// One statement of the source, in the form it was logged.
#[derive(Debug)]
pub(crate) enum Change {
    Statement(Box<StatementChange>),
    Rows(Box<RowsChange>),
    Load(Box<LoadChange>),
}

/// A statement, renamed.
#[derive(Debug)]
pub(crate) struct StatementChange {
    /// The text, in the bytes of the source's client character set.
    pub(crate) text: Bytes,
    pub(crate) kind: StatementKind,
    /// The session it ran in.
    pub(crate) context: Arc<Context>,
    /// When it ran, seconds and microseconds.
    pub(crate) timestamp: (u32, Option<u32>),
    pub(crate) inputs: Option<Box<Inputs>>,
    pub(crate) insert_id: Option<u64>,
    /// The error the source's client got, 0 for none.
    pub(crate) expected_error: u16,
    /// Whether there is but one row that it can change, at once and for good: when it has failed, nothing of it is there.
    pub(crate) is_one_row: bool,
    /// Whether another statement may follow in the same packet.
    pub(crate) is_joinable: bool,
    /// Whether an unused `INSERT_ID` of an earlier statement could be taken by this one.
    pub(crate) may_generate_id: bool,
    /// The first table written, in the target's names: for messages and the ledger.
    pub(crate) table: Option<(Bytes, Bytes)>,
    /// What it does to columns.
    pub(crate) effects: Vec<Effect>,
    /// What it takes by the order of columns.
    pub(crate) positional: Option<Box<Positional>>,
    /// What may be passed over when it fails.
    pub(crate) tolerance: Arc<Tolerance>,
    /// Why the target will differ from the source after it, if that is to be written down.
    pub(crate) divergence: Option<String>,
    /// The statement with the storage engine that the source gives the table, where `text` names another.
    pub(crate) kept_engine: Option<Bytes>,
    /// The statement as a shape and values, where it may be executed together with others.
    pub(crate) bulk: Option<BulkRow>,
}

/// What a statement reads besides tables and its session.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) last_insert_id: Option<u64>,
    pub(crate) rand_seeds: Option<(u64, u64)>,
    pub(crate) user_vars: Vec<UserVar>,
    /// The source's thread, where the statement depends on it (temporary tables, `CONNECTION_ID()`).
    pub(crate) thread: Option<ThreadIdentity>,
}

/// What tells the temporary tables of two source sessions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadIdentity {
    pub(crate) server_id: u32,
    pub(crate) thread_id: u32,
}

/// Row events of one statement, without the tables that are filtered away.
#[derive(Debug)]
pub(crate) struct RowsChange {
    /// How the source laid out its events.
    pub(crate) format: Arc<FormatDescription>,
    pub(crate) item: RowsItem,
    /// The target database for each of `item.maps`.
    pub(crate) databases: SmallVec<[Bytes; 1]>,
    /// What is known of the source's columns, for each of `item.maps`.
    pub(crate) columns: SmallVec<[Arc<TableColumns>; 1]>,
    pub(crate) source: Arc<SourceColumns>,
    /// What may be passed over in each of them.
    pub(crate) tolerances: SmallVec<[Arc<Tolerance>; 1]>,
    /// Row changes in all events.
    pub(crate) row_count: usize,
    /// Where the rows lie, if they may be brought together with those of other changes.
    pub(crate) spans: Option<Box<RowSpans>>,
    /// Its one table, if rows of it can only be found by reading all of it and may be found by statements as well.
    pub(crate) read_through: Option<ReadThrough>,
}

/// A table that must be read to find a row.
#[derive(Debug, Clone)]
pub(crate) struct ReadThrough {
    pub(crate) table: TableId,
    pub(crate) info: Arc<TableInfo>,
}

/// `LOAD DATA`: the statement, renamed, and the file.
#[derive(Debug)]
pub(crate) struct LoadChange {
    pub(crate) statement: StatementChange,
    pub(crate) file: LoadFile,
    /// Whether a duplicate key, or anything else that `IGNORE` passes over, is an error of the statement.
    pub(crate) has_errors: bool,
    /// How to have what the source's table has kept, where the statement failed there half way.
    pub(crate) in_steps: Option<LoadInSteps>,
}

/// `LOAD DATA` by way of a table of its own, for a partial effect; see `worker/half_load.rs`.
#[derive(Debug)]
pub(crate) struct LoadInSteps {
    /// Makes the table.
    pub(crate) create: Vec<u8>,
    /// Fills it up to the first row that is no row of the table.
    pub(crate) load: Vec<u8>,
    /// Takes its rows over, up to the first one that the table refuses.
    pub(crate) insert: Vec<u8>,
    /// Takes it away.
    pub(crate) drop: Vec<u8>,
}

impl RowsChange {
    /// Which of `item.maps` an event is about.
    pub(crate) fn map_of_event(&self, event: usize) -> Option<usize> {
        let (_, event) = self.item.events.get(event)?;
        self.item
            .maps
            .iter()
            .position(|(_, map)| map.table_id == event.table_id)
    }

    /// What may be passed over in this event; without one, in all of the change.
    fn tolerance(&self, event: Option<usize>) -> Arc<Tolerance> {
        let own = event
            .and_then(|event| self.map_of_event(event))
            .and_then(|index| self.tolerances.get(index));
        if let Some(own) = own {
            return own.clone();
        }
        let mut all = self.tolerances.iter();
        let Some(first) = all.next() else {
            return Arc::default();
        };
        all.fold(first.clone(), |common, own| {
            if Arc::ptr_eq(&common, own) {
                common
            } else {
                Arc::new(common.intersection(own))
            }
        })
    }
}

impl Change {
    /// What may be passed over when the change fails; `event` is the one whose row failed, if it is known.
    pub(crate) fn tolerance(&self, event: Option<usize>) -> Arc<Tolerance> {
        match self {
            Self::Statement(statement) => statement.tolerance.clone(),
            Self::Load(load) => load.statement.tolerance.clone(),
            Self::Rows(rows) => rows.tolerance(event),
        }
    }

    /// Memory for what is kept beside the statement's text, or the rows.
    pub(crate) fn bulk_bytes(&self) -> usize {
        match self {
            Self::Statement(statement) => statement.bulk.as_ref().map_or(0, |bulk| bulk.values.capacity()),
            Self::Rows(rows) => rows.spans.as_ref().map_or(0, |spans| spans.size_bytes()),
            Self::Load(_) => 0,
        }
    }

    /// Whether any error of any row may be passed over, so that rows are told apart.
    pub(crate) fn isolates_rows(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.tolerances.iter().any(|tolerance| !tolerance.is_none()),
            Self::Statement(_) | Self::Load(_) => false,
        }
    }

    /// The first table written, in the target's names.
    pub(crate) fn table(&self) -> Option<(Bytes, Bytes)> {
        match self {
            Self::Statement(statement) => statement.table.clone(),
            Self::Load(load) => load.statement.table.clone(),
            Self::Rows(rows) => {
                let (_, map) = rows.item.maps.first()?;
                Some((rows.databases.first()?.clone(), map.table.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_grow_along_the_binlog() {
        let at = |file: &str, offset| stand_in(&Coordinates::new(file, offset)).sequence;
        assert!(at("mysql-bin.000001", 900) < at("mysql-bin.000001", 901));
        assert!(at("mysql-bin.000001", 1 << 35) < at("mysql-bin.000002", 4));
        assert!(at("mysql-bin.999999", 4) < at("mysql-bin.1000000", 4));
        let stand_in = stand_in(&Coordinates::new("b.000007", 158));
        let set: tributary_binlog::GtidSet = [stand_in].into_iter().collect();
        assert!(
            set.to_string()
                .parse::<tributary_binlog::GtidSet>()
                .unwrap()
                .contains(&stand_in)
        );
    }
}
