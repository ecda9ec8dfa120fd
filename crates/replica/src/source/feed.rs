//! Where a source task gets its events from: the source's stream itself, or the relay log that a receiver writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tributary_binlog::GtidPos;
use tributary_client::DumpStream;
use tributary_relaylog::{Error as LogError, Next, Place, RelayReader};
use tributary_schedule::GroupSeq;

use super::End;
use super::handshake::{StreamStart, Upstream, payload_of};
use super::parts::Open;
use crate::receiver::{Receiver, RelayShared};

/// Where events come from.
pub(super) enum Feed<'a> {
    /// The source, without anything in between.
    Stream(Box<DumpStream>, Upstream<'a>),
    /// The relay log.
    Relay(RelayFeed),
}

impl Feed<'_> {
    /// The next event, if it is here.
    pub(super) fn arrived(&mut self) -> Result<Option<Bytes>, End> {
        match self {
            Self::Stream(stream, upstream) => {
                let packet = stream
                    .next_arrived()
                    .map_err(|error| upstream.dump_error(error))?;
                Ok(packet.map(payload_of).transpose()?)
            }
            Self::Relay(relay) => match relay.reader()?.fetch() {
                Next::Event(raw) => Ok(Some(raw)),
                Next::Wait | Next::InFiles => Ok(None),
                Next::Cut => Err(End::TakenBack),
            },
        }
    }

    /// Waits for the next event. From a relay log, that takes as long as it takes: the receiver looks after the source. Where a group
    /// is open, a worker waits for its rest, and no longer than there is hope.
    pub(super) async fn next(&mut self, timeout: Duration, open: Open) -> Result<Bytes, End> {
        match self {
            Self::Stream(stream, upstream) => {
                let packet = stream.next(timeout).await;
                Ok(payload_of(packet.map_err(|error| upstream.dump_error(error))?)?)
            }
            Self::Relay(relay) => relay.next(open).await,
        }
    }

    /// Where the last event ends in the relay log; the default without one.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Relay(RelayFeed {
                reader: Some(reader), ..
            }) => reader.place(),
            _ => Place::default(),
        }
    }

    /// The GTID position of the place where the relay log was begun to be read.
    pub(super) fn gtid_pos(&self) -> Option<&GtidPos> {
        match self {
            Self::Relay(RelayFeed {
                reader: Some(reader), ..
            }) if !reader.gtid_pos().is_empty() => Some(reader.gtid_pos()),
            _ => None,
        }
    }

    /// All events so far belong to groups up to `seq`: when it is applied, files that were read to their end can go.
    pub(super) fn note_seq(&mut self, seq: GroupSeq) {
        let Self::Relay(relay) = self else { return };
        let file = relay.reader.as_ref().map_or(0, RelayReader::file_number);
        if file != relay.file {
            relay.file = file;
            relay.shared.mark(file, seq);
        }
    }
}

/// A place in the relay log.
pub(super) struct RelayFeed {
    shared: Arc<RelayShared>,
    /// Away while it reads files.
    reader: Option<RelayReader>,
    /// The file that the last event was in.
    file: u64,
}

impl RelayFeed {
    /// Goes to a place of the log.
    pub(super) async fn open(
        receiver: &Receiver,
        start: StreamStart,
        damage: Option<tributary_relaylog::Damage>,
    ) -> Result<RelayFeed, End> {
        let reader = receiver.read_from(start, damage).await.ok_or(End::Stopped)?;
        Ok(RelayFeed {
            shared: receiver.shared.clone(),
            reader: Some(reader),
            file: 0,
        })
    }

    fn reader(&mut self) -> Result<&mut RelayReader, End> {
        // It is away only when the task that waited for it was dropped.
        self.reader.as_mut().ok_or(End::Stopped)
    }

    async fn next(&mut self, open: Open) -> Result<Bytes, End> {
        loop {
            // Looked at first: what was written before the end is read still.
            let has_ended = open != Open::Nothing && self.shared.has_ended.load(Ordering::Acquire);
            let is_away = open == Open::Undoable && self.shared.is_away.load(Ordering::Acquire);
            match self.reader()?.fetch() {
                Next::Event(raw) => return Ok(raw),
                Next::Cut => return Err(End::TakenBack),
                Next::InFiles => self.read_files().await?,
                Next::Wait if has_ended => return Err(End::StreamEnded),
                Next::Wait if is_away => return Err(End::Away),
                Next::Wait => self.shared.arrived.notified().await,
            }
        }
    }

    /// Disks are waited for elsewhere.
    async fn read_files(&mut self) -> Result<(), End> {
        let Some(mut reader) = self.reader.take() else {
            return Err(End::Stopped);
        };
        let reading = tokio::task::spawn_blocking(move || {
            let read = reader.read_files();
            (reader, read)
        });
        let (reader, read) = reading.await.map_err(|_| End::Stopped)?;
        self.reader = Some(reader);
        read.map_err(|error| match error {
            LogError::Damaged(damage) => End::Damaged(damage),
            error => End::Damaged(tributary_relaylog::Damage {
                path: Default::default(),
                offset: 0,
                why: error.to_string(),
            }),
        })
    }
}
