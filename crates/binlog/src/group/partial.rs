//! A group that has begun and not ended.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::coordinates::Coordinates;
use crate::event::EventBody;
use crate::events::{
    ExecuteLoadQuery, GtidEvent, Intvar, LoadBlock, QueryEvent, RowsEvent, TableMap, UserVar,
};
use crate::group::{
    EventGroup, GroupEnd, GroupError, GroupItem, LoadDataItem, LoadFileItem, RowsItem, StatementItem,
};
use crate::header::Header;

/// What an event did to the group.
#[derive(Debug)]
pub(super) enum Pushed {
    Open,
    Ended(GroupEnd),
}

/// A group that has begun and not ended.
#[derive(Debug)]
pub(super) struct Partial {
    /// What is known of it, and its changes so far; of what has been handed out in parts, no more.
    group: Box<EventGroup>,
    is_standalone: bool,
    /// Its changes belong between XA START and XA PREPARE, which only the whole group tells.
    is_xa: bool,
    /// The rows statement that has not ended.
    rows: Option<RowsItem>,
    annotate: Option<Bytes>,
    prefix: Prefix,
    files: Vec<LoadFile>,
    /// Events of what has not been handed out.
    events: usize,
}

/// What Intvar, Rand and User_var events say about the next statement.
#[derive(Debug, Default)]
struct Prefix {
    insert_id: Option<u64>,
    last_insert_id: Option<u64>,
    rand: Option<(u64, u64)>,
    user_vars: Vec<UserVar>,
}

/// The file of a LOAD DATA that has not been executed yet.
#[derive(Debug)]
struct LoadFile {
    server_id: u32,
    file_id: u32,
    blocks: Vec<Bytes>,
    /// Earlier blocks have been handed out in a part.
    is_begun: bool,
}

/// Memory beside an event's own bytes: headers, status variables, the lists it stands in. Estimated, for limits only.
const EVENT_OVERHEAD: usize = 512;

/// Whether an event ends a group, so that it cannot begin one.
pub(super) fn ends_group(body: &EventBody) -> bool {
    match body {
        EventBody::Xid(_) | EventBody::XaPrepare(_) => true,
        EventBody::Query(query) => matches!(
            frame_word(&query.query),
            Some(FrameWord::Commit | FrameWord::Rollback)
        ),
        _ => false,
    }
}

/// Statements that the server writes to frame a group, word by word as it writes them.
enum FrameWord {
    Begin,
    Commit,
    Rollback,
    XaStart,
    XaEnd,
}

fn frame_word(text: &[u8]) -> Option<FrameWord> {
    match text {
        b"BEGIN" => Some(FrameWord::Begin),
        b"COMMIT" => Some(FrameWord::Commit),
        b"ROLLBACK" => Some(FrameWord::Rollback),
        _ if text.starts_with(b"XA START ") => Some(FrameWord::XaStart),
        _ if text.starts_with(b"XA END ") => Some(FrameWord::XaEnd),
        _ => None,
    }
}

impl Partial {
    pub(super) fn with_gtid(gtid: GtidEvent, header: &Header, start: Coordinates, bytes: usize) -> Partial {
        let mut partial = Partial::new(gtid.flags.is_standalone(), header, start);
        partial.group.gtid = Some(gtid);
        partial.group.bytes = bytes;
        partial
    }

    /// A group of a source without GTIDs: from BEGIN to the end, or one statement alone.
    pub(super) fn without_gtid(header: &Header, first: &EventBody, start: Coordinates) -> Partial {
        let begins = match first {
            EventBody::Query(query) => matches!(
                frame_word(&query.query),
                Some(FrameWord::Begin | FrameWord::XaStart)
            ),
            _ => false,
        };
        Partial::new(!begins, header, start)
    }

    fn new(is_standalone: bool, header: &Header, start: Coordinates) -> Partial {
        Partial {
            group: Box::new(EventGroup {
                gtid: None,
                end: start.clone(),
                start,
                timestamp: header.timestamp,
                server_id: header.server_id,
                flags: header.flags,
                items: SmallVec::new(),
                end_kind: GroupEnd::Open,
                bytes: 0,
                part: 0,
            }),
            is_standalone,
            is_xa: false,
            rows: None,
            annotate: None,
            prefix: Prefix::default(),
            files: Vec::new(),
            events: 0,
        }
    }

    /// The group's GTID, or where it begins.
    pub(super) fn name(&self) -> String {
        self.group.name()
    }

    pub(super) fn grow(&mut self, bytes: usize, limit: usize) -> Result<(), GroupError> {
        self.group.bytes = self.group.bytes.saturating_add(bytes);
        self.events += 1;
        if self.group.bytes <= limit {
            return Ok(());
        }
        Err(GroupError::TooLarge {
            group: self.name(),
            bytes: self.group.bytes,
            limit,
        })
    }

    /// Bytes of what has not been handed out in a part.
    pub(super) fn bytes(&self) -> usize {
        self.group.bytes
    }

    pub(super) fn into_group(mut self, end: Coordinates, end_kind: GroupEnd) -> Box<EventGroup> {
        self.group.end = end;
        self.group.end_kind = end_kind;
        self.group
    }

    /// Whether it may be handed out in parts of this size, and holds enough for one.
    pub(super) fn is_part_due(&self, part_bytes_max: usize) -> bool {
        !self.is_xa && self.held_bytes() > part_bytes_max
    }

    /// About how much memory is held of the group.
    fn held_bytes(&self) -> usize {
        self.bytes()
            .saturating_add(self.events.saturating_mul(EVENT_OVERHEAD))
    }

    /// Takes out all that can be applied without what follows. A rows statement is cut: its table maps stay, because the rest
    /// needs them too.
    pub(super) fn take_part(&mut self, end: Coordinates) -> Box<EventGroup> {
        self.cut_rows();
        self.cut_files();
        self.events = 0;
        let rest = EventGroup {
            gtid: self.group.gtid.clone(),
            start: self.group.start.clone(),
            end: end.clone(),
            items: SmallVec::new(),
            end_kind: GroupEnd::Open,
            bytes: 0,
            part: self.group.part + 1,
            ..*self.group
        };
        let mut part = std::mem::replace(&mut self.group, Box::new(rest));
        part.end = end;
        part
    }

    fn cut_rows(&mut self) {
        let Some(open) = self.rows.take_if(|rows| !rows.events.is_empty()) else {
            return;
        };
        let maps = open.maps.clone();
        self.rows = Some(open);
        self.close_rows();
        self.rows = Some(RowsItem {
            maps,
            events: SmallVec::new(),
            annotate: None,
        });
    }

    fn cut_files(&mut self) {
        for file in self.files.iter_mut().filter(|file| !file.blocks.is_empty()) {
            self.group.items.push(GroupItem::LoadFile(LoadFileItem {
                server_id: file.server_id,
                file_id: file.file_id,
                is_first: !std::mem::replace(&mut file.is_begun, true),
                blocks: std::mem::take(&mut file.blocks),
            }));
        }
    }

    /// Adds an event other than Gtid.
    pub(super) fn push(&mut self, header: Header, body: EventBody) -> Result<Pushed, GroupError> {
        match body {
            EventBody::Intvar(Intvar::InsertId(value)) => self.prefix.insert_id = Some(value),
            EventBody::Intvar(Intvar::LastInsertId(value)) => self.prefix.last_insert_id = Some(value),
            EventBody::Rand(rand) => self.prefix.rand = Some((rand.seed1, rand.seed2)),
            EventBody::UserVar(variable) => self.prefix.user_vars.push(variable),
            EventBody::Annotate(text) => self.annotate = Some(text),
            EventBody::TableMap(map) => self.push_map(header, map)?,
            EventBody::Rows(rows) => return self.push_rows(header, rows),
            EventBody::Query(query) => return Ok(self.push_query(header, query)),
            EventBody::BeginLoadQuery(block) => self.begin_file(&header, block),
            EventBody::AppendBlock(block) => {
                let index = self.find_file(&header, block.file_id)?;
                self.files[index].blocks.push(block.data);
            }
            EventBody::DeleteFile(file_id) => {
                let index = self.find_file(&header, file_id)?;
                self.files.swap_remove(index);
            }
            EventBody::ExecuteLoadQuery(load) => return self.push_load(header, *load),
            EventBody::Xid(_) => return Ok(self.end(GroupEnd::Xid)),
            EventBody::XaPrepare(prepare) => return Ok(self.end(GroupEnd::XaPrepare(prepare))),
            // The assembler keeps all others.
            _ => {}
        }
        Ok(Pushed::Open)
    }

    fn push_query(&mut self, header: Header, query: Box<QueryEvent>) -> Pushed {
        if !self.is_standalone {
            match frame_word(&query.query) {
                Some(FrameWord::Commit) => return self.end(GroupEnd::Commit),
                Some(FrameWord::Rollback) => return self.end(GroupEnd::Rollback),
                Some(FrameWord::XaStart) => {
                    self.is_xa = true;
                    return Pushed::Open;
                }
                Some(FrameWord::Begin | FrameWord::XaEnd) => return Pushed::Open,
                None => {}
            }
        }
        self.close_rows();
        self.annotate = None;
        let Prefix {
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        } = std::mem::take(&mut self.prefix);
        self.group.items.push(GroupItem::Statement(StatementItem {
            header,
            query,
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        }));
        self.statement_ended()
    }

    fn push_map(&mut self, header: Header, map: Arc<TableMap>) -> Result<(), GroupError> {
        let annotate = self.annotate.take();
        let rows = self.rows.get_or_insert_with(|| RowsItem {
            maps: SmallVec::new(),
            events: SmallVec::new(),
            annotate,
        });
        match rows.map(map.table_id) {
            None => rows.maps.push((header, map)),
            Some(known) if Arc::ptr_eq(known, &map) || known.body == map.body => {}
            Some(known) => {
                return Err(GroupError::TableMapConflict {
                    group: self.group.name(),
                    table_id: map.table_id,
                    first: known.full_name(),
                    second: map.full_name(),
                });
            }
        }
        Ok(())
    }

    fn push_rows(&mut self, header: Header, rows: Box<RowsEvent>) -> Result<Pushed, GroupError> {
        let is_end = rows.is_statement_end();
        if rows.table_id != TableMap::DUMMY_TABLE_ID {
            let table_id = rows.table_id;
            match &mut self.rows {
                Some(open) if open.map(table_id).is_some() => open.events.push((header, rows)),
                _ => {
                    return Err(GroupError::MissingTableMap {
                        group: self.name(),
                        table_id,
                    });
                }
            }
        }
        if !is_end {
            return Ok(Pushed::Open);
        }
        self.close_rows();
        Ok(self.statement_ended())
    }

    /// Ends the rows statement, if there is one: explicitly, or because something else follows, as a commit does on a
    /// native replica.
    fn close_rows(&mut self) {
        let Some(mut rows) = self.rows.take() else { return };
        if let Some((_, last)) = rows.events.last_mut() {
            last.flags |= RowsEvent::FLAG_STATEMENT_END;
            self.group.items.push(GroupItem::Rows(rows));
        }
    }

    fn begin_file(&mut self, header: &Header, block: LoadBlock) {
        let LoadBlock { file_id, data } = block;
        let server_id = header.server_id;
        self.files
            .retain(|file| (file.server_id, file.file_id) != (server_id, file_id));
        self.files.push(LoadFile {
            server_id,
            file_id,
            blocks: vec![data],
            is_begun: false,
        });
    }

    fn find_file(&self, header: &Header, file_id: u32) -> Result<usize, GroupError> {
        self.files
            .iter()
            .position(|file| (file.server_id, file.file_id) == (header.server_id, file_id))
            .ok_or_else(|| GroupError::MissingLoadFile {
                group: self.name(),
                file_id,
            })
    }

    fn push_load(&mut self, header: Header, load: ExecuteLoadQuery) -> Result<Pushed, GroupError> {
        let index = self.find_file(&header, load.file_id)?;
        let file = self.files.swap_remove(index);
        self.close_rows();
        let Prefix {
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        } = std::mem::take(&mut self.prefix);
        self.group.items.push(GroupItem::LoadData(Box::new(LoadDataItem {
            header,
            file_id: load.file_id,
            blocks: file.blocks,
            query: load.query,
            fn_start: load.file_clause.start,
            fn_end: load.file_clause.end,
            duplicates: load.duplicates,
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        })));
        Ok(self.statement_ended())
    }

    fn statement_ended(&mut self) -> Pushed {
        if self.is_standalone {
            Pushed::Ended(GroupEnd::Standalone)
        } else {
            Pushed::Open
        }
    }

    fn end(&mut self, end_kind: GroupEnd) -> Pushed {
        self.close_rows();
        Pushed::Ended(end_kind)
    }
}
