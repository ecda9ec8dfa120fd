//! Groups that cannot be rolled back, and that no packet of the server makes and saves at once: an engine that is killed, or a target
//! that is lost, may leave them made in part. They are written down before they are begun (column `begun`), and one that comes once
//! more stops the connection: only a person can tell what is there of it.

use tributary_client::{Error as ClientError, ServerError};
use tributary_schedule::{GroupSeq, RunKind};
use tributary_sql::StatementKind;

use super::careful::RETRY_PAUSE;
use super::{RunEnd, RunWork, Worker, reaction};
use crate::change::{Change, PreparedGroup};
use crate::context::quote_text;
use crate::error::{StopReason, number};
use crate::status;

/// Row events are longer in a packet than in the binlog: 4 bytes for 3.
const fn packed(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 3)
}

impl Worker {
    /// Writes down which groups of the run may stay in part; why that cannot be.
    pub(super) async fn begin_doubtful(&mut self, work: &RunWork) -> Result<Option<RunEnd>, ClientError> {
        let doubtful = |group: &&PreparedGroup| !group.was_begun && self.leaves_doubt(work, group);
        let groups = work.groups.iter().map(Box::as_ref);
        let seqs: Vec<GroupSeq> = groups.filter(doubtful).map(|group| group.seq).collect();
        if seqs.is_empty() {
            return Ok(None);
        }
        let mut attempt = 0;
        while let Some(error) = self.note_begun(work, &seqs).await? {
            // Nothing is begun yet.
            if !reaction::is_transient(&error) || attempt == work.connection.retries {
                return self.cannot_save(&error).await.map(Some);
            }
            self.login.rollback().await?;
            attempt += 1;
            status::add(&work.connection.counters.retried, 1);
            tokio::time::sleep(RETRY_PAUSE * attempt.min(10)).await;
        }
        Ok(None)
    }

    /// Writes down which groups are begun, in place of those before; why that cannot be.
    pub(super) async fn note_begun(
        &mut self,
        work: &RunWork,
        groups: &[GroupSeq],
    ) -> Result<Option<ServerError>, ClientError> {
        self.has_begun = !groups.is_empty();
        self.login.add_begun(&work.connection.progress, self.id, groups);
        Ok(self.login.finish().await?.map(|failure| failure.error))
    }

    /// Takes back what was written down, unless the target is lost: a group that fails by itself is made again from its beginning, as by
    /// a native replica.
    pub(super) async fn end_doubtful(&mut self, work: &RunWork, end: &RunEnd) -> Result<(), ClientError> {
        if std::mem::take(&mut self.has_begun) && !matches!(end, RunEnd::Committed) {
            // Should it fail, the next start asks a person.
            self.note_begun(work, &[]).await?;
        }
        Ok(())
    }

    /// Whether the group may stay on the target in part, without a word in the saved position.
    fn leaves_doubt(&self, work: &RunWork, group: &PreparedGroup) -> bool {
        let kind = work.run.kind;
        let Some(first) = group
            .changes
            .first()
            .filter(|_| kind != RunKind::Transactional && group.xa.is_none())
        else {
            return false;
        };
        let is_rows = |change: &Change| matches!(change, Change::Rows(_));
        let has_rows = group.changes.iter().any(is_rows);
        let has_load = group
            .changes
            .iter()
            .any(|change| matches!(change, Change::Load(_)));
        let is_mixed = has_rows && !group.changes.iter().all(is_rows);
        let is_split = kind == RunKind::Alone && group.changes.len() > 1;
        let is_long = has_rows && packed(group.bytes) > self.login.packet_bytes_max;
        // A table that is there already is made anew, with its rows.
        let makes_table = matches!(first, Change::Statement(statement) if matches!(statement.kind, StatementKind::CreateTable { if_not_exists: false, .. }));
        (has_load || is_mixed || is_split || is_long) && !makes_table && writes_for_good(work, group)
    }

    /// Whether a group comes once more of which a part may be there.
    pub(super) fn is_in_doubt(work: &RunWork, group: &PreparedGroup) -> bool {
        group.was_begun && writes_for_good(work, group)
    }

    /// Why a group stops that comes once more.
    pub(super) fn in_doubt(&self, work: &RunWork, group: &PreparedGroup) -> StopReason {
        let mut connection = Vec::new();
        quote_text(work.connection.name.as_bytes(), &mut connection);
        let message = format!(
            "an engine or a target that was killed may have left {} made in part, in {}, which cannot be rolled back. Compare with the source \
             and bring it to what it was before this group; then stop the engine, run on the target UPDATE `{}`.position SET begun='' WHERE \
             connection={}, and start it again. Or bring it to what it is behind the group{}",
            group.label,
            tables(&group.changes),
            self.login.schema,
            String::from_utf8_lossy(&connection),
            self.how_to_leave_out(work, group),
        );
        StopReason::new(number::REPLICA_FATAL, message)
    }
}

/// Whether the group writes tables whose changes stay, whatever happens.
fn writes_for_good(work: &RunWork, group: &PreparedGroup) -> bool {
    let catalog = work.connection.columns.catalog();
    group.tables.iter().filter(|used| used.is_written).any(|used| {
        // It may have been made since the group was prepared.
        let info = catalog.info(used.name.id).or_else(|| used.info.clone());
        info.is_none_or(|info| !info.is_transactional)
    })
}

/// The first table that each change writes.
fn tables(changes: &[Change]) -> String {
    let mut names: Vec<String> = changes
        .iter()
        .filter_map(Change::table)
        .map(|(database, table)| {
            format!(
                "{}.{}",
                String::from_utf8_lossy(&database),
                String::from_utf8_lossy(&table)
            )
        })
        .collect();
    names.dedup();
    match names.is_empty() {
        true => "tables that it does not name".to_owned(),
        false => names.join(", "),
    }
}
