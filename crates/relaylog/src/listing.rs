//! The events of one file, one by one, for whoever looks at the log: `SHOW RELAYLOG EVENTS`.

use std::path::PathBuf;
use std::sync::Arc;

use tributary_binlog::file::MAGIC;
use tributary_binlog::{ChecksumAlgorithm, Decoder, Event, EventType, Header};

use crate::directory::file_name;
use crate::error::Error;
use crate::event_file::EventFile;
use crate::shared::{LogFile, Place, Shared};

/// Looks at a log's files while others write and read them.
#[derive(Debug, Clone)]
pub struct LogView {
    directory: PathBuf,
    shared: Arc<Shared>,
}

/// Whether a file can be listed from a place on.
#[derive(Debug)]
pub enum Listing {
    /// It can.
    Events(Box<ListedEvents>),
    /// The log has no such file.
    NoFile,
    /// The file ends before the place.
    BehindEnd {
        /// Bytes of the file.
        bytes: u64,
    },
    /// No event begins there.
    NoEvent,
}

/// The events of one file, as far as they had been written when it was opened.
#[derive(Debug)]
pub struct ListedEvents {
    file: EventFile,
    of: LogFile,
    decoder: Decoder,
}

/// One of them.
#[derive(Debug)]
pub struct ListedEvent {
    /// Where it begins in the file.
    pub start: u64,
    /// As the source sent it.
    pub header: Header,
    /// What it says; `None` for a kind of event that the engine does not know.
    pub event: Option<Event>,
}

impl LogView {
    pub(crate) fn new(directory: PathBuf, shared: Arc<Shared>) -> LogView {
        LogView { directory, shared }
    }

    /// The name of the oldest file.
    #[must_use]
    pub fn oldest(&self) -> Option<String> {
        let state = self.shared.lock();
        state.files.front().map(|file| file_name(file.number))
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let state = self.shared.lock();
        state.files.iter().map(|file| file.bytes).sum()
    }

    /// Where somebody goes on who has come to `place`: there, or at the beginning of the oldest file if the place was purged. `None`
    /// without files.
    #[must_use]
    pub fn resume(&self, place: Place) -> Option<Place> {
        let state = self.shared.lock();
        let oldest = state.files.front()?.number;
        let begin = Place {
            file: oldest,
            offset: MAGIC.len() as u64,
        };
        Some(place.max(begin).min(state.end()))
    }

    /// The events from `offset` of a file on. Blocks: what is before them is read, too.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Damaged`] when what is before the place cannot be read.
    pub fn list(&self, name: &str, offset: u64) -> Result<Listing, Error> {
        let found = {
            let state = self.shared.lock();
            let mut files = state.files.iter().copied();
            files.find(|file| file_name(file.number) == name)
        };
        let Some(of) = found else {
            return Ok(Listing::NoFile);
        };
        if offset > of.bytes {
            return Ok(Listing::BehindEnd { bytes: of.bytes });
        }
        let mut events = ListedEvents {
            file: EventFile::open(self.directory.join(file_name(of.number)))?,
            of,
            decoder: Decoder::new(ChecksumAlgorithm::Off),
        };
        let offset = offset.max(events.file.offset());
        while events.file.offset() < offset {
            let Some(stored) = events.file.next(of.bytes)? else {
                break;
            };
            if stored.header.kind == EventType::FORMAT_DESCRIPTION {
                // It was looked at by the file already.
                let _ = events.decoder.decode(stored.raw);
            }
        }
        Ok(match events.file.offset() == offset {
            true => Listing::Events(Box::new(events)),
            false => Listing::NoEvent,
        })
    }
}

impl ListedEvents {
    /// The next event; `None` at the end. Blocks as long as the disk does.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Damaged`] when it is not what was written.
    pub fn fetch(&mut self) -> Result<Option<ListedEvent>, Error> {
        let Some(stored) = self.file.next(self.of.bytes)? else {
            return Ok(None);
        };
        Ok(Some(ListedEvent {
            start: stored.start,
            header: stored.header,
            event: self.decoder.decode(stored.raw).ok(),
        }))
    }
}
