//! Replication filters and database rename, written in source names.
//!
//! A [`Filter`] says which tables and databases are replicated; a [`Rewrite`] says under which database name they are
//! written on the target. Both speak of the *source's* names: the filter decides first, then the name changes. (The
//! native server renames first.) Statements and row events get the same answer, because each changed table is judged
//! by its own database, however the statement spells it.

mod decision;
mod error;
mod filter;
mod rewrite;
mod wild;

pub use decision::Decision;
pub use error::RuleError;
pub use filter::{DecidedBy, Filter, FilterKind, Verdict};
pub use rewrite::Rewrite;
