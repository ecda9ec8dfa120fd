//! Tributary: a MariaDB binlog-protocol replica engine for fan-in.
