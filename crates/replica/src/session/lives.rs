//! The connections of a session that runs: each that joins begins a life, a source task and a slot of the applier, and ends it when it
//! leaves. A life is never used again.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tributary_binlog::{Coordinates, GtidPos, GtidSet};
use tributary_client::{Client, Error as ClientError};
use tributary_relaylog::Place;
use tributary_schedule::GroupSeq;

use super::own_login;
use crate::applier::{Command, OwnDefinitions};
use crate::bulk::Shapes;
use crate::catalog::Catalog;
use crate::collations::Collations;
use crate::columns::{self, SourceColumns};
use crate::config::{ConnectionOptions, Options, StartPosition};
use crate::connection_view::{ConnectionView, Views};
use crate::context::known_flags;
use crate::error::StartError;
use crate::load_file::Spool;
use crate::positions::{self, Saved};
use crate::prepare::{Bounds, Patterns, Preparer, TemporaryTables};
use crate::progress::{Position, Progress};
use crate::relay::RelayQueue;
use crate::source::{OpenGroups, ReadPosition, Source, SourceMessage};
use crate::temporary::{self, ServerIds};
use crate::worker::{ConnectionShared, MadeAgain};

/// A connection that takes part.
pub(super) struct StartingConnection {
    view: Arc<ConnectionView>,
    /// Where it stands.
    saved: Saved,
    /// Temporary tables of its source.
    temporary: TemporaryTables,
    /// What is known of its source's columns.
    columns: Arc<SourceColumns>,
}

/// What all connections of a session have in common.
pub(super) struct Common {
    pub(super) options: Options,
    pub(super) catalog: Arc<Catalog>,
    pub(super) collations: Arc<Collations>,
    pub(super) own_definitions: Arc<OwnDefinitions>,
    pub(super) server_ids: Arc<ServerIds>,
    pub(super) open_groups: Arc<OpenGroups>,
    /// The target's version.
    pub(super) version: (u16, u16, u16),
    pub(super) epoch: u64,
}

/// A connection that has joined a session.
pub(super) struct Joined {
    /// The connection's own number.
    number: u16,
    /// Tells its source to end.
    stop: watch::Sender<bool>,
    source: AbortHandle,
    /// Resolves when the source is gone.
    gone: Option<oneshot::Receiver<()>>,
    has_left: bool,
}

/// A life that ends.
pub(super) struct Ended {
    source: Option<oneshot::Receiver<()>>,
    drained: oneshot::Receiver<()>,
}

impl Ended {
    /// Two readers would share the events of one relay log, and what is under way is not saved yet.
    pub(super) async fn wait(self) {
        if let Some(source) = self.source {
            let _ = source.await;
        }
        let _ = self.drained.await;
    }
}

/// The connections of a session that runs.
pub(super) struct Lives {
    pub(super) common: Arc<Common>,
    pub(super) views: Arc<Views>,
    pub(super) workers: usize,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) messages: mpsc::Sender<(u16, SourceMessage)>,
    pub(super) joined: Vec<Joined>,
    pub(super) is_stopping: bool,
}

impl Common {
    fn lost(&self, source: ClientError) -> StartError {
        StartError::Target {
            address: self.options.target.login.address.to_string(),
            source: Box::new(source),
        }
    }

    /// Opens a connection over a login of its own.
    pub(super) async fn open_alone(
        &self,
        view: Arc<ConnectionView>,
        has_lived: bool,
    ) -> Result<StartingConnection, StartError> {
        let mut login = own_login(&self.options).await?;
        self.open(&mut login, view, has_lived).await
    }

    /// Reads where a connection stands, and makes that the newest state. With `has_lived`, its temporary tables are still open.
    pub(super) async fn open(
        &self,
        login: &mut Client,
        view: Arc<ConnectionView>,
        has_lived: bool,
    ) -> Result<StartingConnection, StartError> {
        let schema = &self.options.target.schema;
        let name = &view.options.name;
        let saved = positions::load(login, schema, name)
            .await
            .map_err(|error| self.lost(error))?
            .map_err(StartError::Config)?;
        let mut saved = match saved {
            Some(saved) => saved,
            None => first_start(&view.options)?,
        };
        // Groups that were passed over since the mark was saved must not come once more.
        if let Some(known) = view.position()
            && known.seq > saved.position.seq
        {
            saved.position = known;
        }
        // One row per worker, and one for the applier itself.
        let rows = u16::try_from(self.options.apply.workers.max(1) + 1).unwrap_or(u16::MAX);
        positions::save_all(login, schema, name, &saved, (rows, self.epoch))
            .await
            .map_err(|error| self.lost(error))?;
        let columns = columns::open(login, schema, &view.options, &self.catalog, &self.own_definitions)
            .await
            .map_err(|error| self.lost(error))?;
        let open = temporary::load(login, schema, name)
            .await
            .map_err(|error| self.lost(error))?;
        let temporary = match has_lived {
            true => TemporaryTables::with_open(&view.options.rewrite, open),
            false => TemporaryTables::with_lost(name, open),
        };
        view.stands_at(saved.position.clone());
        Ok(StartingConnection {
            view,
            saved,
            temporary,
            columns,
        })
    }
}

impl Lives {
    /// Whether the connection has been part of this session before.
    pub(super) fn has_lived(&self, view: &ConnectionView) -> bool {
        self.joined.iter().any(|joined| joined.number == view.number)
    }

    /// Whether the connection has a life that brings groups.
    pub(super) fn is_alive(&self, view: &ConnectionView) -> bool {
        let current = self.current(view).and_then(|place| self.joined.get(place));
        current.is_some_and(|joined| !joined.source.is_finished())
    }

    /// Ends the connection's last life. Resolves when its source is gone, and when nothing of it is under way.
    pub(super) fn end(&mut self, view: &ConnectionView) -> Option<Ended> {
        let place = self
            .joined
            .iter()
            .rposition(|joined| joined.number == view.number)?;
        let last = &mut self.joined[place];
        last.has_left = true;
        last.source.abort();
        let source = last.gone.take();
        let (done, drained) = oneshot::channel();
        let index = u16::try_from(place).unwrap_or(u16::MAX);
        // As in `leave`.
        let _ = self.commands.try_send(Command::Leave(index, done));
        Some(Ended { source, drained })
    }

    /// The connection's life that has not been ended.
    fn current(&self, view: &ConnectionView) -> Option<usize> {
        let is_it = |joined: &Joined| joined.number == view.number && !joined.has_left;
        self.joined.iter().position(is_it)
    }

    /// What begins now, with nothing else under way, finds the target's global settings as they are now.
    pub(super) fn renew_logins(&self) {
        // Without room, or with an applier that has ended, there is no start either.
        let _ = self.commands.try_send(Command::RenewLogins);
    }

    /// A stop may have come while it was opened.
    pub(super) fn begin_if_wanted(&mut self, starting: StartingConnection, tasks: &mut JoinSet<()>) {
        // Or another start.
        if starting.view.wanted().threads.sql && self.current(&starting.view).is_none() {
            self.begin(starting, tasks);
        }
    }

    /// Starts the source of a connection, and makes it known to the applier.
    pub(super) fn begin(&mut self, starting: StartingConnection, tasks: &mut JoinSet<()>) {
        let StartingConnection {
            view,
            saved,
            temporary,
            columns,
        } = starting;
        let Ok(index) = u16::try_from(self.joined.len()) else {
            tracing::error!(connection = %view.options.name, "started too often: start the engine anew");
            return;
        };
        let options = &self.common.options;
        let progress = Progress::new(
            &options.target.schema,
            &view.options.name,
            saved.clone(),
            self.workers + 1,
            self.common.epoch,
        )
        .counting(view.counters.groups.clone());
        let connection = Arc::new(ConnectionShared {
            name: view.options.name.clone(),
            catalog: self.common.catalog.clone(),
            maps_engines: !view.options.policies.engines.is_empty(),
            progress,
            counters: view.counters.clone(),
            columns: columns.clone(),
            retries: options.apply.transaction_retries,
            made_again: MadeAgain::default(),
        });
        let queue = RelayQueue::new(view.options.relay_groups_max, view.options.relay_bytes_max);
        view.attach(connection.clone(), queue.used());
        if let Some(receiver) = view.receiver() {
            receiver.shared.applies(connection.clone());
        }
        if self.commands.try_send(Command::Join(connection)).is_err() {
            // The applier has ended, and the session with it.
            return;
        }
        let views = self.views.all();
        let rules = views
            .iter()
            .map(|view| (&view.options.name[..], &view.options.rewrite));
        let bounds = Bounds::new(
            &view.options.name,
            rules,
            &options.target.schema,
            self.common.version,
        );
        let (stop, stopped) = watch::channel(self.is_stopping);
        let preparer = self.common.preparer(&view, bounds, columns, temporary);
        let mut source = source(
            &view,
            preparer,
            saved,
            queue,
            self.messages.clone(),
            index,
            stopped,
        );
        source.open_groups = self.common.open_groups.clone();
        let (held, gone) = oneshot::channel();
        let source = tasks.spawn(async move {
            let _held: oneshot::Sender<()> = held;
            source.run().await;
        });
        self.joined.push(Joined {
            number: view.number,
            stop,
            source,
            gone: Some(gone),
            has_left: false,
        });
    }

    pub(super) fn leave(&mut self, view: &ConnectionView, done: oneshot::Sender<()>) {
        let Some(place) = self.current(view) else { return };
        let joined = &mut self.joined[place];
        joined.has_left = true;
        joined.stop.send_replace(true);
        let index = u16::try_from(place).unwrap_or(u16::MAX);
        // Statements come one after the other, so there is room; an applier that has ended needs no order.
        let _ = self.commands.try_send(Command::Leave(index, done));
    }

    /// Tells all sources to stop.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
        for joined in &self.joined {
            joined.stop.send_replace(true);
        }
    }
}

impl Common {
    fn preparer(
        &self,
        view: &ConnectionView,
        bounds: Bounds,
        columns: Arc<SourceColumns>,
        temporary: TemporaryTables,
    ) -> Preparer {
        let options = &self.options;
        Preparer {
            filter: view.options.filter.clone(),
            rewrite: view.options.rewrite.clone(),
            bounds,
            policies: view.options.policies.clone(),
            tolerances: view.options.policies.tolerances(&view.options.skip_errors),
            catalog: self.catalog.clone(),
            columns,
            collations: self.collations.clone(),
            counters: view.counters.clone(),
            schema: Bytes::from(options.target.schema.clone()),
            connection: view.options.name.clone(),
            xa: crate::prepare::XaFootprints::default(),
            own_server_id: view.options.server_id.unwrap_or(options.server_id),
            own_account: Bytes::from(options.target.login.user.clone()),
            version: ((0, 0, 0), 0),
            format: None,
            known_flags: known_flags((0, 0, 0)),
            contexts: Vec::new(),
            merges_rows: options.apply.merge_rows,
            sets_rows: options.apply.set_rows > 0,
            shapes: Shapes::default(),
            patterns: Patterns::default(),
            temporary,
            server_ids: self.server_ids.clone(),
            index: view.number,
            warned_statements: false,
            spool: Spool::new(options.apply.load_tmpdir.clone()),
        }
    }
}

/// The stream of a connection from where it stands.
fn source(
    view: &ConnectionView,
    preparer: Preparer,
    saved: Saved,
    queue: RelayQueue,
    messages: mpsc::Sender<(u16, SourceMessage)>,
    index: u16,
    stop: watch::Receiver<bool>,
) -> Source {
    let Position {
        seq,
        coordinates,
        gtid_pos,
    } = saved.position;
    let wanted = view.take_orders();
    Source {
        server_id: preparer.own_server_id,
        preparer,
        queue,
        counters: view.counters.clone(),
        messages,
        index,
        stop,
        position: ReadPosition {
            seq,
            needs_gtid: coordinates.file.is_empty() && !gtid_pos.is_empty(),
            coordinates,
            gtid_pos,
            relay: Place::default(),
            done: saved.done,
            announced: saved.announced,
            executed: saved.executed,
            begun: saved.begun,
        },
        options: view.options.clone(),
        is_mysql: false,
        relay_end: Place::default(),
        batch: Vec::new(),
        open: None,
        receiver: view.receiver().cloned(),
        orders: wanted,
        holds_stop: watch::Sender::new(false),
        lost_at: None,
        open_groups: Arc::default(),
    }
}

/// Where a connection begins that has never run.
pub(crate) fn first_start(options: &ConnectionOptions) -> Result<Saved, StartError> {
    let (coordinates, gtid_pos) = match &options.start {
        Some(StartPosition::Coordinates(coordinates)) => (coordinates.clone(), GtidPos::new()),
        Some(StartPosition::Gtid(gtid_pos)) => (Coordinates::new("", 4), gtid_pos.clone()),
        None => {
            return Err(StartError::Config(format!(
                "connection {}: the target holds no position of it, and none is given: set {}.master_log_file and {}.master_log_pos \
                 (or gtid_slave_pos) to where the copy of its data was made",
                options.name, options.name, options.name
            )));
        }
    };
    Ok(Saved {
        position: Position {
            seq: GroupSeq(0),
            coordinates,
            gtid_pos,
        },
        done: GtidSet::new(),
        announced: GtidSet::new(),
        executed: GtidSet::new(),
        begun: GtidSet::new(),
    })
}
