//! `SHOW RELAYLOG EVENTS`: a file of a connection's relay log, event by event.

use tokio::sync::mpsc;
use tributary::{ListedEvent, ListedEvents, Listing, LogView};
use tributary_binlog::{EventType, info};
use tributary_control::{Refusal, RelayEvent, RelayEvents, RelayQuery};

/// Most events read that the client has not taken.
const EVENTS_AHEAD_MAX: usize = 8;

/// Begins to read.
pub(super) async fn list(log: LogView, query: RelayQuery) -> Result<RelayEvents, Refusal> {
    let (sender, events) = mpsc::channel(EVENTS_AHEAD_MAX);
    let opened = tokio::task::spawn_blocking(move || {
        let name = match query.file.clone().or_else(|| log.oldest()) {
            Some(name) => name,
            None => return Err(no_log()),
        };
        match log.list(&name, query.offset) {
            Ok(Listing::Events(listed)) => Ok((name, listed, query)),
            Ok(Listing::NoFile) => Err(no_log()),
            Ok(Listing::BehindEnd { bytes }) => Err(failed(format!(
                "Invalid pos specified. Requested from pos:{} is greater than actual file size:{bytes}",
                query.offset
            ))),
            Ok(Listing::NoEvent) => Err(failed("Wrong offset or I/O error")),
            Err(error) => Err(failed(format!("Wrong offset or I/O error: {error}"))),
        }
    });
    let (name, listed, query) = opened.await.map_err(|error| failed(error.to_string()))??;
    // It ends with the file, or when nobody takes the events any more.
    tokio::task::spawn_blocking(move || send(&name, *listed, &query, &sender));
    Ok(events)
}

fn send(
    name: &str,
    mut listed: ListedEvents,
    query: &RelayQuery,
    sender: &mpsc::Sender<Result<RelayEvent, Refusal>>,
) {
    for index in 0..query.passed.saturating_add(query.shown) {
        let row = match listed.fetch() {
            Ok(None) => return,
            Ok(Some(_)) if index < query.passed && !sender.is_closed() => continue,
            Ok(Some(event)) => Ok(row(name, &event, query)),
            Err(error) => Err(failed(format!("Wrong offset or I/O error: {error}"))),
        };
        let is_last = row.is_err();
        if sender.blocking_send(row).is_err() || is_last {
            return;
        }
    }
}

fn row(name: &str, listed: &ListedEvent, query: &RelayQuery) -> RelayEvent {
    let collation = |id: u32| {
        let (charset, name) = query.collations.get(&id)?;
        Some((charset.as_str(), name.as_str()))
    };
    let mut text = Vec::new();
    if let Some(event) = &listed.event {
        info(event, collation, &mut text);
    }
    RelayEvent {
        log_name: name.to_owned(),
        pos: listed.start,
        event_type: expanded(listed.header.kind).name().to_owned(),
        server_id: listed.header.server_id,
        end_log_pos: listed.header.end_offset.into(),
        info: text,
    }
}

/// What a native replica has in its relay log for an event that the source has compressed; the files here have it as it came.
fn expanded(kind: EventType) -> EventType {
    match kind {
        EventType::QUERY_COMPRESSED => EventType::QUERY,
        EventType::WRITE_ROWS_COMPRESSED_V1 => EventType::WRITE_ROWS_V1,
        EventType::UPDATE_ROWS_COMPRESSED_V1 => EventType::UPDATE_ROWS_V1,
        EventType::DELETE_ROWS_COMPRESSED_V1 => EventType::DELETE_ROWS_V1,
        EventType::WRITE_ROWS_COMPRESSED_V2 => EventType::WRITE_ROWS_V2,
        EventType::UPDATE_ROWS_COMPRESSED_V2 => EventType::UPDATE_ROWS_V2,
        EventType::DELETE_ROWS_COMPRESSED_V2 => EventType::DELETE_ROWS_V2,
        other => other,
    }
}

/// What the server says where there is no relay log, or not this one.
pub(super) fn no_log() -> Refusal {
    failed("Could not find target log")
}

/// `ER_ERROR_WHEN_EXECUTING_COMMAND`; the server names this command for relay logs, too.
pub(super) fn failed(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        1220,
        format!("Error when executing command SHOW BINLOG EVENTS: {why}"),
    )
}
