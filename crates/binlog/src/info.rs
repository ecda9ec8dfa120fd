//! What the server prints about an event in the column Info of `SHOW BINLOG EVENTS` and `SHOW RELAYLOG EVENTS`.

use std::fmt::Write as _;

use crate::event::{Event, EventBody};
use crate::events::{AlterPhase, GtidEvent, Intvar, QueryEvent, UserVar, UserVarValue};
use crate::header::Header;

/// Option bits of a statement in the order in which the server prints them, and whether the variable is 1 when its bit is.
const FLAGS2: [(u32, &str, bool); 6] = [
    (0x0400_0000, "foreign_key_checks", false),
    (0x0000_4000, "sql_auto_is_null", true),
    (0x0800_0000, "unique_checks", false),
    (0x0000_8000, "check_constraint_checks", false),
    (0x1000_0000, "@@sql_if_exists", true),
    (0x4000_0000, "@@system_versioning_insert_history", true),
];

/// Appends the server's text about an event. Statements stay in their character sets. `collation` tells character set and name
/// of a collation id.
pub fn info<'a>(event: &Event, collation: impl Fn(u32) -> Option<(&'a str, &'a str)>, out: &mut Vec<u8>) {
    let text = match &event.body {
        EventBody::FormatDescription(format) => format!(
            "Server ver: {}, Binlog ver: {}",
            format.server_version, format.binlog_version
        ),
        EventBody::Rotate(rotate) => {
            out.extend_from_slice(&rotate.file);
            format!(";pos={}", rotate.offset)
        }
        EventBody::Query(query) => return statement(&event.header, query, out),
        EventBody::TableMap(map) => {
            out.extend_from_slice(format!("table_id: {} (", map.table_id).as_bytes());
            out.extend_from_slice(&map.db);
            out.push(b'.');
            out.extend_from_slice(&map.table);
            ")".to_owned()
        }
        EventBody::Rows(rows) => {
            let flags = if rows.is_statement_end() {
                " flags: STMT_END_F"
            } else {
                ""
            };
            format!("table_id: {}{flags}", rows.table_id)
        }
        EventBody::Gtid(begin) => gtid(begin),
        EventBody::GtidList(list) => {
            let mut gtids = list.gtids.clone();
            gtids.sort_by_key(|gtid| (gtid.domain, gtid.sequence));
            let gtids: Vec<String> = gtids.iter().map(ToString::to_string).collect();
            format!("[{}]", gtids.join(","))
        }
        EventBody::Intvar(Intvar::LastInsertId(value)) => format!("LAST_INSERT_ID={value}"),
        EventBody::Intvar(Intvar::InsertId(value)) => format!("INSERT_ID={value}"),
        EventBody::Rand(rand) => format!("rand_seed1={},rand_seed2={}", rand.seed1, rand.seed2),
        EventBody::UserVar(variable) => return user_var(variable, collation, out),
        EventBody::Xid(xid) => format!("COMMIT /* xid={xid} */"),
        EventBody::XaPrepare(prepare) => match prepare.one_phase {
            true => format!("XA COMMIT {} ONE PHASE", prepare.xid),
            false => format!("XA PREPARE {}", prepare.xid),
        },
        EventBody::BeginLoadQuery(block) | EventBody::AppendBlock(block) => {
            format!(";file_id={};block_len={}", block.file_id, block.data.len())
        }
        EventBody::DeleteFile(file_id) => format!(";file_id={file_id}"),
        EventBody::ExecuteLoadQuery(load) => {
            use_database(&event.header, &load.query.db, out);
            out.extend_from_slice(&load.query.query);
            format!(" ;file_id={}", load.file_id)
        }
        EventBody::Annotate(text) => return out.extend_from_slice(text),
        EventBody::BinlogCheckpoint(file) => return out.extend_from_slice(file),
        EventBody::Incident(incident) => match incident.number {
            1 => "#1 (LOST_EVENTS)".to_owned(),
            number => format!("#{number} (NOTHING)"),
        },
        EventBody::PartialRows(_)
        | EventBody::TransactionPayload(_)
        | EventBody::Heartbeat(_)
        | EventBody::Stop
        | EventBody::StartEncryption(_)
        | EventBody::Ignorable(_) => return,
    };
    out.extend_from_slice(text.as_bytes());
}

fn use_database(header: &Header, db: &[u8], out: &mut Vec<u8>) {
    if !header.suppresses_use() && !db.is_empty() {
        out.extend_from_slice(b"use ");
        identifier(db, out);
        out.extend_from_slice(b"; ");
    }
}

fn identifier(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'`');
    for &byte in name {
        out.push(byte);
        if byte == b'`' {
            out.push(b'`');
        }
    }
    out.push(b'`');
}

fn statement(header: &Header, query: &QueryEvent, out: &mut Vec<u8>) {
    use_database(header, &query.db, out);
    let flags = query.status.flags2.unwrap_or_default();
    let unusual = FLAGS2.iter().filter(|(bit, ..)| flags & bit != 0);
    let settings: Vec<String> = unusual
        .map(|(_, name, when_set)| format!("{name}={}", u8::from(*when_set)))
        .collect();
    if !settings.is_empty() {
        out.extend_from_slice(format!("set {}; ", settings.join(", ")).as_bytes());
    }
    out.extend_from_slice(&query.query);
}

fn gtid(begin: &GtidEvent) -> String {
    let mut text = match &begin.xid {
        Some(xid) if begin.flags.is_prepared_xa() => format!("XA START {xid} "),
        _ if begin.flags.is_standalone() || begin.flags.is_completed_xa() => String::new(),
        _ => "BEGIN ".to_owned(),
    };
    let _ = write!(text, "GTID {}", begin.gtid);
    if let Some(commit_id) = begin.commit_id {
        let _ = write!(text, " cid={commit_id}");
    }
    let _ = match begin.alter {
        Some(AlterPhase::Start) => write!(text, " START ALTER"),
        Some(AlterPhase::Commit { start_sequence }) => write!(text, " COMMIT ALTER id={start_sequence}"),
        Some(AlterPhase::Rollback { start_sequence }) => write!(text, " ROLLBACK ALTER id={start_sequence}"),
        None => Ok(()),
    };
    text
}

fn user_var<'a>(
    variable: &UserVar,
    collation: impl Fn(u32) -> Option<(&'a str, &'a str)>,
    out: &mut Vec<u8>,
) {
    out.push(b'@');
    identifier(&variable.name, out);
    out.push(b'=');
    let text = match &variable.value {
        None => "NULL".to_owned(),
        Some(UserVarValue::Int(value)) => value.to_string(),
        Some(UserVarValue::Unsigned(value)) => value.to_string(),
        Some(UserVarValue::Decimal(value)) => value.clone(),
        Some(UserVarValue::Real(value)) => double(*value),
        Some(UserVarValue::String { collation: id, value }) => match collation(*id) {
            None => "???".to_owned(),
            Some((charset, name)) => {
                let mut text = format!("_{charset} ");
                if value.is_empty() {
                    text.push_str("\"\"");
                } else {
                    text.push_str("X'");
                    for byte in value {
                        let _ = write!(text, "{byte:02X}");
                    }
                    text.push('\'');
                }
                let _ = write!(text, " COLLATE {name}");
                text
            }
        },
    };
    out.extend_from_slice(text.as_bytes());
}

/// A double in the server's digits: the fewest that tell it from others, with an exponent where the point would stand far from them.
fn double(value: f64) -> String {
    const EXPONENTS: std::ops::RangeInclusive<i32> = -15..=14;
    if value == 0.0 {
        return "0".to_owned();
    }
    let short = format!("{value:e}");
    let exponent = short.split_once('e').and_then(|(_, digits)| digits.parse().ok());
    match exponent {
        Some(exponent) if EXPONENTS.contains(&exponent) => value.to_string(),
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_a_server_does() {
        // What a server of 10.11 prints of user variables.
        let printed = [
            (0.1, "0.1"),
            (123_456_789_012_345.0, "123456789012345"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (-1e-15, "-0.000000000000001"),
            (1.2345e-14, "0.000000000000012345"),
            (1e15, "1e15"),
            (0.0, "0"),
            (3.333_333_333_333_333, "3.333333333333333"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (2.5e-20, "2.5e-20"),
        ];
        for (value, text) in printed {
            assert_eq!(double(value), text);
        }
    }
}
