//! XA transactions: prepared by one group, committed or rolled back by a later one.
//!
//! The position cannot be saved inside the prepared transaction, so it is saved behind it, and a crash in between makes the engine
//! do the group again. What then counts as done is told by the table `xa`: a row says which group prepares which transaction, and
//! the transaction itself sets `is_committed` in it, so that the row also tells how the transaction has ended. That write
//! makes every prepared transaction one that survives a restart of the target, even if the group changes nothing else.
//!
//! `XA PREPARE` leaves the session free for other work, because it has `pseudo_slave_mode` (server `sql/xa.cc`,
//! `slave_applier_reset_xa_trans`; seen on 10.11.19). `XA COMMIT` by id is refused under `autocommit=0`.

use std::io::Write as _;

use tributary_binlog::XaId;
use tributary_client::{Error as ClientError, ServerError, StatementResult};

use super::careful::Outcome;
use super::reaction::{self, Reaction};
use super::{RunWork, Worker, burst};
use crate::change::PreparedGroup;
use crate::context::quote_text;
use crate::error::StopReason;
use crate::xa::{XaChange, XaStep};
use tributary_rules::SkipErrors;

/// What the target knows of an XA transaction.
struct Known {
    /// The target holds it prepared, whoever has done that.
    is_prepared: bool,
    /// The row of the table `xa`.
    row: Option<KnownRow>,
}

struct KnownRow {
    prepared_by: String,
    is_committed: bool,
}

impl Worker {
    /// Prepares or completes the XA transaction of a group, then saves its position.
    pub(super) async fn xa(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        xa: &XaChange,
    ) -> Result<Outcome, ClientError> {
        let known = match self.known(work, xa).await? {
            Ok(known) => known,
            Err(error) => return Ok(self.xa_failed(group, &error)),
        };
        let early = match xa.step {
            XaStep::Prepare => self.prepare_xa(work, group, xa, &known).await?,
            XaStep::Commit | XaStep::Rollback => self.complete_xa(work, group, xa, &known).await?,
        };
        if let Some(outcome) = early {
            return Ok(outcome);
        }
        if xa.step != XaStep::Prepare {
            let mut text = format!("DELETE FROM `{}`.xa", self.login.schema).into_bytes();
            self.push_key(work, xa, &mut text);
            if let Err(error) = self.own(&text).await? {
                return Ok(self.xa_failed(group, &error));
            }
        }
        self.mark(work, group).await
    }

    /// Makes the group's changes and prepares them, unless an earlier attempt has. `None` when they are prepared.
    async fn prepare_xa(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        xa: &XaChange,
        known: &Known,
    ) -> Result<Option<Outcome>, ClientError> {
        let own = gtid(group);
        if known.is_prepared {
            if known.row.as_ref().is_some_and(|row| row.prepared_by == own) {
                return Ok(None);
            }
            let message = format!(
                "the target already holds a prepared XA transaction {}, which was not prepared by this group ({}): it is what is left \
                 of an earlier transaction; end it there with XA COMMIT or XA ROLLBACK, as the source has done, and start again",
                xa.target, group.label
            );
            return Ok(Some(Outcome::Stop(StopReason::new(ER_XAER_DUPID, message))));
        }
        let begin = self.begin_statements(work, xa, &own);
        if let Err(error) = self.own(&begin).await? {
            self.abandon(&xa.target).await?;
            return Ok(Some(self.xa_failed(group, &error)));
        }
        if let Some(outcome) = self.changes(work, group).await? {
            self.abandon(&xa.target).await?;
            return Ok(Some(outcome));
        }
        let end = format!("XA END {0};\nXA PREPARE {0}", xa.target);
        self.login.session.forget_thread();
        if let Err(error) = self.own(end.as_bytes()).await? {
            self.abandon(&xa.target).await?;
            return Ok(Some(self.xa_failed(group, &error)));
        }
        Ok(None)
    }

    /// Announces the transaction in the table `xa`, then begins it.
    fn begin_statements(&self, work: &RunWork, xa: &XaChange, own: &str) -> Vec<u8> {
        let schema = &self.login.schema;
        let mut text = format!(
            "REPLACE INTO `{schema}`.xa (format_id,is_committed,connection,gtrid,bqual,target_gtrid,prepared_by) VALUES ({},0",
            xa.source.format_id
        )
        .into_bytes();
        let values: [&[u8]; 5] = [
            work.connection.name.as_bytes(),
            &xa.source.gtrid,
            &xa.source.bqual,
            &xa.target.gtrid,
            own.as_bytes(),
        ];
        for value in values {
            text.push(b',');
            quote_text(value, &mut text);
        }
        // Writing to a Vec cannot fail.
        let _ = write!(
            text,
            ");\nCOMMIT;\nXA START {};\nUPDATE `{schema}`.xa SET is_committed=1",
            xa.target
        );
        self.push_key(work, xa, &mut text);
        text
    }

    /// Commits or rolls back what an earlier group has prepared, unless an earlier attempt has. `None` when it is done.
    async fn complete_xa(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        xa: &XaChange,
        known: &Known,
    ) -> Result<Option<Outcome>, ClientError> {
        let commits = xa.step == XaStep::Commit;
        if !known.is_prepared {
            let why = match &known.row {
                Some(row) if row.is_committed == commits => return Ok(None),
                Some(_) if commits => "it was rolled back there by somebody else",
                Some(_) => "it was committed there by somebody else",
                None => "it was prepared before the copy of the source's data was made",
            };
            let word = if commits { "commits" } else { "rolls back" };
            let message = format!(
                "the group {word} the XA transaction {}, which the target does not hold under its name there, {}: {why} ({}). Bring \
                 the rows it changed to what they are on the source{}",
                xa.source,
                xa.target,
                group.label,
                self.how_to_leave_out(work, group)
            );
            return Ok(Some(Outcome::Stop(StopReason::new(ER_XAER_NOTA, message))));
        }
        let word = if commits { "COMMIT" } else { "ROLLBACK" };
        let text = format!("SET autocommit=1;\nXA {word} {}", xa.target);
        let done = self.own(text.as_bytes()).await?;
        self.login.client.execute(b"SET autocommit=0").await?;
        Ok(match done {
            Ok(_) => None,
            Err(error) => Some(self.xa_failed(group, &error)),
        })
    }

    /// Asks the target what it knows of the transaction.
    async fn known(
        &mut self,
        work: &RunWork,
        xa: &XaChange,
    ) -> Result<Result<Known, ServerError>, ClientError> {
        let mut text =
            format!("SELECT prepared_by,is_committed FROM `{}`.xa", self.login.schema).into_bytes();
        self.push_key(work, xa, &mut text);
        text.extend_from_slice(b";\nCOMMIT;\nXA RECOVER");
        let results = match self.own(&text).await? {
            Ok(results) => results,
            Err(error) => return Ok(Err(error)),
        };
        let rows = |index: usize| match results.get(index) {
            Some(StatementResult::Rows(rows)) => rows.rows.as_slice(),
            _ => &[],
        };
        Ok(Ok(Known {
            is_prepared: is_listed(rows(2), &xa.target),
            row: rows(0).first().map(|row| KnownRow {
                prepared_by: row.text(0).unwrap_or_default(),
                is_committed: row.text(1).as_deref() == Some("1"),
            }),
        }))
    }

    fn push_key(&self, work: &RunWork, xa: &XaChange, text: &mut Vec<u8>) {
        text.extend_from_slice(b" WHERE connection=");
        quote_text(work.connection.name.as_bytes(), text);
        text.extend_from_slice(b" AND gtrid=");
        quote_text(&xa.source.gtrid, text);
        text.extend_from_slice(b" AND bqual=");
        quote_text(&xa.source.bqual, text);
        // Writing to a Vec cannot fail.
        let _ = write!(text, " AND format_id={}", xa.source.format_id);
    }

    /// Runs statements of the engine's own, up to the first that fails.
    async fn own(&mut self, text: &[u8]) -> Result<Result<Vec<StatementResult>, ServerError>, ClientError> {
        let outcome = burst::single(&mut self.login.client, text).await?;
        self.login.has_old_errors |= outcome.is_err();
        Ok(outcome)
    }

    /// Rolls back a transaction that cannot be prepared, in whatever state it is.
    async fn abandon(&mut self, xid: &XaId) -> Result<(), ClientError> {
        for statement in [format!("XA END {xid}"), format!("XA ROLLBACK {xid}")] {
            // Each fails in states in which it is not needed.
            let _ = self.own(statement.as_bytes()).await?;
        }
        self.login.rollback().await
    }

    fn xa_failed(&self, group: &PreparedGroup, error: &ServerError) -> Outcome {
        match reaction::to(error, &SkipErrors::None) {
            Reaction::Retry => Outcome::Retry(error.clone()),
            _ => Outcome::Stop(reaction::stop_reason(group, None, error)),
        }
    }
}

/// `ER_XAER_NOTA`: no such transaction.
const ER_XAER_NOTA: u16 = 1397;

/// `ER_XAER_DUPID`: the id is taken.
const ER_XAER_DUPID: u16 = 1440;

/// Whether `XA RECOVER` lists the id: format id, both lengths, both parts in one.
fn is_listed(rows: &[tributary_client::Row], xid: &XaId) -> bool {
    let parts = [&xid.gtrid[..], &xid.bqual[..]].concat();
    rows.iter().any(|row| {
        let number = |index: usize| row.text(index).and_then(|text| text.parse::<i64>().ok());
        // The server shows the format id as a signed number.
        number(0).is_some_and(|id| id as u32 == xid.format_id)
            && number(1) == i64::try_from(xid.gtrid.len()).ok()
            && row.get(3) == Some(&parts[..])
    })
}

/// Under which name the group is noted down.
fn gtid(group: &PreparedGroup) -> String {
    let label = &group.label;
    label
        .gtid
        .map_or_else(|| label.end.to_string(), |gtid| gtid.to_string())
}
