//! The check behind every run: the target holds the source's rows, all of them and no others.

use anyhow::{Result, ensure};
use tributary_sandbox::{Server, compare};

use crate::source::Source;
use crate::workload::{SOURCE_DATABASE, TARGET_DATABASE};

/// Compares every table of the workload.
///
/// # Errors
/// The tables that differ, each with its first difference; no rows to compare.
pub(crate) async fn same_data(source: &Source, target: &Server) -> Result<()> {
    let comparison = compare(&source.server, SOURCE_DATABASE, target, TARGET_DATABASE, &[]).await?;
    ensure!(comparison.is_equal(), "source and target differ: {comparison}");
    ensure!(comparison.replicated_rows() > 0, "the source has no rows");
    Ok(())
}

/// Shows on real servers that a run is measured and checked: the native replica catches up and is found equal, and
/// one changed row is found.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, System};
    use crate::workload::Workload;
    use crate::{native, target};

    #[tokio::test]
    async fn a_caught_up_target_is_equal_until_a_row_changes() {
        let variables = |name: &str| (name == "BENCH_SCALE").then(|| "0.001".to_owned());
        let settings = Settings::read(variables).unwrap();
        for workload in Workload::ALL {
            let source = Source::fill(workload, &settings).await.unwrap();
            assert_eq!(source.transactions, 200);
            let target = target::start(System::NativeSerial, workload, &settings)
                .await
                .unwrap();
            assert!(
                same_data(&source, &target).await.is_err(),
                "an empty target passed as equal"
            );

            let run = native::catch_up(&source, &target, &settings).await.unwrap();
            assert!(run.seconds > 0.0 && run.engine_cpu_seconds.is_none());
            same_data(&source, &target).await.unwrap();

            target
                .run(&format!("UPDATE {TARGET_DATABASE}.call_log SET type='X' LIMIT 1"))
                .await
                .unwrap();
            let message = same_data(&source, &target).await.unwrap_err().to_string();
            assert!(message.contains("call_log"), "{message}");
        }
    }
}
