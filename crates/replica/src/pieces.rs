//! A group that is applied while it is still being received: its pieces, on their way from the source task to the worker.
//!
//! The applier knows such a group by its head, which has no changes of its own. The worker that gets the head takes the
//! pieces, in order, until one says that it is the last; they all belong to one transaction on the target.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::change::PreparedGroup;
use crate::error::StopReason;

/// Pieces that wait for the worker. One more is being applied, and one being received.
const PIECES_MAX: usize = 1;

/// What the source task tells the worker about a group.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next changes. The last one is not open any more.
    Changes(Box<PreparedGroup>),
    /// The rest cannot be applied: the connection must stop.
    Refused(StopReason),
    /// The rest does not come soon: begin anew when it does.
    Away,
    /// The source does not send the group again as it did before, or the rest needs another worker: begin anew.
    Void(String),
}

/// The worker's end of a group's pieces. If it ends without a last piece, the engine is stopping, or reading has failed.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// The group's GTID, or where it begins.
    pub(crate) name: String,
    receiver: Mutex<Option<mpsc::Receiver<Piece>>>,
}

impl Pieces {
    /// Both ends, for the group of this name.
    pub(crate) fn channel(name: String) -> (mpsc::Sender<Piece>, Self) {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let receiver = Mutex::new(Some(receiver));
        (sender, Self { name, receiver })
    }

    /// The receiving end; once.
    pub(crate) fn take(&self) -> Option<mpsc::Receiver<Piece>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Groups in pieces that had to be received once more; survives the sessions with the target.
#[derive(Debug, Default)]
pub(crate) struct BegunAgain(Mutex<Again>);

#[derive(Debug, Default)]
struct Again {
    name: String,
    times: u32,
    is_pinned: bool,
}

impl BegunAgain {
    fn of(&self, name: &str) -> MutexGuard<'_, Again> {
        let mut again = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if again.name != name {
            *again = Again {
                name: name.to_owned(),
                ..Again::default()
            };
        }
        again
    }

    /// Counts another time.
    pub(crate) fn count(&self, name: &str) -> u32 {
        let mut again = self.of(name);
        again.times = again.times.saturating_add(1);
        again.times
    }

    /// The group needs the worker of temporary tables.
    pub(crate) fn pin(&self, name: &str) {
        self.of(name).is_pinned = true;
    }

    /// Whether it was found out that the group needs the worker of temporary tables.
    pub(crate) fn is_pinned(&self, name: &str) -> bool {
        self.of(name).is_pinned
    }
}
