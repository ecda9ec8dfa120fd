//! What the sources write while commits are timed: calls and probes, at a fixed rate.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use super::probe::Probe;
use crate::source::{Source, Sources};
use crate::traffic::write_call;

/// Clients that write the calls of one source.
const CALL_CLIENTS: usize = 5;
/// Transactions of each of them in a second. With the probes a source writes 1,000 in a second.
const CALL_RATE: f64 = 190.0;
/// Probes of one source in a second.
const PROBE_RATE: f64 = 50.0;
/// The part of the rate that must be reached for the result to bear its name.
const RATE_SHARE_MIN: f64 = 0.9;

/// Writes to all sources for `period`; returns how many transactions. `posts` are told of probes, by source.
///
/// # Errors
/// A statement that fails; sources that cannot write that fast.
pub(super) async fn write(
    sources: &Sources,
    posts: Vec<Vec<Sender<Probe>>>,
    period: Duration,
) -> Result<u64> {
    let end = Instant::now() + period;
    let mut writers = JoinSet::new();
    for (source, posts) in sources.all.iter().zip(posts) {
        for client in 0..CALL_CLIENTS {
            writers.spawn(write_calls(source.connect().await?, client, end));
        }
        writers.spawn(write_probes(source.connect().await?, posts, end));
    }
    while let Some(result) = writers.join_next().await {
        result.context("a writer's task died")??;
    }
    let mut written = 0;
    for source in &sources.all {
        written += check_rate(source, period).await?;
    }
    Ok(written)
}

async fn check_rate(source: &Source, period: Duration) -> Result<u64> {
    let transactions = source.transactions().await?;
    let expected = (CALL_CLIENTS as f64 * CALL_RATE + PROBE_RATE) * period.as_secs_f64();
    ensure!(
        transactions as f64 >= expected * RATE_SHARE_MIN,
        "source {} wrote {transactions} transactions instead of {expected:.0}: the machine is too busy",
        source.number
    );
    Ok(transactions)
}

async fn write_calls(mut conn: Conn, client: usize, end: Instant) -> Result<()> {
    let mut pace = ticks(CALL_RATE);
    let mut number = client;
    while Instant::now() < end {
        write_call(&mut conn, number, Some(&mut pace)).await?;
        number += CALL_CLIENTS;
    }
    conn.disconnect().await?;
    Ok(())
}

async fn write_probes(mut conn: Conn, posts: Vec<Sender<Probe>>, end: Instant) -> Result<()> {
    let mut pace = ticks(PROBE_RATE);
    let mut number = 0;
    while Instant::now() < end {
        pace.tick().await;
        number += 1;
        conn.query_drop(format!("INSERT INTO probe VALUES ({number})"))
            .await?;
        let committed = Instant::now();
        for post in &posts {
            // Its reader has failed; it will say why itself.
            let _ = post.send(Probe { number, committed }).await;
        }
    }
    conn.disconnect().await?;
    Ok(())
}

/// A clock that makes up for late ticks, so that the rate holds.
fn ticks(rate: f64) -> Interval {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}
