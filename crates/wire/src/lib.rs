//! MariaDB client/server protocol: packets, handshake, authentication, commands and result sets, without I/O.
