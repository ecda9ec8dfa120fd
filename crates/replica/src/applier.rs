//! The applier: carries facts to the coordinator and its actions to workers, for all connections.
//!
//! The only caller of the coordinator. Its waits are for messages; what it asks the target itself goes over a login of its own,
//! and what comes again and again (lock waits, saved positions of idle connections) is asked while it goes on (`errand.rs`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tributary_client::{Client, Error as ClientError};
use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, Footprint, GroupId, GroupInfo, GroupKind, GroupSeq, Run,
    RunId, Scope, TableUse, WorkerId,
};

use crate::catalog::{self, Catalog};
use crate::change::{Defines, PreparedGroup};
use crate::error::{StopReason, number};
use crate::heal::{Heal, heals};
use crate::prepare::wider;
use crate::progress::Position;
use crate::relay::Permit;
use crate::source::{SourceMessage, SourceStop};
use crate::status::{ConnectionState, SqlState};
use crate::temporary;
use crate::worker::{ConnectionShared, Order, RunEnd, RunReport, RunWork};

mod definition_watch;
mod errand;
mod lock_watch;

pub(crate) use definition_watch::OwnDefinitions;
use errand::{Errand, Found, Own};
use lock_watch::{LockWaits, LockWatch};

/// How often the applier asks whether anybody waits for a row lock, while runs are beside each other.
const LOCK_TICK: Duration = Duration::from_millis(10);

/// How often positions of connections that moved without data are saved.
const SAVE_TICK: Duration = Duration::from_secs(1);

/// Messages handled before actions are carried out, so that runs can grow while a backlog is read.
const MESSAGES_MAX: usize = 64;

/// Why the applier ended.
pub(crate) enum ApplierEnd {
    /// Told to; every connection is at a group boundary and its position saved.
    Stopped,
    /// The target is gone.
    TargetLost(ClientError),
    /// A group must be received once more: everything begins anew from the saved positions, where it has come to rest.
    BeginAgain(StopReason),
}

/// What the session tells the applier.
pub(crate) enum Command {
    /// Another connection; its number is the next.
    Join(Arc<ConnectionShared>),
    /// If nothing is under way, workers go on in new sessions.
    RenewLogins,
    /// The connection with this number starts nothing more; the sender is dropped when it is at rest and saved.
    Leave(u16, oneshot::Sender<()>),
}

/// What the applier holds of a connection.
pub(crate) struct ConnectionSlot {
    id: ConnectionId,
    pub(crate) shared: Arc<ConnectionShared>,
    /// Groups that have arrived and not been handed to a worker, from `first` on.
    groups: VecDeque<Option<Box<PreparedGroup>>>,
    first: u64,
    /// Why the stream ended; takes effect when everything before is applied.
    source_stop: Option<SourceStop>,
    /// Takes no more groups.
    is_stopping: bool,
    is_drained: bool,
    /// Held until it is at rest and saved.
    leaving: Vec<oneshot::Sender<()>>,
    /// Its place is no longer ours to save.
    has_left: bool,
    saved: Position,
}

/// See the module.
pub(crate) struct Applier {
    coordinator: Coordinator,
    connections: Vec<ConnectionSlot>,
    workers: Vec<mpsc::Sender<Order>>,
    runs: HashMap<RunId, WorkerId>,
    catalog: Arc<Catalog>,
    /// The applier's own login, unless it is on an errand.
    own: Option<Box<Own>>,
    errand: Option<Errand>,
    lock_watch: LockWatch,
    commands: mpsc::Receiver<Command>,
    messages: mpsc::Receiver<(u16, SourceMessage)>,
    reports: mpsc::Receiver<RunReport>,
    stop: watch::Receiver<bool>,
    /// Runs that have been told to give way.
    giving_way: HashSet<RunId>,
    /// Groups under way that change what is known of these tables and databases.
    defining: Defining,
    /// Why everything must begin anew, and how long runs under way may take to end.
    begin_again: Option<(StopReason, Instant)>,
    /// Before anything is started.
    wants_new_logins: bool,
    rest_max: Duration,
}

/// Tables and databases whose definition is about to change, with the number of groups that do so.
#[derive(Debug, Default)]
struct Defining {
    open: HashMap<GroupId, Defines>,
}

/// Everything an applier starts with.
pub(crate) struct ApplierParts {
    pub(crate) coordinator: Coordinator,
    pub(crate) workers: Vec<mpsc::Sender<Order>>,
    /// The server's session numbers of the workers.
    pub(crate) worker_sessions: Vec<Arc<AtomicU32>>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) login: Client,
    /// Looked at before messages: a connection joins before it brings anything.
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) messages: mpsc::Receiver<(u16, SourceMessage)>,
    pub(crate) reports: mpsc::Receiver<RunReport>,
    pub(crate) stop: watch::Receiver<bool>,
    /// How long runs under way may take to end when everything must begin anew.
    pub(crate) rest_max: Duration,
}

impl Applier {
    pub(crate) fn new(parts: ApplierParts) -> Self {
        let ApplierParts {
            coordinator,
            workers,
            worker_sessions,
            catalog,
            login,
            commands,
            messages,
            reports,
            stop,
            rest_max,
        } = parts;
        Self {
            coordinator,
            connections: Vec::new(),
            workers,
            runs: HashMap::new(),
            catalog,
            own: Some(Box::new(Own::new(login))),
            errand: None,
            lock_watch: LockWatch::new(worker_sessions),
            commands,
            messages,
            reports,
            stop,
            giving_way: HashSet::new(),
            defining: Defining::default(),
            begin_again: None,
            wants_new_logins: false,
            rest_max,
        }
    }

    /// Applies until told to stop or until the target is lost.
    pub(crate) async fn run(mut self) -> ApplierEnd {
        match self.serve().await {
            Ok(()) => match self.begin_again.take() {
                Some((reason, _)) if !*self.stop.borrow() => ApplierEnd::BeginAgain(reason),
                _ => ApplierEnd::Stopped,
            },
            Err(error) => ApplierEnd::TargetLost(error),
        }
    }

    async fn serve(&mut self) -> Result<(), ClientError> {
        let mut lock_tick = tokio::time::interval(LOCK_TICK);
        let mut save_tick = tokio::time::interval(SAVE_TICK);
        lock_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        save_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_stopping = false;
        let mut has_sources = true;
        // Whoever holds a lock may wait for an order that comes from here.
        let set = self
            .own()
            .await?
            .login
            .execute(b"SET SESSION innodb_lock_wait_timeout=1")
            .await;
        match set {
            // The server has no InnoDB, and no such waits.
            Err(ClientError::Server(error)) if error.code == number::UNKNOWN_VARIABLE => {}
            set => drop(set?),
        }
        loop {
            self.act().await?;
            if self.begin_again.is_some() && !is_stopping {
                is_stopping = self.stop_all();
                continue;
            }
            if is_stopping && self.connections.iter().all(|slot| slot.is_drained) {
                self.save_moved().await?;
                return Ok(());
            }
            // Reports first: they free workers. New groups come last, because they only add work.
            tokio::select! {
                biased;
                report = self.reports.recv() => {
                    let Some(report) = report else { return Err(ClientError::Broken) };
                    self.run_ended(report).await?;
                }
                () = told_to_stop(&mut self.stop), if !is_stopping => is_stopping = self.stop_all(),
                () = rest_over(self.begin_again.as_ref()) => return Ok(()),
                (own, found) = errand::end(self.errand.as_mut()) => self.errand_ended(own, found)?,
                // The rarer errand first: over a long line the other is always due.
                Some(command) = self.commands.recv() => self.obey(command, is_stopping),
                _ = save_tick.tick(), if self.errand.is_none() => self.look_after_moved(),
                _ = lock_tick.tick(), if self.errand.is_none() && self.runs.len() > 1 => self.watch_locks(),
                message = self.messages.recv(), if !is_stopping && has_sources => match message {
                    Some((connection, message)) => self.take_messages(connection, message),
                    // Every source has ended, by itself or told to. What they sent is applied still: the reason why a
                    // source ended comes after that.
                    None => has_sources = false,
                },
            }
        }
    }

    fn obey(&mut self, command: Command, is_stopping: bool) {
        match command {
            Command::Join(shared) => self.join(shared, is_stopping),
            Command::Leave(index, done) => self.leave(index, done),
            Command::RenewLogins => {
                self.wants_new_logins |= self.connections.iter().all(|slot| slot.is_drained);
            }
        }
    }

    fn join(&mut self, shared: Arc<ConnectionShared>, is_stopping: bool) {
        let saved = shared.progress.low_water();
        let id = self.coordinator.add_connection(saved.seq);
        self.connections.push(ConnectionSlot {
            id,
            first: saved.seq.0 + 1,
            saved,
            shared,
            groups: VecDeque::new(),
            source_stop: None,
            is_stopping,
            is_drained: false,
            leaving: Vec::new(),
            has_left: false,
        });
        if is_stopping {
            self.coordinator.stop_connection(id);
        }
    }

    fn leave(&mut self, index: u16, done: oneshot::Sender<()>) {
        let Some(slot) = self.connections.get_mut(usize::from(index)) else {
            return;
        };
        if slot.is_drained {
            return;
        }
        slot.leaving.push(done);
        slot.is_stopping = true;
        self.coordinator.stop_connection(slot.id);
    }

    /// Starts nothing more.
    fn stop_all(&mut self) -> bool {
        for slot in &mut self.connections {
            slot.is_stopping = true;
            self.coordinator.stop_connection(slot.id);
        }
        true
    }

    fn take_messages(&mut self, connection: u16, message: SourceMessage) {
        self.take(connection, message);
        for _ in 0..MESSAGES_MAX {
            let Ok((connection, message)) = self.messages.try_recv() else {
                break;
            };
            self.take(connection, message);
        }
    }

    fn take(&mut self, connection: u16, message: SourceMessage) {
        // It has joined meanwhile.
        while self.connections.len() <= usize::from(connection)
            && let Ok(command) = self.commands.try_recv()
        {
            self.obey(command, false);
        }
        let Some(slot) = self.connections.get_mut(usize::from(connection)) else {
            return;
        };
        match message {
            SourceMessage::Groups(groups) => groups
                .into_iter()
                .for_each(|group| self.arrived(connection, group)),
            SourceMessage::Moved(coordinates, relay) => slot.shared.progress.moved(&coordinates, relay),
            SourceMessage::StartsAt(gtid_pos) => slot.shared.progress.starts_at(gtid_pos),
            SourceMessage::Stopped(stop) => {
                slot.source_stop = Some(stop);
                self.end_if_applied(usize::from(connection));
            }
        }
    }

    fn arrived(&mut self, connection: u16, mut group: Box<PreparedGroup>) {
        let slot = &mut self.connections[usize::from(connection)];
        if slot.is_stopping {
            return;
        }
        let place = group.permit.as_mut().and_then(Permit::take_place);
        slot.shared.progress.received(group.label.clone(), place);
        let id = GroupId {
            connection: slot.id,
            seq: group.seq,
        };
        let (info, is_current) = self.defining.describe(id, &group, &self.catalog);
        if !is_current {
            group.send_one_by_one();
        }
        let is_empty = info.kind == GroupKind::Empty;
        if let Some(defines) = &group.defines {
            self.defining.open.insert(id, defines.clone());
        }
        slot.groups.push_back((!is_empty).then_some(group));
        self.coordinator.group_arrived(info);
    }

    /// Carries out whatever the coordinator wants.
    async fn act(&mut self) -> Result<(), ClientError> {
        if std::mem::take(&mut self.wants_new_logins) {
            self.renew_logins().await?;
        }
        while let Some(action) = self.coordinator.next_action() {
            match action {
                Action::Start(run) => self.start(run)?,
                Action::Release(run) => self.order(run, Order::Release(run))?,
                Action::AllowCommit(run) => self.order(run, Order::AllowCommit(run))?,
                Action::Cancel(run) => self.order(run, Order::Cancel(run))?,
                Action::Advance(connection, seq) => self.advanced(connection, seq),
                Action::Drained(connection) => self.drained(connection).await?,
            }
        }
        Ok(())
    }

    /// Has every worker begin a new session, before it is given anything to do.
    async fn renew_logins(&mut self) -> Result<(), ClientError> {
        if let Some(slot) = self.connections.first() {
            let schema = slot.shared.progress.schema().to_owned();
            // They live in a worker's session, and a connection that comes back goes on with them.
            if temporary::are_any_open(&mut self.own().await?.login, &schema).await? {
                return Ok(());
            }
        }
        for worker in &self.workers {
            // At rest, a full queue is full of this; one that is closed is found out by the next run.
            let _ = worker.try_send(Order::Renew);
        }
        Ok(())
    }

    fn start(&mut self, run: Run) -> Result<(), ClientError> {
        let slot = &mut self.connections[usize::from(run.connection.0)];
        let take = |seq: &GroupSeq| {
            let index = usize::try_from(seq.0.checked_sub(slot.first)?).ok()?;
            slot.groups.get_mut(index)?.take()
        };
        let mut groups = Vec::with_capacity(run.groups.len());
        groups.extend(run.groups.iter().filter_map(take));
        while slot.groups.front().is_some_and(Option::is_none) {
            slot.groups.pop_front();
            slot.first += 1;
        }
        let connection = slot.shared.clone();
        let (id, worker) = (run.id, run.worker);
        self.runs.insert(id, worker);
        self.order(
            id,
            Order::Run(Box::new(RunWork {
                run,
                groups,
                connection,
            })),
        )
    }

    fn order(&mut self, run: RunId, order: Order) -> Result<(), ClientError> {
        let Some(worker) = self.runs.get(&run) else {
            return Ok(());
        };
        let sender = &self.workers[usize::from(worker.0)];
        // A worker gets a handful of orders per run and its queue is longer than that; full or closed, it is dead.
        sender.try_send(order).map_err(|_| ClientError::Broken)
    }

    async fn run_ended(&mut self, report: RunReport) -> Result<(), ClientError> {
        let connection = self.coordinator.connection_of(report.run);
        for defines in &report.defines {
            self.refresh(defines).await?;
        }
        self.runs.remove(&report.run);
        self.lock_watch.run_ended(report.run);
        self.giving_way.remove(&report.run);
        match report.end {
            RunEnd::Committed => {
                self.defining.committed(&self.coordinator, report.run);
                self.coordinator.run_committed(report.run);
            }
            RunEnd::Stopped { committed, reason } => {
                self.defining.committed(&self.coordinator, report.run);
                if let (Some(connection), Some(reason)) = (connection, reason) {
                    self.stopped(connection, &reason);
                }
                self.coordinator.run_stopped(report.run, &committed);
            }
            RunEnd::BeginAgain(reason) => {
                self.begin_again
                    .get_or_insert((reason, Instant::now() + self.rest_max));
                self.coordinator.run_stopped(report.run, &[]);
            }
            RunEnd::TargetLost(error) => return Err(error),
        }
        Ok(())
    }

    fn stopped(&mut self, connection: ConnectionId, reason: &StopReason) {
        let slot = &mut self.connections[usize::from(connection.0)];
        slot.is_stopping = true;
        let shared = &slot.shared;
        tracing::error!(connection = %shared.name, number = reason.number, "stopped: {}", reason.message);
        let heals = slot.leaving.is_empty() && heals(reason);
        let at = shared.progress.low_water().seq;
        shared.counters.update(|state| {
            state.sql_state = SqlState::Stopped;
            state.sql_error = Some(reason.status());
            let before = state.heal.take().filter(|_| heals);
            state.heal = heals.then(|| Heal::next(before, at, Instant::now())).flatten();
        });
    }

    /// The applier's own login, back from its errand.
    async fn own(&mut self) -> Result<&mut Own, ClientError> {
        if let Some(errand) = self.errand.as_mut() {
            let (own, found) = errand.await;
            self.errand_ended(own, found)?;
        }
        self.own.as_deref_mut().ok_or(ClientError::Broken)
    }

    /// Reads again what a group has changed in the target's catalogue.
    async fn refresh(&mut self, defines: &Defines) -> Result<(), ClientError> {
        let login = &mut self.own().await?.login;
        match defines {
            Defines::Tables(tables) => {
                let loaded = catalog::load_tables(login, tables).await?;
                self.catalog.replace_tables(tables, loaded);
            }
            Defines::Databases(databases) => {
                let loaded = catalog::load_databases(login, databases).await?;
                self.catalog.replace_databases(Some(databases), loaded);
            }
        }
        Ok(())
    }

    fn advanced(&mut self, connection: ConnectionId, seq: GroupSeq) {
        let index = usize::from(connection.0);
        let slot = &mut self.connections[index];
        slot.shared.progress.advance(seq);
        while slot.first <= seq.0 && slot.groups.front().is_some_and(Option::is_none) {
            slot.groups.pop_front();
            slot.first += 1;
        }
        self.end_if_applied(index);
    }

    /// Ends a connection whose stream has ended once everything received is applied.
    fn end_if_applied(&mut self, index: usize) {
        let slot = &mut self.connections[index];
        if slot.source_stop.is_none() || self.coordinator.groups_open(slot.id) > 0 {
            return;
        }
        let id = slot.id;
        match slot.source_stop.take() {
            Some(SourceStop::Group(reason)) => self.stopped(id, &reason),
            Some(SourceStop::Reached) => {
                let state = |state: &mut ConnectionState| state.sql_state = SqlState::Stopped;
                slot.shared.counters.update(state);
            }
            Some(SourceStop::Stream) | None => {}
        }
        self.coordinator.stop_connection(id);
    }

    async fn drained(&mut self, connection: ConnectionId) -> Result<(), ClientError> {
        let slot = &mut self.connections[usize::from(connection.0)];
        slot.is_drained = true;
        slot.groups.clear();
        tracing::info!(connection = %slot.shared.name, at = %slot.shared.progress.low_water().coordinates, "at rest");
        if !slot.leaving.is_empty() {
            // Its temporary tables stay. What it has passed over is saved, or it would be applied after the next start.
            self.save_moved().await?;
            let slot = &mut self.connections[usize::from(connection.0)];
            slot.leaving.clear();
            slot.has_left = true;
            return Ok(());
        }
        let shared = slot.shared.clone();
        let login = &mut self.own().await?.login;
        let open = temporary::load(login, shared.progress.schema(), &shared.name).await?;
        if !open.is_empty() {
            tracing::warn!(
                connection = %shared.name,
                tables = %temporary::names(open.iter().map(|(_, table)| table)),
                "temporary tables of the source are open and will be gone; a statement that needs one will stop the connection"
            );
        }
        self.save_moved().await
    }

    /// Saves low-water marks that have moved since they were last saved here; workers save theirs with the data.
    async fn save_moved(&mut self) -> Result<(), ClientError> {
        let (connections, slot) = (self.moved(), self.slot());
        let saved = self.own().await?.save_moved(connections, slot).await?;
        self.saved(saved);
        Ok(())
    }

    /// Every connection with what was last saved of it here.
    fn moved(&self) -> Vec<(Arc<ConnectionShared>, Position)> {
        let each = self.connections.iter().filter(|slot| !slot.has_left);
        each.map(|slot| (slot.shared.clone(), slot.saved.clone()))
            .collect()
    }

    /// Whose row of the positions is the applier's own: behind those of the workers.
    fn slot(&self) -> WorkerId {
        WorkerId(u16::try_from(self.workers.len()).unwrap_or(u16::MAX))
    }

    fn saved(&mut self, saved: Vec<Position>) {
        let each = self.connections.iter_mut().filter(|slot| !slot.has_left);
        for (slot, position) in each.zip(saved) {
            slot.shared.progress.note_saved(&position);
            slot.saved = position;
        }
    }

    /// Sends the login to look after definitions and saved positions.
    fn look_after_moved(&mut self) {
        let (connections, slot, catalog) = (self.moved(), self.slot(), self.catalog.clone());
        self.errand = self.own.take().map(|mut own| -> Errand {
            Box::pin(async move {
                let found = own.look_after(connections, slot, &catalog).await;
                (own, found.map(Found::Saved))
            })
        });
    }

    /// Sends the login to look at lock waits, if a run has been standing still.
    fn watch_locks(&mut self) {
        let ahead = self.ahead_of_others();
        let ahead: Vec<RunId> = ahead.into_iter().map(|(run, _)| run).collect();
        if !self.lock_watch.is_due(&ahead) {
            return;
        }
        self.errand = self.own.take().map(|mut own| -> Errand {
            Box::pin(async move {
                let found = own.lock_waits().await;
                (own, found.map(Found::Locks))
            })
        });
    }

    /// The login is back.
    fn errand_ended(&mut self, own: Box<Own>, found: Result<Found, ClientError>) -> Result<(), ClientError> {
        self.own = Some(own);
        self.errand = None;
        match found? {
            Found::Saved(saved) => self.saved(saved),
            Found::Locks(waits) => self.make_way(&waits)?,
        }
        Ok(())
    }

    /// Has the runs give way that are in the way of earlier ones.
    fn make_way(&mut self, waits: &LockWaits) -> Result<(), ClientError> {
        for (ahead, later) in self.ahead_of_others() {
            for run in self.lock_watch.in_the_way(waits, &self.runs, ahead, &later) {
                if self.giving_way.insert(run) {
                    self.order(run, Order::GiveWay(run))?;
                }
            }
        }
        Ok(())
    }

    fn ahead_of_others(&self) -> Vec<(RunId, Vec<RunId>)> {
        let each = self.connections.iter();
        each.flat_map(|slot| self.coordinator.ahead_of_others(slot.id))
            .collect()
    }
}

/// Resolves when what is under way has had its time to end; never while there is no hurry.
async fn rest_over(begin_again: Option<&(StopReason, Instant)>) {
    match begin_again {
        Some((_, deadline)) => tokio::time::sleep_until((*deadline).into()).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the flag is set, or when its owner is gone.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Defining {
    /// What the coordinator must know of a group, and whether its tables still are what they were when it was prepared. Where a
    /// definition is about to change, nothing is taken for granted.
    fn describe(&self, id: GroupId, group: &PreparedGroup, catalog: &Catalog) -> (GroupInfo, bool) {
        let mut is_current = true;
        let mut kinds = (false, false);
        let mut is_unknown = group.is_alone;
        let mut footprint = Footprint {
            tables: smallvec::SmallVec::new(),
            scope: group.scope,
        };
        for used in &group.tables {
            let is_being_defined = self.touches(catalog, used.name);
            let current = catalog.info(used.name.id).filter(|_| !is_being_defined);
            let is_same = matches!((&current, &used.info), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
            is_current &= is_same;
            // Triggers, foreign keys and views reach further than the table; those that the group was prepared without, or that
            // are about to be made, may reach any table of any database. A table that is made anew has none but those
            // that its statement names.
            let is_plain =
                |info: &catalog::TableInfo| !info.is_view && !info.has_triggers && info.related.is_empty();
            let may_reach_further = !is_same && current.as_deref().is_none_or(|info| !is_plain(info));
            let is_made_anew =
                used.is_written && group.defines.is_some() && current.is_none() && !is_being_defined;
            if may_reach_further && !is_made_anew {
                footprint.scope = Scope::Everything;
                is_unknown = true;
            }
            let access = match &used.access {
                Access::Keys(_) if !is_same => Access::Whole,
                access => access.clone(),
            };
            if used.is_written {
                match &current {
                    Some(info) if info.is_transactional => kinds.0 = true,
                    Some(_) => kinds.1 = true,
                    None => is_unknown = true,
                }
            }
            footprint.tables.push(TableUse {
                table: used.name.id,
                database: used.name.database,
                access,
            });
        }
        if group.uses_temporary {
            // What else of the connection uses the same ones is not in any footprint.
            footprint.scope = wider(footprint.scope, Scope::Connection);
        }
        if group.pieces.is_some() {
            // Wider would hold up other connections for as long as the group takes to arrive.
            footprint.scope = Scope::Connection;
        }
        let kind = match kinds {
            _ if group.is_empty() => GroupKind::Empty,
            (true, false) if !is_unknown => GroupKind::Transactional,
            (false, true) if !is_unknown => GroupKind::Tables,
            _ => GroupKind::Alone,
        };
        let info = GroupInfo {
            id,
            kind,
            footprint,
            bytes: group.bytes,
            commit_id: group.commit_id,
            pinned: group.pinned,
        };
        (info, is_current)
    }

    fn touches(&self, catalog: &Catalog, name: catalog::TableName) -> bool {
        self.open.values().any(|defines| match defines {
            Defines::Tables(tables) => tables
                .iter()
                .any(|(database, table)| catalog.table(database, table).0.id == name.id),
            Defines::Databases(databases) => databases
                .iter()
                .any(|database| catalog.database(database) == name.database),
        })
    }

    /// The groups of a run are no longer under way.
    fn committed(&mut self, coordinator: &Coordinator, run: RunId) {
        if self.open.is_empty() {
            return;
        }
        for id in coordinator.groups_of(run) {
            self.open.remove(&id);
        }
    }
}
