//! MariaDB option files: groups, prefixes, repeated and bare keys, includes.
