//! Header and body to an event: one match on the type; each type has its own file in `events/`.

use std::sync::Arc;

use bytes::Bytes;

use crate::compress::Expander;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::*;
use crate::header::Header;
use crate::mysql::{PartialRows, TransactionPayload};
use crate::table_map_cache::TableMapCache;

/// One unit of the binlog.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Type, origin, end.
    pub header: Header,
    /// What it says.
    pub body: EventBody,
    /// Bytes of the event as it came: header, body and checksum.
    pub raw_len: usize,
    /// As `raw_len`, with compressed parts expanded: about what holding the event costs.
    pub plain_len: usize,
}

/// What an event says.
///
/// Statements and rows are boxed: events are moved several times on their way, which for their size costs more than an allocation.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// What all events after it look like.
    FormatDescription(Arc<FormatDescription>),
    /// The binlog goes on in another file.
    Rotate(Rotate),
    /// A statement.
    Query(Box<QueryEvent>),
    /// Which table the row events with its id are about. Equal maps of one table share one allocation.
    TableMap(Arc<TableMap>),
    /// Changed rows.
    Rows(Box<RowsEvent>),
    /// Updated rows with changes of JSON documents in place of the documents, from MySQL.
    PartialRows(Box<PartialRows>),
    /// A whole transaction, compressed, from MySQL.
    TransactionPayload(TransactionPayload),
    /// A group begins.
    Gtid(GtidEvent),
    /// The GTIDs before this place.
    GtidList(GtidList),
    /// An integer the next statement reads.
    Intvar(Intvar),
    /// The seeds of `RAND()` in the next statement.
    Rand(Rand),
    /// A user variable the next statement reads.
    UserVar(UserVar),
    /// The commit of a transactional group, with the number under which the source's engines know it.
    Xid(u64),
    /// The end of a group that is prepared, not committed.
    XaPrepare(Box<XaPrepare>),
    /// The first block of the file of a LOAD DATA.
    BeginLoadQuery(LoadBlock),
    /// A further block of the file of a LOAD DATA.
    AppendBlock(LoadBlock),
    /// The file with this id is not wanted any more.
    DeleteFile(u32),
    /// The LOAD DATA for the blocks before it.
    ExecuteLoadQuery(Box<ExecuteLoadQuery>),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// The statement the next row events come from: for people.
    Annotate(Bytes),
    /// The oldest file that the source's crash recovery needs.
    BinlogCheckpoint(Bytes),
    /// The source lost events.
    Incident(Incident),
    /// The source shut down.
    Stop,
    /// The file is encrypted from here on.
    StartEncryption(StartEncryption),
    /// Known to be irrelevant, or flagged as such by the source.
    Ignorable(Ignored),
}

/// What decoding a body needs to know from the events before it.
pub(crate) struct Context<'a> {
    pub(crate) format: Option<&'a FormatDescription>,
    pub(crate) expander: &'a mut Expander,
    pub(crate) tables: &'a mut TableMapCache,
}

impl Context<'_> {
    /// The fixed part of a body of type `kind`: the source says so; the default serves the events before it did.
    fn post_header(&self, kind: EventType, default: usize) -> usize {
        self.format
            .and_then(|format| format.post_header_length(kind))
            .filter(|&length| length > 0)
            .unwrap_or(default)
    }
}

impl EventBody {
    /// Reads a body, which excludes header and checksum.
    pub(crate) fn decode(
        header: &Header,
        body: &Bytes,
        context: &mut Context<'_>,
    ) -> Result<EventBody, DecodeError> {
        let kind = header.kind;
        if let Some(rows) = RowsEvent::kind(kind) {
            let post_header = context.post_header(kind, 8);
            let rows = RowsEvent::decode(header, body, post_header, rows, context.expander)?;
            return Ok(EventBody::Rows(Box::new(rows)));
        }
        Ok(match kind {
            EventType::MYSQL_PARTIAL_UPDATE_ROWS => {
                // Laid out as MySQL's other row events up to the rows.
                const POST_HEADER_BYTES: usize = 10;
                let post_header = context.post_header(kind, POST_HEADER_BYTES);
                let layout = (RowsOp::Update, RowsVersion::V2, false);
                let rows = RowsEvent::decode(header, body, post_header, layout, context.expander)?;
                EventBody::PartialRows(Box::new(PartialRows { rows }))
            }
            EventType::MYSQL_TRANSACTION_PAYLOAD => {
                EventBody::TransactionPayload(TransactionPayload::decode(header, body)?)
            }
            EventType::QUERY | EventType::QUERY_COMPRESSED => {
                let post_header = context.post_header(kind, 13);
                EventBody::Query(QueryEvent::decode(header, body, post_header, context.expander)?)
            }
            EventType::FORMAT_DESCRIPTION => {
                EventBody::FormatDescription(Arc::new(FormatDescription::decode(header, body)?))
            }
            EventType::TABLE_MAP => {
                let post_header = context.post_header(kind, 8);
                EventBody::TableMap(context.tables.decode(header, body, post_header)?)
            }
            EventType::ROTATE => EventBody::Rotate(Rotate::decode(header, body)?),
            EventType::GTID => EventBody::Gtid(GtidEvent::decode(header, body)?),
            EventType::GTID_LIST => EventBody::GtidList(GtidList::decode(header, body)?),
            EventType::INTVAR => EventBody::Intvar(Intvar::decode(header, body)?),
            EventType::RAND => EventBody::Rand(Rand::decode(header, body)?),
            EventType::USER_VAR => EventBody::UserVar(UserVar::decode(header, body)?),
            EventType::XID => EventBody::Xid(small::decode_xid(header, body)?),
            EventType::XA_PREPARE => EventBody::XaPrepare(Box::new(XaPrepare::decode(header, body)?)),
            EventType::BEGIN_LOAD_QUERY => EventBody::BeginLoadQuery(LoadBlock::decode(header, body)?),
            EventType::APPEND_BLOCK => EventBody::AppendBlock(LoadBlock::decode(header, body)?),
            EventType::DELETE_FILE => EventBody::DeleteFile(load::decode_delete_file(header, body)?),
            EventType::EXECUTE_LOAD_QUERY => {
                let post_header = context.post_header(kind, 26);
                EventBody::ExecuteLoadQuery(Box::new(ExecuteLoadQuery::decode(header, body, post_header)?))
            }
            EventType::HEARTBEAT => EventBody::Heartbeat(Heartbeat::decode(header, body)?),
            EventType::ANNOTATE_ROWS => EventBody::Annotate(body.clone()),
            EventType::BINLOG_CHECKPOINT => {
                EventBody::BinlogCheckpoint(small::decode_checkpoint(header, body)?)
            }
            EventType::INCIDENT => EventBody::Incident(Incident::decode(header, body)?),
            EventType::STOP => EventBody::Stop,
            EventType::START_ENCRYPTION => EventBody::StartEncryption(StartEncryption::decode(header, body)?),
            _ => EventBody::Ignorable(ignore(header, body)?),
        })
    }
}

/// Events without meaning for a MariaDB replica pass; those that carry changes the engine does not know are refused.
fn ignore(header: &Header, body: &Bytes) -> Result<Ignored, DecodeError> {
    let kind = header.kind;
    let refuse = |why| {
        Err(DecodeError::Refused {
            event: kind,
            name: kind.name(),
            why,
        })
    };
    match kind {
        EventType::START_V3
        | EventType::SLAVE
        | EventType::LOAD
        | EventType::CREATE_FILE
        | EventType::EXEC_LOAD
        | EventType::NEW_LOAD => {
            refuse("written by servers before 5.0.3 only; dump and load the source instead")
        }
        EventType::PRE_GA_WRITE_ROWS | EventType::PRE_GA_UPDATE_ROWS | EventType::PRE_GA_DELETE_ROWS => {
            refuse("written by development versions of 5.1 only; dump and load the source instead")
        }
        EventType::IGNORABLE
        | EventType::ROWS_QUERY
        | EventType::MYSQL_GTID
        | EventType::MYSQL_ANONYMOUS_GTID
        | EventType::MYSQL_PREVIOUS_GTIDS
        | EventType::MYSQL_TRANSACTION_CONTEXT
        | EventType::MYSQL_VIEW_CHANGE
        | EventType::MYSQL_HEARTBEAT_V2
        | EventType::MYSQL_GTID_TAGGED => Ok(Ignored {
            name: kind.name(),
            body: body.clone(),
        }),
        _ if header.is_ignorable() => Ok(Ignored {
            name: kind.name(),
            body: body.clone(),
        }),
        _ => Err(DecodeError::UnknownType { event: kind }),
    }
}
