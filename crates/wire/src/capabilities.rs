//! Capability bits of the handshake. MariaDB protocol documentation, "Connecting", section "Capabilities".
//!
//! The low 32 bits are shared with MySQL; MariaDB's own start at bit 32 and travel in the reserved bytes of the
//! greeting and the handshake response, if bit 0 ([`MYSQL`]) is clear on both sides.

/// The other end is MySQL, or speaks as one: there are no bits above 31.
pub const MYSQL: u64 = 1;
/// UPDATE reports the rows it found instead of those it changed.
pub const FOUND_ROWS: u64 = 1 << 1;
/// All flag bytes of a column are sent.
pub const LONG_FLAG: u64 = 1 << 2;
/// The handshake response names a database.
pub const CONNECT_WITH_DB: u64 = 1 << 3;
/// After the login everything travels in zlib frames.
pub const COMPRESS: u64 = 1 << 5;
/// The server may ask for a file's bytes (LOAD DATA LOCAL INFILE).
pub const LOCAL_FILES: u64 = 1 << 7;
/// The protocol of 4.1 and later.
pub const PROTOCOL_41: u64 = 1 << 9;
/// TLS starts after the greeting.
pub const SSL: u64 = 1 << 11;
/// OK packets carry the status flags.
pub const TRANSACTIONS: u64 = 1 << 13;
/// Authentication with a nonce.
pub const SECURE_CONNECTION: u64 = 1 << 15;
/// One COM_QUERY may hold several statements.
pub const MULTI_STATEMENTS: u64 = 1 << 16;
/// One COM_QUERY may have several results.
pub const MULTI_RESULTS: u64 = 1 << 17;
/// A prepared statement may have several results.
pub const PS_MULTI_RESULTS: u64 = 1 << 18;
/// Authentication is done by named plugins.
pub const PLUGIN_AUTH: u64 = 1 << 19;
/// The handshake response carries connection attributes.
pub const CONNECT_ATTRS: u64 = 1 << 20;
/// The first authentication answer has a length-encoded length.
pub const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
/// OK packets report session changes.
pub const SESSION_TRACK: u64 = 1 << 23;
/// Result sets end with an OK packet instead of an EOF packet, and no EOF packet follows the columns.
pub const DEPRECATE_EOF: u64 = 1 << 24;
/// Progress reports, as ERR packets with code 0xFFFF.
pub const MARIADB_PROGRESS: u64 = 1 << 32;
/// COM_STMT_BULK_EXECUTE.
pub const MARIADB_STMT_BULK_OPERATIONS: u64 = 1 << 34;
/// Column definitions carry extended type information.
pub const MARIADB_EXTENDED_METADATA: u64 = 1 << 35;
/// Column definitions of a prepared statement are not repeated.
pub const MARIADB_CACHE_METADATA: u64 = 1 << 36;
