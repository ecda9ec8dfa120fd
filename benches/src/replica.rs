//! A replica of either kind, between its target and the sources: prepared, started, watched, stopped.

use std::path::Path;

use anyhow::{Context, Result, bail};
use mysql_async::{Conn, OptsBuilder};

use crate::coordinates::Coordinates;
use crate::engine::Engine;
use crate::link::Route;
use crate::measure::{POLL_INTERVAL, Watch};
use crate::native::Native;
use crate::source::Sources;
use crate::system::System;
use crate::target::Target;

/// A system at work on one target.
pub(crate) enum Replica {
    /// The target's own replica.
    Native(Native),
    /// Tributary.
    Engine(Box<Engine>),
}

impl Replica {
    /// Sets a replica up; nothing runs yet.
    ///
    /// # Errors
    /// When the target refuses the configuration, or the engine's files cannot be written.
    pub(crate) async fn prepare(
        system: System,
        program: Option<&Path>,
        sources: &Sources,
        target: &Target,
        route: &Route,
    ) -> Result<Replica> {
        Ok(match (system.native(), program) {
            (Some(native), _) => Replica::Native(Native::prepare(native, sources, target, route).await?),
            (None, Some(program)) => {
                Replica::Engine(Box::new(Engine::prepare(program, sources, target, route)?))
            }
            (None, None) => bail!("the engine's program was not looked for"),
        })
    }

    /// Starts all connections.
    ///
    /// # Errors
    /// When the target or the operating system refuses.
    pub(crate) async fn start(&mut self) -> Result<()> {
        match self {
            Replica::Native(native) => native.start().await,
            Replica::Engine(engine) => engine.start(),
        }
    }

    /// The engine's process; `None` for the native replica, which is the server.
    pub(crate) fn engine_pid(&self) -> Option<u32> {
        match self {
            Replica::Native(_) => None,
            Replica::Engine(engine) => engine.pid(),
        }
    }

    /// A session that takes the statements of replication: on the target, or on the engine's control port.
    ///
    /// # Errors
    /// A login that fails.
    pub(crate) async fn control(&self, target: &Target) -> Result<Conn> {
        match self {
            Replica::Native(_) => target.as_ref().connect().await,
            Replica::Engine(engine) => {
                let login = OptsBuilder::default()
                    .socket(Some(engine.control_socket().to_string_lossy()))
                    .prefer_socket(false)
                    .user(Some(&target.login.user))
                    .pass(Some(&target.login.password));
                Conn::new(login).await.context("log in through the control port")
            }
        }
    }

    /// How far each connection is, in the sources' order; `None` until one is known.
    ///
    /// # Errors
    /// A replica that has stopped or reports an error.
    async fn connections(&mut self) -> Result<Vec<Progress>> {
        match self {
            Replica::Native(native) => native.connections().await,
            Replica::Engine(engine) => engine.connections().await,
        }
    }

    /// Waits until every source's end is executed.
    ///
    /// # Errors
    /// A replica that stops, or does not arrive in time.
    pub(crate) async fn wait_until_executed(&mut self, sources: &Sources, watch: &Watch<'_>) -> Result<()> {
        loop {
            let connections = self.connections().await?;
            let mut arrived = connections.len() == sources.all.len();
            for (connection, source) in connections.iter().zip(&sources.all) {
                arrived &= match &connection.executed {
                    Some(executed) => executed.has_reached(&source.end)?,
                    None => false,
                };
            }
            if arrived {
                return Ok(());
            }
            watch.check_time()?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until every connection reads from its source.
    ///
    /// # Errors
    /// A replica that stops, or does not connect in time.
    pub(crate) async fn wait_until_connected(&mut self, sources: &Sources, watch: &Watch<'_>) -> Result<()> {
        loop {
            let connections = self.connections().await?;
            if connections.len() == sources.all.len() && connections.iter().all(|one| one.is_reading) {
                return Ok(());
            }
            watch.check_time()?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Ends it as an operator does. A result only counts if it could also stop in order.
    ///
    /// # Errors
    /// A replica that does not stop cleanly.
    pub(crate) async fn stop(self) -> Result<()> {
        match self {
            Replica::Native(native) => native.stop().await,
            Replica::Engine(engine) => engine.stop().await,
        }
    }

    /// The log that may explain an error, with its name.
    pub(crate) fn log(&self) -> Option<(&'static str, String)> {
        match self {
            Replica::Native(_) => None,
            Replica::Engine(engine) => Some(("the engine's log", engine.log())),
        }
    }
}

/// How far one connection is.
#[derive(Debug, PartialEq)]
pub(crate) struct Progress {
    /// Everything before this place is on the target.
    pub(crate) executed: Option<Coordinates>,
    /// Whether the source sends.
    pub(crate) is_reading: bool,
}
