//! Events as JSON objects.
//!
//! Bytes that are UTF-8 become strings; others become `{"hex": "..."}`, so nothing is lost or guessed.

use serde_json::{Map, Value as Json, json};

use super::escape::Hex;
use super::rows::{Shown, join};
use super::{Renderer, Table};
use crate::coordinates::Coordinates;
use crate::event::{Event, EventBody};
use crate::events::{
    AlterPhase, ExecuteLoadQuery, GtidEvent, Intvar, QueryEvent, RowsEvent, RowsOp, StatusVars, TableMap,
    UserVar, UserVarValue,
};
use crate::group::DuplicateHandling;
use crate::row::RowImage;
use crate::value::{Value, type_name};

pub(super) fn event(renderer: &Renderer, event: &Event, at: &Coordinates) -> Json {
    let header = &event.header;
    let mut object = object(json!({
        "file": at.file.as_ref(),
        "offset": at.offset,
        "end_offset": header.end_offset,
        "type": header.kind.name(),
        "type_code": header.kind.0,
        "timestamp": header.timestamp,
        "server_id": header.server_id,
        "flags": header.flags,
        "length": event.raw_len,
    }));
    object.extend(body(renderer, &event.body));
    Json::Object(object)
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

fn bytes(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => Json::from(text),
        Err(_) => json!({ "hex": Hex(bytes).to_string() }),
    }
}

fn body(renderer: &Renderer, body: &EventBody) -> Map<String, Json> {
    object(match body {
        EventBody::FormatDescription(format) => json!({
            "server_version": format.server_version,
            "created": format.created,
            "checksum": format.checksum.code() == 1,
        }),
        EventBody::Rotate(rotate) => {
            json!({ "next_file": bytes(&rotate.file), "next_offset": rotate.offset })
        }
        EventBody::Query(event) => query(event),
        EventBody::TableMap(map) => table_map(renderer, map),
        EventBody::Rows(event) => rows(renderer, event),
        EventBody::PartialRows(event) => json!({
            "table_id": event.rows.table_id,
            "flags": event.rows.flags,
            "row_bytes": event.rows.rows.len(),
        }),
        EventBody::TransactionPayload(payload) => json!({
            "algorithm": payload.algorithm,
            "plain_bytes": payload.plain_bytes,
            "payload_bytes": payload.payload.len(),
        }),
        EventBody::Gtid(event) => gtid(event),
        EventBody::GtidList(list) => json!({
            "gtids": list.gtids.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "is_until_reached": list.is_until_reached,
        }),
        EventBody::Intvar(Intvar::LastInsertId(value)) => json!({ "last_insert_id": value }),
        EventBody::Intvar(Intvar::InsertId(value)) => json!({ "insert_id": value }),
        EventBody::Rand(rand) => json!({ "rand_seed1": rand.seed1, "rand_seed2": rand.seed2 }),
        EventBody::UserVar(variable) => user_var(variable),
        EventBody::Xid(xid) => json!({ "xid": xid }),
        EventBody::XaPrepare(prepare) => {
            json!({ "xa_id": prepare.xid.to_string(), "one_phase": prepare.one_phase })
        }
        EventBody::BeginLoadQuery(block) | EventBody::AppendBlock(block) => {
            json!({ "file_id": block.file_id, "data": bytes(&block.data) })
        }
        EventBody::DeleteFile(file_id) => json!({ "file_id": file_id }),
        EventBody::ExecuteLoadQuery(load) => execute_load(load),
        EventBody::Heartbeat(heartbeat) => json!({ "source_file": bytes(&heartbeat.file) }),
        EventBody::Annotate(text) => json!({ "statement": bytes(text) }),
        EventBody::BinlogCheckpoint(file) => json!({ "oldest_file": bytes(file) }),
        EventBody::Incident(incident) => {
            json!({ "number": incident.number, "message": bytes(&incident.message) })
        }
        EventBody::Stop => json!({}),
        EventBody::StartEncryption(start) => {
            json!({ "scheme": start.scheme, "key_version": start.key_version })
        }
        EventBody::Ignorable(ignored) => json!({ "body_bytes": ignored.body.len() }),
    })
}

fn query(event: &QueryEvent) -> Json {
    json!({
        "db": bytes(&event.db),
        "thread_id": event.thread_id,
        "exec_time": event.exec_time,
        "error_code": event.error_code,
        "was_compressed": event.was_compressed,
        "context": context(&event.status),
        "statement": bytes(&event.query),
    })
}

/// Only what is there.
fn context(status: &StatusVars) -> Json {
    let mut context = Map::new();
    let mut add = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            context.insert(name.to_owned(), value);
        }
    };
    add("flags2", status.flags2.map(Json::from));
    add("sql_mode", status.sql_mode.map(Json::from));
    add(
        "auto_increment_increment",
        status.auto_increment.map(|(increment, _)| Json::from(increment)),
    );
    add(
        "auto_increment_offset",
        status.auto_increment.map(|(_, offset)| Json::from(offset)),
    );
    add(
        "character_set_client",
        status.charset.map(|charset| Json::from(charset.client)),
    );
    add(
        "collation_connection",
        status.charset.map(|charset| Json::from(charset.connection)),
    );
    add(
        "collation_server",
        status.charset.map(|charset| Json::from(charset.server)),
    );
    add("time_zone", status.time_zone.as_deref().map(bytes));
    add("lc_time_names", status.lc_time_names.map(Json::from));
    add("collation_database", status.charset_database.map(Json::from));
    add(
        "table_map_for_update",
        status.table_map_for_update.map(Json::from),
    );
    add(
        "invoker",
        status
            .invoker
            .as_ref()
            .map(|(user, host)| json!([bytes(user), bytes(host)])),
    );
    add("microseconds", status.microseconds.map(Json::from));
    add("xid", status.xid.map(Json::from));
    add("gtid_flags3", status.gtid_flags3.map(Json::from));
    add("alter_sequence", status.alter_sequence.map(Json::from));
    add(
        "explicit_defaults_for_timestamp",
        status.explicit_defaults.map(Json::from),
    );
    add(
        "character_set_collations",
        status.character_set_collations.as_ref().map(|pairs| json!(pairs)),
    );
    Json::Object(context)
}

fn execute_load(load: &ExecuteLoadQuery) -> Json {
    let duplicates = match load.duplicates {
        DuplicateHandling::Error => "error",
        DuplicateHandling::Ignore => "ignore",
        DuplicateHandling::Replace => "replace",
    };
    let mut object = object(query(&load.query));
    object.insert("file_id".into(), load.file_id.into());
    object.insert(
        "file_clause".into(),
        json!([load.file_clause.start, load.file_clause.end]),
    );
    object.insert("duplicates".into(), duplicates.into());
    Json::Object(object)
}

fn gtid(event: &GtidEvent) -> Json {
    let alter = event.alter.map(|phase| match phase {
        AlterPhase::Start => json!({ "phase": "start" }),
        AlterPhase::Commit { start_sequence } => {
            json!({ "phase": "commit", "start_sequence": start_sequence })
        }
        AlterPhase::Rollback { start_sequence } => {
            json!({ "phase": "rollback", "start_sequence": start_sequence })
        }
    });
    json!({
        "gtid": event.gtid.to_string(),
        "gtid_flags": event.flags.names().collect::<Vec<_>>(),
        "commit_id": event.commit_id,
        "xa_id": event.xid.as_ref().map(ToString::to_string),
        "alter": alter,
        "thread_id": event.thread_id,
    })
}

fn user_var(variable: &UserVar) -> Json {
    let (kind, value) = match &variable.value {
        None => ("null", Json::Null),
        Some(UserVarValue::String { value, .. }) => ("string", bytes(value)),
        Some(UserVarValue::Real(value)) => ("real", float(*value)),
        Some(UserVarValue::Int(value)) => ("int", Json::from(*value)),
        Some(UserVarValue::Unsigned(value)) => ("unsigned", Json::from(*value)),
        Some(UserVarValue::Decimal(text)) => ("decimal", Json::from(text.as_str())),
    };
    json!({ "name": bytes(&variable.name), "value_type": kind, "value": value })
}

/// JSON has no NaN and no infinity: their text instead.
fn float(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| Json::from(value.to_string()), Json::Number)
}

fn table_map(renderer: &Renderer, map: &TableMap) -> Json {
    let known = renderer.tables.get(&map.table_id);
    let column = |(index, &kind)| {
        json!({
            "name": known.map_or_else(|| format!("@{}", index + 1).into(), |table| table.column_name(index)),
            "type": type_name(kind),
            "type_code": kind.code,
            "meta": kind.meta,
            "nullable": map.nullable.is_set(index),
            "unsigned": known.and_then(|table| table.metadata.is_unsigned(&map.columns, index)),
            "collation": known.and_then(|table| table.metadata.collation(&map.columns, index)),
        })
    };
    json!({
        "table_id": map.table_id,
        "table_flags": map.flags,
        "db": bytes(&map.db),
        "table": bytes(&map.table),
        "columns": map.columns.iter().enumerate().map(column).collect::<Vec<_>>(),
    })
}

fn rows(renderer: &Renderer, event: &RowsEvent) -> Json {
    let operation = match event.op {
        RowsOp::Write => "insert",
        RowsOp::Update => "update",
        RowsOp::Delete => "delete",
    };
    let mut object = object(json!({
        "operation": operation,
        "table_id": event.table_id,
        "row_flags": event.flags,
        "was_compressed": event.was_compressed,
    }));
    match renderer.tables.get(&event.table_id) {
        None => {
            object.insert("row_bytes".into(), event.rows.len().into());
        }
        Some(table) => {
            object.insert("db".into(), bytes(&table.map.db));
            object.insert("table".into(), bytes(&table.map.table));
            object.insert("rows".into(), images(table, event));
        }
    }
    Json::Object(object)
}

fn images(table: &Table, event: &RowsEvent) -> Json {
    let image = |image: RowImage<'_>| {
        let values = table
            .values(image)
            .map(|named| (named.name.into_owned(), shown(&named.value)));
        Json::Object(values.collect())
    };
    event
        .row_images(&table.map)
        .map(|row| match row {
            Ok(row) => {
                let mut object = Map::new();
                object.extend(row.before.map(|before| ("before".to_owned(), image(before))));
                object.extend(row.after.map(|after| ("after".to_owned(), image(after))));
                Json::Object(object)
            }
            Err(error) => json!({ "error": error.to_string() }),
        })
        .collect()
}

fn shown(value: &Shown<'_>) -> Json {
    match value {
        Shown::Plain(Value::Null) => Json::Null,
        Shown::Plain(Value::Int { value, .. }) => Json::from(*value),
        Shown::Plain(Value::Unsigned(value) | Value::Set(value)) => Json::from(*value),
        Shown::Plain(Value::Enum(number) | Value::Year(number)) => Json::from(*number),
        Shown::Plain(Value::Float(value)) => float(f64::from(*value)),
        Shown::Plain(Value::Double(value)) => float(*value),
        Shown::Plain(Value::Decimal(text) | Value::Temporal(text)) => Json::from(text.as_str()),
        Shown::Plain(value @ Value::Timestamp { .. }) => Json::from(value.to_string()),
        Shown::Plain(Value::Bits(bits)) => json!({ "hex": Hex(bits).to_string() }),
        Shown::Plain(Value::Bytes(value)) => bytes(value),
        Shown::Member(text) => bytes(text),
        Shown::Members(texts) => bytes(&join(texts)),
        Shown::Unreadable(error) => json!({ "error": error.to_string() }),
    }
}
