//! Events as text: a line about the header, indented lines about the body.

use std::fmt::{self, Write};

use super::Renderer;
use super::escape::{Escaped, lines};
use super::time::Utc;
use crate::coordinates::Coordinates;
use crate::event::{Event, EventBody};
use crate::events::{AlterPhase, GtidEvent, Intvar, QueryEvent, StatusVars, UserVar, UserVarValue};
use crate::group::DuplicateHandling;
use crate::header::Header;

mod table;

const INDENT: &str = "    ";

pub(super) fn event(
    renderer: &Renderer,
    event: &Event,
    at: &Coordinates,
    out: &mut impl Write,
) -> fmt::Result {
    let Header {
        timestamp,
        kind,
        server_id,
        end_offset,
        ..
    } = event.header;
    write!(out, "{at} {} server {server_id} {}", Utc(timestamp), kind.name())?;
    if kind.name() == "Unknown" {
        write!(out, " {}", kind.0)?;
    }
    writeln!(
        out,
        " ({} bytes, end {end_offset}{})",
        event.raw_len,
        flags(&event.header)
    )?;
    body(renderer, &event.body, out)
}

fn flags(header: &Header) -> String {
    const NAMES: [(u16, &str); 8] = [
        (Header::FLAG_IN_USE, "in_use"),
        (Header::FLAG_THREAD_SPECIFIC, "thread_specific"),
        (Header::FLAG_SUPPRESS_USE, "suppress_use"),
        (Header::FLAG_ARTIFICIAL, "artificial"),
        (Header::FLAG_RELAY_LOG, "relay_log"),
        (Header::FLAG_IGNORABLE, "ignorable"),
        (Header::FLAG_SKIP_REPLICATION, "skip_replication"),
        (0x7f12, "others"),
    ];
    let set = NAMES
        .iter()
        .filter(|(bit, _)| header.flags & bit != 0)
        .map(|(_, name)| format!(", {name}"));
    set.collect()
}

fn body(renderer: &Renderer, body: &EventBody, out: &mut impl Write) -> fmt::Result {
    match body {
        EventBody::FormatDescription(format) => {
            writeln!(
                out,
                "{INDENT}server {}, checksum {:?}",
                Escaped(format.server_version.as_bytes()),
                format.checksum
            )?;
            match format.created {
                0 => Ok(()),
                created => writeln!(
                    out,
                    "{INDENT}first file after the server's start at {}",
                    Utc(created)
                ),
            }
        }
        EventBody::Rotate(rotate) => writeln!(
            out,
            "{INDENT}goes on at {}:{}",
            Escaped(&rotate.file),
            rotate.offset
        ),
        EventBody::Query(event) => query(event, out),
        EventBody::TableMap(map) => table::table_map(renderer, map, out),
        EventBody::Rows(event) => table::rows(renderer, event, out),
        EventBody::PartialRows(event) => writeln!(
            out,
            "{INDENT}updates of table {} with changes of JSON documents, {} bytes",
            event.rows.table_id,
            event.rows.rows.len()
        ),
        EventBody::TransactionPayload(payload) => writeln!(
            out,
            "{INDENT}a transaction of {} bytes in {}, algorithm {}",
            payload.plain_bytes,
            payload.payload.len(),
            payload.algorithm
        ),
        EventBody::Gtid(event) => gtid(event, out),
        EventBody::GtidList(list) => {
            let gtids: Vec<String> = list.gtids.iter().map(ToString::to_string).collect();
            let until = if list.is_until_reached {
                ", until reached"
            } else {
                ""
            };
            let ignored = if list.is_ignored_gtids { ", ignored" } else { "" };
            writeln!(out, "{INDENT}[{}]{until}{ignored}", gtids.join(","))
        }
        EventBody::Intvar(Intvar::LastInsertId(value)) => writeln!(out, "{INDENT}LAST_INSERT_ID = {value}"),
        EventBody::Intvar(Intvar::InsertId(value)) => writeln!(out, "{INDENT}INSERT_ID = {value}"),
        EventBody::Rand(rand) => writeln!(
            out,
            "{INDENT}RAND_SEED1 = {}, RAND_SEED2 = {}",
            rand.seed1, rand.seed2
        ),
        EventBody::UserVar(variable) => user_var(variable, out),
        EventBody::Xid(xid) => writeln!(out, "{INDENT}COMMIT, xid {xid}"),
        EventBody::XaPrepare(prepare) => {
            let verb = if prepare.one_phase {
                "XA COMMIT ONE PHASE"
            } else {
                "XA PREPARE"
            };
            writeln!(out, "{INDENT}{verb} {}", prepare.xid)
        }
        EventBody::BeginLoadQuery(block) | EventBody::AppendBlock(block) => {
            writeln!(out, "{INDENT}file {}, {} bytes", block.file_id, block.data.len())
        }
        EventBody::DeleteFile(file_id) => writeln!(out, "{INDENT}file {file_id}"),
        EventBody::ExecuteLoadQuery(load) => {
            let duplicates = match load.duplicates {
                DuplicateHandling::Error => "an error",
                DuplicateHandling::Ignore => "ignored",
                DuplicateHandling::Replace => "replaced",
            };
            let clause = &load.file_clause;
            let (file_id, start, end) = (load.file_id, clause.start, clause.end);
            writeln!(
                out,
                "{INDENT}file {file_id}, named at {start}..{end}, duplicates are {duplicates}"
            )?;
            query(&load.query, out)
        }
        EventBody::Heartbeat(heartbeat) => writeln!(out, "{INDENT}source reads {}", Escaped(&heartbeat.file)),
        EventBody::Annotate(text) => statement(text, out),
        EventBody::BinlogCheckpoint(file) => writeln!(out, "{INDENT}oldest file needed: {}", Escaped(file)),
        EventBody::Incident(incident) => {
            writeln!(
                out,
                "{INDENT}incident {}: {}",
                incident.number,
                Escaped(&incident.message)
            )
        }
        EventBody::Stop => Ok(()),
        EventBody::StartEncryption(start) => {
            writeln!(
                out,
                "{INDENT}scheme {}, key version {}",
                start.scheme, start.key_version
            )
        }
        EventBody::Ignorable(ignored) => writeln!(out, "{INDENT}passed over, {} bytes", ignored.body.len()),
    }
}

fn query(event: &QueryEvent, out: &mut impl Write) -> fmt::Result {
    write!(
        out,
        "{INDENT}db `{}`, thread {}, ran {} s",
        Escaped(&event.db),
        event.thread_id,
        event.exec_time
    )?;
    if event.error_code != 0 {
        write!(out, ", failed with {}", event.error_code)?;
    }
    if event.was_compressed {
        write!(out, ", was compressed")?;
    }
    writeln!(out)?;
    context(&event.status, out)?;
    statement(&event.query, out)
}

fn context(status: &StatusVars, out: &mut impl Write) -> fmt::Result {
    let mut parts: Vec<String> = Vec::new();
    let mut number =
        |name: &str, value: Option<u64>| parts.extend(value.map(|value| format!("{name}={value}")));
    number("sql_mode", status.sql_mode);
    number(
        "auto_increment_increment",
        status.auto_increment.map(|(increment, _)| increment.into()),
    );
    number(
        "auto_increment_offset",
        status.auto_increment.map(|(_, offset)| offset.into()),
    );
    number("lc_time_names", status.lc_time_names.map(u64::from));
    number("collation_database", status.charset_database.map(u64::from));
    number("table_map_for_update", status.table_map_for_update);
    number("microseconds", status.microseconds.map(u64::from));
    number("xid", status.xid);
    number("gtid_flags3", status.gtid_flags3.map(u64::from));
    number("alter_sequence", status.alter_sequence);
    parts.extend(status.flags2.map(|flags| format!("flags2={flags:#010x}")));
    parts.extend(
        status
            .charset
            .map(|c| format!("charset={}/{}/{}", c.client, c.connection, c.server)),
    );
    parts.extend(
        status
            .time_zone
            .as_ref()
            .map(|zone| format!("time_zone={}", Escaped(zone))),
    );
    parts.extend(
        status
            .invoker
            .as_ref()
            .map(|(user, host)| format!("invoker={}@{}", Escaped(user), Escaped(host))),
    );
    parts.extend(
        status
            .character_set_collations
            .as_ref()
            .map(|pairs| format!("character_set_collations={pairs:?}")),
    );
    if parts.is_empty() {
        Ok(())
    } else {
        writeln!(out, "{INDENT}{}", parts.join(" "))
    }
}

fn statement(text: &[u8], out: &mut impl Write) -> fmt::Result {
    lines(text).try_for_each(|line| writeln!(out, "{INDENT}| {line}"))
}

fn gtid(event: &GtidEvent, out: &mut impl Write) -> fmt::Result {
    write!(out, "{INDENT}{}", event.gtid)?;
    event.flags.names().try_for_each(|name| write!(out, " {name}"))?;
    if let Some(commit_id) = event.commit_id {
        write!(out, ", commit id {commit_id}")?;
    }
    if let Some(xid) = &event.xid {
        write!(out, ", xid {xid}")?;
    }
    match event.alter {
        Some(AlterPhase::Start) => write!(out, ", START ALTER")?,
        Some(AlterPhase::Commit { start_sequence }) => write!(out, ", COMMIT ALTER of {start_sequence}")?,
        Some(AlterPhase::Rollback { start_sequence }) => write!(out, ", ROLLBACK ALTER of {start_sequence}")?,
        None => {}
    }
    if let Some(engines) = event.extra_engines {
        write!(out, ", extra engines {engines}")?;
    }
    if let Some(thread_id) = event.thread_id {
        write!(out, ", thread {thread_id}")?;
    }
    writeln!(out)
}

fn user_var(variable: &UserVar, out: &mut impl Write) -> fmt::Result {
    write!(out, "{INDENT}@`{}` = ", Escaped(&variable.name))?;
    match &variable.value {
        None => write!(out, "NULL")?,
        Some(UserVarValue::String { collation, value }) => {
            crate::value::write_bytes(value, out)?;
            write!(out, " (collation {collation})")?;
        }
        Some(UserVarValue::Real(value)) => write!(out, "{value:e}")?,
        Some(UserVarValue::Int(value)) => write!(out, "{value}")?,
        Some(UserVarValue::Unsigned(value)) => write!(out, "{value} (unsigned)")?,
        Some(UserVarValue::Decimal(text)) => write!(out, "{text} (decimal)")?,
    }
    writeln!(out)
}
