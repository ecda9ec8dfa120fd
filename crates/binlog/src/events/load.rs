//! LOAD DATA in statement format: Begin_load_query (17), Append_block (9), Execute_load_query (18), Delete_file (11).

use std::ops::Range;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::events::query::{self, QueryEvent};
use crate::group::DuplicateHandling;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// A block of the file of a LOAD DATA: the first (Begin_load_query) or a further one (Append_block).
///
/// # Wire form
/// File id `u32`; data to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBlock {
    /// Unique per originating server.
    pub file_id: u32,
    /// A part of the file.
    pub data: Bytes,
}

impl LoadBlock {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<LoadBlock, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        Ok(LoadBlock {
            file_id: reader.u32("file id")?,
            data: reader.rest(),
        })
    }
}

/// Reads the body of Delete_file: the id of the file that is not wanted any more.
pub(crate) fn decode_delete_file(header: &Header, body: &Bytes) -> Result<u32, DecodeError> {
    Reader::new(body, header.kind, HEADER_BYTES).u32("file id")
}

/// The LOAD DATA statement for the blocks before it.
///
/// # Wire form
/// As Query, with four fields behind the fixed part: file id `u32`, start and end of the file clause `u32`, duplicate
/// handling `u8`. MariaDB server, `sql/log_event.cc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteLoadQuery {
    /// Which blocks.
    pub file_id: u32,
    /// The bytes of the statement that hold ` [LOCAL] INFILE '<name>' [IGNORE |REPLACE ]INTO`, from the blank on.
    pub file_clause: Range<usize>,
    /// What to do with rows that are there already.
    pub duplicates: DuplicateHandling,
    /// The statement and its context.
    pub query: Box<QueryEvent>,
}

impl ExecuteLoadQuery {
    pub(crate) fn decode(
        header: &Header,
        body: &Bytes,
        post_header: usize,
    ) -> Result<ExecuteLoadQuery, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let mut file_id = 0;
        let mut file_clause = 0..0;
        let mut duplicates = DuplicateHandling::Error;
        let clause_offset = HEADER_BYTES + query::POST_HEADER_BYTES + 4;
        let mut query = query::decode_up_to_text(&mut reader, post_header, |reader| {
            file_id = reader.u32("file id")?;
            file_clause = reader.u32("start of the file clause")? as usize
                ..reader.u32("end of the file clause")? as usize;
            let offset = reader.offset();
            duplicates = match reader.u8("duplicate handling")? {
                0 => DuplicateHandling::Error,
                1 => DuplicateHandling::Ignore,
                2 => DuplicateHandling::Replace,
                code => {
                    return Err(reader.invalid(
                        "duplicate handling",
                        offset,
                        format!("{code} is not 0 to 2"),
                    ));
                }
            };
            Ok(())
        })?;
        query.query = reader.rest();
        if file_clause.start > file_clause.end || file_clause.end > query.query.len() {
            let why = format!(
                "{file_clause:?} is no part of a statement of {} bytes",
                query.query.len()
            );
            return Err(reader.invalid("file clause", clause_offset, why));
        }
        Ok(ExecuteLoadQuery {
            file_id,
            file_clause,
            duplicates,
            query,
        })
    }
}
