//! One client: plays what its generator thinks of, leaves, comes back, and kills others' statements.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, WhiteListFsHandler};
use tokio::sync::Mutex;

use super::Shared;
use super::generator::{Generator, Step, Work};
use super::session::Session;
use crate::random::Random;

/// How long a client tries to come back to a server that went away.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one statement may take: lock waits end long before, and an answer that does not come is not waited for.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);
/// Wait between two tries.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(50);
/// The sessions the client in charge looks after the binary log this often, in steps.
const FLUSH_EVERY: u64 = 1500;
/// A client leaves its session this often, in steps.
const LEAVE_EVERY: u64 = 150;
/// A client kills another's statement this often, in steps.
const KILL_EVERY: u64 = 60;

/// The session another client may kill just now. It is locked while the kill is under way, so that none is hit that
/// has gone on to a statement that cannot be undone.
#[derive(Default)]
pub(super) struct Killable(Mutex<Option<u32>>);

pub(super) struct Client {
    generator: Generator,
    /// For what is done beside the generated statements, so that it does not change them.
    random: Random,
    shared: Arc<Shared>,
    number: usize,
}

/// What became of one statement.
enum Outcome {
    Done,
    Refused,
    ConnectionLost,
}

impl Client {
    pub(super) fn new(number: usize, shared: Arc<Shared>) -> Client {
        let random = Random::new(!shared.plan.seed ^ number as u64);
        Client {
            generator: shared.generator(number),
            random,
            shared,
            number,
        }
    }

    /// Makes the databases, the tables to begin with, and the routines.
    pub(super) async fn prepare(mut self) -> anyhow::Result<()> {
        let mut conn = self.connect().await?;
        for step in self.generator.opening() {
            self.play(&mut conn, step).await?;
        }
        conn.disconnect().await.ok();
        Ok(())
    }

    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut conn = self.connect().await?;
        while self.shared.goes_on() {
            let step = self.generator.next_step();
            let mut lost = !self.play(&mut conn, step).await?;
            if self.shared.plan.kinds.interruptions {
                lost |= self.leave(&mut conn).await;
                if self.random.once_in(KILL_EVERY) {
                    self.kill_another().await?;
                }
            }
            if self.number == 0 && self.shared.plan.kinds.flush_logs && self.random.once_in(FLUSH_EVERY) {
                self.shared.source.run("FLUSH BINARY LOGS").await?;
            }
            if lost {
                self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
                conn = self.connect().await?;
            }
        }
        conn.disconnect().await.ok();
        Ok(())
    }

    /// Sends a step; `false` when the connection is lost.
    async fn play(&mut self, conn: &mut Conn, step: Step) -> anyhow::Result<bool> {
        if step.killable {
            *self.shared.killable[self.number].0.lock().await = Some(conn.id());
        }
        let result = self.send_all(conn, &step).await;
        if step.killable {
            *self.shared.killable[self.number].0.lock().await = None;
        }
        result
    }

    async fn send_all(&self, conn: &mut Conn, step: &Step) -> anyhow::Result<bool> {
        let mut has_failed = false;
        for work in &step.work {
            match self.send(conn, work).await? {
                Outcome::Done => {}
                Outcome::Refused => has_failed = true,
                Outcome::ConnectionLost => return Ok(false),
            }
        }
        for statement in step.cleanup.iter().filter(|_| has_failed) {
            match conn.query_drop(statement).await {
                Err(error) if !matches!(error, mysql_async::Error::Server(_)) => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    async fn send(&self, conn: &mut Conn, work: &Work) -> anyhow::Result<Outcome> {
        self.shared.pace.next().await;
        if let Some(data) = &work.file {
            std::fs::write(&self.generator.file, data).context("write the file for LOAD DATA")?;
        }
        let answer = tokio::time::timeout(STATEMENT_TIMEOUT, conn.query_drop(work.sql.as_slice()));
        let Ok(answer) = answer.await else {
            return Ok(Outcome::ConnectionLost);
        };
        match answer {
            Ok(()) => {
                self.shared.statements.fetch_add(1, Ordering::Relaxed);
                self.shared
                    .rows
                    .fetch_add(conn.affected_rows(), Ordering::Relaxed);
                if let Some(change) = &work.then {
                    self.shared.model.apply(change);
                }
                Ok(Outcome::Done)
            }
            Err(mysql_async::Error::Server(error)) => {
                self.shared.refused(error.code);
                Ok(if super::CONNECTION_ENDED.contains(&error.code) {
                    Outcome::ConnectionLost
                } else {
                    Outcome::Refused
                })
            }
            Err(_) => Ok(Outcome::ConnectionLost),
        }
    }

    /// Leaves the session now and then: by itself, or ended by a kill in the middle of a transaction.
    async fn leave(&mut self, conn: &mut Conn) -> bool {
        if !self.random.once_in(LEAVE_EVERY) {
            return false;
        }
        if self.random.once_in(2) {
            let wanted = |table: &super::table::Table| {
                !table.is_ignored && table.is_transactional() && !table.has_trigger
            };
            if let Some(table) = self
                .generator
                .pick_table(wanted)
                .filter(|_| !self.generator.session.is_forced_statement())
            {
                let statement = self.generator.insert(&table);
                for sql in [b"BEGIN".to_vec(), statement, b"KILL CONNECTION_ID()".to_vec()] {
                    // Killed in the end, whatever the statements before came to.
                    let _ = conn.query_drop(sql.as_slice()).await;
                }
            }
        }
        true
    }

    async fn kill_another(&mut self) -> anyhow::Result<()> {
        let other = self.random.below(self.shared.killable.len() as u64) as usize;
        let Some(killable) = self.shared.killable.get(other).filter(|_| other != self.number) else {
            return Ok(());
        };
        let session = killable.0.lock().await;
        let Some(id) = *session else { return Ok(()) };
        let what = self.random.pick(&["QUERY", "QUERY", "CONNECTION"]);
        // It may be gone already.
        if self.shared.source.run(&format!("KILL {what} {id}")).await.is_ok() {
            self.shared.kills.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A new session, where every one begins.
    async fn connect(&mut self) -> anyhow::Result<Conn> {
        let kept = &self.generator.session;
        self.generator.session = Session {
            clock: kept.clock,
            unsafe_functions: kept.unsafe_functions,
            ..Session::new(kept.grammar)
        };
        let deadline = Instant::now() + RECONNECT_TIMEOUT;
        loop {
            match self.try_connect().await {
                Ok(conn) => return Ok(conn),
                Err(error) if Instant::now() > deadline => {
                    return Err(error)
                        .with_context(|| format!("workload: connect to {}", self.shared.source.name()));
                }
                Err(_) => tokio::time::sleep(RECONNECT_INTERVAL).await,
            }
        }
    }

    async fn try_connect(&self) -> Result<Conn, mysql_async::Error> {
        let handler = WhiteListFsHandler::new([&self.generator.file]);
        let mut conn = self.shared.source.try_connect_with_files(handler).await?;
        conn.query_drop(self.generator.session.greeting()).await?;
        conn.query_drop("USE asterisk").await?;
        Ok(conn)
    }
}
