//! SQL statement text: byte-exact token scanner, database renamer, footprints.
