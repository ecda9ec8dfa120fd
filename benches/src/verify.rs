//! The check behind every run: the target holds the source's rows, all of them and no others.

use anyhow::{Result, ensure};
use tributary_sandbox::Server;

use crate::source::Source;
use crate::workload::{SOURCE_DATABASE, TARGET_DATABASE, tables};

/// Compares every table of the workload.
///
/// # Errors
/// The first table that differs.
pub(crate) async fn same_data(source: &Source, target: &Server) -> Result<()> {
    for table in tables() {
        let on_source = source.server.rows(&checksum(SOURCE_DATABASE, table)).await?;
        let on_target = target.rows(&checksum(TARGET_DATABASE, table)).await?;
        let sums = [&on_source, &on_target].map(|rows| rows.first().and_then(|row| row.get(1)));
        ensure!(
            sums[0].is_some() && sums[0] == sums[1],
            "table {table} differs: checksums {sums:?}"
        );
    }
    Ok(())
}

fn checksum(database: &str, table: &str) -> String {
    format!("CHECKSUM TABLE {database}.{table} EXTENDED")
}
