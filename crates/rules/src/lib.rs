//! Replication filters and database rename, written in source names.
