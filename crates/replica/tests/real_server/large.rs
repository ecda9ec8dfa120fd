//! Statements and rows larger than one packet of 16 MiB arrive, or stop the connection with a message; never in a loop.

use crate::support::{TARGET_DB, assert_equal, caught_up, connection, log, options, pair, until};
use anyhow::ensure;
use tributary::{ConnectionOptions, Options, RelayLogOptions, Replicator, SqlState};
use tributary_sandbox::ServerOptions;

const MIB: usize = 1 << 20;

fn source() -> ServerOptions {
    ServerOptions::source(1)
        .arg("--max-allowed-packet=64M")
        .arg("--log-bin-compress=OFF")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_beyond_one_packet_arrive_in_two_halves() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, big LONGBLOB) ENGINE=InnoDB").await?;
    source
        .run("CREATE TABLE asterisk.m (id INT PRIMARY KEY, big LONGBLOB) ENGINE=MyISAM")
        .await?;
    for table in ["t", "m"] {
        // 13 MiB are 17 MiB in base64, more than the target's 16 MiB.
        source
            .run(&format!(
                "SET SESSION binlog_format=ROW; INSERT INTO asterisk.{table} VALUES (1, 'small'), (2, REPEAT('x', {})), (3, 'after')",
                13 * MIB
            ))
            .await?;
    }
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_the_target_cannot_take_stops_until_it_can() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, big LONGBLOB) ENGINE=MyISAM").await?;
    source
        .run(&format!(
            "INSERT INTO asterisk.t VALUES (1, '{}')",
            "y".repeat(20 * MIB)
        ))
        .await?;
    source.run("INSERT INTO asterisk.t VALUES (2, 'after')").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    until("the connection to stop", || {
        Ok(engine.status().connections[0].sql_state == SqlState::Stopped)
    })
    .await?;
    let error = engine.status().connections[0].last_error.clone().unwrap();
    assert_eq!(error.number, 1153, "{}", error.message);
    assert!(error.message.contains("max_allowed_packet"), "{}", error.message);
    engine.stop().await;
    target.run("SET GLOBAL max_allowed_packet=64*1024*1024").await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Bytes of the transaction that every connection gets at the same time.
const TRANSACTION: usize = 100 * MIB;
/// How many connections there are.
const CONNECTIONS: usize = 20;
/// The program, its sessions and what the allocator keeps, beside what the settings bound.
const PROGRAM: usize = 96 * MIB;

/// Writes 2 GB into the target: run it by hand, with a roomy TMPDIR.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and gigabytes of disk"]
async fn twenty_connections_with_a_large_transaction_each_stay_within_the_formula() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source().arg("--binlog-row-event-max-size=8192")).await?;
    source
        .run("CREATE DATABASE asterisk; CREATE TABLE asterisk.t (id INT PRIMARY KEY, a VARBINARY(1000)) ENGINE=InnoDB")
        .await?;
    let base = options(&source, &target);
    let mut all = Options {
        connections: Vec::new(),
        ..base.clone()
    };
    for number in 0..CONNECTIONS {
        let name = format!("m{number}");
        all.connections.push(ConnectionOptions {
            server_id: Some(100 + u32::try_from(number)?),
            relay_bytes_max: 4 * MIB,
            group_bytes_max: MIB,
            relay_log: Some(RelayLogOptions::new(
                target.data_dir().join(format!(".relay-{name}")),
            )),
            ..connection(&name, &source, &format!("asterisk->{name}_asterisk"))
        });
    }
    all.apply.batch_bytes_max = 4 * MIB;
    let workers = all.apply.workers;
    let engine = Replicator::start(all).await?;
    source
        .run(&format!(
            "SET binlog_format=ROW; USE asterisk; INSERT INTO t SELECT seq,REPEAT(CHAR(65+seq%26),1000) FROM seq_1_to_{}",
            TRANSACTION / 1000
        ))
        .await?;
    for number in 0..CONNECTIONS {
        caught_up(&engine, &format!("m{number}"), &source).await?;
    }
    assert!(engine.stop().await.is_clean);
    for number in 0..CONNECTIONS {
        let count = format!("SELECT COUNT(*) FROM m{number}_asterisk.t");
        assert_eq!(target.value(&count).await?, (TRANSACTION / 1000).to_string());
    }
    // As docs/configuration.md has it, with rows of 8 KiB as the largest event.
    let formula = CONNECTIONS * (4 * MIB + 3 * MIB + 8192 + 10 * MIB) + workers * 4 * MIB + PROGRAM;
    let peak = usize::try_from(tributary_sandbox::process::peak_rss_bytes(std::process::id()))?;
    println!("peak {} MiB of {} MiB", peak / MIB, formula / MIB);
    ensure!(
        peak <= formula,
        "peak {} MiB of {} MiB",
        peak / MIB,
        formula / MIB
    );
    Ok(())
}
