//! The 19 bytes every event begins with, and the event types they name.

use std::fmt;

use bytes::Bytes;

use crate::error::DecodeError;

/// The header's size in bytes. It is the same in every server this engine reads from.
pub const HEADER_BYTES: usize = 19;

/// An event's type code.
///
/// A newtype rather than an enum: a newer source may send codes this version has no name for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(pub u8);

macro_rules! event_types {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal;)*) => {
        impl EventType {
            $($(#[$doc])* pub const $constant: EventType = EventType($code);)*

            /// The name the server prints in `SHOW BINLOG EVENTS`, or `Unknown`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $name,)*
                    _ => "Unknown",
                }
            }
        }
    };
}

event_types! {
    /// Statements of very old servers.
    START_V3 = 1, "Start_v3";
    /// A statement.
    QUERY = 2, "Query";
    /// The source shut down.
    STOP = 3, "Stop";
    /// The binlog goes on in another file.
    ROTATE = 4, "Rotate";
    /// `LAST_INSERT_ID` or `INSERT_ID` of the next statement.
    INTVAR = 5, "Intvar";
    /// `LOAD DATA` before 5.0.3.
    LOAD = 6, "Load";
    /// Never used.
    SLAVE = 7, "Slave";
    /// `LOAD DATA` before 5.0.3.
    CREATE_FILE = 8, "Create_file";
    /// A further block of a `LOAD DATA` file.
    APPEND_BLOCK = 9, "Append_block";
    /// `LOAD DATA` before 5.0.3.
    EXEC_LOAD = 10, "Exec_load";
    /// The file of a `LOAD DATA` that failed is not wanted any more.
    DELETE_FILE = 11, "Delete_file";
    /// `LOAD DATA` before 5.0.3.
    NEW_LOAD = 12, "New_load";
    /// The seeds of `RAND()` in the next statement.
    RAND = 13, "RAND";
    /// A user variable the next statement reads.
    USER_VAR = 14, "User var";
    /// What the events after it look like; the first of every file.
    FORMAT_DESCRIPTION = 15, "Format_desc";
    /// The commit of a transactional group.
    XID = 16, "Xid";
    /// The first block of a `LOAD DATA` file.
    BEGIN_LOAD_QUERY = 17, "Begin_load_query";
    /// The `LOAD DATA` statement for the blocks before it.
    EXECUTE_LOAD_QUERY = 18, "Execute_load_query";
    /// Which table the row events with its id are about.
    TABLE_MAP = 19, "Table_map";
    /// Rows of a development version.
    PRE_GA_WRITE_ROWS = 20, "Write_rows_event_old";
    /// Rows of a development version.
    PRE_GA_UPDATE_ROWS = 21, "Update_rows_event_old";
    /// Rows of a development version.
    PRE_GA_DELETE_ROWS = 22, "Delete_rows_event_old";
    /// Inserted rows.
    WRITE_ROWS_V1 = 23, "Write_rows_v1";
    /// Updated rows.
    UPDATE_ROWS_V1 = 24, "Update_rows_v1";
    /// Deleted rows.
    DELETE_ROWS_V1 = 25, "Delete_rows_v1";
    /// The source lost events.
    INCIDENT = 26, "Incident";
    /// A sign of life on an idle stream.
    HEARTBEAT = 27, "Heartbeat";
    /// MySQL: may be passed over.
    IGNORABLE = 28, "Ignorable";
    /// MySQL: the statement the next row events come from.
    ROWS_QUERY = 29, "Rows_query";
    /// Inserted rows, with extra data.
    WRITE_ROWS_V2 = 30, "Write_rows";
    /// Updated rows, with extra data.
    UPDATE_ROWS_V2 = 31, "Update_rows";
    /// Deleted rows, with extra data.
    DELETE_ROWS_V2 = 32, "Delete_rows";
    /// MySQL's GTID.
    MYSQL_GTID = 33, "Gtid_log (MySQL)";
    /// MySQL: a group without GTID.
    MYSQL_ANONYMOUS_GTID = 34, "Anonymous_Gtid (MySQL)";
    /// MySQL: the GTIDs before this file.
    MYSQL_PREVIOUS_GTIDS = 35, "Previous_gtids (MySQL)";
    /// MySQL group replication.
    MYSQL_TRANSACTION_CONTEXT = 36, "Transaction_context (MySQL)";
    /// MySQL group replication.
    MYSQL_VIEW_CHANGE = 37, "View_change (MySQL)";
    /// The end of a group that is prepared, not committed.
    XA_PREPARE = 38, "XA_prepare";
    /// MySQL: rows with partial JSON.
    MYSQL_PARTIAL_UPDATE_ROWS = 39, "Update_rows_partial (MySQL)";
    /// MySQL: a compressed transaction.
    MYSQL_TRANSACTION_PAYLOAD = 40, "Transaction_payload (MySQL)";
    /// MySQL: a heartbeat with 64-bit offsets.
    MYSQL_HEARTBEAT_V2 = 41, "Heartbeat_v2 (MySQL)";
    /// The statement the next row events come from.
    ANNOTATE_ROWS = 160, "Annotate_rows";
    /// Up to which file all transactions are safe in the engines.
    BINLOG_CHECKPOINT = 161, "Binlog_checkpoint";
    /// The beginning of a group.
    GTID = 162, "Gtid";
    /// The GTIDs before this file.
    GTID_LIST = 163, "Gtid_list";
    /// All after it is encrypted.
    START_ENCRYPTION = 164, "Start_encryption";
    /// A statement, compressed.
    QUERY_COMPRESSED = 165, "Query_compressed";
    /// Inserted rows, compressed.
    WRITE_ROWS_COMPRESSED_V1 = 166, "Write_rows_compressed_v1";
    /// Updated rows, compressed.
    UPDATE_ROWS_COMPRESSED_V1 = 167, "Update_rows_compressed_v1";
    /// Deleted rows, compressed.
    DELETE_ROWS_COMPRESSED_V1 = 168, "Delete_rows_compressed_v1";
    /// Inserted rows, compressed, with extra data.
    WRITE_ROWS_COMPRESSED_V2 = 169, "Write_rows_compressed";
    /// Updated rows, compressed, with extra data.
    UPDATE_ROWS_COMPRESSED_V2 = 170, "Update_rows_compressed";
    /// Deleted rows, compressed, with extra data.
    DELETE_ROWS_COMPRESSED_V2 = 171, "Delete_rows_compressed";
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} event (type {})", self.name(), self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// The header of an event.
///
/// # Wire form
/// Little-endian: timestamp `u32`, type `u8`, server id `u32`, length `u32`, end offset `u32`, flags `u16`.
/// MariaDB protocol documentation, page "2-Binlog Event Header".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Seconds since the epoch when the statement began; 0 in artificial events and heartbeats.
    pub timestamp: u32,
    /// What the body holds.
    pub kind: EventType,
    /// The server the change was first made on.
    pub server_id: u32,
    /// Bytes of the whole event: header, body and checksum.
    pub length: u32,
    /// Offset of the byte after the event in the source's file, modulo 4 GiB. 0 means: not told.
    pub end_offset: u32,
    /// See the `FLAG_*` constants.
    pub flags: u16,
}

impl Header {
    /// In a Format_description only: the file was not closed (yet).
    pub const FLAG_IN_USE: u16 = 0x0001;
    /// The statement uses temporary tables, so the thread id matters.
    pub const FLAG_THREAD_SPECIFIC: u16 = 0x0004;
    /// The statement needs no default database.
    pub const FLAG_SUPPRESS_USE: u16 = 0x0008;
    /// Made up by the source's dump thread: not in the file, no part of any position.
    pub const FLAG_ARTIFICIAL: u16 = 0x0020;
    /// Written into a relay log by a replica.
    pub const FLAG_RELAY_LOG: u16 = 0x0040;
    /// May be passed over by a reader that does not know the type.
    pub const FLAG_IGNORABLE: u16 = 0x0080;
    /// The session had `skip_replication` set.
    pub const FLAG_SKIP_REPLICATION: u16 = 0x8000;

    /// Reads the header at the start of `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer than 19 bytes.
    pub fn decode(raw: &[u8]) -> Result<Header, DecodeError> {
        let Some(h) = raw.first_chunk::<HEADER_BYTES>() else {
            return Err(DecodeError::Truncated {
                event: EventType(raw.get(4).copied().unwrap_or(0)),
                field: "event header",
                offset: 0,
                needed: HEADER_BYTES,
                left: raw.len(),
            });
        };
        Ok(Header {
            timestamp: u32::from_le_bytes([h[0], h[1], h[2], h[3]]),
            kind: EventType(h[4]),
            server_id: u32::from_le_bytes([h[5], h[6], h[7], h[8]]),
            length: u32::from_le_bytes([h[9], h[10], h[11], h[12]]),
            end_offset: u32::from_le_bytes([h[13], h[14], h[15], h[16]]),
            flags: u16::from_le_bytes([h[17], h[18]]),
        })
    }

    /// Appends the header in its wire form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        out.push(self.kind.0);
        out.extend_from_slice(&self.server_id.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.end_offset.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
    }

    /// Whether the dump thread made the event up.
    #[must_use]
    pub fn is_artificial(&self) -> bool {
        self.flags & Header::FLAG_ARTIFICIAL != 0
    }

    /// Whether the statement uses temporary tables.
    #[must_use]
    pub fn is_thread_specific(&self) -> bool {
        self.flags & Header::FLAG_THREAD_SPECIFIC != 0
    }

    /// Whether the statement needs no default database.
    #[must_use]
    pub fn suppresses_use(&self) -> bool {
        self.flags & Header::FLAG_SUPPRESS_USE != 0
    }

    /// Whether a reader that does not know the type may pass over the event.
    #[must_use]
    pub fn is_ignorable(&self) -> bool {
        self.flags & Header::FLAG_IGNORABLE != 0
    }

    /// Whether the session on the source had `skip_replication` set.
    #[must_use]
    pub fn skips_replication(&self) -> bool {
        self.flags & Header::FLAG_SKIP_REPLICATION != 0
    }
}

/// Reads the header and checks that the input is exactly the one event it announces.
pub(crate) fn decode_whole(raw: &Bytes) -> Result<Header, DecodeError> {
    let header = Header::decode(raw)?;
    if usize::try_from(header.length) == Ok(raw.len()) {
        Ok(header)
    } else {
        let stated = usize::try_from(header.length).unwrap_or(usize::MAX);
        Err(DecodeError::Length {
            event: header.kind,
            stated,
            actual: raw.len(),
        })
    }
}

/// Writes the final length of the event that begins at `start` into its header.
pub(crate) fn patch_length(out: &mut [u8], start: usize) {
    let length =
        u32::try_from(out.len() - start).expect("an event we encode came from one whose length fits u32");
    out[start + 9..start + 13].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: [u8; 19] = [
        0x78, 0x56, 0x34, 0x12, 2, 0xca, 0, 0, 0, 19, 0, 0, 0, 0x00, 0x01, 0, 0, 0x28, 0x80,
    ];

    #[test]
    fn header_reads_and_writes_back() {
        let header = Header::decode(&RAW).unwrap();
        assert_eq!(header.timestamp, 0x1234_5678);
        assert_eq!(header.kind, EventType::QUERY);
        assert_eq!(header.server_id, 202);
        assert_eq!(header.end_offset, 256);
        assert!(header.is_artificial() && header.suppresses_use() && header.skips_replication());
        assert!(!header.is_thread_specific() && !header.is_ignorable());
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!(out, RAW);
    }

    #[test]
    fn a_length_other_than_the_input_is_an_error() {
        assert!(decode_whole(&Bytes::from_static(&RAW)).is_ok());
        let mut longer = RAW.to_vec();
        longer.push(0);
        let error = decode_whole(&Bytes::from(longer)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "decode Query event (type 2): the header says 19 bytes, 20 came"
        );
        assert!(matches!(
            Header::decode(&RAW[..18]),
            Err(DecodeError::Truncated { left: 18, .. })
        ));
    }

    #[test]
    fn types_have_the_servers_names() {
        assert_eq!(EventType(165).name(), "Query_compressed");
        assert_eq!(EventType(200).name(), "Unknown");
        assert_eq!(EventType(200).to_string(), "Unknown event (type 200)");
    }
}
