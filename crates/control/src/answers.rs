//! Where the target's answers end: bytes go by untouched, and what is known of them is which commands are not answered yet.
//!
//! A question of the port's own may only be asked when nothing is on its way: what is left of an earlier answer, or a row that looks
//! like an answer, would be taken for the one to the question.

use std::collections::VecDeque;

use tributary_wire::command;
use tributary_wire::status::{self, OkInfo, STATUS_MORE_RESULTS};

use crate::peer::{FULL_PACKET_BYTES, HEAD_BYTES, Head};

/// Commands that may wait for their answers; while there are more, the client is not read.
pub(crate) const OWED_MAX: usize = 16 * 1024;

/// Bytes of a packet that are looked at: an OK packet up to its warnings, with the longest numbers.
const START_BYTES: usize = 1 + 9 + 9 + 2 + 2;

const FIELD_LIST: u8 = 0x04;
const STATISTICS: u8 = 0x09;
const PROCESS_INFO: u8 = 0x0A;
const CHANGE_USER: u8 = 0x11;
const TABLE_DUMP: u8 = 0x13;
const STMT_EXECUTE: u8 = 0x17;
const STMT_SEND_LONG_DATA: u8 = 0x18;
const STMT_FETCH: u8 = 0x1C;
const BINLOG_DUMP_GTID: u8 = 0x1E;

/// The target asks for a file of the client's.
const LOCAL_INFILE: u8 = 0xFB;

/// Rows stay behind a cursor: they are fetched by commands of their own.
const CURSOR_EXISTS: u16 = 0x0040;

/// An ERR packet with this number says how far a statement has come.
const PROGRESS: u16 = 0xFFFF;

/// What comes next of the answer to the oldest command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The packet that says what it is.
    First,
    /// Columns and what ends them, then rows and what ends them.
    Columns,
    /// Parts that end with an EOF packet each.
    Ends(u8),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Commands without the end of their answers, oldest first.
    owed: VecDeque<u8>,
    part: Part,
    /// The head of the packet that goes by, as far as it is here.
    head: Vec<u8>,
    /// The beginning of its payload.
    start: Vec<u8>,
    /// Bytes of it to come.
    left: usize,
    length: usize,
    /// The packet before it was full: this one goes on with it.
    goes_on: bool,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            owed: VecDeque::new(),
            part: Part::First,
            head: Vec::with_capacity(HEAD_BYTES),
            start: Vec::with_capacity(START_BYTES),
            left: 0,
            length: 0,
            goes_on: false,
        }
    }

    /// A command goes to the target.
    pub(crate) fn expect(&mut self, kind: u8) {
        if !matches!(kind, command::QUIT | command::STMT_CLOSE | STMT_SEND_LONG_DATA) {
            self.owed.push_back(kind);
        }
    }

    /// Whether all commands are answered, to the last byte.
    pub(crate) fn are_complete(&self) -> bool {
        self.owed.is_empty() && self.head.is_empty() && !self.goes_on
    }

    /// Whether as many commands wait as may.
    pub(crate) fn are_many(&self) -> bool {
        self.owed.len() >= OWED_MAX
    }

    /// Bytes of the target go by.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.head.len() < HEAD_BYTES {
                let (now, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
                self.head.extend_from_slice(now);
                bytes = rest;
                let Some(head) = Head::of(&self.head) else {
                    return;
                };
                (self.left, self.length) = (head.length, head.length);
                self.start.clear();
            }
            let (now, rest) = bytes.split_at(bytes.len().min(self.left));
            let wanted = now.len().min(START_BYTES - self.start.len());
            self.start.extend_from_slice(&now[..wanted]);
            self.left -= now.len();
            bytes = rest;
            if self.left == 0 {
                self.head.clear();
                let is_begun = std::mem::replace(&mut self.goes_on, self.length == FULL_PACKET_BYTES);
                if !is_begun {
                    self.packet();
                }
            }
        }
    }

    /// A packet has gone by, the first part of it if it is long.
    fn packet(&mut self) {
        // Without a command, the target says that it ends the session.
        let Some(&kind) = self.owed.front() else {
            return;
        };
        let next = match (self.start.first(), self.part) {
            // Events of a binlog, each behind a byte 0.
            (first, _) if matches!(kind, command::BINLOG_DUMP | BINLOG_DUMP_GTID | TABLE_DUMP) => {
                let ends = first == Some(&status::ERR) || self.is_end();
                (!ends).then_some(Part::First)
            }
            (Some(&status::ERR), _) => {
                let is_progress = self.start.get(1..3) == Some(&PROGRESS.to_le_bytes());
                is_progress.then_some(self.part)
            }
            (_, Part::First) => self.first(kind),
            (_, Part::Columns) if self.is_end() => {
                let has_cursor = kind == STMT_EXECUTE && self.flags() & CURSOR_EXISTS != 0;
                (!has_cursor).then_some(Part::Ends(1))
            }
            (_, Part::Ends(1)) if self.is_end() => self.result_ended(kind),
            (_, Part::Ends(count)) if self.is_end() => Some(Part::Ends(count - 1)),
            (_, part) => Some(part),
        };
        self.part = next.unwrap_or(Part::First);
        if next.is_none() {
            self.owed.pop_front();
        }
    }

    /// What follows the first packet; `None`: nothing.
    fn first(&self, kind: u8) -> Option<Part> {
        let first = self.start.first().copied();
        match kind {
            command::QUERY | STMT_EXECUTE | command::STMT_BULK_EXECUTE | PROCESS_INFO => match first {
                Some(status::OK) => self.result_ended(kind),
                Some(LOCAL_INFILE) => Some(Part::First),
                _ => Some(Part::Columns),
            },
            command::STMT_PREPARE => {
                // Status, statement, columns, parameters.
                let has = |from: usize| {
                    self.start
                        .get(from..from + 2)
                        .is_some_and(|count| count != [0, 0])
                };
                match u8::from(has(5)) + u8::from(has(7)) {
                    0 => None,
                    ends => Some(Part::Ends(ends)),
                }
            }
            STMT_FETCH | FIELD_LIST => (!self.is_end()).then_some(Part::Ends(1)),
            // Until the login is through.
            CHANGE_USER => (first != Some(status::OK)).then_some(Part::First),
            STATISTICS => None,
            _ => None,
        }
    }

    /// Behind the end of a result.
    fn result_ended(&self, kind: u8) -> Option<Part> {
        let is_prepare = kind == command::STMT_PREPARE;
        (!is_prepare && self.flags() & STATUS_MORE_RESULTS != 0).then_some(Part::First)
    }

    /// Whether the packet ends columns or rows.
    fn is_end(&self) -> bool {
        self.length == self.start.len() && status::is_eof(&self.start)
    }

    /// The target's flags in the packet that went by.
    fn flags(&self) -> u16 {
        let info = match self.start.first() {
            Some(&status::OK) => OkInfo::decode(&self.start),
            _ => OkInfo::decode_eof(&self.start),
        };
        info.map_or(0, |info| info.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
    const OK_AND_MORE: &[u8] = &[0, 0, 0, 10, 0, 0, 0];
    const END: &[u8] = &[0xFE, 0, 0, 2, 0];
    const END_AND_MORE: &[u8] = &[0xFE, 0, 0, 10, 0];
    const END_WITH_CURSOR: &[u8] = &[0xFE, 0, 0, 0x42, 0];
    const COLUMN: &[u8] = b"\x03def";
    const ERROR: &[u8] = b"\xFF\x28\x04#42000no";
    const PROGRESS: &[u8] = b"\xFF\xFF\xFF\x01\x01\x01";

    fn packets(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, payload) in payloads.iter().enumerate() {
            bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
            bytes.push(number as u8 + 1);
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    /// Each answer is complete with its last byte, and not before, however it is cut.
    #[test]
    fn an_answer_ends_with_its_last_packet() {
        let long = [&[0xFE][..], &[b'x'; 20]].concat();
        let prepared = |columns: u8, parameters: u8| [0, 1, 0, 0, 0, columns, 0, parameters, 0, 0, 0, 0];
        for (kind, answer) in [
            (command::QUERY, vec![OK]),
            (command::QUERY, vec![ERROR]),
            (command::QUERY, vec![PROGRESS, PROGRESS, OK]),
            (command::QUERY, vec![b"\x01", COLUMN, END, b"\x01a", END]),
            (command::QUERY, vec![b"\x01", COLUMN, END, &long, OK, END]),
            (command::QUERY, vec![b"\x01", COLUMN, END, b"\x01a", ERROR]),
            (
                command::QUERY,
                vec![OK_AND_MORE, b"\x01", COLUMN, END_AND_MORE, END_AND_MORE, OK],
            ),
            (command::QUERY, vec![b"\x01", COLUMN, END, END_AND_MORE, ERROR]),
            (command::QUERY, vec![b"\xFBfile", OK]),
            (STMT_EXECUTE, vec![b"\x01", COLUMN, END, b"\x00\x00\x01a", END]),
            (STMT_EXECUTE, vec![b"\x01", COLUMN, END_WITH_CURSOR]),
            (STMT_FETCH, vec![b"\x00\x00\x01a", END_WITH_CURSOR]),
            (STMT_FETCH, vec![END]),
            (FIELD_LIST, vec![COLUMN, COLUMN, END]),
            (STATISTICS, vec![b"Uptime: 1"]),
            (0x1B, vec![END]),
            (CHANGE_USER, vec![b"\xFEmysql_native_password\x0012345", OK]),
            (command::STMT_PREPARE, vec![&prepared(0, 0)]),
            (command::STMT_PREPARE, vec![&prepared(0, 1), COLUMN, END]),
            (
                command::STMT_PREPARE,
                vec![&prepared(2, 1), COLUMN, END, COLUMN, COLUMN, END],
            ),
            (BINLOG_DUMP_GTID, vec![b"\x00event", b"\x00event", END]),
            (0x55, vec![ERROR]),
        ] {
            let bytes = packets(&answer);
            for piece in [1, 2, 3, 7, bytes.len()] {
                let mut answers = Answers::new();
                answers.expect(kind);
                for (index, part) in bytes.chunks(piece).enumerate() {
                    assert!(
                        !answers.are_complete(),
                        "{kind:#x} {answer:?}: at {}",
                        index * piece
                    );
                    answers.pass(part);
                }
                assert!(answers.are_complete(), "{kind:#x} {answer:?}");
            }
        }
    }

    #[test]
    fn each_command_has_its_answer() {
        let mut answers = Answers::new();
        for kind in [
            command::QUERY,
            command::STMT_CLOSE,
            STMT_SEND_LONG_DATA,
            command::PING,
        ] {
            answers.expect(kind);
        }
        answers.pass(&packets(&[OK]));
        assert!(!answers.are_complete(), "the second is owed");
        answers.pass(&packets(&[OK]));
        assert!(answers.are_complete());
        answers.pass(&packets(&[ERROR]));
        assert!(answers.are_complete(), "the session was ended");
    }

    #[test]
    fn a_row_of_many_packets_is_one() {
        let mut answers = Answers::new();
        answers.expect(command::QUERY);
        answers.pass(&packets(&[b"\x01", COLUMN, END]));
        let full = vec![b'x'; FULL_PACKET_BYTES];
        // What goes on with a row is no end, whatever it looks like.
        answers.pass(&packets(&[&full, END]));
        assert!(!answers.are_complete());
        answers.pass(&packets(&[&full, b""]));
        assert!(!answers.are_complete());
        answers.pass(&packets(&[END]));
        assert!(answers.are_complete());
    }
}
