//! Questions to the target in a client's own session, between two of its statements.

use std::io;

use bytes::Bytes;
use tributary_wire::command;
use tributary_wire::reader::Reader;
use tributary_wire::row::Row;
use tributary_wire::status::{self, OkInfo, STATUS_MORE_RESULTS};

use crate::peer::{FULL_PACKET_BYTES, Peer};

/// Most bytes of an answer that is read as a whole.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The number of an answer's first packet; the command has 0.
const FIRST_SEQUENCE: u8 = 1;

/// An answer to one statement.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Definitions of columns, as they came.
    pub(crate) columns: Vec<Bytes>,
    /// Rows, as they came.
    pub(crate) rows: Vec<Bytes>,
    /// How it ended.
    pub(crate) info: OkInfo,
}

/// The server's error, as it came.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) Bytes);

impl Error {
    /// Its number.
    pub(crate) fn code(&self) -> Option<u16> {
        let bytes = self.0.get(1..3)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    }
}

impl Answer {
    /// The first cell of the first row.
    pub(crate) fn first(&self) -> Option<Vec<u8>> {
        self.cells(self.rows.first()?).into_iter().next()?
    }

    pub(crate) fn cells(&self, row: &Bytes) -> Vec<Option<Vec<u8>>> {
        match Row::decode(row.clone(), self.columns.len()) {
            Ok(row) => row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| name_of(column).unwrap_or_default())
            .collect()
    }
}

/// A column's name: the fifth text of its definition.
fn name_of(definition: &[u8]) -> Option<String> {
    let mut reader = Reader::new("column definition", definition);
    for field in ["catalog", "schema", "table", "original table"] {
        reader.lenenc_bytes(field).ok()?;
    }
    let name = reader.lenenc_bytes("name").ok()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

impl Peer {
    /// Asks, and reads the answer. The outer error is that of the line.
    pub(crate) async fn ask(&mut self, statement: &[u8]) -> io::Result<Result<Answer, Error>> {
        self.send(command::QUERY, statement).await?;
        let mut answer = Answer::default();
        let (head, first) = self.packet().await?;
        // What is left of the answer to another command is none to this.
        if head.sequence != FIRST_SEQUENCE || head.length == FULL_PACKET_BYTES {
            return Err(invalid("an answer that does not begin as one"));
        }
        match first.first() {
            Some(&status::ERR) => return Ok(Err(Error(first))),
            Some(&status::OK) => {
                answer.info = OkInfo::decode(&first).map_err(invalid)?;
                return Ok(Ok(answer));
            }
            Some(_) => {}
            None => return Err(invalid("an empty packet")),
        }
        let mut bytes = 0;
        let mut ends = 0;
        loop {
            let packet = self.whole().await?;
            bytes += packet.len();
            if bytes > ANSWER_BYTES_MAX {
                return Err(invalid("an answer of more than 64 MiB"));
            }
            if packet.first() == Some(&status::ERR) {
                return Ok(Err(Error(packet)));
            }
            if status::is_eof(&packet) {
                answer.info = OkInfo::decode_eof(&packet).map_err(invalid)?;
                ends += 1;
                if ends == 2 {
                    return Ok(Ok(answer));
                }
            } else if ends == 0 {
                answer.columns.push(packet);
            } else {
                answer.rows.push(packet);
            }
        }
    }

    pub(crate) async fn send(&mut self, command: u8, text: &[u8]) -> io::Result<()> {
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.push(command);
        payload.extend_from_slice(text);
        self.put(0, &payload);
        self.flush().await
    }

    /// The next packet, put together.
    async fn whole(&mut self) -> io::Result<Bytes> {
        let (mut head, first) = self.packet().await?;
        if head.length < FULL_PACKET_BYTES {
            return Ok(first);
        }
        let mut all = first.to_vec();
        while head.length == FULL_PACKET_BYTES {
            let (next, part) = self.packet().await?;
            all.extend_from_slice(&part);
            if all.len() > ANSWER_BYTES_MAX {
                return Err(invalid("a packet of more than 64 MiB"));
            }
            head = next;
        }
        Ok(all.into())
    }
}

/// Sets or takes away the flag that says that another result follows.
pub(crate) fn with_more(mut info: OkInfo, has_more: bool) -> OkInfo {
    info.status &= !STATUS_MORE_RESULTS;
    if has_more {
        info.status |= STATUS_MORE_RESULTS;
    }
    info
}

pub(crate) fn invalid(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
