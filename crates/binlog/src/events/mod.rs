//! One file per event type: the body's bytes to a typed value, and back where the engine sends it on.

mod format_description;
mod gtid_event;
mod gtid_list;
mod incident;
pub(crate) mod load;
mod optional_metadata;
mod query;
mod rotate;
mod rows;
pub(crate) mod small;
mod start_encryption;
mod status_vars;
mod table_map;
mod user_var;
mod xa;

pub use format_description::FormatDescription;
pub use gtid_event::{AlterPhase, GtidEvent, GtidFlags};
pub use gtid_list::GtidList;
pub use incident::Incident;
pub use load::{ExecuteLoadQuery, LoadBlock};
pub use optional_metadata::{ColumnNames, OptionalMetadata};
pub(crate) use query::POST_HEADER_BYTES as QUERY_POST_HEADER_BYTES;
pub use query::QueryEvent;
pub use rotate::Rotate;
pub(crate) use rows::encode_lenenc;
pub use rows::{RowsEvent, RowsOp, RowsVersion};
pub use small::{Heartbeat, Ignored, Intvar, Rand};
pub use start_encryption::StartEncryption;
pub use status_vars::{Charset, StatusVars};
pub use table_map::{ColumnType, TableMap};
pub use user_var::{UserVar, UserVarValue};
pub use xa::{XaId, XaPrepare};
