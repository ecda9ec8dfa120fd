//! What the port says in the engine's stead: the answers to statements about replication.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tributary_binlog::GtidPos;
use tributary_wire::status::{self, OkInfo};
use tributary_wire::{command, row};

use crate::assignment::Assignment;
use crate::columns;
use crate::engine::{
    ConnectionStatus, Engine, Note, Outcome, Place, Refusal, RelayEvent, RelayQuery, Variable,
};
use crate::peer::Peer;
use crate::processes;
use crate::question::{Error, invalid};
use crate::reply::{Done, Reply, not_supported};
use crate::statement::{Statement, Warnings, gtid_pos, recognise};
use crate::substitute::{self, What};
use crate::tokens::split;

/// A statement that does nothing and needs the privilege to control replication.
const ADMIN_PROBE: &[u8] = b"SET GLOBAL slave_net_timeout=@@global.slave_net_timeout";

/// The same, refused in a session with locked tables or an open transaction as stopping is.
const STOP_PROBE: &[u8] = b"STOP SLAVE ''";

/// The same for the privilege that `RESET SLAVE` and `FLUSH` need.
const RELOAD_PROBE: &[u8] = b"FLUSH LOCAL RELAY LOGS";

/// A statement that needs `PROCESS`, shows nothing and is understood by every target.
const PROCESS_PROBE: &[u8] = b"SHOW ENGINE MyISAM STATUS";

/// `ER_UNSUPPORTED_PS`.
const NOT_PREPARED: u16 = 1295;

/// `SHOW RELAYLOG EVENTS` of a log that is not there.
const RELAYLOG_PROBE: &[u8] = b"SHOW RELAYLOG '' EVENTS IN '-' LIMIT 0";

/// `ER_ERROR_WHEN_EXECUTING_COMMAND`: what an account hears to it that may see relay logs.
const NO_SUCH_LOG: u16 = 1220;

/// How long the functions that wait do so without a limit of their own.
const FOREVER: Option<Duration> = None;

/// Longer limits are this one: ten years, which every clock can add.
const WAIT_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Bytes that a client may send behind a statement that waits; the rest stays on the line.
const BEHIND_BYTES_MAX: usize = 1 << 20;

/// What the port knows of a client's session.
pub(crate) struct Conversation<E> {
    engine: Arc<E>,
    /// `@@default_master_connection`, if it is known.
    default: Option<String>,
    /// Of the last statement, if that was answered here.
    notes: Vec<Note>,
    /// Why the engine or the port refused it.
    failure: Option<Refusal>,
    /// The last statement was answered here: what the target would show of it is of our questions.
    is_ours: bool,
    /// The client may send several statements in one text.
    takes_several: bool,
    /// The target's flags, as it said last.
    info: OkInfo,
}

impl<E: Engine> Conversation<E> {
    pub(crate) fn new(engine: Arc<E>) -> Self {
        Self {
            engine,
            default: None,
            notes: Vec::new(),
            failure: None,
            is_ours: false,
            takes_several: false,
            info: OkInfo {
                status: status::STATUS_AUTOCOMMIT,
                ..OkInfo::default()
            },
        }
    }

    /// A command went by that was not looked at.
    pub(crate) fn other_command(&mut self, kind: u8) {
        const CHANGE_USER: u8 = 0x11;
        self.forget();
        if matches!(kind, CHANGE_USER | command::RESET_CONNECTION) {
            self.default = None;
        }
    }

    /// Whether the client may send several statements in one text: it has said so with its login or since.
    pub(crate) fn set_takes_several(&mut self, takes_several: bool) {
        self.takes_several = takes_several;
    }

    /// What was answered here is no longer the last statement.
    fn forget(&mut self) {
        self.notes.clear();
        self.failure = None;
        self.is_ours = false;
    }

    /// Answers a text, if it is about replication. `false`: it is the target's as it is. The target has answered every earlier
    /// command: what it says next is the answer to a question of ours.
    pub(crate) async fn statement(
        &mut self,
        kind: u8,
        text: &Bytes,
        client: &mut Peer,
        target: &mut Peer,
    ) -> io::Result<bool> {
        let pieces = split(text);
        let found: Vec<_> = pieces.iter().map(|piece| recognise(piece)).collect();
        let is_ours = |found: &Option<(Statement, Option<String>)>| match found {
            None => false,
            Some((Statement::ShowWarnings(_), _)) => self.is_ours,
            Some(_) => true,
        };
        // Where only one statement is allowed, several are a syntax error, and none is executed: that holds off
        // statements that somebody has put behind another.
        let is_too_many = pieces.len() > 1 && !self.takes_several;
        if is_too_many || !found.iter().any(is_ours) {
            self.forget();
            return Ok(false);
        }
        let mut ours = found.iter().flatten();
        if kind == command::STMT_PREPARE && ours.all(|(found, _)| *found == Statement::ShowProcesses) {
            self.forget();
            return Ok(false);
        }
        let mut reply = Reply::new(client);
        if kind == command::STMT_PREPARE {
            let message = "This command is not supported in the prepared statement protocol yet";
            reply.error(&Refusal::new(NOT_PREPARED, message));
            return Ok(true);
        }
        let count = pieces.len();
        for (index, (piece, found)) in pieces.into_iter().zip(found).enumerate() {
            reply.has_more = index + 1 < count;
            let done = match found {
                Some((statement, name)) => self.one(statement, name, piece, &mut reply, target).await?,
                None => Done::Forward(None),
            };
            let goes_on = match done {
                Done::Answered => true,
                Done::Failed => {
                    self.failure = reply.refused.take();
                    // What the target has refused it can tell of itself.
                    self.is_ours = self.failure.is_some();
                    false
                }
                Done::Forward(instead) => {
                    self.forget();
                    let text = instead.as_deref().unwrap_or(piece);
                    reply.forward(text, target).await?
                }
            };
            if !goes_on {
                break;
            }
        }
        Ok(true)
    }

    async fn one(
        &mut self,
        statement: Statement,
        name: Option<String>,
        text: &[u8],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        if let Statement::ShowWarnings(what) = statement {
            return self.show_warnings(what, reply, target).await;
        }
        self.forget();
        self.is_ours = true;
        let named = |own: Option<String>| own.or_else(|| name.clone());
        match statement {
            Statement::ShowWarnings(_) | Statement::Unknown => self.unknown(text, reply, target).await,
            Statement::Refused(refusal) => Ok(reply.error(&refusal)),
            Statement::ShowStatus(own) => {
                let name = self.connection(named(own), target).await?;
                self.show_status(Some(name), reply, target).await
            }
            Statement::ShowAllStatus => self.show_status(None, reply, target).await,
            Statement::Set(list) => self.set(list, text, reply, target).await,
            Statement::Reads => self.reads(text, reply, target).await,
            Statement::ShowNamed => self.show_named(text, reply, target).await,
            Statement::ShowProcesses => self.show_processes(text, reply, target).await,
            Statement::ShowRelayLogEvents(own, file, offset, limit) => {
                let name = self.connection(named(own), target).await?;
                let query = RelayQuery {
                    file,
                    offset,
                    passed: limit.passed,
                    shown: limit.shown,
                    collations: HashMap::new(),
                };
                self.show_relay_events(&name, query, reply, target).await
            }
            control => {
                let probe = match control {
                    Statement::Reset(..) | Statement::FlushRelayLogs(_) => RELOAD_PROBE,
                    Statement::Stop(..) | Statement::StopAll => STOP_PROBE,
                    _ => ADMIN_PROBE,
                };
                if let Some(failed) = self.probe(probe, reply, target).await? {
                    return Ok(failed);
                }
                let outcome = self.control(control, name, target).await?;
                Ok(self.outcome(outcome, reply))
            }
        }
    }

    /// Carries out a statement that needs no more of the target.
    async fn control(
        &mut self,
        statement: Statement,
        name: Option<String>,
        target: &mut Peer,
    ) -> io::Result<Outcome> {
        let engine = self.engine.clone();
        let own = match &statement {
            Statement::Change(own, _)
            | Statement::Start(own, ..)
            | Statement::Stop(own, _)
            | Statement::Reset(own, _)
            | Statement::FlushRelayLogs(own) => own.clone(),
            _ => Some(String::new()),
        };
        let name = self.connection(own.or(name), target).await?;
        Ok(match statement {
            Statement::Change(_, change) => engine.change_master(&name, *change).await,
            Statement::Start(_, threads, until) => engine.start(&name, threads, until).await,
            Statement::Stop(_, threads) => engine.stop(&name, threads).await,
            Statement::StartAll => engine.start_all().await,
            Statement::StopAll => engine.stop_all().await,
            Statement::Reset(_, all) => engine.reset(&name, all).await,
            Statement::FlushRelayLogs(_) => engine.flush_relay_log(&name).await,
            _ => Err(not_supported("this statement")),
        })
    }

    fn outcome(&mut self, outcome: Outcome, reply: &mut Reply<'_>) -> Done {
        match outcome {
            Ok(notes) => {
                reply.ok(self.info, notes.len());
                self.notes = notes;
                Done::Answered
            }
            Err(refusal) => reply.error(&refusal),
        }
    }

    /// The connection that a statement means.
    async fn connection(&mut self, named: Option<String>, target: &mut Peer) -> io::Result<String> {
        if let Some(name) = named {
            return Ok(name);
        }
        if let Some(name) = &self.default {
            return Ok(name.clone());
        }
        let answer = target.ask(b"SELECT @@session.default_master_connection").await?;
        let name = answer.ok().and_then(|answer| answer.first()).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        self.default = Some(name.clone());
        Ok(name)
    }

    /// Asks the target whether the client may do this. What it says against it is handed on.
    async fn probe(
        &mut self,
        probe: &[u8],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Option<Done>> {
        match target.ask(probe).await? {
            Ok(answer) => {
                self.info = answer.info;
                Ok(None)
            }
            Err(error) => Ok(Some(reply.server_error(&error))),
        }
    }

    /// A statement that begins like ours. The target says what is wrong with it, without executing it.
    async fn unknown(&mut self, text: &[u8], reply: &mut Reply<'_>, target: &mut Peer) -> io::Result<Done> {
        target.send(command::STMT_PREPARE, text).await?;
        let (_, first) = target.packet().await?;
        if first.first() == Some(&status::ERR) {
            return Ok(reply.server_error(&Error(first)));
        }
        let number = |from: usize| {
            first
                .get(from..from + 2)
                .map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
        };
        let (id, columns, parameters) = (first.get(1..5).map(<[u8]>::to_vec), number(5), number(7));
        for count in [parameters, columns].into_iter().filter(|count| *count > 0) {
            for _ in 0..=count {
                target.packet().await?;
            }
        }
        target.send(command::STMT_CLOSE, &id.unwrap_or_default()).await?;
        let words = String::from_utf8_lossy(text);
        let excerpt: String = words.chars().take(60).collect();
        Ok(reply.error(&not_supported(&excerpt)))
    }

    async fn show_status(
        &mut self,
        name: Option<String>,
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        let question: &[u8] = match name {
            None => b"SHOW ALL SLAVES STATUS",
            // That of the session's default connection would be an error: the target knows none.
            Some(_) => b"SHOW SLAVE '' STATUS",
        };
        let answer = match target.ask(question).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(reply.server_error(&error)),
        };
        let all = self.engine.status();
        let shown: Vec<&ConnectionStatus> = match &name {
            None => all.iter().collect(),
            Some(name) => all.iter().filter(|one| is_named(one, name)).collect(),
        };
        if let (true, Some(name)) = (shown.is_empty(), name.filter(|name| !name.is_empty())) {
            // `WARN_NO_MASTER_INFO`.
            return Ok(reply.error(&Refusal::new(
                1617,
                format!("There is no master connection '{name}'"),
            )));
        }
        let names = answer.names();
        let row = |one: &&ConnectionStatus| {
            let mut out = Vec::new();
            row::encode(&mut out, names.iter().map(|column| columns::cell(one, column)));
            out
        };
        let rows: Vec<Vec<u8>> = shown.iter().map(row).collect();
        reply.rows(&answer, &rows);
        Ok(Done::Answered)
    }

    async fn show_relay_events(
        &mut self,
        name: &str,
        mut query: RelayQuery,
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        const COLUMNS: &[u8] = b"SELECT '' AS Log_name,0 AS Pos,'' AS Event_type,0 AS Server_id,0 AS End_log_pos,'' AS Info LIMIT 0";
        const COLLATIONS: &[u8] =
            b"SELECT id,character_set_name,collation_name FROM information_schema.collations \
            WHERE id IS NOT NULL AND character_set_name IS NOT NULL";
        if let Err(error) = target.ask(RELAYLOG_PROBE).await?
            && error.code() != Some(NO_SUCH_LOG)
        {
            return Ok(reply.server_error(&error));
        }
        let collations = match target.ask(COLLATIONS).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(reply.server_error(&error)),
        };
        query.collations = collations
            .rows
            .iter()
            .filter_map(|row| collation(collations.cells(row)))
            .collect();
        let answer = match target.ask(COLUMNS).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(reply.server_error(&error)),
        };
        let events = match self.engine.relay_log_events(name, query).await {
            Ok(events) => events,
            Err(refusal) => return Ok(reply.error(&refusal)),
        };
        let encode = |event: &RelayEvent| {
            let cells = [
                event.log_name.as_bytes(),
                event.pos.to_string().as_bytes(),
                event.event_type.as_bytes(),
                event.server_id.to_string().as_bytes(),
                event.end_log_pos.to_string().as_bytes(),
                &event.info,
            ]
            .map(|cell| Some(Cow::from(cell.to_vec())));
            let mut out = Vec::new();
            row::encode(&mut out, cells);
            out
        };
        reply.stream(&answer, events, encode).await
    }

    async fn show_warnings(
        &mut self,
        what: Warnings,
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        if !self.is_ours {
            return Ok(Done::Forward(None));
        }
        let question: &[u8] = match (what.is_count, what.are_errors) {
            (false, _) => b"SHOW WARNINGS",
            (true, false) => b"SHOW COUNT(*) WARNINGS",
            (true, true) => b"SHOW COUNT(*) ERRORS",
        };
        let answer = match target.ask(question).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(reply.server_error(&error)),
        };
        if what.is_count {
            let notes = if what.are_errors { 0 } else { self.notes.len() };
            let count = notes + usize::from(self.failure.is_some());
            let mut out = Vec::new();
            row::encode(&mut out, [Some(Cow::from(count.to_string().into_bytes()))]);
            reply.rows(&answer, &[out]);
            return Ok(Done::Answered);
        }
        let row = |level: &str, code: u16, message: &str| {
            let cells = [level.to_owned(), code.to_string(), message.to_owned()];
            let mut out = Vec::new();
            row::encode(
                &mut out,
                cells.into_iter().map(|cell| Some(Cow::from(cell.into_bytes()))),
            );
            out
        };
        let notes = self.notes.iter().filter(|_| !what.are_errors).map(|note| {
            let level = if note.is_warning { "Warning" } else { "Note" };
            row(level, note.code, &note.message)
        });
        let failure = self
            .failure
            .iter()
            .map(|one| row("Error", one.code, &one.message));
        let rows = notes.chain(failure);
        let rows: Vec<Vec<u8>> = rows.skip(what.limit.passed).take(what.limit.shown).collect();
        reply.rows(&answer, &rows);
        Ok(Done::Answered)
    }

    /// `SHOW STATUS` and `SHOW VARIABLES`: the target's, with the engine's values.
    async fn show_named(
        &mut self,
        text: &[u8],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        let answer = match target.ask(text).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(reply.server_error(&error)),
        };
        let default = self.connection(None, target).await?;
        let all = self.engine.status();
        let default_status = all.iter().find(|one| is_named(one, &default));
        let mut rows = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            let mut cells = answer.cells(row);
            if let [Some(name), value] = cells.as_mut_slice() {
                let name = String::from_utf8_lossy(name).into_owned();
                let ours = columns::status_variable(&name, &all, default_status).or_else(|| {
                    if name.eq_ignore_ascii_case("gtid_slave_pos") {
                        return Some(self.engine.gtid_slave_pos().to_string());
                    }
                    self.engine.variable("", Variable::named(&name)?)
                });
                if let Some(ours) = ours {
                    *value = Some(ours.into_bytes());
                }
            }
            let mut out = Vec::new();
            row::encode(&mut out, cells.into_iter().map(|cell| cell.map(Cow::from)));
            rows.push(out);
        }
        reply.rows(&answer, &rows);
        Ok(Done::Answered)
    }

    /// `SHOW PROCESSLIST`: the target's, with the engine's threads for accounts that see those of others.
    async fn show_processes(
        &mut self,
        text: &[u8],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        let may_see_all = target.ask(PROCESS_PROBE).await?.is_ok();
        let list = self.engine.processes();
        let row = |columns: &[String], cells| processes::shown(&list, columns, cells);
        let more = |columns: &[String]| match may_see_all {
            true => processes::added(&list, columns),
            false => Vec::new(),
        };
        reply.forward_rows(text, target, row, more).await
    }

    /// A statement with parts that the engine answers.
    async fn reads(&mut self, text: &[u8], reply: &mut Reply<'_>, target: &mut Peer) -> io::Result<Done> {
        let parts = substitute::parts(text);
        let mut values = Vec::with_capacity(parts.len());
        for part in &parts {
            let value = match &part.what {
                What::GtidSlavePos => quoted(&self.engine.gtid_slave_pos().to_string()),
                What::Variable(name, variable) => {
                    // Of the filters, only the default connection's is meant without a name.
                    let name = match name {
                        None if variable.is_also_of_session() => self.connection(None, target).await?,
                        name => name.clone().unwrap_or_default(),
                    };
                    match self.engine.variable(&name, *variable) {
                        Some(value) if variable.is_number() && is_digits(&value) => value.into_bytes(),
                        Some(value) => quoted(&value),
                        None => return Ok(reply.error(&unknown(&name))),
                    }
                }
                What::WaitForPlace(arguments) | What::WaitForGtid(arguments) => {
                    let list: Vec<&[u8]> = arguments.iter().map(|(start, end)| &text[*start..*end]).collect();
                    let question = [b"SELECT ", &list.join(&b","[..])[..]].concat();
                    // Where an argument makes no sense, the target says so of the function.
                    let Ok(answer) = target.ask(&question).await? else {
                        return Ok(Done::Forward(None));
                    };
                    let cells = answer
                        .rows
                        .first()
                        .map(|row| answer.cells(row))
                        .unwrap_or_default();
                    match self.wait(&part.what, &cells, reply, target).await? {
                        Ok(Some(result)) => result.to_string().into_bytes(),
                        Ok(None) => b"NULL".to_vec(),
                        Err(refusal) => return Ok(reply.error(&refusal)),
                    }
                }
            };
            values.push(value);
        }
        Ok(Done::Forward(Some(substitute::replace(text, &parts, &values))))
    }

    /// Waits for the engine, as long as both sides of the line are there.
    async fn wait(
        &mut self,
        what: &What,
        cells: &[Option<Vec<u8>>],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Result<Option<i64>, Refusal>> {
        let cell = |index: usize| {
            let cell = cells.get(index)?.as_ref()?;
            Some(String::from_utf8_lossy(cell).into_owned())
        };
        let seconds = |index: usize| cell(index).and_then(|text| text.parse::<f64>().ok());
        let engine = self.engine.clone();
        let is_for_place = matches!(what, What::WaitForPlace(_));
        let default = match is_for_place {
            true => self.connection(cell(3), target).await?,
            false => String::new(),
        };
        let waiting = async move {
            if is_for_place {
                let (Some(file), Some(offset)) = (cell(0), cell(1).and_then(|text| text.parse().ok())) else {
                    return Ok(None);
                };
                // Without a limit, or with one that is none: for ever.
                let timeout = seconds(2).filter(|limit| *limit > 0.0).map(limited);
                return Ok(engine
                    .wait_for_place(&default, Place { file, offset }, timeout)
                    .await);
            }
            let Some(position) = cell(0) else { return Ok(None) };
            let Ok(position) = position.parse::<GtidPos>() else {
                // `ER_INCORRECT_GTID_STATE`.
                return Err(Refusal::new(1941, "Could not parse GTID list"));
            };
            let timeout = match seconds(1) {
                Some(limit) if limit >= 0.0 => Some(limited(limit)),
                _ => FOREVER,
            };
            let is_there = engine.wait_for_gtid(position, timeout).await;
            Ok(Some(if is_there { 0 } else { -1 }))
        };
        tokio::pin!(waiting);
        loop {
            let has_room = reply.client.input.len() < BEHIND_BYTES_MAX;
            tokio::select! {
                waited = &mut waiting => return Ok(waited),
                // What a client sends behind the statement waits.
                filled = reply.client.fill(), if has_room => if filled? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
                filled = target.fill() => return match filled? {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Err(invalid("an answer to nothing")),
                },
            }
        }
    }

    async fn set(
        &mut self,
        list: Vec<Assignment>,
        text: &[u8],
        reply: &mut Reply<'_>,
        target: &mut Peer,
    ) -> io::Result<Done> {
        let mut notes = Vec::new();
        for one in list {
            let whole = &text[one.place.0..one.place.1];
            if let Some(variable) = one.managed() {
                let value = match self.value(&one, text, target).await? {
                    Ok(value) => value,
                    Err(error) => return Ok(reply.server_error(&error)),
                };
                if let Some(failed) = self.probe(ADMIN_PROBE, reply, target).await? {
                    return Ok(failed);
                }
                let value = match value
                    .map(|value| checked(variable, &one.variable, value))
                    .transpose()
                {
                    Ok(value) => value,
                    Err(refusal) => return Ok(reply.error(&refusal)),
                };
                let name = self.connection(one.connection.clone(), target).await?;
                match self.engine.set(&name, variable, value).await {
                    Ok(more) => notes.extend(more),
                    Err(refusal) => return Ok(reply.error(&refusal)),
                }
                continue;
            }
            if one.is_gtid_slave_pos() {
                if let Some(failed) = self.probe(ADMIN_PROBE, reply, target).await? {
                    return Ok(failed);
                }
                let value = match self.value(&one, text, target).await? {
                    Ok(value) => value.unwrap_or_default(),
                    Err(error) => return Ok(reply.server_error(&error)),
                };
                let position = match gtid_pos(&value) {
                    Ok(position) => position,
                    Err(refusal) => return Ok(reply.error(&refusal)),
                };
                match self.engine.set_gtid_slave_pos(position).await {
                    Ok(more) => notes.extend(more),
                    Err(refusal) => return Ok(reply.error(&refusal)),
                }
                continue;
            }
            if one.is_default_connection() {
                self.default = None;
            }
            let scope = match one.scope {
                crate::assignment::Scope::Global
                    if !whole.starts_with(b"@@") && !starts_with_scope(whole) =>
                {
                    &b"SET GLOBAL "[..]
                }
                _ => &b"SET "[..],
            };
            match target.ask(&[scope, whole].concat()).await? {
                Ok(answer) => self.info = answer.info,
                Err(error) => return Ok(reply.server_error(&error)),
            }
        }
        Ok(self.outcome(Ok(notes), reply))
    }

    /// What the value of an assignment is; the inner `None` is `DEFAULT`.
    async fn value(
        &self,
        one: &Assignment,
        text: &[u8],
        target: &mut Peer,
    ) -> io::Result<Result<Option<String>, Error>> {
        let Some((start, end)) = one.value else {
            return Ok(Ok(None));
        };
        let expression = &text[start..end];
        // Parts that are the engine's, as in REPLACE(@@gtid_slave_pos, ...).
        let parts = substitute::parts(expression);
        let value = |part: &substitute::Part| match &part.what {
            What::GtidSlavePos => quoted(&self.engine.gtid_slave_pos().to_string()),
            What::Variable(name, variable) => {
                let value = self
                    .engine
                    .variable(name.as_deref().unwrap_or_default(), *variable);
                quoted(&value.unwrap_or_default())
            }
            What::WaitForPlace(_) | What::WaitForGtid(_) => b"NULL".to_vec(),
        };
        let values: Vec<Vec<u8>> = parts.iter().map(value).collect();
        let expression = substitute::replace(expression, &parts, &values);
        // A word alone is a value here, and a column in a SELECT.
        let is_word = !expression.is_empty()
            && expression
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if is_word && !expression[0].is_ascii_digit() && !expression.eq_ignore_ascii_case(b"NULL") {
            return Ok(Ok(Some(String::from_utf8_lossy(&expression).into_owned())));
        }
        let answer = target.ask(&[b"SELECT ", &expression[..]].concat()).await?;
        Ok(answer.map(|answer| {
            let value = answer.first().unwrap_or_default();
            Some(String::from_utf8_lossy(&value).into_owned())
        }))
    }
}

fn starts_with_scope(assignment: &[u8]) -> bool {
    let mut tokens = crate::tokens::Tokens::new(assignment);
    crate::assignment::scope_of(&mut tokens).is_some()
}

/// Id, character set and name.
fn collation(cells: Vec<Option<Vec<u8>>>) -> Option<(u32, (String, String))> {
    let mut texts = cells.into_iter().map(|cell| String::from_utf8(cell?).ok());
    let id = texts.next()??.parse().ok()?;
    Some((id, (texts.next()??, texts.next()??)))
}

fn is_named(status: &ConnectionStatus, name: &str) -> bool {
    status.connection_name.eq_ignore_ascii_case(name)
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(1617, format!("There is no master connection '{name}'"))
}

/// The value for a variable that is a number, as one: below zero it is zero, as on the server.
fn checked(variable: Variable, name: &str, value: String) -> Result<String, Refusal> {
    if !variable.is_number() || is_digits(&value) {
        return Ok(value);
    }
    if value.strip_prefix('-').is_some_and(is_digits) {
        return Ok("0".to_owned());
    }
    // `ER_WRONG_TYPE_FOR_VAR`.
    Err(Refusal {
        sql_state: *b"42000",
        ..Refusal::new(1232, format!("Incorrect argument type to variable '{name}'"))
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn limited(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).map_or(WAIT_MAX, |limit| limit.min(WAIT_MAX))
}

/// A literal that means the same under every `sql_mode`.
fn quoted(text: &str) -> Vec<u8> {
    // Whether a backslash escapes what follows depends on the mode.
    if text.contains('\\') {
        let digits: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        return format!("_utf8mb4 X'{digits}'").into_bytes();
    }
    format!("'{}'", text.replace('\'', "''")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_hold_what_they_are_given() {
        for (text, literal) in [
            ("a,b", "'a,b'"),
            ("it's", "'it''s'"),
            (r"a.x\_%", "_utf8mb4 X'612E785C5F25'"),
            (
                r"\', (SELECT 1), '",
                "_utf8mb4 X'5C272C202853454C4543542031292C2027'",
            ),
        ] {
            assert_eq!(quoted(text), literal.as_bytes(), "{text}");
        }
    }

    #[test]
    fn numbers_are_numbers() {
        let set = |value: &str| {
            checked(
                Variable::SlaveParallelThreads,
                "slave_parallel_threads",
                value.to_owned(),
            )
        };
        assert_eq!(set("4").unwrap(), "4");
        assert_eq!(set("-1").unwrap(), "0");
        for value in ["", "x", "1, (SELECT 1)", "1.5"] {
            assert_eq!(set(value).unwrap_err().code, 1232, "{value}");
        }
        let text = checked(Variable::ReplicateDoDb, "replicate_do_db", "1, 2".to_owned());
        assert_eq!(text.unwrap(), "1, 2");
    }

    #[test]
    fn no_limit_is_too_long() {
        assert_eq!(limited(1.5), Duration::from_millis(1500));
        assert_eq!(limited(1e30), WAIT_MAX);
        assert_eq!(limited(f64::INFINITY), WAIT_MAX);
    }
}
