//! Several sources at once into one target.

use crate::support::{TARGET_DB, assert_equal, caught_up, connection, log, options, pair, status, stopped};
use tributary::{Replicator, SqlState};
use tributary_sandbox::{Server, ServerOptions, Traffic, TrafficPlan, schema};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_sources_arrive_whole_and_one_that_stops_leaves_the_others_alone() -> anyhow::Result<()> {
    log();
    let (one, target) = pair(ServerOptions::source(1)).await?;
    let row = ServerOptions::source(3).arg("--binlog-format=ROW");
    let (two, three) = tokio::try_join!(Server::start(ServerOptions::source(2)), Server::start(row))?;
    let mut all = options(&one, &target);
    // The second database of every source has the same name: it needs a rule of its own.
    all.connections = [("m1", &one), ("m2", &two), ("m3", &three)]
        .map(|(name, source)| {
            let mut new = connection(name, source, &format!("asterisk->{name}_asterisk"));
            new.rewrite.add(&format!("tools->{name}_tools")).unwrap();
            new
        })
        .into();
    let engine = Replicator::start(all.clone()).await?;
    let mut traffic = Vec::new();
    for (seed, source) in [(31, &one), (32, &two), (33, &three)] {
        schema::create(source, seed).await?;
        let plan = TrafficPlan {
            statements_max: Some(1500),
            clients: 3,
            ..TrafficPlan::new(seed)
        };
        traffic.push(Traffic::start(source, plan)?);
    }
    caught_up(&engine, "m2", &two).await?;
    // A lead that the second source will make has been made on the target by hand.
    target
        .run("INSERT INTO m2_asterisk.crm_accounts (account_id, name) VALUES (5000, 'by hand')")
        .await?;
    for running in traffic {
        running.wait().await?;
    }
    two.run("INSERT INTO asterisk.crm_accounts (account_id, name) VALUES (5000, 'by the source')")
        .await?;
    assert_eq!(stopped(&engine, "m2").await?.number, 1062);
    one.run("INSERT INTO asterisk.crm_accounts (name) VALUES ('behind')")
        .await?;
    for (name, source) in [("m1", &one), ("m3", &three)] {
        caught_up(&engine, name, source).await?;
        assert_equal(source, &target, &format!("{name}_asterisk"), &[]).await?;
        assert_eq!(status(&engine, name).sql_state, SqlState::Running);
    }
    engine.stop().await;
    target
        .run("DELETE FROM m2_asterisk.crm_accounts WHERE account_id=5000")
        .await?;
    let engine = Replicator::start(all).await?;
    caught_up(&engine, "m2", &two).await?;
    assert_equal(&two, &target, "m2_asterisk", &[]).await?;
    assert_equal(&one, &target, TARGET_DB, &[]).await
}
