//! Decides which event groups may be applied beside each other, by which worker, and when each may commit.
//!
//! Pure: no sockets, no tasks, no clock. The applier reports facts ([`Coordinator::group_arrived`],
//! [`Coordinator::run_committed`], ...) and carries out the [`Action`]s it is handed, oldest first. The same facts in
//! the same order give the same actions, so a test can drive the coordinator by hand or by a text file.
//!
//! What it promises: whatever order workers finish in, the target ends as if every connection's groups had been
//! applied one after the other; the low-water mark never passes a group that is not committed; transactional groups
//! of one connection commit in the source's order.
//!
//! What it leaves to others: footprints (what a group touches) come from the caller, and are trusted. Wider is safe,
//! narrower is not.

mod coordinator;
mod dependencies;
mod footprint;
mod hash;
mod ids;
mod run;
mod window;

pub use coordinator::{Action, Coordinator, Limits, Mode};
pub use footprint::{Access, Footprint, Scope, TableUse};
pub use hash::{QuickHasher, QuickMap};
pub use ids::{ConnectionId, DatabaseId, GroupId, GroupSeq, RunId, TableId, WorkerId};
pub use run::{Run, RunKind};
pub use window::{GroupInfo, GroupKind};
