//! Replication statements as calls of the engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tributary::{ConnectionDetail, ConnectionOptions, Controller, Threads, Until};
use tributary_binlog::{Coordinates, GtidPos};
use tributary_client::Address;
use tributary_control as control;
use tributary_control::{
    ChangeMaster, ConnectionStatus, Engine, Outcome, Place, Processes, Refusal, RelayEvents, RelayQuery,
    Variable,
};

use super::error;
use super::kept::Kept;
use super::options::{self, FILTERS};
use super::relay_events;
use super::status;
use crate::config::Templates;

/// The engine with what was said to it.
pub(crate) struct ControlEngine {
    controller: Controller,
    templates: Templates,
    /// The options of connections as the files have them.
    configured: Vec<ConnectionOptions>,
    kept: Mutex<Kept>,
    /// Variables of the engine as a whole, as far as they were set.
    common: Mutex<HashMap<&'static str, String>>,
    defaults: Defaults,
    /// Connections wait for `START SLAVE` after the engine's start.
    skips_start: AtomicBool,
    /// There is no port: connections are those of the files, each where it stands, and nothing is kept of them.
    is_of_files: bool,
}

/// What variables of the engine as a whole are by the option files.
pub(crate) struct Defaults {
    pub(crate) parallel_threads: usize,
    pub(crate) parallel_mode: String,
    pub(crate) retries: u32,
    pub(crate) net_timeout: Duration,
    pub(crate) is_idempotent: bool,
}

impl Defaults {
    fn of(&self, variable: Variable) -> String {
        match variable {
            Variable::SlaveParallelThreads => self.parallel_threads.to_string(),
            Variable::SlaveTransactionRetries => self.retries.to_string(),
            Variable::SlaveNetTimeout => self.net_timeout.as_secs().to_string(),
            Variable::SlaveExecMode if self.is_idempotent => "IDEMPOTENT".to_owned(),
            Variable::SlaveExecMode => "STRICT".to_owned(),
            _ => String::new(),
        }
    }
}

impl ControlEngine {
    /// Behind a control port of this engine.
    pub(crate) fn new(controller: Controller, config: Configured, kept: Kept) -> Self {
        Self {
            controller,
            templates: config.templates,
            configured: config.connections,
            kept: Mutex::new(kept),
            common: Mutex::default(),
            defaults: config.defaults,
            skips_start: AtomicBool::new(false),
            is_of_files: false,
        }
    }

    /// Without a control port, of an engine that runs.
    pub(crate) fn of_files(controller: Controller, defaults: Defaults) -> Self {
        Self {
            controller,
            templates: Templates::default(),
            configured: Vec::new(),
            kept: Mutex::default(),
            common: Mutex::default(),
            defaults,
            skips_start: AtomicBool::new(false),
            is_of_files: true,
        }
    }

    /// Whether connections can be changed and removed.
    pub(crate) fn keeps_changes(&self) -> bool {
        !self.is_of_files
    }

    /// The GTID position of one connection; `None` if it has none, or there is no such connection.
    pub(crate) fn gtid_pos_of(&self, name: &str) -> Option<GtidPos> {
        self.controller.connection(name)?.status.gtid.parse().ok()
    }

    /// Makes the connections that are kept, and starts all that are not told to wait.
    ///
    /// # Errors
    /// What cannot be made, as text. The others are.
    pub(crate) async fn begin(&self, skips_start: bool) -> Vec<String> {
        self.skips_start.store(skips_start, Ordering::Relaxed);
        let mut names: Vec<String> = self
            .configured
            .iter()
            .map(|options| options.name.clone())
            .collect();
        for kept in lock(&self.kept).connections() {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&kept.name)) {
                names.push(kept.name.clone());
            }
        }
        let mut faults = Vec::new();
        for name in names {
            match self.options(&name) {
                Ok(Some(options)) => {
                    if let Err(refusal) = self.put(options, None).await {
                        faults.push(format!("connection '{name}': {}", refusal.message));
                    }
                }
                Ok(None) => {}
                Err(refusal) => faults.push(format!("connection '{name}': {}", refusal.message)),
            }
        }
        if !skips_start {
            for detail in self.controller.connections() {
                let name = detail.options.name;
                if let Err(error) = self.controller.start(&name, Threads::BOTH, None).await {
                    faults.push(format!("connection '{name}': {error}"));
                }
            }
        }
        faults
    }

    /// The options of a connection by files and by what is kept; `None` if it is not one, or not any more.
    fn options(&self, name: &str) -> Result<Option<ConnectionOptions>, Refusal> {
        let kept = lock(&self.kept);
        let said = kept.find(name);
        if said.is_some_and(|said| said.is_removed) {
            return Ok(None);
        }
        let configured = self
            .configured
            .iter()
            .find(|options| options.name.eq_ignore_ascii_case(name))
            .cloned();
        let has_source = configured.is_some() || said.is_some_and(|said| said.host.is_some());
        let options = configured.or_else(|| self.templates.make(name));
        let (true, Some(mut options)) = (has_source, options) else {
            return Ok(None);
        };
        if let Some(said) = said {
            options::apply(said, &mut options).map_err(|text| Refusal::new(1210, text))?;
        }
        Ok(Some(options))
    }

    /// Keeps what `change` says of a connection, if its options make sense with it.
    fn keep(
        &self,
        name: &str,
        change: impl FnOnce(&mut super::kept::KeptConnection),
    ) -> Result<Option<ConnectionOptions>, Refusal> {
        let before = {
            let mut kept = lock(&self.kept);
            let before = kept.find(name).cloned();
            change(kept.entry(name));
            before
        };
        let options = self.options(name);
        let mut kept = lock(&self.kept);
        if options.is_err() {
            *kept.entry(name) = before.unwrap_or_else(|| super::kept::KeptConnection {
                name: name.to_owned(),
                ..Default::default()
            });
            return options;
        }
        kept.save().map_err(|error| error::cannot_keep(&error))?;
        options
    }

    async fn put(
        &self,
        options: ConnectionOptions,
        place: Option<(Coordinates, GtidPos)>,
    ) -> Result<(), Refusal> {
        let put = self.controller.put(options, place).await;
        put.map_err(|error| error::refusal(&error))
    }

    fn detail(&self, name: &str) -> Result<ConnectionDetail, Refusal> {
        match self.controller.connection(name) {
            Some(detail) => Ok(detail),
            None if name.is_empty() => Err(error::no_source()),
            None => Err(error::unknown(name)),
        }
    }

    /// Where a connection that goes by GTID begins: where all connections together are.
    async fn follow_gtid_pos(&self, detail: &ConnectionDetail) -> Result<(), Refusal> {
        let own: GtidPos = detail.status.gtid.parse().unwrap_or_default();
        let all = self.gtid_slave_pos();
        if own == all {
            return Ok(());
        }
        let moved = self
            .controller
            .move_to(&detail.options.name, None, Some(all))
            .await;
        moved.map_err(|error| error::refusal(&error))
    }

    /// The other connection that has the source which this one is to have.
    fn conflict(
        &self,
        name: &str,
        before: Option<&ConnectionDetail>,
        change: &ChangeMaster,
    ) -> Option<String> {
        if change.host.is_none() && change.port.is_none() {
            return None;
        }
        let old = before.map(|detail| host_and_port(&detail.options.source.address));
        let (old_host, old_port) = old.unwrap_or((String::new(), 3306));
        let address = Address::Tcp {
            host: change.host.clone().unwrap_or(old_host),
            port: change.port.unwrap_or(old_port),
        };
        let is_same = |other: &ConnectionDetail| {
            other.options.source.address == address && !other.options.name.eq_ignore_ascii_case(name)
        };
        let others = self.controller.connections();
        others.into_iter().find(is_same).map(|other| other.options.name)
    }

    fn keep_gtid_pos(&self, position: &GtidPos) -> Result<(), Refusal> {
        let mut kept = lock(&self.kept);
        kept.gtid_slave_pos = position.to_string();
        kept.save().map_err(|error| error::cannot_keep(&error))
    }

    fn refuse_running(&self) -> Result<(), Refusal> {
        let runs = |detail: &ConnectionDetail| status::runs(detail) != Threads::default();
        match self.controller.connections().iter().find(|detail| runs(detail)) {
            Some(detail) => Err(error::must_stop(&detail.options.name)),
            None => Ok(()),
        }
    }
}

/// What the option files say, as far as control needs it.
pub(crate) struct Configured {
    pub(crate) templates: Templates,
    pub(crate) connections: Vec<ConnectionOptions>,
    pub(crate) defaults: Defaults,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for ControlEngine {
    fn status(&self) -> Vec<ConnectionStatus> {
        let mut connections: Vec<ConnectionStatus> = self
            .controller
            .connections()
            .iter()
            .map(|detail| status::of(detail, &self.defaults.parallel_mode))
            .collect();
        connections.sort_by_key(|status| status.connection_name.to_ascii_lowercase());
        let all = self.gtid_slave_pos().to_string();
        for status in &mut connections {
            status.gtid_slave_pos.clone_from(&all);
        }
        connections
    }

    async fn change_master(&self, name: &str, change: ChangeMaster) -> Outcome {
        let before = self.controller.connection(name);
        if let Some(before) = &before
            && status::runs(before) != Threads::default()
        {
            return Err(error::must_stop(&before.options.name));
        }
        if let Some(other) = self.conflict(name, before.as_ref(), &change) {
            let message = format!("Connection '{name}' conflicts with existing connection '{other}'");
            return Err(Refusal::new(1934, message));
        }
        let is_new = before.is_none();
        let options = self.keep(name, |kept| {
            if is_new && kept.uses_gtid.is_none() {
                kept.uses_gtid = Some(true);
            }
            kept.change(&change);
        })?;
        let Some(options) = options else {
            return Ok(Vec::new());
        };
        let moves = change.host.is_some() || change.port.is_some();
        let before_place = before.as_ref().map(|detail| Coordinates {
            file: detail.status.executed.file.as_str().into(),
            offset: detail.status.executed.offset,
        });
        let coordinates = match (&change.log_file, change.log_pos) {
            (Some(file), offset) => Some(Coordinates::new(file.as_str(), offset.unwrap_or(4).max(4))),
            (None, Some(offset)) => {
                let file = before_place.map(|place| place.file);
                Some(Coordinates::new(file.unwrap_or_default(), offset.max(4)))
            }
            (None, None) if is_new || moves => Some(Coordinates::new("", 4)),
            // Without GTIDs, nowhere is the beginning.
            (None, None) if !options.use_gtid && before_place.is_none_or(|place| place.file.is_empty()) => {
                Some(Coordinates::new("", 4))
            }
            (None, None) => None,
        };
        // A place in a file has a GTID position of its own, which the source knows.
        let gtid_pos = match options.use_gtid {
            true => self.gtid_slave_pos(),
            false => GtidPos::new(),
        };
        if coordinates.is_some() {
            self.keep_gtid_pos(&self.gtid_slave_pos())?;
        }
        let place = coordinates.map(|coordinates| (coordinates, gtid_pos));
        self.put(options, place).await?;
        Ok(Vec::new())
    }

    async fn start(&self, name: &str, threads: control::Threads, until: Option<control::Until>) -> Outcome {
        let detail = self.detail(name)?;
        let running = status::runs(&detail);
        let asked = Threads {
            io: threads.io,
            sql: threads.sql,
        };
        if matches!(until, Some(control::Until::Gtid(_))) && running != Threads::default() {
            return Err(Refusal::new(1254, "Slave is already running"));
        }
        if matches!(until, Some(control::Until::Gtid(_))) && !detail.options.use_gtid {
            let message = "START SLAVE UNTIL master_gtid_pos requires that slave is using GTID";
            return Err(Refusal::new(1949, message));
        }
        let is_news = (asked.io && !running.io) || (asked.sql && !running.sql);
        if !is_news {
            return Ok(vec![error::was_running()]);
        }
        let starts_sql = asked.sql && !running.sql;
        let mut notes = Vec::new();
        if let Some(control::Until::Place(place) | control::Until::RelayLog(place)) = &until {
            if !starts_sql {
                notes.push(error::until_ignored());
            } else if !is_numbered(&place.file) {
                return Err(error::bad_until());
            } else if !self.skips_start.load(Ordering::Relaxed) {
                notes.push(error::starts_after_restart());
            }
        }
        let until = until.filter(|_| starts_sql);
        let until = until.map(|until| until_of(until, &detail)).transpose()?;
        if detail.options.use_gtid && running == Threads::default() && !self.is_of_files {
            self.follow_gtid_pos(&detail).await?;
        }
        let started = self.controller.start(name, asked, until).await;
        started.map_err(|error| error::refusal(&error))?;
        Ok(notes)
    }

    async fn stop(&self, name: &str, threads: control::Threads) -> Outcome {
        let detail = match self.detail(name) {
            Err(_) if name.is_empty() => return Ok(vec![error::was_not_running()]),
            detail => detail?,
        };
        let running = status::runs(&detail);
        // One that is about to be started again runs, in this sense.
        let applies = running.sql || detail.status.retries_in.is_some();
        if !((threads.io && running.io) || (threads.sql && applies)) {
            return Ok(vec![error::was_not_running()]);
        }
        let asked = Threads {
            io: threads.io,
            sql: threads.sql,
        };
        let stopped = self.controller.stop(name, asked).await;
        stopped.map_err(|error| error::refusal(&error))?;
        Ok(Vec::new())
    }

    async fn start_all(&self) -> Outcome {
        let mut notes = Vec::new();
        // The newest first, as the server does.
        for detail in self.controller.connections().into_iter().rev() {
            if status::runs(&detail) == Threads::BOTH {
                continue;
            }
            let name = &detail.options.name;
            self.start(name, control::Threads::BOTH, None).await?;
            notes.push(error::of_all(true, name));
        }
        Ok(notes)
    }

    async fn stop_all(&self) -> Outcome {
        let mut notes = Vec::new();
        // The default connection first, then the newest.
        let mut all = self.controller.connections();
        all.reverse();
        all.sort_by_key(|detail| !detail.options.name.is_empty());
        for detail in all {
            if status::runs(&detail) == Threads::default() {
                continue;
            }
            let name = &detail.options.name;
            self.stop(name, control::Threads::BOTH).await?;
            notes.push(error::of_all(false, name));
        }
        Ok(notes)
    }

    async fn reset(&self, name: &str, all: bool) -> Outcome {
        let detail = match self.detail(name) {
            Err(_) if name.is_empty() => return Ok(Vec::new()),
            detail => detail?,
        };
        let name = detail.options.name.as_str();
        if status::runs(&detail) != Threads::default() {
            return Err(error::must_stop(name));
        }
        if all {
            // What it has brought counts on for those that come.
            self.keep_gtid_pos(&self.gtid_slave_pos())?;
            self.keep(name, super::kept::KeptConnection::remove)?;
            let removed = self.controller.remove(name).await;
            removed.map_err(|error| error::refusal(&error))?;
            return Ok(Vec::new());
        }
        let options = self.keep(name, |kept| kept.uses_gtid = Some(true))?;
        if let Some(options) = options {
            self.put(options, None).await?;
        }
        let forgotten = self.controller.forget_received(name).await;
        forgotten.map_err(|error| error::refusal(&error))?;
        let moved = self
            .controller
            .move_to(name, Some(Coordinates::new("", 4)), None)
            .await;
        moved.map_err(|error| error::refusal(&error))?;
        Ok(Vec::new())
    }

    async fn set(&self, name: &str, variable: Variable, value: Option<String>) -> Outcome {
        let key = variable.name();
        if variable == Variable::SlaveExecMode
            && let Some(value) = &value
            && !["STRICT", "IDEMPOTENT"]
                .iter()
                .any(|mode| value.eq_ignore_ascii_case(mode))
        {
            // `ER_WRONG_VALUE_FOR_VAR`.
            let message = format!("Variable 'slave_exec_mode' can't be set to the value of '{value}'");
            return Err(Refusal {
                sql_state: *b"42000",
                ..Refusal::new(1231, message)
            });
        }
        if variable == Variable::SqlSlaveSkipCounter {
            let count = value.as_deref().unwrap_or("0").parse().unwrap_or(0);
            if name.is_empty() && self.controller.connection(name).is_none() {
                // The default connection is always there, on the server.
                return Ok(Vec::new());
            }
            self.detail(name)?;
            let skips = self.controller.skip_events(name, count).await;
            return skips.map(|()| Vec::new()).map_err(|error| error::refusal(&error));
        }
        let names: Vec<String> = match variable.is_of_connection() {
            true => vec![name.to_owned()],
            false => {
                let all = self.controller.connections();
                all.into_iter().map(|detail| detail.options.name).collect()
            }
        };
        let is_filter =
            variable == Variable::ReplicateRewriteDb || FILTERS.iter().any(|(filter, _)| *filter == key);
        for name in &names {
            let runs = self
                .controller
                .connection(name)
                .map(|detail| status::runs(&detail));
            if is_filter && runs.is_some_and(|runs| runs != Threads::default()) {
                return Err(error::must_stop(name));
            }
        }
        if !variable.is_of_connection() {
            let mut common = lock(&self.common);
            match &value {
                Some(value) => common.insert(key, value.clone()),
                None => common.remove(key),
            };
        }
        for name in names {
            let options = self.keep(&name, |kept| {
                match &value {
                    Some(value) => kept.variables.insert(key.to_owned(), value.clone()),
                    None => kept.variables.remove(key),
                };
            })?;
            let (Some(options), Some(detail)) = (options, self.controller.connection(&name)) else {
                continue;
            };
            // What runs takes it at the end of a group.
            let running = status::runs(&detail);
            if running != Threads::default() {
                let stopped = self.controller.stop(&name, Threads::BOTH).await;
                stopped.map_err(|error| error::refusal(&error))?;
            }
            self.put(options, None).await?;
            if running != Threads::default() {
                let started = self.controller.start(&name, running, detail.until).await;
                started.map_err(|error| error::refusal(&error))?;
            }
        }
        Ok(Vec::new())
    }

    fn variable(&self, name: &str, variable: Variable) -> Option<String> {
        let key = variable.name();
        if !variable.is_of_connection() {
            let set = lock(&self.common).get(key).cloned();
            return Some(set.unwrap_or_else(|| self.defaults.of(variable)));
        }
        let kept = lock(&self.kept);
        if let Some(kept) = kept.find(name).and_then(|kept| kept.variables.get(key)) {
            return Some(kept.clone());
        }
        drop(kept);
        let detail = self.controller.connection(name);
        let pending = detail.as_ref().map_or(0, |detail| detail.skip_events);
        let options = detail
            .map(|detail| detail.options)
            .or_else(|| self.templates.make(name))?;
        if let Some((_, kind)) = FILTERS.iter().find(|(filter, _)| *filter == key) {
            return Some(options::filter_text(&options.filter, *kind));
        }
        match variable {
            Variable::ReplicateRewriteDb => Some(options::rewrite_text(&options.rewrite)),
            Variable::MaxRelayLogSize => {
                let bytes = options.relay_log.as_ref().map_or(0, |relay| relay.file_bytes_max);
                Some(bytes.to_string())
            }
            Variable::SlaveParallelMode => Some(self.defaults.parallel_mode.clone()),
            Variable::SqlSlaveSkipCounter => Some(pending.to_string()),
            _ => None,
        }
    }

    fn gtid_slave_pos(&self) -> GtidPos {
        let mut all = self.controller.gtid_pos();
        let base: GtidPos = lock(&self.kept).gtid_slave_pos.parse().unwrap_or_default();
        for gtid in base.iter() {
            if all.get(gtid.domain).is_none() {
                all.advance(gtid);
            }
        }
        all
    }

    async fn set_gtid_slave_pos(&self, position: GtidPos) -> Outcome {
        self.refuse_running()?;
        for detail in self.controller.connections() {
            let name = &detail.options.name;
            let moved = self.controller.move_to(name, None, Some(position.clone())).await;
            moved.map_err(|error| error::refusal(&error))?;
        }
        self.keep_gtid_pos(&position)?;
        Ok(Vec::new())
    }

    async fn wait_for_place(&self, name: &str, place: Place, timeout: Option<Duration>) -> Option<i64> {
        let place = Coordinates::new(place.file.as_str(), place.offset);
        match self.controller.wait_for_place(name, &place, timeout).await? {
            true => Some(0),
            false => Some(-1),
        }
    }

    async fn wait_for_gtid(&self, position: GtidPos, timeout: Option<Duration>) -> bool {
        self.controller.wait_for_gtid(&position, timeout).await
    }

    async fn flush_relay_log(&self, name: &str) -> Outcome {
        self.detail(name)?;
        Ok(Vec::new())
    }

    fn processes(&self) -> Processes {
        let details = self.controller.connections();
        let sessions = self.controller.worker_sessions();
        Processes {
            threads: details.iter().flat_map(status::threads).collect(),
            user: self.controller.target_user().to_owned(),
            worker_sessions: sessions.into_iter().map(u64::from).collect(),
        }
    }

    async fn relay_log_events(&self, name: &str, query: RelayQuery) -> Result<RelayEvents, Refusal> {
        let detail = match self.detail(name) {
            // As on the server, there always is a default connection.
            Err(_) if name.is_empty() => return Err(relay_events::no_log()),
            detail => detail?,
        };
        if detail.options.relay_log.is_none() {
            return Err(relay_events::failed(
                "the relay log is off for this connection (tributary_relay_log=OFF)",
            ));
        }
        let log = self.controller.relay_log(name).ok_or_else(relay_events::no_log)?;
        relay_events::list(log, query).await
    }
}

/// Whether a log's file has a name that ends in its number.
fn is_numbered(file: &str) -> bool {
    let number = file.rsplit_once('.').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn until_of(until: control::Until, detail: &ConnectionDetail) -> Result<Until, Refusal> {
    match until {
        control::Until::Place(place) => {
            let file = match place.file.is_empty() {
                true => detail.status.executed.file.clone(),
                false => place.file,
            };
            Ok(Until::Coordinates(Coordinates::new(file.as_str(), place.offset)))
        }
        control::Until::Gtid(position) => Ok(Until::Gtid(position)),
        control::Until::RelayLog(_) if detail.options.relay_log.is_none() => Err(Refusal::new(
            1235,
            "START SLAVE UNTIL RELAY_LOG_FILE needs a relay log, which is off for this connection (tributary_relay_log=OFF); use \
             MASTER_LOG_FILE",
        )),
        control::Until::RelayLog(place) => Ok(Until::RelayLog(Coordinates::new(
            place.file.as_str(),
            place.offset,
        ))),
    }
}

/// Host and port of a source, as `SHOW SLAVE STATUS` shows them.
pub(super) fn host_and_port(address: &Address) -> (String, u16) {
    match address {
        Address::Tcp { host, port } => (host.clone(), *port),
        Address::Unix(path) => (path.display().to_string(), 0),
    }
}
