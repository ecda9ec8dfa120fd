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
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::{packet, row};

    const FORMAT: ReplyFormat = ReplyFormat {
        deprecate_eof: true,
        rows: Rows::Keep,
        reply_bytes_max: 1 << 30,
    };

    /// The payloads of one reply, written by the server's side of this crate.
    struct Script {
        deprecate_eof: bool,
        payloads: Vec<Vec<u8>>,
    }

    impl Script {
        fn new(deprecate_eof: bool) -> Script {
            Script {
                deprecate_eof,
                payloads: Vec::new(),
            }
        }

        fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
            let mut payload = Vec::new();
            write(&mut payload);
            self.payloads.push(payload);
        }

        fn ok(&mut self, ok: OkInfo) {
            self.add(|out| ok.encode(out, OK));
        }

        fn rows(&mut self, set: &ResultSet) {
            self.add(|out| out.push(set.columns.len() as u8));
            for column in &set.columns {
                self.add(|out| column.encode(out));
            }
            if !self.deprecate_eof {
                self.add(|out| OkInfo::default().encode_eof(out));
            }
            for one in &set.rows {
                self.add(|out| row::encode(out, one.cells().map(|cell| cell.map(Cow::Borrowed))));
            }
            match self.deprecate_eof {
                true => self.add(|out| set.end.encode(out, EOF)),
                false => self.add(|out| set.end.encode_eof(out)),
            }
        }

        fn read(&self, format: ReplyFormat) -> Result<Option<Reply>, Error> {
            let mut stream = Vec::new();
            for payload in &self.payloads {
                packet::encode(&mut stream, 1, [&payload[..]]);
            }
            read(&stream, format)
        }
    }

    /// The reply that a stream of packets starts with; `None` when it is not whole.
    fn read(stream: &[u8], format: ReplyFormat) -> Result<Option<Reply>, Error> {
        let mut packets = PacketReader::new(1024, 1 << 30);
        packets.space().extend_from_slice(stream);
        let mut decoder = ReplyDecoder::new(format);
        while packets.is_ready()? {
            if decoder.step(&mut packets)? == Step::Done {
                return Ok(Some(decoder.into_reply()));
            }
        }
        Ok(None)
    }

    fn more(ok: OkInfo) -> OkInfo {
        OkInfo {
            status: ok.status | STATUS_MORE_RESULTS,
            ..ok
        }
    }

    fn set(names: &[&str], rows: &[&[Option<&[u8]>]]) -> ResultSet {
        let columns = names.iter().map(|name| Column {
            name: (*name).to_owned(),
            ..Column::default()
        });
        let rows = rows.iter().map(|cells| {
            let mut payload = Vec::new();
            row::encode(&mut payload, cells.iter().map(|cell| cell.map(Cow::Borrowed)));
            Row::decode(payload.into(), names.len()).unwrap()
        });
        ResultSet {
            columns: columns.collect(),
            rows: rows.collect(),
            end: OkInfo::default(),
        }
    }

    #[test]
    fn results_of_several_statements_come_in_order() {
        // Rows that start like an OK, a LOCAL INFILE request and an EOF packet.
        let rows = set(
            &["a", "B"],
            &[
                &[Some(b""), Some(b"x")],
                &[None, None],
                &[Some(b"\xfe"), Some(b"")],
            ],
        );
        let rows = ResultSet {
            end: more(OkInfo {
                warnings: 3,
                ..OkInfo::default()
            }),
            ..rows
        };
        let ok = OkInfo {
            affected_rows: 1000,
            last_insert_id: 1 << 40,
            status: 2,
            warnings: 1,
        };
        for deprecate_eof in [true, false] {
            let mut script = Script::new(deprecate_eof);
            script.ok(more(ok));
            script.rows(&rows);
            script.ok(ok);
            let reply = script
                .read(ReplyFormat {
                    deprecate_eof,
                    ..FORMAT
                })
                .unwrap()
                .unwrap();
            let expected = [
                StatementResult::Ok(more(ok)),
                StatementResult::Rows(rows.clone()),
                StatementResult::Ok(ok),
            ];
            assert_eq!((reply.results.as_slice(), reply.error), (&expected[..], None));
            assert_eq!(rows.column_index("b"), Some(1));
        }
    }

    #[test]
    fn an_error_ends_the_reply_wherever_it_comes() {
        let error = ServerError {
            code: 1062,
            sqlstate: *b"23000",
            message: "twice".to_owned(),
        };
        let rows = set(&["a"], &[&[Some(b"1")]]);
        let mut whole = Script::new(true);
        whole.ok(more(OkInfo::default()));
        whole.rows(&rows);
        // Before the first result, after it, after the column count, after the column, after the row.
        for (kept, results) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 1)] {
            let mut script = Script::new(true);
            script.payloads.extend_from_slice(&whole.payloads[..kept]);
            script.add(|out| error.encode(out));
            let reply = script.read(FORMAT).unwrap().unwrap();
            assert_eq!(
                (reply.results.len(), reply.error.as_ref()),
                (results, Some(&error)),
                "{kept} packets before"
            );
        }
    }

    #[test]
    fn progress_reports_are_passed_over() {
        let mut script = Script::new(true);
        script.add(|out| out.extend_from_slice(b"\xff\xff\xff\x01\x01\x01\x00\x00\x00\x00"));
        script.ok(OkInfo::default());
        assert_eq!(script.read(FORMAT).unwrap().unwrap().results.len(), 1);
    }

    #[test]
    fn a_request_for_a_file_is_not_a_row() {
        let mut packets = PacketReader::new(1024, 1000);
        let mut stream = Vec::new();
        packet::encode(&mut stream, 1, [&b"\xfbdata.csv"[..]]);
        packets.space().extend_from_slice(&stream);
        assert!(packets.is_ready().unwrap());
        let mut decoder = ReplyDecoder::new(FORMAT);
        assert_eq!(
            decoder.step(&mut packets),
            Ok(Step::LocalInfile(b"data.csv".to_vec()))
        );
        assert!(!packets.is_ready().unwrap());
    }

    #[test]
    fn discarded_rows_are_not_looked_at() {
        let mut script = Script::new(true);
        script.rows(&set(&["a"], &[]));
        let end = script.payloads.pop().unwrap();
        // A row of the binary protocol.
        script.add(|out| out.extend_from_slice(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
        script.payloads.push(end);
        let format = ReplyFormat {
            rows: Rows::Discard,
            ..FORMAT
        };
        let reply = script.read(format).unwrap().unwrap();
        let StatementResult::Rows(set) = &reply.results[0] else {
            panic!("{reply:?}")
        };
        assert_eq!((set.columns.len(), set.rows.len()), (1, 0));
        assert!(script.read(FORMAT).is_err(), "as a text row it is broken");
    }

    #[test]
    fn a_row_of_16_mib_that_starts_like_an_end_is_a_row() {
        let large = vec![b'x'; 1 << 24];
        let rows = set(&["a"], &[&[Some(&large)], &[Some(b"1")]]);
        for deprecate_eof in [true, false] {
            let mut script = Script::new(deprecate_eof);
            script.rows(&rows);
            let reply = script
                .read(ReplyFormat {
                    deprecate_eof,
                    ..FORMAT
                })
                .unwrap()
                .unwrap();
            assert!(reply.results == [StatementResult::Rows(rows.clone())]);
        }
    }

    #[test]
    fn a_reply_beyond_its_limit_is_refused() {
        let rows = set(&["a"], &[&[Some(&[b'x'; 5000])], &[Some(&[b'x'; 5000])]]);
        let mut script = Script::new(true);
        script.rows(&rows);
        assert!(
            script
                .read(ReplyFormat {
                    reply_bytes_max: 12_000,
                    ..FORMAT
                })
                .is_ok()
        );
        let error = script
            .read(ReplyFormat {
                reply_bytes_max: 10_000,
                ..FORMAT
            })
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    what: "reply",
                    limit: 10_000,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn absurd_column_counts_are_refused() {
        let mut script = Script::new(true);
        script.add(|out| out.extend_from_slice(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"));
        assert!(matches!(script.read(FORMAT), Err(Error::TooLarge { .. })));
        let mut script = Script::new(true);
        script.add(|out| out.extend_from_slice(b"\x01\x01"));
        assert!(matches!(script.read(FORMAT), Err(Error::Invalid { .. })));
    }

    proptest! {
        #[test]
        fn hostile_replies_do_not_panic(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20),
            deprecate_eof: bool,
        ) {
            let script = Script { deprecate_eof, payloads };
            let _ = script.read(ReplyFormat { deprecate_eof, reply_bytes_max: 10_000, ..FORMAT });
        }

        /// A good reply, cut anywhere, is not whole; with one byte changed, it is another reply or an error.
        #[test]
        fn damaged_replies_do_not_panic(cut in 0usize..200, value: u8) {
            let mut script = Script::new(true);
            script.ok(more(OkInfo::default()));
            script.rows(&set(&["a", "b"], &[&[Some(b"1"), None], &[Some(b"22"), Some(b"333")]]));
            let mut stream = Vec::new();
            for payload in &script.payloads {
                packet::encode(&mut stream, 1, [&payload[..]]);
            }
            let cut = cut % stream.len();
            prop_assert_eq!(read(&stream[..cut], FORMAT), Ok(None));
            stream[cut] = value;
            let _ = read(&stream, FORMAT);
        }
    }
}
