//! Files that were cut short or changed: what is whole before the damage is kept, nothing damaged is handed out, and the rest can
//! be fetched again.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use support::{LIMITS, SOURCE, groups, new_log, start, stream, write};
use tributary_binlog::{ChecksumAlgorithm, EventGroup};
use tributary_relaylog::{Error, Limits, Next, Recovery, RelayLog, file_name};

const SMALL_FILES: Limits = Limits {
    file_bytes_max: 900,
    ..LIMITS
};

/// Copies the files of a log, without its lock.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The groups that a reader hands out up to the first damage, and whether there was one.
fn read_groups(log: &mut RelayLog) -> (Vec<EventGroup>, bool) {
    let mut reader = match log.reader(&start()) {
        Ok(Some(reader)) => reader,
        // A place that is not there is like one that cannot be reached.
        Ok(None) | Err(Error::Damaged(_)) => return (Vec::new(), true),
        Err(error) => panic!("{error}"),
    };
    let mut events = Vec::new();
    loop {
        match reader.fetch() {
            Next::Event(raw) => events.push(raw),
            Next::InFiles => match reader.read_files() {
                Ok(()) => {}
                Err(Error::Damaged(_)) => return (groups(&start(), &events), true),
                Err(error) => panic!("{error}"),
            },
            Next::Wait => return (groups(&start(), &events), false),
            Next::Cut => panic!("nothing was taken back"),
        }
    }
}

/// Opens a log that was damaged at `offset` of its file number `number`, and checks what is left of it.
fn check(dir: &Path, limits: Limits, whole_before: &[EventGroup], all: &[EventGroup]) {
    let (mut log, recovery) = RelayLog::open(dir, SOURCE, limits).unwrap();
    let (read, is_damaged) = read_groups(&mut log);
    assert!(
        read.len() >= whole_before.len(),
        "{} of {} whole groups",
        read.len(),
        whole_before.len()
    );
    assert_eq!(read, all[..read.len()], "what is handed out is what was written");
    let Recovery::Whole { coordinates, .. } = recovery else {
        assert_eq!(whole_before.len(), 0);
        return;
    };
    if !is_damaged {
        // The log is good up to its end, from where the source is asked.
        let end = read.last().map_or(start(), |group| group.end.clone());
        assert!(!coordinates.is_before(&end), "{coordinates} and {end}");
        assert!(
            all.get(read.len())
                .is_none_or(|next| coordinates.is_before(&next.end))
        );
        log.begin_stream(ChecksumAlgorithm::Off).unwrap();
    } else {
        // The way on: forget all behind what was read.
        let end = read.last().map_or(start(), |group| group.end.clone());
        log.begin(end.clone(), tributary_binlog::GtidPos::new()).unwrap();
        assert_eq!(log.end().0, &end);
        assert_eq!(log.bytes(), 0);
    }
}

/// The files of a log, each with the number of groups that end in front of each byte.
struct Written {
    dir: tempfile::TempDir,
    all: Vec<EventGroup>,
    /// Per file: its path and, for each prefix of the stream, how long the file was then.
    ends: Vec<(usize, u64, u64)>,
}

fn written(capture: &str, limits: Limits) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let events = stream(capture);
    let mut log = new_log(dir.path(), limits);
    let mut ends = Vec::new();
    for (number, raw) in events.iter().enumerate() {
        write(&mut log, std::slice::from_ref(raw));
        if log.bytes() > 0 {
            let file = log.file();
            let length = fs::metadata(dir.path().join(file_name(file))).unwrap().len();
            ends.push((groups(&start(), &events[..=number]).len(), file, length));
        }
    }
    Written {
        dir,
        all: groups(&start(), &events),
        ends,
    }
}

impl Written {
    /// Groups that end before `offset` of a file.
    fn whole_before(&self, file: u64, offset: u64) -> usize {
        let before = self
            .ends
            .iter()
            .filter(|(_, number, end)| (*number, *end) <= (file, offset));
        before.map(|(count, ..)| *count).max().unwrap_or(0)
    }

    fn files(&self) -> Vec<(u64, Vec<u8>)> {
        let last = self.ends.last().unwrap().1;
        (1..=last)
            .map(|number| (number, fs::read(self.dir.path().join(file_name(number))).unwrap()))
            .collect()
    }
}

fn damaged(written: &Written, limits: Limits, number: u64, offset: usize, bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    copy(written.dir.path(), dir.path());
    let path: PathBuf = dir.path().join(file_name(number));
    fs::write(path, bytes).unwrap();
    let count = written.whole_before(number, offset as u64);
    check(dir.path(), limits, &written.all[..count], &written.all);
}

/// The last file ends at every byte, as it does when the power fails.
#[test]
fn a_torn_tail_is_cut_and_fetched_again() {
    for (capture, limits) in [("xa", LIMITS), ("xa", SMALL_FILES), ("no-checksum", LIMITS)] {
        let written = written(capture, limits);
        let (number, bytes) = written.files().pop().unwrap();
        let step = (bytes.len() / 3000).max(1);
        for end in (0..bytes.len()).step_by(step) {
            damaged(&written, limits, number, end, &bytes[..end]);
        }
    }
}

/// Each byte of every file is changed.
#[test]
fn a_changed_byte_is_never_handed_out() {
    for (capture, limits) in [("xa", LIMITS), ("xa", SMALL_FILES), ("no-checksum", SMALL_FILES)] {
        let written = written(capture, limits);
        let files = written.files();
        let step = (files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() / 3000).max(1);
        for (number, bytes) in files {
            for offset in (0..bytes.len()).step_by(step) {
                let mut changed = bytes.clone();
                changed[offset] ^= 1 << (offset % 8);
                damaged(&written, limits, number, offset, &changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several bytes changed, pieces missing, rubbish put in or behind.
    #[test]
    fn anything_else_is_survived(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        removed in 0_usize..600,
        put_in in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let written = written("xa", SMALL_FILES);
        let files = written.files();
        let (number, bytes) = &files[file.index(files.len())];
        let at = at.index(bytes.len() + 1);
        let rest = (at + removed).min(bytes.len());
        let changed = [&bytes[..at], &put_in, &bytes[rest..]].concat();
        damaged(&written, SMALL_FILES, *number, at, &changed);
    }
}
