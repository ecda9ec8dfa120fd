//! SQL statement text: byte-exact token scanner, parser for names, database renamer, recogniser of row statements.
//!
//! [`parse`] turns the bytes of one statement from a MariaDB binlog into a [`Statement`]: its kind, the tables it reads,
//! writes and defines, and every place where it names a database. [`rename`] splices other database names in at
//! exactly those places and copies all other bytes. [`keep_tables`] takes tables out of lists, and [`recognise`] says
//! which keys a row statement of simple shape writes.
//!
//! Works on bytes in any client character set and follows `sql_mode`. What cannot be renamed with proof is an error
//! that names the token; nothing is guessed. Values, types and the meaning of expressions are left to the server.

mod collate;
mod columns;
mod dialect;
mod engine;
mod error;
mod event;
mod functions;
mod invoker;
mod keep;
mod keyword;
mod name;
mod outline;
mod outside;
mod parse;
mod recognise;
mod rename;
mod scanner;
mod statement;
mod string;
mod token;
mod word_table;

pub use collate::{CollationRules, collate};
pub use columns::{ColumnChange, ColumnPlace, apply_column_changes};
pub use dialect::{ClientCharset, Dialect};
pub use engine::rewrite_engine;
pub use error::{RenameError, SqlError};
pub use event::disable_event;
pub use invoker::name_invoker;
pub use keep::keep_tables;
pub use name::Name;
pub use outline::{Outline, OutlineLiteral};
pub use outside::reaches_server;
pub use parse::{
    LoadParts, LoggedCall, column_changes, created_columns, is_file_clause, load_parts, logged_call, parse,
    recognise, recognise_literals, renames_table, with_columns,
};
pub use recognise::{Literal, LiteralValue, Literals, RowStatement, Value};
pub use rename::rename;
pub use scanner::Scanner;
pub use statement::{
    Access, DatabaseRef, EngineRef, Place, Qualifier, RoutineRef, Statement, StatementKind, TableRef,
    Uncertain, XaKind,
};
pub use token::{Token, TokenKind};
