//! Real `mariadbd` servers in temporary directories, with call-centre traffic, faults and comparisons.
//!
//! The demo, the real-server tests and the benches share this crate. It talks SQL through an independent client and
//! uses nothing of the engine, so it cannot share a mistake with what it checks.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use tributary_sandbox::{Server, ServerOptions};
//!
//! let source = Server::start(ServerOptions::source(1)).await?;
//! source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (a INT)").await?;
//! assert_eq!(source.value("SELECT COUNT(*) FROM asterisk.t").await?, "0");
//! # Ok(())
//! # }
//! ```

mod account;
mod child;
mod clients;
mod compare;
mod drain;
pub mod engine;
pub mod environment;
pub mod fan_in;
pub mod process;
pub mod random;
pub mod relay;
pub mod schema;
mod server;
mod site;
mod sql;
mod template;
pub mod traffic;
mod watchdog;
pub mod workload;

pub use account::{Account, create_applier_user, create_replication_user};
pub use compare::{CodeComparison, Comparison, TableReport, compare, compare_code, open_all_tables};
pub use drain::Drain;
pub use engine::Engine;
pub use relay::TcpRelay;
pub use server::{Server, ServerOptions};
pub use site::Site;
pub use traffic::{Traffic, TrafficPlan, TrafficReport};
pub use watchdog::ScratchDirectory;
pub use workload::{Workload, WorkloadPlan, WorkloadReport};
