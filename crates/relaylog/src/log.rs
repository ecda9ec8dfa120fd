//! The writer of one connection's relay log.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::{
    CHECKSUM_BYTES, ChecksumAlgorithm, Coordinates, DecodeError, EventType, GroupTracker, GtidPos, Header,
    TrackError,
};

use tributary_failpoint as failpoint;

use crate::directory::Directory;
use crate::error::Error;
use crate::event_file::with_checksum;
use crate::head::Format;
use crate::listing::LogView;
use crate::reader::RelayReader;
use crate::recovery::{self, Recovery};
use crate::shared::{Fresh, LogFile, Place, Shared};
use crate::sink::Sink;

/// The bounds of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of all files together (`relay_log_space_limit`); `None` for no limit.
    pub space_bytes_max: Option<u64>,
    /// A file is not written on once it has this many bytes and a group ends (`max_relay_log_size`).
    pub file_bytes_max: u64,
    /// After how many events the file is made to survive a power cut (`sync_relay_log`); 0 leaves that to the system.
    pub sync_events: u64,
    /// Most bytes of new events kept in memory for the reader; as many again may be on their way to it.
    pub fresh_bytes_max: usize,
}

/// Kept free by events for the heads of further files, as a part of the limit: so a file can always be ended.
const RESERVED_PART: u64 = 16;

impl Limits {
    /// Files are so small that old ones can be purged before the limit is reached.
    fn consistent(self) -> Limits {
        const FILES: u64 = 4;
        let file_bytes_max = match self.space_bytes_max {
            Some(space) => self.file_bytes_max.min(space / FILES),
            None => self.file_bytes_max,
        };
        Limits {
            file_bytes_max,
            ..self
        }
    }
}

/// Writes one connection's relay log. There is one at a time per directory.
///
/// Events are taken by [`RelayLog::push`], and written and shown to the reader by [`RelayLog::flush`]. After an error nothing is
/// lost: what was taken is written by the next flush, what was not can be pushed again.
#[derive(Debug)]
pub struct RelayLog {
    directory: Directory,
    limits: Limits,
    files: VecDeque<LogFile>,
    /// The last of `files`.
    sink: Option<Sink>,
    /// Taken and not written yet.
    buffer: Vec<u8>,
    taken: Vec<Fresh>,
    tracker: GroupTracker,
    format: Option<Format>,
    /// The end of the last whole group.
    boundary: Place,
    /// The end of the last whole group that is in a file, at the source and here.
    written: (Coordinates, Place),
    next_number: u64,
    unsynced_events: u64,
    shared: Arc<Shared>,
    #[cfg(test)]
    room: Option<Arc<std::sync::atomic::AtomicU64>>,
}

impl RelayLog {
    /// Claims the directory and looks at what an earlier life has left there. What belongs to another source than `source`, which
    /// is any text that names it, is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] and [`Error::Io`].
    pub fn open(path: &Path, source: &str, limits: Limits) -> Result<(RelayLog, Recovery), Error> {
        let directory = Directory::claim(path)?;
        let numbers = directory.numbers()?;
        let is_known = directory.source().as_deref() == Some(source);
        let recovered = match is_known {
            true => recovery::recover(&directory, &numbers)?,
            false => None,
        };
        let mut log = RelayLog {
            directory,
            limits: limits.consistent(),
            files: VecDeque::new(),
            sink: None,
            buffer: Vec::new(),
            taken: Vec::new(),
            tracker: new_tracker(Coordinates::new("", Coordinates::FIRST_OFFSET), GtidPos::new()),
            format: None,
            boundary: Place::default(),
            written: (Coordinates::new("", Coordinates::FIRST_OFFSET), Place::default()),
            next_number: numbers.back().map_or(1, |last| last + 1),
            unsynced_events: 0,
            shared: Arc::new(Shared::new()),
            #[cfg(test)]
            room: None,
        };
        let kept = recovered.as_ref().map(|recovered| recovered.boundary.file);
        // From the newest on: should it end in between, what is left still has no hole.
        for number in numbers
            .iter()
            .rev()
            .filter(|number| kept.is_none_or(|kept| **number > kept))
        {
            log.directory.remove(*number)?;
        }
        let recovery = match recovered {
            None => Recovery::Empty,
            Some(recovered) => log.resume_from(recovered)?,
        };
        log.write_index();
        if !is_known {
            log.directory.write_source(source)?;
        }
        Ok((log, recovery))
    }

    fn resume_from(&mut self, recovered: recovery::Recovered) -> Result<Recovery, Error> {
        self.files = recovered.files;
        self.tracker = recovered.tracker;
        self.tracker.restart(ChecksumAlgorithm::Off);
        self.format = Some(recovered.format);
        self.boundary = recovered.boundary;
        self.written = (self.tracker.resume().clone(), self.boundary);
        let found = self.files.back().map_or(0, |file| file.bytes);
        self.cut_to_boundary()?;
        Ok(Recovery::Whole {
            coordinates: self.tracker.resume().clone(),
            gtid_pos: self.tracker.gtid_pos().clone(),
            cut_bytes: found.saturating_sub(self.boundary.offset),
            damage: recovered.damage,
        })
    }

    /// Where the log ends: the end of the last whole group, and the GTID position there. The source is asked to go on from here.
    #[must_use]
    pub fn end(&self) -> (&Coordinates, &GtidPos) {
        (self.tracker.resume(), self.tracker.gtid_pos())
    }

    /// Where the log ends as far as it is in files, and how many bytes they have up to there. It is before [`RelayLog::end`] when
    /// events are taken that could not be written.
    #[must_use]
    pub fn written(&self) -> (&Coordinates, u64) {
        let (coordinates, place) = &self.written;
        let before = self.files.iter().filter(|file| file.number < place.file);
        (
            coordinates,
            before.map(|file| file.bytes).sum::<u64>() + place.offset,
        )
    }

    /// The GTID position at [`RelayLog::end`] has become known. Does nothing if it was known.
    pub fn set_gtid_pos(&mut self, gtid_pos: GtidPos) {
        if self.tracker.gtid_pos().is_empty() {
            self.tracker.set_gtid_pos(gtid_pos);
        }
    }

    /// Whether events were taken that are not written.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether a group has begun and not ended.
    #[must_use]
    pub fn is_inside_group(&self) -> bool {
        self.tracker.is_inside_group()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes that the disk of the log has left for whoever is not root.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let path = self.directory.path();
        let disk = rustix::fs::statvfs(path)
            .map_err(|error| Error::io("look at the disk of", path.to_owned())(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The number of the file that is written to.
    #[must_use]
    pub fn file(&self) -> u64 {
        self.files.back().map_or(self.next_number, |file| file.number)
    }

    /// Removes all files, and begins a log at `start`, where the GTID position is `gtid_pos` as far as it is known. Readers notice.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be removed. The log is what it was, up to the first file that is gone.
    pub fn begin(&mut self, start: Coordinates, gtid_pos: GtidPos) -> Result<(), Error> {
        self.discard_taken();
        self.sink = None;
        self.shared.cut(Place::default(), VecDeque::new());
        while let Some(last) = self.files.back() {
            self.directory.remove(last.number)?;
            self.files.pop_back();
        }
        self.format = None;
        self.boundary = Place::default();
        self.written = (start.clone(), Place::default());
        self.tracker = new_tracker(start, gtid_pos);
        self.write_index();
        Ok(())
    }

    /// A new stream begins at [`RelayLog::end`]: a group that has not ended is cut off, as the source sends it again. `first` is
    /// the algorithm of the stream's events before the first Format_description.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin_stream(&mut self, first: ChecksumAlgorithm) -> Result<(), Error> {
        self.take_back()?;
        self.tracker.restart(first);
        Ok(())
    }

    /// Takes back what stands behind the last whole group, as [`RelayLog::begin_stream`] does: the next stream brings it again.
    ///
    /// # Errors
    /// [`Error::Io`] when the last file can be neither flushed nor cut.
    pub fn take_back(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.cut_to_boundary()
    }

    /// Takes an event of the stream. It is written with the next [`RelayLog::flush`], which should not be far: a rotation alone
    /// flushes by itself.
    ///
    /// # Errors
    /// [`Error::Full`] when there is no room for it, [`Error::Event`] when it is not whole or cannot stand there, [`Error::Io`]
    /// when the file before could not be ended. The event is not taken.
    pub fn push(&mut self, raw: &Bytes) -> Result<(), Error> {
        let header = self.tracker.verify(raw).map_err(TrackError::from)?;
        match header.kind {
            EventType::HEARTBEAT | EventType::MYSQL_HEARTBEAT_V2 | EventType::START_ENCRYPTION => {
                return Ok(());
            }
            EventType::ROTATE if header.is_artificial() => {
                let before = self.tracker.stream_coordinates();
                self.tracker.push(&header, raw)?;
                // A stream begins with where it begins.
                if self.sink.is_none() || self.tracker.stream_coordinates() == before {
                    return Ok(());
                }
                return self.store_tracked(&header, raw);
            }
            EventType::FORMAT_DESCRIPTION => return self.push_format(&header, raw),
            _ => {}
        }
        if self.sink.is_none() {
            return Err(TrackError::from(DecodeError::Refused {
                event: header.kind,
                name: header.kind.name(),
                why: "it came before the Format_description that tells how to read it",
            })
            .into());
        }
        if !self.is_inside_group() && self.is_file_full() {
            self.rotate()?;
        }
        self.check_room(raw)?;
        self.tracker.push(&header, raw)?;
        self.store_tracked(&header, raw)
    }

    fn push_format(&mut self, header: &Header, raw: &Bytes) -> Result<(), Error> {
        let format = Format::of(raw).ok_or_else(|| {
            TrackError::from(DecodeError::Refused {
                event: header.kind,
                name: header.kind.name(),
                why: "it cannot be read",
            })
        })?;
        self.check_room(raw)?;
        if self.sink.is_none() {
            self.begin_file(&format)?;
        }
        let is_news = self.format.as_ref() != Some(&format) || raw.as_ref() != format.as_sent().as_ref();
        let before = self.tracker.stream_coordinates();
        self.tracker.push(header, raw)?;
        self.format = Some(format);
        if is_news || self.tracker.stream_coordinates() != before {
            self.store_tracked(header, raw)?;
        }
        Ok(())
    }

    /// Stores an event that the tracker has taken.
    fn store_tracked(&mut self, header: &Header, raw: &Bytes) -> Result<(), Error> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let has_checksum = self
            .format
            .as_ref()
            .is_some_and(|format| format.checksum() == ChecksumAlgorithm::Crc32);
        match (has_checksum, header.kind) {
            (true, _) => self.buffer.extend_from_slice(raw),
            (false, EventType::FORMAT_DESCRIPTION) => Format::write_announcing(raw, header, &mut self.buffer),
            (false, _) => with_checksum(header, raw, &mut self.buffer),
        }
        let end = Place {
            file: self.file(),
            offset: sink.end + self.buffer.len() as u64,
        };
        self.taken.push(Fresh {
            raw: raw.clone(),
            end,
        });
        if !self.tracker.is_inside_group() {
            self.boundary = end;
        }
        Ok(())
    }

    /// Writes what was taken, and shows it to the reader. Then, if it is time, makes it survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`]; call it again when the cause is gone.
    pub fn flush(&mut self) -> Result<(), Error> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        let Some(file) = self.files.back_mut() else {
            return Ok(());
        };
        if !self.buffer.is_empty() {
            if failpoint::is_due(failpoint::Place::InRelayWrite) {
                let _ = sink.append(&self.buffer[..self.buffer.len() / 2]);
                failpoint::die();
            }
            sink.append(&self.buffer)
                .map_err(Error::io("write", self.directory.path_of(file.number)))?;
            file.bytes = sink.end;
            self.buffer.clear();
            self.written.0.clone_from(self.tracker.resume());
            self.written.1 = self.boundary;
            self.unsynced_events += self.taken.len() as u64;
            self.shared
                .wrote(*file, self.taken.drain(..), self.limits.fresh_bytes_max);
        }
        if self.limits.sync_events > 0 && self.unsynced_events >= self.limits.sync_events {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes everything that is written survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<(), Error> {
        if let (Some(sink), Some(file)) = (&self.sink, self.files.back()) {
            sink.file
                .sync_data()
                .map_err(Error::io("sync", self.directory.path_of(file.number)))?;
        }
        self.unsynced_events = 0;
        Ok(())
    }

    /// Ends the file and goes on in another, inside a group, too. Does nothing while the stream is behind [`RelayLog::end`], as one
    /// that was asked for by GTID is at first.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Full`]; the log stays usable.
    pub fn rotate(&mut self) -> Result<(), Error> {
        self.flush()?;
        if !self.is_inside_group() && self.tracker.stream_coordinates() != *self.tracker.resume() {
            return Ok(());
        }
        if self.limits.sync_events > 0 {
            self.sync()?;
        }
        match self.format.clone() {
            Some(format) => self.begin_file(&format),
            None => Ok(()),
        }
    }

    fn begin_file(&mut self, format: &Format) -> Result<(), Error> {
        let mut head = Vec::new();
        let gtid_pos = (!self.is_inside_group()).then(|| self.tracker.gtid_pos());
        format.write_head(&self.tracker.stream_coordinates(), gtid_pos, &mut head);
        self.check_space(head.len() as u64)?;
        let number = self.next_number;
        let path = self.directory.path_of(number);
        let mut sink = self.new_sink(number)?;
        if let Err(error) = sink.append(&head) {
            // A file without a head is no part of the log.
            let _ = self.directory.remove(number);
            return Err(Error::io("write", path)(error));
        }
        failpoint::reach(failpoint::Place::InRotation);
        if self.limits.sync_events > 0 {
            self.directory.sync()?;
        }
        self.next_number += 1;
        let file = LogFile {
            number,
            bytes: sink.end,
        };
        self.files.push_back(file);
        self.sink = Some(sink);
        if !self.is_inside_group() {
            self.boundary = Place {
                file: number,
                offset: file.bytes,
            };
        }
        self.shared.lock().files.push_back(file);
        self.write_index();
        Ok(())
    }

    /// The index is for tools. One that could not be written is written with the next change.
    fn write_index(&self) {
        let _ = self
            .directory
            .write_index(self.files.iter().map(|file| file.number));
    }

    fn new_sink(&self, number: u64) -> Result<Sink, Error> {
        let sink = Sink::new(self.directory.create(number)?, 0);
        #[cfg(test)]
        if let Some(room) = &self.room {
            return Ok(Sink {
                room: room.clone(),
                ..sink
            });
        }
        Ok(sink)
    }

    /// Removes the files before this one, oldest first. The file that is written to stays.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn purge_before(&mut self, number: u64) -> Result<(), Error> {
        let mut is_changed = false;
        while self.files.len() > 1 && self.files.front().is_some_and(|file| file.number < number) {
            let Some(file) = self.files.front().copied() else {
                break;
            };
            self.directory.remove(file.number)?;
            self.files.pop_front();
            let mut state = self.shared.lock();
            state.purged = state.files.pop_front();
            drop(state);
            is_changed = true;
        }
        if is_changed {
            self.write_index();
        }
        Ok(())
    }

    /// A reader from `coordinates` on, which must be where a group ended. `None` if the log does not have that place. A reader made
    /// before must not be used any more.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Damaged`] when the log cannot be read up to there.
    pub fn reader(&self, coordinates: &Coordinates) -> Result<Option<RelayReader>, Error> {
        RelayReader::at(&self.directory, &self.shared, coordinates, self.end())
    }

    /// For whoever wants to look at the files, from any thread.
    #[must_use]
    pub fn view(&self) -> LogView {
        LogView::new(self.directory.path().to_owned(), self.shared.clone())
    }

    /// Whether the reader has taken everything that is written.
    #[must_use]
    pub fn is_read(&self) -> bool {
        let state = self.shared.lock();
        state.is_followed && state.fresh.is_empty()
    }

    /// How many bytes the disk has left, in a test.
    #[cfg(test)]
    pub(crate) fn set_room(&mut self, bytes: u64) {
        let room = self.room.get_or_insert_default().clone();
        room.store(bytes, std::sync::atomic::Ordering::Relaxed);
        if let Some(sink) = &mut self.sink {
            sink.room = room;
        }
    }

    fn is_file_full(&self) -> bool {
        let written = self.sink.as_ref().map_or(0, |sink| sink.end);
        written + self.buffer.len() as u64 >= self.limits.file_bytes_max
    }

    /// Whether an event has room. Its copy may be four bytes longer.
    fn check_room(&self, raw: &Bytes) -> Result<(), Error> {
        let reserved = self
            .limits
            .space_bytes_max
            .map_or(0, |space| space / RESERVED_PART);
        self.check_space(raw.len() as u64 + CHECKSUM_BYTES as u64 + reserved)
    }

    fn check_space(&self, needed: u64) -> Result<(), Error> {
        let held = self.bytes() + self.buffer.len() as u64;
        match self.limits.space_bytes_max {
            Some(limit) if held + needed > limit => Err(Error::Full { held, needed, limit }),
            _ => Ok(()),
        }
    }

    fn discard_taken(&mut self) {
        self.buffer.clear();
        self.taken.clear();
    }

    /// Takes back what stands behind the last whole group.
    fn cut_to_boundary(&mut self) -> Result<(), Error> {
        let boundary = self.boundary;
        let shared = self.shared.clone();
        while let Some(last) = self.files.back().copied() {
            if last.number > boundary.file {
                self.sink = None;
                self.directory.remove(last.number)?;
                self.files.pop_back();
                continue;
            }
            let path = self.directory.path_of(last.number);
            if self.sink.is_none() {
                let file = self.directory.open_for_writing(last.number)?;
                self.sink = Some(Sink::new(file, last.bytes));
            }
            if let Some(sink) = self.sink.as_mut().filter(|sink| sink.end > boundary.offset) {
                sink.cut(boundary.offset).map_err(Error::io("cut", path))?;
            }
            if let Some(last) = self.files.back_mut() {
                last.bytes = boundary.offset;
            }
            break;
        }
        let is_cut = shared.lock().end() != boundary;
        if is_cut {
            shared.cut(boundary, self.files.clone());
        }
        Ok(())
    }
}

fn new_tracker(start: Coordinates, gtid_pos: GtidPos) -> GroupTracker {
    GroupTracker::new(start, gtid_pos, ChecksumAlgorithm::Off)
}
