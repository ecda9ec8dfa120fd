//! What writer and reader of one log have in common: which files there are, how far they are written, and the newest events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// A place in the relay log: the file's number and the offset. Places order as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The number of the file.
    pub file: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// A file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) number: u64,
    /// Whole events only.
    pub(crate) bytes: u64,
}

/// A new event, in memory.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) raw: Bytes,
    /// Where it ends.
    pub(crate) end: Place,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// How often written events have been taken back.
    cuts: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) files: VecDeque<LogFile>,
    /// Events in a row that the reader takes next.
    pub(crate) fresh: VecDeque<Fresh>,
    pub(crate) fresh_bytes: usize,
    /// Whether `fresh` goes up to the end. If not, the reader goes on in the files behind it, until it has reached the end.
    pub(crate) is_followed: bool,
    /// The newest file that was purged: a reader at its end goes on in the next.
    pub(crate) purged: Option<LogFile>,
    /// Nothing behind this place is valid of what the reader has got before it asks.
    pub(crate) cut_at: Option<Place>,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            state: Mutex::default(),
            cuts: AtomicU64::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever events have been taken back.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Acquire)
    }

    /// Events were written, up to where `file` ends now.
    pub(crate) fn wrote(&self, file: LogFile, events: impl Iterator<Item = Fresh>, fresh_bytes_max: usize) {
        let mut state = self.lock();
        if let Some(last) = state.files.back_mut() {
            *last = file;
        }
        for event in events {
            state.is_followed &= state.fresh_bytes + event.raw.len() <= fresh_bytes_max;
            if state.is_followed {
                state.fresh_bytes += event.raw.len();
                state.fresh.push_back(event);
            }
        }
    }

    /// Takes back what stands behind `place`.
    pub(crate) fn cut(&self, place: Place, files: VecDeque<LogFile>) {
        let mut state = self.lock();
        state.files = files;
        // An earlier cut that the reader has not noticed may have gone further back.
        state.cut_at = Some(state.cut_at.map_or(place, |earlier| earlier.min(place)));
        while state.fresh.back().is_some_and(|fresh| fresh.end > place) {
            let taken = state.fresh.pop_back().map_or(0, |fresh| fresh.raw.len());
            state.fresh_bytes -= taken;
        }
        self.cuts.fetch_add(1, Ordering::Release);
    }
}

impl State {
    /// Where the written events end.
    pub(crate) fn end(&self) -> Place {
        self.files.back().map_or(Place::default(), |file| Place {
            file: file.number,
            offset: file.bytes,
        })
    }

    /// New events need not be kept in memory.
    pub(crate) fn unfollow(&mut self) {
        self.fresh.clear();
        self.fresh_bytes = 0;
        self.is_followed = false;
    }

    pub(crate) fn file(&self, number: u64) -> Option<LogFile> {
        self.files.iter().copied().find(|file| file.number == number)
    }
}
