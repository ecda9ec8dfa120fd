//! A reply to one command of a client: its packets, numbered, from the engine's answers and the target's.

use std::borrow::Cow;
use std::io;

use tokio::sync::mpsc;
use tributary_wire::status::{self, OkInfo, ServerError};
use tributary_wire::{command, row};

use crate::engine::Refusal;
use crate::peer::{FULL_PACKET_BYTES, Peer};
use crate::processes::Cells;
use crate::question::{Answer, Error, invalid, with_more};

/// Bytes of rows that are gathered before they are sent; one row more may be held.
const STREAM_BYTES: usize = 64 * 1024;

/// `ER_NOT_SUPPORTED_YET`.
const NOT_SUPPORTED: u16 = 1235;

/// A reply that is being written.
pub(crate) struct Reply<'a> {
    pub(crate) client: &'a mut Peer,
    sequence: u8,
    /// Another statement of the same text follows.
    pub(crate) has_more: bool,
    /// The error that was written last, if it is not the target's.
    pub(crate) refused: Option<Refusal>,
}

/// What becomes of one statement.
pub(crate) enum Done {
    Answered,
    /// It was an error; statements behind it are not executed.
    Failed,
    /// Not ours: it goes to the target as it is, or as this.
    Forward(Option<Vec<u8>>),
}

/// A statement of the server's that the port does not know.
pub(crate) fn not_supported(what: &str) -> Refusal {
    let message = format!("This version of Tributary doesn't yet support '{what}'");
    Refusal {
        sql_state: *b"42000",
        ..Refusal::new(NOT_SUPPORTED, message)
    }
}

impl<'a> Reply<'a> {
    /// To the command that `client` has sent.
    pub(crate) fn new(client: &'a mut Peer) -> Self {
        Self {
            client,
            sequence: 1,
            has_more: false,
            refused: None,
        }
    }

    fn put(&mut self, payload: &[u8]) {
        self.client.put(self.sequence, payload);
        self.sequence = self.sequence.wrapping_add(1);
    }

    pub(crate) fn ok(&mut self, info: OkInfo, warnings: usize) {
        let info = OkInfo {
            affected_rows: 0,
            last_insert_id: 0,
            warnings: u16::try_from(warnings).unwrap_or(u16::MAX),
            ..with_more(info, self.has_more)
        };
        let mut payload = Vec::new();
        info.encode(&mut payload, status::OK);
        self.put(&payload);
    }

    pub(crate) fn error(&mut self, refusal: &Refusal) -> Done {
        let error = ServerError {
            code: refusal.code,
            sqlstate: refusal.sql_state,
            message: refusal.message.clone(),
        };
        let mut payload = Vec::new();
        error.encode(&mut payload);
        self.put(&payload);
        self.refused = Some(refusal.clone());
        Done::Failed
    }

    pub(crate) fn server_error(&mut self, error: &Error) -> Done {
        self.put(&error.0);
        Done::Failed
    }

    /// Rows under the columns of an answer.
    pub(crate) fn rows(&mut self, answer: &Answer, rows: &[Vec<u8>]) {
        let end = self.columns(answer);
        rows.iter().for_each(|row| self.put(row));
        self.put(&end);
    }

    /// The columns of an answer; what ends them ends the rows behind them, too.
    fn columns(&mut self, answer: &Answer) -> Vec<u8> {
        let mut count = Vec::new();
        tributary_wire::writer::put_lenenc_int(&mut count, answer.columns.len() as u64);
        self.put(&count);
        for column in &answer.columns {
            self.put(column);
        }
        let info = OkInfo {
            warnings: 0,
            ..with_more(answer.info, self.has_more)
        };
        let mut end = Vec::new();
        info.encode_eof(&mut end);
        self.put(&end);
        end
    }

    /// Rows that come one by one, each handed on before the next is taken. An error among them ends the reply.
    pub(crate) async fn stream<T>(
        &mut self,
        answer: &Answer,
        mut rows: mpsc::Receiver<Result<T, Refusal>>,
        encode: impl Fn(&T) -> Vec<u8>,
    ) -> io::Result<Done> {
        let end = self.columns(answer);
        while let Some(row) = rows.recv().await {
            match row {
                Ok(row) => self.put(&encode(&row)),
                Err(refusal) => return Ok(self.error(&refusal)),
            }
            if self.client.output.len() >= STREAM_BYTES {
                self.client.flush().await?;
            }
        }
        self.put(&end);
        Ok(Done::Answered)
    }

    /// Has the target execute a statement, and hands its answer on. Whether it was no error.
    pub(crate) async fn forward(&mut self, text: &[u8], target: &mut Peer) -> io::Result<bool> {
        target.send(command::QUERY, text).await?;
        loop {
            let (first, ends) = self.forward_result(target).await?;
            if first {
                return Ok(false);
            }
            if ends {
                return Ok(true);
            }
        }
    }

    /// Has the target execute a statement that has one result, and hands that on, row by row: as `change` wants it, and with
    /// `more` behind.
    pub(crate) async fn forward_rows(
        &mut self,
        text: &[u8],
        target: &mut Peer,
        change: impl Fn(&[String], Cells) -> Option<Cells>,
        more: impl Fn(&[String]) -> Vec<Cells>,
    ) -> io::Result<Done> {
        target.send(command::QUERY, text).await?;
        let (mut head, first) = target.packet().await?;
        match first.first() {
            Some(&status::ERR) => {
                self.put(&first);
                return Ok(Done::Failed);
            }
            Some(&status::OK) | None => return Err(invalid("no rows where there are some")),
            Some(_) => self.put(&first),
        }
        let (mut answer, mut names) = (Answer::default(), None);
        loop {
            let goes_on = head.length == FULL_PACKET_BYTES;
            let (next, packet) = target.packet().await?;
            head = next;
            if goes_on || head.length == FULL_PACKET_BYTES {
                self.put_part(&packet);
            } else if packet.first() == Some(&status::ERR) {
                self.put(&packet);
                return Ok(Done::Failed);
            } else if status::is_eof(&packet) {
                let info = OkInfo::decode_eof(&packet).map_err(invalid)?;
                let is_end = names.is_some();
                let columns = names.get_or_insert_with(|| answer.names());
                if is_end {
                    let rows = more(columns);
                    rows.into_iter().for_each(|row| self.put_row(row));
                }
                let mut payload = Vec::new();
                with_more(info, self.has_more).encode_eof(&mut payload);
                self.put(&payload);
                if is_end {
                    self.client.flush().await?;
                    return Ok(Done::Answered);
                }
            } else if let Some(columns) = &names {
                match change(columns, answer.cells(&packet)) {
                    Some(row) => self.put_row(row),
                    None => self.put_part(&packet),
                }
            } else {
                answer.columns.push(packet.clone());
                self.put_part(&packet);
            }
            self.client.flush().await?;
        }
    }

    fn put_row(&mut self, cells: Cells) {
        let mut row = Vec::new();
        row::encode(&mut row, cells.into_iter().map(|cell| cell.map(Cow::from)));
        self.put(&row);
    }

    /// One result. Whether it was an error, and whether it was the last.
    async fn forward_result(&mut self, target: &mut Peer) -> io::Result<(bool, bool)> {
        let (mut head, first) = target.packet().await?;
        match first.first() {
            Some(&status::ERR) => {
                self.put(&first);
                return Ok((true, true));
            }
            Some(&status::OK) => {
                let info = OkInfo::decode(&first).map_err(invalid)?;
                let is_last = !info.has_more_results();
                let mut payload = Vec::new();
                with_more(info, !is_last || self.has_more).encode(&mut payload, status::OK);
                // The text behind the numbers stays.
                payload.extend_from_slice(first.get(payload.len()..).unwrap_or_default());
                self.put(&payload);
                return Ok((false, is_last));
            }
            // A file is asked for: an empty packet says that there is none.
            Some(0xFB) => {
                target.put(head.sequence.wrapping_add(1), b"");
                target.flush().await?;
                let _ = target.packet().await?;
                self.error(&not_supported(
                    "LOAD DATA LOCAL beside statements about replication",
                ));
                return Ok((true, true));
            }
            _ => self.put(&first),
        }
        let mut ends = 0;
        loop {
            let goes_on = head.length == FULL_PACKET_BYTES;
            let (next, packet) = target.packet().await?;
            head = next;
            if goes_on {
                self.put_part(&packet);
            } else if packet.first() == Some(&status::ERR) {
                self.put(&packet);
                return Ok((true, true));
            } else if status::is_eof(&packet) {
                let info = OkInfo::decode_eof(&packet).map_err(invalid)?;
                ends += 1;
                let is_last = !info.has_more_results();
                let mut payload = Vec::new();
                with_more(info, !is_last || self.has_more).encode_eof(&mut payload);
                self.put(&payload);
                if ends == 2 {
                    return Ok((false, is_last));
                }
            } else {
                self.put_part(&packet);
            }
            self.client.flush().await?;
        }
    }

    /// A packet as it was on the line.
    fn put_part(&mut self, packet: &[u8]) {
        self.client
            .output
            .extend_from_slice(&(packet.len() as u32).to_le_bytes()[..3]);
        self.client.output.extend_from_slice(&[self.sequence]);
        self.client.output.extend_from_slice(packet);
        self.sequence = self.sequence.wrapping_add(1);
    }
}
