//! What a server says about itself.

use tributary_wire::handshake::Greeting;

/// What a server said in its greeting, and what was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The version as the server writes it, without the `5.5.5-` that MariaDB puts before it: `10.11.19-MariaDB-log`.
    pub version_text: String,
    /// Major, minor and patch number.
    pub version: (u16, u16, u16),
    /// Whether it is MariaDB, not MySQL.
    pub is_mariadb: bool,
    /// The server's number for this connection, for `KILL` and `SHOW PROCESSLIST`.
    pub connection_id: u32,
    /// Whether the connection is compressed.
    pub is_compressed: bool,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// The capabilities both sides have, `tributary_wire::capabilities`.
    pub capabilities: u64,
}

impl ServerInfo {
    pub(crate) fn new(greeting: &Greeting, capabilities: u64, is_encrypted: bool) -> ServerInfo {
        let has = |bit| capabilities & bit != 0;
        ServerInfo {
            version_text: greeting.version_text.clone(),
            version: greeting.version(),
            is_mariadb: greeting.is_mariadb(),
            connection_id: greeting.connection_id,
            is_compressed: has(tributary_wire::capabilities::COMPRESS),
            is_encrypted,
            capabilities,
        }
    }

    /// Whether the server has this capability, and we asked for it.
    pub fn has(&self, capability: u64) -> bool {
        self.capabilities & capability != 0
    }
}
