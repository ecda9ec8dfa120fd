//! Which event group may start, which may commit, and how far a connection has come.
