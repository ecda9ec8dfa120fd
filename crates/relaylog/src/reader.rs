//! The reader of one connection's relay log: what a source's dump thread is to a binlog.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::{Coordinates, EventType, GtidPos};

use crate::directory::{Directory, file_name};
use crate::error::{Damage, Error};
use crate::event_file::EventFile;
use crate::head::Format;
use crate::recovery::{Scan, open_with_head};
use crate::shared::{Fresh, LogFile, Place, Shared};

/// Bytes read from files at once, unless one event has more.
const READ_BYTES: usize = 256 * 1024;

/// What there is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next event, as the source sent it.
    Event(Bytes),
    /// Nothing: all that is written was read. Ask again when more is.
    Wait,
    /// More is in the files: call [`RelayReader::read_files`].
    InFiles,
    /// Events that this reader has handed out were taken back, because the source sends them again: go on with a new reader.
    Cut,
}

/// Hands out the events of a log, from its place on and as they are written. Begins as a stream of the source does, with a Rotate
/// and a Format_description.
#[derive(Debug)]
pub struct RelayReader {
    directory: PathBuf,
    shared: Arc<Shared>,
    /// How often events had been taken back when this was last looked at.
    cuts: u64,
    ready: VecDeque<Fresh>,
    /// The end of the last event handed out.
    place: Place,
    /// The end of the last event in `ready`.
    ready_to: Place,
    /// The file that `ready_to` is in.
    file: Option<EventFile>,
    /// What events look like at `ready_to`.
    format: Option<Format>,
    gtid_pos: GtidPos,
}

impl RelayReader {
    pub(crate) fn at(
        directory: &Directory,
        shared: &Arc<Shared>,
        wanted: &Coordinates,
        (end, end_gtid_pos): (&Coordinates, &GtidPos),
    ) -> Result<Option<RelayReader>, Error> {
        let mut state = shared.lock();
        state.unfollow();
        state.cut_at = None;
        let files = state.files.clone();
        drop(state);
        let reader = |place: Place, gtid_pos: &GtidPos| RelayReader {
            directory: directory.path().to_owned(),
            shared: shared.clone(),
            cuts: shared.cuts(),
            ready: VecDeque::new(),
            place,
            ready_to: place,
            file: None,
            format: None,
            gtid_pos: gtid_pos.clone(),
        };
        if files.is_empty() {
            return Ok((wanted == end).then(|| reader(Place::default(), end_gtid_pos)));
        }
        let Some((scan, file)) = find(directory, &files, wanted)? else {
            return Ok(None);
        };
        let mut reader = reader(scan.boundary, scan.tracker.gtid_pos());
        (reader.file, reader.format) = (Some(file), Some(scan.format.clone()));
        reader.begin_stream(scan.tracker.resume(), &scan.format);
        Ok(Some(reader))
    }

    /// The GTID position of the place where reading began, as far as it is known.
    #[must_use]
    pub fn gtid_pos(&self) -> &GtidPos {
        &self.gtid_pos
    }

    /// The number of the file that the last event handed out is in. What is in earlier files has all been handed out.
    #[must_use]
    pub fn file_number(&self) -> u64 {
        self.place.file
    }

    /// The end of the last event handed out; before the first, where reading began. The default before there is a file.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// What comes next, without waiting for anything.
    #[must_use]
    pub fn fetch(&mut self) -> Next {
        if self.shared.cuts() != self.cuts && self.has_lost_events() {
            return Next::Cut;
        }
        if self.ready.is_empty() {
            let shared = self.shared.clone();
            let mut state = shared.lock();
            if self.place == Place::default() {
                // Where the first events stand, and what they look like, is told by a head.
                state.unfollow();
            }
            if state.fresh.is_empty() {
                state.is_followed |= self.ready_to >= state.end();
                return match state.is_followed {
                    true => Next::Wait,
                    false => Next::InFiles,
                };
            }
            std::mem::swap(&mut self.ready, &mut state.fresh);
            state.fresh_bytes = 0;
            drop(state);
            self.take_fresh();
        }
        match self.ready.pop_front() {
            Some(event) => {
                self.place = event.end;
                Next::Event(event.raw)
            }
            None => Next::Wait,
        }
    }

    /// What came in memory need not be read from the files.
    fn take_fresh(&mut self) {
        self.file = None;
        self.ready_to = self.ready.back().map_or(self.place, |event| event.end);
        let formats = self.ready.iter().rev().filter(|event| is_format(&event.raw));
        if let Some(format) = formats.map(|event| Format::of(&event.raw)).next() {
            self.format = format;
        }
    }

    /// Reads the next events from the files. Blocks as long as the disk does.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Damaged`] when what was written cannot be read. Events before the damage are handed out first.
    pub fn read_files(&mut self) -> Result<(), Error> {
        let mut read = 0;
        while read < READ_BYTES {
            match self.read_more() {
                Ok(0) => return Ok(()),
                Ok(bytes) => read += bytes,
                // It comes again when what is before it has been handed out.
                Err(Error::Damaged(_)) if !self.ready.is_empty() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one event, of the next file if need be; 0 at the end of the log.
    fn read_more(&mut self) -> Result<usize, Error> {
        loop {
            let (file, next) = self.files_at_hand()?;
            let read = match file {
                Some(file) => self.read_from(file)?,
                None => 0,
            };
            match next {
                Some(next) if read == 0 => self.enter(next)?,
                _ => return Ok(read),
            }
        }
    }

    /// Reads one event of the file that was reached; 0 at its end.
    fn read_from(&mut self, of: LogFile) -> Result<usize, Error> {
        if self.file.is_none() {
            self.file = Some(self.reopen(of)?);
        }
        let Some(file) = &mut self.file else { return Ok(0) };
        let Some(stored) = file.next(of.bytes)? else {
            return Ok(0);
        };
        let bytes = stored.raw.len();
        self.ready_to.offset = stored.end;
        if is_format(&stored.raw) {
            self.format = file.format().cloned();
        }
        self.ready.push_back(Fresh {
            raw: stored.raw,
            end: self.ready_to,
        });
        Ok(bytes)
    }

    fn reopen(&self, of: LogFile) -> Result<EventFile, Error> {
        let path = self.directory.join(file_name(of.number));
        if let Some(format) = &self.format {
            return EventFile::open_at(path, self.ready_to.offset, format.clone());
        }
        // The head tells how to read what follows; what changed since is told where it changed.
        let (mut file, _) = open_with_head(path, of.bytes)?;
        while file.offset() < self.ready_to.offset && file.next(of.bytes)?.is_some() {}
        Ok(file)
    }

    /// Goes on in the next file. Its head says nothing new, unless it is the first there ever was.
    fn enter(&mut self, next: LogFile) -> Result<(), Error> {
        let is_first = self.ready_to == Place::default();
        let path = self.directory.join(file_name(next.number));
        let (file, head) = open_with_head(path, next.bytes)?;
        self.file = Some(file);
        self.format = Some(head.format.clone());
        self.ready_to = Place {
            file: next.number,
            offset: head.end,
        };
        if is_first {
            self.gtid_pos = head.gtid_pos.unwrap_or_default();
            self.begin_stream(&head.coordinates, &head.format);
        }
        Ok(())
    }

    /// What the source would send first.
    fn begin_stream(&mut self, at: &Coordinates, format: &Format) {
        let events = [Format::rotate_as_sent(format.server_id(), at), format.as_sent()];
        let end = self.ready_to;
        self.ready.extend(events.map(|raw| Fresh { raw, end }));
    }

    /// The file that was reached, if it is still there, and the one behind it.
    fn files_at_hand(&self) -> Result<(Option<LogFile>, Option<LogFile>), Error> {
        let state = self.shared.lock();
        let number = self.ready_to.file;
        let file = state.file(number);
        let next = state.files.iter().copied().find(|file| file.number > number);
        let was_left = self.ready_to == Place::default()
            || state
                .purged
                .is_some_and(|purged| (purged.number, purged.bytes) == (number, self.ready_to.offset));
        if file.is_some() || was_left {
            return Ok((file, next));
        }
        Err(Error::Damaged(Damage {
            path: self.directory.join(file_name(number)),
            offset: self.ready_to.offset,
            why: "it was removed before it was read".to_owned(),
        }))
    }

    /// Looks what was taken back, and forgets what of it has not been handed out.
    fn has_lost_events(&mut self) -> bool {
        let mut state = self.shared.lock();
        let cuts = self.shared.cuts();
        if let Some(cut_at) = state.cut_at {
            if self.place > cut_at {
                return true;
            }
            while self.ready.back().is_some_and(|event| event.end > cut_at) {
                self.ready.pop_back();
            }
            self.ready_to = self.ready.back().map_or(self.place, |event| event.end);
            (self.file, self.format) = (None, None);
            state.cut_at = None;
        }
        self.cuts = cuts;
        false
    }
}

impl Drop for RelayReader {
    fn drop(&mut self) {
        // Whoever reads next begins in the files.
        self.shared.lock().unfollow();
    }
}

/// Looks for the place where a group ended: in the last file that begins before it.
fn find(
    directory: &Directory,
    files: &VecDeque<LogFile>,
    wanted: &Coordinates,
) -> Result<Option<(Scan, EventFile)>, Error> {
    for (index, first) in files.iter().enumerate().rev() {
        let (file, head) = match open_with_head(directory.path_of(first.number), first.bytes) {
            Ok(opened) => opened,
            // Whoever reads up to there is told.
            Err(Error::Damaged(_)) => continue,
            Err(error) => return Err(error),
        };
        let Some(gtid_pos) = head
            .gtid_pos
            .clone()
            .filter(|_| !wanted.is_before(&head.coordinates))
        else {
            continue;
        };
        let scan = Scan::new(&head, gtid_pos, first.number);
        return find_from(directory, scan, file, files.range(index..), wanted);
    }
    Ok(None)
}

fn find_from<'a>(
    directory: &Directory,
    mut scan: Scan,
    mut file: EventFile,
    files: impl Iterator<Item = &'a LogFile>,
    wanted: &Coordinates,
) -> Result<Option<(Scan, EventFile)>, Error> {
    for of in files {
        if of.number != scan.boundary.file {
            // Only a group that begins in one file and ends in another leads here.
            (file, _) = open_with_head(directory.path_of(of.number), of.bytes)?;
        }
        loop {
            if scan.tracker.resume() == wanted && !scan.tracker.is_inside_group() {
                return Ok(Some((scan, file)));
            }
            if !scan.step(&mut file, *of)? {
                break;
            }
        }
    }
    Ok(None)
}

fn is_format(raw: &[u8]) -> bool {
    const KIND_AT: usize = 4;
    raw.get(KIND_AT) == Some(&EventType::FORMAT_DESCRIPTION.0)
}
