//! Replication filters, database rename and what errors may be passed over, written in source names.
//!
//! A [`Filter`] says which tables and databases are replicated; a [`Rewrite`] says under which database name they are
//! written on the target. Both speak of the *source's* names: the filter decides first, then the name changes. (The
//! native server renames first.) Statements and row events get the same answer, because each changed table is judged
//! by its own database, however the statement spells it.

mod decision;
mod engine;
mod error;
mod filter;
mod rewrite;
mod skip;
mod wild;

pub use decision::Decision;
pub use engine::EngineRules;
pub use error::RuleError;
pub use filter::{DecidedBy, Filter, FilterKind, Verdict};
pub use rewrite::Rewrite;
pub use skip::{SkipErrors, TableSkips, Tolerance, Tolerances};
