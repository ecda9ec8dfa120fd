//! What is good of the files that an earlier life has left.
//!
//! Events are checked from the last file that begins between two groups to the end; earlier files when they are read. The log
//! is good up to the end of the last whole group; what follows is cut off, to be fetched again.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

use tributary_binlog::{ChecksumAlgorithm, Coordinates, GroupTracker, GtidPos};

use crate::directory::Directory;
use crate::error::{Damage, Error};
use crate::event_file::EventFile;
use crate::head::{Format, Head};
use crate::shared::{LogFile, Place};

/// What was found when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// No log of this source: reading begins anew.
    Empty,
    /// The log is good up to here; the source is asked for what follows.
    Whole {
        /// The end of the last whole group.
        coordinates: Coordinates,
        /// The GTID position there.
        gtid_pos: GtidPos,
        /// Bytes of a group that had not ended, which were cut off.
        cut_bytes: u64,
        /// Why they ended there, if not by the end of the log: a write that was cut short, or damage.
        damage: Option<Damage>,
    },
}

/// A log that can be written on.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) files: VecDeque<LogFile>,
    pub(crate) tracker: GroupTracker,
    pub(crate) format: Format,
    /// The end of the last whole group.
    pub(crate) boundary: Place,
    pub(crate) damage: Option<Damage>,
}

/// Reads the files' ends. `None`: nothing in them can be used. Changes nothing.
pub(crate) fn recover(directory: &Directory, numbers: &VecDeque<u64>) -> Result<Option<Recovered>, Error> {
    let files = consecutive(directory, numbers)?;
    for first in (0..files.len()).rev() {
        let path = directory.path_of(files[first].number);
        let Ok((file, head)) = open_with_head(path, files[first].bytes) else {
            continue;
        };
        let Some(gtid_pos) = head.gtid_pos.clone() else {
            continue;
        };
        let mut scan = Scan::new(&head, gtid_pos, files[first].number);
        scan.read(directory, file, files.iter().skip(first))?;
        let boundary = scan.boundary;
        let kept = files.into_iter().filter(|file| file.number <= boundary.file);
        return Ok(Some(Recovered {
            files: kept.collect(),
            tracker: scan.tracker,
            format: scan.format,
            boundary,
            damage: scan.damage,
        }));
    }
    Ok(None)
}

/// Files with their sizes. Behind a file that is missing nothing counts.
fn consecutive(directory: &Directory, numbers: &VecDeque<u64>) -> Result<VecDeque<LogFile>, Error> {
    let mut files: VecDeque<LogFile> = VecDeque::new();
    for &number in numbers {
        if files.back().is_some_and(|last| last.number + 1 != number) {
            break;
        }
        let path = directory.path_of(number);
        let bytes = fs::metadata(&path).map_err(Error::io("look at", path))?.len();
        files.push_back(LogFile { number, bytes });
    }
    Ok(files)
}

/// Opens a file and reads its head.
pub(crate) fn open_with_head(path: PathBuf, bytes: u64) -> Result<(EventFile, Head), Error> {
    let mut file = EventFile::open(path)?;
    let head = file.read_head(bytes)?;
    Ok((file, head))
}

/// A pass over events, from group to group.
pub(crate) struct Scan {
    pub(crate) tracker: GroupTracker,
    pub(crate) format: Format,
    pub(crate) boundary: Place,
    damage: Option<Damage>,
}

impl Scan {
    pub(crate) fn new(head: &Head, gtid_pos: GtidPos, number: u64) -> Scan {
        let mut tracker = GroupTracker::new(head.coordinates.clone(), gtid_pos, ChecksumAlgorithm::Off);
        // A head that was read is a head that can be followed.
        let _ = push(&mut tracker, &head.format.as_sent());
        Scan {
            tracker,
            format: head.format.clone(),
            boundary: Place {
                file: number,
                offset: head.end,
            },
            damage: None,
        }
    }

    /// Reads on to the end of the files, or to the first event that is not whole. `file` is the first of `files`, open behind its
    /// head.
    fn read<'a>(
        &mut self,
        directory: &Directory,
        mut file: EventFile,
        files: impl Iterator<Item = &'a LogFile>,
    ) -> Result<(), Error> {
        for (index, of) in files.enumerate() {
            if index > 0 {
                file = match open_with_head(directory.path_of(of.number), of.bytes) {
                    Ok((file, _)) => file,
                    Err(Error::Damaged(damage)) => {
                        self.damage = Some(damage);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                };
            }
            loop {
                match self.step(&mut file, *of) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(Error::Damaged(damage)) => {
                        self.damage = Some(damage);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Takes the next event of a file; false at its end.
    pub(crate) fn step(&mut self, file: &mut EventFile, of: LogFile) -> Result<bool, Error> {
        let Some(stored) = file.next(of.bytes)? else {
            return Ok(false);
        };
        let damaged = |error: tributary_binlog::TrackError| file.damage_at(stored.start, error.to_string());
        self.tracker.push(&stored.header, &stored.raw).map_err(damaged)?;
        if let Some(format) = file.format()
            && *format != self.format
        {
            self.format = format.clone();
        }
        if !self.tracker.is_inside_group() {
            self.boundary = Place {
                file: of.number,
                offset: stored.end,
            };
        }
        Ok(true)
    }
}

fn push(tracker: &mut GroupTracker, raw: &bytes::Bytes) -> Result<(), tributary_binlog::TrackError> {
    let header = tracker.verify(raw)?;
    tracker.push(&header, raw)
}
