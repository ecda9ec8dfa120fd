//! An event group and its parts.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::coordinates::Coordinates;
use crate::events::{GtidEvent, QueryEvent, RowsEvent, TableMap, UserVar, XaPrepare};
use crate::header::Header;

/// An event group: a GTID and all changes up to its end; or one part of a group that comes in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct EventGroup {
    /// What the source says about the group. MariaDB sources always do.
    pub gtid: Option<GtidEvent>,
    /// Where the group begins in the source's binlog.
    pub start: Coordinates,
    /// Where the next group begins; of a part that is not the last, where the next part begins, which is no place to resume.
    pub end: Coordinates,
    /// Seconds since the epoch when the group's first event was made on the source.
    pub timestamp: u32,
    /// The server the group was first committed on.
    pub server_id: u32,
    /// Flags of the header of the group's first event, as [`Header::FLAG_SKIP_REPLICATION`].
    pub flags: u16,
    /// The changes, in order.
    pub items: SmallVec<[GroupItem; 1]>,
    /// How the group ends.
    pub end_kind: GroupEnd,
    /// About how much memory the group holds; of a part, this part alone.
    pub bytes: usize,
    /// Which part of the group this is, from 0. A group that comes whole is its own part 0.
    pub part: usize,
}

impl EventGroup {
    /// What to call the group in messages: its GTID, or where it begins.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.gtid {
            Some(gtid) => gtid.gtid.to_string(),
            None => self.start.to_string(),
        }
    }
}

/// How a group ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEnd {
    /// Not here: another part follows.
    Open,
    /// With its only statement, which commits by itself.
    Standalone,
    /// With COMMIT: changes of non-transactional tables.
    Commit,
    /// With ROLLBACK: what non-transactional tables keep of a transaction that was rolled back.
    Rollback,
    /// With the commit of a transaction.
    Xid,
    /// With XA PREPARE: the commit, or the rollback, comes in a later group.
    XaPrepare(Box<XaPrepare>),
}

/// One change of a group.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupItem {
    /// A statement.
    Statement(StatementItem),
    /// The rows that one statement of the source changed.
    Rows(RowsItem),
    /// LOAD DATA with its file, or with the rest of it.
    LoadData(Box<LoadDataItem>),
    /// A piece of a file whose LOAD DATA comes in a later part.
    LoadFile(LoadFileItem),
}

/// A statement and what it reads besides tables.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementItem {
    /// The header of the statement's event.
    pub header: Header,
    /// The statement and its context.
    pub query: Box<QueryEvent>,
    /// The first value for an AUTO_INCREMENT column.
    pub insert_id: Option<u64>,
    /// What `LAST_INSERT_ID()` returns.
    pub last_insert_id: Option<u64>,
    /// The seeds of `RAND()`.
    pub rand: Option<(u64, u64)>,
    /// User variables.
    pub user_vars: Vec<UserVar>,
}

/// The rows that one statement of the source changed, or those of them that lie in one part of the group. The last event has
/// [`RowsEvent::FLAG_STATEMENT_END`], and every event finds its table in `maps`.
#[derive(Debug, Clone, PartialEq)]
pub struct RowsItem {
    /// Every table the statement names, once, whether rows of it changed or not.
    pub maps: SmallVec<[(Header, Arc<TableMap>); 1]>,
    /// The changes, in order.
    pub events: SmallVec<[(Header, Box<RowsEvent>); 1]>,
    /// The statement's text, if the source sends it.
    pub annotate: Option<Bytes>,
}

impl RowsItem {
    /// The table of an event of this item.
    #[must_use]
    pub fn map(&self, table_id: u64) -> Option<&Arc<TableMap>> {
        self.maps
            .iter()
            .find(|(_, map)| map.table_id == table_id)
            .map(|(_, map)| map)
    }
}

/// LOAD DATA with its file.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadDataItem {
    /// The header of the statement's event.
    pub header: Header,
    /// Which file: what earlier parts of the group held of it, as [`LoadFileItem`]s, comes before `blocks`.
    pub file_id: u32,
    /// The file, in pieces.
    pub blocks: Vec<Bytes>,
    /// The statement and its context.
    pub query: Box<QueryEvent>,
    /// Where ` [LOCAL] INFILE '<name>' [IGNORE |REPLACE ]INTO` begins in the statement, with its leading blank.
    pub fn_start: usize,
    /// Where it ends, behind `INTO`.
    pub fn_end: usize,
    /// What to do with rows that are there already.
    pub duplicates: DuplicateHandling,
    /// The first value for an AUTO_INCREMENT column.
    pub insert_id: Option<u64>,
    /// What `LAST_INSERT_ID()` returns.
    pub last_insert_id: Option<u64>,
    /// The seeds of `RAND()`.
    pub rand: Option<(u64, u64)>,
    /// User variables.
    pub user_vars: Vec<UserVar>,
}

/// A piece of a file whose LOAD DATA comes in a later part of the group.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadFileItem {
    /// The server the change was first made on; file ids are its own.
    pub server_id: u32,
    /// Which file.
    pub file_id: u32,
    /// Whether the file begins here; what was known under this id before is void.
    pub is_first: bool,
    /// The piece.
    pub blocks: Vec<Bytes>,
}

/// What LOAD DATA does with rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateHandling {
    /// They are an error.
    Error,
    /// They are left as they are.
    Ignore,
    /// They are replaced.
    Replace,
}
