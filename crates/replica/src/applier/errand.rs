//! What the applier asks the target again and again, while it goes on with its work: over a long line an answer takes longer
//! than a run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tributary_client::{Client, Error as ClientError};
use tributary_schedule::WorkerId;

use super::definition_watch::DefinitionWatch;
use super::lock_watch::{self, LockWaits};
use crate::catalog::Catalog;
use crate::columns;
use crate::error::number;
use crate::progress::Position;
use crate::worker::ConnectionShared;

/// The applier's own login, with autocommit, and what it remembers.
pub(super) struct Own {
    pub(super) login: Client,
    definition_watch: DefinitionWatch,
    /// When the server's view of lock waits was read last.
    locks_read: Option<Instant>,
}

/// What an errand brings.
pub(super) enum Found {
    /// The position saved last of every connection.
    Saved(Vec<Position>),
    Locks(LockWaits),
}

/// The login, on its way.
pub(super) type Errand = Pin<Box<dyn Future<Output = (Box<Own>, Result<Found, ClientError>)> + Send>>;

/// Resolves when the login is back; never while there is no errand. Cancel-safe.
pub(super) async fn end(errand: Option<&mut Errand>) -> (Box<Own>, Result<Found, ClientError>) {
    match errand {
        Some(errand) => errand.await,
        None => std::future::pending().await,
    }
}

impl Own {
    pub(super) fn new(login: Client) -> Self {
        Self {
            login,
            definition_watch: DefinitionWatch::default(),
            locks_read: None,
        }
    }

    /// Who waits for whom.
    pub(super) async fn lock_waits(&mut self) -> Result<LockWaits, ClientError> {
        lock_watch::read(&mut self.login, &mut self.locks_read).await
    }

    /// To be called once a second: nothing else may be asked of the target for long, and a vanished one must be noticed.
    pub(super) async fn look_after(
        &mut self,
        connections: Vec<(Arc<ConnectionShared>, Position)>,
        slot: WorkerId,
        catalog: &Catalog,
    ) -> Result<Vec<Position>, ClientError> {
        match connections.first() {
            Some((shared, _)) => {
                let own = shared.columns.own_definitions();
                self.definition_watch.tick(&mut self.login, own, catalog).await?;
            }
            None => self.login.ping().await?,
        }
        self.save_moved(connections, slot).await
    }

    /// Saves low-water marks that are not those that were saved last, in the row `slot`. Returns what is saved.
    pub(super) async fn save_moved(
        &mut self,
        connections: Vec<(Arc<ConnectionShared>, Position)>,
        slot: WorkerId,
    ) -> Result<Vec<Position>, ClientError> {
        let mut all = Vec::with_capacity(connections.len());
        for (shared, mut saved) in connections {
            let position = shared.progress.low_water();
            if position != saved {
                let mut text = Vec::new();
                shared.progress.render_mark(slot, &[], &mut text);
                match self.login.execute(&text).await {
                    Err(ClientError::Server(error)) if number::is_lock_conflict(error.code) => {
                        tracing::debug!(connection = %shared.name, %error, "the position is saved later");
                    }
                    outcome => {
                        outcome?;
                        saved = position;
                    }
                }
            }
            self.save_columns(&shared).await?;
            all.push(saved);
        }
        Ok(all)
    }

    /// Saves what tables were seen to have when their first row event came. Where a worker is in the way, next time.
    async fn save_columns(&mut self, shared: &ConnectionShared) -> Result<(), ClientError> {
        let (seen, schema) = (shared.columns.take_seen(), shared.progress.schema());
        match columns::save_seen(&mut self.login, schema, &shared.name, &seen).await {
            Err(ClientError::Server(error)) if number::is_lock_conflict(error.code) => {
                tracing::debug!(connection = %shared.name, %error, "columns of tables are saved later");
                shared.columns.give_back(seen);
                Ok(())
            }
            saved => saved,
        }
    }
}
