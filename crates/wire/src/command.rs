//! Command bytes: the first byte of what a client sends. MariaDB protocol documentation, "Commands".

/// Ends the connection; there is no answer.
pub const QUIT: u8 = 0x01;
/// Runs one or several statements given as text.
pub const QUERY: u8 = 0x03;
/// Asks whether the server is alive.
pub const PING: u8 = 0x0E;
/// Asks for the binlog from a position.
pub const BINLOG_DUMP: u8 = 0x12;
/// Makes the replica visible on the source.
pub const REGISTER_SLAVE: u8 = 0x15;
/// Prepares a statement.
pub const STMT_PREPARE: u8 = 0x16;
/// Frees a prepared statement; there is no answer.
pub const STMT_CLOSE: u8 = 0x19;
/// Brings the session back to its state after login.
pub const RESET_CONNECTION: u8 = 0x1F;
/// Runs a prepared statement once per row of parameters.
pub const STMT_BULK_EXECUTE: u8 = 0xFA;
