//! The reply to one command, put together from its packets.
//!
//! A reply holds one result per statement: an OK, or a result set; it ends with the last one, or with an error. MariaDB
//! protocol documentation, "Result Set Packets".

use std::mem::size_of;

use crate::Error;
use crate::column::Column;
use crate::packet::{FRAGMENT_BYTES_MAX, PacketReader};
use crate::reader::{LENENC_NULL, Reader};
use crate::row::Row;
use crate::status::{EOF, ERR, ErrPacket, OK, OkInfo, STATUS_MORE_RESULTS, ServerError, is_eof};

/// More columns than any server has: they stop at 4096 per table, and a result at 65535.
const COLUMNS_MAX: u64 = 65_535;

/// The reply to one command.
///
/// The server stops at the first statement that fails, so the index of that statement is `results.len()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// What the statements before the failing one gave, in order.
    pub results: Vec<StatementResult>,
    /// Why the next statement failed.
    pub error: Option<ServerError>,
}

/// What one statement gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementResult {
    /// No rows.
    Ok(OkInfo),
    /// Rows, maybe none.
    Rows(ResultSet),
}

/// The rows of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows, each with one cell per column. Empty when the reply was read with [`Rows::Discard`].
    pub rows: Vec<Row>,
    /// Status flags and warnings, from the packet that ends the rows.
    pub end: OkInfo,
}

impl ResultSet {
    /// The index of the column with this name, letter case ignored, as in `SHOW` statements across server versions.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The first cell of the first row as text; `None` when there is no row, or the cell is NULL.
    pub fn first_text(&self) -> Option<String> {
        self.rows.first()?.text(0)
    }
}

/// What to do with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Keep them; they are rows of the text protocol.
    Keep,
    /// Pass over them, whatever their protocol.
    Discard,
}

/// How to read a reply.
#[derive(Debug, Clone, Copy)]
pub struct ReplyFormat {
    /// Whether both sides have the capability `DEPRECATE_EOF`.
    pub deprecate_eof: bool,
    /// What to do with rows.
    pub rows: Rows,
    /// The most memory that the reply may take, in bytes.
    pub reply_bytes_max: usize,
}

/// What a packet of the reply led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The reply goes on.
    More,
    /// The reply is whole.
    Done,
    /// The server asks for the bytes of this file, and goes on with the reply when it has them.
    LocalInfile(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next packet starts a result.
    Start,
    /// The next packets define columns.
    Columns { left: usize },
    /// The next packet is the EOF after the columns.
    EndOfColumns,
    /// The next packets are rows.
    Rows,
    /// There is no next packet.
    Done,
}

/// Puts a reply together.
#[derive(Debug)]
pub struct ReplyDecoder {
    format: ReplyFormat,
    state: State,
    bytes: usize,
    current: ResultSet,
    reply: Reply,
}

impl ReplyDecoder {
    /// Starts a reply.
    pub fn new(format: ReplyFormat) -> ReplyDecoder {
        let (current, reply) = (ResultSet::default(), Reply::default());
        ReplyDecoder {
            format,
            state: State::Start,
            bytes: 0,
            current,
            reply,
        }
    }

    /// The reply, as far as it came.
    pub fn into_reply(self) -> Reply {
        self.reply
    }

    /// Takes the payload that is ready out of `packets`.
    ///
    /// # Errors
    /// What the packet's decoder reports; [`Error::TooLarge`] when the reply outgrows its limit. The stream cannot be read on.
    pub fn step(&mut self, packets: &mut PacketReader) -> Result<Step, Error> {
        let payload = packets.payload();
        if payload.first() == Some(&ERR) {
            // In a row this would be a cell length that does not exist, so it is an error everywhere.
            if let ErrPacket::Error(error) = ErrPacket::decode(payload)? {
                self.reply.error = Some(error);
                self.state = State::Done;
            }
        } else if self.state == State::Rows && !self.ends_rows(payload) {
            self.add_row(packets)?;
            return Ok(Step::More);
        } else {
            let step = self.control_packet(payload)?;
            packets.consume();
            return Ok(step);
        }
        packets.consume();
        Ok(self.step_of_state())
    }

    /// Every packet but rows and errors.
    fn control_packet(&mut self, payload: &[u8]) -> Result<Step, Error> {
        match self.state {
            State::Start => return self.start(payload),
            State::Columns { left } => {
                self.count(payload.len() + size_of::<Column>())?;
                self.current.columns.push(Column::decode(payload)?);
                self.state = match left {
                    0 | 1 if self.format.deprecate_eof => State::Rows,
                    0 | 1 => State::EndOfColumns,
                    _ => State::Columns { left: left - 1 },
                };
            }
            State::EndOfColumns => {
                OkInfo::decode_eof(payload)?;
                self.state = State::Rows;
            }
            State::Rows => {
                let end = match self.format.deprecate_eof {
                    true => OkInfo::decode(payload)?,
                    false => OkInfo::decode_eof(payload)?,
                };
                let rows = std::mem::take(&mut self.current);
                self.finish(StatementResult::Rows(ResultSet { end, ..rows }), end.status);
            }
            State::Done => return Err(Error::invalid("reply", "a packet follows its last one")),
        }
        Ok(self.step_of_state())
    }

    /// The first packet of a result.
    fn start(&mut self, payload: &[u8]) -> Result<Step, Error> {
        self.count(size_of::<StatementResult>())?;
        match payload.first() {
            Some(&OK) => {
                let ok = OkInfo::decode(payload)?;
                self.finish(StatementResult::Ok(ok), ok.status);
            }
            Some(&EOF) if is_eof(payload) => {
                let ok = OkInfo::decode_eof(payload)?;
                self.finish(StatementResult::Ok(ok), ok.status);
            }
            Some(&LENENC_NULL) => {
                return Ok(Step::LocalInfile(payload.get(1..).unwrap_or_default().to_vec()));
            }
            _ => {
                let mut reader = Reader::new("result set", payload);
                let left = reader.lenenc_int("column count")?;
                if reader.left() > 0 {
                    return Err(Error::invalid("result set", "bytes follow the column count"));
                }
                if left > COLUMNS_MAX {
                    return Err(Error::TooLarge {
                        what: "result set (columns)",
                        size: left,
                        limit: COLUMNS_MAX,
                    });
                }
                self.state = State::Columns { left: left as usize };
            }
        }
        Ok(self.step_of_state())
    }

    /// Whether the payload ends the rows. A row that starts with 0xFE has a first cell of 16 MiB or more.
    fn ends_rows(&self, payload: &[u8]) -> bool {
        match self.format.deprecate_eof {
            true => payload.first() == Some(&EOF) && payload.len() < FRAGMENT_BYTES_MAX,
            false => is_eof(payload),
        }
    }

    fn add_row(&mut self, packets: &mut PacketReader) -> Result<(), Error> {
        if self.format.rows == Rows::Discard {
            packets.consume();
            return Ok(());
        }
        let column_count = self.current.columns.len();
        self.count(
            size_of::<Row>() + packets.payload().len() + column_count * size_of::<Option<[u32; 2]>>(),
        )?;
        self.current.rows.push(Row::decode(packets.take(), column_count)?);
        Ok(())
    }

    fn finish(&mut self, result: StatementResult, status: u16) {
        self.reply.results.push(result);
        self.state = match status & STATUS_MORE_RESULTS {
            0 => State::Done,
            _ => State::Start,
        };
    }

    /// Adds to what the reply takes.
    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.format.reply_bytes_max {
            let (size, limit) = (self.bytes as u64, self.format.reply_bytes_max as u64);
            return Err(Error::TooLarge {
                what: "reply",
                size,
                limit,
            });
        }
        Ok(())
    }

    fn step_of_state(&self) -> Step {
        match self.state {
            State::Done => Step::Done,
            _ => Step::More,
        }
    }
}

#[cfg(test)]
mod tests;
