//! Live traffic: several clients, each on a connection of its own, working through a script that follows from a seed.
//!
//! The statements of one client are repeatable to the byte. How those of several clients interleave is not, and must
//! not matter: that is what the comparison is for.

mod agents;
mod back_office;
mod calls;
mod crm;
mod script;
mod spelling;
mod tables;
pub(crate) mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use crate::clients::{self, Pace};
use crate::schema::DATABASE;
use crate::{Site, sql};
use script::{Charset, Script};

/// How long clients try to come back to a server that went away.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait between two tries.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(50);
/// How long a statement waits for a table.
const LOCK_WAIT_SECONDS: u32 = 3;
/// Deadlock and lock wait timeout: the transaction is given up, as a client would.
const GIVEN_UP: [u16; 2] = [1213, 1205];

/// How much traffic, and for how long: until stopped, or until the first of the limits is reached.
#[derive(Clone, Debug)]
pub struct TrafficPlan {
    /// The same seed gives every client the same statements. Two runs on one source need two seeds.
    pub seed: u64,
    /// Connections that work at the same time, up to 99.
    pub clients: usize,
    /// Upper limit for all clients together; `None` is as fast as the server goes.
    pub statements_per_second_max: Option<u32>,
    /// End after this time.
    pub duration: Option<Duration>,
    /// End once this many statements have been begun by all clients together.
    pub statements_max: Option<u64>,
    /// Whether tables are created, altered, renamed and dropped on the way.
    pub ddl: bool,
}

impl TrafficPlan {
    /// Four clients without limits, changes of tables included.
    pub fn new(seed: u64) -> TrafficPlan {
        TrafficPlan {
            seed,
            clients: 4,
            statements_per_second_max: None,
            duration: None,
            statements_max: None,
            ddl: true,
        }
    }
}

/// What the traffic did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficReport {
    /// Statements the server executed.
    pub statements: u64,
    /// Rows they changed, as the server counts.
    pub rows: u64,
    /// Steps given up because of a deadlock or a lock wait.
    pub given_up: u64,
    /// Times a client lost its connection and came back.
    pub reconnects: u64,
}

/// Running traffic. Dropping it ends the clients at once.
pub struct Traffic {
    shared: Arc<Shared>,
    clients: JoinSet<anyhow::Result<()>>,
}

struct Shared {
    plan: TrafficPlan,
    source: Site,
    pace: Arc<Pace>,
    statements: AtomicU64,
    rows: AtomicU64,
    given_up: AtomicU64,
    reconnects: AtomicU64,
}

impl Traffic {
    /// Starts the clients on a source that holds [`crate::schema`]. They survive its restarts.
    ///
    /// # Errors
    /// When the plan has no clients or too many.
    pub fn start(source: &impl AsRef<Site>, plan: TrafficPlan) -> anyhow::Result<Traffic> {
        clients::check_count(plan.clients)?;
        let shared = Arc::new(Shared {
            source: source.as_ref().clone(),
            pace: Pace::new(plan.statements_per_second_max),
            statements: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            plan,
        });
        let clients = clients::start(shared.plan.clients, &shared.pace, |number| {
            Client::new(number, shared.clone()).run()
        });
        Ok(Traffic { shared, clients })
    }

    /// What has been done so far.
    pub fn report(&self) -> TrafficReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TrafficReport {
            statements: read(&self.shared.statements),
            rows: read(&self.shared.rows),
            given_up: read(&self.shared.given_up),
            reconnects: read(&self.shared.reconnects),
        }
    }

    /// Whether a client has ended: by the plan's limits, or because it failed, which [`Traffic::stop`] tells.
    pub fn has_ended(&self) -> bool {
        self.shared.pace.has_ended()
    }

    /// Lets every client finish its step and ends.
    ///
    /// # Errors
    /// The first client's failure: a statement the server refused, or a server that did not come back.
    pub async fn stop(self) -> anyhow::Result<TrafficReport> {
        self.shared.pace.stop();
        self.wait().await
    }

    /// Waits until the plan's limits end the traffic.
    ///
    /// # Errors
    /// As for [`Traffic::stop`].
    pub async fn wait(mut self) -> anyhow::Result<TrafficReport> {
        while let Some(ended) = self.clients.join_next().await {
            let result = ended.context("a traffic client panicked")?;
            // One failed client ends all: what it would have done is missing from the traffic.
            result?;
        }
        Ok(self.report())
    }
}

impl Shared {
    /// Whether the traffic goes on, looked at between two steps.
    fn goes_on(&self) -> bool {
        !self.pace.is_stopping()
            && self
                .plan
                .duration
                .is_none_or(|duration| self.pace.elapsed() < duration)
            && self.plan.statements_max.is_none_or(|max| self.pace.begun() < max)
    }
}

struct Client {
    script: Script,
    shared: Arc<Shared>,
}

/// Why a step ended early, where it is no reason to end the traffic.
enum Interrupted {
    GivenUp,
    ConnectionLost,
}

impl Client {
    fn new(number: usize, shared: Arc<Shared>) -> Client {
        Client {
            script: Script::new(shared.plan.seed, number, shared.plan.ddl),
            shared,
        }
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let mut conn = connect(&self.shared.source, self.script.charset).await?;
        while self.shared.goes_on() {
            let step = self.script.next_step();
            let Err(reason) = self.play(&mut conn, &step).await? else {
                continue;
            };
            let counter = match reason {
                Interrupted::GivenUp => &self.shared.given_up,
                Interrupted::ConnectionLost => &self.shared.reconnects,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            // A new connection also sets the session back to where every step expects it.
            conn = connect(&self.shared.source, self.script.charset).await?;
        }
        conn.disconnect().await.ok();
        Ok(())
    }

    async fn play(&self, conn: &mut Conn, step: &[String]) -> anyhow::Result<Result<(), Interrupted>> {
        for statement in step {
            self.shared.pace.next().await;
            match conn.query_drop(self.script.charset.encode(statement)).await {
                Ok(()) => {
                    self.shared.statements.fetch_add(1, Ordering::Relaxed);
                    self.shared
                        .rows
                        .fetch_add(conn.affected_rows(), Ordering::Relaxed);
                }
                Err(error) => match interruption(&error) {
                    Some(reason) => return Ok(Err(reason)),
                    None => {
                        return Err(error)
                            .with_context(|| format!("traffic: run {}", sql::quoted(statement)));
                    }
                },
            }
        }
        Ok(Ok(()))
    }
}

/// Server errors of a server that is going down: 1053, 1927 connection killed, 1184 and 1152 aborted.
const GOING_DOWN: [u16; 4] = [1053, 1927, 1184, 1152];

fn interruption(error: &mysql_async::Error) -> Option<Interrupted> {
    match error {
        mysql_async::Error::Server(server) if GIVEN_UP.contains(&server.code) => Some(Interrupted::GivenUp),
        mysql_async::Error::Server(server) if GOING_DOWN.contains(&server.code) => {
            Some(Interrupted::ConnectionLost)
        }
        mysql_async::Error::Io(_) => Some(Interrupted::ConnectionLost),
        mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            Some(Interrupted::ConnectionLost)
        }
        _ => None,
    }
}

async fn connect(source: &Site, charset: Charset) -> anyhow::Result<Conn> {
    let deadline = Instant::now() + RECONNECT_TIMEOUT;
    loop {
        match open(source, charset).await {
            Ok(conn) => return Ok(conn),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("traffic: connect to {}", source.name()));
            }
            Err(_) => tokio::time::sleep(RECONNECT_INTERVAL).await,
        }
    }
}

async fn open(source: &Site, charset: Charset) -> Result<Conn, mysql_async::Error> {
    let mut conn = source.try_connect().await?;
    // On MyISAM, the server lets an ALTER and an INSERT wait for each other without noticing (seen on 10.11): the one
    // holds the table and wants its metadata alone, the other the reverse.
    conn.query_drop(format!(
        "SET NAMES {}, lock_wait_timeout = {LOCK_WAIT_SECONDS}",
        charset.name()
    ))
    .await?;
    conn.query_drop(format!("USE {DATABASE}")).await?;
    Ok(conn)
}
