//! How long `STOP SLAVE` and `START SLAVE` take while three sources write at a steady rate, and how long it then takes
//! until the connection applies again.
//!
//! The systems are measured one after the other, each with sources of its own, by the same statements.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::measure::{Run, Watch};
use crate::report::{Latency, Line};
use crate::settings::Settings;
use crate::source::Sources;
use crate::steady::{self, Contestant};
use crate::system::System;
use crate::workload::{Workload, connection};

/// The time at scale 1; no scale makes it longer.
const PERIOD: Duration = Duration::from_secs(60);
/// At a small scale there must still be something to see.
const PERIOD_MIN: Duration = Duration::from_secs(5);
/// Between two rounds, in which what the stop has held up is applied.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is asked whether a connection applies again.
const LOOK: Duration = Duration::from_millis(2);
/// A connection that does not apply again for this long has stopped for good.
const STANDS_STILL: Duration = Duration::from_secs(60);
/// One round in so many is of all connections at once.
const ROUND_OF_ALL: usize = 4;

/// What is timed, in the order of the table.
const TIMED: [&str; 6] = [
    "STOP SLAVE 'name'",
    "START SLAVE 'name'",
    "START SLAVE 'name', to the first group applied",
    "STOP ALL SLAVES",
    "START ALL SLAVES",
    "START ALL SLAVES, to the first group of each applied",
];

/// Measures the systems that are set beside each other, one after the other.
///
/// # Errors
/// A statement that fails, a connection that does not go on, sources that cannot write at the rate, a target that is not
/// equal.
pub(crate) async fn run(settings: &Settings, program: Option<&Path>) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for system in System::SIDE_BY_SIDE {
        if settings.systems.contains(&system) {
            let of_system = one_system(system, settings, program).await;
            lines.extend(of_system.with_context(|| system.name())?);
        }
    }
    ensure!(!lines.is_empty(), "none of the chosen systems is measured here");
    Ok(lines)
}

async fn one_system(system: System, settings: &Settings, program: Option<&Path>) -> Result<Vec<Line>> {
    let mut sources = Sources::start(Workload::StopStart, settings).await?;
    let contestant = Contestant::start(system, program, &sources, settings).await?;
    let period = PERIOD.mul_f64(settings.scale.min(1.0)).max(PERIOD_MIN);
    let watch = Watch::start(&sources, &contestant.target, contestant.replica.engine_pid())?;
    let control = contestant.replica.control(&contestant.target).await?;
    let (transactions, times) = tokio::try_join!(
        steady::write(&sources, period),
        stop_and_start(control, &sources, Instant::now() + period),
    )?;
    let cost = watch.stop(contestant.replica.engine_pid())?;
    for source in &mut sources.all {
        source.note_end().await?;
    }
    contestant.finish(&sources).await?;
    let lines = TIMED
        .iter()
        .zip(times)
        .filter_map(|(statement, times)| line(system, statement, transactions, times, cost.clone()));
    Ok(lines.collect())
}

fn line(system: System, statement: &str, transactions: u64, times: Vec<f64>, cost: Run) -> Option<Line> {
    let name = Workload::StopStart.name();
    let mut line = Line::of(name, system.name(), transactions, transactions, vec![cost])?;
    line.latency = Some(Latency::of(times)?);
    line.statement = Some(statement.to_owned());
    eprintln!("{name}: {}: {statement}: {:?}", system.name(), line.latency);
    Some(line)
}

/// Stops and starts connections in turn until `end`; gives milliseconds of what is [`TIMED`].
async fn stop_and_start(mut control: Conn, sources: &Sources, end: Instant) -> Result<[Vec<f64>; 6]> {
    let names: Vec<String> = sources
        .all
        .iter()
        .map(|source| connection(source.number))
        .collect();
    let mut times: [Vec<f64>; 6] = Default::default();
    let mut round = 0;
    let before = places(&mut control).await?;
    wait_until_applying(&mut control, &names, &before).await?;
    while Instant::now() < end {
        round += 1;
        let (first, object, stopped) = match round % ROUND_OF_ALL {
            0 => (3, "ALL SLAVES".to_owned(), names.as_slice()),
            _ => {
                let one = &names[round % names.len()..][..1];
                (0, format!("SLAVE '{}'", one[0]), one)
            }
        };
        let took = timed(&mut control, &format!("STOP {object}")).await?;
        times[first].push(took);
        let before = places(&mut control).await?;
        let began = Instant::now();
        let took = timed(&mut control, &format!("START {object}")).await?;
        times[first + 1].push(took);
        wait_until_applying(&mut control, stopped, &before).await?;
        times[first + 2].push(milliseconds(began));
        tokio::time::sleep(PAUSE).await;
    }
    control.disconnect().await?;
    Ok(times)
}

async fn timed(control: &mut Conn, statement: &str) -> Result<f64> {
    let began = Instant::now();
    control
        .query_drop(statement)
        .await
        .with_context(|| statement.to_owned())?;
    Ok(milliseconds(began))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Where each connection stands, by name.
async fn places(control: &mut Conn) -> Result<Vec<(String, String)>> {
    let rows: Vec<Row> = control.query("SHOW ALL SLAVES STATUS").await?;
    rows.iter().map(place).collect()
}

fn place(row: &Row) -> Result<(String, String)> {
    let text = |column: &str| {
        let value = row.get_opt::<String, _>(column);
        value
            .and_then(Result::ok)
            .with_context(|| format!("SHOW ALL SLAVES STATUS has no {column}"))
    };
    let name = text("Connection_name")?;
    for thread in ["IO", "SQL"] {
        let error = text(&format!("Last_{thread}_Error"))?;
        if !error.is_empty() {
            bail!("{name}: {error}");
        }
    }
    let place = format!(
        "{}:{}",
        text("Relay_Master_Log_File")?,
        text("Exec_Master_Log_Pos")?
    );
    Ok((name, place))
}

/// Waits until each of these connections stands elsewhere than it did.
async fn wait_until_applying(
    control: &mut Conn,
    names: &[String],
    before: &[(String, String)],
) -> Result<()> {
    let began = Instant::now();
    loop {
        let now = places(control).await?;
        let stands = |one: &&(String, String)| names.contains(&one.0) && before.contains(one);
        match now.iter().find(stands) {
            None => return Ok(()),
            Some((name, place)) => ensure!(
                began.elapsed() < STANDS_STILL,
                "connection {name} stands at {place} for {STANDS_STILL:?} after its start"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
}
