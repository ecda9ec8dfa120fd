//! Prepared statements and bulk execute.

use tributary_wire::prepared::{PreparedInfo, encode_close};
use tributary_wire::result::Rows;
use tributary_wire::status::{ERR, ErrPacket};
use tributary_wire::{bulk, capabilities as cap, command};

use crate::client::last_ok;
use crate::connection::COMMAND_SEQUENCE;
use crate::{Client, Error, OkInfo, Param, ParamType, ServerError};

/// A statement prepared on one connection, and of use on that one only.
#[derive(Debug, PartialEq, Eq)]
pub struct Prepared {
    info: PreparedInfo,
    client_id: u64,
}

impl Prepared {
    /// How many parameters (`?`) the statement has.
    pub fn parameter_count(&self) -> usize {
        self.info.parameter_count.into()
    }

    /// How many columns its result has; 0 when it returns no rows.
    pub fn column_count(&self) -> usize {
        self.info.column_count.into()
    }
}

impl Client {
    /// Prepares a statement.
    ///
    /// # Errors
    /// As [`Client::query`]. Compound statements cannot be prepared.
    pub async fn prepare(&mut self, sql: &[u8]) -> Result<Prepared, Error> {
        match self.prepare_all(&[sql]).await?.pop() {
            Some(prepared) => prepared.map_err(Error::Server),
            None => Err(Error::Misuse("there is nothing to prepare")),
        }
    }

    /// Prepares statements in one round trip, each whether or not the others can be.
    ///
    /// # Errors
    /// As [`Client::query`], but for errors of the server, which come in the place of the statement.
    pub async fn prepare_all(
        &mut self,
        texts: &[&[u8]],
    ) -> Result<Vec<Result<Prepared, ServerError>>, Error> {
        self.idle()?;
        self.begin()?;
        let prepared = self.send_prepares(texts).await;
        self.end(prepared)
    }

    async fn send_prepares(&mut self, texts: &[&[u8]]) -> Result<Vec<Result<Prepared, ServerError>>, Error> {
        for text in texts {
            self.connection
                .queue(COMMAND_SEQUENCE, [&[command::STMT_PREPARE], *text]);
        }
        self.connection.flush().await?;
        let mut all = Vec::with_capacity(texts.len());
        for _ in texts {
            all.push(self.read_prepared().await?);
        }
        Ok(all)
    }

    async fn read_prepared(&mut self) -> Result<Result<Prepared, ServerError>, Error> {
        let what = "prepare a statement";
        let info = loop {
            self.connection.ready(what).await?;
            let payload = self.connection.packets().payload();
            if payload.first() != Some(&ERR) {
                break PreparedInfo::decode(payload).map_err(Error::wire(what))?;
            }
            let error = ErrPacket::decode(payload).map_err(Error::wire(what))?;
            self.connection.packets().consume();
            if let ErrPacket::Error(error) = error {
                return Ok(Err(error));
            }
        };
        self.connection.packets().consume();
        // The definitions of parameters, then of columns; each list that is not empty may be closed by an EOF packet.
        let closing = usize::from(!self.server.has(cap::DEPRECATE_EOF));
        for count in [info.parameter_count, info.column_count] {
            let packets = if count == 0 {
                0
            } else {
                usize::from(count) + closing
            };
            for _ in 0..packets {
                self.connection.ready(what).await?;
                self.connection.packets().consume();
            }
        }
        Ok(Ok(Prepared {
            info,
            client_id: self.id,
        }))
    }

    /// Runs a prepared statement once per row of parameters, in one round trip.
    ///
    /// Seen on 10.11: an INSERT that fails leaves nothing in a transactional table and the rows before the failing one in others;
    /// UPDATE and DELETE run row by row, and those before the failing one stay within the transaction.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::Protocol`] when the rows do not fit the types, which leaves the connection as it was.
    pub async fn execute_bulk(
        &mut self,
        statement: &Prepared,
        types: &[ParamType],
        rows: &[Vec<Param>],
    ) -> Result<OkInfo, Error> {
        self.idle()?;
        self.queue_bulk(statement, types, rows)?;
        self.flush().await?;
        let reply = self.read_reply().await?;
        match reply.error {
            Some(error) => Err(Error::Server(error)),
            None => Ok(last_ok(reply)),
        }
    }

    /// Queues a bulk execute, as [`Client::queue_query`] does with statements. Rows that it returns are passed over.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the rows do not fit the types, [`Error::Misuse`] when the statement is not of this connection or
    /// the server has no bulk execute. Nothing is queued then.
    pub fn queue_bulk(
        &mut self,
        statement: &Prepared,
        types: &[ParamType],
        rows: &[Vec<Param>],
    ) -> Result<(), Error> {
        self.check_bulk(statement, types)?;
        let mut payload = Vec::new();
        bulk::encode(&mut payload, statement.info.statement_id, types, rows)
            .map_err(Error::wire("queue a bulk execute"))?;
        self.queue([&payload[..]], Rows::Discard);
        Ok(())
    }

    /// As [`Client::queue_bulk`], of rows that are encoded already ([`tributary_wire::bulk::put_int`] and its like), at least one.
    ///
    /// # Errors
    /// As [`Client::queue_bulk`]; what the rows hold is not checked.
    pub fn queue_bulk_rows(
        &mut self,
        statement: &Prepared,
        types: &[ParamType],
        rows: &[&[u8]],
    ) -> Result<(), Error> {
        self.check_bulk(statement, types)?;
        let mut start = Vec::new();
        bulk::encode_start(&mut start, statement.info.statement_id, types)
            .map_err(Error::wire("queue a bulk execute"))?;
        self.queue(
            std::iter::once(&start[..]).chain(rows.iter().copied()),
            Rows::Discard,
        );
        Ok(())
    }

    fn check_bulk(&self, statement: &Prepared, types: &[ParamType]) -> Result<(), Error> {
        if statement.client_id != self.id {
            return Err(Error::Misuse("the statement was prepared on another connection"));
        }
        if !self.server.has(cap::MARIADB_STMT_BULK_OPERATIONS) {
            return Err(Error::Misuse(
                "the server has no bulk execute; it needs MariaDB 10.2 or later",
            ));
        }
        if statement.parameter_count() != types.len() {
            return Err(Error::Misuse(
                "the statement has another number of parameters than types were given",
            ));
        }
        Ok(())
    }

    /// Frees a prepared statement on the server.
    ///
    /// # Errors
    /// [`Error::Timeout`] or [`Error::Io`] when it cannot be sent, which breaks the connection.
    pub async fn close_prepared(&mut self, statement: Prepared) -> Result<(), Error> {
        if statement.client_id != self.id {
            return Err(Error::Misuse("the statement was prepared on another connection"));
        }
        self.connection
            .queue(COMMAND_SEQUENCE, [&encode_close(statement.info.statement_id)[..]]);
        self.flush().await
    }
}
