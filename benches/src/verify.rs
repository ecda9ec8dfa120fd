//! The check behind every run: the target holds the sources' rows, all of them and no others.

use anyhow::{Result, ensure};
use tributary_sandbox::compare;

use crate::source::Sources;
use crate::target::Target;
use crate::workload::target_database;

/// Compares every table of every source.
///
/// # Errors
/// The tables that differ, each with its first difference; no rows to compare.
pub(crate) async fn same_data(sources: &Sources, target: &Target) -> Result<()> {
    for source in &sources.all {
        let database = target_database(source.number);
        let comparison = compare(&source.site, &source.database, target, &database, &[]).await?;
        ensure!(
            source.is_at_rest().await?,
            "source {} has been written to: its rows are no longer what was replayed",
            source.number
        );
        ensure!(
            comparison.is_equal(),
            "source {} and target differ: {comparison}",
            source.number
        );
        ensure!(
            comparison.replicated_rows() > 0,
            "source {} has no rows",
            source.number
        );
    }
    Ok(())
}

/// Shows on real servers that a run is measured and checked: the native replica catches up and is found equal, and
/// one changed row is found.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Link, Route};
    use crate::measure::Watch;
    use crate::replica::Replica;
    use crate::settings::Settings;
    use crate::system::System;
    use crate::workload::Workload;
    use tributary_sandbox::Site;

    const CHANGED_TABLES: [&str; 6] = ["call_log", "slow_0", "no_key_updated", "sbtest1", "hot", "big"];

    #[tokio::test]
    async fn a_caught_up_target_is_equal_until_a_row_changes() {
        let variables = |name: &str| (name == "BENCH_SCALE").then(|| "0.001".to_owned());
        let settings = Settings::read(variables).unwrap();
        // Every kind of traffic, and several sources; the others differ in engine and format alone.
        for workload in [
            Workload::FanIn,
            Workload::SlowStatements,
            Workload::NoKey,
            Workload::SysbenchMixed,
            Workload::HotRow,
            Workload::Big,
        ] {
            let sources = Sources::fill(workload, &settings).await.unwrap();
            let target = Target::start(System::NativeSerial, &sources, &settings)
                .await
                .unwrap();
            assert!(
                same_data(&sources, &target).await.is_err(),
                "{}: a target without the changes passed as equal",
                workload.name()
            );

            let route = Route::open(Link::PLAIN, &sources, &target).await.unwrap();
            let mut replica = Replica::prepare(System::NativeSerial, None, &sources, &target, &route)
                .await
                .unwrap();
            let watch = Watch::start(&sources, &target, None).unwrap();
            replica.start().await.unwrap();
            replica.wait_until_executed(&sources, &watch).await.unwrap();
            let run = watch.stop(None).unwrap();
            assert!(run.seconds > 0.0 && run.engine_cpu_seconds.is_none());
            replica.stop().await.unwrap();
            same_data(&sources, &target).await.unwrap();

            let last = target_database(workload.sources());
            let table = changed_table(workload);
            let site: &Site = target.as_ref();
            site.run(&format!("DELETE FROM {last}.{table} LIMIT 1"))
                .await
                .unwrap();
            let message = same_data(&sources, &target).await.unwrap_err().to_string();
            assert!(message.contains(table), "{message}");
        }
    }

    fn changed_table(workload: Workload) -> &'static str {
        let tables = workload.traffic().tables;
        CHANGED_TABLES
            .into_iter()
            .find(|name| tables.iter().any(|(table, _)| table == name))
            .unwrap()
    }
}
