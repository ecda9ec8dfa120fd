//! `LOAD DATA`: the file travels inside the statement's own round trip.
//!
//! The target reads the file from us, which only `LOCAL` can, and `LOCAL` without a keyword means `IGNORE`: what ended the
//! statement on the source would be a warning here (server `sql/sql_load.cc`: "We can't give an error in the middle when using
//! LOCAL files"). So where the source's statement could fail, warnings are looked through, and one that stands for an error
//! is dealt with as that error.

use tributary_client::{Error as ClientError, OkInfo, ServerError};

use super::burst::{self, Failure, Step};
use super::careful::Outcome;
use super::reaction;
use super::rows::RowPlace;
use super::{RunWork, Worker};
use crate::change::{Change, LoadChange, PreparedGroup, StatementChange};
use crate::error::number;

/// Warnings that the server keeps (`max_error_count` of every login), and the largest count it reports.
const WARNINGS_MAX: u16 = u16::MAX;

/// Errors that `IGNORE` turns into warnings whatever `sql_mode` is: keys, foreign keys, checks, partitions.
const IGNORABLE: [u16; 12] = [
    1022, 1062, 1169, 1216, 1369, 1451, 1452, 1526, 1557, 1586, 1591, 4025,
];

/// Errors of values that strict mode does not let pass, and warnings otherwise. Warnings that have nothing to do with a value
/// (a separator beyond ASCII, 1638; deprecated syntax, 1287) the source had, too.
const OF_VALUES: [u16; 14] = [
    1048, 1261, 1262, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1406, 1411, 1416, 1690,
];

impl Worker {
    /// Sends the file and judges the outcome.
    pub(super) async fn load(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        load: &LoadChange,
    ) -> Result<Outcome, ClientError> {
        if load.statement.expected_error != 0 {
            return self.half_load(work, group, change, load).await;
        }
        // A list of columns cannot be put into LOAD DATA among its other clauses.
        let positional = load.statement.positional.as_ref();
        let refused = positional.and_then(|positional| burst::refusal(positional, &load.statement.text));
        if let Some(error) = refused {
            return self.failed(work, group, change, load_failure(error)).await;
        }
        if load.has_errors {
            self.login.own_statement(b"SAVEPOINT tributary_load").await?;
        }
        if let Err(error) = self.switch_to(&load.statement).await? {
            return Ok(Outcome::Stop(reaction::stop_reason(group, Some(change), &error)));
        }
        let file = load.file.reader();
        let error = match self.login.client.load_local(&load.statement.text, file).await {
            Ok(ok) if load.has_errors => self.hidden_error(group, load, ok).await?,
            Ok(_) => None,
            Err(ClientError::Server(error)) => {
                self.login.has_old_errors = true;
                self.login.clear_errors().await?;
                Some(error)
            }
            Err(error) => return Err(error),
        };
        let Some(error) = error else {
            return Ok(Outcome::Done);
        };
        self.leaves_part |= !reaction::precedes_changes(&error);
        self.failed(work, group, change, load_failure(error)).await
    }

    /// Brings the session to the statement's.
    pub(super) async fn switch_to(
        &mut self,
        statement: &StatementChange,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let mut setup = Vec::new();
        self.login.session.switch(statement, &mut setup);
        if setup.is_empty() {
            return Ok(Ok(()));
        }
        let result = burst::single(&mut self.login.client, &setup).await?.map(|_| ());
        if result.is_err() {
            self.login.session.forget();
        }
        Ok(result)
    }

    /// The first warning that is an error where the file is not `LOCAL`. What can be undone of the statement is undone then.
    async fn hidden_error(
        &mut self,
        group: &PreparedGroup,
        load: &LoadChange,
        ok: OkInfo,
    ) -> Result<Option<ServerError>, ClientError> {
        if ok.warnings == 0 {
            return Ok(None);
        }
        let is_strict = load.statement.context.is_strict(group.can_roll_back());
        let warnings = self.login.client.query(b"SHOW WARNINGS").await?;
        let found = warnings.rows.iter().find_map(|row| {
            let code: u16 = row.text(1)?.parse().ok()?;
            let is_error = row.text(0)? == "Error"
                || row.text(0)? == "Warning"
                    && (is_strict && OF_VALUES.contains(&code) || IGNORABLE.contains(&code));
            is_error.then(|| ServerError {
                code,
                sqlstate: *b"HY000",
                message: row.text(2).unwrap_or_default(),
            })
        });
        let error = match found {
            Some(error) => error,
            None if ok.warnings == WARNINGS_MAX => ServerError {
                code: number::UNKNOWN,
                sqlstate: *b"HY000",
                message: "LOAD DATA had more warnings than can be looked through".to_owned(),
            },
            None => return Ok(None),
        };
        self.login
            .own_statement(b"ROLLBACK TO SAVEPOINT tributary_load")
            .await?;
        Ok(Some(error))
    }
}

fn load_failure(error: ServerError) -> Failure {
    Failure {
        step: Step::Change(0),
        error,
        at: RowPlace::default(),
        is_row: false,
        made: None,
        is_of_many: false,
    }
}
