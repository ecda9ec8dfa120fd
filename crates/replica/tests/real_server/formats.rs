//! Real traffic from a real source arrives whole, in every binlog format and engine; checked row by row.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair};
use tributary::Replicator;
use tributary_sandbox::{ServerOptions, Traffic, TrafficPlan, schema};

/// Traffic of the call centre in one format, applied while it is written.
async fn traffic_arrives(format: &str, engine: &str, row_image: &str) -> anyhow::Result<()> {
    log();
    let source = ServerOptions::source(1)
        .arg(&format!("--binlog-format={format}"))
        .arg(&format!("--default-storage-engine={engine}"))
        .arg(&format!("--binlog-row-image={row_image}"));
    let (source, target) = pair(source).await?;
    schema::create(&source, 1).await?;
    if engine == "InnoDB" {
        for table in source.rows("SELECT table_name FROM information_schema.tables WHERE table_schema='asterisk' AND engine='MyISAM'").await? {
            source.run(&format!("ALTER TABLE asterisk.{} ENGINE=InnoDB", table[0].as_deref().unwrap_or_default())).await?;
        }
    }
    // A table without ENGINE gets the default of the server that creates it, here as on a native replica.
    target
        .run(&format!("SET GLOBAL default_storage_engine={engine}"))
        .await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let traffic = Traffic::start(
        &source,
        TrafficPlan {
            statements_max: Some(3000),
            ..TrafficPlan::new(7)
        },
    )?;
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_myisam() -> anyhow::Result<()> {
    traffic_arrives("MIXED", "MyISAM", "FULL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_innodb() -> anyhow::Result<()> {
    traffic_arrives("MIXED", "InnoDB", "FULL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_myisam() -> anyhow::Result<()> {
    traffic_arrives("ROW", "MyISAM", "FULL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_innodb_minimal() -> anyhow::Result<()> {
    traffic_arrives("ROW", "InnoDB", "MINIMAL").await
}
