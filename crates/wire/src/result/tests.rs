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
