//! Waiting for room: for files to be applied and purged, or for the disk. Meanwhile the socket is not read, which is what slows
//! the source's dump thread down.

use std::time::Duration;

use tokio::time::Instant;
use tributary_relaylog::Error as LogError;

use super::{End, Lost, PURGE_TICK, Task, told_otherwise, told_to_stop};
use crate::error::{StopReason, number};
use crate::progress::Position;
use crate::status::IoState;

/// How often it is looked whether there is room.
const LOOK: Duration = Duration::from_millis(100);

/// How often a disk that refused is tried again.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// So many bytes are worth a new stream.
const GIVEN_UP_BYTES_MIN: u64 = 64 << 10;

impl Task {
    /// Removes the files of which everything is applied, and saved as such.
    pub(super) fn purge(&mut self) {
        self.purge_at = Instant::now() + PURGE_TICK;
        if let Some(file) = self.shared.purgeable() {
            self.purge_before(file);
        }
    }

    /// The same, and all files once everything is applied, if the disk has less room left than they take. Whether the stream must
    /// begin anew for that.
    pub(super) fn tidy(&mut self) -> bool {
        self.purge();
        let is_short = self.log.free_bytes().is_ok_and(|free| free < self.log.bytes());
        is_short && self.give_up_what_is_applied()
    }

    fn purge_before(&mut self, file: u64) {
        if let Err(error) = self.log.purge_before(file) {
            tracing::warn!(connection = %self.options.name, "{error}");
        }
    }

    /// Waits until the limit leaves room for so many bytes.
    pub(super) async fn wait_for_room(&mut self, needed: u64, limit: u64) -> Result<(), End> {
        while let Err(error) = self.log.flush() {
            self.disk_refused(error).await?;
        }
        self.shared.arrived.notify_one();
        self.purge();
        self.end_file_that_is_applied();
        if self.has_room(needed, limit) {
            return Ok(());
        }
        if needed > limit / 2 {
            let message = format!(
                "an event of {needed} bytes is too large for relay_log_space_limit = {limit}: raise the limit, or set \
                 tributary_relay_log=OFF"
            );
            return Err(Lost::Definite(StopReason::new(number::REPLICA_FATAL, message)).into());
        }
        self.counters.update(|state| state.io_state = IoState::Waiting);
        self.pause(LOOK).await
    }

    fn has_room(&self, needed: u64, limit: u64) -> bool {
        self.log.bytes() + needed + limit / 16 <= limit
    }

    /// When all groups before the end of the log are applied, no file is needed for a restart. What the reader has in memory of a
    /// group that is larger than the log is not needed either: after a restart, the source sends it again.
    fn end_file_that_is_applied(&mut self) {
        let is_applied = self
            .saved()
            .is_some_and(|saved| saved.coordinates == *self.log.end().0);
        if !is_applied || !self.log.is_read() {
            return;
        }
        match self.log.rotate() {
            Ok(()) => self.purge_before(self.log.file()),
            Err(error) => tracing::warn!(connection = %self.options.name, "{error}"),
        }
    }

    /// The disk has refused a write: shows it, and waits to try again.
    pub(super) async fn disk_refused(&mut self, error: LogError) -> Result<(), End> {
        tracing::warn!(connection = %self.options.name, "{error}; trying again in {DISK_RETRY:?}");
        let message = format!("{error}; waiting for room on the disk of the relay log");
        self.show(
            IoState::Waiting,
            Some(StopReason::new(number::DISK_FULL, message)),
        );
        self.purge();
        if self.give_up_what_is_applied() {
            return Err(End::Restarted);
        }
        self.pause(DISK_RETRY).await
    }

    /// When all that is in the files is applied, they only take room: the log begins anew there, and the source sends again what could
    /// not be written. Whether that is done.
    fn give_up_what_is_applied(&mut self) -> bool {
        let Some(saved) = self.saved() else { return false };
        let (written, bytes) = self.log.written();
        if bytes < GIVEN_UP_BYTES_MIN || saved.coordinates != *written || !self.log.is_read() {
            return false;
        }
        tracing::info!(connection = %self.options.name, at = %saved.coordinates, "the relay log begins anew: all of it is applied");
        if let Err(error) = self.log.begin(saved.coordinates, saved.gtid_pos) {
            tracing::warn!(connection = %self.options.name, "{error}");
        }
        self.shared.arrived.notify_one();
        true
    }

    /// The position that is saved on the target.
    fn saved(&self) -> Option<Position> {
        let applied = super::lock(&self.shared.applied).clone();
        applied.map(|applied| applied.progress.saved())
    }

    async fn pause(&mut self, time: Duration) -> Result<(), End> {
        tokio::select! {
            biased;
            () = told_to_stop(&mut self.stop) => Err(End::Stopped),
            () = told_otherwise(&mut self.receives) => Err(End::Restarted),
            request = self.requests.recv() => match self.answer(request)? {
                true => Err(End::Restarted),
                false => Ok(()),
            },
            () = tokio::time::sleep(time) => Ok(()),
        }
    }
}
