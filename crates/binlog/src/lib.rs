//! MariaDB binary log: event bytes to typed events, GTIDs, coordinates and event groups.
