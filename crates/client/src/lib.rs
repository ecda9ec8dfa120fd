//! One connection to a MariaDB server: login, TLS, compression, pipelined queries, bulk execute, binlog dump.
