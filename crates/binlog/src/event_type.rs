//! The event types, by the names the server has for them.

use std::fmt;

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
    /// A group begins, with a tag in its GTID. Of MySQL only.
    MYSQL_GTID_TAGGED = 42, "Gtid_tagged (MySQL)";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_servers_names() {
        assert_eq!(EventType(165).name(), "Query_compressed");
        assert_eq!(EventType(200).name(), "Unknown");
        assert_eq!(EventType(200).to_string(), "Unknown event (type 200)");
    }
}
